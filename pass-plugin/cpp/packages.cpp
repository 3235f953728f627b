// What leaving functions out needs and LLVM's C API lacks: who calls a function and how else it is used, calls through
// a pointer that promise what the function promised, and a function without its body.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Transforms/IPO/GlobalDCE.h"

using namespace llvm;
using namespace jl;

namespace {
// How a function is used besides being called; Rust has the same bits (llvm/packages.rs).
enum OtherUse : unsigned { Address = 1, Pinned = 2 };

unsigned otherUse(const User *By, SmallPtrSetImpl<const User *> &Seen) {
  auto *C = dyn_cast<Constant>(By);
  if (!C)
    return Address;
  if (isa<BlockAddress>(C) || isa<GlobalAlias>(C) || isa<GlobalIFunc>(C))
    return Pinned;
  if (auto *V = dyn_cast<GlobalVariable>(C))
    return V->getName() == "llvm.used" || V->getName() == "llvm.compiler.used" ? Pinned : Address;
  if (isa<GlobalValue>(C))
    return Address;
  unsigned All = 0;
  if (Seen.insert(By).second)
    for (const User *Next : C->users())
      All |= otherUse(Next, Seen);
  return All;
}

// What optimisation goes by, and code generation must know, of a function that is called; the rest is about its body.
const Attribute::AttrKind Promises[] = {
    Attribute::Cold,      Attribute::Convergent, Attribute::Memory,       Attribute::MustProgress,
    Attribute::NoCallback, Attribute::NoFree,    Attribute::NoMerge,      Attribute::NoRecurse,
    Attribute::NoReturn,  Attribute::NoSync,     Attribute::NoUnwind,     Attribute::ReturnsTwice,
    Attribute::WillReturn};

// The call's own attributes, and where it has none those of the function.
AttributeSet both(LLVMContext &C, AttributeSet Of, AttributeSet Own) {
  AttrBuilder B(C, Of);
  B.merge(AttrBuilder(C, Own));
  return AttributeSet::get(C, B);
}
} // namespace

// Whether simplification will most likely leave something of the instruction: not of variables on the stack, nor of
// where control goes next.
static bool isLeft(const Instruction &I) {
  if (isa<AllocaInst>(I) || isa<PHINode>(I) || isa<CastInst>(I) || isa<GetElementPtrInst>(I) || isa<LandingPadInst>(I) ||
      I.isLifetimeStartOrEnd() || isa<DbgInfoIntrinsic>(I) || isa<UnreachableInst>(I))
    return false;
  if (auto *B = dyn_cast<BranchInst>(&I))
    return B->isConditional();
  const Value *Pointer = getLoadStorePointerOperand(&I);
  return !Pointer || !isa<AllocaInst>(Pointer->stripPointerCasts());
}

extern "C" {
// Visits the functions that are called and defined here, once for each call; the result is how many other instructions
// simplification will most likely leave.
unsigned jl_cpp_instructions(LLVMValueRef Fn, void *Data, void (*Visit)(void *, LLVMValueRef)) {
  unsigned Left = 0;
  for (const BasicBlock &B : *unwrap<Function>(Fn))
    for (const Instruction &I : B) {
      auto *Call = dyn_cast<CallBase>(&I);
      const Function *Callee = Call ? Call->getCalledFunction() : nullptr;
      if (Callee && !Callee->isDeclaration())
        Visit(Data, wrap(Callee));
      else if (Call && !(Callee && Callee->isIntrinsic()))
        Left += 6;
      else
        Left += isLeft(I);
    }
  return Left;
}

// Visits each direct call by the function's own type and convention; the result says how else it is used.
unsigned jl_cpp_calls(LLVMValueRef Fn, void *Data, void (*Visit)(void *, LLVMValueRef)) {
  Function &F = *unwrap<Function>(Fn);
  unsigned Others = 0;
  SmallPtrSet<const User *, 8> Seen;
  for (Use &U : F.uses()) {
    auto *Call = dyn_cast<CallBase>(U.getUser());
    if (Call && Call->isCallee(&U) && !isa<CallBrInst>(Call) && Call->getFunctionType() == F.getFunctionType() &&
        Call->getCallingConv() == F.getCallingConv())
      Visit(Data, wrap(Call));
    else
      Others |= otherUse(U.getUser(), Seen);
  }
  return Others;
}

// Makes a call go through the pointer in `Slot`, which is not written any more when code runs.
void jl_cpp_call_through(LLVMValueRef Instruction, LLVMValueRef Slot) {
  CallBase &Call = *unwrap<CallBase>(Instruction);
  LLVMContext &C = Call.getContext();
  const Function &F = *Call.getCalledFunction();
  AttributeList Of = F.getAttributes(), Own = Call.getAttributes();
  AttrBuilder OfFunction(C);
  for (Attribute::AttrKind Kind : Promises)
    if (F.hasFnAttribute(Kind))
      OfFunction.addAttribute(F.getFnAttribute(Kind));
  SmallVector<AttributeSet, 8> Arguments;
  for (unsigned I = 0; I < Call.arg_size(); ++I)
    Arguments.push_back(both(C, Of.getParamAttrs(I), Own.getParamAttrs(I)));
  Call.setAttributes(AttributeList::get(C, both(C, AttributeSet::get(C, OfFunction), Own.getFnAttrs()),
                                        both(C, Of.getRetAttrs(), Own.getRetAttrs()), Arguments));
  Align Alignment = Call.getModule()->getDataLayout().getPointerABIAlignment(0);
  auto *Loaded = new LoadInst(F.getType(), unwrap(Slot), "", /*isVolatile=*/false, Alignment);
  Loaded->insertInto(Call.getParent(), Call.getIterator());
  Loaded->setDebugLoc(Call.getDebugLoc());
  MDNode *Nothing = MDNode::get(C, {});
  Loaded->setMetadata(LLVMContext::MD_invariant_load, Nothing);
  Loaded->setMetadata(LLVMContext::MD_nonnull, Nothing);
  Call.setCalledOperand(Loaded);
}

// What is left is a declaration of something in another image.
void jl_cpp_drop_body(LLVMValueRef Fn) {
  Function &F = *unwrap<Function>(Fn);
  F.deleteBody();
  F.setComdat(nullptr);
  F.clearMetadata();
  F.setDSOLocal(false);
}

// Removes what nothing refers to any more.
void jl_cpp_drop_unreferenced(LLVMModuleRef Mod) {
  PassBuilder PB;
  Analyses A(PB);
  ModulePassManager MPM;
  MPM.addPass(GlobalDCEPass());
  MPM.run(*unwrap(Mod), A.Modules);
}
}

// What the passes under Julia's names need and LLVM's C API lacks: the features of a subtarget, cloning many
// functions by one map, replacing a function inside constants, and a few properties.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace llvm;

namespace {
bool contains(const Value *In, const Value *Part) {
  if (In == Part)
    return true;
  auto *C = dyn_cast<Constant>(In);
  return C && !isa<GlobalValue>(C) && any_of(C->operands(), [&](const Use &U) { return contains(U, Part); });
}

// The constant `C` with `New` in place of `Old`, computed by instructions before `Before`.
Value *expand(Constant *C, Constant *Old, Value *New, Instruction *Before) {
  if (C == Old)
    return New;
  if (!contains(C, Old))
    return C;
  IRBuilder<> B(Before);
  if (auto *E = dyn_cast<ConstantExpr>(C)) {
    Instruction *I = B.Insert(E->getAsInstruction());
    for (Use &U : I->operands())
      U.set(expand(cast<Constant>(U), Old, New, I));
    return I;
  }
  Value *Result = PoisonValue::get(C->getType());
  for (unsigned Index = 0; Index < C->getNumOperands(); ++Index) {
    Value *Part = expand(cast<Constant>(C->getOperand(Index)), Old, New, Before);
    Result = C->getType()->isVectorTy() ? B.CreateInsertElement(Result, Part, uint64_t(Index))
                                        : B.CreateInsertValue(Result, Part, Index);
  }
  return Result;
}
} // namespace

extern "C" {
// What stands for what in the clones of one target.
void *jl_cpp_map_new() { return new ValueToValueMapTy; }
void jl_cpp_map_free(void *Map) { delete static_cast<ValueToValueMapTy *>(Map); }
void jl_cpp_map_add(void *Map, LLVMValueRef From, LLVMValueRef To) {
  (*static_cast<ValueToValueMapTy *>(Map))[unwrap(From)] = unwrap(To);
}

// Gives `To` the body of `From`, with everything replaced that the map knows. What it learns of metadata does not
// outlive the function: a subprogram that is inlined there stands for itself, but has a copy in its own clone.
void jl_cpp_map_clone(void *Map, LLVMValueRef From, LLVMValueRef To) {
  auto &VMap = *static_cast<ValueToValueMapTy *>(Map);
  Function &F = *unwrap<Function>(From), &T = *unwrap<Function>(To);
  for (unsigned Index = 0; Index < F.arg_size(); ++Index) {
    T.getArg(Index)->setName(F.getArg(Index)->getName());
    VMap[F.getArg(Index)] = T.getArg(Index);
  }
  SmallVector<ReturnInst *, 8> Returns;
  CloneFunctionInto(&T, &F, VMap, CloneFunctionChangeType::GlobalChanges, Returns);
  VMap.MD().clear();
}

// The constant, with everything replaced in it that the map knows.
LLVMValueRef jl_cpp_map_constant(void *Map, LLVMValueRef C) {
  return wrap(MapValue(unwrap<Constant>(C), *static_cast<ValueToValueMapTy *>(Map)));
}

// Visibility, calling convention, alignment, section, personality, attributes: all but linkage and name.
void jl_cpp_copy_attributes_from(LLVMValueRef To, LLVMValueRef From) {
  unwrap<Function>(To)->copyAttributesFrom(unwrap<Function>(From));
}
void jl_cpp_copy_dso_local(LLVMValueRef To, LLVMValueRef From) {
  unwrap<GlobalValue>(To)->setDSOLocal(unwrap<GlobalValue>(From)->isDSOLocal());
}
void jl_cpp_erase_global(LLVMValueRef G) { unwrap<GlobalValue>(G)->eraseFromParent(); }

void jl_cpp_set_tail_call(LLVMValueRef Call, bool Must) {
  unwrap<CallInst>(Call)->setTailCallKind(Must ? CallInst::TCK_MustTail : CallInst::TCK_Tail);
}

// Replaces `Old` in an operand of an instruction, however deep it stands in constants.
void jl_cpp_expand_operand(LLVMValueRef I, unsigned Index, LLVMValueRef Old, LLVMValueRef New,
                           LLVMValueRef Before) {
  Use &Operand = unwrap<Instruction>(I)->getOperandUse(Index);
  Operand.set(expand(cast<Constant>(Operand), unwrap<Constant>(Old), unwrap(New), unwrap<Instruction>(Before)));
}

LLVMValueRef jl_cpp_array(LLVMTypeRef Element, LLVMValueRef *Values, size_t Count) {
  SmallVector<Constant *, 0> Elements;
  for (size_t Index = 0; Index < Count; ++Index)
    Elements.push_back(unwrap<Constant>(Values[Index]));
  return wrap(ConstantArray::get(ArrayType::get(unwrap(Element), Count), Elements));
}

uint64_t jl_cpp_array_length(LLVMTypeRef T) { return unwrap<ArrayType>(T)->getNumElements(); }

// A module flag with the largest of all linked modules' values.
void jl_cpp_set_max_flag(LLVMModuleRef M, const char *Name, size_t Len, unsigned Value) {
  unwrap(M)->addModuleFlag(Module::Max, StringRef(Name, Len), Value);
}

// Visits all features that there are for this triple. False, and no visit, when this LLVM was built without
// the target.
bool jl_cpp_known_features(const char *TripleName, size_t TripleLen, void *Data,
                           void (*Visit)(void *, const char *, size_t)) {
  auto Info = jl::subtarget(StringRef(TripleName, TripleLen), "", "");
  if (!Info)
    return false;
  for (const SubtargetFeatureKV &Feature : jl::allFeatures(*Info))
    Visit(Data, Feature.Key, strlen(Feature.Key));
  return true;
}

// Visits the features that code for this triple, CPU and feature list may use. False, and no visit, when
// this LLVM was built without the target.
bool jl_cpp_subtarget_features(const char *TripleName, size_t TripleLen, const char *CPU, size_t CPULen,
                               const char *Features, size_t FeaturesLen, void *Data,
                               void (*Visit)(void *, const char *, size_t)) {
  auto Info = jl::subtarget(StringRef(TripleName, TripleLen), StringRef(CPU, CPULen),
                            StringRef(Features, FeaturesLen));
  if (!Info)
    return false;
  for (const SubtargetFeatureKV &Feature : jl::allFeatures(*Info))
    if (Info->hasFeature(Feature.Value))
      Visit(Data, Feature.Key, strlen(Feature.Key));
  return true;
}
}

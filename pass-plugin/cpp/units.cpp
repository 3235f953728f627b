// Simplification in units: pieces of a module that are simplified by themselves, and their way back into it.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/Linker/IRMover.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/ArgumentPromotion.h"
#include "llvm/Transforms/IPO/FunctionAttrs.h"
#include "llvm/Transforms/Utils/Cloning.h"

using namespace llvm;
using namespace jl;

namespace {
// All symbols that a definition names, in the order of its code; those in its metadata, too.
struct Names {
  SmallSetVector<GlobalValue *, 16> Found;
  SmallPtrSet<const void *, 32> Seen;

  void value(const Value *V) {
    if (auto *M = dyn_cast_or_null<MetadataAsValue>(V))
      return metadata(M->getMetadata());
    auto *C = dyn_cast_or_null<Constant>(V);
    if (!C || !Seen.insert(C).second)
      return;
    if (auto *GV = dyn_cast<GlobalValue>(C))
      Found.insert(const_cast<GlobalValue *>(GV));
    else
      for (const Use &U : C->operands())
        value(U);
  }
  void metadata(const Metadata *M) {
    if (!M || !Seen.insert(M).second)
      return;
    if (auto *C = dyn_cast<ConstantAsMetadata>(M))
      return value(C->getValue());
    if (auto *N = dyn_cast<MDNode>(M))
      for (const MDOperand &Op : N->operands())
        metadata(Op.get());
  }
  void attached(ArrayRef<std::pair<unsigned, MDNode *>> List) {
    for (auto &[Kind, Node] : List)
      metadata(Node);
  }
  void function(const Function &F) {
    SmallVector<std::pair<unsigned, MDNode *>, 4> Attached;
    F.getAllMetadata(Attached);
    attached(Attached);
    for (const Use &U : F.operands())
      value(U);
    for (const Instruction &I : instructions(F)) {
      for (const Use &U : I.operands())
        value(U);
      I.getAllMetadata(Attached);
      attached(Attached);
    }
  }
};

enum class Role : uint8_t { Visible, Inner, Declared, Known };

// As strong as it can be without another meaning: nothing of a piece is dropped because the piece does not use it.
GlobalValue::LinkageTypes kept(GlobalValue::LinkageTypes Linkage) {
  switch (Linkage) {
  case GlobalValue::LinkOnceAnyLinkage:
    return GlobalValue::WeakAnyLinkage;
  case GlobalValue::LinkOnceODRLinkage:
    return GlobalValue::WeakODRLinkage;
  default:
    return Linkage;
  }
}

// A module with copies of some definitions of another one, in its context.
class Piece {
  // A constant of at most so many bytes goes along with who names it, so that its contents can be seen.
  static constexpr uint64_t ConstantBytes = 4096;
  std::unique_ptr<Module> To;
  ValueToValueMapTy Map;
  std::vector<GlobalValue *> Pending;
  // Local functions that the others know.
  SmallPtrSet<Function *, 8> Known;
  bool Whole = true;

  static bool isSeen(const GlobalVariable &V) {
    return V.isConstant() && V.hasDefinitiveInitializer() && V.getThreadLocalMode() == GlobalValue::NotThreadLocal &&
           V.getParent()->getDataLayout().getTypeAllocSize(V.getValueType()) <= ConstantBytes;
  }

  // Without what the body needs, which is in the other module yet.
  static void copyAttributes(Function &To, const Function &From) {
    To.copyAttributesFrom(&From);
    To.setPersonalityFn(nullptr);
    To.setPrefixData(nullptr);
    To.setPrologueData(nullptr);
  }

  static GlobalValue::LinkageTypes outside(const GlobalValue &GV) {
    return GV.hasExternalWeakLinkage() ? GlobalValue::ExternalWeakLinkage : GlobalValue::ExternalLinkage;
  }

  void name(GlobalValue &GV) {
    if (Map.count(&GV))
      return;
    // What LLVM made in a unit nobody else knows: constants can be copied.
    auto *Made = GV.hasLocalLinkage() ? dyn_cast<GlobalVariable>(&GV) : nullptr;
    Made = Made && Made->isConstant() && Made->hasGlobalUnnamedAddr() ? Made : nullptr;
    Whole &= !GV.hasLocalLinkage() || Made || (isa<Function>(GV) && Known.count(cast<Function>(&GV)));
    GlobalValue *New;
    if (auto *Type = dyn_cast<FunctionType>(GV.getValueType())) {
      auto *F = Function::Create(Type, outside(GV), GV.getAddressSpace(), GV.getName(), To.get());
      if (auto *Old = dyn_cast<Function>(&GV)) {
        copyAttributes(*F, *Old);
        if (Old->hasAvailableExternallyLinkage()) {
          F->setLinkage(GlobalValue::AvailableExternallyLinkage);
          Pending.push_back(Old);
        }
      }
      New = F;
    } else {
      auto *V = new GlobalVariable(*To, GV.getValueType(), /*isConstant=*/false, outside(GV), nullptr, GV.getName(),
                                   nullptr, GV.getThreadLocalMode(), GV.getAddressSpace());
      if (auto *Old = dyn_cast<GlobalVariable>(&GV)) {
        V->copyAttributesFrom(Old);
        V->setConstant(Old->isConstant());
        if (MDNode *Absolute = Old->getMetadata(LLVMContext::MD_absolute_symbol))
          V->setMetadata(LLVMContext::MD_absolute_symbol, Absolute);
        if (Made || isSeen(*Old)) {
          V->setLinkage(Made ? Made->getLinkage() : GlobalValue::AvailableExternallyLinkage);
          Pending.push_back(Old);
        }
      }
      New = V;
    }
    New->setVisibility(GV.getVisibility());
    New->setDSOLocal(GV.isDSOLocal());
    New->setUnnamedAddr(GV.getUnnamedAddr());
    Map[&GV] = New;
  }

  void define(GlobalValue &GV) {
    Names N;
    if (auto *Old = dyn_cast<Function>(&GV))
      N.function(*Old);
    else
      N.value(cast<GlobalVariable>(GV).getInitializer());
    for (GlobalValue *Named : N.Found)
      name(*Named);
    if (auto *Old = dyn_cast<GlobalVariable>(&GV))
      return cast<GlobalVariable>(Map[Old])->setInitializer(MapValue(Old->getInitializer(), Map));
    auto &Old = cast<Function>(GV);
    auto *New = cast<Function>(static_cast<Value *>(Map[&Old]));
    for (auto [A, B] : zip(Old.args(), New->args())) {
      B.setName(A.getName());
      Map[&A] = &B;
    }
    SmallVector<ReturnInst *, 8> Returns;
    CloneFunctionInto(New, &Old, Map, CloneFunctionChangeType::DifferentModule, Returns);
    New->setComdat(nullptr);
  }

public:
  explicit Piece(Module &M) : To(std::make_unique<Module>("unit", M.getContext())) {
    To->setTargetTriple(M.getTargetTriple());
    To->setDataLayout(M.getDataLayout());
    To->setSourceFileName("");
    if (NamedMDNode *Flags = M.getModuleFlagsMetadata())
      for (MDNode *Flag : Flags->operands())
        To->getOrInsertModuleFlagsMetadata()->addOperand(Flag);
  }

  void add(Function &F, Role R) {
    if (R == Role::Known) {
      Known.insert(&F);
      return;
    }
    if (R == Role::Declared)
      return name(F);
    auto Linkage = R == Role::Inner ? GlobalValue::InternalLinkage : kept(F.getLinkage());
    auto *New = Function::Create(F.getFunctionType(), Linkage, F.getAddressSpace(), F.getName(), To.get());
    copyAttributes(*New, F);
    if (R == Role::Inner)
      New->setVisibility(GlobalValue::DefaultVisibility);
    Map[&F] = New;
    Pending.push_back(&F);
  }

  // Whether others know all that it names.
  bool isWhole() const { return Whole; }

  Module &finish() {
    // The list grows while it is worked on.
    for (size_t I = 0; I < Pending.size(); ++I)
      define(*Pending[I]);
    if (NamedMDNode *Units = To->getNamedMetadata("llvm.dbg.cu"))
      if (!Units->getNumOperands())
        Units->eraseFromParent();
    return *To;
  }
};

// Bitcode without a symbol table, which only linkers want.
void write(Module &M, void *Data, void (*Write)(void *, const char *, size_t)) {
  SmallVector<char, 0> Bytes;
  BitcodeWriter Writer(Bytes);
  Writer.writeModule(M);
  Writer.writeStrtab();
  Write(Data, Bytes.data(), Bytes.size());
}

struct Text {
  const char *Bytes;
  size_t Len;
};

Expected<std::unique_ptr<Module>> parse(const Text &T, LLVMContext &Context) {
  return parseBitcodeFile(MemoryBufferRef(StringRef(T.Bytes, T.Len), "unit"), Context);
}

// Adds to M what the list names.
Error move(IRMover &Mover, std::unique_ptr<Module> From, ArrayRef<GlobalValue *> List) {
  return Mover.move(
      std::move(From), List, [](GlobalValue &, IRMover::ValueAdder) {}, /*IsPerformingImport=*/false);
}

void dropModuleFlags(Module &M) {
  if (NamedMDNode *Flags = M.getModuleFlagsMetadata())
    Flags->eraseFromParent();
}

// New takes over the place of a function that has given back its body, and what it is to linkers.
void replace(Function &Old, Function &New) {
  New.setComdat(Old.getComdat());
  New.setLinkage(Old.getLinkage());
  New.setVisibility(Old.getVisibility());
  New.setDSOLocal(Old.isDSOLocal());
  Old.replaceAllUsesWith(&New);
  New.takeName(&Old);
  New.removeFromParent();
  Old.getParent()->getFunctionList().insert(Old.getIterator(), &New);
  Old.eraseFromParent();
}

Error takeBack(Module &M, IRMover &Mover, const Text &T) {
  auto From = parse(T, M.getContext());
  if (!From)
    return From.takeError();
  dropModuleFlags(**From);
  const StringRef Mark = "jl.body.";
  SmallVector<GlobalValue *, 32> Wanted;
  std::vector<std::string> Names;
  for (Function &F : **From) {
    if (F.isDeclaration())
      continue;
    Wanted.push_back(&F);
    // Otherwise LLVM made it.
    if (M.getFunction(F.getName())) {
      Names.push_back(F.getName().str());
      F.setName(Twine(Mark) + F.getName());
      F.setLinkage(GlobalValue::ExternalLinkage);
    }
  }
  for (GlobalVariable &V : (*From)->globals())
    if (!V.isDeclaration())
      Wanted.push_back(&V);
  if (auto E = move(Mover, std::move(*From), Wanted))
    return E;
  for (const std::string &Name : Names)
    replace(*M.getFunction(Name), *M.getFunction((Twine(Mark) + Name).str()));
  return Error::success();
}

// IRMover puts the variables that a module names behind all others.
void restoreOrder(Module &M, ArrayRef<GlobalVariable *> First) {
  SmallPtrSet<GlobalVariable *, 32> Known(First.begin(), First.end());
  std::vector<GlobalVariable *> Order(First);
  for (GlobalVariable &V : M.globals())
    if (!Known.count(&V))
      Order.push_back(&V);
  for (GlobalVariable *V : Order) {
    V->removeFromParent();
    append(M, V);
  }
}

bool fail(Error E, void *Data, void (*Write)(void *, const char *, size_t)) {
  std::string S = toString(std::move(E));
  Write(Data, S.data(), S.size());
  return false;
}
// What is known of a function's calls. Attributes with types are part of its signature.
void learn(Function &To, const Function &From) {
  AttributeList Known = To.getAttributes();
  for (unsigned Index : From.getAttributes().indexes())
    for (Attribute A : From.getAttributes().getAttributes(Index))
      if (!A.isTypeAttribute())
        Known = Known.addAttributeAtIndex(To.getContext(), Index, A);
  To.setAttributes(Known);
}

// Adds copies of other units' functions, for inlining only.
bool import(Module &M, const Text *List, size_t Count, void *Data, void (*Error)(void *, const char *, size_t)) {
  IRMover Mover(M);
  for (size_t I = 0; I < Count; ++I) {
    auto From = parse(List[I], M.getContext());
    if (!From)
      return fail(From.takeError(), Data, Error);
    dropModuleFlags(**From);
    SmallVector<GlobalValue *, 8> Wanted;
    for (Function &F : **From)
      if (Function *Here = M.getFunction(F.getName()); Here && F.isDeclaration() && Here->isDeclaration())
        learn(*Here, F);
    for (GlobalValue &GV : (*From)->global_values()) {
      if (GV.isDeclaration() || GV.hasLocalLinkage())
        continue;
      GV.setLinkage(GlobalValue::AvailableExternallyLinkage);
      GlobalValue *Here = M.getNamedValue(GV.getName());
      if (!Here || Here->isDeclaration())
        Wanted.push_back(&GV);
    }
    if (auto E = move(Mover, std::move(*From), Wanted))
      return fail(std::move(E), Data, Error);
  }
  return true;
}

} // namespace

extern "C" {
// Bitcode of copies of functions and of what they need. Roles as in Rust. Visits the functions that they name. False
// if they name what nobody else knows.
bool jl_cpp_piece(LLVMModuleRef Mod, const LLVMValueRef *Functions, const uint8_t *Roles, size_t Count, void *Data,
                  void (*Write)(void *, const char *, size_t), void *Uses,
                  void (*Visit)(void *, const char *, size_t)) {
  Piece P(*unwrap(Mod));
  for (size_t I = 0; I < Count; ++I)
    P.add(*unwrap<Function>(Functions[I]), static_cast<Role>(Roles[I]));
  Module &M = P.finish();
  write(M, Data, Write);
  for (Function &F : M)
    if (F.isDeclaration() && !F.isIntrinsic())
      Visit(Uses, F.getName().data(), F.getName().size());
  return P.isWhole();
}

// Leaves the unit's own definitions.
void jl_cpp_drop_imports(LLVMModuleRef Mod) {
  Module &M = *unwrap(Mod);
  for (Function &F : M)
    if (F.hasAvailableExternallyLinkage())
      F.deleteBody();
  for (GlobalVariable &V : M.globals())
    if (V.hasAvailableExternallyLinkage()) {
      V.setInitializer(nullptr);
      V.setLinkage(GlobalValue::ExternalLinkage);
    }
  for (bool Again = true; Again;) {
    Again = false;
    std::vector<GlobalValue *> All;
    for (GlobalValue &GV : M.global_values())
      All.push_back(&GV);
    for (GlobalValue *GV : All) {
      GV->removeDeadConstantUsers();
      if (GV->use_empty() && (GV->isDeclaration() || GV->hasLocalLinkage())) {
        GV->eraseFromParent();
        Again = true;
      }
    }
  }
}

void jl_cpp_write_unit(LLVMModuleRef Mod, void *Data, void (*Write)(void *, const char *, size_t)) {
  write(*unwrap(Mod), Data, Write);
}

// Gives back a function's body, which has been written; the symbol stays what it is.
void jl_cpp_give_back_body(LLVMValueRef F) { unwrap<Function>(F)->dropAllReferences(); }

// Puts the bodies of units in the place of those of their functions, by name, and erases functions that have
// neither body nor use any more.
bool jl_cpp_take_back(LLVMModuleRef Mod, const Text *List, size_t Count, void *Data,
                      void (*Error)(void *, const char *, size_t)) {
  Module &M = *unwrap(Mod);
  std::vector<GlobalVariable *> Variables;
  for (GlobalVariable &V : M.globals())
    Variables.push_back(&V);
  IRMover Mover(M);
  for (size_t I = 0; I < Count; ++I)
    if (auto E = takeBack(M, Mover, List[I]))
      return fail(std::move(E), Data, Error);
  restoreOrder(M, Variables);
  for (Function &F : make_early_inc_range(M)) {
    F.removeDeadConstantUsers();
    if (F.isDeclaration() && F.use_empty())
      F.eraseFromParent();
  }
  return true;
}

// Bottom-up through the whole module: what calls do not do.
void jl_cpp_infer_attributes(LLVMModuleRef Mod, bool Promote) {
  PassBuilder PB;
  Analyses A(PB);
  CGSCCPassManager Passes;
  Passes.addPass(PostOrderFunctionAttrsPass());
  if (Promote)
    Passes.addPass(ArgumentPromotionPass());
  ModulePassManager MPM;
  MPM.addPass(createModuleToPostOrderCGSCCPassAdaptor(std::move(Passes)));
  MPM.run(*unwrap(Mod), A.Modules);
}

// The part of simplification that units go through.
bool jl_cpp_simplify_unit(void *Machine, LLVMModuleRef Mod, unsigned Level, const Text *List, size_t Count,
                          void *Data, void (*Error)(void *, const char *, size_t)) {
  PassBuilder PB(static_cast<TargetMachine *>(Machine));
  Analyses A(PB);
  Simplification S = simplification(PB, Level);
  Module &M = *unwrap(Mod);
  A.Modules.invalidate(M, S.Cleanup.run(M, A.Modules));
  if (!import(M, List, Count, Data, Error))
    return false;
  // They have been through all this.
  for (Function &F : M)
    if (F.hasAvailableExternallyLinkage())
      A.Functions.getResult<ShouldNotRunFunctionPassesAnalysis>(F);
  S.Middle.run(M, A.Modules);
  return true;
}
}

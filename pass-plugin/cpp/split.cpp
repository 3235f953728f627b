// What splitting a module needs and LLVM's C API lacks: which symbols a definition refers to, and a module
// that keeps only some of another's definitions.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

using namespace llvm;
using namespace jl;

namespace {
// The symbols that one definition refers to, those that it cannot be parted from first.
struct References {
  SmallSetVector<GlobalValue *, 16> Tied, Plain;
  SmallPtrSet<const Constant *, 32> Seen;

  void value(const Value *V) {
    auto *C = dyn_cast_or_null<Constant>(V);
    if (!C || !Seen.insert(C).second)
      return;
    if (auto *GV = dyn_cast<GlobalValue>(C)) {
      Plain.insert(const_cast<GlobalValue *>(GV));
    } else if (auto *B = dyn_cast<BlockAddress>(C)) {
      // A label has no symbol.
      Tied.insert(B->getFunction());
    } else {
      for (const Use &U : C->operands())
        value(U);
    }
  }
};

References referencesOf(const GlobalValue &GV) {
  References R;
  if (auto *Indirect = dyn_cast<GlobalAlias>(&GV))
    R.Tied.insert(const_cast<GlobalObject *>(Indirect->getAliaseeObject()));
  else if (auto *Resolved = dyn_cast<GlobalIFunc>(&GV))
    R.Tied.insert(const_cast<Function *>(Resolved->getResolverFunction()));
  for (const Use &U : cast<User>(GV).operands())
    R.value(U);
  if (auto *F = dyn_cast<Function>(&GV))
    for (const Instruction &I : instructions(*F))
      for (const Use &U : I.operands())
        R.value(U);
  if (auto *O = dyn_cast<GlobalObject>(&GV))
    if (MDNode *Associated = O->getMetadata(LLVMContext::MD_associated))
      for (const MDOperand &Op : Associated->operands())
        if (auto *V = dyn_cast_or_null<ConstantAsMetadata>(Op.get()))
          if (auto *With = dyn_cast<GlobalObject>(V->getValue()->stripPointerCasts()))
            R.Tied.insert(With);
  R.Tied.remove(nullptr);
  return R;
}

// All symbols in the order in which bitcode keeps them.
std::vector<GlobalValue *> symbolsOf(Module &M) {
  std::vector<GlobalValue *> List;
  for (GlobalVariable &G : M.globals())
    List.push_back(&G);
  for (Function &F : M.functions())
    List.push_back(&F);
  for (GlobalAlias &A : M.aliases())
    List.push_back(&A);
  for (GlobalIFunc &I : M.ifuncs())
    List.push_back(&I);
  return List;
}

// llvm.used and llvm.compiler.used with what is still defined here.
void keepUsed(Module &M, bool CompilerUsed) {
  SmallVector<GlobalValue *, 16> All, Kept;
  GlobalVariable *List = collectUsedGlobalVariables(M, All, CompilerUsed);
  if (!List)
    return;
  List->eraseFromParent();
  for (GlobalValue *GV : All)
    if (!GV->isDeclaration())
      Kept.push_back(GV);
  if (CompilerUsed)
    appendToCompilerUsed(M, Kept);
  else
    appendToUsed(M, Kept);
}

void declareLike(GlobalValue &To, const GlobalValue &From) {
  To.setVisibility(From.getVisibility());
  To.setDLLStorageClass(From.getDLLStorageClass());
  To.setDSOLocal(From.isDSOLocal());
  To.setUnnamedAddr(From.getUnnamedAddr());
}

// An alias or IFUNC becomes a declaration of its name; a variable or function stays one.
void makeDeclaration(Module &M, GlobalValue &GV) {
  if (auto *F = dyn_cast<Function>(&GV)) {
    F->deleteBody();
    F->setComdat(nullptr);
    F->clearMetadata();
    return;
  }
  if (auto *V = dyn_cast<GlobalVariable>(&GV)) {
    V->setInitializer(nullptr);
    V->setLinkage(GlobalValue::ExternalLinkage);
    V->setComdat(nullptr);
    V->clearMetadata();
    return;
  }
  GlobalValue *New;
  if (auto *Type = dyn_cast<FunctionType>(GV.getValueType()))
    New = Function::Create(Type, GlobalValue::ExternalLinkage, GV.getAddressSpace(), "", &M);
  else
    New = new GlobalVariable(M, GV.getValueType(), /*isConstant=*/false, GlobalValue::ExternalLinkage,
                             /*Initializer=*/nullptr, "", /*InsertBefore=*/nullptr, GV.getThreadLocalMode(),
                             GV.getAddressSpace());
  declareLike(*New, GV);
  New->takeName(&GV);
  GV.replaceAllUsesWith(New);
  GV.eraseFromParent();
}

// The compile units that code of the module belongs to, what was inlined included.
SmallPtrSet<const DICompileUnit *, 8> unitsOfCode(const Module &M) {
  SmallPtrSet<const DICompileUnit *, 8> Units;
  SmallPtrSet<const DILocation *, 32> Seen;
  for (const Function &F : M) {
    if (const DISubprogram *S = F.getSubprogram())
      Units.insert(S->getUnit());
    for (const Instruction &I : instructions(F))
      for (const DILocation *L = I.getDebugLoc(); L && Seen.insert(L).second; L = L->getInlinedAt())
        Units.insert(L->getScope()->getSubprogram()->getUnit());
  }
  return Units;
}

// Whether a unit without code has anything to say.
bool isEmpty(const DICompileUnit &Unit) {
  return Unit.getGlobalVariables().empty() && Unit.getEnumTypes().empty() && Unit.getRetainedTypes().empty() &&
         Unit.getImportedEntities().empty() && Unit.getMacros().empty() && Unit.getDWOId() == 0 &&
         Unit.getSplitDebugFilename().empty();
}

// Forgets the units that have nothing here. Some front ends make one for each function (Julia's), and every piece
// would carry them all.
void dropEmptyUnits(Module &M) {
  NamedMDNode *List = M.getNamedMetadata("llvm.dbg.cu");
  if (!List)
    return;
  auto Here = unitsOfCode(M);
  SmallVector<DICompileUnit *, 8> Kept;
  for (DICompileUnit *Unit : M.debug_compile_units())
    if (Here.contains(Unit) || !isEmpty(*Unit))
      Kept.push_back(Unit);
  if (Kept.size() == List->getNumOperands())
    return;
  List->clearOperands();
  for (DICompileUnit *Unit : Kept)
    List->addOperand(Unit);
  if (Kept.empty())
    List->eraseFromParent();
}

// What describes the module as a whole stays with one of its pieces. A compile unit lists variables, and
// debuggers believe the first unit that has a name: each piece lists those that it defines.
void keepDebugInfo(Module &M, bool Root) {
  SmallPtrSet<const Metadata *, 32> Here;
  for (GlobalVariable &G : M.globals()) {
    SmallVector<DIGlobalVariableExpression *, 2> List;
    G.getDebugInfo(List);
    Here.insert(List.begin(), List.end());
  }
  for (DICompileUnit *Unit : M.debug_compile_units()) {
    SmallVector<Metadata *, 16> Kept;
    for (DIGlobalVariableExpression *G : Unit->getGlobalVariables()) {
      bool IsValue = G->getExpression() && G->getExpression()->isConstant().has_value();
      if (Here.contains(G) || (Root && IsValue))
        Kept.push_back(G);
    }
    Unit->replaceGlobalVariables(MDTuple::get(M.getContext(), Kept));
    if (!Root) {
      Unit->replaceEnumTypes(nullptr);
      Unit->replaceRetainedTypes(nullptr);
      Unit->replaceImportedEntities(nullptr);
      Unit->replaceMacros(nullptr);
    }
  }
  dropEmptyUnits(M);
}

void dropModuleMetadata(Module &M) {
  for (const char *Name : {"llvm.commandline", "llvm.linker.options", "llvm.dependent-libraries", "llvm.stats"})
    if (NamedMDNode *N = M.getNamedMetadata(Name))
      N->eraseFromParent();
}

// Declarations that nothing refers to but metadata, which forgets them.
void dropUnused(Module &M) {
  for (GlobalValue *GV : symbolsOf(M)) {
    GV->removeDeadConstantUsers();
    if (GV->isDeclaration() && GV->use_empty())
      GV->eraseFromParent();
  }
}

bool isUsedList(const GlobalValue &GV) {
  return GV.getName() == "llvm.used" || GV.getName() == "llvm.compiler.used";
}
} // namespace

extern "C" {
// Visits what `Global`'s definition refers to; Tied: they must stay in one module.
void jl_cpp_references(LLVMValueRef Global, void *Data, void (*Visit)(void *, LLVMValueRef, bool Tied)) {
  References R = referencesOf(*unwrap<GlobalValue>(Global));
  for (GlobalValue *GV : R.Tied)
    Visit(Data, wrap(GV), true);
  for (GlobalValue *GV : R.Plain)
    Visit(Data, wrap(GV), false);
}

// Visits all symbols in the order in which bitcode keeps them.
void jl_cpp_symbols(LLVMModuleRef M, void *Data, void (*Visit)(void *, LLVMValueRef)) {
  for (GlobalValue *GV : symbolsOf(*unwrap(M)))
    Visit(Data, wrap(GV));
}

// Gives the module as bitcode to `Write`.
void jl_cpp_write_bitcode(LLVMModuleRef M, void *Data, void (*Write)(void *, const char *, size_t)) {
  SmallVector<char, 0> Bytes;
  raw_svector_ostream OS(Bytes);
  WriteBitcodeToFile(*unwrap(M), OS);
  Write(Data, Bytes.data(), Bytes.size());
}

// The module without one of its flags.
void jl_cpp_drop_flag(LLVMModuleRef Mod, const char *Name, size_t Len) {
  NamedMDNode *Flags = unwrap(Mod)->getModuleFlagsMetadata();
  if (!Flags)
    return;
  SmallVector<MDNode *, 8> Kept;
  for (MDNode *Flag : Flags->operands()) {
    auto *Id = Flag->getNumOperands() > 1 ? dyn_cast_or_null<MDString>(Flag->getOperand(1)) : nullptr;
    if (!Id || Id->getString() != StringRef(Name, Len))
      Kept.push_back(Flag);
  }
  Flags->clearOperands();
  for (MDNode *Flag : Kept)
    Flags->addOperand(Flag);
}

// The module without a named metadata node.
void jl_cpp_drop_note(LLVMModuleRef Mod, const char *Name, size_t Len) {
  if (NamedMDNode *N = unwrap(Mod)->getNamedMetadata(StringRef(Name, Len)))
    N->eraseFromParent();
}

// Gives back the memory of a module that has been written: what is left are declarations that nobody uses.
void jl_cpp_drop_definitions(LLVMModuleRef Mod) {
  Module &M = *unwrap(Mod);
  for (Function &F : M)
    F.deleteBody();
  std::vector<GlobalValue *> Symbols = symbolsOf(M);
  for (GlobalValue *GV : Symbols)
    GV->dropAllReferences();
  for (GlobalValue *GV : Symbols) {
    GV->removeDeadConstantUsers();
    if (GV->use_empty())
      GV->eraseFromParent();
  }
  M.setModuleInlineAsm("");
  while (!M.named_metadata_empty())
    M.eraseNamedMetadata(&*M.named_metadata_begin());
}

// A module with those definitions of the bitcode that `Keep` has a 1 for, in the order of jl_cpp_symbols, and
// declarations of what they refer to. `Root`: it also gets what belongs to the module as a whole. Null, and
// a message to `Error`, for bitcode that cannot be read. A null `Keep` keeps everything.
LLVMModuleRef jl_cpp_extract(LLVMContextRef Context, const char *Bytes, size_t Len, const uint8_t *Keep, size_t Count,
                             bool Root, void *Data, void (*Error)(void *, const char *, size_t)) {
  auto Fail = [&](const Twine &Text) {
    std::string S = Text.str();
    Error(Data, S.data(), S.size());
    return nullptr;
  };
  Expected<std::unique_ptr<Module>> Loaded =
      getLazyBitcodeModule(MemoryBufferRef(StringRef(Bytes, Len), "piece"), *unwrap(Context),
                           /*ShouldLazyLoadMetadata=*/true);
  if (!Loaded)
    return Fail(toString(Loaded.takeError()));
  Module &M = **Loaded;
  if (!Keep) {
    if (llvm::Error E = M.materializeAll())
      return Fail(toString(std::move(E)));
    return wrap(Loaded->release());
  }
  std::vector<GlobalValue *> Symbols = symbolsOf(M);
  if (Symbols.size() != Count)
    return Fail("the module has " + Twine(Symbols.size()) + " symbols after reading, but had " + Twine(Count));
  // Bodies first: what is dropped below must not be referred to by blocks that are yet to be read.
  for (size_t I = 0; I < Count; ++I)
    if (Keep[I])
      if (llvm::Error E = Symbols[I]->materialize())
        return Fail(toString(std::move(E)));
  if (llvm::Error E = M.materializeMetadata())
    return Fail(toString(std::move(E)));
  for (size_t I = 0; I < Count; ++I) {
    GlobalValue &GV = *Symbols[I];
    if (Keep[I] || isUsedList(GV) || (GV.isDeclaration() && !GV.isMaterializable()))
      continue;
    if (GV.hasAppendingLinkage())
      GV.eraseFromParent();
    else
      makeDeclaration(M, GV);
  }
  if (llvm::Error E = M.materializeAll())
    return Fail(toString(std::move(E)));
  keepUsed(M, /*CompilerUsed=*/false);
  keepUsed(M, /*CompilerUsed=*/true);
  if (!Root) {
    M.setModuleInlineAsm("");
    dropModuleMetadata(M);
  }
  keepDebugInfo(M, Root);
  dropUnused(M);
  return wrap(Loaded->release());
}
}

// Only what LLVM's C API lacks, or lacks in one of the LLVMs that may be the host: pass registration,
// CloneFunction, LoopInfo, diagnostics, fast-math flags, sanitizer metadata, named metadata and the CPU
// models. Decisions and rewriting are Rust's.
//
// A host of another LLVM must get as far as our version check. Functions that this file calls are bound when
// they are first called, but those that Rust calls are bound when the plugin is loaded, and so is data.
// Rust therefore calls only what every LLVM from 16 on has.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Operator.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

using namespace llvm;
using namespace jl;

namespace {
// What Rust gives us: one function per module, told by `kind` and `params` what to do.
using RunFn = bool (*)(LLVMModuleRef, unsigned kind, const char *params, size_t params_len);
// The kind of pass, where its parameters start, and the level at which to simplify before it (-1: not at all).
using NameFn = int (*)(const char *name, size_t len, size_t *params_at, int *simplify);
struct Callbacks {
  RunFn run;
  NameFn parse_name;
  unsigned record, annotate_and_clone, annotate_and_clone_lto;
  unsigned emit, look_up, units, identify, deduplicate;
  const char *strict;
  size_t strict_len;
};

// With the flag's name as Rust writes it: under -ffp-contract=fast the code generator fuses whatever the IR
// says. What the front end allows is also on every operation (flag `contract`), so going by the operations
// loses nothing, and the clones keep what the pass decided.
void fuseByFlags(Module &M, TargetMachine &Machine, StringRef Strict) {
  if (M.getModuleFlag(Strict))
    Machine.Options.AllowFPOpFusion = FPOpFusion::Standard;
}

// LLVM's own class for this is young, and its table of virtual functions is data: that cannot be bound lazily,
// and a host without it would not get to the version check.
class Diagnostic : public DiagnosticInfo {
  StringRef Text;

public:
  Diagnostic(StringRef Text, DiagnosticSeverity Severity)
      : DiagnosticInfo(getNextAvailablePluginDiagnosticKind(), Severity), Text(Text) {}
  void print(DiagnosticPrinter &DP) const override { DP << Text; }
};

class RustPass : public PassInfoMixin<RustPass> {
  RunFn Run;
  unsigned Kind;
  std::string Params;

public:
  // What LLVM says when it crashes.
  static StringRef name() { return "Julienne"; }
  RustPass(RunFn Run, unsigned Kind, StringRef Params = "") : Run(Run), Kind(Kind), Params(Params) {}
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &) {
    bool Changed = Run(wrap(&M), Kind, Params.data(), Params.size());
    return Changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
  }
  static bool isRequired() { return true; }
};

// LLVM's pipeline up to where vectorisation begins, unless the module has been through it. Its middle is done by
// us, in units, where the module allows it.
class SimplifyPass : public PassInfoMixin<SimplifyPass> {
  std::shared_ptr<Simplification> Pipeline;
  RustPass Units;

public:
  static StringRef name() { return "Julienne, simplification"; }
  SimplifyPass(PassBuilder &PB, unsigned Level, RustPass Units)
      : Pipeline(std::make_shared<Simplification>(simplification(PB, Level))), Units(Units) {}
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &MAM) {
    if (M.getModuleFlag("jl.simplified"))
      return PreservedAnalyses::all();
    M.addModuleFlag(Module::Warning, "jl.simplified", 1);
    MAM.invalidate(M, Pipeline->Opening.run(M, MAM));
    PreservedAnalyses Done = Units.run(M, MAM);
    if (Done.areAllPreserved()) {
      MAM.invalidate(M, Pipeline->Cleanup.run(M, MAM));
      Done = Pipeline->Middle.run(M, MAM);
    }
    MAM.invalidate(M, Done);
    Pipeline->Closing.run(M, MAM);
    return PreservedAnalyses::none();
  }
  static bool isRequired() { return true; }
};

std::unique_ptr<MCSubtargetInfo> aarch64Table() {
  return subtarget("aarch64-unknown-linux-gnu", "generic", "");
}

// All that the features in Bits imply (Up), or all that imply one of them.
FeatureBitset closed(ArrayRef<SubtargetFeatureKV> Table, FeatureBitset Bits, bool Up) {
  for (FeatureBitset Before; Before != Bits;) {
    Before = Bits;
    for (const SubtargetFeatureKV &F : Table) {
      FeatureBitset Implied = F.Implies.getAsBitset();
      if (Up && Bits.test(F.Value))
        Bits |= Implied;
      else if (!Up && (Implied & Bits).any())
        Bits.set(F.Value);
    }
  }
  return Bits;
}

void visitFeatures(ArrayRef<SubtargetFeatureKV> Table, const FeatureBitset &Bits, void *Data,
                   void (*Visit)(void *, const char *, size_t)) {
  for (const SubtargetFeatureKV &F : Table)
    if (Bits.test(F.Value))
      Visit(Data, F.Key, StringRef(F.Key).size());
}

const char *wordOf(OptimizationLevel Level) {
  const char *BySpeed[] = {"<O0>", "<O1>", "<O2>", "<O3>"};
  return Level == OptimizationLevel::Os ? "<Os>" : Level == OptimizationLevel::Oz ? "<Oz>" : BySpeed[Level.getSpeedupLevel()];
}

// What a pipeline runs by itself: what to do follows from where the module stands.
class PipelinePass : public PassInfoMixin<PipelinePass> {
  Callbacks C;
  LinkPhase Phase;
  TargetMachine *Machine;

public:
  static StringRef name() { return "Julienne, cloning"; }
  PipelinePass(const Callbacks &C, LinkPhase Phase, TargetMachine *Machine)
      : C(C), Phase(Phase), Machine(Machine) {}
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &MAM) {
    if (!isPreLink(Phase, M) && Phase != LinkPhase::PostLink)
      MAM.invalidate(M, RustPass(C.run, C.deduplicate).run(M, MAM));
    unsigned Kind = isPreLink(Phase, M)            ? C.record
                    : Phase == LinkPhase::PostLink ? C.annotate_and_clone_lto
                                                   : C.annotate_and_clone;
    PreservedAnalyses Result = RustPass(C.run, Kind).run(M, MAM);
    if (Machine)
      fuseByFlags(M, *Machine, StringRef(C.strict, C.strict_len));
    return Result;
  }
  static bool isRequired() { return true; }
};
} // namespace

// Weak: LLVM before 16 lacks it.
extern "C" __attribute__((weak)) void LLVMGetVersion(unsigned *Major, unsigned *Minor, unsigned *Patch);

extern "C" {
// The host's version; false if it is too old to tell.
bool jl_cpp_host_version(unsigned *Major, unsigned *Minor, unsigned *Patch) {
  if (!LLVMGetVersion)
    return false;
  LLVMGetVersion(Major, Minor, Patch);
  return true;
}

void jl_cpp_register(void *Builder, const Callbacks *Given) {
  PassBuilder &PB = *static_cast<PassBuilder *>(Builder);
  Callbacks C = *Given;
  PB.registerPipelineParsingCallback(
      [C, &PB](StringRef Name, ModulePassManager &MPM, ArrayRef<PassBuilder::PipelineElement>) {
        size_t ParamsAt = Name.size();
        int Level = -1;
        int Kind = C.parse_name(Name.data(), Name.size(), &ParamsAt, &Level);
        if (Kind < 0)
          return false;
        if (Kind == int(C.emit))
          MPM.addPass(RustPass(C.run, C.look_up, Name.substr(ParamsAt)));
        if (Level >= 0)
          MPM.addPass(SimplifyPass(PB, Level, RustPass(C.run, C.units, Name.substr(ParamsAt))));
        MPM.addPass(RustPass(C.run, Kind, Name.substr(ParamsAt)));
        return true;
      });
  // Before anything is changed, and nothing is vectorised.
  PB.registerPipelineStartEPCallback([C](ModulePassManager &MPM, OptimizationLevel Level) {
    MPM.addPass(RustPass(C.run, C.identify, wordOf(Level)));
  });
  TargetMachine *Machine = machineOf(PB);
  atOptimizerEarly(PB, [C, Machine](ModulePassManager &MPM, LinkPhase Phase) {
    MPM.addPass(PipelinePass(C, Phase, Machine));
  });
  // Full LTO has no point between simplification and vectorisation: inline first, so that a trampoline
  // never stands between a caller and a callee that would have been inlined.
  PB.registerFullLinkTimeOptimizationEarlyEPCallback(
      [C, Machine, &PB](ModulePassManager &MPM, OptimizationLevel Level) {
        if (Level != OptimizationLevel::O0)
          MPM.addPass(PB.buildInlinerPipeline(Level, ThinOrFullLTOPhase::FullLTOPostLink));
        MPM.addPass(PipelinePass(C, LinkPhase::PostLink, Machine));
      });
}

// Before code generation, where LLVM has a callback for it.
void jl_cpp_fuse_by_flags(LLVMModuleRef M, void *Machine, const char *Strict, size_t Len) {
  fuseByFlags(*unwrap(M), *static_cast<TargetMachine *>(Machine), StringRef(Strict, Len));
}

LLVMValueRef jl_cpp_clone_function(LLVMValueRef F) {
  ValueToValueMapTy Map;
  return wrap(CloneFunction(unwrap<Function>(F), Map));
}

// The bits are those of LLVMFastMathFlags. False when V cannot have any.
bool jl_cpp_fast_math(LLVMValueRef V, unsigned *Bits) {
  if (!isa<FPMathOperator>(unwrap(V)))
    return false;
  FastMathFlags F = unwrap<Instruction>(V)->getFastMathFlags();
  *Bits = F.allowReassoc() << 0 | F.noNaNs() << 1 | F.noInfs() << 2 | F.noSignedZeros() << 3 |
          F.allowReciprocal() << 4 | F.allowContract() << 5 | F.approxFunc() << 6;
  return true;
}

void jl_cpp_set_fast_math(LLVMValueRef I, unsigned Bits) {
  FastMathFlags F;
  F.setAllowReassoc(Bits >> 0 & 1);
  F.setNoNaNs(Bits >> 1 & 1);
  F.setNoInfs(Bits >> 2 & 1);
  F.setNoSignedZeros(Bits >> 3 & 1);
  F.setAllowReciprocal(Bits >> 4 & 1);
  F.setAllowContract(Bits >> 5 & 1);
  F.setApproxFunc(Bits >> 6 & 1);
  unwrap<Instruction>(I)->copyFastMathFlags(F);
}

// A constant array of bytes; no zero is added.
LLVMValueRef jl_cpp_bytes(LLVMModuleRef M, const char *Bytes, size_t Len) {
  return wrap(ConstantDataArray::getString(unwrap(M)->getContext(), StringRef(Bytes, Len), /*AddNull=*/false));
}

const char *jl_cpp_inline_asm(LLVMValueRef Asm, size_t *Len) {
  StringRef Text = unwrap<InlineAsm>(Asm)->getAsmString();
  *Len = Text.size();
  return Text.data();
}

bool jl_cpp_has_prefix_or_prologue(LLVMValueRef Fn) {
  Function &F = *unwrap<Function>(Fn);
  return F.hasPrefixData() || F.hasPrologueData();
}

// Tells LLVM that the address is the image's own; hidden weak symbols do not imply it.
void jl_cpp_set_dso_local(LLVMValueRef Global) { unwrap<GlobalValue>(Global)->setDSOLocal(true); }

// The properties of a symbol that the C API cannot read, and the metadata that belongs to its address.
void jl_cpp_copy_symbol(LLVMValueRef To, LLVMValueRef From) {
  Function &T = *unwrap<Function>(To), &F = *unwrap<Function>(From);
  T.setDSOLocal(F.isDSOLocal());
  T.setPartition(F.getPartition());
  for (unsigned Kind : {LLVMContext::MD_type, LLVMContext::MD_kcfi_type, LLVMContext::MD_func_sanitize}) {
    SmallVector<MDNode *, 2> Nodes;
    F.getMetadata(Kind, Nodes);
    for (MDNode *Node : Nodes)
      T.addMetadata(Kind, *Node);
  }
}

// Calls `visit` for every block that is in a loop: the innermost loop's header, and whether that loop
// has no loop inside.
void jl_cpp_loops(LLVMValueRef Fn, void *Data,
                  void (*Visit)(void *, LLVMBasicBlockRef Block, LLVMBasicBlockRef Header, bool Innermost)) {
  Function &F = *unwrap<Function>(Fn);
  DominatorTree DT(F);
  LoopInfo LI(DT);
  for (BasicBlock &B : F)
    if (Loop *L = LI.getLoopFor(&B))
      Visit(Data, wrap(&B), wrap(L->getHeader()), L->isInnermost());
}

// severity: 0 error, 1 warning, 2 remark, 3 note (DiagnosticSeverity).
void jl_cpp_diagnose(LLVMModuleRef M, unsigned Severity, const char *Text, size_t Len) {
  unwrap(M)->getContext().diagnose(
      Diagnostic(StringRef(Text, Len), static_cast<DiagnosticSeverity>(Severity)));
}

void jl_cpp_append_to_compiler_used(LLVMModuleRef M, LLVMValueRef Global) {
  appendToCompilerUsed(*unwrap(M), {unwrap<GlobalValue>(Global)});
}

void jl_cpp_no_sanitize(LLVMValueRef Global) {
  GlobalValue::SanitizerMetadata Meta;
  Meta.NoAddress = Meta.NoHWAddress = true;
  unwrap<GlobalValue>(Global)->setSanitizerMetadata(Meta);
}

void jl_cpp_x86_features_for_cpu(const char *Name, size_t Len, void *Data,
                                 void (*Visit)(void *, const char *, size_t)) {
  StringRef CPU(Name, Len);
  if (X86::parseArchX86(CPU, /*Only64Bit=*/true) == X86::CK_None)
    return;
  SmallVector<StringRef, 64> Features;
  X86::getFeaturesForCPU(CPU, Features);
  for (StringRef Feature : Features)
    Visit(Data, Feature.data(), Feature.size());
}

void jl_cpp_x86_implied_features(const char *Name, size_t Len, bool Enabled, void *Data,
                                 void (*Visit)(void *, const char *, size_t, bool)) {
  StringMap<bool> Implied;
  X86::updateImpliedFeatures(StringRef(Name, Len), Enabled, Implied);
  for (auto &Entry : Implied)
    Visit(Data, Entry.getKeyData(), Entry.getKeyLength(), Entry.getValue());
}

void jl_cpp_x86_cpus(void *Data, void (*Visit)(void *, const char *, size_t)) {
  SmallVector<StringRef, 128> CPUs;
  X86::fillValidCPUArchList(CPUs, /*Only64Bit=*/true);
  for (StringRef CPU : CPUs)
    Visit(Data, CPU.data(), CPU.size());
}

// The features of a CPU by LLVM's name, without what is only tuning.
void jl_cpp_aarch64_features_for_cpu(const char *Name, size_t Len, void *Data,
                                     void (*Visit)(void *, const char *, size_t)) {
  auto Table = aarch64Table();
  if (!Table)
    return;
  ArrayRef<SubtargetFeatureKV> Features = allFeatures(*Table);
  for (const SubtargetSubTypeKV &CPU : allCPUs(*Table))
    if (CPU.Key == StringRef(Name, Len))
      visitFeatures(Features, closed(Features, CPU.Implies.getAsBitset(), true), Data, Visit);
}

// `Name` with all that it implies (Enabled) or with all that imply it.
void jl_cpp_aarch64_implied_features(const char *Name, size_t Len, bool Enabled, void *Data,
                                     void (*Visit)(void *, const char *, size_t)) {
  auto Table = aarch64Table();
  if (!Table)
    return;
  ArrayRef<SubtargetFeatureKV> Features = allFeatures(*Table);
  for (const SubtargetFeatureKV &F : Features)
    if (F.Key == StringRef(Name, Len)) {
      FeatureBitset Bits;
      Bits.set(F.Value);
      visitFeatures(Features, closed(Features, Bits, Enabled), Data, Visit);
    }
}

void jl_cpp_aarch64_cpus(void *Data, void (*Visit)(void *, const char *, size_t)) {
  SmallVector<StringRef, 128> CPUs;
  AArch64::fillValidCPUArchList(CPUs);
  for (StringRef CPU : CPUs)
    Visit(Data, CPU.data(), CPU.size());
}

// LLVM's own aliases (`grace`): the name that its code generator knows.
void jl_cpp_aarch64_canonical_cpu(const char *Name, size_t Len, void *Data,
                                  void (*Visit)(void *, const char *, size_t)) {
  StringRef CPU = AArch64::resolveCPUAlias(StringRef(Name, Len));
  Visit(Data, CPU.data(), CPU.size());
}

// The value of an integer constant of at most 128 bits, low word first.
bool jl_cpp_constant_integer(LLVMValueRef V, uint64_t *Words) {
  auto *Constant = dyn_cast<ConstantInt>(unwrap(V));
  if (!Constant || Constant->getBitWidth() > 128)
    return false;
  APInt Value = Constant->getValue().zext(128);
  Words[0] = Value.getRawData()[0];
  Words[1] = Value.getRawData()[1];
  return true;
}

// The global variable that an address lies a constant distance from, or null.
LLVMValueRef jl_cpp_constant_address(LLVMModuleRef M, LLVMValueRef Address, int64_t *Offset) {
  const DataLayout &Layout = unwrap(M)->getDataLayout();
  Value *Pointer = unwrap(Address);
  if (!Pointer->getType()->isPointerTy())
    return nullptr;
  APInt Distance(Layout.getIndexTypeSizeInBits(Pointer->getType()), 0);
  Value *Base = Pointer->stripAndAccumulateConstantOffsets(Layout, Distance, /*AllowNonInbounds=*/true);
  *Offset = Distance.getSExtValue();
  return isa<GlobalVariable>(Base) ? wrap(Base) : nullptr;
}

// Visits the strings of `llvm.commandline` that start with `prefix`, and drops them from the module if asked to.
void jl_cpp_take_command_line(LLVMModuleRef M, const char *Prefix, size_t Len, bool Drop, void *Data,
                              void (*Visit)(void *, const char *, size_t)) {
  NamedMDNode *Lines = unwrap(M)->getNamedMetadata("llvm.commandline");
  if (!Lines)
    return;
  SmallVector<MDNode *, 4> Kept;
  for (MDNode *Line : Lines->operands()) {
    auto *Text = Line->getNumOperands() ? dyn_cast_or_null<MDString>(Line->getOperand(0)) : nullptr;
    if (Text && Text->getString().starts_with(StringRef(Prefix, Len)))
      Visit(Data, Text->getString().data(), Text->getString().size());
    else
      Kept.push_back(Line);
  }
  if (!Drop)
    return;
  Lines->clearOperands();
  for (MDNode *Line : Kept)
    Lines->addOperand(Line);
  if (Kept.empty())
    Lines->eraseFromParent();
}
}

// Only what LLVM's C API lacks: pass registration, CloneFunction, LoopInfo, diagnostics, sanitizer
// metadata, named metadata and the CPU models. Decisions and rewriting are Rust's.
#include "llvm-c/Types.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/AArch64TargetParser.h"
#include "llvm/TargetParser/X86TargetParser.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

using namespace llvm;

// The only data of LLVM that we refer to. Data cannot be bound lazily: weak, so that a host without it gets
// to the version check.
asm(".weak _ZTVN4llvm21DiagnosticInfoGenericE");

namespace {
// What Rust gives us: one function per module, told by `kind` and `params` what to do.
using RunFn = bool (*)(LLVMModuleRef, unsigned kind, const char *params, size_t params_len);
using NameFn = int (*)(const char *name, size_t len, size_t *params_at);
struct Callbacks {
  RunFn run;
  NameFn parse_name;
  unsigned record, annotate_and_clone, annotate_and_clone_lto;
};

class RustPass : public PassInfoMixin<RustPass> {
  RunFn Run;
  unsigned Kind;
  std::string Params;

public:
  RustPass(RunFn Run, unsigned Kind, StringRef Params = "") : Run(Run), Kind(Kind), Params(Params) {}
  PreservedAnalyses run(Module &M, ModuleAnalysisManager &) {
    bool Changed = Run(wrap(&M), Kind, Params.data(), Params.size());
    return Changed ? PreservedAnalyses::none() : PreservedAnalyses::all();
  }
  static bool isRequired() { return true; }
};

// The code generator's own table of CPUs and features; null where the host has no AArch64 back end.
std::unique_ptr<MCSubtargetInfo> aarch64Table() {
  StringRef Triple = "aarch64-unknown-linux-gnu";
  std::string Error;
  const Target *Found = TargetRegistry::lookupTarget(Triple, Error);
  return std::unique_ptr<MCSubtargetInfo>(Found ? Found->createMCSubtargetInfo(Triple, "generic", "")
                                                : nullptr);
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
} // namespace

extern "C" {
void jl_cpp_register(void *Builder, const Callbacks *Given) {
  PassBuilder &PB = *static_cast<PassBuilder *>(Builder);
  Callbacks C = *Given;
  PB.registerPipelineParsingCallback(
      [C](StringRef Name, ModulePassManager &MPM, ArrayRef<PassBuilder::PipelineElement>) {
        size_t ParamsAt = Name.size();
        int Kind = C.parse_name(Name.data(), Name.size(), &ParamsAt);
        if (Kind < 0)
          return false;
        MPM.addPass(RustPass(C.run, Kind, Name.substr(ParamsAt)));
        return true;
      });
  PB.registerOptimizerEarlyEPCallback(
      [C](ModulePassManager &MPM, OptimizationLevel, ThinOrFullLTOPhase Phase) {
        bool PreLink =
            Phase == ThinOrFullLTOPhase::ThinLTOPreLink || Phase == ThinOrFullLTOPhase::FullLTOPreLink;
        bool PostLink =
            Phase == ThinOrFullLTOPhase::ThinLTOPostLink || Phase == ThinOrFullLTOPhase::FullLTOPostLink;
        MPM.addPass(RustPass(C.run, PreLink    ? C.record
                                    : PostLink ? C.annotate_and_clone_lto
                                               : C.annotate_and_clone));
      });
  // Full LTO has no point between simplification and vectorisation: inline first, so that a trampoline
  // never stands between a caller and a callee that would have been inlined.
  PB.registerFullLinkTimeOptimizationEarlyEPCallback(
      [C, &PB](ModulePassManager &MPM, OptimizationLevel Level) {
        if (Level != OptimizationLevel::O0)
          MPM.addPass(PB.buildInlinerPipeline(Level, ThinOrFullLTOPhase::FullLTOPostLink));
        MPM.addPass(RustPass(C.run, C.annotate_and_clone_lto));
      });
}

// Before code generation, with the flag's name as Rust writes it: under -ffp-contract=fast the code generator
// fuses whatever the IR says. What the front end allows is also on every operation (flag `contract`), so
// going by the operations loses nothing, and the clones keep what the pass decided.
void jl_cpp_fuse_by_flags(LLVMModuleRef M, void *Machine, const char *Strict, size_t Len) {
  if (unwrap(M)->getModuleFlag(StringRef(Strict, Len)))
    static_cast<TargetMachine *>(Machine)->Options.AllowFPOpFusion = FPOpFusion::Standard;
}

LLVMValueRef jl_cpp_clone_function(LLVMValueRef F) {
  ValueToValueMapTy Map;
  return wrap(CloneFunction(unwrap<Function>(F), Map));
}

// Whether a call from this module to F always reaches F: nothing at link or load time may put another
// definition in its place, nor drop this one (as it may with ODR duplicates).
bool jl_cpp_is_final(LLVMValueRef Fn) {
  Function &F = *unwrap<Function>(Fn);
  return F.hasLocalLinkage() || (F.hasExternalLinkage() && F.isDSOLocal() && !F.hasComdat());
}

// The C API can only add fast-math flags.
void jl_cpp_forbid_contract(LLVMValueRef I) { unwrap<Instruction>(I)->setHasAllowContract(false); }

// Tells LLVM that the address is the image's own; hidden weak symbols do not imply it.
void jl_cpp_set_dso_local(LLVMValueRef Global) { unwrap<GlobalValue>(Global)->setDSOLocal(true); }

// The properties of a symbol that the C API cannot read, and the metadata that belongs to its address.
void jl_cpp_copy_symbol(LLVMValueRef To, LLVMValueRef From) {
  Function &T = *unwrap<Function>(To), &F = *unwrap<Function>(From);
  T.setDSOLocal(F.isDSOLocal());
  T.setPartition(F.getPartition());
  for (unsigned Kind : {LLVMContext::MD_type, LLVMContext::MD_kcfi_type}) {
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
  std::string Message(Text, Len);
  unwrap(M)->getContext().diagnose(
      DiagnosticInfoGeneric(Message, static_cast<DiagnosticSeverity>(Severity)));
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
  ArrayRef<SubtargetFeatureKV> Features = Table->getAllProcessorFeatures();
  for (const SubtargetSubTypeKV &CPU : Table->getAllProcessorDescriptions())
    if (CPU.Key == StringRef(Name, Len))
      visitFeatures(Features, closed(Features, CPU.Implies.getAsBitset(), true), Data, Visit);
}

// `Name` with all that it implies (Enabled) or with all that imply it.
void jl_cpp_aarch64_implied_features(const char *Name, size_t Len, bool Enabled, void *Data,
                                     void (*Visit)(void *, const char *, size_t)) {
  auto Table = aarch64Table();
  if (!Table)
    return;
  ArrayRef<SubtargetFeatureKV> Features = Table->getAllProcessorFeatures();
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

// Visits the strings of `llvm.commandline` that start with `prefix` and drops them from the module.
void jl_cpp_take_command_line(LLVMModuleRef M, const char *Prefix, size_t Len, void *Data,
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
  Lines->clearOperands();
  for (MDNode *Line : Kept)
    Lines->addOperand(Line);
  if (Kept.empty())
    Lines->eraseFromParent();
}
}

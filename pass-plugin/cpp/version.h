// What LLVM 16, 19 and 22 say differently. Beyond this file no C++ asks for LLVM's version.
#pragma once
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Operator.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include <functional>
#include <memory>

namespace jl {

// Where a module stands in link-time optimisation when a pass runs on it.
enum class LinkPhase { NoLTO, PreLink, PostLink, NoLTOOrPreLink };
using AddPass = std::function<void(llvm::ModulePassManager &, LinkPhase)>;

#if LLVM_VERSION_MAJOR >= 20
inline void atOptimizerEarly(llvm::PassBuilder &PB, AddPass Add) {
  using Phase = llvm::ThinOrFullLTOPhase;
  PB.registerOptimizerEarlyEPCallback(
      [Add](llvm::ModulePassManager &MPM, llvm::OptimizationLevel, Phase P) {
        bool PreLink = P == Phase::ThinLTOPreLink || P == Phase::FullLTOPreLink;
        bool PostLink = P == Phase::ThinLTOPostLink || P == Phase::FullLTOPostLink;
        Add(MPM, PreLink ? LinkPhase::PreLink : PostLink ? LinkPhase::PostLink : LinkPhase::NoLTO);
      });
}
#else
// LLVM does not tell the phase. Of the pipelines with this callback only ThinLTO's after the link leaves out
// the callback at the pipeline's start; what comes before the link is told by the module (see isPreLink).
inline void atOptimizerEarly(llvm::PassBuilder &PB, AddPass Add) {
  auto Started = std::make_shared<bool>(false);
  PB.registerPipelineStartEPCallback(
      [Started](llvm::ModulePassManager &, llvm::OptimizationLevel) { *Started = true; });
  PB.registerOptimizerEarlyEPCallback(
      [Started, Add](llvm::ModulePassManager &MPM, llvm::OptimizationLevel) {
        Add(MPM, std::exchange(*Started, false) ? LinkPhase::NoLTOOrPreLink : LinkPhase::PostLink);
      });
}
#endif

// clang sets these flags before it runs the pipeline of a module that is meant for LTO, and on no other.
inline bool isPreLink(LinkPhase Phase, llvm::Module &M) {
  return Phase == LinkPhase::PreLink ||
         (Phase == LinkPhase::NoLTOOrPreLink &&
          (M.getModuleFlag("EnableSplitLTOUnit") || M.getModuleFlag("ThinLTO")));
}

#if LLVM_VERSION_MAJOR >= 22
// Here the plugin has a callback before code generation, which is given the target machine.
inline llvm::TargetMachine *machineOf(llvm::PassBuilder &) { return nullptr; }
#else
// Code generation uses the target machine that the PassBuilder was made with, and that only it knows. (An
// explicit instantiation may name a private member.)
template <llvm::TargetMachine *llvm::PassBuilder::*Member> struct PrivateMember {
  friend llvm::TargetMachine *machineOf(llvm::PassBuilder &PB) { return PB.*Member; }
};
template struct PrivateMember<&llvm::PassBuilder::TM>;
llvm::TargetMachine *machineOf(llvm::PassBuilder &PB);
#endif

// A subtarget of the code generator, with its tables of CPUs and features; null where the host was built
// without the target.
inline std::unique_ptr<llvm::MCSubtargetInfo> subtarget(llvm::StringRef TripleName, llvm::StringRef CPU,
                                                        llvm::StringRef Features) {
  llvm::Triple TT(TripleName);
  std::string Error;
  const llvm::Target *T = llvm::TargetRegistry::lookupTarget("", TT, Error);
  if (!T)
    return nullptr;
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple &Of = TT;
#else
  const std::string &Of = TT.str();
#endif
  return std::unique_ptr<llvm::MCSubtargetInfo>(T->createMCSubtargetInfo(Of, CPU, Features));
}

#if LLVM_VERSION_MAJOR >= 17
inline auto allFeatures(const llvm::MCSubtargetInfo &Info) { return Info.getAllProcessorFeatures(); }
inline auto allCPUs(const llvm::MCSubtargetInfo &Info) { return Info.getAllProcessorDescriptions(); }
#else
// LLVM 16 has the lists but no accessors.
template <auto Features, auto CPUs> struct PrivateLists {
  friend auto featureList() { return Features; }
  friend auto cpuList() { return CPUs; }
};
auto featureList();
auto cpuList();
template struct PrivateLists<&llvm::MCSubtargetInfo::ProcFeatures, &llvm::MCSubtargetInfo::ProcDesc>;
inline auto allFeatures(const llvm::MCSubtargetInfo &Info) { return Info.*featureList(); }
inline auto allCPUs(const llvm::MCSubtargetInfo &Info) { return Info.*cpuList(); }
#endif

// The callbacks that a host or another plugin has at the pipeline's start; LLVM 16 keeps them to itself.
inline void startPipeline(llvm::PassBuilder &PB, llvm::ModulePassManager &MPM, llvm::OptimizationLevel Level) {
#if LLVM_VERSION_MAJOR >= 17
  PB.invokePipelineStartEPCallbacks(MPM, Level);
#endif
}

// A target machine for the module; null where the host was built without the target. Level: 0 to 3, or 4 and 5
// for size.
inline llvm::TargetMachine *machineFor(const llvm::Module &M, const llvm::TargetOptions &Options,
                                       llvm::Reloc::Model Relocation, unsigned Level) {
#if LLVM_VERSION_MAJOR >= 22
  const llvm::Triple &Triple = M.getTargetTriple();
  const llvm::Triple &Of = Triple;
#else
  const std::string &Triple = M.getTargetTriple();
  const std::string &Of = Triple;
#endif
#if LLVM_VERSION_MAJOR >= 18
  using OptLevel = llvm::CodeGenOptLevel;
  const OptLevel Levels[] = {OptLevel::None, OptLevel::Less, OptLevel::Default, OptLevel::Aggressive};
#else
  const llvm::CodeGenOpt::Level Levels[] = {llvm::CodeGenOpt::None, llvm::CodeGenOpt::Less,
                                            llvm::CodeGenOpt::Default, llvm::CodeGenOpt::Aggressive};
#endif
  std::string Error;
  const llvm::Target *T = llvm::TargetRegistry::lookupTarget(Triple, Error);
  if (!T)
    return nullptr;
  return T->createTargetMachine(Of, "", "", Options, Relocation, M.getCodeModel(), Levels[Level < 4 ? Level : 2]);
}

// Analyses for passes that we run ourselves.
struct Analyses {
  llvm::LoopAnalysisManager Loops;
  llvm::FunctionAnalysisManager Functions;
  llvm::CGSCCAnalysisManager Components;
  llvm::ModuleAnalysisManager Modules;

  explicit Analyses(llvm::PassBuilder &PB) {
    PB.registerModuleAnalyses(Modules);
    PB.registerCGSCCAnalyses(Components);
    PB.registerFunctionAnalyses(Functions);
    PB.registerLoopAnalyses(Loops);
    PB.crossRegisterProxies(Loops, Functions, Components, Modules);
  }
};

// LLVM's pipeline up to where vectorisation begins (emit.cpp).
struct Simplification {
  // What looks at the whole module; what goes through each function then; what goes bottom-up through the call
  // graph; what is left.
  llvm::ModulePassManager Opening, Cleanup, Middle, Closing;
};
// Level as above.
Simplification simplification(llvm::PassBuilder &PB, unsigned Level);

// Puts a variable without a parent behind all others.
inline void append(llvm::Module &M, llvm::GlobalVariable *V) {
#if LLVM_VERSION_MAJOR >= 17
  M.insertGlobalVariable(V);
#else
  M.getGlobalList().push_back(V);
#endif
}

// As a target's own functions want it.
inline auto tripleOf(const llvm::TargetMachine &Machine) {
#if LLVM_VERSION_MAJOR >= 22
  return Machine.getTargetTriple();
#else
  return Machine.getTargetTriple().str();
#endif
}

inline auto fileType(bool Assembly) {
#if LLVM_VERSION_MAJOR >= 18
  return Assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
#else
  return Assembly ? llvm::CGFT_AssemblyFile : llvm::CGFT_ObjectFile;
#endif
}

inline llvm::Pass *createLibraryInfo(const llvm::Module &M) {
  return new llvm::TargetLibraryInfoWrapperPass(llvm::Triple(M.getTargetTriple()));
}

// Constants that compare are gone after LLVM 16.
inline unsigned predicateOf(const llvm::ConstantExpr &E) {
#if LLVM_VERSION_MAJOR >= 19
  return 0;
#else
  return E.isCompare() ? E.getPredicate() : 0;
#endif
}

// The bounds that a constant address says it stays in; none where it says nothing.
inline llvm::SmallVector<llvm::APInt, 2> inRangeOf(const llvm::GEPOperator &G) {
#if LLVM_VERSION_MAJOR >= 19
  if (std::optional<llvm::ConstantRange> Range = G.getInRange())
    return {Range->getLower(), Range->getUpper()};
#else
  if (std::optional<unsigned> Index = G.getInRangeIndex())
    return {llvm::APInt(32, *Index)};
#endif
  return {};
}

inline unsigned codeModelOf(const llvm::GlobalVariable &V) {
#if LLVM_VERSION_MAJOR >= 18
  if (auto Model = V.getCodeModel())
    return *Model + 1;
#endif
  return 0;
}

// What sanitizers are told of a variable, as bits.
inline unsigned sanitizersOf(const llvm::GlobalVariable &V) {
  if (!V.hasSanitizerMetadata())
    return 0;
  const llvm::GlobalValue::SanitizerMetadata &Meta = V.getSanitizerMetadata();
  return 1 | Meta.NoAddress << 1 | Meta.NoHWAddress << 2 | Meta.Memtag << 3 | Meta.IsDynInit << 4;
}

} // namespace jl

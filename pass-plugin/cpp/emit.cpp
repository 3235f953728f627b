// What optimising and emitting a module by ourselves needs: the halves of LLVM's default pipeline and a target
// machine like the host's.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/IPO/ForceFunctionAttrs.h"

using namespace llvm;
using namespace jl;

namespace {
OptimizationLevel levelOf(unsigned Level) {
  const OptimizationLevel Levels[] = {OptimizationLevel::O0, OptimizationLevel::O1, OptimizationLevel::O2,
                                      OptimizationLevel::O3, OptimizationLevel::Os, OptimizationLevel::Oz};
  return Levels[Level];
}

// As LLVM's own link-time optimisation decides.
Reloc::Model relocationModel(const Module &M) {
  return M.getPICLevel() == PICLevel::NotPIC ? Reloc::Static : Reloc::PIC_;
}
} // namespace

namespace jl {
// LLVM's pipeline up to where vectorisation begins.
void addSimplification(PassBuilder &PB, ModulePassManager &MPM, unsigned Level) {
  if (Level == 0)
    return;
  MPM.addPass(ForceFunctionAttrsPass());
  startPipeline(PB, MPM, levelOf(Level));
  MPM.addPass(PB.buildModuleSimplificationPipeline(levelOf(Level), ThinOrFullLTOPhase::None));
}
} // namespace jl

extern "C" {
// A target machine for the module with the host's options, or LLVM's own where there is none. `Level` as in
// levelOf. Null where the host was built without the target.
void *jl_cpp_machine(void *Host, LLVMModuleRef Mod, unsigned Level, bool Sections) {
  Module &M = *unwrap(Mod);
  auto *Like = static_cast<TargetMachine *>(Host);
  TargetOptions Options = Like ? Like->Options : TargetOptions();
  Options.EmitAddrsig = true;
  if (Sections)
    Options.FunctionSections = Options.DataSections = true;
  Reloc::Model Relocation = relocationModel(M);
  return machineFor(M, Options, Relocation, Level);
}

void jl_cpp_machine_free(void *Machine) { delete static_cast<TargetMachine *>(Machine); }

// The other half of LLVM's pipeline, for what the machine is.
void jl_cpp_optimise(void *Machine, LLVMModuleRef Mod, unsigned Level, bool Vectorise) {
  PipelineTuningOptions Tuning;
  Tuning.SLPVectorization = Vectorise;
  Tuning.LoopVectorization = Vectorise;
  PassBuilder PB(static_cast<TargetMachine *>(Machine), Tuning);
  LoopAnalysisManager LAM;
  FunctionAnalysisManager FAM;
  CGSCCAnalysisManager CGAM;
  ModuleAnalysisManager MAM;
  PB.registerModuleAnalyses(MAM);
  PB.registerCGSCCAnalyses(CGAM);
  PB.registerFunctionAnalyses(FAM);
  PB.registerLoopAnalyses(LAM);
  PB.crossRegisterProxies(LAM, FAM, CGAM, MAM);
  ModulePassManager MPM;
  if (Level != 0)
    MPM = PB.buildModuleOptimizationPipeline(levelOf(Level), ThinOrFullLTOPhase::None);
  MPM.run(*unwrap(Mod), MAM);
}

// Code for the module: an object, or its text. False where the target can't.
bool jl_cpp_emit(void *Machine, LLVMModuleRef Mod, bool Assembly, void *Data,
                 void (*Write)(void *, const char *, size_t)) {
  Module &M = *unwrap(Mod);
  SmallVector<char, 0> Bytes;
  raw_svector_ostream OS(Bytes);
  legacy::PassManager PM;
  PM.add(createLibraryInfo(M));
  if (static_cast<TargetMachine *>(Machine)->addPassesToEmitFile(PM, OS, nullptr, fileType(Assembly)))
    return false;
  PM.run(M);
  Write(Data, Bytes.data(), Bytes.size());
  return true;
}
}

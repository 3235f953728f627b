// What optimising and emitting a module by ourselves needs: the halves of LLVM's default pipeline and a target
// machine like the host's.
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/LLVMRemarkStreamer.h"
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
// The list of passes is for derived classes only.
struct PassList : ModulePassManager {
  static auto &of(ModulePassManager &MPM) { return MPM.*&PassList::Passes; }
};

Simplification simplification(PassBuilder &PB, unsigned Level) {
  Simplification S;
  if (Level == 0)
    return S;
  ModulePassManager Whole;
  Whole.addPass(ForceFunctionAttrsPass());
  startPipeline(PB, Whole, levelOf(Level));
  Whole.addPass(PB.buildModuleSimplificationPipeline(levelOf(Level), ThinOrFullLTOPhase::None));
  auto &All = PassList::of(Whole);
  auto Find = [&](StringRef Name) {
    return find_if(All, [&](auto &Pass) { return Pass->name().contains(Name); }) - All.begin();
  };
  // Right behind GlobalOpt is what cleans up after it, function by function.
  ptrdiff_t Cleanup = Find("GlobalOptPass") + 1, Inliner = Find("ModuleInlinerWrapperPass");
  for (ptrdiff_t I = 0; I < ptrdiff_t(All.size()); ++I) {
    auto &List = I < Cleanup ? S.Opening : I == Cleanup ? S.Cleanup : I <= Inliner ? S.Middle : S.Closing;
    PassList::of(List).push_back(std::move(All[I]));
  }
  return S;
}
} // namespace jl

extern "C" {
// A target machine for a shard: the same wherever it is compiled. `Level` as in levelOf. Null where the host was
// built without the target.
void *jl_cpp_machine(LLVMModuleRef Mod, unsigned Level) {
  Module &M = *unwrap(Mod);
  TargetOptions Options;
  // What every ELF compiler sets; LLVM's own value is older.
  Options.UseInitArray = true;
  Options.EmitAddrsig = true;
  Options.FunctionSections = Options.DataSections = true;
  return machineFor(M, Options, relocationModel(M), Level);
}

// A target machine that does what the host's does.
void *jl_cpp_machine_copy(void *Host) {
  auto &Of = *static_cast<TargetMachine *>(Host);
  return Of.getTarget().createTargetMachine(tripleOf(Of), Of.getTargetCPU(), Of.getTargetFeatureString(), Of.Options,
                                            Of.getRelocationModel(), Of.getCodeModel(), Of.getOptLevel());
}

// Whether code generation by this machine writes more than one file, or tells what it does: neither can be put
// together from pieces.
bool jl_cpp_has_side_outputs(void *Machine, LLVMModuleRef Mod) {
  auto &Options = static_cast<TargetMachine *>(Machine)->Options;
  LLVMContext &Context = unwrap(Mod)->getContext();
  const DiagnosticHandler *Handler = Context.getDiagHandlerPtr();
  return !Options.MCOptions.SplitDwarfFile.empty() || !Options.StackUsageOutput.empty() ||
         Context.getLLVMRemarkStreamer() || (Handler && Handler->isAnyRemarkEnabled());
}

// Writes to the stream that a callback before code generation is given.
void jl_cpp_write_stream(void *Stream, const char *Bytes, size_t Len) {
  static_cast<raw_pwrite_stream *>(Stream)->write(Bytes, Len);
}

void jl_cpp_machine_free(void *Machine) { delete static_cast<TargetMachine *>(Machine); }

// The other half of LLVM's pipeline, for what the machine is.
void jl_cpp_optimise(void *Machine, LLVMModuleRef Mod, unsigned Level, bool Vectorise) {
  PipelineTuningOptions Tuning;
  Tuning.SLPVectorization = Vectorise;
  Tuning.LoopVectorization = Vectorise;
  PassBuilder PB(static_cast<TargetMachine *>(Machine), Tuning);
  Analyses A(PB);
  ModulePassManager MPM;
  if (Level != 0)
    MPM = PB.buildModuleOptimizationPipeline(levelOf(Level), ThinOrFullLTOPhase::None);
  MPM.run(*unwrap(Mod), A.Modules);
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

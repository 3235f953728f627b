// What the passes under Julia's names need and LLVM's C API lacks: the features of a subtarget, cloning many
// functions by one map, replacing a function inside constants, and a few properties.
#include "llvm-c/Types.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/TargetParser/Triple.h"
#include <memory>

using namespace llvm;

namespace {
#if LLVM_VERSION_MAJOR < 17
// LLVM 16 keeps the list but has no accessor; an explicit instantiation may name a private member.
using FeatureList = ArrayRef<SubtargetFeatureKV> MCSubtargetInfo::*;
FeatureList featureList();
template <FeatureList List> struct Accessor {
  friend FeatureList featureList() { return List; }
};
template struct Accessor<&MCSubtargetInfo::ProcFeatures>;
ArrayRef<SubtargetFeatureKV> allFeatures(const MCSubtargetInfo &Info) { return Info.*featureList(); }
#else
ArrayRef<SubtargetFeatureKV> allFeatures(const MCSubtargetInfo &Info) {
  return Info.getAllProcessorFeatures();
}
#endif
} // namespace

extern "C" {
// Visits the features that code for this triple, CPU and feature list may use. False, and no visit, when
// this LLVM was built without the target.
bool jl_cpp_subtarget_features(const char *TripleName, size_t TripleLen, const char *CPU, size_t CPULen,
                               const char *Features, size_t FeaturesLen, void *Data,
                               void (*Visit)(void *, const char *, size_t)) {
  Triple TT(StringRef(TripleName, TripleLen));
  std::string Error;
  const Target *T = TargetRegistry::lookupTarget("", TT, Error);
  if (!T)
    return false;
#if LLVM_VERSION_MAJOR < 22
  const std::string Of = TT.str();
#else
  const Triple &Of = TT;
#endif
  std::unique_ptr<MCSubtargetInfo> Info(
      T->createMCSubtargetInfo(Of, StringRef(CPU, CPULen), StringRef(Features, FeaturesLen)));
  if (!Info)
    return false;
  for (const SubtargetFeatureKV &Feature : allFeatures(*Info))
    if (Info->hasFeature(Feature.Value))
      Visit(Data, Feature.Key, strlen(Feature.Key));
  return true;
}
}

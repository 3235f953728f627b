// What the passes under Julia's names need and LLVM's C API lacks: the features of a subtarget, cloning many
// functions by one map, replacing a function inside constants, and a few properties.
#include "version.h"
#include "llvm-c/Types.h"

using namespace llvm;

extern "C" {
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

// What a front end leaves depends on what else it was given, in ways that mean nothing. clang calls a function that cannot
// throw by `invoke` until it has emitted it and found that out; a function of the C library has the attributes of the
// header that came first. Here a module gets what it would have had in the best of orders, so that one source has
// one identity. LLVM would do all of this a little later.
#include "canonical.h"
#include "version.h"
#include "llvm-c/Types.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Transforms/IPO/InferFunctionAttrs.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"
#include "llvm/Transforms/Utils/Local.h"

using namespace llvm;
using namespace jl;

namespace {
// clang's own rule for what it has emitted. A definition of the same name by another compile stems from the same
// source, as no optimisation has been here yet. Of Rust's functions that others see only the declaration of, those who have the
// definition should not know more.
bool mayBeMarked(const Function &F) {
  return !F.isDeclaration() && !isNamedByCrate(F) && !F.doesNotThrow() && !F.isInterposable() && !F.isPresplitCoroutine() && !F.hasOptNone();
}

bool mayThrow(const Function &F) {
  for (const BasicBlock &B : F)
    for (const Instruction &I : B)
      if (I.mayThrow())
        return true;
  return false;
}

// The least set, whatever the order: a function is looked at again when something that it calls was marked.
void markWhatCannotThrow(Module &M) {
  SetVector<Function *> Waiting;
  for (Function &F : M)
    if (mayBeMarked(F))
      Waiting.insert(&F);
  while (!Waiting.empty()) {
    Function *F = Waiting.pop_back_val();
    if (mayThrow(*F))
      continue;
    F->setDoesNotThrow();
    for (const User *U : F->users())
      if (auto *Call = dyn_cast<CallBase>(U))
        if (Function *Caller = const_cast<Function *>(Call->getFunction()); mayBeMarked(*Caller))
          Waiting.insert(Caller);
  }
}

// Calls that need no landing pad have none, and what only the pads needed goes.
void tidy(Function &F) {
  removeUnreachableBlocks(F);
  for (BasicBlock &B : make_early_inc_range(F))
    MergeBlockIntoPredecessor(&B);
  bool Unwinds = any_of(F, [](const BasicBlock &B) { return B.isEHPad(); });
  if (!Unwinds && F.hasPersonalityFn())
    F.setPersonalityFn(nullptr);
}
} // namespace

extern "C" void jl_cpp_settle(LLVMModuleRef Mod) {
  Module &M = *unwrap(Mod);
  PassBuilder PB;
  Analyses A(PB);
  ModulePassManager MPM;
  MPM.addPass(InferFunctionAttrsPass());
  MPM.run(M, A.Modules);
  // With asynchronous exceptions any instruction may throw.
  if (M.getModuleFlag("eh-asynch"))
    return;
  markWhatCannotThrow(M);
  for (Function &F : M)
    if (!F.isDeclaration() && !F.hasOptNone() && !F.isPresplitCoroutine())
      tidy(F);
}

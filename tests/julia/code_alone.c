// Preloaded into Julia 1.5 while it writes its system image as bitcode: leaves the state out of that.
//
// Julia writes its state as bytes (--output-ji), which is what images are made from here, and in the same process once
// more as IR beside the code: a constant of 88 MB, of which LLVM 9's writer makes a list with 8 bytes for each byte. Nothing reads
// that. The archive then has an empty `data.bc`.
//
// Build: clang-22 -O2 -shared -fPIC code_alone.c -o code_alone.so
// Use:   LD_PRELOAD=$PWD/code_alone.so julia ... --output-bc sys.bc --output-ji state
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// llvm::WriteBitcodeToFile of LLVM 9: (Module const &, raw_ostream &, bool, ModuleSummaryIndex const *, bool, ModuleHash *).
#define WRITE_BITCODE                                                                                                  \
  "_ZN4llvm18WriteBitcodeToFileERKNS_6ModuleERNS_11raw_ostreamEbPKNS_18ModuleSummaryIndexEbPSt5arrayIjLm5EE"
typedef void Write(const void *, void *, bool, const void *, bool, void *);
Write write_bitcode __asm__(WRITE_BITCODE);

// Of LLVM's interface for C; weak, because processes without LLVM (that start Julia) load this, too.
__attribute__((weak)) const char *LLVMGetModuleIdentifier(const void *module, size_t *length);

// What Julia calls the module that holds its state (jl_dump_native).
static const char STATE[] = "sysimage";

void write_bitcode(const void *module, void *stream, bool order, const void *index, bool hash, void *hash_of) {
  size_t length = 0;
  const char *name = LLVMGetModuleIdentifier ? LLVMGetModuleIdentifier(module, &length) : "";
  if (length == sizeof STATE - 1 && memcmp(name, STATE, length) == 0)
    return;
  Write *next = (Write *)dlsym(RTLD_NEXT, WRITE_BITCODE);
  if (!next) {
    fprintf(stderr, "code_alone.so: expected LLVM 9, as Julia 1.5 has it, but there is no %s\n", WRITE_BITCODE);
    exit(1);
  }
  next(module, stream, order, index, hash, hash_of);
}

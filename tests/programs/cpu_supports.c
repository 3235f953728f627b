//! arch: x86_64
//! targets: x86-64;x86-64-v3;x86-64-v4
//! check-cloned: pick level
//! check-not-cloned: sum_avx2 own-target
//! disasm: pick.1 calls sum_avx2
//! disasm: pick.2 calls sum_avx2
//! disasm: pick.0 has __cpu_model
//! without-llvm: 16 all -- its clang does not know the levels' names in __builtin_cpu_supports
// A dispatch by hand: each target that decides its questions goes straight to the answer; the others ask.
#include <stdio.h>

__attribute__((target("avx2"), noinline)) long sum_avx2(const int *data, int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}

__attribute__((noinline)) long sum_plain(const int *data, int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}

__attribute__((noinline)) long pick(const int *data, int n) {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) return sum_avx2(data, n);
    return sum_plain(data, n);
}

// What the target does not decide is asked here and now, and right on every CPU.
__attribute__((noinline)) int level(void) {
    if (__builtin_cpu_supports("avx512f") && !__builtin_cpu_supports("avx2")) return -1;
    if (__builtin_cpu_supports("x86-64-v3") && !__builtin_cpu_supports("fma")) return -2;
    if (__builtin_cpu_supports("fma") && __builtin_cpu_supports("avx") && !__builtin_cpu_supports("sse4.2")) return -3;
    return 0;
}

int main(void) {
    int data[100];
    for (int i = 0; i < 100; i++) data[i] = i * i - 70;
    printf("%ld %d\n", pick(data, 100), level());
    return 0;
}

//! flags: -Wno-psabi
//! check-cloned: narrow inside
//! check-not-cloned-x86_64: wide abi-differs
//! check-not-cloned-x86_64: calls_wide abi-differs
//! check-cloned-aarch64: wide calls_wide -- vectors beyond 16 bytes are always passed in memory
// Vectors that are passed in memory at one target and in a register at another keep a function from being cloned;
// vectors used inside, or passed alike everywhere, do not.
#include <stdio.h>

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));

__attribute__((noinline)) v4 narrow(v4 a, v4 b) { return a * b + a; }

__attribute__((noinline)) v8 wide(v8 a, v8 b) { return a * b - a; }

__attribute__((noinline)) float calls_wide(const float *data) {
    v8 a = {data[0], data[1], data[2], data[3], data[4], data[5], data[6], data[7]};
    v8 r = wide(a, a + 1.0f);
    return r[0] + r[7];
}

__attribute__((noinline)) float inside(const float *data, int n) {
    v8 sum = {0};
    for (int i = 0; i + 8 <= n; i += 8) {
        v8 v;
        __builtin_memcpy(&v, data + i, sizeof v);
        sum += v * v;
    }
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

int main(void) {
    float data[64];
    for (int i = 0; i < 64; i++) data[i] = (float)i * 0.5f;
    v4 a = {1, 2, 3, 4}, r = narrow(a, a);
    printf("%g %g %g %g\n", r[0], r[3], calls_wide(data), inside(data, 64));
    return 0;
}

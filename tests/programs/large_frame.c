//! check-cloned: fill walk
// Large frames, variable-length arrays and alloca with an alignment of their own, and the cleanup attribute.
#include <stdio.h>
#include <stdlib.h>

static int cleanups;
static void clean(int *p) { cleanups += *p; }

__attribute__((noinline)) long fill(int n) {
    long table[n];
    _Alignas(64) int aligned[16] = {0};
    __attribute__((cleanup(clean))) int token = n;
    for (int i = 0; i < n; i++) table[i] = (long)i * token;
    for (int i = 0; i < n; i++) aligned[i & 15] += (int)table[n - 1 - i];
    return aligned[3] + ((unsigned long)aligned & 63) + token;
}

__attribute__((noinline)) int walk(int depth) {
    char big[20000];
    for (int i = 0; i < (int)sizeof big; i++) big[i] = (char)(i * depth);
    int below = depth ? walk(depth - 1) : 1;
    return below + big[depth * 100];
}

int main(void) {
    printf("%ld %d %d\n", fill(1000), walk(50), cleanups);
    return 0;
}

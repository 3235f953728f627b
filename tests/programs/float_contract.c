//! flags: -ffp-contract=fast
//! check-cloned: scale between
// Asked to contract everywhere, clang tells the code generator too: the bits are those of the baseline all the same.
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) void scale(double *restrict out, const double *restrict in, double factor, int n) {
    for (int i = 0; i < n; i++) out[i] = in[i] * factor + out[i];
}

__attribute__((noinline)) double between(double x, double y, double z) { return x * y + z; }

int main(void) {
    double in[40], out[40], sum = 0;
    for (int i = 0; i < 40; i++) in[i] = 1.0 / (i + 3), out[i] = i * 0.1;
    scale(out, in, 0.7, 40);
    for (int i = 0; i < 40; i++) sum = between(sum, 0.9, out[i]);
    unsigned long bits;
    memcpy(&bits, &sum, 8);
    printf("%016lx\n", bits);
    return 0;
}

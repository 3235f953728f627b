//! targets-x86_64: x86-64;x86-64-v3;x86-64-v4
//! targets-aarch64: generic;generic,+sve;a64fx
//! reference-aarch64: baseline -- plain clang fuses less at -O2 than at -O1; an image the same everywhere
//! opt: -O1 -O3 -Os
//! check-cloned: saxpy histogram matrix smooth
//! check-not-cloned: digit never-pays
//! without-llvm: 16 plan -- matrix: the serial sum is not unrolled before OptimizerEarly, so nothing is to vectorise
//! without-llvm: 19 plan -- as 16
// The default filter: loops are cloned, code that no target does better is not.
#include <stdio.h>
#include <string.h>

enum { n = 1000 };

__attribute__((noinline)) void saxpy(float *restrict y, const float *restrict x, float a) {
    for (int i = 0; i < n; i++) y[i] = a * x[i] + y[i];
}

__attribute__((noinline)) void histogram(unsigned *bins, const unsigned char *data, int size) {
    for (int i = 0; i < size; i++) bins[data[i] >> 4]++;
}

__attribute__((noinline)) void matrix(double c[24][24], double a[24][24], double b[24][24]) {
    for (int i = 0; i < 24; i++)
        for (int j = 0; j < 24; j++) {
            double sum = 0;
            for (int k = 0; k < 24; k++) sum += a[i][k] * b[k][j];
            c[i][j] = sum;
        }
}

__attribute__((noinline)) void smooth(short *out, const short *in, int size) {
    for (int i = 1; i + 1 < size; i++) out[i] = (short)((in[i - 1] + 2 * in[i] + in[i + 1] + 2) >> 2);
}

__attribute__((noinline)) int digit(int c) { return c >= '0' && c <= '9' ? c - '0' : -1; }

static unsigned long sum(const void *data, size_t size) {
    unsigned long s = 0;
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++) s = s * 131 + p[i];
    return s;
}

int main(void) {
    static float x[n], y[n];
    static unsigned char bytes[n];
    static unsigned bins[16];
    static double a[24][24], b[24][24], c[24][24];
    static short in[n], out[n];
    for (int i = 0; i < n; i++) {
        x[i] = i * 0.37f;
        y[i] = 1.0f / (i + 1);
        bytes[i] = (unsigned char)(i * 37);
        in[i] = (short)(i * 311);
    }
    for (int i = 0; i < 24; i++)
        for (int j = 0; j < 24; j++) a[i][j] = 1.0 / (i + j + 1), b[i][j] = i - j * 0.3;
    saxpy(y, x, 1.7f);
    histogram(bins, bytes, n);
    matrix(c, a, b);
    smooth(out, in, n);
    printf("%lx %lx %lx %lx %d\n", sum(y, sizeof y), sum(bins, sizeof bins), sum(c, sizeof c), sum(out, sizeof out),
           digit('7'));
    return 0;
}

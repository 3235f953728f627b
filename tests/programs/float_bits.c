//! link-flags: -lm
//! check-cloned: dot horner distance mixed reduce
// Floating point gives the same bits at every target: nothing is contracted that the baseline does not contract.
#include <math.h>
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) double dot(const double *a, const double *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

__attribute__((noinline)) float horner(float x) {
    float r = 0.1f;
    for (int i = 1; i < 12; i++) r = r * x + 1.0f / (float)i;
    return r;
}

__attribute__((noinline)) double distance(double x, double y, double z) { return sqrt(x * x + y * y - z * z); }

__attribute__((noinline)) double mixed(double a, float b, int c) {
    return a * b - c * 0.1 + (double)(b * (float)c) + fabs(a - b) * copysign(0.3, c);
}

__attribute__((noinline)) float reduce(const float *a, int n) {
    float best = -1, sum = 0;
    for (int i = 0; i < n; i++) {
        float t = a[i] * a[i] - 0.25f * a[i];
        if (t > best) best = t;
        sum += t;
    }
    return sum / best;
}

static void show(double d) {
    unsigned long bits;
    memcpy(&bits, &d, 8);
    printf("%016lx\n", bits);
}

int main(void) {
    double a[200], b[200];
    float f[333];
    // Not folded at compile time: LLVM folds a * b + c with one rounding.
    volatile double seed = 1.0 / 7;
    for (int i = 0; i < 200; i++) a[i] = seed / (i + 3), b[i] = i * 1e-3 + seed;
    for (int i = 0; i < 333; i++) f[i] = (float)i * 0.013f - (float)seed * 9;
    show(dot(a, b, 200));
    for (int i = 0; i < 5; i++) show(horner((float)i * (float)seed));
    show(distance(1.1 + seed, 2.3, 0.7));
    show(mixed(seed / 3, 0.7f, -3));
    show(reduce(f, 333));
    return 0;
}

// Vector variants of functions, and loops that must be vectorised.
#include <stdio.h>

#pragma omp declare simd notinbranch
__attribute__((noinline)) int mix(int a, int b) { return (a ^ b) * 3 + (a >> 2); }

__attribute__((noinline)) void all(int *restrict c, const int *a, const int *b, int n) {
#pragma omp simd
    for (int i = 0; i < n; i++) c[i] = mix(a[i], b[i]);
}

__attribute__((noinline)) long sum(const int *a, int n) {
    long total = 0;
#pragma omp simd reduction(+ : total) safelen(16)
    for (int i = 0; i < n; i++) total += a[i];
    return total;
}

int main(void) {
    int a[333], b[333], c[333];
    for (int i = 0; i < 333; i++) a[i] = i * 17, b[i] = i * i;
    all(c, a, b, 333);
    printf("%ld %d\n", sum(c, 333), c[100]);
}

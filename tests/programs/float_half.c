//! arch: aarch64
//! targets: generic,clone_all;neoverse-n1,clone_all;a64fx,clone_all
//! reference: baseline -- plain clang fuses operations on float as it likes at each level
//! flags: -ffp-contract=fast
//! check-cloned: polynomial dot
// Half precision: with instructions for it a target could fuse what the baseline computes in float and rounds twice.
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) _Float16 polynomial(_Float16 x) {
    _Float16 y = (_Float16)0.3;
    for (int i = 0; i < 9; i++) y = y * x + (_Float16)0.7;
    return y;
}

__attribute__((noinline)) _Float16 dot(const _Float16 *a, const _Float16 *b, int n) {
    _Float16 sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

__attribute__((noinline)) void saxpy(_Float16 *restrict y, const _Float16 *x, _Float16 a, int n) {
    for (int i = 0; i < n; i++) y[i] = a * x[i] - y[i];
}

__attribute__((noinline)) double single(const float *a, const float *b, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static unsigned bits(_Float16 value) {
    unsigned short raw;
    memcpy(&raw, &value, sizeof raw);
    return raw;
}

int main(void) {
    _Float16 a[100], b[100];
    float c[100], d[100];
    for (int i = 0; i < 100; i++) {
        a[i] = (_Float16)(1.0f / (i + 3));
        b[i] = (_Float16)(i * 0.137f);
        c[i] = 1.0f / (i + 3);
        d[i] = i * 0.137f;
    }
    for (int i = 0; i < 10; i++) printf("%04x ", bits(polynomial((_Float16)(0.11f * i))));
    printf("%04x ", bits(dot(a, b, 100)));
    saxpy(a, b, (_Float16)1.37, 100);
    for (int i = 0; i < 100; i += 9) printf("%04x ", bits(a[i]));
    printf("%a\n", single(c, d, 100));
    return 0;
}

//! arch: aarch64
//! check-cloned: vector_call many
//! check-not-cloned: scalable abi-differs
//! check-not-cloned: streaming_compatible calling-convention
// Calling conventions with vectors: a trampoline keeps every register that the vector PCS and ordinary calls use for
// arguments, results and what the callee preserves. Functions of SVE types are for SVE alone.
#include <arm_neon.h>
#include <arm_sve.h>
#include <stdio.h>

__attribute__((aarch64_vector_pcs, noinline)) float64x2_t vector_call(float64x2_t a, float64x2_t b) {
    return a * b + a;
}

struct quad {
    float64x2_t a, b, c, d;
};

__attribute__((noinline)) struct quad many(struct quad q, double x, int n, struct quad p) {
    for (int i = 0; i < n; i++) q.a += p.b * x;
    q.d += p.c;
    return q;
}

__attribute__((target("sve"), noinline)) svint32_t scalable(svint32_t v) { return svadd_x(svptrue_b32(), v, 1); }

__attribute__((noinline)) int streaming_compatible(int x) __arm_streaming_compatible;
int streaming_compatible(int x) __arm_streaming_compatible { return x * 3; }

int main(void) {
    // Kept in registers across the call that the vector PCS makes the callee preserve.
    float64x2_t kept[8], sum = {0, 0};
    for (int i = 0; i < 8; i++) kept[i] = vdupq_n_f64(i * 1.5);
    for (int i = 0; i < 5; i++) sum += vector_call(kept[i], kept[7 - i]);
    for (int i = 0; i < 8; i++) sum += kept[i];
    struct quad q = {kept[1], kept[2], kept[3], kept[4]};
    struct quad r = many(q, 0.5, 9, q);
    printf("%g %g %g %d\n", sum[0], r.a[1], r.d[0], streaming_compatible(4));
    return 0;
}

//! check-cloned: make change sum_of small_of complex_of
// Structures returned through memory, passed by value in memory and in registers; complex numbers.
#include <complex.h>
#include <stdio.h>

struct big { double values[20]; int tag; };
struct small { float a, b; int c; };

__attribute__((noinline)) struct big make(int seed) {
    struct big b;
    for (int i = 0; i < 20; i++) b.values[i] = seed * 0.5 + i;
    b.tag = seed;
    return b;
}

__attribute__((noinline)) struct big change(struct big b, int i) {
    b.values[i] += 100;
    b.tag++;
    return b;
}

__attribute__((noinline)) double sum_of(struct big b) {
    double sum = b.tag;
    for (int i = 0; i < 20; i++) sum += b.values[i];
    b.tag = 0;
    return sum;
}

__attribute__((noinline)) struct small small_of(struct small s, struct small t) {
    return (struct small){s.a + t.b, s.b * t.a, s.c - t.c};
}

__attribute__((noinline)) double complex complex_of(double complex z, float complex w) { return z * z + w; }

int main(void) {
    struct big b = make(3), c = change(b, 7);
    printf("%g %g %d %d\n", sum_of(b), sum_of(c), b.tag, c.tag);
    struct small s = small_of((struct small){1, 2, 3}, (struct small){4, 5, 6});
    printf("%g %g %d\n", s.a, s.b, s.c);
    double complex z = complex_of(1 + 2 * I, 3 - 1 * I);
    printf("%g %g\n", creal(z), cimag(z));
    struct big (*volatile pointer)(struct big, int) = change;
    printf("%g\n", sum_of(pointer(c, 0)));
    return 0;
}

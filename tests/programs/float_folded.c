//! reference: baseline -- LLVM folds a * b + c of constants with one rounding, and folds more at a higher -O
//! link-flags: -lm
//! check-cloned: table_sum polynomial
// What the compiler computes has the same bits at every target too.
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) float table_sum(int n) {
    float table[16], sum = 0;
    for (int i = 0; i < 16; i++) table[i] = (float)i * 0.013f - 1.9f;
    for (int i = 0; i < n; i++) sum += table[i & 15] * 1.7f + 0.1f;
    return sum;
}

__attribute__((noinline)) double polynomial(int n) {
    double r = 0.3;
    for (int i = 0; i < 9; i++) r = r * 1.1 + 0.7;
    for (int i = 0; i < n; i++) r = r * 0.9 - 0.3;
    return r;
}

int main(void) {
    for (int i = 0; i < 40; i += 13) {
        float f = table_sum(i);
        double d = polynomial(i);
        unsigned single;
        unsigned long bits;
        memcpy(&single, &f, 4);
        memcpy(&bits, &d, 8);
        printf("%08x %016lx\n", single, bits);
    }
    return 0;
}

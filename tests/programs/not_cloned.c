//! check-cloned: main
//! check-not-cloned: bare naked
//! check-not-cloned: slow optnone
//! check-not-cloned: placed explicit-section
//! check-not-cloned: single noduplicate
// Functions that must not be cloned, each for its reason.
#include <stdio.h>

__attribute__((naked)) int bare(void) { __asm__("mov $41, %eax\n\tret"); }

__attribute__((optnone, noinline)) int slow(int x) { return x + 1; }

__attribute__((section(".text.of_mine"), noinline)) int placed(int x) { return x * 2; }

__attribute__((noduplicate, noinline)) int mark(int x) {
    __asm__ volatile("" : "+r"(x));
    return x ^ 1;
}
__attribute__((noinline)) int single(int x) { return mark(x) + 1; }

int main(void) {
    printf("%d %d %d %d\n", bare(), slow(1), placed(4), single(6));
    return 0;
}

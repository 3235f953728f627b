//! check-cloned: main
//! check-not-cloned: bare naked
//! check-not-cloned: slow optnone
//! check-not-cloned: placed explicit-section
//! check-not-cloned: single noduplicate
// Functions that must not be cloned, each for its reason.
#include <stdio.h>

#ifdef __aarch64__
#define RETURN_41 "mov w0, #41\n\tret"
#define RETURN_ONE_MORE "add w0, w0, #1\n\tret"
#else
#define RETURN_41 "mov $41, %eax\n\tret"
#define RETURN_ONE_MORE "leal 1(%rdi), %eax\n\tret"
#endif

__attribute__((naked)) int bare(void) { __asm__(RETURN_41); }

__attribute__((optnone, noinline)) int slow(int x) { return x + 1; }

__attribute__((section(".text.of_mine"), noinline)) int placed(int x) { return x * 2; }

// In assembly, because clang takes noinline away where it reads noduplicate, and inlines the function.
__asm__(".text\n.globl mark\n.type mark,@function\nmark: " RETURN_ONE_MORE "\n.size mark, .-mark");
__attribute__((noduplicate)) int mark(int x);
__attribute__((noinline)) int single(int x) { return mark(x) + 1; }

int main(void) {
    printf("%d %d %d %d\n", bare(), slow(1), placed(4), single(6));
    return 0;
}

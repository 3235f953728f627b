//! check-cloned: odd.name odd$name a.0 b.1
// Symbol names that look like those of clones, or contain what tools take for separators.
#include <stdio.h>

int dotted(int) __asm__("odd.name");
int dollar(int) __asm__("odd$name");
int zero(int) __asm__("a.0");
int one(int) __asm__("b.1");
int a(int), b(int);

__attribute__((noinline)) int dotted(int n) { int s = 0; for (int i = 0; i < n; i++) s += i; return s; }
__attribute__((noinline)) int dollar(int n) { int s = 1; for (int i = 1; i < n; i++) s *= i; return s; }
__attribute__((noinline)) int zero(int n) { return n + 100; }
__attribute__((noinline)) int one(int n) { return n + 200; }
__attribute__((noinline)) int a(int n) { return zero(n) * 2; }
__attribute__((noinline)) int b(int n) { return one(n) * 3; }

int main(void) {
    printf("%d %d %d %d %d %d\n", dotted(9), dollar(9), zero(1), one(1), a(2), b(3));
    return 0;
}

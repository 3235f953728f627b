//! arch: x86_64
//! flags: -fcf-protection=full
//! check-cloned: add apply
//! disasm: apply has endbr64
//! disasm: apply.1 has endbr64
// Control-flow protection: whatever is reached through a pointer, trampolines too, begins with endbr64.
#include <stdio.h>

__attribute__((noinline)) int add(int a, int b) { return a + b; }
__attribute__((noinline)) int subtract(int a, int b) { return a - b; }

__attribute__((noinline)) int apply(int (*f)(int, int), int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum = f(sum, i * 3);
    return sum;
}

__attribute__((noinline)) int pick(int n) {
    switch (n) {
    case 0: return 4;
    case 1: return apply(add, 2);
    case 2: return 99;
    case 3: return -7;
    case 4: return apply(subtract, 5);
    case 5: return 12;
    default: return 0;
    }
}

int main(void) {
    int sum = 0;
    for (int i = 0; i < 8; i++) sum = sum * 5 + pick(i);
    int (*volatile pointer)(int (*)(int, int), int) = apply;
    printf("%d %d %d\n", pointer(add, 10), apply(subtract, 10), sum);
    return 0;
}

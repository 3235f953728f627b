//! arch: aarch64
//! flags: -mbranch-protection=standard
//! check-cloned: add apply
//! disasm: apply has bti
//! disasm: apply.1 has bti
//! disasm: apply.2 has autiasp
// Branch protection: whatever is reached through a pointer, trampolines too, begins with bti; return
// addresses are signed in bodies, which have a frame, and not in trampolines, which have none.
#include <stdio.h>

__attribute__((noinline)) int add(int a, int b) { return a + b; }
__attribute__((noinline)) int subtract(int a, int b) { return a - b; }

__attribute__((noinline)) int apply(int (*f)(int, int), int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum = f(sum, i * 3);
    return sum;
}

int main(void) {
    int (*volatile pointer)(int (*)(int, int), int) = apply;
    printf("%d %d\n", pointer(add, 10), apply(subtract, 10));
    return 0;
}

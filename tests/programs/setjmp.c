//! check-cloned: descend
// setjmp returns twice into a caller of clones.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf buffer;

__attribute__((noinline)) int descend(int n, int stop) {
    volatile char pad[64];
    pad[n % 64] = (char)n;
    if (n == stop) longjmp(buffer, n + 1);
    return n > 100 ? pad[0] : descend(n + 1, stop) + 1;
}

__attribute__((noinline)) int attempt(int stop) {
    volatile int tries = 0;
    int code = setjmp(buffer);
    tries = tries + 1;
    if (code == 0) return descend(0, stop);
    return code * 10 + tries;
}

int main(void) {
    printf("%d %d %d\n", attempt(3), attempt(50), attempt(1000) > 0);
    return 0;
}

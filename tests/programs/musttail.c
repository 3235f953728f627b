//! check-cloned: even odd multiply dispatch
// Guaranteed tail calls do not grow the stack, direct or through a pointer.
#include <stdio.h>

int odd(unsigned n);
__attribute__((noinline)) int even(unsigned n) {
    if (n == 0) return 1;
    __attribute__((musttail)) return odd(n - 1);
}
__attribute__((noinline)) int odd(unsigned n) {
    if (n == 0) return 0;
    __attribute__((musttail)) return even(n - 1);
}

typedef long handler(const unsigned char *code, long accumulator, long count);
handler dispatch;
static handler *const handlers[3];

__attribute__((noinline)) long multiply(const unsigned char *code, long accumulator, long count) {
    __attribute__((musttail)) return dispatch(code + 1, accumulator * 3 + *code, count - 1);
}
static long add(const unsigned char *code, long accumulator, long count) {
    __attribute__((musttail)) return dispatch(code + 1, accumulator + 7, count - 1);
}
static long stop(const unsigned char *code, long accumulator, long count) { return accumulator + *code + count; }
static handler *const handlers[3] = {multiply, add, stop};
__attribute__((noinline)) long dispatch(const unsigned char *code, long accumulator, long count) {
    if (count == 0) return accumulator;
    __attribute__((musttail)) return handlers[*code % 3](code, accumulator, count);
}

int main(void) {
    static unsigned char code[3000000];
    for (unsigned i = 0; i < sizeof code; i++) code[i] = (unsigned char)(i % 2);
    printf("%d %d\n", even(3000000), odd(2999999));
    printf("%ld\n", dispatch(code, 1, sizeof code) & 0xffffffff);
    code[17] = 2;
    printf("%ld\n", dispatch(code, 1, sizeof code));
    return 0;
}

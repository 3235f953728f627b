// A program with libraries, that is an image itself. With LOCKED nothing can be made writable from before the first constructor on, and
// it has no library above another.
#include <stdio.h>
#ifdef LOCKED
#include "lock.h"
#include <stdlib.h>

static void early(void) {
    if (lock()) abort();
}
__attribute__((section(".preinit_array"), used)) static void (*const entry)(void) = early;
#define result alone
#endif

unsigned result(void), alone(void);

__attribute__((noinline)) unsigned own(void) {
    unsigned numbers[100], sum = 0;
    for (unsigned i = 0; i < 100; i++) numbers[i] = i;
    for (unsigned i = 0; i < 100; i++) sum += numbers[i] * numbers[i];
    return sum;
}

int main(void) { printf("%u\n%u\n%u\n", own(), result(), alone()); }

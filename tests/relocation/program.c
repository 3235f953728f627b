// A program with libraries, that is an image itself.
#include <stdio.h>

unsigned result(void), alone(void);

__attribute__((noinline)) unsigned own(void) {
    unsigned numbers[100], sum = 0;
    for (unsigned i = 0; i < 100; i++) numbers[i] = i;
    for (unsigned i = 0; i < 100; i++) sum += numbers[i] * numbers[i];
    return sum;
}

int main(void) { printf("%u\n%u\n%u\n", own(), result(), alone()); }

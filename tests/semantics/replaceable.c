// A library whose functions call each other by their exported names.
#include "replaceable.h"

int table[4] = {1, 2, 3, 4};

NOINLINE int step(int x) { return x * 3 + table[x & 3]; }

NOINLINE int twice(int x) { return step(step(x)); }

NOINLINE long walk(const int *data, int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum += step(data[i]) + twice(data[i]);
    return sum;
}

step_function *step_address(void) { return step; }

// A definition that gives way to any other.
__attribute__((weak)) NOINLINE int weak_step(int x) { return x + 1000; }

NOINLINE long weak_walk(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum += weak_step(i);
    return sum;
}

// The same code under another name, which cannot be replaced.
extern int own_step(int) __attribute__((alias("step"), visibility("hidden")));

long own_walk(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) sum += own_step(i);
    return sum;
}

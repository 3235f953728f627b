// What a preloaded library, or a program, puts in the place of a library's functions.
#include "replaceable.h"

NOINLINE int step(int x) {
    int sum = 0;
    for (int i = 0; i <= x; i++) sum += i ^ 5;
    return sum;
}

NOINLINE int weak_step(int x) { return -x; }

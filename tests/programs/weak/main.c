//! check-cloned: chosen uses caller
//! disasm: caller.1 calls chosen.1
// Weak definitions give way to strong ones, weak references may stay undefined: calls go to what was chosen.
#include <stdio.h>

int chosen(int), uses(int), only_weak(int);
__attribute__((weak)) int nowhere(int);

__attribute__((noinline)) int caller(int x) {
    int sum = 0;
    for (int i = 0; i < x; i++) sum += chosen(i);
    return sum;
}

__attribute__((weak, noinline)) int only_weak(int x) { return x + 1000; }

int main(void) {
    printf("%d %d %d %s\n", caller(10), uses(4), only_weak(1), nowhere ? "somewhere" : "nowhere");
    return 0;
}

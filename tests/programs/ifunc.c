//! check-cloned: sum
//! check-not-cloned: resolve runs-early
//! qemu: no -- what the resolver picks is printed
//! without-llvm: 16 lto thinlto -- its link-time optimisation crashes on any IFUNC, also in plain lld
//! without: shared plain-shared -- the resolver's result would be exported as an IFUNC
// An IFUNC of the program's own: its resolver runs before anything is chosen, what it picks may be a clone.
#include <stdio.h>

__attribute__((noinline)) int sum(int n) {
    int s = 0;
    for (int i = 0; i < n; i++) s += i * i;
    return s;
}

static int product(int n) { return n * 3; }

void *resolve(void) { return sum ? (void *)sum : (void *)product; }
static int picked(int) __attribute__((ifunc("resolve")));

int main(void) {
    int (*volatile pointer)(int) = picked;
    printf("%d %d\n", picked(10), pointer(11));
    return 0;
}

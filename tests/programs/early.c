//! without: shared plain-shared -- only programs have a preinit_array
//! check-cloned: work
//! check-not-cloned: before runs-early
// What runs before constructors gets the baseline.
#include <stdio.h>

static int early_result;

__attribute__((noinline)) int work(int n) {
    int s = 1;
    for (int i = 0; i < n; i++) s = s * 3 + i;
    return s;
}

__attribute__((noinline)) void before(void) { early_result = work(7); }
__attribute__((section(".preinit_array"), used)) static void (*const early)(void) = before;

int main(void) {
    printf("%d %d\n", early_result, work(7));
    return 0;
}

//! flags: -fno-plt
//! lib: part.c
//! check-cloned: caller part_entry part_protected
// Calls through the GOT instead of the PLT: call *f@GOTPCREL and address-taking lea, both relaxed by the linker.
#include <stdio.h>

int part_entry(int);
int part_protected(int);

__attribute__((noinline)) int caller(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += part_entry(i);
    return sum;
}

int main(void) {
    int (*volatile address)(int) = part_entry;
    printf("%d %d %d\n", caller(9), part_protected(5), address(4));
    return 0;
}

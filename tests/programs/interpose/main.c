//! lib: part.c
//! modes: shared shared-only plain-shared
//! check-cloned: part_run hook
// A program's own definition replaces a preemptible one of a library, in the library's own calls too.
#include <stdio.h>

int part_run(int);

__attribute__((noinline)) int hook(int x) { return x + 100; }

int main(void) {
    printf("%d %d\n", part_run(5), hook(1));
    return 0;
}

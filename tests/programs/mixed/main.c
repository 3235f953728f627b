//! plain: plain.c
//! lib: cloned.c plain.c
//! check-cloned: cloned_sum cloned_leaf
//! disasm: cloned_sum.1 calls cloned_leaf.1
// Objects of plain clang among ours: they call trampolines, and are called as ever.
#include <stdio.h>

int plain_sum(int n), cloned_sum(int n, int (*f)(int));
int plain_leaf(int), cloned_leaf(int);

int main(void) {
    printf("%d %d %d\n", plain_sum(9), cloned_sum(5, plain_leaf), cloned_sum(6, cloned_leaf));
    return 0;
}

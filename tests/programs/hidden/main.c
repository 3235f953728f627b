//! flags: -fvisibility=hidden
//! lib: part.c
//! check-cloned: part_entry part_hidden part_protected caller
//! disasm: part_entry.1 calls part_helper.1
//! disasm: part_entry.1 calls part_hidden.1
//! disasm-shared: part_entry.1 calls part_helper.1
//! disasm-shared: part_entry.1 calls part_hidden.1
//! disasm-shared: part_entry.1 calls part_protected.1
// Hidden and protected functions: calls between them are direct between clones.
#include <stdio.h>

int part_entry(int);
int part_protected(int);

__attribute__((noinline)) int caller(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += part_entry(i);
    return sum;
}

int main(void) {
    printf("%d %d\n", caller(9), part_protected(5));
    return 0;
}

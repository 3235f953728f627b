//! lib: part.c
//! check-cloned: twice local_first part_first
//! check-cloned: part_apply
//! disasm-x86_64: twice has jmp
//! disasm-aarch64: twice has br
// A function has one address, in tables, in other objects and in other libraries.
#include <stdio.h>

typedef int function(int);
function twice, part_first, part_second;
extern function *const part_table[3];
extern function *part_mutable;
function *part_address(int which);
int part_apply(function *f, int n);
int part_same(function *f);

int twice(int x) { return 2 * x; }
__attribute__((noinline)) static int local_second(int x) { return x - 5; }
__attribute__((noinline)) int local_first(int x) { return x + 1; }

static function *const table[] = {twice, local_first, local_second, part_first, part_second};
static function *mutable_table[] = {part_second, local_second, twice};

int main(void) {
    int sum = 0;
    for (int i = 0; i < 5; i++) sum = sum * 3 + table[i](i + 1);
    for (int i = 0; i < 3; i++) sum = sum * 3 + part_apply(mutable_table[i], 4 + i);
    printf("%d\n", sum);
    printf("%d %d %d\n", table[3] == part_table[1], table[4] == part_address(2), part_table[0] == twice);
    printf("%d %d\n", part_mutable == part_first, part_same(part_first));
    function *volatile first = twice;
    printf("%d %d\n", first == table[0], first == part_table[0]);
    mutable_table[0] = first;
    printf("%d\n", part_apply(mutable_table[0], 21));
    return 0;
}

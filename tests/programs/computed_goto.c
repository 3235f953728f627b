//! check-cloned: main
// An interpreter with labels as values, in a table of its own function and in one made at run time.
#include <stdio.h>

__attribute__((noinline)) int interpret(const unsigned char *code) {
    static const void *const table[] = {&&add, &&multiply, &&jump, &&stop};
    int accumulator = 1, loops = 0;
    goto *table[*code++];
add:
    accumulator += *code++;
    goto *table[*code++];
multiply:
    accumulator *= *code++;
    goto *table[*code++];
jump:
    code = loops++ < 5 ? code - 5 : code;
    goto *table[*code++];
stop:
    return accumulator;
}

__attribute__((noinline)) int relative(int which, int x) {
    static const int offsets[] = {&&first - &&first, &&second - &&first, &&third - &&first};
    goto *(&&first + offsets[which]);
first:
    x += 1;
second:
    x *= 2;
third:
    return x - 3;
}

int main(void) {
    static const unsigned char code[] = {0, 4, 1, 3, 2, 0, 9, 3};
    printf("%d %d %d %d\n", interpret(code), relative(0, 5), relative(1, 5), relative(2, 5));
    return 0;
}

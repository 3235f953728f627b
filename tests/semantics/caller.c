// Says which definitions a program and a library see.
#include "replaceable.h"
#include <stdio.h>

int main(void) {
    int data[33];
    for (int i = 0; i < 33; i++) data[i] = i * 7 % 13;
    printf("walk %ld, twice %d, step %d\n", walk(data, 33), twice(5), step(5));
    printf("weak %ld %d\n", weak_walk(33), weak_step(5));
    printf("own %ld\n", own_walk(33));
    printf("one address %d, through it %d\n", step_address() == step, step_address()(6));
    table[1] = 100;
    printf("after a store %d\n", step(1));
}

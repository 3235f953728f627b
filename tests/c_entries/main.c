#include "methods.h"
#include <stdio.h>

int main(void) {
    int64_t a[100];
    for (int64_t i = 0; i < 100; i++) a[i] = i;
    printf("%ld %d %d\n", (long)dot(a, a, 100), is_small(9), is_small(11));
}

#include <stdio.h>

__attribute__((weak)) int optional(int);

__attribute__((noinline)) int try_it(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += optional ? optional(i) : -1;
    return sum;
}

int main(void) { printf("%d %d\n", try_it(100), optional != 0); }

//! check-cloned: first second
// Two functions with the same code are still two functions: their addresses differ, though their clones may be one.
#include <stdio.h>

__attribute__((noinline)) int first(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}
__attribute__((noinline)) int second(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}

int main(void) {
    int data[77];
    for (int i = 0; i < 77; i++) data[i] = i;
    int (*volatile a)(const int *, int) = first;
    int (*volatile b)(const int *, int) = second;
    printf("%d %d %d\n", a(data, 77), b(data, 70), a == b);
    return 0;
}

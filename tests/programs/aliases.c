//! check-cloned: real
// Aliases, strong and weak, are other names of the one function.
#include <stdio.h>

__attribute__((noinline)) int real(int x) {
    int sum = 0;
    for (int i = 0; i < x; i++) sum += i * x;
    return sum;
}
extern int alias(int) __attribute__((alias("real")));
extern int weak_alias(int) __attribute__((weak, alias("real")));
__attribute__((noinline)) static int hidden_real(int x) { return x ^ 5; }
extern int hidden_alias(int) __attribute__((alias("hidden_real"), visibility("hidden")));

static int (*const table[])(int) = {real, alias, weak_alias, hidden_alias};

int main(void) {
    int sum = 0;
    for (int i = 0; i < 4; i++) sum = sum * 7 + table[i](9 + i);
    printf("%d %d %d %d %d\n", sum, real(6), alias(7), weak_alias(8), hidden_alias(9));
    int (*volatile a)(int) = real;
    int (*volatile b)(int) = alias;
    int (*volatile c)(int) = weak_alias;
    printf("%d %d\n", a == b, b == c);
    return 0;
}

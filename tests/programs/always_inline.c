//! check-cloned: user address_taken
//! check-not-cloned: recursive always-inline
// always_inline functions are part of each clone that uses them. What is left of one whose address is taken is
// cloned as any other; one that is still called, because it cannot be inlined everywhere, is not.
#include <stdio.h>

static inline __attribute__((always_inline)) int inlined(int x) { return x * 5 + 1; }

__attribute__((always_inline)) inline int address_taken(int x);
extern inline int address_taken(int x) { return x - 3; }

static inline __attribute__((always_inline)) int recursive(int n) {
    return n < 2 ? n : recursive(n - 1) + recursive(n - 2) * 3;
}

__attribute__((noinline)) int user(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += inlined(data[i]) + address_taken(i);
    return sum;
}

int main(void) {
    int data[50];
    for (int i = 0; i < 50; i++) data[i] = i * i;
    int (*volatile pointer)(int) = address_taken;
    printf("%d %d %d\n", user(data, 50), pointer(10), recursive(data[4]));
    return 0;
}

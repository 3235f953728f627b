//! targets-x86_64: x86-64;x86-64-v3
//! targets-aarch64: generic;a64fx
//! opt: -O1 -O3
//! check-cloned: sum_all _Z3lowILi3EEiPKii
//! disasm: sum_all.1 calls _Z6middleILi3EEiPKii.1 -- the surviving group is this object's, the first one
// One template instantiated in two objects with different clone sets: here `middle` is called by and calls
// cloned functions, in the other object no cloned function calls it.
#include "shared.h"
#include <cstdio>

int other(const int *data);

extern "C" __attribute__((noinline)) int sum_all(const int *data, int n) {
    int sum = middle<3>(data, n);
    for (int i = 0; i < n; i++) sum += data[i] * (data[i] ^ 5);
    return sum;
}

int main() {
    int data[40];
    for (int i = 0; i < 40; i++) data[i] = i * i - 30;
    std::printf("%d %d\n", sum_all(data, 40), other(data));
    int (*here)(const int *, int) = middle<3>;
    std::printf("%d\n", here == other_middle());
}

//! arch: x86_64 -- target_clones and __builtin_cpu_supports for aarch64 need a newer libgcc than Debian 12 has
//! check-cloned: choose
//! check-not-cloned: wide own-target
//! check-not-cloned: cold optnone
// Functions with target attributes of their own, and existing target_clones, are left as they are.
#include <stdio.h>

__attribute__((target("avx2"), noinline)) int wide(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * 3;
    return sum;
}

__attribute__((noinline)) static int narrow(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * 3;
    return sum;
}

__attribute__((target_clones("default", "avx2"))) static int existing(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * 5;
    return sum;
}

__attribute__((optnone, noinline)) int cold(int x) { return x + 2; }

__attribute__((noinline)) int choose(const int *data, int n) {
    return __builtin_cpu_supports("avx2") ? wide(data, n) : narrow(data, n);
}

int main(void) {
    int data[100];
    for (int i = 0; i < 100; i++) data[i] = i - 40;
    printf("%d %d %d\n", choose(data, 100), existing(data, 100), cold(4));
    return 0;
}

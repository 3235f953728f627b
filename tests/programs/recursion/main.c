//! check-cloned: ping pong fibonacci compare
//! disasm: ping.1 calls pong.1
//! disasm: pong.1 calls ping.1
// Recursion within and across objects, and clones that the C library calls back.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

unsigned long ping(unsigned n), pong(unsigned n);

__attribute__((noinline)) unsigned long ping(unsigned n) { return n ? pong(n - 1) * 3 + n : 1; }

__attribute__((noinline)) int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

__attribute__((noinline)) int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static volatile sig_atomic_t signals;
static void on_signal(int number) { signals += fibonacci(number % 10 + 5); }

int main(void) {
    int data[64];
    for (int i = 0; i < 64; i++) data[i] = (i * 37) % 64;
    qsort(data, 64, sizeof *data, compare);
    int wanted = 17;
    int *found = bsearch(&wanted, data, 64, sizeof *data, compare);
    signal(SIGUSR1, on_signal);
    raise(SIGUSR1);
    printf("%lu %d %d %ld %d\n", ping(30), fibonacci(20), data[63], (long)(found - data), signals);
    return 0;
}

// A library to be opened: cloned functions, state of its own, and constructors and destructors that call them.
#include "work.h"
#include <stddef.h>
#include <stdlib.h>

// Of the program: told what is usable already while constructors still run, and what destructors found.
__attribute__((weak)) void publish(long (*)(const int *, int));
__attribute__((weak)) void ended(int number, long sum);

static int calls;
static long at_start_value;

__attribute__((noinline)) static long work_sum(const int *data, int n) {
    long sum = NUMBER;
    for (int i = 0; i < n; i++) sum += data[i] * (i & 7);
    return sum;
}

__attribute__((noinline)) static double work_mean(const double *data, int n) {
    double sum = NUMBER;
    for (int i = 0; i < n; i++) sum += data[i] * 0.5 + 1;
    return sum / n;
}

static long counted_sum(const int *data, int n) {
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return work_sum(data, n);
}

static int call_count(void) { return calls; }
static long at_start(void) { return at_start_value; }
static int numbers[100];

static void at_exit(void) {
    if (ended) ended(NUMBER + 100, work_sum(numbers, 50));
}

__attribute__((constructor)) static void start(void) {
    for (int i = 0; i < 100; i++) numbers[i] = i;
    at_start_value = work_sum(numbers, 100);
    atexit(at_exit);
    if (publish) {
        publish(work_sum);
        // Long enough for a signal to arrive meanwhile.
        volatile long sink = 0;
        for (int i = 0; i < 300; i++) sink += work_sum(numbers, 100);
    }
}

__attribute__((destructor)) static void end(void) {
    if (ended) ended(NUMBER, work_sum(numbers, 100));
}

const struct work *work(void) {
    static const struct work table = {NUMBER, call_count, counted_sum, work_mean, at_start};
    return &table;
}

// Mistakes for sanitizers to find, by the program's argument; "none" makes none of them.
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int (*operation)(const int *, int);

static int table[16];

__attribute__((noinline)) int sum(const int *data, int n) {
    int total = 0;
    for (int i = 0; i < n; i++) {
        total += data[i];
    }
    return total;
}

__attribute__((noinline)) void scale(float *data, const float *by, int n) {
    for (int i = 0; i < n; i++) data[i] = data[i] * 3 + by[i];
}

__attribute__((noinline)) static int shifts(const int *data, int n) {
    int total = 0;
    for (int i = 0; i < n; i++) total ^= 1 << data[i];
    return total;
}

__attribute__((noinline)) static int positive(const int *data, int n) {
    int count = 0;
    for (int i = 0; i < n; i++)
        if (data[i] > 0) count++;
    return count;
}

static long shared_count;

__attribute__((noinline)) static void *count(void *locked) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    for (int i = 0; i < 1000; i++) {
        if (locked) pthread_mutex_lock(&mutex);
        shared_count++;
        if (locked) pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void count_in_threads(int locked) {
    pthread_t thread[2];
    for (int i = 0; i < 2; i++) pthread_create(&thread[i], NULL, count, locked ? (void *)&locked : NULL);
    for (int i = 0; i < 2; i++) pthread_join(thread[i], NULL);
}

static int none(void) {
    int *data = malloc(100 * sizeof *data);
    float a[50], b[50];
    for (int i = 0; i < 100; i++) data[i] = i % 30;
    for (int i = 0; i < 50; i++) a[i] = i, b[i] = 1;
    scale(a, b, 50);
    operation operations[] = {sum, shifts, positive};
    unsigned total = (unsigned)a[49];
    for (int i = 0; i < 3; i++) total = total * 31 + (unsigned)operations[i](data, 100);
    count_in_threads(1);
    free(data);
    return (int)(total % 1000000) + (int)shared_count;
}

int main(int argc, char **argv) {
    const char *mistake = argc > 1 ? argv[1] : "none";
    int n = 16 + (argc > 100);
    int *heap = malloc(n * sizeof *heap), *half = malloc(n * sizeof *half), *big = calloc(n, sizeof *big);
    for (int i = 0; i < n; i++) heap[i] = i;
    for (int i = 0; i < n / 2; i++) half[i] = i;
    printf("%s: %d\n", mistake, none());
    fflush(stdout);
    int result = 0;
    if (!strcmp(mistake, "heap")) result = sum(heap, n + 1);
    if (!strcmp(mistake, "global")) result = sum(table, n + 1);
    if (!strcmp(mistake, "freed")) {
        free(heap);
        result = sum(heap, n);
        heap = NULL;
    }
    if (!strcmp(mistake, "stack")) {
        int local[16] = {0};
        local[argc] = 1;
        result = sum(local, n + 1);
    }
    if (!strcmp(mistake, "overflow")) {
        big[0] = INT_MAX, big[1] = 1;
        result = sum(big, n);
    }
    if (!strcmp(mistake, "shift")) {
        big[1] = 40;
        result = shifts(big, n);
    }
    if (!strcmp(mistake, "type")) {
        // Not what it is: the callee takes other arguments.
        int (*volatile other)(float *, const float *, int) = (int (*)(float *, const float *, int))(void *)scale;
        float a[2] = {1, 2}, b[2] = {3, 4};
        other(a, b, 2);
        result = (int)a[1];
    }
    if (!strcmp(mistake, "unset")) result = positive(half, n);
    if (!strcmp(mistake, "race")) count_in_threads(0);
    printf("%d\n", result != INT_MIN);
    free(heap);
    free(half);
    free(big);
    return 0;
}

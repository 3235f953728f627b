// What OpenMP takes apart: parallel loops, reductions, tasks, sections, critical regions, thread-private data. All
// numbers are whole, so that the order of additions does not show.
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 10000 };

static int own;
#pragma omp threadprivate(own)

__attribute__((noinline)) void fill(double *a, const double *b, int n) {
#pragma omp parallel for schedule(static)
    for (int i = 0; i < n; i++) a[i] = b[i] * 3 + i % 7;
}

__attribute__((noinline)) double total(const double *a, int n) {
    double sum = 0, most = 0;
#pragma omp parallel for reduction(+ : sum) reduction(max : most) schedule(dynamic, 100)
    for (int i = 0; i < n; i++) {
        sum += a[i];
        if (a[i] > most) most = a[i];
    }
    return sum + most;
}

static long fibonacci(int n) {
    if (n < 2) return n;
    long a, b;
#pragma omp task shared(a) if (n > 12)
    a = fibonacci(n - 1);
#pragma omp task shared(b) if (n > 12)
    b = fibonacci(n - 2);
#pragma omp taskwait
    return a + b;
}

static void matrix(const float *a, const float *b, float *c, int n) {
#pragma omp parallel for collapse(2)
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
            c[i * n + j] = sum;
        }
}

int main(void) {
    double *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
    for (int i = 0; i < N; i++) b[i] = i % 100;
    fill(a, b, N);
    printf("total %.1f\n", total(a, N));

    long f = 0;
#pragma omp parallel
#pragma omp single
    f = fibonacci(20);
    printf("fibonacci %ld\n", f);

    enum { SIDE = 40 };
    float x[SIDE * SIDE], y[SIDE * SIDE], z[SIDE * SIDE], sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) x[i] = i % 5, y[i] = i % 3;
    matrix(x, y, z, SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) sum += z[i];
    printf("matrix %.1f\n", sum);

    int counted = 0, atomic = 0, ordered[16] = {0}, at = 0;
#pragma omp parallel num_threads(3)
    {
        own = omp_get_thread_num() + 1;
#pragma omp critical
        counted += own;
#pragma omp barrier
#pragma omp atomic
        atomic += own * 10;
    }
#pragma omp parallel for ordered
    for (int i = 0; i < 16; i++) {
#pragma omp ordered
        ordered[at++] = i;
    }
    printf("counted %d, atomic %d, ordered %d\n", counted, atomic, ordered[15] * 100 + ordered[3]);

    char left[8] = "", right[8] = "";
#pragma omp parallel sections
    {
#pragma omp section
        strcpy(left, "left");
#pragma omp section
        strcpy(right, "right");
    }
    printf("%s %s, threads %d\n", left, right, omp_get_max_threads());
    free(a);
    free(b);
}

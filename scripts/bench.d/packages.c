// Loads libp0.so, libp1.so, ... of a folder, one after the other, and prints how many nanoseconds that took from the library
// of a number on (all, when none is given). Each has a function that uses something that it takes from others, or a copy, and
// gives what the library's number says.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc != 3 && argc != 4) return 2;
    int count = atoi(argv[2]), first = argc == 4 ? atoi(argv[3]) : 0;
    char path[4096], name[32];
    void **libraries = calloc(count, sizeof *libraries);
    struct timespec begin, end;
    // The first use of the clock and of the loader's own code is not what is measured.
    clock_gettime(CLOCK_MONOTONIC, &begin);
    dlopen("no such file", RTLD_NOW);
    for (int i = 0; i < count; i++) {
        if (i == first) clock_gettime(CLOCK_MONOTONIC, &begin);
        snprintf(path, sizeof path, "%s/libp%d.so", argv[1], i);
        libraries[i] = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!libraries[i]) {
            fprintf(stderr, "packages: %s\n", dlerror());
            return 1;
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "p%d_result", i);
        int (*result)(void) = (int (*)(void))dlsym(libraries[i], name);
        snprintf(name, sizeof name, "p%d_expected", i);
        int *expected = (int *)dlsym(libraries[i], name);
        if (!result || !expected || result() != *expected) {
            fprintf(stderr, "packages: library %d gives a wrong result\n", i);
            return 1;
        }
    }
    printf("%.0f\n", (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec));
    return 0;
}

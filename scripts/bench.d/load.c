// Loads a shared object and prints how many nanoseconds that took.
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv) {
    struct timespec begin, end;
    // The first use of the clock and of the loader's own code is not what is measured.
    clock_gettime(CLOCK_MONOTONIC, &begin);
    dlopen("no such file", RTLD_NOW);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    void *library = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    clock_gettime(CLOCK_MONOTONIC, &end);
    unsigned (*first)(unsigned, unsigned) = library ? (unsigned (*)(unsigned, unsigned))dlsym(library, "f0") : NULL;
    if (!first || first(64, 1) != 32) {
        fprintf(stderr, "load: %s\n", library ? "f0 is missing or wrong" : dlerror());
        return 1;
    }
    printf("%.0f\n", (end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec));
    return 0;
}

// Calls `waiting`, `independent` or `in_turn` of a library: a loop that makes so many calls to functions of another library as
// its argument says. Prints nanoseconds per call and what came out.
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv) {
    // A whole number of rounds for loops of 1, 100, 500 and 2000 callees, here and in what comes before.
    enum { calls = 40000000 };
    void *library = argc == 3 ? dlopen(argv[1], RTLD_NOW) : NULL;
    unsigned (*loop)(unsigned) = library ? (unsigned (*)(unsigned))dlsym(library, argv[2]) : NULL;
    if (!loop) {
        fprintf(stderr, "slot: %s\n", dlerror());
        return 1;
    }
    struct timespec begin, end;
    loop(10000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    unsigned result = loop(calls);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.6f %08x\n", ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / calls, result);
    return 0;
}

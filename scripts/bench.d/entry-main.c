// Calls a function of the shared object in a loop, each call waiting for the last, and prints nanoseconds per
// call. FUNCTION is its name.
#include <stdio.h>
#include <time.h>

unsigned FUNCTION(unsigned a, unsigned b);

int main(void) {
    enum { calls = 30000000 };
    struct timespec begin, end;
    unsigned a = FUNCTION(1, 2);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (unsigned i = 0; i < calls; i++) a = FUNCTION(a, i);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.6f %08x\n", ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / calls, a);
    return 0;
}

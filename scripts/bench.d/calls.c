// A caller that calls a small callee in a loop. FUNCTION says how both are compiled: noinline, inlinable,
// or target_clones. Prints nanoseconds per call and a checksum.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef FUNCTION
#define FUNCTION
#endif

enum { block = 64, blocks = 256, rounds = 4000 };

// A block of work per call: what a library's inner function looks like.
FUNCTION void mix(unsigned *restrict state, const unsigned *restrict data) {
    for (int i = 0; i < block; i++) state[i] = (state[i] ^ data[i]) * 2654435761u + (data[i] >> 15);
}

FUNCTION void mix_all(unsigned *state, const unsigned *data) {
    for (int i = 0; i < blocks; i++) mix(state, data + i * block);
}

// One element per call: nothing but the call.
FUNCTION unsigned step(unsigned a, unsigned b) { return (a ^ b) + (b >> 3); }

FUNCTION unsigned step_all(unsigned a, const unsigned *data, unsigned *out) {
    for (int i = 0; i < block * blocks; i++) out[i] = step(a, data[i]);
    return out[a % (block * blocks)];
}

int main(int argc, char **argv) {
    static unsigned state[block], data[block * blocks], out[block * blocks];
    for (int i = 0; i < block * blocks; i++) data[i] = i * 747796405u + 2891336453u;
    int elements = argc > 1 && !strcmp(argv[1], "element");
    struct timespec begin, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    unsigned sum = 0;
    for (int round = 0; round < rounds; round++) {
        if (elements) sum += step_all(round, data, out);
        else mix_all(state, data);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    for (int i = 0; i < block; i++) sum += state[i];
    double calls = (double)rounds * blocks * (elements ? block : 1);
    printf("%.6f %08x\n", ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / calls, sum);
    return 0;
}

// What both libraries compute, in turns.
#include <inttypes.h>
#include <stdio.h>

uint64_t one(uint64_t), two(uint64_t);

int main(void) {
    for (uint64_t n = 20; n < 400; n += 90) printf("%" PRIu64 " %" PRIu64 "\n", one(n), two(n));
    return 0;
}

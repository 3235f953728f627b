// Hashes the corpus in blocks that stay in the second-level cache, as a checksumming file system or a
// build cache does.
#include "driver.h"
#include "xxhash.h"

int main(int argc, char **argv) {
    struct bytes corpus = start(argc, argv);
    USE(XXH3_64bits_withSeed);
    enum { block = 64 << 10, rounds = 40 };

    uint64_t sum = 0;
    double begin = cpu_seconds();
    for (size_t at = 0; at < corpus.size; at += block) {
        size_t size = corpus.size - at < block ? corpus.size - at : block;
        for (int round = 0; round < rounds; round++) sum ^= my_XXH3_64bits_withSeed(corpus.data + at, size, sum + round);
    }
    report("XXH3", cpu_seconds() - begin, sum);
    return 0;
}

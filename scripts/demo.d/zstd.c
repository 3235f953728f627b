// Compresses the corpus at the default level in blocks of 1 MiB, and decompresses it again.
#include "driver.h"
#include "zstd.h"

enum { block = 1 << 20, blocks = 64, compressions = 2, decompressions = 6 };

int main(int argc, char **argv) {
    struct bytes corpus = start(argc, argv);
    USE(ZSTD_compressBound);
    USE(ZSTD_compress);
    USE(ZSTD_decompress);
    USE(ZSTD_isError);

    size_t count = corpus.size / block < blocks ? corpus.size / block : blocks;
    size_t bound = my_ZSTD_compressBound(block), sizes[blocks];
    unsigned char *packed = malloc(bound * count), *unpacked = malloc(block);
    uint64_t sum = 0;

    double begin = cpu_seconds();
    for (int round = 0; round < compressions; round++) {
        for (size_t i = 0; i < count; i++) {
            sizes[i] = my_ZSTD_compress(packed + i * bound, bound, corpus.data + i * block, block, 3);
            if (my_ZSTD_isError(sizes[i])) fail("ZSTD_compress");
        }
    }
    double end = cpu_seconds();
    for (size_t i = 0; i < count; i++) sum = checksum(sum, packed + i * bound, sizes[i]);
    report("compress", end - begin, sum);

    begin = cpu_seconds();
    for (int round = 0; round < decompressions; round++) {
        for (size_t i = 0; i < count; i++) {
            size_t size = my_ZSTD_decompress(unpacked, block, packed + i * bound, sizes[i]);
            if (my_ZSTD_isError(size) || size != block) fail("ZSTD_decompress");
            sum = checksum(sum, unpacked, 4096);
        }
    }
    report("decompress", cpu_seconds() - begin, sum);
    return 0;
}

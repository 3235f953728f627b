// Opens one build of a library and runs it on a file so many times.
#include "../demo.d/driver.h"

int main(int argc, char **argv) {
    if (argc != 4) fail("expected LIBRARY INPUT TIMES");
    struct bytes input = start(3, argv);
    uint64_t (*run)(const char *, size_t) = (uint64_t(*)(const char *, size_t))symbol("library_run");
    uint64_t sum = 0;
    double begin = cpu_seconds();
    for (long times = strtol(argv[3], NULL, 10); times > 0; times--)
        sum = sum * 31 + run((const char *)input.data, input.size);
    report("run", cpu_seconds() - begin, sum);
    return 0;
}

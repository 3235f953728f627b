// Common to the drivers: each opens one build of a library, runs a workload on a file of bytes, and
// prints for each part of it "NAME SECONDS CHECKSUM", after a first line "load SECONDS 0".
#ifndef DRIVER_H
#define DRIVER_H

#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

// CPU time: a neighbour on the machine then counts as little as possible.
static double cpu_seconds(void) { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

static void *library;

__attribute__((noreturn)) static void fail(const char *what) {
    fprintf(stderr, "driver: %s\n", what);
    exit(1);
}

static void *symbol(const char *name) {
    void *address = dlsym(library, name);
    if (!address) fail(dlerror());
    return address;
}

// Declares a function of the library under its own type as `my_NAME`.
#define USE(name) __typeof__(name) *my_##name = (__typeof__(name) *)symbol(#name)

// FNV-1a over 64-bit words, then bytes: the drivers only compare.
static uint64_t checksum(uint64_t sum, const void *data, size_t size) {
    const unsigned char *p = data;
    for (; size >= 8; size -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        sum = (sum ^ word) * 0x100000001b3u;
        sum ^= sum >> 29;
    }
    for (; size; size--) sum = (sum ^ *p++) * 0x100000001b3u;
    return sum;
}

static void report(const char *name, double time, uint64_t sum) {
    printf("%s %.9f %016llx\n", name, time, (unsigned long long)sum);
}

struct bytes {
    unsigned char *data;
    size_t size;
};

// Opens argv[1] as the library and reads argv[2], the workload's bytes.
static struct bytes start(int argc, char **argv) {
    if (argc != 3) fail("expected LIBRARY CORPUS");
    double begin = seconds(CLOCK_MONOTONIC);
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    double end = seconds(CLOCK_MONOTONIC);
    if (!library) fail(dlerror());
    report("load", end - begin, 0);

    int file = open(argv[2], O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) fail("cannot open the corpus");
    struct bytes bytes = {malloc(status.st_size), status.st_size};
    for (size_t at = 0; at < bytes.size;) {
        ssize_t n = read(file, bytes.data + at, bytes.size - at);
        if (n <= 0) fail("cannot read the corpus");
        at += n;
    }
    close(file);
    return bytes;
}

#endif

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int count(const int *, int);

int main(void) {
    int data[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    int (*by_version[2])(const int *, int);
    by_version[0] = (int (*)(const int *, int))dlvsym(RTLD_DEFAULT, "count", "OLD");
    by_version[1] = (int (*)(const int *, int))dlvsym(RTLD_DEFAULT, "count", "NEW");
    printf("old %d, new %d, by default %d\n", by_version[0](data, 10), by_version[1](data, 10), count(data, 10));
}

// Opens a library after start and calls into it. A load that fails is reported, and must leave the process
// as it was.
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    int data[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        if (!library) {
            printf("refused: %s\n", dlerror());
            continue;
        }
        int (*sum)(const int *, int) = (int (*)(const int *, int))dlsym(library, "library_sum");
        int (*at_start)(void) = (int (*)(void))dlsym(library, "library_at_start");
        printf("opened\n");
        fflush(stdout);
        printf("sum %d, at start %d\n", sum(data, 10), at_start());
    }
    return 0;
}

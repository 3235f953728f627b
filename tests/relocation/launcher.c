// Opens libraries, the first words, and prints what their `result` returns. Before that it takes from the process, with `locked`
// as the last word, the right to make anything writable.
#include "lock.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (!strcmp(argv[argc - 1], "locked")) {
        argc--;
        if (lock()) return perror("seccomp"), 1;
    }
    for (int i = 1; i < argc; i++) {
        void *library = dlopen(argv[i], RTLD_NOW);
        if (!library) {
            printf("refused: %s\n", dlerror());
            continue;
        }
        unsigned (*result)(void) = (unsigned (*)(void))dlsym(library, "result");
        if (result) printf("%u\n", result());
    }
}

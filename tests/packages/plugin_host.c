// Opens each FILE with the flags that stand before it, l for RTLD_LOCAL, g for RTLD_GLOBAL, d for RTLD_DEEPBIND, and calls its function
// NAME twice: FLAG FILE NAME...
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    for (int i = 1; i + 2 < argc; i += 3) {
        int flag = *argv[i] == 'g' ? RTLD_GLOBAL : *argv[i] == 'd' ? RTLD_DEEPBIND : RTLD_LOCAL;
        void *library = dlopen(argv[i + 1], RTLD_NOW | flag);
        long (*function)(int) = library ? (long (*)(int))dlsym(library, argv[i + 2]) : NULL;
        if (!function) return fprintf(stderr, "%s\n", dlerror()), 1;
        printf("%s %ld", argv[i + 2], function(i));
        printf(" %ld\n", function(i + 1));
    }
}

// Opens a shared object and runs the `main` in it: how a program becomes a library in the tests.
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
    int (*entry)(int, char **) = library ? (int (*)(int, char **))dlsym(library, "main") : NULL;
    if (!entry) {
        fprintf(stderr, "launcher: %s\n", argc > 1 ? dlerror() : "expected a shared object");
        return 1;
    }
    int status = entry(argc - 1, argv + 1);
    fflush(stdout);
    return dlclose(library) ? 1 : status;
}

// Reads an image's tables as Julia 1.5's loader does: entry = base + offset.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>

typedef int64_t function(int64_t);

static void *symbol(void *image, const char *name) {
    void *address = dlsym(image, name);
    if (!address) printf("%s: missing\n", name);
    return address;
}

int main(int argc, char **argv) {
    (void)argc;
    void *image = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!image) {
        puts(dlerror());
        return 1;
    }
    char *functions = symbol(image, "jl_sysimg_fvars_base"), *data = symbol(image, "jl_sysimg_gvars_base");
    const int32_t *function_offsets = symbol(image, "jl_sysimg_fvars_offsets");
    const int32_t *data_offsets = symbol(image, "jl_sysimg_gvars_offsets");
    static int64_t values[] = {10, 20, 30};
    for (int i = 0; i < data_offsets[0]; i++) *(int64_t **)(data + data_offsets[1 + i]) = &values[i];
    int64_t arguments[] = {4, 4, 5, 1, 4};
    for (int i = 0; i < function_offsets[0]; i++) {
        function *f = (function *)(functions + function_offsets[1 + i]);
        // A trampoline is a jump, with or without a landing pad before it.
        const unsigned char *code = (const unsigned char *)f;
        int direct = code[0] != 0xff && code[0] != 0xf3;
        printf("%d: %ld%s\n", i, f(arguments[i]), direct ? "" : " through a trampoline");
    }
}

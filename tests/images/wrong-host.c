// A host of another LLVM, as far as a plugin can tell: it opens stand-ins for LLVM's functions, then the
// plugin, and asks for its description as LLVM does.
#include <dlfcn.h>
#include <stdio.h>

struct info {
    unsigned version;
    const char *name, *plugin_version;
    void *callbacks[2];
};

int main(int argc, char **argv) {
    if (argc != 3 || !dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL)) {
        fprintf(stderr, "host: %s\n", argc != 3 ? "expected STAND-INS PLUGIN" : dlerror());
        return 99;
    }
    void *plugin = dlopen(argv[2], RTLD_LAZY);
    struct info (*entry)(void) = plugin ? (struct info (*)(void))dlsym(plugin, "llvmGetPassPluginInfo") : NULL;
    if (!entry) {
        fprintf(stderr, "host: %s\n", dlerror());
        return 98;
    }
    printf("%s\n", entry().name);
    return 0;
}

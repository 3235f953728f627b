// Types of a language: data of which there is one, whoever refers to it.
struct type {
    const char *name;
    const struct type *super;
    long size;
};

// Other images may refer to it. Protected: the image's own code reaches it without the dynamic linker, and no program has a copy.
#ifndef VISIBILITY
#define VISIBILITY "protected"
#endif
#define LINKAGE __attribute__((section("jl_linkage"), visibility(VISIBILITY), used, retain))

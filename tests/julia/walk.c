// Loads an image from Julia as Julia's loader does, for one target after the other, and prints what every
// function returns, what stands in every piece of data and what every slot leads to.
//
// usage: walk TARGETS [IMAGE]; without IMAGE the image is linked into this program.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Those without a parameter leave it alone.
typedef int function(int);
typedef struct { uint32_t version, nshards, nfvars, ngvars; } header;
typedef struct {
    const uintptr_t *fvar_count;
    function **fvar_ptrs;
    const uint32_t *fvar_idxs;
    const int32_t *gvar_offsets;
    const uint32_t *gvar_idxs;
    const int32_t *clone_slots;
    function **clone_ptrs;
    const uint32_t *clone_idxs;
} shard;
typedef struct { const header *header; const shard *shards; } pointers;

#define TAG 0x80000000u

typedef struct { function **slot; } written;
static written slots[10000];
static size_t slot_count;

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const written *)a)->slot, y = (uintptr_t)((const written *)b)->slot;
    return (x > y) - (x < y);
}

// Writes the slots of one function.
static void fill(const shard *s, uint32_t idx, function *body) {
    int found = 0;
    for (int32_t i = 0; i < s->clone_slots[0]; i++) {
        const int32_t *pair = s->clone_slots + 1 + 2 * i;
        if ((uint32_t)pair[0] != idx) continue;
        found = 1;
        function **slot = (function **)((char *)s->clone_slots + pair[1]);
        *slot = body;
        slots[slot_count++].slot = slot;
    }
    if (!found) {
        printf("function %u has no slot\n", idx);
        exit(1);
    }
}

static void load(const shard *s, unsigned target, function **fvars, function **clones) {
    size_t count = *s->fvar_count;
    const uint32_t *idxs = s->clone_idxs;
    function **ptrs = s->clone_ptrs;
    function **bodies[64] = { s->fvar_ptrs };
    for (unsigned t = 0; t < target; t++) {
        uint32_t length = *idxs & ~TAG;
        if (*idxs & TAG) {
            bodies[t] = t ? ptrs : s->fvar_ptrs;
            ptrs += t ? count : 0;
            idxs += 1 + length;
        } else {
            bodies[t] = 0;
            ptrs += length;
            idxs += 2 + length;
        }
    }
    uint32_t length = *idxs & ~TAG;
    function **base;
    if (*idxs++ & TAG) {
        base = target ? ptrs : s->fvar_ptrs;
        for (uint32_t i = 0; i < length; i++) fill(s, idxs[i], base[idxs[i]]);
    } else {
        base = bodies[*idxs++];
        for (uint32_t i = 0; i < length; i++) {
            clones[s->fvar_idxs[idxs[i] & ~TAG]] = ptrs[i];
            if (idxs[i] & TAG) fill(s, idxs[i] & ~TAG, ptrs[i]);
        }
    }
    for (size_t i = 0; i < count; i++) fvars[s->fvar_idxs[i]] = base[i];
}

#ifdef LINKED
extern pointers jl_image_pointers;
#endif

int main(int argc, char **argv) {
    pointers *image;
#ifdef LINKED
    image = &jl_image_pointers;
#else
    void *library = dlopen(argv[2], RTLD_NOW);
    if (!library) {
        printf("%s\n", dlerror());
        return 2;
    }
    image = dlsym(library, "jl_image_pointers");
#endif
    const header *h = image->header;
    fprintf(stderr, "%u shards\n", h->nshards);
    printf("version %u, %u functions, %u data\n", h->version, h->nfvars, h->ngvars);
    for (unsigned target = 0; target < (unsigned)atoi(argv[1]); target++) {
        function **fvars = calloc(h->nfvars + 1, sizeof *fvars);
        function **clones = calloc(h->nfvars + 1, sizeof *clones);
        int **data = calloc(h->ngvars + 1, sizeof *data);
        slot_count = 0;
        for (unsigned k = 0; k < h->nshards; k++) {
            const shard *s = image->shards + k;
            load(s, target, fvars, clones);
            for (int32_t i = 0; i < s->gvar_offsets[0]; i++)
                data[s->gvar_idxs[i]] = (int *)((char *)s->gvar_offsets + s->gvar_offsets[1 + i]);
        }
        printf("target %u:", target);
        for (uint32_t i = 0; i < h->nfvars; i++)
            printf(" %d%s", (clones[i] ? clones[i] : fvars[i])(3), clones[i] ? "*" : "");
        printf("\n  data:");
        for (uint32_t i = 0; i < h->ngvars; i++) printf(" %d", *data[i]);
        qsort(slots, slot_count, sizeof *slots, by_address);
        printf("\n  slots:");
        for (size_t i = 0; i < slot_count; i++) printf(" %d", (*slots[i].slot)(3));
        printf("\n");
    }
    return 0;
}

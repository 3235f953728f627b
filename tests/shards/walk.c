/* A loader as Julia's documents describe it, for two shards: chooses a target by its number, writes slots and
 * data, and calls everything by its number in the image. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { TAG = 0x80000000u, FUNCTIONS = 5, TARGETS = 4 };

struct shard {
    size_t *fvar_count;
    void **fvar_ptrs;
    uint32_t *fvar_idxs, *clone_slots, *clone_idxs;
    void **clone_ptrs;
};

/* Not const: slots are found by their distance from a table, and what is written there must not look to the
 * compiler like a change of the table. */

#define SHARD(k)                                                                                               \
    extern size_t jl_fvar_count_##k;                                                                           \
    extern void *jl_fvar_ptrs_##k[];                                                                           \
    extern uint32_t jl_fvar_idxs_##k[], jl_clone_slots_##k[], jl_clone_idxs_##k[];                             \
    extern void *jl_clone_ptrs_##k[];                                                                          \
    static const struct shard shard_##k = {&jl_fvar_count_##k,  jl_fvar_ptrs_##k,  jl_fvar_idxs_##k,           \
                                           jl_clone_slots_##k, jl_clone_idxs_##k, jl_clone_ptrs_##k};
SHARD(0)
SHARD(1)

static void *image[FUNCTIONS];

static void write_slots(const struct shard *s, uint32_t function, void *body) {
    int found = 0;
    for (uint32_t i = 0; i < s->clone_slots[0]; i++) {
        const uint32_t *pair = s->clone_slots + 1 + 2 * i;
        if (pair[0] != function) continue;
        *(void **)((uintptr_t)s->clone_slots + (uintptr_t)(intptr_t)(int32_t)pair[1]) = body;
        found = 1;
    }
    if (!found) printf("function %u has no slot to write\n", function);
}

static void load_shard(const struct shard *s, uint32_t target) {
    size_t count = *s->fvar_count;
    void **bodies = malloc(count * sizeof *bodies);
    const uint32_t *at = s->clone_idxs;
    void *const *pointers = s->clone_ptrs;
    /* Where each target's entries begin, up to the chosen one. */
    const uint32_t *entries[TARGETS];
    void *const *clones[TARGETS];
    for (uint32_t t = 0; t <= target; t++) {
        entries[t] = at;
        clones[t] = pointers;
        uint32_t length = at[0] & ~TAG;
        int all = (at[0] & TAG) != 0;
        at += (all ? 1 : 2) + length;
        pointers += t == 0 ? 0 : all ? count : length;
    }
    const uint32_t *entry = entries[target];
    uint32_t length = entry[0] & ~TAG;
    int all = (entry[0] & TAG) != 0;
    uint32_t base = all ? target : entry[1];
    for (size_t i = 0; i < count; i++) bodies[i] = base == 0 ? s->fvar_ptrs[i] : clones[base][i];
    const uint32_t *indices = entry + (all ? 1 : 2);
    for (uint32_t i = 0; i < length; i++) {
        uint32_t function = indices[i] & ~TAG;
        if (!all) bodies[function] = clones[target][i];
        if (all || indices[i] & TAG) write_slots(s, function, bodies[function]);
    }
    for (size_t i = 0; i < count; i++) image[s->fvar_idxs[i]] = bodies[i];
    free(bodies);
}

static void load(uint32_t target) {
    load_shard(&shard_0, target);
    load_shard(&shard_1, target);
}

static uint32_t first_target;

/* Called through a slot that nobody has written yet. */
void *ijl_autoinit_and_adopt_thread(void) {
    printf("initialised\n");
    load(first_target);
    return 0;
}

extern int c_level(void);

int main(int argc, char **argv) {
    first_target = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
    printf("first %d\n", c_level());
    for (uint32_t target = 0; target < TARGETS; target++) {
        load(target);
        int level = ((int (*)(void))image[0])(), looping = ((int (*)(void))image[1])();
        int by_data = ((int (*)(void))image[2])(), plain = ((int (*)(void))image[3])();
        int far = ((int (*)(void))image[4])();
        printf("%u: alias %d level %d looping %d by_data %d plain %d far %d\n", target, c_level(), level, looping,
               by_data, plain, far);
    }
    return 0;
}

//! check-cloned: malloc free memory_hash
//! without: static static-pie -- the C library's own calls there collide with a second malloc
// A program with its own malloc: the loader and the C library call it before anything is chosen.
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static _Alignas(16) char pool[4 << 20];
static size_t used, frees;

__attribute__((noinline)) void *malloc(size_t size) {
    used = (used + 31) & ~(size_t)15;
    if (used + size > sizeof pool) return NULL;
    *(size_t *)(pool + used - sizeof(size_t)) = size;
    void *p = pool + used;
    used += size;
    return p;
}
__attribute__((noinline)) void free(void *p) { frees += p != NULL; }
void *calloc(size_t n, size_t size) {
    char *p = malloc(n * size);
    for (size_t i = 0; p && i < n * size; i++) p[i] = 0;
    return p;
}
void *realloc(void *old, size_t size) {
    char *p = malloc(size);
    size_t old_size = old ? ((size_t *)old)[-1] : 0;
    for (size_t i = 0; p && i < size && i < old_size; i++) p[i] = ((char *)old)[i];
    return p;
}

__attribute__((noinline)) unsigned memory_hash(const unsigned char *p, size_t n) {
    unsigned h = 0;
    for (size_t i = 0; i < n; i++) h = h * 31 + p[i];
    return h;
}

int main(void) {
    char *text = malloc(100);
    memset(text, 'x', 100);
    text = realloc(text, 100);
    printf("%u\n", memory_hash((unsigned char *)text, 100));
    free(text);
    return 0;
}

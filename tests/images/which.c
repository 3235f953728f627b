// Says for a few functions which of their bodies runs, as the distance from the trampoline to the body in
// the slot, and whether the slot can be written. Without trampolines it says so.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define EXPORT __attribute__((noinline, visibility("default")))

EXPORT int alpha(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * data[i];
    return sum;
}

EXPORT float beta(float *data, int n) {
    for (int i = 0; i < n; i++) data[i] = data[i] * 0.5f + 1.0f;
    return data[n - 1];
}

// Products of 64 bits are one instruction from AVX-512 on: an image without any runs its x86-64-v4 bodies on
// every CPU that has what they use.
EXPORT unsigned long long gamma64(const unsigned long long *data, int n) {
    unsigned long long sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * data[i];
    return sum;
}

// The slot that a trampoline jumps through: [endbr64] jmp *slot(%rip), or its bnd or notrack form.
static uintptr_t *slot_of(uintptr_t function) {
    const unsigned char *p = (const unsigned char *)function;
    if (!memcmp(p, "\xf3\x0f\x1e\xfa", 4)) p += 4;
    if (*p == 0xf2 || *p == 0x3e) p++;
    if (p[0] != 0xff || p[1] != 0x25) return NULL;
    int32_t distance;
    memcpy(&distance, p + 2, 4);
    return (uintptr_t *)(p + 6 + distance);
}

static const char *permissions_of(const void *address) {
    static char found[5];
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long begin, end;
    char line[512], permissions[5];
    strcpy(found, "none");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %4s", &begin, &end, permissions) == 3 && (uintptr_t)address >= begin &&
            (uintptr_t)address < end) {
            strcpy(found, permissions);
        }
    }
    if (maps) fclose(maps);
    return found;
}

static void show(const char *name, uintptr_t function) {
    uintptr_t *slot = slot_of(function);
    if (!slot) printf("%s no trampoline\n", name);
    else printf("%s %ld %s\n", name, (long)(*slot - function), permissions_of(slot));
}

int main(void) {
    int ints[20];
    float floats[20];
    for (int i = 0; i < 20; i++) ints[i] = i, floats[i] = (float)i;
    show("alpha", (uintptr_t)alpha);
    show("beta", (uintptr_t)beta);
    printf("result %d %g\n", alpha(ints, 20), beta(floats, 20));
    return 0;
}

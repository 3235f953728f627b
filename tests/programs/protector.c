//! flags: -fstack-protector-all -ftrapv -fstack-clash-protection -D_FORTIFY_SOURCE=2
//! check-cloned: copy
// The hardening flags of distributions.
#include <stdio.h>
#include <string.h>

__attribute__((noinline)) int copy(const char *text) {
    char buffer[64];
    int n = 0;
    strcpy(buffer, text);
    for (char *p = buffer; *p; p++) n += *p;
    return n;
}

int main(int argc, char **argv) {
    (void)argv;
    printf("%d %d\n", copy("some text"), copy(argc > 99 ? "no" : "other text"));
    return 0;
}

//! check-cloned: local_labels through_memory
//! check-not-cloned: named_label inline-asm-labels
// Inline assembly: what names a label for the whole object is not duplicated, local labels may be.
#include <stdio.h>

__attribute__((noinline)) int local_labels(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        int x = i;
        __asm__("test $1, %0\n\tjz 1f\n\tadd $10, %0\n1:\n\tadd $1, %0" : "+r"(x) : : "cc");
        sum += x;
    }
    return sum;
}

__attribute__((noinline)) int named_label(int x) {
    __asm__ volatile(".globl the_named_label\nthe_named_label:\n\tadd $3, %0" : "+r"(x) : : "cc");
    return x;
}

__attribute__((noinline)) int with_goto(int x) {
    __asm__ goto("test %0, %0\n\tjz %l1" : : "r"(x) : "cc" : zero);
    return x * 2;
zero:
    return -1;
}

__attribute__((noinline)) unsigned through_memory(unsigned *words, int n) {
    unsigned sum = 0;
    for (int i = 0; i < n; i++) {
        __asm__("bswap %0" : "+r"(words[i]));
        sum += words[i] >> 3;
    }
    return sum;
}

int main(void) {
    unsigned words[30];
    for (unsigned i = 0; i < 30; i++) words[i] = i * 0x01020304;
    printf("%d %d %d %d %u\n", local_labels(20), named_label(4), with_goto(0), with_goto(8), through_memory(words, 30));
    return 0;
}

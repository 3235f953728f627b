//! check-cloned: local_labels through_memory
//! check-not-cloned: named_label inline-asm-labels
// Inline assembly: what names a label for the whole object is not duplicated, local labels may be.
#include <stdio.h>

#ifdef __aarch64__
#define ADD_TEN_IF_ODD "tbz %w0, #0, 1f\n\tadd %w0, %w0, #10\n1:\n\tadd %w0, %w0, #1"
#define ADD_THREE "add %w0, %w0, #3"
#define JUMP_IF_ZERO "cbz %w0, %l1"
#define SWAP_BYTES "rev %w0, %w0"
#else
#define ADD_TEN_IF_ODD "test $1, %0\n\tjz 1f\n\tadd $10, %0\n1:\n\tadd $1, %0"
#define ADD_THREE "add $3, %0"
#define JUMP_IF_ZERO "test %0, %0\n\tjz %l1"
#define SWAP_BYTES "bswap %0"
#endif

__attribute__((noinline)) int local_labels(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        int x = i;
        __asm__(ADD_TEN_IF_ODD : "+r"(x) : : "cc");
        sum += x;
    }
    return sum;
}

__attribute__((noinline)) int named_label(int x) {
    __asm__ volatile(".globl the_named_label\nthe_named_label:\n\t" ADD_THREE : "+r"(x) : : "cc");
    return x;
}

__attribute__((noinline)) int with_goto(int x) {
    __asm__ goto(JUMP_IF_ZERO : : "r"(x) : "cc" : zero);
    return x * 2;
zero:
    return -1;
}

__attribute__((noinline)) unsigned through_memory(unsigned *words, int n) {
    unsigned sum = 0;
    for (int i = 0; i < n; i++) {
        __asm__(SWAP_BYTES : "+r"(words[i]));
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

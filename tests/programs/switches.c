//! flags: -g
//! check-cloned: state_machine strings
// Jump tables and lookup tables of strings and constants, one for each clone or shared.
#include <stdio.h>

__attribute__((noinline)) int state_machine(const char *text) {
    int state = 0, steps = 0;
    for (; *text; text++, steps++) {
        switch (state * 4 + (*text & 3)) {
        case 0: state = 1; break;
        case 1: state = 2; steps += 3; break;
        case 2: state = 0; break;
        case 3: return steps;
        case 4: state = 3; steps ^= 5; break;
        case 5: state = 1; break;
        case 6: state = 2; steps *= 2; break;
        case 7: state = 0; break;
        case 8: state = 3; break;
        case 9: steps -= 4; break;
        case 10: state = 1; steps++; break;
        case 11: state = 2; break;
        default: state = steps & 3;
        }
    }
    return state * 1000 + steps;
}

__attribute__((noinline)) const char *strings(int n) {
    switch (n) {
    case 0: return "zero";
    case 1: return "one";
    case 2: return "two";
    case 3: return "three";
    case 4: return "four";
    case 5: return "five";
    default: return "many";
    }
}

int main(void) {
    printf("%d %d\n", state_machine("a program that walks"), state_machine("zzyyxxwwvvuu"));
    for (int i = 0; i < 8; i++) printf("%s ", strings(i));
    printf("\n");
    return 0;
}

// A library above the base, or, with the base's file beside it, one alone.
#include "dot.h"

extern "C" unsigned result() {
    unsigned numbers[100];
    for (unsigned i = 0; i < 100; i++) numbers[i] = i;
    return dot(numbers, numbers, 100);
}
#ifdef SINE
extern "C" double sin(double);
extern "C" double sine(double x) { return sin(x); }
#endif
#ifdef STACK_END
extern "C" void *__libc_stack_end;
extern "C" bool is_on_the_first_stack(void *place) { return place <= __libc_stack_end; }
#endif
#ifdef MISSING
extern "C" int nobody_has_this();
int (*const table[])() = {nobody_has_this};
extern "C" int (*const *get())() { return table; }
#endif

// Linked with --wrap=measure: calls to it lead to the wrapper, and the wrapper's to it.
#include <stdio.h>

int measure(int), measure_twice(int), by_other_name(int), __real_measure(int);

static int calls;

int __wrap_measure(int n) {
    calls++;
    return __real_measure(n) + 1;
}

int main(void) {
    int (*volatile through)(int) = measure;
    printf("%d %d %d %d\n", measure(10), through(10), measure_twice(10), by_other_name(7));
    printf("wrapped %d times\n", calls);
}

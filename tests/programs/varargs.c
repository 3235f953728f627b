//! check-cloned: sum_ints describe apply
// Functions with a variable number of arguments, by their own va_list and handed on.
#include <stdarg.h>
#include <stdio.h>

__attribute__((noinline)) long sum_ints(int n, ...) {
    va_list list;
    va_start(list, n);
    long sum = 0;
    for (int i = 0; i < n; i++) sum += va_arg(list, int);
    va_end(list);
    return sum;
}

struct pair { double x; long y; };

__attribute__((noinline)) double describe(const char *kinds, ...) {
    va_list list, copy;
    va_start(list, kinds);
    va_copy(copy, list);
    double sum = 0;
    for (const char *k = kinds; *k; k++) {
        switch (*k) {
        case 'i': sum += va_arg(list, int); break;
        case 'd': sum += va_arg(list, double); break;
        case 'l': sum += (double)va_arg(list, long long); break;
        case 's': { struct pair p = va_arg(list, struct pair); sum += p.x * (double)p.y; break; }
        }
    }
    sum += *kinds == 'i' ? va_arg(copy, int) : 0.5;
    va_end(copy);
    va_end(list);
    return sum;
}

__attribute__((noinline)) int apply(char *out, size_t size, const char *format, ...) {
    va_list list;
    va_start(list, format);
    int n = vsnprintf(out, size, format, list);
    va_end(list);
    return n;
}

int main(void) {
    char text[100];
    struct pair p = {2.5, 3};
    printf("%ld\n", sum_ints(9, 1, -2, 3, -4, 5, 6, 7, 8, 90));
    printf("%g\n", describe("idlsdiddddddddd", 4, 0.25, 1LL << 40, p, 1.5, 2, 1., 2., 3., 4., 5., 6., 7., 8., 9.));
    int n = apply(text, sizeof text, "%s-%d-%.2f-%c", "x", 7, 1.25, 'q');
    printf("%d %s\n", n, text);
    long (*volatile pointer)(int, ...) = sum_ints;
    printf("%ld\n", pointer(2, 20, 22));
    return 0;
}

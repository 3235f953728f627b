#include "common.h"

#ifdef RING
template struct Ring<long>;
#endif

long base(long n) {
    std::vector<long> a(n, 3), b(n, 4);
    std::vector<double> d(n, 1.5);
    smooth(d);
    return dot(a, b) + (long)d[0] + count({"a", "b", "a"})["a"] + counted();
}

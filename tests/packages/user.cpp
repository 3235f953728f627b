#include "common.h"

// FUNCTION and VALUE are given where this is compiled.
long FUNCTION(long n) {
    std::vector<long> a(n, VALUE), b(n, VALUE + 1);
    std::vector<double> d(n, 2.5);
    smooth(d);
    long sum = dot(a, b) + (long)d[0] + counted();
#ifdef RING
    Ring<long> ring(n);
    sum += ring.turn(3) - 1;
#endif
    try {
        sum += count({"a", "b", "c", "d"}).size();
    } catch (const std::runtime_error &) {
        // Thrown by code of another image.
        sum += 7;
    }
    return sum;
}

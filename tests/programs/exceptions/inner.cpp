#include <stdexcept>
#include <vector>

static int cleanups;

namespace {
struct Counter {
    ~Counter() { cleanups++; }
};
}

extern "C" int cleanup_count() { return cleanups; }

extern "C" __attribute__((noinline)) int inner(int n) {
    Counter counter;
    std::vector<int> v(4, n);
    switch (n) {
    case 1: return v.at(9);
    case 2: throw 42;
    case 3: throw std::runtime_error("three");
    case 4: throw 1.5;
    }
    int sum = 0;
    for (int x : v) sum += x * x;
    return sum;
}

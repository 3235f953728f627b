//! check-cloned: build
// Complete, base and deleting variants of constructors and destructors share COMDAT groups under other names.
#include <cstdio>

template <class T> struct Part {
    T values[8];
    explicit Part(T start) {
        for (T &v : values) v = start++;
    }
    virtual ~Part() { std::printf("~Part %d\n", (int)values[7]); }
    virtual T sum() {
        T s{};
        for (T v : values) s += v;
        return s;
    }
};
template <class T> struct Whole : virtual Part<T> {
    explicit Whole(T start) : Part<T>(start * 2) {}
    ~Whole() override { std::printf("~Whole\n"); }
};
struct Leaf : Whole<int> {
    Leaf() : Part<int>(100), Whole<int>(1) {}
};

extern "C" __attribute__((noinline)) int build(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) {
        Part<int> *p = i % 2 ? static_cast<Part<int> *>(new Whole<int>(i)) : new Leaf;
        sum += p->sum();
        delete p;
    }
    return sum;
}

int main() { std::printf("%d\n", build(4)); }

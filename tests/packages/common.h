// Templates and inline functions that several libraries use.
#pragma once
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

template <class T> __attribute__((noinline)) T dot(const std::vector<T> &a, const std::vector<T> &b) {
    T sum = 0;
    for (size_t i = 0; i < a.size(); i++) sum += a[i] * b[i];
    return sum;
}

template <class T> __attribute__((noinline)) void smooth(std::vector<T> &v) {
    for (size_t i = 1; i + 1 < v.size(); i++) v[i] = (v[i - 1] + v[i] + v[i + 1]) / 3;
    std::sort(v.begin(), v.end());
}

inline __attribute__((noinline)) std::map<std::string, int> count(const std::vector<std::string> &words) {
    std::map<std::string, int> counts;
    for (auto &word : words) counts[word]++;
    if (counts.size() > 3) throw std::runtime_error("too many words");
    return counts;
}

#ifdef RING
// Instantiated by name in the base, and by use in its users.
template <class T> struct Ring {
    std::vector<T> items;
    __attribute__((noinline)) explicit Ring(size_t size) : items(size, 1) {}
    __attribute__((noinline)) ~Ring() { items.clear(); }
    __attribute__((noinline)) T turn(size_t by) {
        std::rotate(items.begin(), items.begin() + by % items.size(), items.end());
        return items[0];
    }
};
#endif

// Each image has its own of a local variable's function: it is not shared.
static int calls;
inline __attribute__((noinline)) int counted() { return ++calls; }

// What each plugin has for itself where plugins do not see each other, and one of where they do.
#pragma once
#include <string>
#include <vector>

inline int total;

template <class T> __attribute__((noinline)) int add(const std::vector<T> &values) {
    for (auto value : values) total += int(value * value);
    return total;
}

inline int now() { return total; }

inline __attribute__((noinline)) std::string &log() {
    static std::string text;
    return text;
}

template <class T> __attribute__((noinline)) long sum(const std::vector<T> &values) {
    long all = 0;
    for (auto value : values) all = all * 7 + long(value);
    return all;
}

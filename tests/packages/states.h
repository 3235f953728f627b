// What there is one of in a process, wherever it is used: variables, static locals, types, addresses.
#pragma once
#include <string>
#include <typeinfo>
#include <vector>

inline int counter;
inline thread_local int of_thread = 100;

template <class T> struct Registry {
    static inline std::vector<T> items;
    __attribute__((noinline)) static size_t add(T item) {
        items.push_back(item);
        return items.size();
    }
};

inline __attribute__((noinline)) int next() {
    static int calls;
    static std::string text = "x";
    text += 'y';
    return ++calls * 1000 + ++counter * 10 + int(text.size());
}

inline __attribute__((noinline)) int in_thread(int by) {
    int sum = 0;
    for (int i = 0; i < by; i++) sum += ++of_thread;
    return sum;
}

// Both define it, and the program's stands in for the library's.
extern int level;

inline __attribute__((noinline)) int raise_level(int by) {
    for (int i = 0; i < by; i++) level = level * 3 + i;
    return level;
}

template <class T> __attribute__((noinline)) long weighed(const std::vector<T> &values) {
    long sum = 0;
    for (auto value : values) sum = sum * 31 + long(value);
    return sum;
}

struct Shape {
    virtual ~Shape() = default;
    virtual int corners() const { return counter; }
};

struct Square : Shape {
    int corners() const override { return 4; }
};

struct Failure {
    int code;
};

inline __attribute__((noinline)) int corners(const Shape &shape) {
    if (shape.corners() > 1000) throw Failure{7};
    return dynamic_cast<const Square *>(&shape) ? shape.corners() : -1;
}

using Function = int (*)();

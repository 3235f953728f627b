//! check-cloned: next next_guarded
// Static locals are one for all clones of a function, and are initialised once.
#include <cstdio>
#include <string>

extern "C" __attribute__((noinline)) int next(int step) {
    static int counter = 10;
    for (int i = 0; i < step; i++) counter += i;
    return counter++;
}

static int initialised;

struct Log {
    std::string text;
    Log() : text("log") { initialised++; }
};

extern "C" __attribute__((noinline)) const char *next_guarded(const char *more) {
    static Log log;
    log.text += more;
    return log.text.c_str();
}

inline int &shared_counter() {
    static int value = 1;
    return value;
}

template <class T> T accumulate(T x) {
    static T sum{};
    return sum += x;
}

int main() {
    int (*volatile pointer)(int) = next;
    std::printf("%d %d %d %d\n", next(1), pointer(2), next(3), pointer(4));
    const char *(*volatile guarded)(const char *) = next_guarded;
    std::printf("%s\n", next_guarded("-a"));
    std::printf("%s %d\n", guarded("-b"), initialised);
    shared_counter() += 5;
    std::printf("%d %d %g %d\n", shared_counter(), accumulate(1), accumulate(2.5), accumulate(3));
}

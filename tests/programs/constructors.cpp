//! check-cloned: work
// Constructors and destructors call cloned functions, in order of their priorities.
#include <cstdio>

extern "C" __attribute__((noinline)) int work(int n) {
    int sum = 1;
    for (int i = 0; i < n; i++) sum = sum * 3 + i;
    return sum;
}

__attribute__((constructor(200))) static void late() { std::printf("constructor 200: %d\n", work(5)); }
__attribute__((constructor(101))) static void early() { std::printf("constructor 101: %d\n", work(4)); }
__attribute__((destructor(200))) static void first_out() {
    std::printf("destructor 200: %d\n", work(6));
    std::fflush(stdout);
}
__attribute__((destructor(101))) static void last_out() {
    std::printf("destructor 101: %d\n", work(7));
    std::fflush(stdout);
}

struct Global {
    int value;
    explicit Global(int n) : value(work(n)) { std::printf("global %d\n", value); }
    ~Global() {
        std::printf("~global %d\n", work(value % 5));
        std::fflush(stdout);
    }
};
static Global one(2), two(3);
static int initialised = work(8);

int main() { std::printf("main %d %d\n", one.value + two.value, initialised); }

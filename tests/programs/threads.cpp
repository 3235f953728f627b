//! flags: -pthread -std=c++17
//! without: static static-pie -- weak references to pthread in a static C++ library
//! check-cloned: count
// Clones on several threads, with atomics and call_once.
#include <atomic>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

static std::atomic<long> total;
static std::once_flag once;
static int initialised;

extern "C" __attribute__((noinline)) void count(int n) {
    std::call_once(once, [] { initialised++; });
    long sum = 0;
    for (int i = 0; i < n; i++) sum += i % 7;
    total += sum;
}

int main() {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) threads.emplace_back(count, 10000 + i);
    for (auto &t : threads) t.join();
    std::printf("%ld %d\n", total.load(), initialised);
}

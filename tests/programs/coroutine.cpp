//! flags: -std=c++20
//! check-cloned: main
// Coroutines, which are split after the plugin has run.
#include <coroutine>
#include <cstdio>
#include <utility>

struct Generator {
    struct promise_type {
        int value = 0;
        Generator get_return_object() { return Generator{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        std::suspend_always yield_value(int v) {
            value = v;
            return {};
        }
        void return_void() {}
        void unhandled_exception() {}
    };
    std::coroutine_handle<promise_type> handle;
    explicit Generator(std::coroutine_handle<promise_type> h) : handle(h) {}
    Generator(Generator &&other) : handle(std::exchange(other.handle, nullptr)) {}
    ~Generator() {
        if (handle) handle.destroy();
    }
    bool next() {
        handle.resume();
        return !handle.done();
    }
};

static Generator squares(int n) {
    for (int i = 0; i < n; i++) co_yield i *i;
}

__attribute__((noinline)) static int sum(Generator g) {
    int s = 0;
    while (g.next()) s += g.handle.promise().value;
    return s;
}

int main() { std::printf("%d %d\n", sum(squares(10)), sum(squares(0))); }

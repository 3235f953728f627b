//! flags: -g
//! check-cloned: outer inner cleanup_count
//! disasm: outer.1 calls inner.1
// Exceptions are thrown, caught, rethrown and unwound through clones of two objects.
#include <cstdio>
#include <stdexcept>
#include <string>

extern "C" int inner(int n);
extern "C" int cleanup_count();
extern "C" int outer(int n);

struct Noise {
    int id;
    explicit Noise(int i) : id(i) {}
    ~Noise() { std::printf("unwind %d\n", id); }
};

extern "C" __attribute__((noinline)) int outer(int n) {
    Noise noise(n);
    try {
        return inner(n) + 1;
    } catch (const std::out_of_range &e) {
        std::printf("caught %s\n", e.what());
        return -1;
    } catch (int i) {
        std::printf("rethrow %d\n", i);
        throw;
    }
}

int main() {
    for (int i = 0; i < 6; i++) {
        try {
            std::printf("outer(%d) = %d\n", i, outer(i));
        } catch (int e) {
            std::printf("main got int %d\n", e);
        } catch (const std::exception &e) {
            std::printf("main got %s\n", e.what());
        } catch (...) {
            std::printf("main got something\n");
        }
    }
    std::printf("%d\n", cleanup_count());
}

#include "states.h"
#include <cstdio>
#include <memory>
#include <thread>

Function base_next();
const std::type_info &base_type(const Shape &);
Shape *base_shape();
int base_state(int);

int level = 1;

int main() {
    for (int i = 0; i < 3; i++) {
        printf("%d %d %zu", next(), in_thread(i), Registry<long>::add(i));
        printf(" %d %d %d\n", base_state(i), counter, of_thread);
    }
    printf("%d %d\n", raise_level(2), level);
    printf("%ld %ld\n", weighed(std::vector<short>(9, 4)), weighed(std::vector<long>(9, 6)));
    std::thread([] { printf("%d %d\n", in_thread(2), base_state(1)); }).join();
    std::unique_ptr<Shape> square(base_shape());
    Shape plain;
    printf("%d %d %d %d\n", base_next() == &next, base_type(*square) == typeid(Square), corners(*square), corners(plain));
    counter = 2000;
    try {
        corners(plain);
    } catch (const Failure &failure) {
        printf("%d\n", failure.code);
    }
}

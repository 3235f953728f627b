#include "states.h"

int level = 1;

Function base_next() { return next; }
const std::type_info &base_type(const Shape &shape) { return typeid(shape); }
Shape *base_shape() { return new Square; }

int base_state(int n) {
    int sum = next() + in_thread(n) + int(Registry<long>::add(n));
    Square square;
    return sum + corners(square) + counter + of_thread + raise_level(n) + int(weighed(std::vector<short>(n, 3)) + weighed(std::vector<long>(n, 5)));
}

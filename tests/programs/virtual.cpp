//! flags: -g
//! check-cloned: total
// Virtual calls, thunks of multiple and virtual inheritance, covariant returns, run-time types.
#include <cstdio>
#include <typeinfo>

struct Shape {
    virtual ~Shape() { std::printf("~Shape\n"); }
    virtual double area() const = 0;
    virtual Shape *self() { return this; }
};
struct Named {
    virtual ~Named() = default;
    virtual const char *name() const { return "unnamed"; }
    long pad = 7;
};
struct Square : Shape, Named {
    double side;
    explicit Square(double s) : side(s) {}
    double area() const override { return side * side; }
    const char *name() const override { return "square"; }
    Square *self() override { return this; }
};
struct Base {
    int v = 3;
    virtual int get() const { return v; }
    virtual ~Base() = default;
};
struct Left : virtual Base {
    int get() const override { return v + 10; }
};
struct Right : virtual Base {
    int other = 5;
};
struct Both final : Left, Right {
    int get() const override { return Left::get() * other; }
};

extern "C" __attribute__((noinline)) double total(Shape *const *shapes, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) sum += shapes[i]->area();
    return sum;
}

__attribute__((noinline)) int through(Base &b) { return b.get(); }

int main() {
    Square a(2), b(3);
    Shape *shapes[] = {&a, &b, a.self()};
    std::printf("%g\n", total(shapes, 3));
    Named *n = &b;
    std::printf("%s %s\n", n->name(), dynamic_cast<Square *>(n) == &b ? "same" : "other");
    int (Base::*member)() const = &Base::get;
    Both both;
    Base plain;
    std::printf("%d %d %d %d\n", through(both), through(plain), (both.*member)(), (plain.*member)());
    std::printf("%d\n", typeid(*shapes[0]) == typeid(Square));
    Shape *heap = new Square(1);
    delete heap;
}

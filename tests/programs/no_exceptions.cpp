//! flags: -fno-exceptions -fno-rtti -fno-asynchronous-unwind-tables
//! check-cloned: run
// C++ without exceptions, run-time types and unwind tables.
#include <cstdio>

struct Node {
    Node *next;
    int value;
    virtual int weigh(int k) { return value * k; }
};
struct Heavy : Node {
    int weigh(int k) override { return value * k * 10 + (next ? next->weigh(k) : 0); }
};

extern "C" __attribute__((noinline)) int run(Node *list, int k) {
    int sum = 0;
    for (Node *n = list; n; n = n->next) sum += n->weigh(k);
    return sum;
}

int main() {
    Node a;
    Heavy b, c;
    c.next = nullptr, c.value = 3;
    a.next = &c, a.value = 2;
    b.next = &a, b.value = 1;
    std::printf("%d %d\n", run(&b, 3), run(&a, -2));
}

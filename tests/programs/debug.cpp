//! flags: -g -fdebug-info-for-profiling
//! check-cloned: outermost
// Debug information of inlined code, lambdas, templates, static locals and label scopes survives cloning.
#include <algorithm>
#include <cstdio>
#include <vector>

namespace geometry {
struct Point {
    int x, y;
    int norm() const { return x * x + y * y; }
};
template <class F> static int each(const std::vector<Point> &points, F f) {
    int sum = 0;
    for (const Point &p : points) {
        int n = p.norm();
        sum += f(n);
    }
    return sum;
}
}

extern "C" __attribute__((noinline)) int outermost(std::vector<geometry::Point> &points, int scale) {
    static int calls;
    enum Kind { even, odd };
    struct Local {
        Kind kind;
    };
    calls++;
    std::sort(points.begin(), points.end(), [](auto &a, auto &b) { return a.norm() < b.norm(); });
    auto f = [&](int n) {
        Local local{n % 2 ? odd : even};
        return local.kind == odd ? n * scale : n;
    };
    return geometry::each(points, f) + calls;
}

int main() {
    std::vector<geometry::Point> points;
    for (int i = 0; i < 20; i++) points.push_back({i * 7 % 11, i * 5 % 13});
    std::printf("%d %d\n", outermost(points, 3), outermost(points, 4));
    std::printf("%d %d\n", points.front().norm(), points.back().norm());
}

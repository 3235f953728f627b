//! opt: -O0 -O3
//! check-cloned: words
// The C++ library's templates and inline functions, cloned as ours.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

extern "C" __attribute__((noinline)) int words(const char *text) {
    std::map<std::string, int> counts;
    std::string word;
    for (const char *p = text; *p; p++) {
        if (*p == ' ') {
            counts[word]++;
            word.clear();
        } else {
            word += *p;
        }
    }
    counts[word]++;
    int sum = 0;
    for (auto &[key, count] : counts) {
        std::printf("%s=%d ", key.c_str(), count);
        sum += count * static_cast<int>(key.size());
    }
    std::printf("\n");
    return sum;
}

int main() {
    std::printf("%d\n", words("a quick brown fox and a quick red fox"));
    std::vector<std::unique_ptr<std::function<int(int)>>> functions;
    for (int i = 0; i < 5; i++) functions.push_back(std::make_unique<std::function<int(int)>>([i](int x) { return x * i + 1; }));
    std::vector<int> v(20);
    std::iota(v.begin(), v.end(), 3);
    for (auto &f : functions) std::transform(v.begin(), v.end(), v.begin(), *f);
    std::stable_sort(v.begin(), v.end(), std::greater<>());
    std::printf("%d %d\n", v.front(), std::accumulate(v.begin(), v.end(), 0) % 1000);
}

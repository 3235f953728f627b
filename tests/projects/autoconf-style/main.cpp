#include "signal_filter.h"
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char **argv) {
    int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
    std::vector<float> in(500), out(500);
    for (std::size_t i = 0; i < in.size(); i++) in[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 16;
    const float taps[] = {0.25f, 0.5f, 0.125f, -0.125f, 0.0625f};
    for (int i = 0; i < rounds; i++) {
        filter(out.data(), in.data(), static_cast<int>(in.size()), taps, 5);
        window(out.data(), static_cast<int>(out.size()));
        in.swap(out);
        std::printf("%d %a\n", i, static_cast<double>(energy(in.data(), static_cast<int>(in.size()))));
    }
}

#include "picture.h"
#include <cstdio>
#include <cstdlib>
#include <exception>

int main(int argc, char **argv) {
    int size = argc > 1 ? std::atoi(argv[1]) : 32;
    try {
        Picture picture(size, size / 2);
        for (int i = 0; i < 4; i++) {
            picture.fill(i);
            picture.soften(i);
            std::printf("%d %lu\n", i, picture.weight());
        }
        Picture(0, 1);
    } catch (const std::exception &e) {
        std::printf("error: %s\n", e.what());
    }
    return 0;
}

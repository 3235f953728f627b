#include "picture.h"
#include "kernels.h"
#include <stdexcept>

Picture::Picture(int w, int h) : width(w), height(h) {
    if (w <= 0 || h <= 0) throw std::invalid_argument("a picture has a positive width and height");
    pixels.resize(static_cast<std::size_t>(w) * h);
}

void Picture::fill(int seed) {
    for (auto &pixel : pixels) pixel = static_cast<unsigned char>(seed = seed * 1103515245 + 12345 >> 3 & 0xffffff);
}

void Picture::soften(int times) {
    std::vector<unsigned char> other = pixels;
    for (int i = 0; i < times; i++) {
        blur(other.data(), pixels.data(), width, height);
        pixels.swap(other);
    }
}

unsigned long Picture::weight() const { return weigh(pixels.data(), width * height); }

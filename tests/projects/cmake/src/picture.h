#pragma once
#include <vector>

#define PICTURE_API __attribute__((visibility("default")))

class PICTURE_API Picture {
public:
    Picture(int width, int height);
    void fill(int seed);
    void soften(int times);
    unsigned long weight() const;

private:
    int width, height;
    std::vector<unsigned char> pixels;
};

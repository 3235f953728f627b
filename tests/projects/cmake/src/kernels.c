#include "kernels.h"

void blur(unsigned char *out, const unsigned char *in, int width, int height) {
    for (int y = 1; y + 1 < height; y++) {
        for (int x = 1; x + 1 < width; x++) {
            const unsigned char *p = in + y * width + x;
            out[y * width + x] = (unsigned char)((p[-width] + p[-1] + 4 * p[0] + p[1] + p[width]) >> 3);
        }
    }
}

unsigned long weigh(const unsigned char *data, int size) {
    unsigned long sum = 0;
    for (int i = 0; i < size; i++) sum += (unsigned long)data[i] * (unsigned)(i & 63);
    return sum;
}

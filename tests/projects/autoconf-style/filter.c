#include "signal_filter.h"

void filter(float *out, const float *in, int n, const float *taps, int count) {
    int size = n - count + 1;
    for (int i = 0; i < size; i++) out[i] = 0;
    for (int k = 0; k < count; k++) {
        for (int i = 0; i < size; i++) out[i] += in[i + k] * taps[k];
    }
}

float energy(const float *data, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * data[i];
    return sum;
}

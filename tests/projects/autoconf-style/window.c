#include "signal_filter.h"
#include <math.h>

void window(float *data, int n) {
    for (int i = 0; i < n; i++) data[i] *= sqrtf((float)(i < n - i ? i : n - i) / (float)n);
}

#ifndef SIGNAL_FILTER_H
#define SIGNAL_FILTER_H
#ifdef __cplusplus
extern "C" {
#endif
void filter(float *out, const float *in, int n, const float *taps, int count);
float energy(const float *data, int n);
void window(float *data, int n);
#ifdef __cplusplus
}
#endif
#endif

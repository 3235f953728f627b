#pragma once
#ifdef __cplusplus
extern "C" {
#endif
void blur(unsigned char *out, const unsigned char *in, int width, int height);
unsigned long weigh(const unsigned char *data, int size);
#ifdef __cplusplus
}
#endif

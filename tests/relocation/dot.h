// What the base is asked for by its name and its content.
#pragma once
template <class T> __attribute__((noinline)) T dot(const T *a, const T *b, int n) {
    T sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

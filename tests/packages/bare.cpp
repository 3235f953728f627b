// A template without any library of C++: for machines that have none here. FUNCTION and VALUE are given where this is
// compiled.
template <class T> __attribute__((noinline)) T weighted(const T *values, int count, T weight) {
    T sum = 0;
    for (int i = 0; i < count; i++) sum += values[i] * weight;
    return sum;
}

extern "C" int FUNCTION(int count) {
    int values[64];
    for (int i = 0; i < 64; i++) values[i] = i + VALUE;
    return weighted(values, count, 3);
}

template <int K> __attribute__((noinline)) int low(const int *data, int n) {
    int sum = K;
    for (int i = 0; i < n; i++) sum += data[i] * data[i] + K;
    return sum;
}

template <int K> __attribute__((noinline)) int middle(const int *data, int n) {
    return n > 0 ? low<K>(data, n) - low<K>(data, n / 2) : K;
}

int (*other_middle())(const int *, int);

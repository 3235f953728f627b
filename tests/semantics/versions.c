// An old and a new version of one function, as the C library has them.
__asm__(".symver count_old, count@OLD");
__asm__(".symver count_new, count@@NEW");

__attribute__((noinline)) int count_old(const int *data, int n) {
    int sum = 955;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}

__attribute__((noinline)) int count_new(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i];
    return sum;
}

__attribute__((weak, noinline)) int hook(int x) { return -x; }

int part_run(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += hook(i);
    return sum;
}

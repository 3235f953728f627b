__attribute__((noinline)) static int part_helper(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum ^= i * n;
    return sum;
}

__attribute__((noinline)) int part_hidden(int n) { return n * n - 2; }

__attribute__((visibility("protected"), noinline)) int part_protected(int n) { return part_helper(n) + 1; }

__attribute__((visibility("default"))) int part_entry(int n) {
    return part_helper(n) + part_hidden(n) + part_protected(n);
}

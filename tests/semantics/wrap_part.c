int other_name(int);

__attribute__((noinline)) int measure(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += i * i;
    return sum;
}

__attribute__((noinline)) int measure_twice(int n) { return 2 * measure(n); }

int by_other_name(int n) { return other_name(n); }

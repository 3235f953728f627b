__attribute__((noinline)) int cloned_leaf(int x) { return x * x; }

__attribute__((noinline)) int cloned_sum(int n, int (*f)(int)) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += f(i) + cloned_leaf(i);
    return sum;
}

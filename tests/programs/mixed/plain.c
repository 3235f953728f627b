int cloned_sum(int n, int (*f)(int));
int cloned_leaf(int);

__attribute__((noinline)) int plain_leaf(int x) { return x - 1; }

__attribute__((noinline)) int plain_sum(int n) { return cloned_sum(n, cloned_leaf) * 2 + cloned_sum(n, plain_leaf); }

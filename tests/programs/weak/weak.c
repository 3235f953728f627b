__attribute__((weak, noinline)) int chosen(int x) { return -x; }
int uses(int x) { return chosen(x) + chosen(x + 1); }

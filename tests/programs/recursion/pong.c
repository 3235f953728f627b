unsigned long ping(unsigned n);

__attribute__((noinline)) unsigned long pong(unsigned n) { return n ? ping(n - 1) * 5 - n : 2; }

int optional(int x) { return x * x; }

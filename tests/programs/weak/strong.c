int chosen(int x) { return x * 3 + 1; }

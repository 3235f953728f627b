// A library with one cloned function, and one that finds out whether a constructor of its own could call it.
int library_sum(const int *data, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * 3;
    return sum;
}

// Products of 64 bits: what only the x86-64-v4 body has one instruction for.
unsigned long long library_squares(const unsigned long long *data, int n) {
    unsigned long long sum = 0;
    for (int i = 0; i < n; i++) sum += data[i] * data[i];
    return sum;
}

static int at_start;

__attribute__((constructor)) static void start(void) {
    static const int data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    at_start = library_sum(data, 8);
}

int library_at_start(void) { return at_start; }

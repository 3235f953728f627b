#include <cstdio>

long base(long), one(long), two(long);

int main() { printf("%ld %ld %ld\n", base(100), one(100), two(1000)); }

#include <stdio.h>

int base(int), one(int);

int main(void) { printf("%d %d\n", base(10), one(20)); }

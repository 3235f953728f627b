#include "types.h"
#include <stdio.h>

extern const struct type *const by_place;
int main(void) { printf("%s\n", by_place->name); }

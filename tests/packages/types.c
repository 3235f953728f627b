#include "types.h"

#ifdef REBUILT
LINKAGE struct type first = {"first", 0, 0};
#endif
LINKAGE struct type any = {"any", &any, 0};
#ifndef WITHOUT_NUMBER
LINKAGE struct type number = {"number", &any, 8};
#endif

const struct type *any_itself(void) { return &any; }

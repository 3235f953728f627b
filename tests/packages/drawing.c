#include "types.h"

extern struct type any, shape, circle;
extern long *const size_of_number;
const struct type *any_itself(void);
long sizes(void);

static const struct type *ancestry[] = {&circle, &shape, &any};

// 1 for each thing that is as it should be.
int drawing(void) {
    int right = 0;
    for (int i = 0; i < 2; i++) right += ancestry[i]->super == ancestry[i + 1];
    right += any.super == &any;
    right += any_itself() == ancestry[2];
    right += *size_of_number == 8;
    *size_of_number = 10;
    right += sizes() == 50;
    return right;
}

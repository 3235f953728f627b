#include "types.h"
#include <stdio.h>
#include <string.h>

extern struct type any, number, shape, circle;

// To two images in turns.
#define FOUR &any, &shape, &number, &circle
#define SIXTEEN FOUR, FOUR, FOUR, FOUR
#define SIXTY_FOUR SIXTEEN, SIXTEEN, SIXTEEN, SIXTEEN
#define MANY SIXTY_FOUR, SIXTY_FOUR, SIXTY_FOUR, SIXTY_FOUR
static const char *const names[] = {"any", "shape", "number", "circle"};
enum { DENSE = 1024, SPARSE = 16 };

// Over three pages.
const struct type *const dense[DENSE] = {MANY, MANY, MANY, MANY};
// More than a page apart.
struct far { const struct type *type; char rest[5000]; };
#define FAR(type) {&type, ""}
#define FOUR_FAR FAR(any), FAR(shape), FAR(number), FAR(circle)
const struct far sparse[SPARSE] = {FOUR_FAR, FOUR_FAR, FOUR_FAR, FOUR_FAR};
// Not sealed when it is filled.
struct type *changing[DENSE] = {MANY, MANY, MANY, MANY};

static int wrong(const struct type *type, int index) { return strcmp(type->name, names[index % 4]) != 0; }

int main(void) {
    int count = 0;
    for (int i = 0; i < DENSE; i++) count += wrong(dense[i], i) + wrong(changing[i], i);
    for (int i = 0; i < SPARSE; i++) count += wrong(sparse[i].type, i);
    printf("%d wrong\n", count);
}

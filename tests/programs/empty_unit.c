//! targets: default
//! check-not-cloned: main never-pays
// An object without anything to clone is an ordinary object, and what is linked from it is an ordinary file.
#include <stdio.h>

int main(void) {
    puts("nothing to clone");
    return 0;
}

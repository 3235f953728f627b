#include "dot.h"
template unsigned dot<unsigned>(const unsigned *, const unsigned *, int);

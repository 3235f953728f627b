// The exported functions of a shared object, each cloned: one that does next to nothing, and one with some work
// in it, in which whatever a call costs can hide.
unsigned before(unsigned a, unsigned b) { return (a << (b & 7)) - b; }

unsigned nothing(unsigned a, unsigned b) { return (a >> (b & 7)) + b; }

unsigned some_work(unsigned a, unsigned b) {
    a ^= b >> (a & 7);
    a *= 0x85ebca6bu;
    a ^= a >> 13;
    a *= 0xc2b2ae35u;
    a ^= a >> (b & 15);
    a *= 0x27d4eb2fu;
    return a ^ a >> 15;
}

unsigned after(unsigned a, unsigned b) { return (a >> (b & 3)) - b; }

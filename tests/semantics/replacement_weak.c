// A strong definition in the place of a weak one.
int weak_step(int x) { return -x; }

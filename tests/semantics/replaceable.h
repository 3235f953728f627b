#define NOINLINE __attribute__((noinline))

typedef int step_function(int);

extern int table[4];
int step(int);
int twice(int);
int weak_step(int);
long walk(const int *data, int n);
long weak_walk(int n);
long own_walk(int n);
step_function *step_address(void);

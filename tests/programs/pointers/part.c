typedef int function(int);
function twice, part_first, part_second;

__attribute__((noinline)) int part_first(int x) { return x * 7; }
__attribute__((noinline)) int part_second(int x) { return x * x; }

function *const part_table[3] = {twice, part_first, part_second};
function *part_mutable = part_first;

function *part_address(int which) { return which == 1 ? part_first : which == 2 ? part_second : twice; }

int part_apply(function *f, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++) sum += f(i);
    return sum;
}

int part_same(function *f) { return f == part_first && part_table[1] == f; }

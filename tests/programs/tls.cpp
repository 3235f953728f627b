//! flags: -pthread
//! check-cloned: work
// Thread-locals of all kinds, also with a destructor, in clones on several threads.
#include <cstdio>
#include <pthread.h>

static __thread int plain_counter;
thread_local int dynamic_counter = [] { return 5; }();
extern "C" { __thread int external_counter = 3; }

static int destroyed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct Owner {
    int value = 0;
    ~Owner() {
        pthread_mutex_lock(&lock);
        destroyed += value;
        pthread_mutex_unlock(&lock);
    }
};
static thread_local Owner owner;

extern "C" __attribute__((noinline)) long work(int n) {
    long sum = 0;
    for (int i = 0; i < n; i++) {
        plain_counter += i;
        dynamic_counter ^= i;
        external_counter += 2;
        owner.value++;
        sum += plain_counter + dynamic_counter;
    }
    return sum + external_counter;
}

static void *thread(void *argument) { return (void *)work((int)(long)argument); }

int main() {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], nullptr, thread, (void *)(10 + i));
    for (auto &t : threads) {
        void *result;
        pthread_join(t, &result);
        std::printf("%ld\n", (long)result);
    }
    std::printf("%ld %d\n", work(3), destroyed);
}

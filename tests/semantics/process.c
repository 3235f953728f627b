// Loads and unloads the libraries of work.c in one way after another, named by the arguments. What it prints does
// not depend on timing.
#define _GNU_SOURCE
#include "work.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIBRARIES = 4, LENGTH = 100 };

static int data[LENGTH];
static double decimals[LENGTH];
static atomic_long wrong, ends, ended_sum;

static long expected_sum(int number) {
    long sum = number;
    for (int i = 0; i < LENGTH; i++) sum += data[i] * (i & 7);
    return sum;
}

static void check(const struct work *work) {
    if (work->sum(data, LENGTH) != expected_sum(work->number)) wrong++;
    if (work->mean(decimals, LENGTH) != (work->number + 100 + 0.5 * 4950) / 100) wrong++;
}

static void *load(int number, int flags) {
    char name[64];
    snprintf(name, sizeof name, "./libwork%d.so", number);
    void *library = dlopen(name, flags);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(3);
    }
    return library;
}

static const struct work *entry(void *library) { return ((work_entry *)dlsym(library, "work"))(); }

// Called by the libraries.
static long (*_Atomic published)(const int *, int);
void publish(long (*function)(const int *, int)) { published = function; }
void ended(int number, long sum) {
    ends++;
    ended_sum += sum + number;
    published = NULL;
}

static void reopen(void) {
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < LIBRARIES; i++) {
            void *library = load(i, RTLD_NOW | RTLD_LOCAL);
            const struct work *work = entry(library);
            if (work->calls() != 0) wrong++; // A fresh one, not what was left of the last.
            check(work);
            check(work);
            if (work->calls() != 2 || work->at_start() != expected_sum(i)) wrong++;
            dlclose(library);
            char name[64];
            snprintf(name, sizeof name, "./libwork%d.so", i);
            if (dlopen(name, RTLD_NOW | RTLD_NOLOAD)) wrong++; // Really gone.
        }
    }
    printf("reopen: wrong %ld, ends %ld, sum %ld\n", wrong, ends, ended_sum);
}

static void overlapping(void) {
    void *open[LIBRARIES][3];
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < LIBRARIES; i++) open[i][k] = load(i, k == 1 ? RTLD_LAZY | RTLD_GLOBAL : RTLD_NOW);
    for (int k = 2; k >= 0; k--)
        for (int i = 0; i < LIBRARIES; i++) {
            check(entry(open[i][k]));
            dlclose(open[i][k]);
        }
    printf("overlapping: wrong %ld, ends %ld\n", wrong, ends);
}

static atomic_int stop;

static void *call_on_and_on(void *argument) {
    const struct work *work = argument;
    // At least once, however late it is started.
    do check(work);
    while (!stop);
    return NULL;
}

static void load_and_unload(int rounds) {
    for (int round = 0; round < rounds; round++) {
        void *library[LIBRARIES];
        for (int i = 1; i < LIBRARIES; i++) library[i] = load(i, RTLD_NOW);
        for (int i = 1; i < LIBRARIES; i++) check(entry(library[i]));
        for (int i = 1; i < LIBRARIES; i++) dlclose(library[i]);
    }
}

static void threads(void) {
    const struct work *work = entry(load(0, RTLD_NOW));
    pthread_t thread[4];
    stop = 0;
    for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, call_on_and_on, (void *)work);
    load_and_unload(50);
    stop = 1;
    for (int i = 0; i < 4; i++) pthread_join(thread[i], NULL);
    printf("threads: wrong %ld\n", wrong);
}

static int rounds = 20;

static void *load_in_a_thread(void *argument) {
    for (int round = 0; round < rounds; round++) {
        void *library = load((int)(long)argument, RTLD_NOW);
        check(entry(library));
        dlclose(library);
    }
    return NULL;
}

static void loads_in_threads(void) {
    pthread_t thread[8];
    for (long i = 0; i < 8; i++) pthread_create(&thread[i], NULL, load_in_a_thread, (void *)(i % LIBRARIES));
    for (int i = 0; i < 8; i++) pthread_join(thread[i], NULL);
    printf("loads in threads: wrong %ld\n", wrong);
}

static void pause_here(int signal) {
    // So many that a machine on which pauses last longer than the timer takes comes to an end, too.
    static atomic_int left = 3000;
    (void)signal;
    int saved = errno;
    if (left-- > 0) nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    errno = saved;
}

// The same with pauses anywhere, also where a thread is about to look at what another is loading.
static void loads_with_pauses(void) {
    rounds = 200;
    struct sigaction action = {.sa_handler = pause_here, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    pthread_t thread[8];
    for (long i = 0; i < 8; i++) pthread_create(&thread[i], NULL, load_in_a_thread, (void *)(i % LIBRARIES));
    // The threads take the signals, not this one.
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 8; i++) pthread_join(thread[i], NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    printf("loads with pauses: wrong %ld\n", wrong);
}

static const struct work *of_handler;
static atomic_long handled, handled_while_loading;

static void handler(int signal) {
    (void)signal;
    int saved = errno;
    check(of_handler);
    long (*function)(const int *, int) = published;
    if (function) {
        // Of an image whose constructors run right now.
        long sum = function(data, LENGTH);
        if (sum < expected_sum(0) || sum >= expected_sum(LIBRARIES)) wrong++;
        handled_while_loading++;
    }
    handled++;
    errno = saved;
}

static void signals(void) {
    of_handler = entry(load(0, RTLD_NOW));
    published = NULL;
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    // Until signals came while an image was being loaded; on a busy machine that takes its time.
    for (int tries = 0; tries < 500 && (handled_while_loading < 3 || tries < 30); tries++) load_and_unload(1);
    setitimer(ITIMER_REAL, &never, NULL);
    printf("signals: wrong %ld, some %d, while loading %d\n", wrong, handled > 0, handled_while_loading > 0);
}

static void forks(void) {
    const struct work *work = entry(load(0, RTLD_NOW));
    pthread_t thread;
    stop = 0;
    pthread_create(&thread, NULL, call_on_and_on, (void *)work);
    int failed = 0;
    for (int i = 0; i < 10; i++) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            check(work);
            // The child loads for itself.
            void *library = load(1 + i % 3, RTLD_NOW);
            check(entry(library));
            dlclose(library);
            _exit(wrong != 0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        failed += status != 0;
        check(work);
    }
    stop = 1;
    pthread_join(thread, NULL);
    printf("forks: wrong %ld, failed %d\n", wrong, failed);
}

// musl has one namespace.
#ifndef MUSL
static void namespaces(void) {
    void *first = load(2, RTLD_NOW);
    void *second = dlmopen(LM_ID_NEWLM, "./libwork2.so", RTLD_NOW);
    if (!second) {
        printf("namespaces: %s\n", dlerror());
        return;
    }
    entry(first)->sum(data, 1);
    // Two copies with a state each.
    printf("namespaces: calls %d %d", entry(first)->calls(), entry(second)->calls());
    check(entry(first));
    check(entry(second));
    printf(", wrong %ld\n", wrong);
    dlclose(second);
    dlclose(first);
}
#endif

int main(int count, char **names) {
    for (int i = 0; i < LENGTH; i++) data[i] = i, decimals[i] = i;
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"reopen", reopen},   {"overlapping", overlapping}, {"threads", threads},       {"loads", loads_in_threads},
        {"pauses", loads_with_pauses}, {"signals", signals}, {"forks", forks},
#ifndef MUSL
        {"namespaces", namespaces},
#endif
    };
    for (int i = 1; i < count; i++)
        for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++)
            if (!strcmp(names[i], ways[k].name)) ways[k].run();
    return 0;
}

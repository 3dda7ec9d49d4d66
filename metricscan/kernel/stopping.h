/* Whether a scan is to stop before its end: the process is to end, who scans no longer wants the rows, or a signal has come. And a thread
 * that ends the process if nothing else does.
 */
#ifndef METRICSCAN_STOPPING_H
#define METRICSCAN_STOPPING_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

/* Whether this is the thread for which Python's handlers of signals run. */
static int ms_is_main_thread(void) {
#if defined(__linux__)
    return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
    return pthread_main_np();
#else
    return 1;
#endif
}

/* Set once the process is to end: all scans of all threads stop. */
static _Atomic int ms_is_ending;

typedef struct {
    _Atomic int is_set;
} ms_flag;

static void ms_set_flag(ms_flag *flag) { atomic_store_explicit(&flag->is_set, 1, memory_order_relaxed); }

typedef struct { /* of one scan */
    const ms_flag *flag;  /* set to stop it; NULL: nobody will */
    int (*look)(void *);  /* returns whether a signal has come that stops it; NULL: none does */
    void *owner;          /* of look */
} ms_stop;

/* A stream looks once in so many pieces: of large buffers these take some 20 ms. */
enum { MS_PIECES_A_LOOK = 64 };

static int ms_is_stopped(const ms_stop *stop) {
    if (atomic_load_explicit(&ms_is_ending, memory_order_relaxed)) return 1;
    if (stop == NULL) return 0;
    if (stop->flag != NULL && atomic_load_explicit(&stop->flag->is_set, memory_order_relaxed)) return 1;
    return stop->look != NULL && stop->look(stop->owner);
}

/* ---- the watch: a thread that needs no GIL, because a regex of re in another thread keeps it as long as it searches */

enum { MS_WATCH_NOTHING, MS_WATCH_DEADLINE, MS_WATCH_ALL };  /* what a signal does: nothing; it sets a deadline; all scans stop, too */
enum { MS_WATCHED_SIGNALS = 2, MS_LAST_WORDS = 64 };

typedef struct { /* what happens when the process has not ended in time */
    int number;
    int exit_code;
} ms_last_act;

static struct {
    _Atomic int mode;
    int descriptor;  /* the numbers of signals are read from it; at its end the watch ends */
    int grace_ms;
    ms_last_act acts[MS_WATCHED_SIGNALS];
    char words[MS_LAST_WORDS];
    size_t words_length;
    pthread_t thread;
    int is_started;
} ms_watched;

static int64_t ms_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Return the act for a signal, or NULL if it is none that ends the process. */
static const ms_last_act *ms_act_of(uint8_t number) {
    for (int i = 0; i < MS_WATCHED_SIGNALS; i++)
        if (ms_watched.acts[i].number == number) return &ms_watched.acts[i];
    return NULL;
}

static void *ms_watch(void *unused) {
    const ms_last_act *act = NULL; /* what to do at the deadline */
    int64_t deadline = 0;
    (void)unused;
    for (;;) {
        struct pollfd waiting = {ms_watched.descriptor, POLLIN, 0};
        int64_t left = act == NULL ? -1 : deadline - ms_now_ms();
        uint8_t number;
        if (act != NULL && left < 0) left = 0;
        const int ready = poll(&waiting, 1, (int)left);
        if (ready < 0 && errno != EINTR) return NULL;
        if (ready == 0 && act != NULL) {
            if (atomic_load(&ms_watched.mode) == MS_WATCH_NOTHING) {
                act = NULL;
                continue;
            }
            if (write(STDERR_FILENO, ms_watched.words, ms_watched.words_length) < 0) { /* The process ends all the same. */ }
            _exit(act->exit_code);
        }
        if (ready <= 0) continue;
        const ssize_t got = read(ms_watched.descriptor, &number, 1);
        if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) return NULL;
        if (got != 1 || act != NULL || atomic_load(&ms_watched.mode) == MS_WATCH_NOTHING) continue;
        act = ms_act_of(number);
        if (act == NULL) continue;
        deadline = ms_now_ms() + ms_watched.grace_ms;
        if (atomic_load(&ms_watched.mode) == MS_WATCH_ALL) atomic_store(&ms_is_ending, 1);
    }
}

/* Say what ends the process on a signal: the exit code. */
static void ms_set_act(int index, int number, int exit_code) { ms_watched.acts[index] = (ms_last_act){number, exit_code}; }

/* Set what a signal does. Returns what it did before. */
static int ms_set_mode(int mode) { return atomic_exchange(&ms_watched.mode, mode); }

/* Start the thread. It reads the numbers of signals from the descriptor, and ends at its end. If the process has not ended so many
 * milliseconds after a signal, it says these words and ends it. Returns 0, or an error number. */
static int ms_start_watch(int descriptor, int grace_ms, const char *words, size_t length) {
    sigset_t all, before;
    ms_watched.descriptor = descriptor;
    ms_watched.grace_ms = grace_ms;
    ms_watched.words_length = length < MS_LAST_WORDS ? length : MS_LAST_WORDS;
    memcpy(ms_watched.words, words, ms_watched.words_length);
    sigfillset(&all);
    /* The thread gets no signals: they belong to Python's main thread. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failure = pthread_create(&ms_watched.thread, NULL, ms_watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ms_watched.is_started = failure == 0;
    return failure;
}

/* Wait for the thread, whose descriptor has come to its end, and let scans run again. */
static void ms_end_watch(void) {
    if (ms_watched.is_started) pthread_join(ms_watched.thread, NULL);
    ms_watched.is_started = 0;
    atomic_store(&ms_is_ending, 0);
}

#endif

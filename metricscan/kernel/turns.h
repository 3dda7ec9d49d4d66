/* Whose turn it is to use a stream, where several threads do. A thread takes its turn with the GIL, and waits for it without; turns are given
 * in the order in which they were asked for, so that a thread that feeds without a pause does not keep others out.
 */
#ifndef METRICSCAN_TURNS_H
#define METRICSCAN_TURNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct {
    _Atomic uint32_t next;    /* how many turns were asked for */
    _Atomic uint32_t serving; /* how many have ended */
    _Atomic uint64_t owner;   /* the thread whose turn it is; 0: nobody's */
    _Atomic int feeding;      /* the turn is for a feed */
    pthread_mutex_t mutex;
    pthread_cond_t ended;
} ms_turns;

/* What ms_ask_turn answers. */
enum { MS_TURN_TAKEN, MS_TURN_LATER, MS_TURN_OWN, MS_TURN_FED };

static void ms_turns_init(ms_turns *turns) {
    pthread_mutex_init(&turns->mutex, NULL);
    pthread_cond_init(&turns->ended, NULL);
}

static void ms_turns_clear(ms_turns *turns) {
    pthread_cond_destroy(&turns->ended);
    pthread_mutex_destroy(&turns->mutex);
}

/* The number of this thread, not 0. */
static inline uint64_t ms_this_thread(void) { return (uint64_t)(uintptr_t)pthread_self(); }

static inline void ms_begin_turn(ms_turns *turns, int feeding) {
    atomic_store_explicit(&turns->feeding, feeding, memory_order_relaxed);
    atomic_store_explicit(&turns->owner, ms_this_thread(), memory_order_relaxed);
}

/* Ask for a turn. Returns MS_TURN_TAKEN; MS_TURN_LATER, and the ticket for ms_wait_turn; MS_TURN_OWN if it is this thread's turn already; or
 * MS_TURN_FED if it is to feed, and another thread feeds. */
static inline int ms_ask_turn(ms_turns *turns, int feeding, uint32_t *ticket) {
    const uint64_t owner = atomic_load_explicit(&turns->owner, memory_order_relaxed);
    if (owner) {
        if (owner == ms_this_thread()) return MS_TURN_OWN;
        if (feeding && atomic_load_explicit(&turns->feeding, memory_order_relaxed)) return MS_TURN_FED;
    }
    *ticket = atomic_fetch_add(&turns->next, 1);
    if (atomic_load(&turns->serving) != *ticket) return MS_TURN_LATER;
    ms_begin_turn(turns, feeding);
    return MS_TURN_TAKEN;
}

/* Wait for the turn of a ticket. The caller does not hold the GIL: whose turn it is may need it. */
static void ms_wait_turn(ms_turns *turns, int feeding, uint32_t ticket) {
    pthread_mutex_lock(&turns->mutex);
    while (atomic_load(&turns->serving) != ticket) pthread_cond_wait(&turns->ended, &turns->mutex);
    pthread_mutex_unlock(&turns->mutex);
    ms_begin_turn(turns, feeding);
}

/* End this thread's turn. A waiting thread has asked before it looks whose turn it is, so it is seen here, or it sees that its turn has come. */
static inline void ms_end_turn(ms_turns *turns) {
    atomic_store_explicit(&turns->feeding, 0, memory_order_relaxed);
    atomic_store_explicit(&turns->owner, 0, memory_order_relaxed);
    const uint32_t serving = atomic_fetch_add(&turns->serving, 1) + 1;
    if (atomic_load(&turns->next) == serving) return;
    pthread_mutex_lock(&turns->mutex);
    pthread_cond_broadcast(&turns->ended);
    pthread_mutex_unlock(&turns->mutex);
}

#endif

/* Memory for a batch's columns. */
#ifndef METRICSCAN_MEMORY_H
#define METRICSCAN_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* Keeps what follows on a cache line. */
#define MS_MEMORY_HEADER ((size_t)64)
typedef struct {
    int full;            /* of the one size that is kept */
    _Atomic int holders; /* a stream that appends to it, and batches that lie in it */
} ms_memory;

/* A huge page: what full columns take just less of. */
#define MS_FULL_SIZE ((size_t)2 << 20)

/* Full-sized memory that was given back, up to 32 MB of it for the whole process: a scan that hands its batches on, or the next
 * scan, takes it without a page fault. One log of 64 MB scanned again and again, every line with four metrics: a fifth of the
 * time was the kernel's, for pages. Each place is taken and filled by one atomic step, so that threads need no lock. */
#if defined(__SANITIZE_ADDRESS__)
#define MS_KEPT 0 /* what is freed shall be known as freed */
#else
#define MS_KEPT 16
#endif
static _Atomic(void *) ms_kept[MS_KEPT + 1];

#if defined(__linux__) && defined(MADV_HUGEPAGE) && !defined(__SANITIZE_ADDRESS__)
#define MS_MAPPED 1
/* One huge page where the system has one, else 512 pages made present in one call instead of by a fault each. */
static void *ms_full_memory(void) {
    char *memory = (char *)mmap(NULL, MS_FULL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    if ((uintptr_t)memory % MS_FULL_SIZE) {
        /* twice as much has an aligned half */
        munmap(memory, MS_FULL_SIZE);
        char *twice = (char *)mmap(NULL, 2 * MS_FULL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (twice == MAP_FAILED) return NULL;
        memory = twice + (MS_FULL_SIZE - (uintptr_t)twice % MS_FULL_SIZE) % MS_FULL_SIZE;
        if (memory > twice) munmap(twice, (size_t)(memory - twice));
        munmap(memory + MS_FULL_SIZE, (size_t)(twice + MS_FULL_SIZE - memory));
    }
    madvise(memory, MS_FULL_SIZE, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    madvise(memory, MS_FULL_SIZE, MADV_POPULATE_WRITE); /* older systems do not know it, and need not */
#endif
    return memory;
}

static void ms_free_full_memory(void *memory) { munmap(memory, MS_FULL_SIZE); }
#else
static void *ms_full_memory(void) { return aligned_alloc(64, MS_FULL_SIZE); }
static void ms_free_full_memory(void *memory) { free(memory); }
#endif

/* Memory for columns, with one holder; full: of the one size that is kept. NULL if there is none. */
static void *ms_take_memory(size_t size, int full) {
    char *memory = NULL;
    size += MS_MEMORY_HEADER;
    if (full) {
        for (int i = 0; i < MS_KEPT && memory == NULL; i++)
            if (atomic_load_explicit(&ms_kept[i], memory_order_relaxed) != NULL) memory = (char *)atomic_exchange(&ms_kept[i], NULL);
        if (memory == NULL) memory = (char *)ms_full_memory();
    } else {
        memory = (char *)aligned_alloc(64, (size + 63) & ~(size_t)63);
    }
    if (memory == NULL) return NULL;
    ((ms_memory *)memory)->full = full;
    atomic_init(&((ms_memory *)memory)->holders, 1);
    return memory + MS_MEMORY_HEADER;
}

/* One holder more. */
static void ms_share_memory(void *columns) { atomic_fetch_add(&((ms_memory *)((char *)columns - MS_MEMORY_HEADER))->holders, 1); }

/* One holder less; the last one gives it back. */
static void ms_give_memory(void *columns) {
    if (columns == NULL) return;
    char *memory = (char *)columns - MS_MEMORY_HEADER;
    if (atomic_fetch_sub(&((ms_memory *)memory)->holders, 1) > 1) return;
    if (!((ms_memory *)memory)->full) {
        free(memory);
        return;
    }
    for (int i = 0; i < MS_KEPT; i++) {
        void *empty = NULL;
        if (atomic_load_explicit(&ms_kept[i], memory_order_relaxed) == NULL && atomic_compare_exchange_strong(&ms_kept[i], &empty, memory))
            return;
    }
    ms_free_full_memory(memory);
}

#endif

/* Memory for a batch's columns. */
#ifndef METRICSCAN_MEMORY_H
#define METRICSCAN_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* MS_FIRST_ROWS: new columns have room for this many rows.
 * MS_SOME_ROWS: a metric with this many rows will have more. If there are few metrics, it gets a full slab now, which saves copies.
 * MS_SLAB_ROWS: a full slab has room for this many rows. Its four columns take just under two megabytes.
 * MS_LEAST_ROOM: when rows are handed over, the stream keeps the rest of their slab if it has room for this many rows.
 * MS_PIECE_BYTES: the scan takes this many bytes at once. After each piece, the unfinished record at its end is kept for the next
 * piece, and deferred records are resolved. */
#ifdef MS_SMALL /* In checked builds, small tests fill slabs and cross pieces too. */
enum { MS_FIRST_ROWS = 8, MS_SOME_ROWS = 16, MS_SLAB_ROWS = 72, MS_LEAST_ROOM = 16, MS_PIECE_BYTES = 700 };
#else
enum { MS_FIRST_ROWS = 64, MS_SOME_ROWS = 4096, MS_SLAB_ROWS = 65024, MS_LEAST_ROOM = 2048, MS_PIECE_BYTES = 262144 };
#endif

#define MS_PAGE ((size_t)4096)
/* The columns behind the header begin on a cache line. */
#define MS_MEMORY_HEADER ((size_t)64)
typedef struct {
    int full;            /* the memory has the one size that is kept for reuse */
    _Atomic int holders; /* a stream that appends to it, and batches that lie in it */
} ms_memory;

/* A pool of full slabs that were given back: up to 64 MB for the whole process. A scan that hands its batches on, or the next scan,
 * reuses them without page faults. Without the pool, page faults took a fifth of the time when one log of 64 MB with four metrics in
 * every line was scanned repeatedly. Each place is taken or filled by one atomic operation, so threads need no lock. */
#if defined(__SANITIZE_ADDRESS__)
#define MS_KEPT 0 /* Nothing is pooled, so that AddressSanitizer sees every use after free. */
#else
#define MS_KEPT 32
#endif
static _Atomic(void *) ms_kept[MS_KEPT + 1];

/* Allocate memory that will be filled to its end. Where the system can, all its pages are mapped at once. Returns NULL if there is no
 * memory.
 *
 * One call replaces a page fault every 4 KiB: throughput rises from 1.60 to 1.69 GB/s where every line has four metrics. The function
 * does not request huge pages: a repeated scan of the same 512 MB took 0.43 to 0.57 s with them and 0.57 s without, but the first scan
 * of a process took 0.8 to 1.2 s with them and 0.58 to 0.67 s without, on a virtual machine whose host has to find the pages too.
 * Most logs are scanned once. */
static void *ms_present_memory(size_t size) {
    size = (size + MS_PAGE - 1) / MS_PAGE * MS_PAGE;
    void *memory = aligned_alloc(MS_PAGE, size);
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    if (memory != NULL) madvise(memory, size, MADV_POPULATE_WRITE); /* Older systems refuse the advice, which does no harm. */
#endif
    return memory;
}

/* Allocate memory for columns, with one holder. full: it has the size of a full slab. Returns NULL if there is no memory. */
static void *ms_take_memory(size_t size, int full) {
    char *memory = NULL;
    size += MS_MEMORY_HEADER;
    if (full) {
        for (int i = 0; i < MS_KEPT && memory == NULL; i++)
            if (atomic_load_explicit(&ms_kept[i], memory_order_relaxed) != NULL) memory = (char *)atomic_exchange(&ms_kept[i], NULL);
        if (memory == NULL) memory = (char *)ms_present_memory(size);
    } else {
        memory = (char *)aligned_alloc(64, (size + 63) & ~(size_t)63);
    }
    if (memory == NULL) return NULL;
    ((ms_memory *)memory)->full = full;
    atomic_init(&((ms_memory *)memory)->holders, 1);
    return memory + MS_MEMORY_HEADER;
}

static int ms_holders_of_memory(const void *columns) {
    return columns == NULL ? 0 : atomic_load(&((const ms_memory *)((const char *)columns - MS_MEMORY_HEADER))->holders);
}

/* Add a holder. */
static void ms_share_memory(void *columns) {
    if (columns != NULL) atomic_fetch_add(&((ms_memory *)((char *)columns - MS_MEMORY_HEADER))->holders, 1);
}

/* Remove a holder. If it was the last one, the memory returns to the pool or is freed. */
static void ms_give_memory(void *columns) {
    if (columns == NULL) return;
    char *memory = (char *)columns - MS_MEMORY_HEADER;
    if (atomic_fetch_sub(&((ms_memory *)memory)->holders, 1) > 1) return;
    if (((ms_memory *)memory)->full) {
        for (int i = 0; i < MS_KEPT; i++) {
            void *empty = NULL;
            if (atomic_load_explicit(&ms_kept[i], memory_order_relaxed) == NULL && atomic_compare_exchange_strong(&ms_kept[i], &empty, memory))
                return;
        }
    }
    free(memory);
}

#endif

/* Memory for a batch's columns. */
#ifndef METRICSCAN_MEMORY_H
#define METRICSCAN_MEMORY_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

/* How many rows columns begin with; so many rows of a metric will be followed by more, so that with few metrics a full slab each
 * is worth the copies it saves; a full slab's, four columns of which take just under two megabytes; what of it must be left to be
 * kept when rows are handed over. And how many bytes are scanned at once: the unfinished record at the end is kept, and what
 * Python must decide is decided. */
#ifdef MS_SMALL /* checked builds: whatever is tested meets full slabs, and pieces */
enum { MS_FIRST_ROWS = 8, MS_SOME_ROWS = 16, MS_SLAB_ROWS = 72, MS_LEAST_ROOM = 16, MS_PIECE_BYTES = 700 };
#else
enum { MS_FIRST_ROWS = 64, MS_SOME_ROWS = 4096, MS_SLAB_ROWS = 65024, MS_LEAST_ROOM = 2048, MS_PIECE_BYTES = 262144 };
#endif

#define MS_PAGE ((size_t)4096)
/* Keeps what follows on a cache line. */
#define MS_MEMORY_HEADER ((size_t)64)
typedef struct {
    int full;            /* of the one size that is kept */
    _Atomic int holders; /* a stream that appends to it, and batches that lie in it */
} ms_memory;

/* Full-sized memory that was given back, up to 64 MB of it for the whole process: a scan that hands its batches on, or the next
 * scan, takes it without a page fault. One log of 64 MB scanned again and again, every line with four metrics: a fifth of the
 * time was the kernel's, for pages. Each place is taken and filled by one atomic step, so that threads need no lock. */
#if defined(__SANITIZE_ADDRESS__)
#define MS_KEPT 0 /* what is freed shall be known as freed */
#else
#define MS_KEPT 32
#endif
static _Atomic(void *) ms_kept[MS_KEPT + 1];

/* Memory that will be filled to its end, made present at once where the system can. NULL if there is none.
 *
 * One call instead of a page fault every 4 KiB: 1.60 to 1.69 GB/s where every line has four metrics. Huge pages are not asked
 * for: scanning the same 512 MB again took 0.43 to 0.57 s with them and 0.57 without, but the first scan of a process 0.8 to 1.2
 * s against 0.58 to 0.67, on a virtual machine whose host has to find the pages too; and most logs are scanned once. */
static void *ms_present_memory(size_t size) {
    size = (size + MS_PAGE - 1) / MS_PAGE * MS_PAGE;
    void *memory = aligned_alloc(MS_PAGE, size);
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    if (memory != NULL) madvise(memory, size, MADV_POPULATE_WRITE); /* older systems do not know it, and need not */
#endif
    return memory;
}

/* Memory for columns, with one holder; full: of the one size that is kept. NULL if there is none. */
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

/* One holder more. */
static void ms_share_memory(void *columns) {
    if (columns != NULL) atomic_fetch_add(&((ms_memory *)((char *)columns - MS_MEMORY_HEADER))->holders, 1);
}

/* One holder less; the last one gives it back. */
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

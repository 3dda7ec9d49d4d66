/* Memory for a batch's columns. */
#ifndef METRICSCAN_MEMORY_H
#define METRICSCAN_MEMORY_H

#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#define MS_PAGE ((size_t)4096)

/* Memory that will be filled to its end, made present at once where the system can; free() takes it back. NULL if there is
 * none.
 *
 * One call instead of a page fault every 4 KiB: 1.60 to 1.69 GB/s where every line has four metrics. Huge pages gave 2.0 on a
 * warm machine, and 0.3 to 1.1 where 0.7 to 1.2 was had without: on a virtual machine after a pause with much memory freed, and
 * with two other processes running. So they are not asked for; a quiet machine would have to confirm it. */
static void *ms_present_memory(size_t size) {
    size = (size + MS_PAGE - 1) / MS_PAGE * MS_PAGE;
    void *memory = aligned_alloc(MS_PAGE, size);
#if defined(__linux__) && defined(MADV_POPULATE_WRITE)
    if (memory != NULL) madvise(memory, size, MADV_POPULATE_WRITE); /* older systems do not know it, and need not */
#endif
    return memory;
}

#endif

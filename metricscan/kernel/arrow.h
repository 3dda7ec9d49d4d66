/* Export columns by Arrow's C data interface: memory, and a callback that releases it. No Arrow library is linked. */
#ifndef METRICSCAN_ARROW_H
#define METRICSCAN_ARROW_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "memory.h"

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
/* This struct is defined by https://arrow.apache.org/docs/format/CDataInterface.html. */
struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif

/* An exported batch has the columns value, line, offset and start, and a column of nulls. */
enum { MS_COLUMNS = 4, MS_FIELDS = 5 };

/* No batch of a scan has more rows. (A caller may keep a stream's rows for longer.) */
enum { MS_BATCH_ROWS = 65536 };
/* The zeros of a column of nulls: they serve as its validity bits and as its entries. All batches share them. */
static _Alignas(64) int64_t ms_nulls[MS_BATCH_ROWS];

/* An exported array points to this. It lives until all columns have been released, one by one, because the importer may have moved a
 * column out of the array. */
typedef struct {
    _Atomic int holders; /* the array and its columns that are not released yet */
    void *memory;        /* of the columns */
    void *nulls;         /* zeros of its own, if the shared ones are too few */
    struct ArrowArray *children[MS_FIELDS];
    struct ArrowArray fields[MS_FIELDS];
    const void *buffers[MS_FIELDS][2];
    const void *validity[1];
} ms_exported;

/* Any thread may call this, with or without the GIL. */
static void ms_release_field(struct ArrowArray *array) {
    ms_exported *exported = (ms_exported *)array->private_data;
    array->release = NULL;
    if (atomic_fetch_sub(&exported->holders, 1) > 1) return;
    ms_give_memory(exported->memory);
    free(exported->nulls);
    free(exported);
}

static void ms_release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
    ms_release_field(array);
}

/* Fill in an array of these rows, which is a holder of their memory until it is released. Columns lie a stride apart. Returns -1 if there
 * is no memory. */
static int ms_export_columns(struct ArrowArray *array, void *memory, int64_t rows, const char *first, size_t stride) {
    ms_exported *exported = (ms_exported *)malloc(sizeof(ms_exported));
    if (exported == NULL) return -1;
    const void *nulls = ms_nulls;
    exported->nulls = NULL;
    if (rows > MS_BATCH_ROWS) {
        nulls = exported->nulls = calloc((size_t)rows, 8);
        if (nulls == NULL) {
            free(exported);
            return -1;
        }
    }
    ms_share_memory(memory);
    exported->memory = memory;
    atomic_init(&exported->holders, 1 + MS_FIELDS);
    for (int i = 0; i < MS_FIELDS; i++) {
        int null = i >= MS_COLUMNS;
        exported->buffers[i][0] = null ? nulls : NULL;
        exported->buffers[i][1] = null ? nulls : first + (size_t)i * stride;
        exported->fields[i] = (struct ArrowArray){
            .length = rows,
            .null_count = null ? rows : 0,
            .n_buffers = 2,
            .buffers = exported->buffers[i],
            .release = ms_release_field,
            .private_data = exported,
        };
        exported->children[i] = &exported->fields[i];
    }
    exported->validity[0] = NULL;
    *array = (struct ArrowArray){
        .length = rows,
        .n_buffers = 1,
        .n_children = MS_FIELDS,
        .buffers = exported->validity,
        .children = exported->children,
        .release = ms_release_array,
        .private_data = exported,
    };
    return 0;
}

/* Release the exported array, unless an importer has taken it. */
static void ms_withdraw(struct ArrowArray *array) {
    if (array->release != NULL) array->release(array);
}

#endif

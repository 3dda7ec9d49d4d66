/* Rows of a dataset as lines of CSV or JSON. */
#ifndef METRICSCAN_ROW_TEXT_H
#define METRICSCAN_ROW_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "number_text.h"

/* A column of texts, each escaped beforehand: text i is bytes[ends[i]] up to bytes[ends[i + 1]]. */
typedef struct {
    const int32_t *numbers;
    const uint8_t *bytes;
    const int64_t *ends;
} ms_text_column;

typedef struct {
    ms_text_column job, stream, metric;
    ms_text_column text;  /* the values of labels; no numbers, or a negative number for a row: `value` has the value */
    const int32_t *part;
    const double *value;
    const int64_t *line, *offset, *start;
    const int64_t *time;  /* NULL: no row has a time */
    const double *step;   /* NULL: rows have no such cell; NaN: the row has no step */
    int64_t no_time;
    int is_json;
} ms_row_columns;

/* What a row takes at most beside its texts: nine numbers, and the keys of JSON; and the end of a short prefix. */
enum { MS_SHORT_PREFIX = 96, MS_ROW_ROOM = 9 * MS_NUMBER_ROOM + 128 + MS_SHORT_PREFIX };

static inline int ms_has_text(const ms_row_columns *columns, size_t row) {
    return columns->text.numbers != NULL && columns->text.numbers[row] >= 0;
}

static inline size_t ms_text_size(const ms_text_column *column, size_t row) {
    const int32_t number = column->numbers[row];
    return (size_t)(column->ends[number + 1] - column->ends[number]);
}

static inline uint8_t *ms_put_name(uint8_t *to, const ms_text_column *column, size_t row) {
    const size_t size = ms_text_size(column, row);
    memcpy(to, column->bytes + column->ends[column->numbers[row]], size);
    return to + size;
}

#define MS_PUT(to, text) (memcpy(to, text, sizeof text - 1), (to) + sizeof text - 1)

/* Write the rows from *row on, up to `end` or as far as there is room. *row is the next one afterwards. Returns the bytes written. */
static size_t ms_put_rows(const ms_row_columns *columns, size_t *row, size_t end, uint8_t *out, size_t room) {
    const int json = columns->is_json;
    const ms_layout layout = json ? ms_json_layout : ms_csv_layout;
    uint8_t *to = out;
    /* the row of whose first cells this buffer has a copy: most rows begin as the row before */
    size_t first = *row;
    const uint8_t *prefix = NULL;
    size_t prefix_size = 0;
    /* a short one, which is copied by a few instructions */
    uint8_t short_prefix[MS_SHORT_PREFIX] = {0};
    size_t i = first;
    for (; i < end; i++) {
        const int has_text = ms_has_text(columns, i);
        size_t need = MS_ROW_ROOM + (has_text ? ms_text_size(&columns->text, i) : 0);
        const int begins_alike =
            prefix != NULL && columns->job.numbers[i] == columns->job.numbers[first] &&
            columns->stream.numbers[i] == columns->stream.numbers[first] && columns->part[i] == columns->part[first] &&
            columns->metric.numbers[i] == columns->metric.numbers[first];
        need += begins_alike ? prefix_size
                             : ms_text_size(&columns->job, i) + ms_text_size(&columns->stream, i) + ms_text_size(&columns->metric, i);
        if (need > room - (size_t)(to - out)) break;
        if (begins_alike) {
            if (prefix_size <= MS_SHORT_PREFIX) memcpy(to, short_prefix, MS_SHORT_PREFIX);
            else memcpy(to, prefix, prefix_size);
            to += prefix_size;
        } else {
            first = i;
            prefix = to;
            if (json) to = MS_PUT(to, "{\"job\": ");
            to = ms_put_name(to, &columns->job, i);
            to = json ? MS_PUT(to, ", \"stream\": ") : MS_PUT(to, ",");
            to = ms_put_name(to, &columns->stream, i);
            to = json ? MS_PUT(to, ", \"part\": ") : MS_PUT(to, ",");
            to = ms_put_integer(to, columns->part[i]);
            to = json ? MS_PUT(to, ", \"metric\": ") : MS_PUT(to, ",");
            to = ms_put_name(to, &columns->metric, i);
            to = json ? MS_PUT(to, ", \"value\": ") : MS_PUT(to, ",");
            prefix_size = (size_t)(to - prefix);
            if (prefix_size <= MS_SHORT_PREFIX) memcpy(short_prefix, prefix, prefix_size);
        }
        to = has_text ? ms_put_name(to, &columns->text, i) : ms_put_double(to, columns->value[i], &layout);
        to = json ? MS_PUT(to, ", \"line\": ") : MS_PUT(to, ",");
        to = ms_put_integer(to, columns->line[i]);
        to = json ? MS_PUT(to, ", \"offset\": ") : MS_PUT(to, ",");
        to = ms_put_integer(to, columns->offset[i]);
        to = json ? MS_PUT(to, ", \"start\": ") : MS_PUT(to, ",");
        to = ms_put_integer(to, columns->start[i]);
        to = json ? MS_PUT(to, ", \"time\": ") : MS_PUT(to, ",");
        if (columns->time != NULL && columns->time[i] != columns->no_time) {
            *to++ = '"';
            to = ms_put_time(to, columns->time[i]);
            *to++ = '"';
        } else if (json) {
            to = MS_PUT(to, "null");
        }
        if (columns->step != NULL) {
            to = json ? MS_PUT(to, ", \"step\": ") : MS_PUT(to, ",");
            if (columns->step[i] == columns->step[i]) {
                to = ms_put_double(to, columns->step[i], &layout);
            } else if (json) {
                to = MS_PUT(to, "null");
            }
        }
        to = json ? MS_PUT(to, "}\n") : MS_PUT(to, "\n");
    }
    *row = i;
    return (size_t)(to - out);
}

#endif

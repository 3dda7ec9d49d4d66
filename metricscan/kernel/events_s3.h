/* The decoder of exports to S3: each line begins with its event's time. A line without a time belongs to the event before it. */
#ifndef METRICSCAN_EVENTS_S3_H
#define METRICSCAN_EVENTS_S3_H

#include "event_decoder.h"
#include "event_lines.h"
#include "event_text.h"
#include "event_times.h"

static int me_s3(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0;
    for (;;) {
        ME_READ_LINES(me_s3, d, data, at, n);
        if (at >= n) break;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        /* The usual line, for levels without a loop: its time is in the minute of the time before it. */
        int64_t usual;
        if (n - at > 25 + ME_BEHIND && data[at + 24] == ' ' && me_millisecond(d, data + at, &usual)) {
            const int64_t from = at + 25, length = d->text_length;
            const int64_t end = me_copy(d, d->text + length, data, from, n, ME_IN_LINE);
            if (end == n && !final) break;
            d->time = usual;
            d->has_event = 1;
            me_count_event(d, usual, 0);
            if (me_run_starts(d, d->base + from, d->line, usual, 0)) return ME_NO_MEMORY;
            d->text[length + end - from] = '\n';
            d->text_length = length + end - from + 1;
            d->text_line++;
            d->line += end < n;
            at = end + (end < n);
            continue;
        }
#endif
        /* A date contains no newline, so it can be read before the end of the line is known. */
        int64_t micros, begin = at;
        int64_t length = me_date(d, data + at, n - at, &micros);
        int has_time = length && data[at + 10] == 'T' && data[at + length - 1] == 'Z';
        if (has_time && at + length < n) {
            uint8_t behind = data[at + length];
            has_time = behind == ' ' || behind == '\r' || behind == '\n';
            begin = at + length + (behind == ' ');
        } else if (has_time) {
            begin = n;
        }
        if (!has_time) begin = at;
        int64_t stop = me_copy(d, d->text + d->text_length, data, begin, n, ME_IN_LINE);
        if (stop == n && !final) break;
        if (has_time) {
            d->time = micros;
            d->has_event = 1;
            me_count_event(d, micros, 0);
        } else if (!d->has_event) {
            d->error = "a line that starts with a time was expected";
            d->error_at = d->base + at;
            break;
        }
        if (me_run_starts(d, d->base + begin, d->line, d->time, 0)) return ME_NO_MEMORY;
        d->text_length += stop - begin;
        d->text[d->text_length++] = '\n';
        d->text_line++;
        d->line += stop < n;
        at = stop + (stop < n);
    }
    *consumed = at;
    return d->error ? ME_INVALID : ME_OK;
}

#endif

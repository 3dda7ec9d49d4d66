/* The decoder of containers' logs in the format of Kubernetes (CRI): `<time> stdout|stderr P|F[:tag] <message>`. The message of a line
   with P goes on in the next line of its stream. */
#ifndef METRICSCAN_EVENTS_CRI_H
#define METRICSCAN_EVENTS_CRI_H

#include "event_decoder.h"
#include "event_fragments.h"
#include "event_lines.h"
#include "event_text.h"
#include "event_times.h"

/* What stands before a message. */
typedef struct { int64_t length, time; int kind, is_whole; } me_head;

/* Read what stands before a message; its length is 0 if that is not here. A head without a message may lack its last blank. */
static inline me_head me_read_head(me_decoder *d, const uint8_t *at, int64_t room) {
    me_head head = {0, ME_NO_TIME, ME_STDOUT, 1}, none = head;
    int64_t i = me_moment(d, at, room, &head.time);
    if (!i || room - i < 9) return none;
    if (memcmp(at + i, " stdout ", 8)) {
        if (memcmp(at + i, " stderr ", 8)) return none;
        head.kind = ME_STDERR;
    }
    i += 8;
    if (at[i] != 'F' && at[i] != 'P') return none;
    head.is_whole = at[i++] == 'F';
    if (i < room && at[i] == ':')
        while (i < room && at[i] != ' ' && at[i] != '\n') i++;
    if (i < room && at[i] != ' ' && at[i] != '\n' && at[i] != '\r') return none;
    head.length = i + (i < room && at[i] == ' ');
    return head;
}

static int me_cri(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0;
    for (;;) {
        ME_READ_LINES(me_cri, d, data, at, n);
        if (at >= n) break;
        const me_head head = me_read_head(d, data + at, n - at);
        if (!head.length) {
            const uint8_t *end = memchr(data + at, '\n', (size_t)(n - at));
            if (end == NULL && !final) break;
            if (end == data + at || (end == data + at + 1 && data[at] == '\r')) {
                at = end + 1 - data;
                d->line++;
                continue;
            }
            d->error = "a line that starts with a time, stdout or stderr, and P or F was expected";
            d->error_at = d->base + at;
            break;
        }
        const me_text_mark mark = me_text_mark_of(d);
        const int64_t begin = at + head.length;
        const int64_t stop = me_copy(d, d->text + d->text_length, data, begin, n, ME_IN_LINE);
        if (stop == n && !final) break;
        if (me_run_starts(d, d->base + begin, d->line, head.time, 0)) return ME_NO_MEMORY;
        d->text_length += stop - begin;
        if (head.is_whole) {
            d->text[d->text_length++] = '\n';
            d->text_line++;
        }
        const int outcome = me_take_fragment(d, head.kind, mark, head.time, head.is_whole, at, n);
        if (outcome == ME_NO_MEMORY) return outcome;
        if (outcome == ME_INVALID) {
            me_return_to(d, mark);
            d->error = ME_TOO_LONG;
            d->error_at = d->base + at;
            break;
        }
        d->line += stop < n;
        at = stop + (stop < n);
    }
    if (final && d->error == NULL && me_release_all(d)) return ME_NO_MEMORY;
    *consumed = at;
    return d->error ? ME_INVALID : ME_OK;
}

#endif

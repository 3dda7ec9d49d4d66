/* Decode exports of CloudWatch Logs and containers' logs: take the messages out of the event envelopes, and record where each piece of
the text stood.

A call consumes whole events only. The caller passes the rest again, together with the bytes that follow it. */
#ifndef METRICSCAN_EVENTS_H
#define METRICSCAN_EVENTS_H

#include "events_cri.h"
#include "events_csv.h"
#include "events_docker.h"
#include "events_json.h"
#include "events_s3.h"

/* Decode the whole events at the start of the data. `final`: the data ends the export. Returns ME_OK, ME_INVALID or ME_NO_MEMORY. */
static int me_feed(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int outcome;
    d->text_base += d->text_length;
    d->text_length = d->n_runs = d->n_events = 0;
    *consumed = 0;
    if (d->error) return ME_INVALID;
    /* The text is never longer than the input: the newline of an event is shorter than its envelope. */
    if (me_grow((void **)&d->text, &d->text_capacity, n + 2 * ME_BEHIND, 1)) return ME_NO_MEMORY;
    switch (d->format) {
    case ME_JSON: outcome = me_json(d, data, n, final, consumed); break;
    case ME_CSV: outcome = me_csv(d, data, n, final, consumed); break;
    case ME_DOCKER: outcome = me_docker(d, data, n, final, consumed); break;
    case ME_CRI: outcome = me_cri(d, data, n, final, consumed); break;
    default: outcome = me_s3(d, data, n, final, consumed); break;
    }
    d->base += *consumed;
    return outcome;
}

/* Set `at` to the last entry that starts at or before a place. This is a galloping search: it starts at the entry of the previous
   place, and its steps double. Mostly that entry or the next is the one. */
#define ME_SEEK(entries, at, count, place)                                                       \
    do {                                                                                          \
        while (at > 0 && entries[at].out > (place)) at--;                                         \
        int64_t leap = 1;                                                                         \
        while (at + leap < (count) && entries[at + leap].out <= (place)) { at += leap; leap *= 2; } \
        for (leap /= 2; leap; leap /= 2)                                                          \
            if (at + leap < (count) && entries[at + leap].out <= (place)) at += leap;             \
    } while (0)

/* Replace the places of rows in the text by their places in the input. The rows are in order, or nearly. */
static void me_translate(const me_decoder *d, int64_t rows, int64_t *line, int64_t *offset, int64_t *start, int64_t *time,
                         int64_t *stream) {
    int64_t r = 0, v = 0, e = 0;
    const me_run *runs = d->runs;
    const me_event *events = d->events;
    for (int64_t i = 0; i < rows; i++) {
        ME_SEEK(runs, r, d->n_runs, offset[i]);
        v = r;
        ME_SEEK(runs, v, d->n_runs, start[i]);
        ME_SEEK(events, e, d->n_events, offset[i]);
        line[i] += runs[r].in_line - runs[r].out_line;
        offset[i] += runs[r].in - runs[r].out;
        start[i] += runs[v].in - runs[v].out;
        time[i] = events[e].time;
        stream[i] = events[e].stream;
    }
}

static void me_clear(me_decoder *d) {
    for (int kind = 0; kind < ME_KINDS; kind++) {
        free(d->held[kind].text);
        free(d->held[kind].runs);
        free(d->held[kind].events);
    }
    free(d->text);
    free(d->runs);
    free(d->events);
    free(d->streams);
    free(d->names);
    free(d->buckets);
}

#endif

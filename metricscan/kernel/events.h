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
    d->text_length = d->n_runs = d->n_escapes = d->window = d->window_end = 0;
    d->first_line = d->text_line;
    *consumed = 0;
    if (d->error) return ME_INVALID;
    /* The text is never longer than the input: the newline of an event is shorter than its envelope. */
    if (me_grow((void **)&d->text, &d->text_capacity, n + 2 * ME_BEHIND, 1)) return ME_NO_MEMORY;
    /* Runs that are moved as they become more cost some 3 % of the time of a short export. */
    if (me_grow((void **)&d->runs, &d->runs_capacity, n / ME_USUAL_LINE, sizeof(me_run))) return ME_NO_MEMORY;
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

/* Return the number of the last run that starts at or before a place. This is a galloping search: it starts at run number `at`, and its
   steps double. */
static inline int64_t me_run_at(const me_decoder *d, int64_t at, int64_t place) {
    const me_run *const runs = d->runs;
    const int64_t count = d->n_runs;
    int64_t leap = 1;
    for (; at > 0 && runs[at].out > place; leap *= 2) at = at > leap ? at - leap : 0;
    for (leap = 1; at + leap < count && runs[at + leap].out <= place; leap *= 2) at += leap;
    for (leap /= 2; leap; leap /= 2)
        if (at + leap < count && runs[at + leap].out <= place) at += leap;
    return at;
}

/* Return how many escapes of a run lie before a place that lies in it. */
static inline int64_t me_escapes_before(const me_decoder *d, const me_run *run, int64_t place) {
    int64_t low = run->escape, high = low, leap = 1;
    for (; high < d->n_escapes && d->escapes[high] < place; leap *= 2) {
        low = high + 1;
        high += leap;
    }
    if (high > d->n_escapes) high = d->n_escapes;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (d->escapes[middle] < place) low = middle + 1;
        else high = middle;
    }
    return low - run->escape;
}

/* Replace the places of rows in the text by their places in the input. The rows are in order, or nearly. Most runs are one line of the
   text, so the number of a row's line tells its run, or nearly: `shift` is what it was wrong by for the row before. A search from the
   run of the row before takes 22 ns a row where one line in ten has rows, this 10. */
static void me_translate(const me_decoder *d, int64_t rows, int64_t *line, int64_t *offset, int64_t *start, int64_t *time,
                         int64_t *stream) {
    int64_t shift = -d->first_line;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t guess = line[i] + shift;
        const int64_t at = me_run_at(d, guess < 0 ? 0 : guess < d->n_runs ? guess : d->n_runs - 1, offset[i]);
        shift = at - line[i];
        const me_run *run = &d->runs[at], *of_value = &d->runs[me_run_at(d, at, start[i])];
        line[i] += run->lines;
        offset[i] += run->in - run->out + me_escapes_before(d, run, offset[i]);
        start[i] += of_value->in - of_value->out + me_escapes_before(d, of_value, start[i]);
        time[i] = run->time;
        stream[i] = run->stream;
    }
}

/* Return the place in the text of a byte of the input, counted from the start of the text, or -1 if it is not part of the text. */
static int64_t me_in_text(const me_decoder *d, int64_t in) {
    const int64_t text_end = d->text_base + d->text_length;
    /* The runs of a message in fragments stand behind those of messages that began later. */
    for (int64_t i = 0; i < d->n_runs; i++) {
        const me_run *run = &d->runs[i];
        const int64_t end = i + 1 < d->n_runs ? run[1].out : text_end;
        int64_t place = run->out + (in - run->in), is_within = 0;
        for (int64_t k = run->escape; k < d->n_escapes && d->escapes[k] < place && d->escapes[k] < end; k++) {
            place--;
            is_within = d->escapes[k] == place; /* the second of two bytes */
        }
        if (run->in <= in && place < end && !is_within) return place - d->text_base;
    }
    return -1;
}

static void me_clear(me_decoder *d) {
    for (int kind = 0; kind < ME_KINDS; kind++) {
        free(d->held[kind].text);
        free(d->held[kind].runs);
        free(d->held[kind].escapes);
    }
    free(d->text);
    free(d->runs);
    free(d->escapes);
    free(d->streams);
    free(d->names);
    free(d->buckets);
}

#endif

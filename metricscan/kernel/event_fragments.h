/* Messages that containers' logs split into fragments: hold the fragments of each stream until the message is whole.

A message is written to the text first, as if it were whole. If it is not, or if fragments before it are held, it moves from the text to
the memory that holds the fragments of its stream. So the fragments of one stream never mix with those of another. */
#ifndef METRICSCAN_EVENT_FRAGMENTS_H
#define METRICSCAN_EVENT_FRAGMENTS_H

#include "event_decoder.h"

/* The state of the text at the start of a message, to which it returns if the message moves. */
typedef struct { int64_t text, text_line, runs, escapes; } me_text_mark;

static inline me_text_mark me_text_mark_of(const me_decoder *d) {
    return (me_text_mark){d->text_length, d->text_line, d->n_runs, d->n_escapes};
}

static inline void me_return_to(me_decoder *d, me_text_mark mark) {
    d->text_length = mark.text;
    d->text_line = mark.text_line;
    d->n_runs = mark.runs;
    d->n_escapes = mark.escapes;
}

/* Move the message that starts at the mark to the held fragments of its stream. Returns ME_OK, ME_INVALID if they become too long, or
   ME_NO_MEMORY. */
static int me_hold(me_decoder *d, me_held *held, me_text_mark mark, int64_t time, int64_t stream, int64_t place) {
    const int64_t length = d->text_length - mark.text, runs = d->n_runs - mark.runs, escapes = d->n_escapes - mark.escapes;
    if (held->n_runs == 0) {
        held->place = d->base + place;
        held->line = d->line;
    }
    if (held->length + length > d->most_held) return ME_INVALID;
    if (me_grow((void **)&held->text, &held->capacity, held->length + length, 1)
        || me_grow((void **)&held->runs, &held->runs_capacity, held->n_runs + runs, sizeof(me_run))
        || me_make_room_for_escapes(&held->escapes, &held->escapes_capacity, held->n_escapes + escapes))
        return ME_NO_MEMORY;
    held->fragments++;
    for (int64_t i = 0; i < runs; i++) {
        me_run run = d->runs[mark.runs + i];
        run.out += held->length - mark.text - d->text_base;
        run.lines += mark.text_line - held->lines;
        run.time = time;
        run.stream = (int32_t)stream;
        run.escape += (uint32_t)(held->n_escapes - mark.escapes);
        held->runs[held->n_runs++] = run;
    }
    for (int64_t i = 0; i < escapes; i++)
        held->escapes[held->n_escapes++] = d->escapes[mark.escapes + i] - mark.text - d->text_base + held->length;
    memcpy(held->text + held->length, d->text + mark.text, (size_t)length);
    held->length += length;
    held->lines += d->text_line - mark.text_line;
    me_return_to(d, mark);
    return ME_OK;
}

/* Append the held fragments of a stream to the text. `room`: bytes that must fit behind them. Returns ME_OK or ME_NO_MEMORY. */
static int me_release(me_decoder *d, me_held *held, int64_t room) {
    const int64_t out = d->text_base + d->text_length, since = d->text_length;
    if (me_grow((void **)&d->text, &d->text_capacity, d->text_length + held->length + room + 2 * ME_BEHIND, 1)
        || me_grow((void **)&d->runs, &d->runs_capacity, d->n_runs + held->n_runs, sizeof(me_run))
        || me_make_room_for_escapes(&d->escapes, &d->escapes_capacity, d->n_escapes + held->n_escapes))
        return ME_NO_MEMORY;
    for (int64_t i = 0; i < held->n_runs; i++) {
        me_run run = held->runs[i];
        run.out += out;
        run.lines -= d->text_line;
        run.escape += (uint32_t)d->n_escapes;
        d->runs[d->n_runs++] = run;
        me_widen_span(&d->streams[run.stream], run.time);
    }
    d->streams[held->runs[0].stream].count += held->fragments;
    for (int64_t i = 0; i < held->n_escapes; i++) d->escapes[d->n_escapes + i] = held->escapes[i] + out;
    d->n_escapes += held->n_escapes;
    memcpy(d->text + d->text_length, held->text, (size_t)held->length);
    d->text_length += held->length;
    d->text_line += held->lines;
    me_end_message(d, since);
    held->length = held->lines = held->n_runs = held->n_escapes = held->fragments = 0;
    if (held->capacity > ME_KEPT_HELD) {
        free(held->text);
        held->text = NULL;
        held->capacity = 0;
    }
    return ME_OK;
}

/* Take the message that starts at the mark. `is_whole`: it ends here. `room`: as for me_release. Returns what me_hold does. */
static inline int me_take_fragment(me_decoder *d, int kind, me_text_mark mark, int64_t time, int is_whole, int64_t place,
                                int64_t room) {
    me_held *held = &d->held[kind];
    int64_t stream = d->container_streams[kind];
    if (stream == 0 && kind != ME_UNNAMED) {
        stream = me_stream_of(d, (const uint8_t *)(kind == ME_STDOUT ? "stdout" : "stderr"), 6);
        if (stream < 0) return ME_NO_MEMORY;
        d->container_streams[kind] = stream;
    }
    if (is_whole && held->n_runs == 0) {
        me_event_ends(d, mark.runs, time, stream);
        me_end_message(d, mark.text);
        return ME_OK;
    }
    if (held->n_runs < 0) {
        /* The message was given up; it ends with its last fragment. */
        if (is_whole) held->n_runs = 0;
        me_return_to(d, mark);
        return ME_OK;
    }
    if (d->text_length == mark.text && !is_whole) {
        /* An empty fragment adds nothing. */
        me_return_to(d, mark);
        return ME_OK;
    }
    int outcome = me_hold(d, held, mark, time, stream, place);
    return outcome == ME_OK && is_whole ? me_release(d, held, room) : outcome;
}

/* Return the place in the input from which on a decoder that begins there holds the same fragments, and its line. */
static int64_t me_resume_at(const me_decoder *d, int64_t *line) {
    int64_t place = d->base;
    *line = d->line;
    for (int kind = 0; kind < ME_KINDS; kind++)
        if (d->held[kind].n_runs > 0 && d->held[kind].place < place) {
            place = d->held[kind].place;
            *line = d->held[kind].line;
        }
    return place;
}

/* Forget the text of the last call, as if its events gave none. */
static void me_drop_text(me_decoder *d) {
    d->text_length = d->n_runs = d->n_escapes = 0;
    d->text_line = d->first_line;
}

/* Go on behind bytes that are no event. Messages of which fragments are held are given up: one of these may be lost. */
static void me_pass_over(me_decoder *d, int64_t size, int64_t lines) {
    for (int kind = 0; kind < ME_KINDS; kind++) {
        me_held *held = &d->held[kind];
        if (held->n_runs > 0) {
            held->length = held->lines = held->n_escapes = held->fragments = 0;
            held->n_runs = -1;
        }
    }
    d->error = NULL;
    d->base += size;
    d->line += lines;
}

/* Whether a message whose last fragment is missing goes on elsewhere. CRI says so; Docker fills all fragments but the last. */
static int me_goes_on(const me_decoder *d, const me_held *held) {
    return d->format == ME_CRI || held->length % ME_DOCKER_FRAGMENT == 0;
}

/* Drop the last record of a held message: it is cut off. Records before it ended with a line end that is part of the message. */
static void me_cut_off(me_decoder *d, me_held *held) {
    int64_t n = held->length;
    while (n && held->text[n - 1] != '\r' && held->text[n - 1] != '\n') n--;
    d->cut_off++;
    held->length = n;
    while (held->n_runs && held->runs[held->n_runs - 1].out >= n) held->n_runs--;
    while (held->n_escapes && held->escapes[held->n_escapes - 1] >= n) held->n_escapes--;
}

/* At the end of the input: append the messages whose last fragment is missing, in the order of their first fragments. Of those that go on
   elsewhere, the last record is dropped, unless they are to be handed over to the decoder of the input in which they go on. */
static int me_release_all(me_decoder *d) {
    for (;;) {
        me_held *first = NULL;
        for (int kind = 0; kind < ME_KINDS; kind++) {
            me_held *held = &d->held[kind];
            if (held->n_runs <= 0 || (d->goes_on && me_goes_on(d, held))) continue;
            if (first == NULL || held->place < first->place) first = held;
        }
        if (first == NULL) return ME_OK;
        if (me_goes_on(d, first)) me_cut_off(d, first);
        if (first->n_runs && me_release(d, first, 0)) return ME_NO_MEMORY;
    }
}

/* Take over the messages that another decoder holds at the end of its input, which goes on at the start of this one. Places in that input
   are counted back from there: they are negative here. Returns ME_OK or ME_NO_MEMORY. */
static int me_take_over(me_decoder *d, me_decoder *before) {
    for (int kind = 0; kind < ME_KINDS; kind++) {
        me_held *held = &before->held[kind];
        if (held->n_runs == 0) continue;
        int64_t stream = 0;
        if (kind != ME_UNNAMED) {
            stream = me_stream_of(d, (const uint8_t *)(kind == ME_STDOUT ? "stdout" : "stderr"), 6);
            if (stream < 0) return ME_NO_MEMORY;
            d->container_streams[kind] = stream;
        }
        held->place -= before->base;
        held->line -= before->line - 1;
        for (int64_t i = 0; i < held->n_runs; i++) {
            held->runs[i].in -= before->base;
            held->runs[i].lines -= before->line - 1;
            held->runs[i].stream = (int32_t)stream;
        }
        d->held[kind] = *held;
        memset(held, 0, sizeof *held);
    }
    return ME_OK;
}

/* Return the place of the first fragment of the messages that are held or given up, INT64_MAX if none is. */
static int64_t me_held_from(const me_decoder *d) {
    int64_t first = INT64_MAX;
    for (int kind = 0; kind < ME_KINDS; kind++)
        if (d->held[kind].n_runs != 0 && d->held[kind].place < first) first = d->held[kind].place;
    return first;
}

static const char *const ME_TOO_LONG = "a message in fragments that is too long to be held";

#endif

/* The decoders of all formats share this: their state, the list of runs that maps the text to the input, and the table of streams.

The text consists of the events' messages, each ended by a newline. Positions are absolute: they count from the start of the export,
or from the start of the whole text. A run is a piece of the text that is a copy of bytes of the input, except for escapes: bytes of
the text that stand for two bytes of the input. A position within a run maps to the run's start in the input plus the distance, plus
one for each escape before it. */
#ifndef METRICSCAN_EVENT_DECODER_H
#define METRICSCAN_EVENT_DECODER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "simd_levels.h"

#define ME_NO_TIME INT64_MIN
#define ME_MOST_DEPTH 64
#define ME_MOST_ENVELOPE 1024
/* A decoder may read this many bytes past the data that it takes, and write this many past the text. */
#define ME_BEHIND 128
#define ME_WINDOW 4096
/* There is room for a run for each so many bytes before a piece is decoded. */
#define ME_USUAL_LINE 128
/* The most bytes of a message in fragments that a stream holds, and how much of that memory it keeps for the next such message. */
#define ME_MOST_HELD (64LL << 20)
#define ME_KEPT_HELD (1LL << 20)
/* Docker splits a message into fragments of so many bytes, and the rest. */
#define ME_DOCKER_FRAGMENT 16384
/* The last millisecond of the year 9999, and the first of the year 1. */
#define ME_LAST_MS 253402300799999LL
#define ME_FIRST_MS (-62135596800000LL)

/* A run: its start in the text (out) and in the input (in); how many more lines lie before it in the input than in the text; the
   time of its event in microseconds since the epoch, or ME_NO_TIME; the number of the event's stream, and of the first escape that does
   not lie before it. */
typedef struct { int64_t out, in, lines, time; int32_t stream; uint32_t escape; } me_run;
/* A stream: its first and last time, the number of its events, and its name. */
typedef struct { int64_t first, last, count; int64_t name_at, name_length; uint64_t hash; } me_stream;

enum { ME_JSON, ME_CSV, ME_S3, ME_DOCKER, ME_CRI };
/* The streams of a container's log. */
enum { ME_UNNAMED, ME_STDOUT, ME_STDERR, ME_KINDS };
/* The JSON token that is expected next. */
enum { ME_DOCUMENT, ME_VALUE, ME_VALUE_OR_END, ME_KEY, ME_KEY_OR_END, ME_COLON, ME_NEXT };
/* The kinds of keys in an event. */
enum { ME_OTHER, ME_MESSAGE, ME_TIMESTAMP, ME_STREAM, ME_PAYLOAD_STREAM, ME_PAYLOAD_TYPE, ME_FIELD };
/* The results of a call. */
enum { ME_OK = 0, ME_INVALID = 2, ME_NO_MEMORY = 3 };

/* A template: the bytes between the messages of two events. Between most other messages stand the same bytes, except for digits. Places
   are relative to its start. A byte fits place i if it is one of the more[i] + 1 values from low[i] on. */
typedef struct {
    uint8_t low[ME_MOST_ENVELOPE + 64], more[ME_MOST_ENVELOPE + 64];
    int64_t length, brace, brace_lines, lines; /* where the event's brace stands; the newlines before it; all newlines */
    int64_t time, time_length, stream, stream_length; /* where the time and the stream name stand; 0: there is none */
    int time_is_ms; /* the time has thirteen digits */
} me_envelope;

/* The fragments of a message that is not whole, with places that count from its start; `place`, `line`: where the event of the first stands
   in the input. */
typedef struct {
    uint8_t *text;
    int64_t length, capacity, lines, place, line;
    me_run *runs;
    int64_t n_runs, runs_capacity;
    int64_t *escapes;
    int64_t n_escapes, escapes_capacity;
    int64_t fragments;
} me_held;

typedef struct {
    int format;
    int level;
    int64_t columns, time_column, message_column, stream_column; /* CSV: the number of columns, and the index of each of these, or -1 */

    uint8_t *text;
    int64_t text_length, text_capacity, text_base, text_line, first_line; /* first_line: the text_line at the start of the text */
    me_run *runs;
    int64_t n_runs, runs_capacity;
    int64_t *escapes; /* the places of escapes in the text */
    int64_t n_escapes, escapes_capacity;
    me_stream *streams; /* the first one holds the events that name no stream */
    int64_t n_streams, streams_capacity;
    uint8_t *names;
    int64_t names_length, names_capacity;
    int32_t *buckets;
    int64_t n_buckets;
    int64_t same_stream, other_stream;  /* the stream of the last event, and the stream before it */

    int64_t base, line; /* the offset in the input of the first byte that was not consumed, and the newlines before it */
    /* JSON: the token that is expected next; how many brackets are open; whether the innermost one is an object that may be an event;
       whether that object has a message; the last key */
    int expect, depth, candidate, has_message, key;
    uint8_t stack[ME_MOST_DEPTH];  /* the open brackets, '{' or '[' */
    int64_t time, stream;
    /* JSON: the stream that the outermost object names; whether it has held events; whether these are of the service itself */
    int64_t payload_stream;
    int has_events, is_control;
    /* JSON and CSV: events that are dropped because they are invalid; where and why the first one is. JSON: those without a message */
    int64_t bad, bad_at, without_message;
    const char *bad_because;
    int has_event;   /* S3: a line with a time was read; lines without a time belong to its event. Docker: an event was read */
    int has_unnamed; /* Docker: whether it names no stream */
    /* caches: the last date up to its minute, the last time in milliseconds without its last three digits, and the microseconds of both */
    uint8_t minute[16];
    int64_t minute_micros;
    uint8_t second[10];
    int64_t second_micros;

    me_envelope envelope;

    /* Lines as their writers write them: the newlines in a window of the data, as far as it was searched, and the next one to be used. */
    uint16_t line_ends[ME_WINDOW + 64];
    int64_t window, window_end;
    int n_line_ends, next_line_end;

    me_held held[ME_KINDS]; /* containers' logs: the unfinished message of each stream, and the number of the stream, 0 if it is new */
    int64_t container_streams[ME_KINDS];
    int64_t most_held;
    int goes_on;     /* containers' logs: the input goes on in another, so a message that goes on stays held at its end */
    int64_t cut_off; /* containers' logs: messages whose last fragment is missing though there is one */

    const char *error;
    int64_t error_at;
} me_decoder;

/* An event is dropped. */
static inline void me_drop_event(me_decoder *d, int64_t at, const char *because) {
    if (d->bad++ > 0) return;
    d->bad_at = d->base + at;
    d->bad_because = because;
}

/* Record an error, and jump to the label `invalid`. */
#define ME_FAIL(text, where) do { d->error = (text); error_at = (where); goto invalid; } while (0)

/* Grow an array, by doubling, to at least this many entries. Returns -1 if there is no memory. */
static int me_grow(void **memory, int64_t *capacity, int64_t wanted, size_t size) {
    if (wanted <= *capacity) return 0;
    int64_t room = *capacity ? *capacity : 64;
    while (room < wanted) room *= 2;
    void *more = realloc(*memory, (size_t)room * size);
    if (more == NULL) return -1;
    *memory = more;
    *capacity = room;
    return 0;
}

/* Make room for more escapes. Runs count them with 32 bits. Returns -1 if there is no memory. */
static inline int me_make_room_for_escapes(int64_t **escapes, int64_t *capacity, int64_t wanted) {
    if (wanted <= *capacity) return 0;
    return wanted > UINT32_MAX ? -1 : me_grow((void **)escapes, capacity, wanted, sizeof(int64_t));
}

/* Add a run: the text from here on is a copy of the input from `in` on. Returns -1 if there is no memory. */
static inline int me_run_starts(me_decoder *d, int64_t in, int64_t in_line, int64_t time, int64_t stream) {
    if (d->n_runs == d->runs_capacity && me_grow((void **)&d->runs, &d->runs_capacity, d->n_runs + 1, sizeof(me_run)))
        return -1;
    me_run *run = &d->runs[d->n_runs++];
    run->out = d->text_base + d->text_length;
    run->in = in;
    run->lines = in_line - d->text_line;
    run->time = time;
    run->stream = (int32_t)stream;
    run->escape = (uint32_t)d->n_escapes;
    return 0;
}

/* Add a byte to the text that stands for two bytes of the input. Returns -1 if there is no memory. */
static inline int me_put_escape(me_decoder *d, uint8_t byte) {
    if (me_make_room_for_escapes(&d->escapes, &d->escapes_capacity, d->n_escapes + 1)) return -1;
    d->escapes[d->n_escapes++] = d->text_base + d->text_length;
    d->text[d->text_length++] = byte;
    return 0;
}

static inline void me_widen_span(me_stream *stream, int64_t time) {
    /* Hardly a time is less than the one before it; ME_NO_TIME is less than all. */
    if (time > stream->last) {
        stream->last = time;
        if (stream->first == ME_NO_TIME) stream->first = time;
    } else if (time < stream->first && time != ME_NO_TIME) {
        stream->first = time;
    }
}

static inline void me_count_event(me_decoder *d, int64_t time, int64_t stream) {
    d->streams[stream].count++;
    me_widen_span(&d->streams[stream], time);
}

/* The runs from number `first` on are those of an event; count it. */
static inline void me_event_ends(me_decoder *d, int64_t first, int64_t time, int64_t stream) {
    for (int64_t i = first; i < d->n_runs; i++) {
        d->runs[i].time = time;
        d->runs[i].stream = (int32_t)stream;
    }
    me_count_event(d, time, stream);
}

/* End a message with a newline, unless its own last character is one. `since` is where the message starts in the text. */
static inline void me_end_message(me_decoder *d, int64_t since) {
    if (d->text_length == since || d->text[d->text_length - 1] != '\n') {
        d->text[d->text_length++] = '\n';
        d->text_line++;
    }
}

/* ---- streams by name */

/* Return whether two names are equal. It is inline because a call of memcmp costs more than the comparison of a name. */
static inline int me_same(const uint8_t *one, const uint8_t *other, int64_t length) {
    uint64_t a, b, differ = 0;
    if (length < 8) {
        for (int64_t i = 0; i < length; i++)
            if (one[i] != other[i]) return 0;
        return 1;
    }
    for (int64_t i = 0; i + 8 < length; i += 8) {
        memcpy(&a, one + i, 8);
        memcpy(&b, other + i, 8);
        differ |= a ^ b;
    }
    memcpy(&a, one + length - 8, 8);
    memcpy(&b, other + length - 8, 8);
    return !(differ | (a ^ b));
}

static inline int me_is_stream(const me_decoder *d, int64_t stream, const uint8_t *name, int64_t length) {
    const me_stream *one = &d->streams[stream];
    return stream && one->name_length == length && me_same(d->names + one->name_at, name, length);
}

static int64_t me_hashed_stream_of(me_decoder *d, const uint8_t *name, int64_t length);

/* Return the number of the stream with this name; a new name gets a new number. The two streams used last are tried before the hash table.
   Returns -1 if there is no memory. */
static inline int64_t me_stream_of(me_decoder *d, const uint8_t *name, int64_t length) {
    if (me_is_stream(d, d->same_stream, name, length)) return d->same_stream;
    int64_t stream = me_is_stream(d, d->other_stream, name, length) ? d->other_stream : me_hashed_stream_of(d, name, length);
    if (stream < 0) return -1;
    d->other_stream = d->same_stream;
    return d->same_stream = stream;
}

static int64_t me_hashed_stream_of(me_decoder *d, const uint8_t *name, int64_t length) {
    me_stream *one;
    uint64_t hash = 1469598103934665603ULL, word;
    int64_t i = 0;
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, name + i, 8);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 32;
    }
    for (; i < length; i++) hash = (hash ^ name[i]) * 1099511628211ULL;
    hash ^= hash >> 32;
    if (d->n_streams * 2 >= d->n_buckets) {
        int64_t room = d->n_buckets ? d->n_buckets * 4 : 64;
        int32_t *buckets = calloc((size_t)room, sizeof(int32_t));
        if (buckets == NULL) return -1;
        for (int64_t s = 1; s < d->n_streams; s++) {
            uint64_t at = d->streams[s].hash & (uint64_t)(room - 1);
            while (buckets[at]) at = (at + 1) & (uint64_t)(room - 1);
            buckets[at] = (int32_t)s;
        }
        free(d->buckets);
        d->buckets = buckets;
        d->n_buckets = room;
    }
    uint64_t at = hash & (uint64_t)(d->n_buckets - 1);
    for (; d->buckets[at]; at = (at + 1) & (uint64_t)(d->n_buckets - 1)) {
        one = &d->streams[d->buckets[at]];
        if (one->hash == hash && me_is_stream(d, d->buckets[at], name, length)) return d->buckets[at];
    }
    if (me_grow((void **)&d->streams, &d->streams_capacity, d->n_streams + 1, sizeof(me_stream))) return -1;
    if (me_grow((void **)&d->names, &d->names_capacity, d->names_length + length, 1)) return -1;
    one = &d->streams[d->n_streams];
    one->first = one->last = ME_NO_TIME;
    one->count = 0;
    one->name_at = d->names_length;
    one->name_length = length;
    one->hash = hash;
    /* The first name may be empty: then there is no memory for names yet. */
    if (length) memcpy(d->names + d->names_length, name, (size_t)length);
    d->names_length += length;
    d->buckets[at] = (int32_t)d->n_streams;
    return d->n_streams++;
}

#endif

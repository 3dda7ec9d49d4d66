/* The decoder of Docker's json-file: JSON objects with the keys log, stream, time and attrs. A message without a newline at its end
   goes on in the next object of its stream. */
#ifndef METRICSCAN_EVENTS_DOCKER_H
#define METRICSCAN_EVENTS_DOCKER_H

#include "event_decoder.h"
#include "event_fragments.h"
#include "event_lines.h"
#include "event_text.h"
#include "event_times.h"
#include "events_json.h"

/* An object that is read: its message, and what it says of it. */
typedef struct { int64_t time; int kind, has_message; const char *error; int64_t error_at; } me_entry;

/* Read an object as Docker writes it. Returns the place behind it, 0 if it is written otherwise, or ME_NO_ROOM. The text up to here
   may be overwritten. */
static inline int64_t me_usual_entry(me_decoder *d, const uint8_t *data, int64_t at, int64_t n, int64_t line, me_entry *entry) {
    if (n - at < 8 + ME_BEHIND || memcmp(data + at, "{\"log\":\"", 8)) return 0;
    at += 8;
    if (me_run_starts(d, d->base + at, line, ME_NO_TIME, 0)) return ME_NO_ROOM;
    int64_t stop = me_copy(d, d->text + d->text_length, data, at, n, ME_IN_STRING);
    d->text_length += stop - at;
    if (n - stop < ME_BEHIND) return 0;
    if (data[stop] == '\\' && data[stop + 1] == 'n' && data[stop + 2] == '"') {
        d->text[d->text_length++] = '\n';
        d->text_line++;
        stop += 3;
    } else {
        stop = me_take_string(d, data, stop, n, line);
        if (stop == ME_NO_ROOM) return stop;
        if (stop < 0) return 0;
    }
    if (n - stop < 27 + ME_BEHIND || memcmp(data + stop, ",\"stream\":\"std", 14)
        || memcmp(data + stop + 17, "\",\"time\":\"", 10))
        return 0;
    if (!memcmp(data + stop + 14, "out", 3)) entry->kind = ME_STDOUT;
    else if (!memcmp(data + stop + 14, "err", 3)) entry->kind = ME_STDERR;
    else return 0;
    stop += 27;
    const int64_t length = me_moment(d, data + stop, n - stop, &entry->time);
    stop += length;
    if (!length || n - stop < 2 || data[stop] != '"' || data[stop + 1] != '}') return 0;
    entry->has_message = 1;
    return stop + 2;
}

/* Read an object with its keys in any order. Returns the place behind it, ME_UNFINISHED, ME_NO_ROOM, or ME_NO_STRING with an error. */
static int64_t me_any_entry(me_decoder *d, const uint8_t *data, int64_t at, int64_t n, int64_t *line, me_entry *entry) {
#define ME_WRONG(text, where) do { entry->error = (text); entry->error_at = (where); return ME_NO_STRING; } while (0)
    int64_t key, stop;
    int length;
    if (data[at] != '{') ME_WRONG("a JSON object was expected", at);
    at++;
    for (int first = 1;; first = 0) {
        at = me_blanks(d->level, data, at, n, line);
        if (at >= n) return ME_UNFINISHED;
        if (data[at] == '}' && first) return at + 1;
        if (!first) {
            if (data[at] == '}') return at + 1;
            if (data[at] != ',') ME_WRONG("a comma was expected", at);
            at = me_blanks(d->level, data, at + 1, n, line);
            if (at >= n) return ME_UNFINISHED;
        }
        if (data[at] != '"') ME_WRONG("a key was expected", at);
        key = at + 1;
        stop = me_skip_string(d->level, data, key, n);
        if (stop == ME_UNFINISHED) return stop;
        if (stop == ME_NO_STRING) ME_WRONG("a control character in a string", at);
        length = (int)(stop - 1 - key > 100 ? 100 : stop - 1 - key);
        at = me_blanks(d->level, data, stop, n, line);
        if (at >= n) return ME_UNFINISHED;
        if (data[at] != ':') ME_WRONG("a colon was expected", at);
        at = me_blanks(d->level, data, at + 1, n, line);
        if (at >= n) return ME_UNFINISHED;
        if (length == 5 && !memcmp(data + key, "attrs", 5)) {
            if (data[at] != '{') ME_WRONG("attrs that are no object", at);
            stop = me_skip_nested(d->level, data, at, n, line, 0);
            if (stop == ME_UNFINISHED) return stop;
            if (stop == ME_NO_STRING) ME_WRONG("no JSON value", at);
            at = stop;
            continue;
        }
        const int is_log = length == 3 && !memcmp(data + key, "log", 3);
        const int is_time = length == 4 && !memcmp(data + key, "time", 4);
        if (!is_log && !is_time && !(length == 6 && !memcmp(data + key, "stream", 6)))
            ME_WRONG("a key that is none of log, stream, time and attrs", key - 1);
        if (data[at] != '"') ME_WRONG(is_log ? "a message that is no string" : "no string", at);
        const int64_t start = at + 1;
        if (is_log) {
            if (entry->has_message) ME_WRONG("two messages in one event", at);
            if (me_run_starts(d, d->base + start, *line, ME_NO_TIME, 0)) return ME_NO_ROOM;
            stop = me_take_string(d, data, start, n, *line);
            if (stop == ME_NO_ROOM) return stop;
            entry->has_message = 1;
        } else {
            stop = me_skip_string(d->level, data, start, n);
        }
        if (stop == ME_UNFINISHED) return stop;
        if (stop == ME_NO_STRING) ME_WRONG("a control character or an unknown escape in a string", at);
        if (is_time) {
            const int64_t time_length = me_moment(d, data + start, stop - 1 - start, &entry->time);
            if (!time_length || time_length != stop - 1 - start)
                ME_WRONG("a time that is no time", at);
        } else if (!is_log) {
            if (stop - 1 - start != 6) ME_WRONG("a stream that is neither stdout nor stderr", at);
            if (!memcmp(data + start, "stdout", 6)) entry->kind = ME_STDOUT;
            else if (!memcmp(data + start, "stderr", 6)) entry->kind = ME_STDERR;
            else ME_WRONG("a stream that is neither stdout nor stderr", at);
        }
        at = stop;
    }
#undef ME_WRONG
}

static int me_docker(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0, line = d->line;
    for (;;) {
        at = me_blanks(d->level, data, at, n, &line);
        d->line = line;
        ME_READ_LINES(me_docker, d, data, at, n);
        if (d->line != line) {
            line = d->line;
            continue;
        }
        *consumed = at;
        if (at >= n) break;
        const me_text_mark mark = me_text_mark_of(d);
        me_entry entry = {ME_NO_TIME, ME_UNNAMED, 0, NULL, at};
        int64_t stop = me_usual_entry(d, data, at, n, line, &entry);
        if (stop == 0) {
            me_return_to(d, mark);
            entry = (me_entry){ME_NO_TIME, ME_UNNAMED, 0, NULL, at};
            stop = me_any_entry(d, data, at, n, &line, &entry);
        }
        if (stop == ME_NO_ROOM) return ME_NO_MEMORY;
        if (stop < 0) {
            me_return_to(d, mark);
            if (stop == ME_UNFINISHED) {
                if (!final) return ME_OK;
                entry.error = "the log ends within an event";
                entry.error_at = at;
            }
            d->error = entry.error;
            d->error_at = d->base + entry.error_at;
            break;
        }
        if (entry.has_message && d->text_length > mark.text) {
            if (d->has_event && d->has_unnamed != (entry.kind == ME_UNNAMED)) {
                me_return_to(d, mark);
                d->error = "an event without a stream beside events with one";
                d->error_at = d->base + at;
                break;
            }
            d->has_event = 1;
            d->has_unnamed = entry.kind == ME_UNNAMED;
            const int is_whole = d->text[d->text_length - 1] == '\n';
            const int outcome = me_take_fragment(d, entry.kind, mark, entry.time, is_whole, at, n);
            if (outcome == ME_NO_MEMORY) return outcome;
            if (outcome == ME_INVALID) {
                me_return_to(d, mark);
                d->error = ME_TOO_LONG;
                d->error_at = d->base + at;
                break;
            }
        } else {
            me_return_to(d, mark);
        }
        at = stop;
    }
    if (final && d->error == NULL && me_release_all(d)) return ME_NO_MEMORY;
    return d->error ? ME_INVALID : ME_OK;
}

#endif

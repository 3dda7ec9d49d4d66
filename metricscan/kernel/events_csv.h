/* The CSV decoder: each row is an event. */
#ifndef METRICSCAN_EVENTS_CSV_H
#define METRICSCAN_EVENTS_CSV_H

#include "event_decoder.h"
#include "event_escapes.h"
#include "event_lines.h"
#include "event_text.h"
#include "event_times.h"

/* The first quotation mark from `at` on, or -1; the newlines before it are counted. The bytes before it are copied, and up to 15
   bytes behind it. */
static inline int64_t me_quote(int level, uint8_t *to, const uint8_t *data, int64_t at, int64_t end, int64_t *lines) {
    for (;;) {
        int64_t stop = me_copy_short(level, to, data, at, end, ME_IN_QUOTES);
        if (stop >= end) return -1;
        if (data[stop] == '"') return stop;
        to += stop - at;
        *to++ = '\n';
        ++*lines;
        at = stop + 1;
    }
}

/* A quoted field that is longer has no closing quotation mark. As many bytes as a record may have. */
#ifdef MS_SMALL
#define ME_LONGEST_FIELD (1 << 12)
#else
#define ME_LONGEST_FIELD (1 << 26)
#endif

static const char ME_OPEN_QUOTE[] = "a quotation mark without an end";

/* Return the first line behind `at`, before `end`, that begins as a row of an export, with 13 digits and a comma or a date; -1 if none
   does. *lines: the line of `row`, a place before `at`; gets that of the place that is returned. It is looked for where a quoted field has no
   end: other lines of a message that was cut off are not taken for a row. */
__attribute__((noinline, cold)) static int64_t me_next_row(const uint8_t *data, int64_t row, int64_t at, int64_t end, int64_t *lines) {
    int64_t newlines = 0, value;
    for (int64_t i = row; i < at; i++) newlines += data[i] == '\n';
    for (;;) {
        const uint8_t *const newline = (const uint8_t *)memchr(data + at, '\n', (size_t)(end - at));
        if (newline == NULL) return -1;
        at = newline + 1 - data;
        newlines++;
        if (end - at > 13
            && ((data[at + 13] == ',' && me_are_thirteen_digits(data + at))
                || (me_digits(data + at, 4, &value) && data[at + 4] == '-' && me_digits(data + at + 5, 2, &value) && data[at + 7] == '-'))) {
            *lines += newlines;
            return at;
        }
    }
}

static int me_csv(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0, line = d->line, error_at = 0;
    int64_t row = 0, row_line = line, safe_text = 0, safe_text_line = 0, safe_runs = 0, safe_escapes = 0;
    const int is_console = d->columns == 2 && d->time_column == 0 && d->message_column == 1;
    for (;;) {
        if (is_console) {
            d->line = line;
            ME_READ_LINES(me_csv, d, data, at, n);
            line = d->line;
        }
        if (at >= n) break;
        row = at;
        row_line = line;
        safe_text = d->text_length;
        safe_text_line = d->text_line;
        safe_runs = d->n_runs;
        safe_escapes = d->n_escapes;
        if (data[at] == '\n' || (data[at] == '\r' && at + 1 < n && data[at + 1] == '\n')) {
            at += 1 + (data[at] == '\r');
            line++;
            continue;
        }
        int64_t column = 0, time = ME_NO_TIME, stream = 0, length, start, stop;
        int64_t name_at = -1, name_length = 0, bad_at = -1;
        const char *because = NULL;
        if (is_console && n - at > 14 && data[at + 13] == ',' && me_are_thirteen_digits(data + at)) {
            /* Messages with and without quotation marks take the same path, because the processor cannot predict which comes next. */
            int quoted = data[at + 14] == '"';
            start = at + 14 + quoted;
            stop = me_copy(d, d->text + d->text_length, data, start, n, quoted ? ME_IN_QUOTES : ME_IN_FIELD);
            if (stop + quoted < n && data[stop] == (quoted ? '"' : '\n') && data[stop + quoted] == '\n') {
                const int64_t micros = me_read_thirteen_digits(data + at) * 1000;
                if (me_run_starts(d, d->base + start, line, micros, 0)) return ME_NO_MEMORY;
                me_count_event(d, micros, 0);
                d->text_length += stop - start;
                d->text[d->text_length++] = '\n';
                d->text_line++;
                line++;
                at = stop + quoted + 1;
                continue;
            }
        }
        int has_message = 0, ended = 0;
        while (!ended) {
            int is_message = column == d->message_column;
            int64_t since = d->text_length;
            if (column == d->time_column && n - at > 13 && data[at + 13] == ',' && me_are_thirteen_digits(data + at)) {
                time = me_read_thirteen_digits(data + at) * 1000;
                at += 14;
                column++;
                continue;
            }
            if (at < n && data[at] == '"') {
                const int is_long = n - row > ME_LONGEST_FIELD;
                const int64_t limit = is_long ? row + ME_LONGEST_FIELD : n;
                start = ++at;
                if (is_message && me_run_starts(d, d->base + at, line, ME_NO_TIME, 0)) return ME_NO_MEMORY;
                for (;;) {
#ifdef MS_X86
                    if (is_message && d->level >= MS_AVX512 && (at = me_take_quoted_lines_avx512(d, data, at, limit, &line)) < 0)
                        return ME_NO_MEMORY;
#endif
                    /* If the field is no message, its copy is overwritten. */
                    int64_t lines = 0;
                    stop = me_quote(d->level, d->text + d->text_length, data, at, limit, &lines);
                    if (stop < 0) {
                        if (!final && !is_long) goto more;
                        line = row_line;
                        at = d->time_column == 0 ? me_next_row(data, row, start, limit, &line) : -1;
                        if (at < 0) ME_FAIL(is_long ? ME_OPEN_QUOTE : "the export ends within an event", row);
                        bad_at = start - 1;
                        because = ME_OPEN_QUOTE;
                        goto dropped;
                    }
                    line += lines;
                    if (stop + 1 == n && !final) goto more;
                    /* Two quotation marks stand for one. */
                    int is_text = stop + 1 < n && data[stop + 1] == '"';
                    if (is_message) {
                        d->text_length += stop - at;
                        d->text_line += lines;
                        if (is_text && me_put_escape(d, '"')) return ME_NO_MEMORY;
                    }
                    at = stop + 1 + is_text;
                    if (!is_text) {
                        length = stop - start;
                        break;
                    }
                }
            } else {
                start = at;
                for (;;) {
                    at = me_copy(d, d->text + d->text_length + (at - start), data, at, n, ME_IN_FIELD);
                    /* A carriage return alone ends no row. */
                    if (at + 1 >= n || data[at] != '\r' || data[at + 1] == '\n') break;
                    d->text[d->text_length + (at - start)] = '\r';
                    at++;
                }
                if (at >= n && !final) goto more;
                length = at - start;
                if (is_message) {
                    if (me_run_starts(d, d->base + start, line, ME_NO_TIME, 0)) return ME_NO_MEMORY;
                    d->text_length += length;
                }
            }
            if (is_message) {
                me_end_message(d, since);
                has_message = 1;
            } else if (column == d->time_column) {
                if (!me_time(d, data + start, length, &time) && bad_at < 0) {
                    bad_at = start;
                    because = "a timestamp that is no time";
                }
            } else if (column == d->stream_column) {
                name_at = start;
                name_length = length;
            }
            column++;
            if (at < n && data[at] == '\r' && at + 1 >= n && !final) goto more;
            if (at < n && data[at] != ',' && data[at] != '\n' && !(data[at] == '\r' && (at + 1 >= n || data[at + 1] == '\n'))) {
                /* The row is invalid. If the quotation mark is that of a later row, the row ends before that one, else with its line. */
                int64_t next_line = row_line;
                const int64_t next = d->time_column == 0 ? me_next_row(data, row, start, at, &next_line) : -1;
                if (bad_at < 0) {
                    bad_at = next < 0 ? at : start - 1;
                    because = next < 0 ? "text behind a closing quotation mark" : ME_OPEN_QUOTE;
                }
                if (next >= 0) {
                    at = next;
                    line = next_line;
                    goto dropped;
                }
                const uint8_t *newline = (const uint8_t *)memchr(data + at, '\n', (size_t)(n - at));
                if (newline == NULL && !final) goto more;
                at = newline == NULL ? n : newline - data;
            }
            if (at >= n) {
                ended = 1;
            } else if (data[at] == ',') {
                at++;
            } else if (data[at] == '\n') {
                at++;
                line++;
                ended = 1;
            } else {
                at += 1 + (at + 1 < n);
                line++;
                ended = 1;
            }
        }
        if (bad_at < 0 && (column != d->columns || !has_message)) {
            bad_at = row;
            because = "a row with another number of columns than the header";
        }
        if (bad_at >= 0) {
        dropped:
            me_drop_event(d, bad_at, because);
            d->text_length = safe_text;
            d->text_line = safe_text_line;
            d->n_runs = safe_runs;
            d->n_escapes = safe_escapes;
            continue;
        }
        if (name_at >= 0 && (stream = me_stream_of(d, data + name_at, name_length)) < 0) return ME_NO_MEMORY;
        me_event_ends(d, safe_runs, time, stream);
    }
    d->line = line;
    *consumed = at;
    return ME_OK;
invalid:
    d->error_at = d->base + error_at;
more:
    d->text_length = safe_text;
    d->text_line = safe_text_line;
    d->n_runs = safe_runs;
    d->n_escapes = safe_escapes;
    d->line = row_line;
    *consumed = row;
    return d->error ? ME_INVALID : ME_OK;
}

#endif

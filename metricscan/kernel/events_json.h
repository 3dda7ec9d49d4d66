/* The JSON decoder: an object with a message is an event, wherever it stands in the document. */
#ifndef METRICSCAN_EVENTS_JSON_H
#define METRICSCAN_EVENTS_JSON_H

#include "event_decoder.h"
#include "event_escapes.h"
#include "event_lines.h"
#include "event_text.h"
#include "event_times.h"

/* Return the first byte from `at` on that is not copied as it is: a quotation mark, a backslash or a control character. */
static inline int64_t me_stretch(int level, const uint8_t *data, int64_t at, int64_t end) {
#ifdef MS_X86
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    for (; MS_HAS_BASELINE(level) && at + 16 <= end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + at));
        __m128i found = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)),
            _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        int mask = _mm_movemask_epi8(found);
        if (mask) return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && data[at] != '"' && data[at] != '\\' && data[at] >= 0x20) at++;
    return at;
}

/* Return the first byte from `at` on that is no blank, and count the newlines before it. */
static inline int64_t me_blanks(int level, const uint8_t *data, int64_t at, int64_t end, int64_t *lines) {
    if (at < end && data[at] > ' ') return at;
#ifdef MS_X86
    const __m128i blank = _mm_set1_epi8(' '), newline = _mm_set1_epi8('\n');
    for (; MS_HAS_BASELINE(level) && at + 16 <= end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + at));
        unsigned is_blank = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, blank), bytes));
        unsigned is_newline = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, newline));
        if (is_blank != 0xffff) {
            int length = __builtin_ctz(~is_blank);
            *lines += __builtin_popcount(is_newline & ((1u << length) - 1));
            return at + length;
        }
        *lines += __builtin_popcount(is_newline);
    }
#endif
    for (; at < end && data[at] <= ' '; at++) *lines += data[at] == '\n';
    return at;
}

/* Readers of strings return the place behind the string's end, or one of these. */
enum {
    ME_UNFINISHED = -1, /* the data ends before the string does */
    ME_NO_STRING = -2, /* a control character or an unknown escape */
    ME_NO_ROOM = -3, /* there is no memory */
    ME_BAD_TIME = -4 /* only of an event that is read by its envelope: its timestamp is no time */
};

/* Return the place behind the quotation mark that ends the string, ME_UNFINISHED or ME_NO_STRING. */
static inline int64_t me_skip_string(int level, const uint8_t *data, int64_t at, int64_t end) {
    for (;;) {
        at = me_stretch(level, data, at, end);
        if (at >= end) return ME_UNFINISHED;
        if (data[at] == '"') return at + 1;
        if (data[at] != '\\') return ME_NO_STRING;
        /* A newline behind a backslash would not be counted. */
        if (at + 1 < end && data[at + 1] < 0x20) return ME_NO_STRING;
        at += 2;
        if (at > end) return ME_UNFINISHED;
    }
}

/* A string that holds control characters ends within so many bytes, or it is taken for none. */
#define ME_LONGEST_CONTROLLED (1 << 20)

/* me_skip_string for a string that may hold control characters, although none may. Adds its newlines to *lines. */
static int64_t me_skip_controlled(int level, const uint8_t *data, int64_t at, int64_t end, int64_t *lines) {
    const int64_t start = at;
    int64_t newlines = 0;
    for (;;) {
        at = me_stretch(level, data, at, end);
        if (at - start > ME_LONGEST_CONTROLLED) return ME_NO_STRING;
        if (at >= end) return ME_UNFINISHED;
        if (data[at] == '"') break;
        if (data[at] == '\\' && ++at >= end) return ME_UNFINISHED;
        newlines += data[at] == '\n';
        at++;
    }
    *lines += newlines;
    return at + 1;
}

/* Return the place behind a JSON object or array, ME_UNFINISHED or ME_NO_STRING. Only strings and brackets are examined; strings may hold
 * control characters if `controlled`. */
static int64_t me_skip_nested(int level, const uint8_t *data, int64_t at, int64_t end, int64_t *lines, int controlled) {
    uint64_t are_objects = 0;
    int depth = 0;
    while (at < end) {
        const uint8_t c = data[at++];
        if (c == '"') {
            const int64_t start = at;
            at = me_skip_string(level, data, start, end);
            if (at == ME_NO_STRING && controlled) at = me_skip_controlled(level, data, start, end, lines);
            if (at < 0) return at;
        } else if (c == '{' || c == '[') {
            if (depth++ == ME_MOST_DEPTH) return ME_NO_STRING;
            are_objects = are_objects << 1 | (c == '{');
        } else if (c == '}' || c == ']') {
            if ((are_objects & 1) != (c == '}')) return ME_NO_STRING;
            are_objects >>= 1;
            if (--depth == 0) return at;
        } else if (c == '\n') {
            ++*lines;
        }
    }
    return ME_UNFINISHED;
}

static int me_hex(const uint8_t *at, uint32_t *value) {
    *value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = at[i], digit;
        if (c >= '0' && c <= '9') digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') digit = (c | 0x20) - 'a' + 10;
        else return 0;
        *value = *value << 4 | digit;
    }
    return 1;
}

static void me_put_character(me_decoder *d, uint32_t c) {
    uint8_t *out = d->text + d->text_length;
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        d->text_length += 1;
    } else if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        d->text_length += 2;
    } else if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        d->text_length += 3;
    } else {
        out[0] = (uint8_t)(0xf0 | c >> 18);
        out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[3] = (uint8_t)(0x80 | (c & 0x3f));
        d->text_length += 4;
    }
}

/* The character that a backslash and this byte stand for; 0: they are no simple escape. */
static const uint8_t ME_UNESCAPED[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f',
                                          ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

/* Append the rest of a string's content to the text. Returns the place behind its end, or any of the above but ME_BAD_TIME. */
static int64_t me_take_string(me_decoder *d, const uint8_t *data, int64_t at, int64_t end, int64_t line) {
    for (;;) {
#ifdef MS_X86
        if (d->level >= MS_AVX512 && (at = me_take_escapes_lines_avx512(d, data, at, end)) < 0) return ME_NO_ROOM;
#endif
        int64_t stop = me_copy_short(d->level, d->text + d->text_length, data, at, end, ME_IN_STRING);
        d->text_length += stop - at;
        at = stop;
        if (at >= end) return ME_UNFINISHED;
        if (data[at] == '"') return at + 1;
        if (data[at] != '\\') return ME_NO_STRING;
        if (at + 2 > end) return ME_UNFINISHED;
        uint32_t c = ME_UNESCAPED[data[at + 1]], low;
        if (c == '\n') {
            d->text[d->text_length++] = '\n';
            d->text_line++;
            at += 2;
            /* Nothing is behind the last newline of a message. */
            if (at < end && data[at] == '"') return at + 1;
        } else if (c) {
            if (me_put_escape(d, (uint8_t)c)) return ME_NO_ROOM;
            at += 2;
            continue;
        } else {
            int64_t length = 6;
            if (data[at + 1] != 'u') return ME_NO_STRING;
            if (at + 6 > end) return ME_UNFINISHED;
            if (!me_hex(data + at + 2, &c)) return ME_NO_STRING;
            if (c >= 0xd800 && c < 0xdc00) {
                if (at + 12 > end) return ME_UNFINISHED;
                if (data[at + 6] == '\\' && data[at + 7] == 'u' && me_hex(data + at + 8, &low) && low >= 0xdc00 && low < 0xe000) {
                    c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
                    length = 12;
                }
            }
            d->text_line += c == '\n';
            me_put_character(d, c);
            at += length;
        }
        if (me_run_starts(d, d->base + at, line, d->time, d->stream)) return ME_NO_ROOM;
    }
}

/* Return the number of the stream that a string names, whatever its spelling; -1 if there is no memory, ME_NO_STRING for an unknown
   escape. */
static int64_t me_spelled_stream(me_decoder *d, const uint8_t *data, int64_t start, int64_t length, int64_t n) {
    if (memchr(data + start, '\\', (size_t)length) == NULL) return me_stream_of(d, data + start, length);
    const int64_t text = d->text_length, text_line = d->text_line, runs = d->n_runs, escapes = d->n_escapes;
    /* The name is spelled out behind the text, and dropped there. */
    const int64_t stop = me_take_string(d, data, start, n, 0);
    const int64_t stream = stop == ME_NO_ROOM ? -1 : stop < 0 ? ME_NO_STRING : me_stream_of(d, d->text + text, d->text_length - text);
    d->text_length = text;
    d->text_line = text_line;
    d->n_runs = runs;
    d->n_escapes = escapes;
    return stream;
}

/* The decoder's state at the last place where everything was whole. It is restored if an event or a token is incomplete. */
typedef struct { int64_t at, line, text, text_line, runs, escapes; int expect, depth, key; } me_mark;

static inline me_mark me_mark_of(const me_decoder *d, int64_t at, int64_t line) {
    return (me_mark){at, line, d->text_length, d->text_line, d->n_runs, d->n_escapes, d->expect, d->depth, d->key};
}

/* Keep an envelope as a template. An envelope fits if it has the same bytes, except that any digit may stand where the template has one. */
static void me_keep_envelope(me_decoder *d, const uint8_t *from, int64_t length) {
    d->envelope.length = length;
    for (int64_t i = 0; i < length; i++) {
        int is_digit = from[i] >= '0' && from[i] <= '9';
        d->envelope.low[i] = is_digit ? '0' : from[i];
        d->envelope.more[i] = is_digit ? 9 : 0;
    }
    memset(d->envelope.low + length, 0, 64);
    memset(d->envelope.more + length, 255, 64);
}

#define ME_AT_LEVEL(name) name##_anywhere
#define ME_LEVEL_TARGET
#define ME_VECTOR_BYTES 16
#include "event_envelopes_loop.h"
#undef ME_AT_LEVEL
#undef ME_LEVEL_TARGET
#undef ME_VECTOR_BYTES
#ifdef MS_X86
#define ME_AT_LEVEL(name) name##_lines_avx2
#define ME_LEVEL_TARGET MS_TARGET(MS_AVX2_TARGET)
#define ME_VECTOR_BYTES 32
#include "event_envelopes_loop.h"
#undef ME_AT_LEVEL
#undef ME_LEVEL_TARGET
#undef ME_VECTOR_BYTES
#define ME_AT_LEVEL(name) name##_lines_avx512
#define ME_LEVEL_TARGET MS_TARGET(MS_AVX512_TARGET)
#define ME_VECTOR_BYTES 64
#include "event_envelopes_loop.h"
#undef ME_AT_LEVEL
#undef ME_LEVEL_TARGET
#undef ME_VECTOR_BYTES
#endif

static inline int64_t me_take_same_envelopes(me_decoder *d, const uint8_t *data, int64_t stop, int64_t n, int64_t *at_line,
                                             int64_t *at_since, me_mark *safe) {
#ifdef MS_X86
    if (d->level >= MS_AVX512) return me_same_envelopes_lines_avx512(d, data, stop, n, at_line, at_since, safe);
    if (d->level >= MS_AVX2) return me_same_envelopes_lines_avx2(d, data, stop, n, at_line, at_since, safe);
#endif
    return me_same_envelopes_anywhere(d, data, stop, n, at_line, at_since, safe);
}

static const char ME_UNKNOWN_ESCAPE[] = "an unknown escape in an event", ME_CONTROLLED[] = "a control character in an event",
                  ME_NO_TIME_THERE[] = "a timestamp that is no time", ME_NO_VALUE[] = "no JSON value",
                  ME_NO_TEXT[] = "a message that is no string", ME_NO_NAME[] = "a stream name that is no string",
                  ME_BESIDE_NESTED[] = "a message beside nested values";

/* Restore the state of a mark, but for its place in the data. */
static inline void me_restore(me_decoder *d, const me_mark *mark) {
    d->text_length = mark->text;
    d->text_line = mark->text_line;
    d->n_runs = mark->runs;
    d->n_escapes = mark->escapes;
    d->expect = mark->expect;
    d->depth = mark->depth;
    d->key = mark->key;
    d->candidate = 0;
}

/* The event that is being read is invalid in this place: it is dropped where it ends. */
#define ME_BAD(text, where) do { if (bad_at < 0) { bad_at = (where); because = (text); } plain = 0; } while (0)

/* Return whether a key is one that an event may have beside its message, its time and its stream. */
static inline int me_is_field(const uint8_t *key, int64_t length) {
    switch (length) {
    case 2: return !memcmp(key, "id", 2);
    case 7: return !memcmp(key, "eventId", 7);
    case 13: return !memcmp(key, "ingestionTime", 13);
    case 15: return !memcmp(key, "extractedFields", 15);
    default: return 0;
    }
}

static int me_json(me_decoder *d, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0, line = d->line, error_at = 0, start, stop, since = 0;
    me_mark safe = me_mark_of(d, at, line);
    /* Where the last message ended, and where the brace, the time and the stream name behind it stand. `plain`: a template can hold
     * them. */
    int64_t end_at = -1, end_line = 0, brace_at = 0, brace_line = 0, time_at = 0, time_length = 0;
    int64_t stream_at = 0, stream_length = 0;
    int64_t digits;
    int plain = 0;
    /* Of the innermost object: where it is invalid, so that it is dropped, or -1, and why; whether its message is null. */
    int64_t bad_at = -1;
    const char *because = ME_UNKNOWN_ESCAPE;
    int is_null = 0;
    for (;;) {
        at = me_blanks(d->level, data, at, n, &line);
        if (!d->candidate) safe = me_mark_of(d, at, line);
        if (at >= n) {
            if (d->expect == ME_DOCUMENT) goto done;
            goto more;
        }
        uint8_t c = data[at];
        switch (d->expect) {
        case ME_COLON:
            if (c != ':') ME_FAIL("a colon was expected", at);
            at++;
            d->expect = ME_VALUE;
            continue;
        case ME_NEXT:
            if (c == ',') {
                at++;
                d->expect = d->stack[d->depth - 1] == '{' ? ME_KEY : ME_VALUE;
                continue;
            }
            if (c != (d->stack[d->depth - 1] == '{' ? '}' : ']')) ME_FAIL("a comma was expected", at);
            goto closing;
        case ME_KEY_OR_END:
            if (c == '}') goto closing;
            /* fall through */
        case ME_KEY:
            if (c != '"') ME_FAIL("a key was expected", at);
            start = at + 1;
            stop = me_skip_string(d->level, data, start, n);
            if (stop == ME_UNFINISHED) goto more;
            if (stop == ME_NO_STRING) ME_FAIL("a control character in a string", at);
            d->key = ME_OTHER;
            if (stop - 1 - start == 7 && !memcmp(data + start, "message", 7)) d->key = ME_MESSAGE;
            else if (stop - 1 - start == 9 && !memcmp(data + start, "timestamp", 9)) d->key = ME_TIMESTAMP;
            else if (stop - 1 - start == 13 && !memcmp(data + start, "logStreamName", 13)) d->key = ME_STREAM;
            else if (stop - 1 - start == 9 && !memcmp(data + start, "logStream", 9)) d->key = ME_PAYLOAD_STREAM;
            else if (stop - 1 - start == 11 && !memcmp(data + start, "messageType", 11)) d->key = ME_PAYLOAD_TYPE;
            else if (me_is_field(data + start, stop - 1 - start)) d->key = ME_FIELD;
            at = stop;
            d->expect = ME_COLON;
            continue;
        case ME_VALUE_OR_END:
            if (c == ']') goto closing;
            break;
        case ME_DOCUMENT:
            if (c != '{' && c != '[') ME_FAIL("a JSON object was expected", at);
            break;
        default:
            break;
        }
        /* A value begins here. */
        if ((c == '{' || c == '[') && d->candidate
            && (d->has_message || d->key == ME_MESSAGE || d->key == ME_TIMESTAMP || d->key == ME_STREAM || d->key == ME_FIELD)) {
            /* It belongs to an event, as the fields do that a subscription's filter has extracted. */
            stop = me_skip_nested(d->level, data, at, n, &line, 1);
            if (stop == ME_UNFINISHED) goto more;
            if (stop < 0) ME_FAIL(ME_NO_VALUE, at);
            if (d->key == ME_MESSAGE) ME_BAD(ME_NO_TEXT, at);
            else if (d->key == ME_TIMESTAMP) ME_BAD(ME_NO_TIME_THERE, at);
            else if (d->key == ME_STREAM) ME_BAD(ME_NO_NAME, at);
            else if (d->key != ME_FIELD) ME_BAD(ME_BESIDE_NESTED, at);
            plain = 0;
            at = stop;
            d->expect = ME_NEXT;
            continue;
        }
        if (c == '{' || c == '[') {
            if (d->depth == ME_MOST_DEPTH) ME_FAIL("nested too deeply", at);
            if (d->candidate) {
                if (bad_at >= 0) me_drop_event(d, bad_at, because);
                /* The object around this value holds nested values, so it is no event. */
                d->candidate = 0;
                safe = me_mark_of(d, at, line);
            }
            if (d->depth == 0) {
                d->payload_stream = 0;
                d->has_events = d->is_control = 0;
            }
            plain = plain && c == '{' && !brace_at;
            brace_at = at;
            brace_line = line;
            time_at = stream_at = 0;
            d->stack[d->depth++] = c;
            d->expect = c == '{' ? ME_KEY_OR_END : ME_VALUE_OR_END;
            if (c == '{') {
                d->candidate = 1;
                d->has_message = 0;
                d->time = ME_NO_TIME;
                d->stream = d->payload_stream;
                since = d->text_length;
                bad_at = -1;
                is_null = 0;
            }
            at++;
            continue;
        }
        int in_object = d->depth && d->stack[d->depth - 1] == '{';
        int key = in_object ? d->key : ME_OTHER;
        if (key == ME_MESSAGE && !d->candidate) {
            /* Before it something nested stands that no event has. */
            stop = c == '"' ? me_skip_string(d->level, data, at + 1, n) : ME_NO_STRING;
            if (stop == ME_UNFINISHED) goto more;
            if (c == '"' && stop == ME_NO_STRING) ME_FAIL(ME_BESIDE_NESTED, at);
            if (stop > 0) {
                me_drop_event(d, at, ME_BESIDE_NESTED);
                at = stop;
                d->expect = ME_NEXT;
                continue;
            }
        }
        if (c == '"') {
            start = at + 1;
            if (key == ME_MESSAGE && d->has_message) {
                ME_BAD("two messages in one event", at);
                key = ME_OTHER;
            }
            if (key == ME_MESSAGE) {
                d->envelope.length = 0;
                if (plain && brace_at && !d->is_control && start - end_at <= ME_MOST_ENVELOPE) {
                    me_keep_envelope(d, data + end_at, start - end_at);
                    d->envelope.brace = brace_at - end_at;
                    d->envelope.brace_lines = brace_line - end_line;
                    d->envelope.lines = line - end_line;
                    d->envelope.time = time_at ? time_at - end_at : 0;
                    d->envelope.time_length = time_length;
                    d->envelope.time_is_ms = time_at && time_length == 13 && me_digits(data + time_at, 13, &digits);
                    d->envelope.stream = stream_at ? stream_at - end_at : 0;
                    d->envelope.stream_length = stream_length;
                }
                if (me_run_starts(d, d->base + start, line, d->time, d->stream)) return ME_NO_MEMORY;
                stop = me_take_string(d, data, start, n, line);
                if (stop == ME_NO_ROOM) return ME_NO_MEMORY;
                if (stop > 0) {
                    me_end_message(d, since);
                    d->has_message = 1;
                    if (d->envelope.length) {
                        stop = me_take_same_envelopes(d, data, stop, n, &line, &since, &safe);
                        if (stop == ME_NO_ROOM) return ME_NO_MEMORY;
                        if (stop == ME_BAD_TIME) {
                            /* The event is read again, token by token, and dropped where it ends. */
                            me_restore(d, &safe);
                            at = safe.at;
                            line = safe.line;
                            plain = 0;
                            continue;
                        }
                        if (stop < 0) at = safe.at - d->envelope.brace + d->envelope.length - 1;
                    }
                    end_at = stop;
                    end_line = line;
                    plain = 1;
                    brace_at = 0;
                }
                if (stop == ME_NO_STRING && (stop = me_skip_string(d->level, data, at + 1, n)) > 0) {
                    /* It is the escape that is unknown: the string ends, and the event is dropped. */
                    ME_BAD(ME_UNKNOWN_ESCAPE, at);
                    d->has_message = 1;
                }
            } else {
                stop = me_skip_string(d->level, data, start, n);
            }
            if (stop == ME_NO_STRING && d->candidate && key != ME_PAYLOAD_STREAM && key != ME_PAYLOAD_TYPE) {
                /* If the string goes on to its end as if the control characters were text, and what follows fits, the event is dropped. */
                ME_BAD(ME_CONTROLLED, at);
                stop = me_skip_controlled(d->level, data, at + 1, n, &line);
                if (stop > 0) {
                    d->has_message = d->has_message || key == ME_MESSAGE;
                    at = stop;
                    d->expect = ME_NEXT;
                    continue;
                }
            }
            if (stop == ME_UNFINISHED) goto more;
            if (stop == ME_NO_STRING) ME_FAIL("a control character or an unknown escape in a string", at);
            if (key == ME_TIMESTAMP && d->candidate) {
                if (!me_time(d, data + start, stop - 1 - start, &d->time)) ME_BAD(ME_NO_TIME_THERE, at);
                plain = plain && brace_at;
                time_at = start;
                time_length = stop - 1 - start;
            }
            if (key == ME_STREAM && d->candidate) {
                if ((d->stream = me_spelled_stream(d, data, start, stop - 1 - start, n)) == -1) return ME_NO_MEMORY;
                if (d->stream < 0) {
                    d->stream = 0;
                    ME_BAD(ME_UNKNOWN_ESCAPE, at);
                }
                plain = plain && brace_at && memchr(data + start, '\\', (size_t)(stop - 1 - start)) == NULL;
                stream_at = start;
                stream_length = stop - 1 - start;
            }
            if (key == ME_PAYLOAD_STREAM && d->depth == 1) {
                if (d->has_events) ME_FAIL("a logStream behind its events", at);
                const int64_t named = me_spelled_stream(d, data, start, stop - 1 - start, n);
                if (named == -1) return ME_NO_MEMORY;
                if (named < 0) ME_FAIL("a control character or an unknown escape in a string", at);
                d->payload_stream = named;
                if (d->candidate) d->stream = d->payload_stream;
                plain = 0;
            }
            if (key == ME_PAYLOAD_TYPE && d->depth == 1)
                d->is_control = stop - 1 - start == 15 && !memcmp(data + start, "CONTROL_MESSAGE", 15);
            at = stop;
        } else {
            for (stop = at; stop < n && (data[stop] > ',' || data[stop] == '+') && data[stop] != ']' && data[stop] != '}'
                            && data[stop] != ':'; stop++) {}
            if (stop == n && !final) goto more;
            if (stop == at) ME_FAIL(ME_NO_VALUE, at);
            if (key == ME_TIMESTAMP && d->candidate) {
                if (!me_time(d, data + at, stop - at, &d->time)) ME_BAD(ME_NO_TIME_THERE, at);
                plain = plain && brace_at;
                time_at = at;
                time_length = stop - at;
            } else if ((key == ME_MESSAGE || (key == ME_STREAM && d->candidate)) && !(stop - at == 4 && !memcmp(data + at, "null", 4))) {
                if (d->candidate) ME_BAD(key == ME_MESSAGE ? ME_NO_TEXT : ME_NO_NAME, at);
                else me_drop_event(d, at, ME_BESIDE_NESTED);
            } else {
                int is_word = (stop - at == 4 && (!memcmp(data + at, "true", 4) || !memcmp(data + at, "null", 4)))
                              || (stop - at == 5 && !memcmp(data + at, "false", 5));
                is_null = is_null || key == ME_MESSAGE;
                if (!is_word) {
                    int64_t digits = 0;
                    int is_number = 1;
                    for (int64_t i = at; i < stop; i++) {
                        if (data[i] >= '0' && data[i] <= '9') digits++;
                        else if (!strchr("+-.eE", data[i])) is_number = 0;
                    }
                    if (!digits || !is_number) {
                        if (!d->candidate) ME_FAIL(ME_NO_VALUE, at);
                        ME_BAD(ME_NO_VALUE, at);
                    }
                }
            }
            at = stop;
        }
        d->expect = ME_NEXT;
        continue;
    closing:
        plain = plain && c == '}' && !brace_at;
        at++;
        d->depth--;
        d->expect = d->depth ? ME_NEXT : ME_DOCUMENT;
        if (c == '}' && d->candidate && !d->has_message && !d->is_control) {
            if (bad_at >= 0) me_drop_event(d, bad_at, because);
            else d->without_message += is_null || d->time != ME_NO_TIME;
        }
        if (c == '}' && d->candidate && d->has_message) {
            if (bad_at >= 0) me_drop_event(d, bad_at, because);
            if (d->is_control || bad_at >= 0) {
                /* The service tells that it can write to its target, which is no event of a log; or the event is dropped. */
                d->text_length = safe.text;
                d->text_line = safe.text_line;
                d->n_runs = safe.runs;
                d->n_escapes = safe.escapes;
            } else {
                me_event_ends(d, safe.runs, d->time, d->stream);
            }
            d->has_events = d->depth > 0;
        }
        d->candidate = 0;
    }
invalid:
    if (d->candidate && bad_at >= 0 && because == ME_CONTROLLED) {
        /* What follows does not fit: the string had no end, as in an event that was cut off. */
        d->error = because;
        error_at = bad_at;
    }
    d->error_at = d->base + error_at;
more:
    me_restore(d, &safe);
    at = safe.at;
    line = safe.line;
    if (d->error == NULL && final) {
        d->error = "the export ends before it is complete";
        d->error_at = d->base + at;
    }
done:
    d->line = line;
    *consumed = at;
    return d->error ? ME_INVALID : ME_OK;
}

#endif

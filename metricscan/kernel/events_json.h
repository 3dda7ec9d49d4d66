/* Exported log events -> plain text, and where each piece of it stood: the envelopes of CloudWatch Logs.

One call takes what has been read so far and consumes whole events only; what is left is given again with more behind
it. The text is the events' messages, each ended by a newline. Positions are absolute: of the input, as it is exported,
and of the text. A run is a stretch of text that stands in the input as it is; a position within a run is its start plus
the distance. */
#ifndef METRICSCAN_EVENTS_H
#define METRICSCAN_EVENTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "levels.h"

#define ME_NO_TIME INT64_MIN
#define ME_MOST_DEPTH 64
#define ME_BETWEEN 1024
/* so far behind what is taken memory may be read, or written */
#define ME_BEHIND 128
/* the last millisecond of the year 9999, and the first of the year 1 */
#define ME_LAST_MS 253402300799999LL
#define ME_FIRST_MS (-62135596800000LL)

typedef struct { int64_t out, in, in_line, out_line; } me_run;
typedef struct { int64_t out, time, stream; } me_event;
typedef struct { int64_t first, last, count; int64_t name_at, name_length; uint64_t hash; } me_stream;

enum { ME_JSON, ME_CSV, ME_S3 };
enum { ME_DOCUMENT, ME_VALUE, ME_VALUE_OR_END, ME_KEY, ME_KEY_OR_END, ME_COLON, ME_NEXT };
enum { ME_OTHER, ME_MESSAGE, ME_TIMESTAMP, ME_STREAM };
enum { ME_OK = 0, ME_MORE = 1, ME_WRONG = 2, ME_MEMORY = 3 };

/* A stretch of text ends at either of two bytes, or at one of the `more` + 1 bytes from `low` on. */
typedef struct { uint8_t one, other, low, more; } me_ends;
static const me_ends ME_IN_STRING = {'"', '\\', 0, 0x1f};  /* controls do not stand in one */
static const me_ends ME_IN_FIELD = {',', '\n', '\r', 0};
static const me_ends ME_IN_QUOTES = {'"', '\n', '\n', 0};
static const me_ends ME_IN_LINE = {'\n', '\n', '\n', 0};

typedef struct {
    int format;
    int level;
    int64_t columns, time_column, message_column, stream_column;  /* CSV */

    uint8_t *text;
    int64_t text_length, text_capacity, text_base, text_line;
    me_run *runs;
    int64_t n_runs, runs_capacity;
    me_event *events;
    int64_t n_events, events_capacity;
    me_stream *streams;  /* [0] is that of events that name none */
    int64_t n_streams, streams_capacity;
    uint8_t *names;
    int64_t names_length, names_capacity;
    int32_t *buckets;
    int64_t n_buckets;
    int64_t same_stream, other_stream;  /* the last one, and the one before it */

    int64_t base, line;  /* of the input: offset of the first byte that was not consumed, newlines before it */
    int expect, depth, candidate, has_message, key;
    uint8_t stack[ME_MOST_DEPTH];  /* '{' or '[' */
    int64_t time, stream;
    int has_event;  /* S3: lines without a time belong to the event before */
    uint8_t minute[16];
    int64_t minute_micros;
    uint8_t second[10];
    int64_t second_micros;

    /* what lay between the messages of two events: most others have the same there, but for digits */
    uint8_t between_low[ME_BETWEEN + 64], between_more[ME_BETWEEN + 64];
    int64_t between_length, between_brace, between_brace_lines, between_lines;
    int64_t between_time, between_time_length, between_stream, between_stream_length;
    int between_ms; /* its time is of thirteen digits */

    const char *error;
    int64_t error_at;
} me_unframer;

/* ---- growing */

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

static inline int me_run_starts(me_unframer *u, int64_t in, int64_t in_line) {
    if (u->n_runs == u->runs_capacity && me_grow((void **)&u->runs, &u->runs_capacity, u->n_runs + 1, sizeof(me_run)))
        return -1;
    me_run *run = &u->runs[u->n_runs++];
    run->out = u->text_base + u->text_length;
    run->in = in;
    run->in_line = in_line;
    run->out_line = u->text_line;
    return 0;
}

static inline int me_event_starts(me_unframer *u, int64_t out, int64_t time, int64_t stream) {
    if (u->n_events == u->events_capacity
        && me_grow((void **)&u->events, &u->events_capacity, u->n_events + 1, sizeof(me_event)))
        return -1;
    me_event *event = &u->events[u->n_events++];
    event->out = out;
    event->time = time;
    event->stream = stream;
    me_stream *of = &u->streams[stream];
    of->count++;
    if (time != ME_NO_TIME) {
        if (of->first == ME_NO_TIME || time < of->first) of->first = time;
        if (of->last == ME_NO_TIME || time > of->last) of->last = time;
    }
    return 0;
}

/* A message's own last newline is its end; without one it is given one. `since` is where the message starts. */
static inline void me_end_message(me_unframer *u, int64_t since) {
    if (u->text_length == since || u->text[u->text_length - 1] != '\n') {
        u->text[u->text_length++] = '\n';
        u->text_line++;
    }
}

/* ---- streams by name */

/* Equality in place: a call of memcmp costs more than the comparison of a name. */
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

static inline int me_is_stream(const me_unframer *u, int64_t stream, const uint8_t *name, int64_t length) {
    const me_stream *one = &u->streams[stream];
    return stream && one->name_length == length && me_same(u->names + one->name_at, name, length);
}

static int64_t me_hashed_stream_of(me_unframer *u, const uint8_t *name, int64_t length);

static inline int64_t me_stream_of(me_unframer *u, const uint8_t *name, int64_t length) {
    if (me_is_stream(u, u->same_stream, name, length)) return u->same_stream;
    int64_t stream = me_is_stream(u, u->other_stream, name, length) ? u->other_stream : me_hashed_stream_of(u, name, length);
    if (stream < 0) return -1;
    u->other_stream = u->same_stream;
    return u->same_stream = stream;
}

static int64_t me_hashed_stream_of(me_unframer *u, const uint8_t *name, int64_t length) {
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
    if (u->n_streams * 2 >= u->n_buckets) {
        int64_t room = u->n_buckets ? u->n_buckets * 4 : 64;
        int32_t *buckets = calloc((size_t)room, sizeof(int32_t));
        if (buckets == NULL) return -1;
        for (int64_t s = 1; s < u->n_streams; s++) {
            uint64_t at = u->streams[s].hash & (uint64_t)(room - 1);
            while (buckets[at]) at = (at + 1) & (uint64_t)(room - 1);
            buckets[at] = (int32_t)s;
        }
        free(u->buckets);
        u->buckets = buckets;
        u->n_buckets = room;
    }
    uint64_t at = hash & (uint64_t)(u->n_buckets - 1);
    for (; u->buckets[at]; at = (at + 1) & (uint64_t)(u->n_buckets - 1)) {
        one = &u->streams[u->buckets[at]];
        if (one->hash == hash && me_is_stream(u, u->buckets[at], name, length)) return u->buckets[at];
    }
    if (me_grow((void **)&u->streams, &u->streams_capacity, u->n_streams + 1, sizeof(me_stream))) return -1;
    if (me_grow((void **)&u->names, &u->names_capacity, u->names_length + length, 1)) return -1;
    one = &u->streams[u->n_streams];
    one->first = one->last = ME_NO_TIME;
    one->count = 0;
    one->name_at = u->names_length;
    one->name_length = length;
    one->hash = hash;
    memcpy(u->names + u->names_length, name, (size_t)length);
    u->names_length += length;
    u->buckets[at] = (int32_t)u->n_streams;
    return u->n_streams++;
}

/* ---- times */

static inline int me_digits(const uint8_t *at, int count, int64_t *number) {
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)at[i] - '0';
        if (digit > 9) return 0;
        value = value * 10 + digit;
    }
    *number = value;
    return 1;
}

static inline int me_are_thirteen(const uint8_t *at) {
    const uint64_t high = 0xF0F0F0F0F0F0F0F0ULL, zeros = 0x3030303030303030ULL, six = 0x0606060606060606ULL;
    uint64_t first, last;
    memcpy(&first, at, 8);
    memcpy(&last, at + 5, 8);
    /* a digit's upper half is 3, and still is when six are added; what may carry into the next byte fails by its own half */
    return (first & high) == zeros && (last & high) == zeros && ((first + six) & high) == zeros && ((last + six) & high) == zeros;
}

/* Thirteen digits. */
static inline int64_t me_thirteen(const uint8_t *at) {
    int64_t value = 0;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* pairs, fours and eights at once: the first eight, and the last five behind three zeros */
    uint64_t part[2];
    memcpy(&part[0], at, 8);
    memcpy(&part[1], at + 5, 8);
    part[0] -= 0x3030303030303030ULL;
    part[1] = (part[1] - 0x3030303030303030ULL) & 0xFFFFFFFFFF000000ULL;
    for (int i = 0; i < 2; i++) {
        uint64_t x = part[i];
        x = (x * 10 + (x >> 8)) & 0x00FF00FF00FF00FFULL;
        x = (x * 100 + (x >> 16)) & 0x0000FFFF0000FFFFULL;
        part[i] = (x * 10000 + (x >> 32)) & 0xFFFFFFFFULL;
    }
    value = (int64_t)(part[0] * 100000 + part[1]);
#else
    for (int i = 0; i < 13; i++) value = value * 10 + (at[i] - '0');
#endif
    return value;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; 0 if there is no such day. */
static int me_days(int64_t year, int64_t month, int64_t day, int64_t *days) {
    static const uint8_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1) return 0;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > length[month - 1] + (leap && month == 2)) return 0;
    int64_t y = year - (month <= 2);
    int64_t era = y / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *days = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
    return 1;
}

/* `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, or with a blank for T and without Z: UTC either way. Returns its length, or 0. */
static int64_t me_date(me_unframer *u, const uint8_t *at, int64_t room, int64_t *micros) {
    int64_t year, month, day, hour, minute, second, days;
    if (room < 19) return 0;
    if (memcmp(u->minute, at, 16)) {
        if (!me_digits(at, 4, &year) || at[4] != '-' || !me_digits(at + 5, 2, &month) || at[7] != '-'
            || !me_digits(at + 8, 2, &day) || (at[10] != 'T' && at[10] != ' ') || !me_digits(at + 11, 2, &hour)
            || at[13] != ':' || !me_digits(at + 14, 2, &minute))
            return 0;
        if (!me_days(year, month, day, &days) || hour > 23 || minute > 59) return 0;
        memcpy(u->minute, at, 16);
        u->minute_micros = (days * 86400 + hour * 3600 + minute * 60) * 1000000;
    }
    if (at[16] != ':' || !me_digits(at + 17, 2, &second) || second > 60) return 0;
    int64_t length = 19, fraction = 0, unit = 100000;
    if (room > 20 && at[19] == '.' && at[20] >= '0' && at[20] <= '9') {
        for (length = 20; length < room && at[length] >= '0' && at[length] <= '9'; length++) {
            fraction += (at[length] - '0') * unit;
            unit /= 10;
        }
    }
    *micros = u->minute_micros + second * 1000000 + fraction;
    if (length < room && at[length] == 'Z') length++;
    return length;
}

/* Milliseconds since the epoch, or a date. */
static int me_time(me_unframer *u, const uint8_t *at, int64_t length, int64_t *micros) {
    int64_t i = 0, value = 0;
    /* in thirteen digits mostly the last three are new */
    if (length == 13 && !memcmp(at, u->second, 10)) {
        if (!me_digits(at + 10, 3, &value)) return 0;
        *micros = u->second_micros + value * 1000;
        return 1;
    }
    int negative = length > 0 && at[0] == '-';
    for (i = negative; i < length && i < 17 && at[i] >= '0' && at[i] <= '9'; i++) value = value * 10 + (at[i] - '0');
    if (i == length && i > negative) {
        if (negative) value = -value;
        if (value > ME_LAST_MS || value < ME_FIRST_MS) return 0;
        *micros = value * 1000;
        if (length == 13 && !negative) {
            memcpy(u->second, at, 10);
            u->second_micros = value / 1000 * 1000000;
        }
        return 1;
    }
    return length > 0 && me_date(u, at, length, micros) == length;
}

/* ---- stretches of text */

/* The first byte from `at` on that ends a stretch. What is passed is copied, the byte that ends it too (of two quotation marks
   the one that is text), and up to 15 bytes behind it. */
static inline int64_t me_copy_short(int level, uint8_t *to, const uint8_t *data, int64_t at, int64_t end, me_ends ends) {
#ifdef MS_X86
    const __m128i one = _mm_set1_epi8((char)ends.one), other = _mm_set1_epi8((char)ends.other);
    const __m128i low = _mm_set1_epi8((char)ends.low), more = _mm_set1_epi8((char)ends.more);
    for (; MS_HAS_BASELINE(level) && at + 16 <= end; at += 16, to += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(data + at));
        _mm_storeu_si128((__m128i *)to, bytes);
        __m128i above = _mm_sub_epi8(bytes, low);
        int mask = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, one), _mm_cmpeq_epi8(bytes, other)),
                                                  _mm_cmpeq_epi8(_mm_min_epu8(above, more), above)));
        if (mask) return at + __builtin_ctz((unsigned)mask);
    }
#endif
    for (; at < end; at++, to++) {
        uint8_t byte = data[at];
        *to = byte;
        if (byte == ends.one || byte == ends.other || (uint8_t)(byte - ends.low) <= ends.more) break;
    }
    return at;
}

#ifdef MS_X86
/* The same; up to ME_BEHIND bytes are copied. Half of all lines are shorter than 80 bytes and hardly one in ten is longer than
   128: to look at as many without a branch guesses no length. */
MS_TARGET(MS_AVX2_TARGET)
static int64_t me_copy_avx2(uint8_t *to, const uint8_t *data, int64_t at, int64_t end, me_ends ends) {
    const __m256i one = _mm256_set1_epi8((char)ends.one), other = _mm256_set1_epi8((char)ends.other);
    const __m256i low = _mm256_set1_epi8((char)ends.low), more = _mm256_set1_epi8((char)ends.more);
    for (; at + ME_BEHIND <= end; at += ME_BEHIND, to += ME_BEHIND) {
        uint64_t found[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(data + at + 32 * i));
            _mm256_storeu_si256((__m256i *)(to + 32 * i), bytes);
            __m256i above = _mm256_sub_epi8(bytes, low);
            found[i] = (uint32_t)_mm256_movemask_epi8(
                _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(bytes, one), _mm256_cmpeq_epi8(bytes, other)),
                                _mm256_cmpeq_epi8(_mm256_min_epu8(above, more), above)));
        }
        uint64_t first = found[0] | found[1] << 32, second = found[2] | found[3] << 32;
        if (first | second) return at + (first ? __builtin_ctzll(first) : 64 + __builtin_ctzll(second));
    }
    return me_copy_short(MS_AVX2, to, data, at, end, ends);
}
#endif

/* As me_copy_short, of a whole line. */
static inline int64_t me_copy(const me_unframer *u, uint8_t *to, const uint8_t *data, int64_t at, int64_t end, me_ends ends) {
#ifdef MS_X86
    if (u->level >= MS_AVX2) return me_copy_avx2(to, data, at, end, ends);
#endif
    return me_copy_short(u->level, to, data, at, end, ends);
}

/* ---- JSON: objects with a message, wherever they stand */

/* The first byte from `at` on that ends a stretch of a string's text: a quotation mark, a backslash, a control. */
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

/* Behind the quotation mark that ends the string; -1: not there yet; -2: no string. */
static inline int64_t me_skip_string(int level, const uint8_t *data, int64_t at, int64_t end) {
    for (;;) {
        at = me_stretch(level, data, at, end);
        if (at >= end) return -1;
        if (data[at] == '"') return at + 1;
        if (data[at] != '\\') return -2;
        at += 2;
        if (at > end) return -1;
    }
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

static void me_put_character(me_unframer *u, uint32_t c) {
    uint8_t *out = u->text + u->text_length;
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        u->text_length += 1;
    } else if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        u->text_length += 2;
    } else if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        u->text_length += 3;
    } else {
        out[0] = (uint8_t)(0xf0 | c >> 18);
        out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[3] = (uint8_t)(0x80 | (c & 0x3f));
        u->text_length += 4;
    }
}

/* What the byte behind a backslash stands for; 0: it needs more than a look. */
static const uint8_t ME_UNESCAPED[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f',
                                          ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

/* The rest of a string's content to the text. Behind its end, -1, -2 as above, or -3: no memory. */
static int64_t me_take_string(me_unframer *u, const uint8_t *data, int64_t at, int64_t end, int64_t line) {
    for (;;) {
        int64_t stop = me_copy_short(u->level, u->text + u->text_length, data, at, end, ME_IN_STRING);
        u->text_length += stop - at;
        at = stop;
        if (at >= end) return -1;
        if (data[at] == '"') return at + 1;
        if (data[at] != '\\') return -2;
        if (at + 2 > end) return -1;
        if (me_run_starts(u, u->base + at, line)) return -3;
        uint32_t c = ME_UNESCAPED[data[at + 1]], low;
        if (c) {
            u->text[u->text_length++] = (uint8_t)c;
            u->text_line += c == '\n';
            at += 2;
        } else {
            int64_t length = 6;
            if (data[at + 1] != 'u') return -2;
            if (at + 6 > end) return -1;
            if (!me_hex(data + at + 2, &c)) return -2;
            if (c >= 0xd800 && c < 0xdc00) {
                if (at + 12 > end) return -1;
                if (data[at + 6] == '\\' && data[at + 7] == 'u' && me_hex(data + at + 8, &low) && low >= 0xdc00 && low < 0xe000) {
                    c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
                    length = 12;
                }
            }
            u->text_line += c == '\n';
            me_put_character(u, c);
            at += length;
        }
        if (me_run_starts(u, u->base + at, line)) return -3;
    }
}

/* Where to go back to if an event, or a token, is not whole. */
typedef struct { int64_t at, line, text, text_line, runs; int expect, depth, key; } me_mark;

static inline me_mark me_mark_of(const me_unframer *u, int64_t at, int64_t line) {
    return (me_mark){at, line, u->text_length, u->text_line, u->n_runs, u->expect, u->depth, u->key};
}

/* Keep an envelope, so that others can be compared with it: of each byte the least that may stand there, and how much more. */
static void me_keep_between(me_unframer *u, const uint8_t *from, int64_t length) {
    u->between_length = length;
    for (int64_t i = 0; i < length; i++) {
        int is_digit = from[i] >= '0' && from[i] <= '9';
        u->between_low[i] = is_digit ? '0' : from[i];
        u->between_more[i] = is_digit ? 9 : 0;
    }
    memset(u->between_low + length, 0, 64);
    memset(u->between_more + length, 255, 64);
}

#ifdef MS_X86
MS_TARGET(MS_AVX2_TARGET)
static int me_alike_avx2(const me_unframer *u, const uint8_t *one) {
    __m256i same = _mm256_set1_epi8(-1);
    for (int64_t i = 0; i < u->between_length; i += 32) {
        __m256i above = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(one + i)),
                                        _mm256_loadu_si256((const __m256i *)(u->between_low + i)));
        __m256i most = _mm256_min_epu8(above, _mm256_loadu_si256((const __m256i *)(u->between_more + i)));
        same = _mm256_and_si256(same, _mm256_cmpeq_epi8(most, above));
    }
    return _mm256_movemask_epi8(same) == -1;
}
#endif

/* Whether an envelope is the kept one but for its digits. It may be read up to ME_BEHIND bytes past its end. */
static inline int me_alike(const me_unframer *u, const uint8_t *one) {
#ifdef MS_X86
    if (u->level >= MS_AVX2) return me_alike_avx2(u, one);
    if (MS_HAS_BASELINE(u->level)) {
        __m128i same = _mm_set1_epi8(-1);
        for (int64_t i = 0; i < u->between_length; i += 16) {
            __m128i above = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(one + i)),
                                         _mm_loadu_si128((const __m128i *)(u->between_low + i)));
            __m128i most = _mm_min_epu8(above, _mm_loadu_si128((const __m128i *)(u->between_more + i)));
            same = _mm_and_si128(same, _mm_cmpeq_epi8(most, above));
        }
        return _mm_movemask_epi8(same) == 0xffff;
    }
#endif
    for (int64_t i = 0; i < u->between_length; i++)
        if ((uint8_t)(one[i] - u->between_low[i]) > u->between_more[i]) return 0;
    return 1;
}

/* The events behind `stop`, the end of a message, as long as they look like the last one: their tokens need not be told apart.
   Returns where the last message taken ends, -1, -2 or -3 as above, or -4: no time. `since` is where that message starts in
   the text; `safe` where its event does. */
static int64_t me_take_alike(me_unframer *u, const uint8_t *data, int64_t stop, int64_t n, int64_t *at_line, int64_t *at_since,
                             me_mark *safe) {
    const int64_t between = u->between_length, base = u->base, text_base = u->text_base;
    const int64_t lines = u->between_lines;
    uint8_t *const text = u->text;
    int64_t line = *at_line, since = *at_since;
    int64_t length = u->text_length, text_line = u->text_line;
    while (n - stop >= between + ME_BEHIND && me_alike(u, data + stop)) {
        if (me_event_starts(u, text_base + since, u->time, u->stream)) return -3;
        since = length;
        *safe = (me_mark){stop + u->between_brace, line + u->between_brace_lines, length, text_line, u->n_runs, ME_VALUE,
                          u->depth - 1, ME_MESSAGE};
        line += lines;
        u->time = ME_NO_TIME;
        u->stream = 0;
        if (u->between_ms) {
            u->time = me_thirteen(data + stop + u->between_time) * 1000;
        } else if (u->between_time && !me_time(u, data + stop + u->between_time, u->between_time_length, &u->time)) {
            stop = -4;
            break;
        }
        if (u->between_stream
            && (u->stream = me_stream_of(u, data + stop + u->between_stream, u->between_stream_length)) < 0)
            return -3;
        const int64_t start = stop + between;
        u->text_length = length;
        u->text_line = text_line;
        if (me_run_starts(u, base + start, line)) return -3;
        stop = me_copy(u, text + length, data, start, n, ME_IN_STRING);
        length += stop - start;
        if (stop < n && data[stop] == '"') {
            text[length++] = '\n';
            text_line++;
            stop++;
        } else {
            u->text_length = length;
            stop = me_take_string(u, data, stop, n, line);
            if (stop < 0) break;
            me_end_message(u, since);
            length = u->text_length;
            text_line = u->text_line;
        }
    }
    u->text_length = length;
    u->text_line = text_line;
    *at_line = line;
    *at_since = since;
    return stop;
}

#define ME_FAIL(text, where) do { u->error = (text); wrong_at = (where); goto wrong; } while (0)

static int me_json(me_unframer *u, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0, line = u->line, wrong_at = 0, start, stop, since = 0;
    me_mark safe = me_mark_of(u, at, line);
    /* where the last message ended, and what was seen since */
    int64_t end_at = -1, end_line = 0, brace_at = 0, brace_line = 0, time_at = 0, time_length = 0;
    int64_t stream_at = 0, stream_length = 0;
    int64_t digits;
    int plain = 0;
    for (;;) {
        at = me_blanks(u->level, data, at, n, &line);
        if (!u->candidate) safe = me_mark_of(u, at, line);
        if (at >= n) {
            if (u->expect == ME_DOCUMENT) goto done;
            goto more;
        }
        uint8_t c = data[at];
        switch (u->expect) {
        case ME_COLON:
            if (c != ':') ME_FAIL("a colon was expected", at);
            at++;
            u->expect = ME_VALUE;
            continue;
        case ME_NEXT:
            if (c == ',') {
                at++;
                u->expect = u->stack[u->depth - 1] == '{' ? ME_KEY : ME_VALUE;
                continue;
            }
            if (c != (u->stack[u->depth - 1] == '{' ? '}' : ']')) ME_FAIL("a comma was expected", at);
            goto closing;
        case ME_KEY_OR_END:
            if (c == '}') goto closing;
            /* fall through */
        case ME_KEY:
            if (c != '"') ME_FAIL("a key was expected", at);
            start = at + 1;
            stop = me_skip_string(u->level, data, start, n);
            if (stop == -1) goto more;
            if (stop == -2) ME_FAIL("a control character in a string", at);
            u->key = ME_OTHER;
            if (stop - 1 - start == 7 && !memcmp(data + start, "message", 7)) u->key = ME_MESSAGE;
            else if (stop - 1 - start == 9 && !memcmp(data + start, "timestamp", 9)) u->key = ME_TIMESTAMP;
            else if (stop - 1 - start == 13 && !memcmp(data + start, "logStreamName", 13)) u->key = ME_STREAM;
            at = stop;
            u->expect = ME_COLON;
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
        /* a value */
        if (c == '{' || c == '[') {
            if (u->candidate && u->has_message) ME_FAIL("a message beside nested values", at);
            if (u->depth == ME_MOST_DEPTH) ME_FAIL("nested too deeply", at);
            if (u->candidate) {
                /* what encloses this is no event */
                u->candidate = 0;
                safe = me_mark_of(u, at, line);
            }
            plain = plain && c == '{' && !brace_at;
            brace_at = at;
            brace_line = line;
            time_at = stream_at = 0;
            u->stack[u->depth++] = c;
            u->expect = c == '{' ? ME_KEY_OR_END : ME_VALUE_OR_END;
            if (c == '{') {
                u->candidate = 1;
                u->has_message = 0;
                u->time = ME_NO_TIME;
                u->stream = 0;
                since = u->text_length;
            }
            at++;
            continue;
        }
        int in_object = u->depth && u->stack[u->depth - 1] == '{';
        int key = in_object ? u->key : ME_OTHER;
        if (key == ME_MESSAGE && !u->candidate) ME_FAIL("a message beside nested values", at);
        if (c == '"') {
            start = at + 1;
            if (key == ME_MESSAGE) {
                if (u->has_message) ME_FAIL("two messages in one event", at);
                u->between_length = 0;
                if (plain && brace_at && start - end_at <= ME_BETWEEN) {
                    me_keep_between(u, data + end_at, start - end_at);
                    u->between_brace = brace_at - end_at;
                    u->between_brace_lines = brace_line - end_line;
                    u->between_lines = line - end_line;
                    u->between_time = time_at ? time_at - end_at : 0;
                    u->between_time_length = time_length;
                    u->between_ms = time_at && time_length == 13 && me_digits(data + time_at, 13, &digits);
                    u->between_stream = stream_at ? stream_at - end_at : 0;
                    u->between_stream_length = stream_length;
                }
                if (me_run_starts(u, u->base + start, line)) return ME_MEMORY;
                stop = me_take_string(u, data, start, n, line);
                if (stop == -3) return ME_MEMORY;
                if (stop > 0) {
                    me_end_message(u, since);
                    u->has_message = 1;
                    if (u->between_length) {
                        stop = me_take_alike(u, data, stop, n, &line, &since, &safe);
                        if (stop == -3) return ME_MEMORY;
                        if (stop < 0) at = safe.at - u->between_brace + u->between_length - 1;
                        if (stop == -4) ME_FAIL("a timestamp that is no time", safe.at - u->between_brace + u->between_time);
                    }
                    end_at = stop;
                    end_line = line;
                    plain = 1;
                    brace_at = 0;
                }
            } else {
                stop = me_skip_string(u->level, data, start, n);
            }
            if (stop == -1) goto more;
            if (stop == -2) ME_FAIL("a control character or an unknown escape in a string", at);
            if (key == ME_TIMESTAMP && u->candidate) {
                if (!me_time(u, data + start, stop - 1 - start, &u->time)) ME_FAIL("a timestamp that is no time", at);
                plain = plain && brace_at;
                time_at = start;
                time_length = stop - 1 - start;
            }
            if (key == ME_STREAM && u->candidate) {
                if ((u->stream = me_stream_of(u, data + start, stop - 1 - start)) < 0) return ME_MEMORY;
                plain = plain && brace_at;
                stream_at = start;
                stream_length = stop - 1 - start;
            }
            at = stop;
        } else {
            for (stop = at; stop < n && (data[stop] > ',' || data[stop] == '+') && data[stop] != ']' && data[stop] != '}'
                            && data[stop] != ':'; stop++) {}
            if (stop == n && !final) goto more;
            if (key == ME_TIMESTAMP && u->candidate) {
                if (!me_time(u, data + at, stop - at, &u->time)) ME_FAIL("a timestamp that is no time", at);
                plain = plain && brace_at;
                time_at = at;
                time_length = stop - at;
            } else if (key == ME_MESSAGE) {
                ME_FAIL("a message that is no string", at);
            } else {
                int is_word = (stop - at == 4 && (!memcmp(data + at, "true", 4) || !memcmp(data + at, "null", 4)))
                              || (stop - at == 5 && !memcmp(data + at, "false", 5));
                if (!is_word) {
                    int64_t digits = 0;
                    for (int64_t i = at; i < stop; i++) {
                        if (data[i] >= '0' && data[i] <= '9') digits++;
                        else if (!strchr("+-.eE", data[i])) ME_FAIL("no JSON value", at);
                    }
                    if (!digits) ME_FAIL("no JSON value", at);
                }
            }
            at = stop;
        }
        u->expect = ME_NEXT;
        continue;
    closing:
        plain = plain && c == '}' && !brace_at;
        at++;
        u->depth--;
        u->expect = u->depth ? ME_NEXT : ME_DOCUMENT;
        if (c == '}' && u->candidate && u->has_message
            && me_event_starts(u, u->text_base + since, u->time, u->stream))
            return ME_MEMORY;
        u->candidate = 0;
    }
wrong:
    u->error_at = u->base + wrong_at;
more:
    u->text_length = safe.text;
    u->text_line = safe.text_line;
    u->n_runs = safe.runs;
    u->expect = safe.expect;
    u->depth = safe.depth;
    u->key = safe.key;
    u->candidate = 0;
    at = safe.at;
    line = safe.line;
    if (u->error == NULL && final) {
        u->error = "the export ends before it is complete";
        u->error_at = u->base + at;
    }
done:
    u->line = line;
    *consumed = at;
    return u->error ? ME_WRONG : ME_OK;
}

/* ---- CSV: a row an event */

/* The first quotation mark from `at` on, -1 if there is none; the newlines before it are counted. What is passed is copied, up
   to 15 bytes behind it too. */
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

static int me_csv(me_unframer *u, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0, line = u->line, wrong_at = 0;
    int64_t row = 0, row_line = line, safe_text = 0, safe_text_line = 0, safe_runs = 0;
    const int is_console = u->columns == 2 && u->time_column == 0 && u->message_column == 1;
    while (at < n) {
        row = at;
        row_line = line;
        safe_text = u->text_length;
        safe_text_line = u->text_line;
        safe_runs = u->n_runs;
        if (data[at] == '\n' || (data[at] == '\r' && at + 1 < n && data[at + 1] == '\n')) {
            at += 1 + (data[at] == '\r');
            line++;
            continue;
        }
        int64_t column = 0, time = ME_NO_TIME, stream = 0, length, start, stop;
        if (is_console && n - at > 14 && data[at + 13] == ',' && me_are_thirteen(data + at)) {
            /* one way for messages in quotation marks and those without: which it is nobody can guess */
            int quoted = data[at + 14] == '"';
            start = at + 14 + quoted;
            stop = me_copy(u, u->text + u->text_length, data, start, n, quoted ? ME_IN_QUOTES : ME_IN_FIELD);
            if (stop + quoted < n && data[stop] == (quoted ? '"' : '\n') && data[stop + quoted] == '\n') {
                if (me_run_starts(u, u->base + start, line)) return ME_MEMORY;
                if (me_event_starts(u, u->text_base + u->text_length, me_thirteen(data + at) * 1000, 0)) return ME_MEMORY;
                u->text_length += stop - start;
                u->text[u->text_length++] = '\n';
                u->text_line++;
                line++;
                at = stop + quoted + 1;
                continue;
            }
        }
        int has_message = 0, ended = 0;
        while (!ended) {
            int is_message = column == u->message_column;
            int64_t since = u->text_length;
            if (column == u->time_column && n - at > 13 && data[at + 13] == ',' && me_are_thirteen(data + at)) {
                time = me_thirteen(data + at) * 1000;
                at += 14;
                column++;
                continue;
            }
            if (at < n && data[at] == '"') {
                start = ++at;
                if (is_message && me_run_starts(u, u->base + at, line)) return ME_MEMORY;
                for (;;) {
                    /* of a field that is no message, the copy is overwritten */
                    int64_t lines = 0;
                    stop = me_quote(u->level, u->text + u->text_length, data, at, n, &lines);
                    if (stop < 0) {
                        if (final) ME_FAIL("the export ends within an event", row);
                        goto more;
                    }
                    line += lines;
                    if (stop + 1 == n && !final) goto more;
                    /* two of them stand for one */
                    int is_text = stop + 1 < n && data[stop + 1] == '"';
                    if (is_message) {
                        u->text_length += stop - at + is_text;
                        u->text_line += lines;
                    }
                    at = stop + 1 + is_text;
                    if (!is_text) {
                        length = stop - start;
                        break;
                    }
                    if (is_message && me_run_starts(u, u->base + at, line)) return ME_MEMORY;
                }
            } else {
                start = at;
                for (;;) {
                    at = me_copy(u, u->text + u->text_length + (at - start), data, at, n, ME_IN_FIELD);
                    /* a carriage return alone ends no row */
                    if (at + 1 >= n || data[at] != '\r' || data[at + 1] == '\n') break;
                    u->text[u->text_length + (at - start)] = '\r';
                    at++;
                }
                if (at >= n && !final) goto more;
                length = at - start;
                if (is_message) {
                    if (me_run_starts(u, u->base + start, line)) return ME_MEMORY;
                    u->text_length += length;
                }
            }
            if (is_message) {
                me_end_message(u, since);
                has_message = 1;
            } else if (column == u->time_column) {
                if (!me_time(u, data + start, length, &time)) ME_FAIL("a timestamp that is no time", start);
            } else if (column == u->stream_column) {
                if ((stream = me_stream_of(u, data + start, length)) < 0) return ME_MEMORY;
            }
            column++;
            if (at >= n) {
                ended = 1;
            } else if (data[at] == ',') {
                at++;
            } else if (data[at] == '\n') {
                at++;
                line++;
                ended = 1;
            } else if (data[at] == '\r') {
                if (at + 1 >= n && !final) goto more;
                if (at + 1 < n && data[at + 1] != '\n') ME_FAIL("text behind a closing quotation mark", at);
                at += 1 + (at + 1 < n);
                line++;
                ended = 1;
            } else {
                ME_FAIL("text behind a closing quotation mark", at);
            }
        }
        if (column != u->columns || !has_message) ME_FAIL("a row with another number of columns than the header", row);
        if (me_event_starts(u, u->text_base + safe_text, time, stream)) return ME_MEMORY;
    }
    u->line = line;
    *consumed = at;
    return ME_OK;
wrong:
    u->error_at = u->base + wrong_at;
more:
    u->text_length = safe_text;
    u->text_line = safe_text_line;
    u->n_runs = safe_runs;
    u->line = row_line;
    *consumed = row;
    return u->error ? ME_WRONG : ME_OK;
}

/* ---- S3: a line an event, with its time before it; lines without a time belong to the event before */

static int me_s3(me_unframer *u, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int64_t at = 0;
    if (u->has_event && me_event_starts(u, u->text_base, u->time, 0)) return ME_MEMORY;
    while (at < n) {
        /* a date holds no newline, so that it may be looked for before the line's end */
        int64_t micros, begin = at;
        int64_t length = me_date(u, data + at, n - at, &micros);
        int has_time = length && data[at + 10] == 'T' && data[at + length - 1] == 'Z';
        if (has_time && at + length < n) {
            uint8_t behind = data[at + length];
            has_time = behind == ' ' || behind == '\r' || behind == '\n';
            begin = at + length + (behind == ' ');
        } else if (has_time) {
            begin = n;
        }
        if (!has_time) begin = at;
        int64_t stop = me_copy(u, u->text + u->text_length, data, begin, n, ME_IN_LINE);
        if (stop == n && !final) break;
        if (has_time) {
            u->time = micros;
            u->has_event = 1;
            if (me_event_starts(u, u->text_base + u->text_length, micros, 0)) return ME_MEMORY;
        } else if (!u->has_event) {
            u->error = "a line that starts with a time was expected";
            u->error_at = u->base + at;
            break;
        }
        if (me_run_starts(u, u->base + begin, u->line)) return ME_MEMORY;
        u->text_length += stop - begin;
        u->text[u->text_length++] = '\n';
        u->text_line++;
        u->line += stop < n;
        at = stop + (stop < n);
    }
    *consumed = at;
    return u->error ? ME_WRONG : ME_OK;
}

/* ---- all of them */

static int me_feed(me_unframer *u, const uint8_t *data, int64_t n, int final, int64_t *consumed) {
    int outcome;
    u->text_base += u->text_length;
    u->text_length = u->n_runs = u->n_events = 0;
    *consumed = 0;
    if (u->error) return ME_WRONG;
    /* never more text than input: what an envelope takes makes room for the newline that it gives */
    if (me_grow((void **)&u->text, &u->text_capacity, n + 2 * ME_BEHIND, 1)) return ME_MEMORY;
    switch (u->format) {
    case ME_JSON: outcome = me_json(u, data, n, final, consumed); break;
    case ME_CSV: outcome = me_csv(u, data, n, final, consumed); break;
    default: outcome = me_s3(u, data, n, final, consumed); break;
    }
    u->base += *consumed;
    return outcome;
}

/* The last entry that starts at or before a place, from the entry of the place before: a few steps, then in leaps. */
#define ME_SEEK(entries, at, count, place)                                                       \
    do {                                                                                          \
        while (at > 0 && entries[at].out > (place)) at--;                                         \
        int64_t leap = 1;                                                                         \
        while (at + leap < (count) && entries[at + leap].out <= (place)) { at += leap; leap *= 2; } \
        for (; leap; leap /= 2)                                                                   \
            if (at + leap < (count) && entries[at + leap].out <= (place)) at += leap;             \
    } while (0)

/* Places of rows, from those in the text to those in the input, in place. The rows are in order, or nearly. */
static void me_translate(const me_unframer *u, int64_t rows, int64_t *line, int64_t *offset, int64_t *start, int64_t *time,
                         int64_t *stream) {
    int64_t r = 0, v = 0, e = 0;
    const me_run *runs = u->runs;
    const me_event *events = u->events;
    for (int64_t i = 0; i < rows; i++) {
        ME_SEEK(runs, r, u->n_runs, offset[i]);
        v = r;
        ME_SEEK(runs, v, u->n_runs, start[i]);
        ME_SEEK(events, e, u->n_events, offset[i]);
        line[i] += runs[r].in_line - runs[r].out_line;
        offset[i] += runs[r].in - runs[r].out;
        start[i] += runs[v].in - runs[v].out;
        time[i] = events[e].time;
        stream[i] = events[e].stream;
    }
}

static void me_clear(me_unframer *u) {
    free(u->text);
    free(u->runs);
    free(u->events);
    free(u->streams);
    free(u->names);
    free(u->buckets);
}

#endif

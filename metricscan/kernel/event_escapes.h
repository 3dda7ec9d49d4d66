/* Copy text with escapes, 64 bytes at a time: a backslash and the character that it stands for, or two quotation marks for one. */
#ifndef METRICSCAN_EVENT_ESCAPES_H
#define METRICSCAN_EVENT_ESCAPES_H

#include "event_decoder.h"
#include "event_text.h"

/* Of bytes that are marked, return those that begin an escape: the first, the third and so on of each series. The byte before the first
   one begins no escape. Borrowed from simdjson: a series that begins at an even bit is distinguished from others by a subtraction, whose
   borrow runs through the series. */
static inline uint64_t me_escape_starts(uint64_t marks) {
    const uint64_t odd = 0xAAAAAAAAAAAAAAAAULL;
    return (((marks << 1 | odd) - marks) ^ odd) & marks;
}

#ifdef MS_X86
/* Append the first `length` of 64 bytes to the text, without those that begin an escape, and note the escapes. There is no branch for the
   number of escapes up to eight, because no processor predicts it. */
MS_TARGET(MS_AVX512_TARGET)
static inline void me_put_unescaped(me_decoder *d, __m512i bytes, uint64_t starts, unsigned length) {
    const __m512i places = _mm512_set_epi8(
        63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
        31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const uint64_t valid = _bzhi_u64(~0ULL, length), kept = ~starts & valid;
    starts &= valid;
    const int64_t count = __builtin_popcountll(starts);
    _mm512_storeu_si512(d->text + d->text_length, _mm512_maskz_compress_epi8(kept, bytes));
    if (count) {
        uint8_t before[64];
        /* An escape moves to the front by the number of escapes before it. */
        _mm512_storeu_si512(before, _mm512_sub_epi8(_mm512_maskz_compress_epi8(starts, places), places));
        const __m512i base = _mm512_set1_epi64(d->text_base + d->text_length);
        for (int64_t i = 0; i < count; i += 8) {
            const __m512i wide = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(before + i)));
            _mm512_storeu_si512(d->escapes + d->n_escapes + i, _mm512_add_epi64(base, wide));
        }
        d->n_escapes += count;
    }
    d->text_length += __builtin_popcountll(kept);
}

/* Append a string's content up to its end, or up to what is no escape of one character, or up to less than 64 bytes before the end of the
   data. Returns the place of the first byte that is not appended, or -1 if there is no memory. */
MS_TARGET(MS_AVX512_TARGET)
static int64_t me_take_escapes_lines_avx512(me_decoder *d, const uint8_t *data, int64_t at, int64_t end) {
    for (; at + 64 <= end;) {
        if (me_make_room_for_escapes(&d->escapes, &d->escapes_capacity, d->n_escapes + 64)) return -1;
        const __m512i bytes = _mm512_loadu_si512(data + at);
        const uint64_t backslashes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\'));
        const uint64_t quotes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'));
        const uint64_t starts = me_escape_starts(backslashes), escaped = starts << 1;
        const uint64_t others = escaped & ~(backslashes | quotes | _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('/')));
        const uint64_t last = starts & 1ULL << 63;
        const uint64_t stops = (quotes & ~escaped) | others >> 1 | last | _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(0x1f));
        const unsigned length = (unsigned)_tzcnt_u64(stops);
        me_put_unescaped(d, bytes, starts, length);
        at += length;
        if (length < 63 || (length == 63 && !last)) return at;
    }
    return at;
}

/* Append a quoted field of CSV up to its end, or up to less than 64 bytes before the end of the data, and count its newlines. Returns the
   place of the first byte that is not appended, or -1 if there is no memory. */
MS_TARGET(MS_AVX512_TARGET)
static int64_t me_take_quoted_lines_avx512(me_decoder *d, const uint8_t *data, int64_t at, int64_t end, int64_t *line) {
    for (; at + 64 <= end;) {
        if (me_make_room_for_escapes(&d->escapes, &d->escapes_capacity, d->n_escapes + 64)) return -1;
        const __m512i bytes = _mm512_loadu_si512(data + at);
        const uint64_t quotes = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'));
        const uint64_t starts = me_escape_starts(quotes), last = starts & 1ULL << 63;
        const unsigned length = (unsigned)_tzcnt_u64((starts & ~(quotes >> 1)) | last);
        const uint64_t newlines = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'));
        const int64_t lines = __builtin_popcountll(_bzhi_u64(newlines, length));
        me_put_unescaped(d, bytes, starts, length);
        d->text_line += lines;
        *line += lines;
        at += length;
        if (length < 63 || (length == 63 && !last)) return at;
    }
    return at;
}

/* The same for processors without AVX-512, up to the end of the data. */
static int64_t me_take_escapes_lines_avx2(me_decoder *d, const uint8_t *data, int64_t at, int64_t end) {
    for (;;) {
        const int64_t stop = me_copy_short(MS_AVX2, d->text + d->text_length, data, at, end, ME_IN_STRING);
        d->text_length += stop - at;
        at = stop;
        if (end - at < 2 || data[at] != '\\') return at;
        const uint8_t byte = data[at + 1];
        if (byte != '"' && byte != '\\' && byte != '/') return at;
        if (me_put_escape(d, byte)) return -1;
        at += 2;
    }
}

static int64_t me_take_quoted_lines_avx2(me_decoder *d, const uint8_t *data, int64_t at, int64_t end, int64_t *line) {
    for (;;) {
        const int64_t stop = me_copy_short(MS_AVX2, d->text + d->text_length, data, at, end, ME_IN_QUOTES);
        d->text_length += stop - at;
        at = stop;
        if (end - at < 2 || data[at] != '"' || data[at + 1] != '"') return at;
        if (me_put_escape(d, '"')) return -1;
        at += 2;
    }
}
#endif

#endif

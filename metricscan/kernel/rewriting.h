/* Rewrite the input for ansi="strip" and escape="syslog", and map each byte of the result to its place in the input.
 *
 * Bytes are copied sixteen at a time, up to the next byte that changes; each change is recorded as an edit. Places are relative to the
 * first byte that was rewritten.
 */
#ifndef METRICSCAN_REWRITING_H
#define METRICSCAN_REWRITING_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fingerprints.h"

/* The `width` bytes from `output` on replace the byte at `input`; the bytes after them were copied from behind it. With a width of 0,
 * the bytes from `output` on were copied from `input` on. */
typedef struct {
    int64_t output;
    int64_t input;
    int64_t width;
} ms_edit;

typedef struct {
    uint8_t *text;
    int64_t capacity;
    ms_edit *edits;
    int64_t n_edits;
    int64_t edits_capacity;
    int64_t asked;              /* the edit that the last look-up found */
} ms_rewriting;

enum { MS_SYSLOG = 1, MS_STRIP = 2, MS_UNIVERSAL_ENDS = 4, MS_DROP_CR = 8 };  /* flags */

static void ms_rewriting_clear(ms_rewriting *w) {
    free(w->text);
    free(w->edits);
    memset(w, 0, sizeof *w);
}

static inline int ms_is_control(uint8_t c) { return (c < 0x20 && c != '\n') || c == 0x7F; }

static inline int ms_is_rewritten(uint8_t c, int how) {
    return how & MS_SYSLOG ? ms_is_control(c) : c == '\r' || c == 27;
}

#ifdef MS_X86
static inline uint64_t ms_rewritten16(const uint8_t *p, int how) {
    __m128i v = _mm_loadu_si128((const __m128i *)p), some;
    if (how & MS_SYSLOG) {
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
        some = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')), low),
                            _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F)));
    } else {
        some = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')), _mm_cmpeq_epi8(v, _mm_set1_epi8(27)));
    }
    return (uint64_t)(uint32_t)_mm_movemask_epi8(some);
}
#elif defined(MS_NEON)
static inline uint64_t ms_rewritten16(const uint8_t *p, int how) {
    uint8x16_t v = vld1q_u8(p), some;
    if (how & MS_SYSLOG)
        some = vorrq_u8(vbicq_u8(vcltq_u8(v, vdupq_n_u8(0x20)), vceqq_u8(v, vdupq_n_u8('\n'))), vceqq_u8(v, vdupq_n_u8(0x7F)));
    else
        some = vorrq_u8(vceqq_u8(v, vdupq_n_u8('\r')), vceqq_u8(v, vdupq_n_u8(27)));
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(some), 4)), 0);
}
#endif

static int ms_needs_rewriting(int how, const uint8_t *p, int64_t n) {
    if (!(how & MS_SYSLOG)) return ms_find_either(p, 0, (size_t)n, 27, 27) < (size_t)n;
    int64_t i = 0;
#ifdef MS_EITHER_SHIFT
    for (; i + 16 <= n; i += 16)
        if (ms_rewritten16(p + i, how)) return 1;
#endif
    for (; i < n; i++)
        if (ms_is_control(p[i])) return 1;
    return 0;
}

/* Return one past the terminal escape sequence (CSI or OSC) that starts at this ESC, or 0 if none does. */
static int64_t ms_sequence_end(const uint8_t *p, int64_t at, int64_t n, int how) {
    if (at + 1 >= n) return 0;
    if (p[at + 1] == '[') { /* parameters, intermediates, final byte */
        at += 2;
        while (at < n && p[at] >= 0x30 && p[at] <= 0x3F) at++;
        while (at < n && p[at] >= 0x20 && p[at] <= 0x2F) at++;
        return at < n && p[at] >= 0x40 && p[at] <= 0x7E ? at + 1 : 0;
    }
    if (p[at + 1] == ']') { /* text, closed by BEL or ESC \, within the record */
        for (at += 2; at < n; at++) {
            uint8_t c = p[at];
            if (c == 7) return at + 1;
            if (c == 27) return at + 1 < n && p[at + 1] == '\\' ? at + 2 : 0;
            if (c == '\n' || (how & MS_UNIVERSAL_ENDS && c == '\r')) return 0;
        }
    }
    return 0;
}

static inline int ms_add_edit(ms_rewriting *w, int64_t output, int64_t input, int64_t width) {
    if (w->n_edits && w->edits[w->n_edits - 1].output == output) w->n_edits--;
    if (w->n_edits == w->edits_capacity) {
        int64_t capacity = w->edits_capacity ? w->edits_capacity * 2 : 64;
        ms_edit *grown = (ms_edit *)realloc(w->edits, (size_t)capacity * sizeof(ms_edit));
        if (grown == NULL) return -1;
        w->edits = grown;
        w->edits_capacity = capacity;
    }
    w->edits[w->n_edits++] = (ms_edit){output, input, width};
    return 0;
}

/* Rewrite n bytes. Returns the length of the result, or -1 if there is no memory.
 *
 * A \r\n becomes a \n. So a \r and a \n that meet because the bytes between them were removed stay two terminators. */
static int64_t ms_rewrite(ms_rewriting *w, int how, const uint8_t *p, int64_t n) {
    /* The last vector may be stored as a whole. */
    int64_t most = (how & MS_SYSLOG ? n * 4 : n) + 16, i = 0, out = 0;
    w->n_edits = w->asked = 0;
    if (w->capacity < most) {
        free(w->text);
        w->capacity = 0;
        w->text = (uint8_t *)malloc((size_t)most);
        if (w->text == NULL) return -1;
        w->capacity = most;
    }
    uint8_t *text = w->text;
    for (;;) {
#ifdef MS_EITHER_SHIFT
        for (; i + 16 <= n; i += 16, out += 16) {
            memcpy(text + out, p + i, 16);
            uint64_t some = ms_rewritten16(p + i, how);
            if (some) {
                int64_t before = (int64_t)(__builtin_ctzll(some) >> MS_EITHER_SHIFT);
                i += before;
                out += before;
                goto found;
            }
        }
#endif
        while (i < n && !ms_is_rewritten(p[i], how)) text[out++] = p[i++];
        if (i == n) return out;
#ifdef MS_EITHER_SHIFT
    found:;
#endif
        uint8_t c = p[i];
        if (c == 27 && how & MS_STRIP) {
            int64_t after = ms_sequence_end(p, i, n, how);
            if (after) {
                i = after;
                if (ms_add_edit(w, out, i, 0) < 0) return -1;
                continue;
            }
        }
        if (how & MS_SYSLOG) {
            /* Write # and three octal digits. */
            const uint8_t escaped[4] = {'#', (uint8_t)('0' + (c >> 6)), (uint8_t)('0' + (c >> 3 & 7)), (uint8_t)('0' + (c & 7))};
            if (ms_add_edit(w, out, i, 4) < 0) return -1;
            memcpy(text + out, escaped, 4);
            out += 4;
            i++;
            continue;
        }
        if (c == '\r' && ((how & MS_DROP_CR && i + 1 == n)
                          || (how & (MS_DROP_CR | MS_UNIVERSAL_ENDS) && i + 1 < n && p[i + 1] == '\n'))) {
            /* The place of the terminator is the end of the content, where the \r was. */
            if (ms_add_edit(w, out, i, 0) < 0) return -1;
            if (i + 1 == n) return out;
            text[out++] = '\n';
            i += 2;
            if (ms_add_edit(w, out, i, 0) < 0) return -1;
            continue;
        }
        text[out++] = c;
        i++;
    }
}

/* Return the place in the input of the byte at this place of the text. */
static int64_t ms_input_place(ms_rewriting *w, int64_t output) {
    const ms_edit *edits = w->edits;
    int64_t low = 0, high = w->n_edits, at = w->asked;
    if (high == 0 || output < edits[0].output) return output;
    /* Successive look-ups are near each other: try around the last one before a binary search. */
    for (int round = 0; round < 8; round++) {
        if (edits[at].output > output) {
            at--;
        } else if (at + 1 < high && edits[at + 1].output <= output) {
            at++;
        } else {
            low = at;
            high = at + 1;
            break;
        }
    }
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (edits[middle].output <= output) low = middle;
        else high = middle;
    }
    w->asked = low;
    int64_t behind = output - edits[low].output - edits[low].width;
    return edits[low].input + (behind < 0 ? 0 : behind + (edits[low].width > 0));
}

#endif

/* Lines as their writers write them: read the time and the message of one after another, without a call per line.
 *
 * The loops stand in event_lines_loop.h. It is compiled for processors with AVX2 and the bit instructions that came with it, and for
 * those with AVX-512; on others the decoders of the formats read all lines. */
#ifndef METRICSCAN_EVENT_LINES_H
#define METRICSCAN_EVENT_LINES_H

#include "bytes.h"
#include "event_decoder.h"
#include "event_escapes.h"
#include "event_text.h"
#include "event_times.h"

/* The kinds of text, by the bytes that end them. */
enum { ME_OF_LINE, ME_OF_STRING, ME_OF_FIELD };

/* The bytes that end a field of CSV, without and with quotation marks, each at the place of its lower half; at the other places stands what
   has another lower half. So one lookup and one comparison find them. */
static const uint8_t ME_FIELD_END_TABLES[2][16] = {{1, 2, 1, 1, 1, 1, 1, 1, 1, 1, '\n', 1, ',', '\r', 1, 1},
                                                  {1, 2, '"', 1, 1, 1, 1, 1, 1, 1, '\n', 1, 1, 1, 1, 1}};

#ifdef MS_X86
#define ME_LOW_BITS 0x7F7F7F7F7F7F7F7FULL
#define ME_TOP_BITS 0x8080808080808080ULL

/* Set the numbers of standard output and standard error; 0 for a stream whose first line is left to the caller. Returns 0 if all lines are:
   if messages in fragments are held, or no time was read. */
static inline int me_has_usual_streams(const me_decoder *d, int64_t streams[2]) {
    for (int kind = ME_STDOUT; kind <= ME_STDERR; kind++) {
        const int64_t stream = d->container_streams[kind];
        if (d->held[kind].n_runs) return 0;
        streams[kind - ME_STDOUT] = d->streams[stream].first == ME_NO_TIME ? 0 : stream;
    }
    return d->minute[10] == 'T' && (streams[0] || streams[1]);
}

/* Return whether the sixteen bytes of a date up to its minute are those that are kept. */
static inline int me_is_minute(const uint8_t *at, uint64_t date, uint64_t minute) {
    return !((ms_word8(at) ^ date) | (ms_word8(at + 8) ^ minute));
}

/* Return the number that thirteen digits spell. Sixteen bytes can be read. */
MS_TARGET("ssse3")
static inline int64_t me_number_of_thirteen(const uint8_t *at) {
    __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('0'));
    /* behind three zeros; then digits are joined to pairs, fours and eights */
    digits = _mm_maddubs_epi16(_mm_slli_si128(digits, 3), _mm_set1_epi16(0x010A));
    digits = _mm_madd_epi16(digits, _mm_set1_epi32(0x00010064));
    digits = _mm_madd_epi16(_mm_packs_epi32(digits, digits), _mm_set1_epi32(0x00012710));
    const uint64_t eights = (uint64_t)_mm_cvtsi128_si64(digits);
    return (int64_t)((eights & 0xFFFFFFFF) * 100000000 + (eights >> 32));
}

/* me_number_of_thirteen, or -1 if they are not all digits. */
MS_TARGET("ssse3")
static inline int64_t me_thirteen_digits(const uint8_t *at) {
    const __m128i digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('0'));
    const int are_digits = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
    return (are_digits & 0x1FFF) == 0x1FFF ? me_number_of_thirteen(at) : -1;
}

/* Read what follows a minute, `:SS.` and a fraction of at most 15 digits: how many microseconds that is. Returns the number of its digits,
   or 0. 20 bytes can be read. */
MS_TARGET("ssse3,bmi")
static inline unsigned me_fraction(const uint8_t *at, int64_t *micros) {
    uint32_t second;
    memcpy(&second, at, 4);
    /* Each byte must be that of `:00.`, or for a digit exceed it by at most 9, for the first one by at most 5. */
    second ^= 0x2E30303A;
    if ((second | ((second & 0x7F7F7F7F) + 0x7F767A7F)) & 0x80808080) return 0;
    const __m128i text = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(at + 4)), _mm_set1_epi8('0'));
    const unsigned others = ~(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(text, _mm_set1_epi8(9)), text)) & 0xFFFF;
    const unsigned digits = others ? (unsigned)__builtin_ctz(others) : 0;
    /* the first six, with zeros for those that are missing */
    const uint64_t kept = 0xFFFFFFFFFFFFULL >> (digits < 6 ? 48 - 8 * digits : 0);
    const uint64_t six = digits ? (uint64_t)_mm_cvtsi128_si64(text) & kept : 0;
    __m128i number = _mm_maddubs_epi16(_mm_cvtsi64_si128((long long)six), _mm_set1_epi16(0x010A));
    number = _mm_madd_epi16(number, _mm_set_epi16(0, 0, 0, 0, 0, 1, 100, 10000));
    const uint64_t parts = (uint64_t)_mm_cvtsi128_si64(number);
    *micros = (int64_t)((parts & 0xFFFFFFFF) + (parts >> 32)) + ((second >> 8 & 0xFF) * 10 + (second >> 16 & 0xFF)) * 1000000LL;
    return digits;
}

#define ME_AT_LEVEL(name) name##_lines_avx2
#define ME_LEVEL_TARGET MS_TARGET(MS_AVX2_TARGET)
#define ME_WIDE 0
#include "event_lines_loop.h"
#undef ME_AT_LEVEL
#undef ME_LEVEL_TARGET
#undef ME_WIDE
#define ME_AT_LEVEL(name) name##_lines_avx512
#define ME_LEVEL_TARGET MS_TARGET(MS_AVX512_TARGET)
#define ME_WIDE 1
#include "event_lines_loop.h"
#undef ME_AT_LEVEL
#undef ME_LEVEL_TARGET
#undef ME_WIDE
#endif

/* Call a loop at the decoder's level, if it has one: it moves `at` behind the lines that it has read. */
#ifdef MS_X86
#define ME_READ_LINES(loop, d, data, at, n)                                     \
    do {                                                                       \
        if ((d)->level >= MS_AVX512) at = loop##_lines_avx512(d, data, at, n); \
        else if ((d)->level >= MS_AVX2) at = loop##_lines_avx2(d, data, at, n); \
    } while (0)
#else
#define ME_READ_LINES(loop, d, data, at, n) do {} while (0)
#endif

#endif

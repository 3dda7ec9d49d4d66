/* The loops over lines as their writers write them. event_lines.h includes this file once for each kind of processor, and sets ME_AT_LEVEL,
 * ME_LEVEL_TARGET and ME_WIDE.
 *
 * A loop ends at the first line that it leaves to the decoder of the format: one whose time lies in another minute, one that is written
 * otherwise or is not whole, and any line if the data or the room for runs ends. It returns the place of that line. Its state is in local
 * variables, because a byte that is written to the text could be any field of the decoder, as far as the compiler knows. */

#if ME_WIDE
#define ME_VECTOR __m512i
#define ME_MARKS(bytes, byte) _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte))
#define ME_CONTROLS(bytes) _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(0x1f))
#else
#define ME_VECTOR __m256i
#define ME_MARKS(bytes, byte) (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte)))
#define ME_CONTROLS(bytes) \
    (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes))
#endif

/* Return the mask of the bytes that end a text of this kind. `quoted`: all bits are set if a field of CSV is in quotation marks. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) uint64_t ME_AT_LEVEL(me_ends)(ME_VECTOR bytes, int kind, uint64_t quoted) {
    if (kind == ME_OF_LINE) return ME_MARKS(bytes, '\n');
    if (kind == ME_OF_STRING) return ME_MARKS(bytes, '"') | ME_MARKS(bytes, '\\') | ME_CONTROLS(bytes);
    const uint64_t marks = ME_MARKS(bytes, '"'), others = ME_MARKS(bytes, ',') | ME_MARKS(bytes, '\r');
    return ME_MARKS(bytes, '\n') | (marks & quoted) | (others & ~quoted);
}

/* Copy text, and return the place of the first byte that ends it; `end` if it is not found up to less than 128 bytes before the end. Up to
 * 128 bytes behind it are copied, so that hardly any length has to be predicted (see me_copy_avx2). */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) int64_t ME_AT_LEVEL(me_copy_until)(uint8_t *to, const uint8_t *data, int64_t at,
                                                                             int64_t end, int kind, uint64_t quoted) {
    for (; at + ME_BEHIND <= end; at += ME_BEHIND, to += ME_BEHIND) {
        uint64_t first, second;
        me_ask_ahead(data + at);
#if ME_WIDE
        const __m512i a = _mm512_loadu_si512(data + at), b = _mm512_loadu_si512(data + at + 64);
        _mm512_storeu_si512(to, a);
        _mm512_storeu_si512(to + 64, b);
        first = ME_AT_LEVEL(me_ends)(a, kind, quoted);
        second = ME_AT_LEVEL(me_ends)(b, kind, quoted);
#else
        uint64_t found[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const __m256i bytes = _mm256_loadu_si256((const __m256i *)(data + at + 32 * i));
            _mm256_storeu_si256((__m256i *)(to + 32 * i), bytes);
            found[i] = ME_AT_LEVEL(me_ends)(bytes, kind, quoted) & 0xFFFFFFFF;
        }
        first = found[0] | found[1] << 32;
        second = found[2] | found[3] << 32;
#endif
        if (first | second) return at + (first ? __builtin_ctzll(first) : 64 + __builtin_ctzll(second));
    }
    return end;
}

/* What the loops below hold in local variables. */
#define ME_LINES_BEGIN                                                                                       \
    uint8_t *const text = d->text;                                                                           \
    const int64_t base = d->base, text_base = d->text_base;                                                  \
    int64_t length = d->text_length, lines = 0;                                                              \
    me_run *run = d->runs + d->n_runs;                                                                       \
    const me_run *const last_run = d->runs + d->runs_capacity;

#define ME_LINES_END                                                                                         \
    d->text_length = length;                                                                                 \
    d->text_line += lines;                                                                                   \
    d->n_runs = run - d->runs;

/* Add an event: its message begins here in the input, and goes up to there in the text. */
#define ME_ADD_LINE(begin, text_end, first_escape, moment, stream_number, behind, tally)                     \
    do {                                                                                                     \
        *run++ = (me_run){text_base + length, base + (begin), behind, moment, (int32_t)(stream_number),      \
                          (uint32_t)(first_escape)};                                                         \
        length = (text_end);                                                                                 \
        text[length++] = '\n';                                                                               \
        lines++;                                                                                             \
        me_tally *const of = (tally);                                                                        \
        of->count++;                                                                                         \
        of->first = (moment) < of->first ? (moment) : of->first;                                             \
        of->last = (moment) > of->last ? (moment) : of->last;                                                \
    } while (0)

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_s3)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    int64_t last = d->time;
    me_tally tally = {INT64_MAX, INT64_MIN, 0};
    ME_LINES_BEGIN
    if (d->minute[10] != 'T') return at;
    while (n - at > 25 + ME_BEHIND && run < last_run) {
        const uint8_t *const line = data + at;
        /* me_millisecond, with its tests as one */
        const uint64_t rest = ms_word8(line + 16) ^ 0x5A3030302E30303AULL;
        const uint64_t over = (rest | ((rest & ME_LOW_BITS) + 0x7F7676767F767A7FULL)) & ME_TOP_BITS;
        if (((ms_word8(line) ^ date) | (ms_word8(line + 8) ^ minute) | over) || line[24] != ' ') break;
        const int64_t begin = at + 25;
        const int64_t stop = ME_AT_LEVEL(me_copy_until)(text + length, data, begin, n, ME_OF_LINE, 0);
        if (stop == n) break;
        const __m128i weights = _mm_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 10, 100, 0, 1, 10, 0);
        __m128i number = _mm_maddubs_epi16(_mm_cvtsi64_si128((long long)rest), weights);
        number = _mm_madd_epi16(number, _mm_set_epi16(0, 0, 0, 0, 1, 1, 1000, 1000));
        const uint64_t parts = (uint64_t)_mm_cvtsi128_si64(number);
        last = micros + (int64_t)((parts & 0xFFFFFFFF) + (parts >> 32)) * 1000;
        ME_ADD_LINE(begin, length + stop - begin, 0, last, 0, behind, &tally);
        at = stop + 1;
    }
    if (lines) {
        d->time = last;
        d->has_event = 1;
        d->line += lines;
    }
    me_add_tally(&d->streams[0], &tally);
    ME_LINES_END
    return at;
}

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_cri)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    const int64_t *const streams = d->container_streams;
    me_tally tallies[2] = {{INT64_MAX, INT64_MIN, 0}, {INT64_MAX, INT64_MIN, 0}};
    ME_LINES_BEGIN
    /* The first line of a stream, and a message in fragments, are left to the caller. */
    if (d->minute[10] != 'T' || !streams[ME_STDOUT] || d->held[ME_STDOUT].n_runs || d->held[ME_STDERR].n_runs) return at;
    while (n - at > 64 + ME_BEHIND && run < last_run) {
        const uint8_t *const line = data + at;
        int64_t moment;
        if (!me_is_minute(line, date, minute)) break;
        const unsigned digits = me_fraction(line + 16, &moment);
        const uint64_t name = ms_word8(line + 20 + digits);
        const int is_err = name == 0x727265647473205AULL; /* `Z stderr`, and `Z stdout` */
        uint32_t mark;
        memcpy(&mark, line + 28 + digits, 4);
        if (!digits || (!is_err && name != 0x74756F647473205AULL) || (mark & 0xFFFFFF) != 0x204620 /* ` F ` */) break;
        const int64_t stream = streams[is_err ? ME_STDERR : ME_STDOUT];
        if (!stream) break;
        const int64_t begin = at + 31 + digits;
        const int64_t stop = ME_AT_LEVEL(me_copy_until)(text + length, data, begin, n, ME_OF_LINE, 0);
        if (stop == n) break;
        moment += micros;
        ME_ADD_LINE(begin, length + stop - begin, 0, moment, stream, behind, &tallies[is_err]);
        at = stop + 1;
    }
    d->line += lines;
    for (int i = 0; i < 2; i++) me_add_tally(&d->streams[streams[i ? ME_STDERR : ME_STDOUT]], &tallies[i]);
    ME_LINES_END
    return at;
}

/* The console's rows: a time in thirteen digits and a message, in quotation marks or not. */
ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_csv)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const int64_t behind = d->line - d->text_line;
    me_tally tally = {INT64_MAX, INT64_MIN, 0};
    ME_LINES_BEGIN
    while (n - at > 16 + ME_BEHIND && run < last_run) {
        const uint8_t *const row = data + at;
        const int64_t number = me_thirteen_digits(row);
        if (number < 0 || row[13] != ',') break;
        const int64_t quoted = row[14] == '"', begin = at + 14 + quoted;
        const int64_t stop = ME_AT_LEVEL(me_copy_until)(text + length, data, begin, n, ME_OF_FIELD, (uint64_t)-quoted);
        if (n - stop < 4) break;
        int64_t end = stop + quoted;
        end += data[end] == '\r';
        if (data[end] != '\n' || (quoted && data[stop] != '"')) break;
        const int64_t moment = number * 1000;
        ME_ADD_LINE(begin, length + stop - begin, d->n_escapes, moment, 0, behind, &tally);
        at = end + 1;
    }
    d->line += lines;
    me_add_tally(&d->streams[0], &tally);
    ME_LINES_END
    return at;
}

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_docker)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    const int64_t *const streams = d->container_streams;
    me_tally tallies[2] = {{INT64_MAX, INT64_MIN, 0}, {INT64_MAX, INT64_MIN, 0}};
    int64_t n_escapes = d->n_escapes;
    ME_LINES_BEGIN
    if (d->minute[10] != 'T' || !streams[ME_STDOUT] || d->held[ME_STDOUT].n_runs || d->held[ME_STDERR].n_runs || d->has_unnamed)
        return at;
    while (n - at > 8 + ME_BEHIND && run < last_run) {
        if (ms_word8(data + at) != 0x223A22676F6C227BULL) break; /* `{"log":"` */
        const int64_t begin = at + 8;
        int64_t stop = ME_AT_LEVEL(me_copy_until)(text + length, data, begin, n, ME_OF_STRING, 0), moment;
        int64_t text_end = length + stop - begin;
        if (n - stop < ME_BEHIND) break;
#if ME_WIDE
        if (data[stop] == '\\' && data[stop + 1] != 'n') {
            d->text_length = text_end;
            stop = me_take_escapes_avx512(d, data, stop, n);
            text_end = d->text_length;
            if (stop < 0 || n - stop < ME_BEHIND) break;
        }
#endif
        /* `\n","stream":"stdout","time":"` in words, the last of which overlap */
        const uint8_t *const rest = data + stop;
        const uint64_t name = ms_word8(rest + 16);
        const int is_err = name == 0x74222C2272726564ULL;
        if ((ms_word8(rest) ^ 0x727473222C226E5CULL) | (ms_word8(rest + 8) ^ 0x7473223A226D6165ULL)
            | (ms_word8(rest + 22) ^ 0x223A22656D697422ULL) | (is_err ? 0 : name ^ 0x74222C2274756F64ULL))
            break;
        const unsigned digits = me_fraction(rest + 46, &moment);
        uint32_t tail;
        memcpy(&tail, rest + 50 + digits, 4);
        const int64_t stream = streams[is_err ? ME_STDERR : ME_STDOUT];
        if (!me_is_minute(rest + 30, date, minute) || !digits || tail != 0x0A7D225A /* `Z"}` and a newline */ || !stream) break;
        moment += micros;
        ME_ADD_LINE(begin, text_end, n_escapes, moment, stream, behind, &tallies[is_err]);
        n_escapes = d->n_escapes;
        at = stop + 54 + digits;
    }
    /* The escapes of a line that is left to the caller are taken back. */
    d->n_escapes = n_escapes;
    d->line += lines;
    for (int i = 0; i < 2; i++) me_add_tally(&d->streams[streams[i ? ME_STDERR : ME_STDOUT]], &tallies[i]);
    ME_LINES_END
    return at;
}

#undef ME_VECTOR
#undef ME_MARKS
#undef ME_CONTROLS
#undef ME_LINES_BEGIN
#undef ME_LINES_END
#undef ME_ADD_LINE

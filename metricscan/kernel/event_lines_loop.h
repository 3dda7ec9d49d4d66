/* The loops over lines as their writers write them. event_lines.h includes this file once for each kind of processor, and sets ME_AT_LEVEL,
 * ME_LEVEL_TARGET and ME_WIDE.
 *
 * A loop ends at the first line that it leaves to the decoder of the format: one whose time lies in another minute, one that is written
 * otherwise or is not whole, and any line if the data or the room for runs ends. It returns the place of that line. Its state is in local
 * variables, because a byte that is written to the text could be any field of the decoder, as far as the compiler knows. */

#if ME_WIDE
#define ME_VECTOR __m512i
#define ME_FIELD_ENDS(bytes, ends) \
    _mm512_cmpeq_epi8_mask(bytes, _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(ends))), bytes))
#define ME_MARKS(bytes, byte) _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte))
#define ME_CONTROLS(bytes) _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(0x1f))
#else
#define ME_VECTOR __m256i
#define ME_FIELD_ENDS(bytes, ends)           \
    (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8( \
        bytes, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(ends))), bytes)))
#define ME_MARKS(bytes, byte) (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte)))
#define ME_CONTROLS(bytes) \
    (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes))
#endif

/* Return the mask of the bytes that end a stretch of text of this kind; `field_ends` is for ME_OF_FIELD. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) uint64_t ME_AT_LEVEL(me_ends)(ME_VECTOR bytes, int kind, const uint8_t *field_ends) {
    if (kind == ME_OF_LINE) return ME_MARKS(bytes, '\n');
    if (kind == ME_OF_STRING) return ME_MARKS(bytes, '"') | ME_MARKS(bytes, '\\') | ME_CONTROLS(bytes);
    return ME_FIELD_ENDS(bytes, field_ends);
}

/* Copy 128 bytes, and set the masks of those in them that end a stretch. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) void ME_AT_LEVEL(me_copy_block)(uint8_t *to, const uint8_t *from, int kind,
                                                                          const uint8_t *field_ends, uint64_t *first, uint64_t *second) {
#if ME_WIDE
    const __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + 64);
    _mm512_storeu_si512(to, a);
    _mm512_storeu_si512(to + 64, b);
    *first = ME_AT_LEVEL(me_ends)(a, kind, field_ends);
    *second = ME_AT_LEVEL(me_ends)(b, kind, field_ends);
#else
    uint64_t found[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const __m256i bytes = _mm256_loadu_si256((const __m256i *)(from + 32 * i));
        _mm256_storeu_si256((__m256i *)(to + 32 * i), bytes);
        found[i] = ME_AT_LEVEL(me_ends)(bytes, kind, field_ends) & 0xFFFFFFFF;
    }
    *first = found[0] | found[1] << 32;
    *second = found[2] | found[3] << 32;
#endif
}

/* Copy a string, and return the place of the first byte that ends it; `end` if that is not found up to less than 128 bytes before the end.
 * Up to 128 bytes behind it are copied, so that hardly any length has to be predicted (see me_copy_avx2). */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) int64_t ME_AT_LEVEL(me_copy_string)(uint8_t *to, const uint8_t *data, int64_t at,
                                                                              int64_t end) {
    for (; at + ME_BEHIND <= end; at += ME_BEHIND, to += ME_BEHIND) {
        uint64_t first, second;
        me_ask_ahead(data + at);
        ME_AT_LEVEL(me_copy_block)(to, data + at, ME_OF_STRING, NULL, &first, &second);
        if (first | second) return at + (first ? __builtin_ctzll(first) : 64 + __builtin_ctzll(second));
    }
    return end;
}

/* Copy text that goes up to `stop` or farther, and up to 128 bytes behind that. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) void ME_AT_LEVEL(me_copy_text)(uint8_t *to, const uint8_t *data, int64_t begin, int64_t stop) {
    int64_t at = begin;
    do {
        uint64_t first, second;
        ME_AT_LEVEL(me_copy_block)(to + (at - begin), data + at, ME_OF_LINE, NULL, &first, &second);
        at += ME_BEHIND;
    } while (at < stop);
}

/* Copy text, and return the place of the first byte that ends a stretch of it. There must be one; 128 bytes can be read behind it. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) int64_t ME_AT_LEVEL(me_copy_stretch)(uint8_t *to, const uint8_t *data, int64_t at, int kind,
                                                                               const uint8_t *field_ends) {
    for (;; at += ME_BEHIND, to += ME_BEHIND) {
        uint64_t first, second;
        ME_AT_LEVEL(me_copy_block)(to, data + at, kind, field_ends, &first, &second);
        if (first | second) return at + (first ? __builtin_ctzll(first) : 64 + __builtin_ctzll(second));
    }
}

/* Make the first line end from this place on the next one to be used. Returns 0 if there is none in the window that begins here. Line ends
 * are searched for ahead of the lines: a search that starts behind the line before it would wait for that line's end, while the processor
 * could work at several lines at once. */
ME_LEVEL_TARGET
static int ME_AT_LEVEL(me_find_line_ends)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    if (at >= d->window && at < d->window_end) {
        while (d->next_line_end < d->n_line_ends && d->window + d->line_ends[d->next_line_end] < at) d->next_line_end++;
        if (d->next_line_end < d->n_line_ends) return 1;
    }
    uint16_t *end = d->line_ends;
    const int64_t searched = n - at < ME_WINDOW ? (n - at) & ~63LL : ME_WINDOW;
    for (int64_t i = 0; i < searched; i += 64) {
        const uint8_t *const from = data + at + i;
        __builtin_prefetch((const void *)((uintptr_t)from + ME_AHEAD));
#if ME_WIDE
        uint64_t marks = ME_MARKS(_mm512_loadu_si512(from), '\n');
#else
        uint64_t marks = ME_MARKS(_mm256_loadu_si256((const __m256i *)from), '\n');
        marks |= (uint64_t)ME_MARKS(_mm256_loadu_si256((const __m256i *)(from + 32)), '\n') << 32;
#endif
        /* More than two newlines in 64 bytes are rare. What is written for none is overwritten, or not used. */
        uint16_t *next = end;
        end += __builtin_popcountll(marks);
        next[0] = (uint16_t)(i + (int64_t)_tzcnt_u64(marks));
        marks = _blsr_u64(marks);
        next[1] = (uint16_t)(i + (int64_t)_tzcnt_u64(marks));
        for (marks = _blsr_u64(marks); __builtin_expect(marks != 0, 0); marks = _blsr_u64(marks)) {
            next++;
            next[1] = (uint16_t)(i + (int64_t)_tzcnt_u64(marks));
        }
    }
    d->window = at;
    d->window_end = at + searched;
    d->n_line_ends = (int)(end - d->line_ends);
    d->next_line_end = 0;
    return d->n_line_ends > 0;
}

/* What the loops below hold in local variables. */
#define ME_LINES_BEGIN                                                                                       \
    uint8_t *const text = d->text;                                                                           \
    const int64_t base = d->base, text_base = d->text_base;                                                  \
    int64_t length = d->text_length, lines = 0;                                                              \
    me_run *run = d->runs + d->n_runs;                                                                       \
    const me_run *const last_run = d->runs + d->runs_capacity;

/* For each line that begins at `at` and ends at `stop`. 128 bytes can be read behind it. */
#define ME_EACH_LINE                                                                                         \
    while (ME_AT_LEVEL(me_find_line_ends)(d, data, at, n)) {                                                 \
        const uint16_t *line_end = d->line_ends + d->next_line_end;                                          \
        const uint16_t *const last_line_end = d->line_ends + d->n_line_ends;                                 \
        const int64_t window = d->window;                                                                    \
        for (; line_end < last_line_end; line_end++) {                                                       \
            const int64_t stop = window + *line_end;                                                         \
            if (n - stop <= ME_BEHIND || run == last_run) goto done;

#define ME_LINES_END                                                                                         \
        }                                                                                                    \
        d->next_line_end = d->n_line_ends;                                                                   \
    }                                                                                                        \
done:                                                                                                        \
    ME_LINES_KEEP

#define ME_LINES_KEEP                                                                                        \
    d->text_length = length;                                                                                 \
    d->text_line += lines;                                                                                   \
    d->line += lines;                                                                                        \
    d->n_runs = run - d->runs;

/* Add an event: its message begins here in the input, and goes up to there in the text. */
#define ME_ADD_LINE(begin, text_end, first_escape, moment, stream_number, behind)                            \
    do {                                                                                                     \
        *run++ = (me_run){text_base + length, base + (begin), behind, moment, (int32_t)(stream_number),      \
                          (uint32_t)(first_escape)};                                                         \
        length = (text_end);                                                                                 \
        text[length++] = '\n';                                                                               \
        lines++;                                                                                             \
        me_stream *const of = &d->streams[stream_number];                                                    \
        of->count++;                                                                                         \
        if (moment > of->last) of->last = moment;                                                            \
        else if (moment < of->first) of->first = moment;                                                     \
    } while (0)

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_s3)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    int64_t last = d->time;
    if (d->minute[10] != 'T' || d->streams[0].first == ME_NO_TIME) return at;
    ME_LINES_BEGIN
    ME_EACH_LINE
        const uint8_t *const line = data + at;
        /* me_millisecond, with its tests as one */
        const uint64_t rest = ms_word8(line + 16) ^ 0x5A3030302E30303AULL;
        const uint64_t over = (rest | ((rest & ME_LOW_BITS) + 0x7F7676767F767A7FULL)) & ME_TOP_BITS;
        if (((ms_word8(line) ^ date) | (ms_word8(line + 8) ^ minute) | over) || line[24] != ' ') goto done;
        const int64_t begin = at + 25;
        ME_AT_LEVEL(me_copy_text)(text + length, data, begin, stop);
        const __m128i weights = _mm_set_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 10, 100, 0, 1, 10, 0);
        __m128i number = _mm_maddubs_epi16(_mm_cvtsi64_si128((long long)rest), weights);
        number = _mm_madd_epi16(number, _mm_set_epi16(0, 0, 0, 0, 1, 1, 1000, 1000));
        const uint64_t parts = (uint64_t)_mm_cvtsi128_si64(number);
        last = micros + (int64_t)((parts & 0xFFFFFFFF) + (parts >> 32)) * 1000;
        ME_ADD_LINE(begin, length + stop - begin, 0, last, 0, behind);
        at = stop + 1;
    ME_LINES_END
    if (lines) {
        d->time = last;
        d->has_event = 1;
    }
    return at;
}

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_cri)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    int64_t streams[2];
    /* The first line of a stream, and a message in fragments, are left to the caller. */
    if (!me_has_usual_streams(d, streams)) return at;
    ME_LINES_BEGIN
    ME_EACH_LINE
        const uint8_t *const line = data + at;
        int64_t moment;
        if (!me_is_minute(line, date, minute)) goto done;
        const unsigned digits = me_fraction(line + 16, &moment);
        const uint64_t name = ms_word8(line + 20 + digits);
        const int is_err = name == 0x727265647473205AULL; /* `Z stderr`, and `Z stdout` */
        uint32_t mark;
        memcpy(&mark, line + 28 + digits, 4);
        if (!digits || (!is_err && name != 0x74756F647473205AULL) || (mark & 0xFFFFFF) != 0x204620 /* ` F ` */) goto done;
        const int64_t stream = streams[is_err];
        if (!stream) goto done;
        const int64_t begin = at + 31 + digits;
        ME_AT_LEVEL(me_copy_text)(text + length, data, begin, stop);
        moment += micros;
        ME_ADD_LINE(begin, length + stop - begin, 0, moment, stream, behind);
        at = stop + 1;
    ME_LINES_END
    return at;
}

/* The console's rows: a time in thirteen digits and a message, in quotation marks or not. */
ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_csv)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const int64_t behind = d->line - d->text_line, text_line = d->text_line;
    int64_t n_escapes = d->n_escapes;
    if (d->streams[0].first == ME_NO_TIME) return at;
    ME_LINES_BEGIN
    ME_EACH_LINE
        const uint8_t *const row = data + at;
        const int64_t number = me_thirteen_digits(row);
        if (number < 0 || row[13] != ',') goto done;
        const int64_t quoted = row[14] == '"', begin = at + 14 + quoted;
        const int64_t end = stop - (data[stop - 1] == '\r') - quoted;
        /* No branch asks whether there are quotation marks, because the processor cannot predict it. */
        if ((end < begin) | (quoted & (data[end] != '"'))) goto done;
        const int64_t other = ME_AT_LEVEL(me_copy_stretch)(text + length, data, begin, ME_OF_FIELD, ME_FIELD_END_TABLES[quoted]);
        int64_t text_end = length + other - begin;
        if (other != end) {
            /* Two quotation marks are an escape. */
            int64_t inner_lines = 0;
            if (!quoted) goto done;
            d->text_length = text_end;
            if (ME_AT_LEVEL(me_take_quoted)(d, data, other, n, &inner_lines) != end) goto done;
            text_end = d->text_length;
        }
        const int64_t moment = number * 1000;
        ME_ADD_LINE(begin, text_end, n_escapes, moment, 0, behind);
        n_escapes = d->n_escapes;
        at = stop + 1;
    ME_LINES_END
    /* What a row that is left to the caller has added is taken back. */
    d->n_escapes = n_escapes;
    d->text_line = text_line + lines;
    return at;
}

ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_docker)(me_decoder *d, const uint8_t *data, int64_t at, int64_t n) {
    const uint64_t date = ms_word8(d->minute), minute = ms_word8(d->minute + 8);
    const int64_t micros = d->minute_micros, behind = d->line - d->text_line;
    int64_t streams[2];
    int64_t n_escapes = d->n_escapes;
    if (!me_has_usual_streams(d, streams)) return at;
    ME_LINES_BEGIN
    /* The end of a message is searched for anyway, so the end of the line is not searched for before: with that it takes
     * 28.7 ns a line, this 25.6. */
    while (n - at > 8 + ME_BEHIND && run < last_run) {
        if (ms_word8(data + at) != 0x223A22676F6C227BULL) break; /* `{"log":"` */
        const int64_t begin = at + 8;
        int64_t end = ME_AT_LEVEL(me_copy_string)(text + length, data, begin, n);
        int64_t text_end = length + end - begin;
        if (n - end < ME_BEHIND) break;
        if (data[end] == '\\' && data[end + 1] != 'n') {
            d->text_length = text_end;
            end = ME_AT_LEVEL(me_take_escapes)(d, data, end, n);
            text_end = d->text_length;
            if (end < 0 || n - end < ME_BEHIND) break;
        }
        /* `\n","stream":"stdout","time":"` in words, the last of which overlap */
        const uint8_t *const rest = data + end;
        me_ask_ahead(rest);
        const uint64_t name = ms_word8(rest + 16);
        const int is_err = name == 0x74222C2272726564ULL;
        if ((ms_word8(rest) ^ 0x727473222C226E5CULL) | (ms_word8(rest + 8) ^ 0x7473223A226D6165ULL)
            | (ms_word8(rest + 22) ^ 0x223A22656D697422ULL) | (is_err ? 0 : name ^ 0x74222C2274756F64ULL))
            break;
        int64_t moment;
        const unsigned digits = me_fraction(rest + 46, &moment);
        uint32_t tail;
        memcpy(&tail, rest + 50 + digits, 4);
        const int64_t stream = streams[is_err];
        if (!me_is_minute(rest + 30, date, minute) || !digits || tail != 0x0A7D225A /* `Z"}` and a newline */ || !stream) break;
        moment += micros;
        ME_ADD_LINE(begin, text_end, n_escapes, moment, stream, behind);
        n_escapes = d->n_escapes;
        at = end + 54 + digits;
    }
    ME_LINES_KEEP
    /* The escapes of a line that is left to the caller are taken back. */
    d->n_escapes = n_escapes;
    return at;
}

#undef ME_VECTOR
#undef ME_MARKS
#undef ME_FIELD_ENDS
#undef ME_CONTROLS
#undef ME_LINES_BEGIN
#undef ME_EACH_LINE
#undef ME_LINES_END
#undef ME_LINES_KEEP
#undef ME_ADD_LINE

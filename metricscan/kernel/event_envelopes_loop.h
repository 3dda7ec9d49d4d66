/* The loop over events in JSON whose envelopes are the same. events_json.h includes this file for each kind of processor, and sets
 * ME_AT_LEVEL, ME_LEVEL_TARGET and ME_VECTOR_BYTES, which is 64 for AVX-512, 32 for AVX2, and 16 for all others. */

/* Return whether the bytes here fit the kept envelope. Up to ME_BEHIND bytes past its end may be read. */
ME_LEVEL_TARGET
static inline __attribute__((always_inline)) int ME_AT_LEVEL(me_has_envelope)(const me_decoder *d, const uint8_t *one, int64_t length) {
    const uint8_t *const low = d->envelope.low, *const more = d->envelope.more;
#if ME_VECTOR_BYTES == 64
    uint64_t other = 0;
    for (int64_t i = 0; i < length; i += 64) {
        if (i % 128 == 0) me_ask_ahead(one + i);
        const __m512i above = _mm512_sub_epi8(_mm512_loadu_si512(one + i), _mm512_loadu_si512(low + i));
        other |= _mm512_cmpgt_epu8_mask(above, _mm512_loadu_si512(more + i));
    }
    return !other;
#elif ME_VECTOR_BYTES == 32
    __m256i same = _mm256_set1_epi8(-1);
    for (int64_t i = 0; i < length; i += 32) {
        if (i % 128 == 0) me_ask_ahead(one + i);
        const __m256i above = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(one + i)),
                                              _mm256_loadu_si256((const __m256i *)(low + i)));
        const __m256i most = _mm256_min_epu8(above, _mm256_loadu_si256((const __m256i *)(more + i)));
        same = _mm256_and_si256(same, _mm256_cmpeq_epi8(most, above));
    }
    return _mm256_movemask_epi8(same) == -1;
#else
#ifdef MS_X86
    if (MS_HAS_BASELINE(d->level)) {
        __m128i same = _mm_set1_epi8(-1);
        for (int64_t i = 0; i < length; i += 16) {
            const __m128i above = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(one + i)), _mm_loadu_si128((const __m128i *)(low + i)));
            const __m128i most = _mm_min_epu8(above, _mm_loadu_si128((const __m128i *)(more + i)));
            same = _mm_and_si128(same, _mm_cmpeq_epi8(most, above));
        }
        return _mm_movemask_epi8(same) == 0xffff;
    }
#endif
    for (int64_t i = 0; i < length; i++)
        if ((uint8_t)(one[i] - low[i]) > more[i]) return 0;
    return 1;
#endif
}

#if ME_VECTOR_BYTES == 64
/* me_stream_of for the two streams that were used last; -1 if it is none of them. `mask`: as many bits as the name has bytes. */
ME_LEVEL_TARGET
static inline int64_t me_recent_stream_avx512(me_decoder *d, const uint8_t *name, int64_t length, uint64_t mask) {
    const __m512i bytes = _mm512_maskz_loadu_epi8(mask, name);
    const int64_t recent[2] = {d->same_stream, d->other_stream};
    for (int i = 0; i < 2; i++) {
        const me_stream *const one = &d->streams[recent[i]];
        if (!recent[i] || one->name_length != length) continue;
        if (_mm512_cmpneq_epi8_mask(bytes, _mm512_maskz_loadu_epi8(mask, d->names + one->name_at))) continue;
        d->same_stream = recent[i];
        d->other_stream = recent[!i];
        return recent[i];
    }
    return -1;
}
#endif

/* Read the events behind `stop`, the end of a message, as long as their envelopes fit the kept one. Such envelopes are compared as
   bytes, not parsed token by token. Returns where the last message ends, or one of the negative outcomes. `at_since` holds where that
   message starts in the text, and `safe` the state at the start of its event. */
ME_LEVEL_TARGET
static int64_t ME_AT_LEVEL(me_same_envelopes)(me_decoder *d, const uint8_t *data, int64_t stop, int64_t n, int64_t *at_line,
                                            int64_t *at_since, me_mark *safe) {
    /* Local variables, because a byte that is written to the text could be any field of the decoder, as far as the compiler knows. */
    const int64_t between = d->envelope.length, lines = d->envelope.lines, base = d->base, text_base = d->text_base;
    const int64_t time_at = d->envelope.time, name_at = d->envelope.stream, name_length = d->envelope.stream_length;
    const int time_is_ms = d->envelope.time_is_ms;
#if ME_VECTOR_BYTES == 64
    const uint64_t name_mask = name_length < 64 ? (1ULL << name_length) - 1 : ~0ULL;
#endif
    uint8_t *const text = d->text;
    int64_t line = *at_line, length = d->text_length, text_line = d->text_line, time = d->time, stream = d->stream;
    int64_t runs = d->n_runs;
    /* Where the envelope of the last event begins, and its first run, which tells the rest of the state at its start; -1 if there is none. */
    int64_t envelope = 0, first_run = -1;
    while (n - stop >= between + ME_BEHIND && ME_AT_LEVEL(me_has_envelope)(d, data + stop, between)) {
        /* The time and the stream of the last event stood before its message: nothing that follows can change them. */
        me_count_event(d, time, stream);
        const int64_t start = stop + between;
        envelope = stop;
        line += lines;
        time = ME_NO_TIME;
        stream = d->payload_stream;
        if (runs == d->runs_capacity && me_grow((void **)&d->runs, &d->runs_capacity, runs + 1, sizeof(me_run))) return ME_NO_ROOM;
        me_run *const run = &d->runs[runs];
        *run = (me_run){text_base + length, base + start, line - text_line, time, (int32_t)stream, (uint32_t)d->n_escapes};
        first_run = runs++;
        if (time_is_ms) {
#if ME_VECTOR_BYTES > 16
            time = me_number_of_thirteen(data + stop + time_at) * 1000;
#else
            time = me_read_thirteen_digits(data + stop + time_at) * 1000;
#endif
        } else if (time_at && !me_time(d, data + stop + time_at, d->envelope.time_length, &time)) {
            stop = ME_BAD_TIME;
            break;
        }
        if (name_at) {
            const uint8_t *const name = data + stop + name_at;
#if ME_VECTOR_BYTES == 64
            stream = name_length <= 64 ? me_recent_stream_avx512(d, name, name_length, name_mask) : -1;
            if (stream < 0)
#endif
                stream = me_stream_of(d, name, name_length);
            if (stream < 0) return ME_NO_ROOM;
        }
        run->time = time;
        run->stream = (int32_t)stream;
#if ME_VECTOR_BYTES > 16
        stop = ME_AT_LEVEL(me_copy_string)(text + length, data, start, n);
        const int is_copied = stop < n;
#else
        stop = me_copy(d, text + length, data, start, n, ME_IN_STRING);
        const int is_copied = 1;
#endif
        if (stop < n && data[stop] == '"') {
            length += stop - start;
            text[length++] = '\n';
            text_line++;
            stop++;
        } else {
            const int64_t since = length;
            d->text_length = is_copied ? length + stop - start : length;
            d->text_line = text_line;
            d->n_runs = runs;
            d->time = time;
            d->stream = stream;
            stop = me_take_string(d, data, is_copied ? stop : start, n, line);
            if (stop >= 0) me_end_message(d, since);
            length = d->text_length;
            text_line = d->text_line;
            runs = d->n_runs;
            if (stop < 0) break;
        }
    }
    if (first_run >= 0) {
        const me_run *const run = &d->runs[first_run];
        *at_since = run->out - text_base;
        *safe = (me_mark){envelope + d->envelope.brace, line - lines + d->envelope.brace_lines, *at_since, line - run->lines, first_run,
                          run->escape, ME_VALUE, d->depth - 1, ME_MESSAGE};
    }
    d->text_length = length;
    d->text_line = text_line;
    d->n_runs = runs;
    d->time = time;
    d->stream = stream;
    *at_line = line;
    return stop;
}

/* Find where records start and end in the block that is being searched. records.h includes this file once for each kind of processor, and
 * sets MS_AT_LEVEL, MS_LEVEL_TARGET and MS_WIDE. */

#if MS_WIDE
/* Return a mask of those of eight words that have marks. */
MS_LEVEL_TARGET
static inline uint32_t MS_AT_LEVEL(ms_words_with_marks)(const uint64_t *words) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i first = _mm256_loadu_si256((const __m256i *)words), second = _mm256_loadu_si256((const __m256i *)(words + 4));
    return 0xFF ^ ((uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(first, zero))) |
                   (uint32_t)_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(second, zero))) << 4);
}
#endif

/* Find the start and the end of a record by a walk over the marks. Its line is known already. */
MS_LEVEL_TARGET
__attribute__((noinline)) static void MS_AT_LEVEL(ms_find_record_far)(ms_region *r, size_t at) {
    const size_t before = ms_marked_before(r->ends, at), behind = ms_marked_from(r->ends, at, r->words);
    r->record = before == MS_BLOCK ? r->open : r->block + (int64_t)before + 1;
    if (behind != MS_BLOCK) {
        r->next = r->block + (int64_t)behind;
    } else {
        const size_t rest = (size_t)(r->block + MS_BLOCK < r->n ? r->block + MS_BLOCK : r->n);
        r->next = ms_terminator_from(r->p, (int64_t)rest, r->n, ms_second_terminator(r->terminators));
    }
}

MS_LEVEL_TARGET
static inline void MS_AT_LEVEL(ms_find_record_in_block)(ms_region *r, int64_t position) {
    const ms_newlines *const lines = r->newlines;
    const size_t at = (size_t)(position - r->block), word = at / 64;
    const uint64_t earlier = ((uint64_t)1 << at % 64) - 1;
#if MS_WIDE
    const int64_t line = r->block_line + lines->before[word] + __builtin_popcountll(lines->marks.words[word] & earlier);
    /* The record directly follows the last one, which ended in this block. */
    const int follows = r->only_newlines && line == r->line + 1 && r->next >= r->block;
    r->line = line;
    /* Two masks tell which words have marks: this word and the seven behind it, and the eight before it and this word. All are tested at
     * once, because no branch predictor knows how many words the next line takes. */
    const uint64_t *const ends = r->ends + word;
    const uint64_t behind = *ends & ~earlier, before = *ends & earlier;
    const uint32_t words_behind = (MS_AT_LEVEL(ms_words_with_marks)(ends) & 0xFE) | (behind != 0);
    const size_t to = (size_t)__builtin_ctz(words_behind | 0x100);
    if (__builtin_expect(word + to < r->words && words_behind != 0, 1)) {
        const uint64_t next = ends[to] & ~(earlier & -(uint64_t)(to == 0));
        if (__builtin_expect(follows, 1)) {
            r->record = r->next + 1;
            r->next = r->block + (int64_t)((word + to) * 64) + __builtin_ctzll(next);
            return;
        }
        const uint32_t words_before = MS_AT_LEVEL(ms_words_with_marks)(ends - 8) | (uint32_t)(before != 0) << 8;
        if (__builtin_expect(words_before != 0, 1)) {
            const ptrdiff_t from = 23 - (ptrdiff_t)__builtin_clz(words_before);
            r->record = r->block + ((ptrdiff_t)word + from + 1) * 64 - __builtin_clzll(from ? ends[from] : before);
            r->next = r->block + (int64_t)((word + to) * 64) + __builtin_ctzll(next);
            return;
        }
    }
#else
    r->line = r->block_line + lines->before[word] + (int64_t)ms_count_bits(lines->marks.words[word] & earlier);
#endif
    MS_AT_LEVEL(ms_find_record_far)(r, at);
}

/* Make the record that holds this position of the block the current one. */
MS_LEVEL_TARGET
static inline void MS_AT_LEVEL(ms_enter_record_in_block)(ms_region *r, int64_t position, int64_t *serial) {
    /* The literal at this position begins with a terminator. No record contains it, and neither does the empty record that is made here. */
    if (position == r->next) r->record = position;
    else MS_AT_LEVEL(ms_find_record_in_block)(r, position);
    ms_open_record(r, serial);
}

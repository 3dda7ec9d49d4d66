/* The loop of the fast path. fast_path.h includes this file once for each kind of processor, and sets MS_AT_LEVEL, MS_LEVEL_TARGET and
 * MS_WIDE. */

/* In a group with several literals, return the first entry whose window equals the bytes at this place, or ms_nowhere. */
MS_LEVEL_TARGET
static inline const ms_entry *MS_AT_LEVEL(ms_entry_at)(const ms_lookup *find, const ms_group *group, const uint8_t *at) {
    const uint64_t window = ms_word8(at + group->window) & group->mask;
    const ms_entry *entry = find->heads[(uint32_t)group->heads + ms_slot(window, group->head_mask)];
    while (entry != NULL && entry->window != window) entry = entry->following;
    return entry != NULL ? entry : &ms_nowhere;
}

/* Write the candidates among the positions: those that hold the literal of their fingerprint, or may hold one of several. The loop is
 * branch-free (it always writes a candidate, and advances by 0 or 1): in most logs some positions hold a literal and some do not, which no
 * processor predicts. */
MS_LEVEL_TARGET
static size_t MS_AT_LEVEL(ms_candidates)(const ms_lookup *find, const ms_region *r, const uint32_t *restrict positions, size_t found,
                                      ms_candidate *restrict candidates) {
    const uint16_t *const pair_group = find->pair_group;
    const ms_entry *const *const only = find->only;
    const ms_group *const groups = find->groups;
    const uint8_t *const block = r->p + r->block;
    const ptrdiff_t rest = r->n - r->block;
    ms_candidate *next = candidates;
    size_t i = 0, to = found;
    /* The loop reads bytes around a position; they must lie in the region. */
    while (to > 0 && rest < (ptrdiff_t)positions[to - 1] + 40) to--;
    for (; i < to && r->block + positions[i] < 16; i++) *next++ = (ms_candidate){block + positions[i], &ms_at_edge};
    for (; i < to; i++) {
        const uint8_t *const position = block + positions[i];
        const uint32_t number = pair_group[ms_load2(position)];
        const ms_entry *entry = only[number];
        if (entry == &ms_unknown && groups[number - 1].near) entry = MS_AT_LEVEL(ms_entry_at)(find, groups + number - 1, position);
        next->position = position;
        next->entry = entry;
        next += ((ms_word8(position + entry->head_place) ^ entry->head) | (ms_word8(position + entry->tail_place) ^ entry->tail)) & entry->mask ? 0 : 1;
    }
    for (; i < found; i++) *next++ = (ms_candidate){block + positions[i], &ms_at_edge};
    return (size_t)(next - candidates);
}

/* Match a chain from behind its literal and write its row. Returns 0 if either is left to the caller. */
MS_LEVEL_TARGET
__attribute__((always_inline)) static inline int MS_AT_LEVEL(ms_decide_any_chain)(int level, int watching, const ms_region *r, ms_state *state,
                                                                               const ms_entry *entry, const uint8_t *from, ms_left *left) {
    const uint8_t *const p = r->p, *const limit = p + r->n, *value = from, *stop = from, *after = from;
    const int64_t row = state->rows;
    int known = row < state->fast_room;
    if (state->closed && state->record == r->serial) return 1;
    const int found = ms_follow(entry->steps, from, p + r->end, &value, &stop, &after);
    if (found < 0) return 0;
    if (found == 0) {
        if (!watching || !entry->has_lead) return 1;
        left->pattern = MS_LEFT_MISS;
        return 0;
    }
    state->next_start = r->base + (after - p);
    /* There is a byte at `stop`, because each record has a terminator here, and before the value: that of the literal. */
    if (watching && ((entry->before[value[-1]] && value > p + r->record) ||
                     ((limit - stop < 2 || ms_may_look(entry->behind, stop)) && ms_is_looked_at(r, entry->behind, stop))))
        known = 0;
    if (known) {
#if MS_WIDE
        const ms_number_constants constants = ms_number_constants_made();
        if (limit - value < 16 || !ms_short_number_wide(&constants, _mm_loadu_si128((const __m128i *)value), value, (size_t)(stop - value), state->value + row))
#else
        if (!(MS_VECTOR_NUMBERS && level != MS_PORTABLE ? ms_short_number_vector(value, stop, state->value + row)
                                                        : ms_short_number(value, stop, limit, state->value + row)))
#endif
            known = ms_number_general(value, stop, limit, state->value + row) == MS_NUMBER;
    }
    if (known) {
        state->line[row] = r->row_line;
        state->offset[row] = r->row_offset;
        state->start[row] = r->offset + (value - p);
        state->rows = row + 1;
        return 1;
    }
    if (ms_put_known_text(state, value, stop, r->row_line, r->row_offset, r->offset + (value - p))) return 1;
    left->pattern = entry->pattern;
    left->start = from - p - entry->length;
    left->end = after - p;
    left->value_start = value - p;
    left->value_end = stop - p;
    (void)level;
    return 0;
}

MS_LEVEL_TARGET
__attribute__((noinline)) static int MS_AT_LEVEL(ms_decide_chain)(int level, const ms_region *r, ms_state *state, const ms_entry *entry,
                                                               const uint8_t *from, ms_left *left) {
    return MS_AT_LEVEL(ms_decide_any_chain)(level, 0, r, state, entry, from, left);
}

MS_LEVEL_TARGET
__attribute__((noinline)) static int MS_AT_LEVEL(ms_decide_watched_chain)(int level, const ms_region *r, ms_state *state, const ms_entry *entry,
                                                                       const uint8_t *from, ms_left *left) {
    return MS_AT_LEVEL(ms_decide_any_chain)(level, 1, r, state, entry, from, left);
}

/* The loop of both functions below. `watching` is a constant: a scan that does not watch pays for no test of it, which were 2 to 4 % of its
 * instructions on real logs. */
MS_LEVEL_TARGET
__attribute__((always_inline)) static inline const ms_candidate *MS_AT_LEVEL(ms_decide_any)(int level, int watching, ms_region *r, ms_state *states, int64_t *serial,
                                               const ms_candidate *candidate, const ms_candidate *stop_at, ms_left *left) {
    const uint8_t *const p = r->p, *const limit = p + r->n;
    /* An address plus `seen` is the place as patterns see it; an address plus `input` is the place in the input. */
    const uint64_t seen = (uint64_t)r->base - (uintptr_t)p, input = (uint64_t)r->offset - (uintptr_t)p;
    const uint8_t *end = p + r->end, *next = p + r->next;
    int64_t row_line = r->row_line, row_offset = r->row_offset;
#if MS_WIDE
    const ms_number_constants constants = ms_number_constants_made();
#endif
    left->pattern = MS_LEFT_CANDIDATE;
    for (; candidate < stop_at; candidate++) {
        const uint8_t *const position = candidate->position;
        const ms_entry *const entry = candidate->entry;
        if (__builtin_expect(entry->fast == MS_NOT_FAST, 0)) break;
        if (position >= next) {
            MS_AT_LEVEL(ms_enter_record_in_block)(r, position - p, serial);
            end = p + r->end, next = p + r->next, row_line = r->row_line, row_offset = r->row_offset;
        }
        const uint8_t *const start = position + entry->head_place, *const from = position + entry->from_place;
        ms_state *const state = (ms_state *)((char *)states + entry->state);
        if ((int64_t)((uintptr_t)start + seen) < state->next_start) continue;
        if (__builtin_expect(entry->fast == MS_FAST_CHAIN, 0)) {
            if (watching ? MS_AT_LEVEL(ms_decide_watched_chain)(level, r, state, entry, from, left)
                         : MS_AT_LEVEL(ms_decide_chain)(level, r, state, entry, from, left))
                continue;
            break;
        }
        const uint8_t *stop = from, *after;
#if MS_WIDE
        const __m128i text = _mm_loadu_si128((const __m128i *)from);
#endif
        if (entry->fast == MS_FAST_LAZY) {
            stop = ms_run_to_byte(from, end, 16, entry->stop);
            if (stop >= end) {
                /* A run that starts later in this record has no end either. */
                state->next_start = (int64_t)((uintptr_t)end + seen);
                if (!watching || !entry->has_lead || !ms_may_be_cut_at_end(r)) continue;
                left->pattern = MS_LEFT_MISS;
                break;
            }
            after = stop + 1;
        } else {
            if (entry->at_start && start != p + r->record) continue;
#if MS_WIDE
            if (entry->stops.level != MS_PORTABLE) {
                const __m128i nibble = _mm_set1_epi8(15);
                const __m128i low = _mm_loadu_si128((const __m128i *)entry->stops.low), high = _mm_loadu_si128((const __m128i *)entry->stops.high);
                const __m128i is = _mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(text, nibble)),
                                                 _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(text, 4), nibble)));
                const uint32_t members = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(is, _mm_setzero_si128()));
                stop += __builtin_ctz(~members);
                if (stop > end) stop = end;
                else if (__builtin_expect(members == 0xFFFF, 0)) {
                    stop = from + ms_find_class_far(&entry->stops, entry->ends, from, 16, (size_t)(end - from));
                    if (watching && limit - stop < 2) break;
                }
            } else
#endif
            {
                while (stop < end && entry->table[*stop] == MS_MEMBER) stop++;
                if (watching && limit - stop < 2) break;
            }
            if (stop < end && entry->table[*stop] == MS_UNDECIDED) break;
            after = stop + entry->suffix_length;
            if (stop - from < entry->least || after > end ||
                (after > stop && !ms_equal(stop, entry->suffix, (size_t)entry->suffix_length))) {
                /* A run that starts before the end of this one ends there too, and fails too. */
                const uint8_t *const last = stop - entry->length;
                state->next_start = (int64_t)((uintptr_t)(last > start ? last : start) + seen) + 1;
                if (!watching) continue;
                /* A value that the pattern does not take goes on behind the run. A later candidate within the run is passed over, so
                 * its value may be meant. */
                const uint8_t *const may = stop > from ? entry->goes_on : entry->value_starts;
                const int looks = stop < end ? may[*stop] : entry->has_lead && ms_may_be_cut_at_end(r);
                if (__builtin_expect(!looks && !(entry->is_nested && stop - from >= entry->length), 1)) continue;
                left->pattern = MS_LEFT_MISS;
                break;
            }
            /* There is a byte at `stop`: each record has a terminator here. Behind a lazy run stands the byte that the pattern says. */
            if (watching && __builtin_expect(ms_may_look(entry->behind, stop) && ms_is_looked_at(r, entry->behind, stop), 0)) {
                state->next_start = (int64_t)((uintptr_t)after + seen);
                goto leave;
            }
        }
        state->next_start = (int64_t)((uintptr_t)after + seen);
        const int64_t row = state->rows;
        int known = row < state->fast_room;
        if (known) {
#if MS_WIDE
            if (!ms_short_number_wide(&constants, text, from, (size_t)(stop - from), state->value + row))
#else
            /* The portable level reads numbers by words, so that the tests cover both readers. */
            if (!(MS_VECTOR_NUMBERS && level != MS_PORTABLE ? ms_short_number_vector(from, stop, state->value + row)
                                                            : ms_short_number(from, stop, limit, state->value + row)))
#endif
                known = ms_number_general(from, stop, limit, state->value + row) == MS_NUMBER;
        }
        if (known) {
            if (row % 8 == 0) {
                /* Prefetch the next cache line but one of each column. Four patterns write sixteen columns, more than the hardware
                 * prefetcher follows. With four metrics in every line, throughput rises from 3.0 to 3.1 GB/s. */
                __builtin_prefetch(state->value + row + 16, 1);
                __builtin_prefetch(state->line + row + 16, 1);
                __builtin_prefetch(state->offset + row + 16, 1);
                __builtin_prefetch(state->start + row + 16, 1);
            }
            state->line[row] = row_line;
            state->offset[row] = row_offset;
            state->start[row] = (int64_t)((uintptr_t)from + input);
            state->rows = row + 1;
        } else {
            if (ms_put_known_text(state, from, stop, row_line, row_offset, (int64_t)((uintptr_t)from + input))) continue;
        leave:
            left->pattern = entry->pattern;
            left->start = start - p;
            left->end = after - p;
            left->value_start = from - p;
            left->value_end = stop - p;
            break;
        }
    }
    (void)level;
    (void)limit;
    return candidate;
}

MS_LEVEL_TARGET
static const ms_candidate *MS_AT_LEVEL(ms_decide)(int level, ms_region *r, ms_state *states, int64_t *serial,
                                               const ms_candidate *candidate, const ms_candidate *stop_at, ms_left *left) {
    return MS_AT_LEVEL(ms_decide_any)(level, 0, r, states, serial, candidate, stop_at, left);
}

MS_LEVEL_TARGET
static const ms_candidate *MS_AT_LEVEL(ms_decide_watching)(int level, ms_region *r, ms_state *states, int64_t *serial,
                                                        const ms_candidate *candidate, const ms_candidate *stop_at, ms_left *left) {
    return MS_AT_LEVEL(ms_decide_any)(level, 1, r, states, serial, candidate, stop_at, left);
}

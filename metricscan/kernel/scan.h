/* The scan of a region, which consists of whole records that are contiguous in memory: search it for literals, and match each candidate. */
#ifndef METRICSCAN_SCAN_H
#define METRICSCAN_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "cut_lines.h"
#include "fast_path.h"
#include "fingerprints.h"
#include "matches.h"
#include "pass.h"
#include "records.h"
#include "rewriting.h"
#include "run_program.h"
#include "spans.h"
#include "tables.h"

/* Finish the current record, and enter the record that holds this position. */
__attribute__((noinline)) static void ms_next_record(ms_scan *scan, ms_region *r, int64_t position) {
    if (scan->n_pending) ms_flush_pending(scan, r);
    ms_enter_record(scan, r, position);
}

/* ---- misses */

/* Run the companions of the patterns that have not matched, in each record that was left already; `open` is the serial number of the
 * record that may still have candidates. */
__attribute__((noinline)) static void ms_try_misses(ms_scan *scan, ms_region *r, int64_t open) {
    const ms_region current = *r;
    int64_t kept = 0;
    for (int64_t i = 0; i < scan->n_misses; i++) {
        const ms_miss miss = scan->misses[i];
        if (miss.pattern < 0) continue;
        if (miss.serial == open) {
            scan->misses[kept++] = miss;
            continue;
        }
        const ms_pattern *q = &scan->tables->patterns[miss.pattern];
        const int32_t companion = q->companion;
        const int is_near = q->has_near && (miss.is_found || ms_may_hold_value(q, r->p, miss.record, miss.end));
        const int may_be_cut = ms_may_be_cut(r->p + miss.record, r->p + miss.end, r->p + miss.next, r->p + r->n);
        const int64_t cut = may_be_cut ? ms_value_at_end(q, r->p, miss.record, miss.end) : -1;
        if ((!is_near && cut < 0) || ms_has_row_at(&scan->states[miss.pattern], miss.offset)) continue;
        r->serial = miss.serial;
        r->record = miss.record;
        r->end = miss.end;
        r->next = miss.next;
        r->row_line = miss.line;
        r->row_offset = miss.offset;
        r->kind = -1;
        if (cut >= 0) ms_check_cut(scan, r, miss.pattern, MS_CUT_MISS, cut, miss.end);
        if (!is_near) continue;
        ms_open_state(scan, r, &scan->states[companion]);
        if (scan->tables->patterns[companion].strategy == MS_STRATEGY_CONFIRM) ms_defer_record(scan, r, companion);
        else ms_run_program(scan, r, companion, r->record);
    }
    scan->n_misses = kept;
    r->serial = current.serial;
    r->record = current.record;
    r->end = current.end;
    r->next = current.next;
    r->row_line = current.row_line;
    r->row_offset = current.row_offset;
    r->kind = current.kind;
}

/* ---- candidates */

/* Match a candidate of any pattern, in the current record. */
__attribute__((always_inline)) static inline void ms_try_candidate(ms_scan *scan, ms_region *r, int32_t pattern, int64_t start) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_state *state = &scan->states[pattern];
    int64_t match_end = 0, run_end = 0;
    if (state->record != r->serial) ms_open_state(scan, r, state);
    if (state->closed) return;
    if (q->is_companion) {
        ms_note_found(scan, r, q->companion);
        return;
    }
    if (q->strategy == MS_STRATEGY_CONFIRM) {
        ms_defer_record(scan, r, pattern);
        return;
    }
    if (q->strategy == MS_STRATEGY_PROGRAM) {
        /* If the pattern is a chain, its last match may extend beyond this place. */
        if (q->steps != NULL && r->base + start < state->next_start) return;
        ms_run_program(scan, r, pattern, q->found_by_lead ? start : r->record);
        if (q->has_lead && state->rows == state->row_mark) ms_note_unmatched(scan, r, pattern, start);
        return;
    }
    if (r->base + start < state->next_start) return;
    if (q->counted && ms_record_kind(r) != MS_ASCII) {
        ms_run_program(scan, r, pattern, r->record);
        if (q->has_lead && state->rows == state->row_mark) ms_note_unmatched(scan, r, pattern, start);
        return;
    }
    if (!ms_match_span(q, state, r, start, &match_end, &run_end)) {
        if (q->has_lead) ms_note_unmatched_span(scan, r, q, pattern, start);
        return;
    }
    state->next_start = r->base + match_end;
    if (scan->tables->matches == MS_MATCHES_LAST) {
        if (!state->pending) scan->pending[scan->n_pending++] = pattern;
        state->pending = 1;
        state->pending_start = start;
        state->pending_end = match_end;
        state->pending_run = run_end;
        return;
    }
    if (scan->tables->matches == MS_MATCHES_FIRST) state->closed = 1;
    ms_put_match(scan, r, pattern, start, match_end, run_end);
}

/* Match a candidate of a plain span. It never needs Python to find a match, so it has no state per record, and no row is taken back. */
static inline void ms_try_plain(ms_scan *scan, ms_region *r, const ms_pattern *q, int32_t pattern, int64_t start) {
    ms_state *state = &scan->states[pattern];
    int64_t match_end = 0, run_end = 0;
    if (r->base + start < state->next_start) return;
    if (q->plain == MS_PLAIN_LAZY_TO_BYTE) {
        match_end = start + q->prefix_length;
        if (match_end == r->end && q->has_lead) ms_note_candidate(scan, r, pattern, start);
        if (match_end >= r->end || r->base + match_end <= state->memo_to) return;
        if (!ms_match_to_byte(state, r, match_end, q->suffix[0], &run_end)) {
            if (q->has_lead) ms_note_unmatched_span(scan, r, q, pattern, start);
            return;
        }
        match_end = run_end + 1;
    } else if (!ms_match_span(q, state, r, start, &match_end, &run_end)) {
        if (q->has_lead) ms_note_unmatched_span(scan, r, q, pattern, start);
        return;
    }
    state->next_start = r->base + match_end;
    ms_put_match(scan, r, pattern, start, match_end, run_end);
}

/* Verify the literals that share the fingerprint at this position, and match the patterns of those that are there. */
__attribute__((noinline)) static void ms_try_group(ms_scan *scan, ms_region *r, const ms_group *group, int64_t position) {
    const ms_tables *const t = scan->tables;
    const uint64_t window = ms_load8(r->p, position + group->window, (size_t)r->n) & group->mask;
    const ms_entry *entry = group->only;
    if (entry == NULL) entry = t->find.heads[group->heads + (int32_t)ms_slot(window, group->head_mask)];
    for (; entry != NULL; entry = entry->following) {
        const ms_literal *const literal = entry->literal;
        if (entry->window != window) continue;
        const int64_t start = position - literal->place;
        if (start < 0 || start + literal->length > r->n) continue;
        if (!literal->in_window && !ms_equal(r->p + start, literal->text, (size_t)literal->length)) continue;
        if (position >= r->next) ms_next_record(scan, r, position);
        for (int32_t i = literal->first_use, to = i + literal->uses; i < to; i++) {
            const int32_t pattern = t->uses[i];
            const ms_pattern *const q = &t->patterns[pattern];
            if (q->plain) ms_try_plain(scan, r, q, pattern, start);
            else ms_try_candidate(scan, r, pattern, start);
        }
    }
}

/* Try all literals whose fingerprint stands at this position. */
static void ms_try_position(ms_scan *scan, ms_region *r, int64_t position) {
    const ms_tables *const t = scan->tables;
    const uint8_t pair[2] = {r->p[position], position + 1 < r->n ? r->p[position + 1] : 0};
    uint32_t group = t->find.pair_group[ms_load2(pair)];
    if (group && group != t->one_byte) ms_try_group(scan, r, &t->find.groups[group - 1], position);
    if (t->has_single_bytes) {
        group = t->one_group[pair[0]];
        if (group) ms_try_group(scan, r, &t->find.groups[group - 1], position);
    }
}

/* Try positions of a block, at most MS_SOME_POSITIONS. The slow path takes those that the fast path leaves. */
static void ms_try_positions(ms_scan *scan, ms_region *r, const uint32_t *positions, size_t found) {
    const ms_tables *const t = scan->tables;
    ms_candidate candidates[MS_SOME_POSITIONS];
    ms_left left;
    if (scan->trace || scan->unterminated) {
        for (size_t i = 0; i < found; i++) ms_try_position(scan, r, r->block + positions[i]);
        return;
    }
    const ms_candidate *candidate = candidates;
    const ms_candidate *const to = candidates + ms_candidates(t->level, &t->find, r, positions, found, candidates);
    for (;; candidate++) {
        /* To enter the fast path for a candidate that it leaves at once costs fifty instructions. */
        for (; candidate < to && candidate->entry->fast == MS_NOT_FAST; candidate++)
            ms_try_position(scan, r, candidate->position - r->p);
        if (candidate == to) return;
        candidate = ms_decide(t->level, t->watching, r, scan->states, &scan->serial, candidate, to, &left);
        if (candidate == to) return;
        /* Of a nested literal, candidates within the run are passed over, and the value of one of them may be meant. */
        if (left.pattern == MS_LEFT_MISS && candidate->entry->is_nested)
            ms_note_unmatched(scan, r, candidate->entry->pattern, -1);
        else if (left.pattern == MS_LEFT_MISS) ms_note_candidate(scan, r, candidate->entry->pattern, candidate->position - r->p - candidate->entry->literal->place);
        else if (left.pattern < 0) ms_try_position(scan, r, candidate->position - r->p);
        else ms_put_value(scan, r, &t->patterns[left.pattern], &scan->states[left.pattern], left.pattern, left.start, left.end, left.value_start, left.value_end);
    }
}

/* ---- regions */

/* Search a region for literals, block by block, and try the candidates; count records and lines on the way. */
static void ms_scan_literals(ms_scan *scan, ms_region *r) {
    const ms_tables *const t = scan->tables;
    ms_newlines lines;
    ms_marks ends;
    uint32_t positions[MS_BLOCK];
    memset(lines.marks.none, 0, sizeof lines.marks.none);
    memset(ends.none, 0, sizeof ends.none);
    for (int64_t block = 0; block < r->n && !scan->no_memory;) {
        const uint8_t *const p = r->p + block;
        const size_t length = r->n - block > MS_BLOCK ? MS_BLOCK : (size_t)(r->n - block);
        size_t found = 0;
        if (t->has_literals) {
            found = ms_positions(&t->fingerprints, p, length, (size_t)(r->n - block), positions, &lines);
        } else {
            lines.count = ms_count_byte(t->level, p, length, '\n');
            /* This pass comes second, because only the first one prefetches: the block is in the cache now. */
            lines.returns = memchr(p, '\r', length) != NULL;
        }
        const int returns = r->terminators != MS_LF && lines.returns;
        if (t->has_literals) {
            r->newlines = &lines;
            r->ends = lines.marks.words;
            r->only_newlines = !returns;
            if (returns) {
                ms_mark_block(p, length, '\n', '\r', ends.words);
                r->ends = ends.words;
            }
            r->block = block;
            r->block_line = scan->line;
            r->words = (length + 63) / 64;
            for (size_t tried = 0; tried < found; tried += MS_SOME_POSITIONS)
                ms_try_positions(scan, r, positions + tried, found - tried < MS_SOME_POSITIONS ? found - tried : MS_SOME_POSITIONS);
            const size_t last = ms_marked_before(r->ends, length);
            if (last != MS_BLOCK) r->open = block + (int64_t)last + 1;
            if (scan->n_misses) ms_try_misses(scan, r, r->serial);
        }
        scan->line += (int64_t)lines.count;
        scan->records += (int64_t)(returns ? ms_records(t->level, r->p, (size_t)block, (size_t)block + length, (size_t)r->n,
                                                        r->terminators, lines.count)
                                           : lines.count);
        block += (int64_t)length;
    }
    r->newlines = NULL;
    if (scan->n_pending) ms_flush_pending(scan, r);
    if (scan->n_misses) ms_try_misses(scan, r, -1);
}

/* Try the patterns without a literal on every record. (In tests, these may be all patterns.) */
static void ms_scan_every_record(ms_scan *scan, ms_region *r) {
    const ms_tables *const t = scan->tables;
    int64_t position = 0;
    r->next = -1;
    while (!scan->no_memory) {
        if (t->always_table != NULL) {
            position = (int64_t)ms_find_class(&t->always_first, t->always_table, r->p, (size_t)position, (size_t)r->n);
            if (position == r->n) break;
        }
        ms_next_record(scan, r, position);
        for (int32_t i = 0; i < t->n_always; i++) {
            const int32_t pattern = t->always[i];
            const ms_pattern *const q = &t->patterns[pattern];
            if (q->strategy == MS_STRATEGY_PROGRAM && !ms_may_match(&q->program, r)) {
                if (ms_may_be_miss(q, r)) ms_note_miss(scan, r, pattern);
                continue;
            }
            if (q->strategy != MS_STRATEGY_SPAN) {
                ms_try_candidate(scan, r, pattern, r->record);
                continue;
            }
            for (int64_t at = r->record; at + q->prefix_length <= r->end; at++)
                if (memcmp(r->p + at, q->prefix, (size_t)q->prefix_length) == 0) ms_try_candidate(scan, r, pattern, at);
        }
        if (scan->n_misses) {
            if (scan->n_pending) ms_flush_pending(scan, r);
            ms_try_misses(scan, r, -1);
        }
        position = ms_behind_terminator(r->p, r->next, r->n, r->terminators);
        r->next = position - 1;
        if (position >= r->n) break;
    }
    if (scan->n_pending) ms_flush_pending(scan, r);
}

/* Scan the region's records. There is at least one; if rewriting has removed all its bytes, it is empty. */
static void ms_scan_region(ms_scan *scan, ms_region *r) {
    const int64_t line = scan->line;
    r->serial = 0;
    r->next = -1;
    r->open = 0;
    ms_scan_literals(scan, r);
    if (scan->tables->n_always == 0) return;
    r->serial = 0;
    r->counted = 0;
    r->line = line;
    ms_scan_every_record(scan, r);
}

/* Scan whole records that lie at p, then advance past them. */
static void ms_take_region(ms_scan *scan, int region, const uint8_t *p, int64_t n) {
    const ms_tables *const t = scan->tables;
    ms_region *r = &scan->regions[region];
    r->p = r->source = p;
    r->n = n;
    r->offset = scan->offset;
    r->drop_cr = t->drop_cr;
    r->terminators = t->terminators;
    r->rewritten = t->rewriting && ms_needs_rewriting(t->rewriting, p, n);
    if (r->rewritten) {
        r->n = ms_rewrite(&r->rewriting, t->rewriting, p, n);
        if (r->n < 0) {
            scan->no_memory = 1;
            return;
        }
        r->p = r->rewriting.text;
        r->drop_cr = 0;
        if (t->terminators == MS_UNIVERSAL) r->terminators = MS_EACH;
    }
    if (scan->n_open) ms_close_open(scan, r->p, r->n, r->terminators, r->drop_cr);
    if (r->rewritten || t->watching)
        for (int32_t pattern = 0; pattern < t->n_patterns; pattern++) scan->states[pattern].region_mark = scan->states[pattern].rows;
    scan->examined = scan->trace || (t->watching && scan->unterminated) ? MS_UNUSUAL : t->watching ? MS_WATCHED : MS_UNEXAMINED;
    r->base = scan->base;
    scan->rewritten = r->rewritten;
    ms_scan_region(scan, r);
    if (r->rewritten) ms_place_rows(scan, r);
    scan->base += r->n;
    scan->offset += n;
}

#endif

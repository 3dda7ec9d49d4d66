/* The matcher of general patterns: a backtracking machine over a program (program.h).
 *
 * It tries the alternatives of a pattern in the order in which Python's re does, so its first success is re's match. It is safe
 * from exponential time (ReDoS) because it memoises failed states. A state is a place in the program and a place in the record. A
 * state that has failed once fails again, however it is reached: no branch of a pure program depends on a capture, and the state of
 * a loop whose body may be empty includes whether the current round has consumed a character. The failures are kept for all
 * attempts and all matches in a record:
 *
 *  - A run, which is a loop over one class and the commonest loop in patterns for logs, keeps the interval of ends from which the
 *    rest of the pattern failed.
 *  - A branch keeps one bit per state, once the record has proved to be expensive. A branch has failed when its second alternative
 *    has failed. A branch that an atomic group or a lookaround discards has not failed, and is not memoised.
 *
 * Programs that read captured text, or count the rounds of a loop, are not pure: none of their states is memoised.
 *
 * Where the next byte alone determines how far a run goes, or which alternative can succeed, the matcher neither saves a state to
 * backtrack to nor memoises one: such a run costs its bytes. A short run costs its bytes too: it is walked again from each place.
 *
 * A record has a budget of steps, which depends on its length and the program's, so no result depends on a clock.
 */
#ifndef METRICSCAN_MATCHER_H
#define METRICSCAN_MATCHER_H

#include <stdint.h>
#include <string.h>

#include "byte_classes.h"
#include "bytes.h"
#include "characters.h"
#include "matcher_runs.h"
#include "matcher_state.h"
#include "program.h"

/* ---- assertions and groups */

/* A backreference: return whether the text of a group, p[from:to], repeats at *pos, and move *pos behind it. */
static int ms_same(const uint8_t *p, int64_t n, int kind, int64_t from, int64_t to, int32_t fold, int64_t *pos) {
    int64_t at = *pos;
    if (fold == MS_FOLD_NOT && kind != MS_BYTES) {
        if (n - at < to - from || memcmp(p + from, p + at, (size_t)(to - from)) != 0) return 0;
        *pos = at + (to - from);
        return 1;
    }
    while (from < to) {
        uint32_t one, other;
        if (at >= n) return 0;
        from += ms_decode(p, n, from, &one);
        at += ms_decode(p, n, at, &other);
        if (ms_folded(fold, one) != ms_folded(fold, other)) return 0;
    }
    *pos = at;
    return 1;
}

static inline int ms_is_word(const uint8_t *words, int ascii_only, uint8_t lead, uint32_t character) {
    return lead < 0x80 ? words[lead] == MS_MEMBER : ms_in_category(MS_WORD, ascii_only, character);
}

/* Return whether the assertion about a word boundary holds at pos. */
MS_PART int ms_boundary_holds(const ms_program *q, const ms_op_boundary *o, const uint8_t *p, int64_t n, int64_t pos,
                                    int kind) {
    const uint8_t *words = q->tables + q->words * 256;
    int before = 0, after = 0;
    uint32_t character = 0;
    if (pos > 0) {
        int64_t at = p[pos - 1] < 0x80 ? pos - 1 : ms_before(p, n, pos, kind);
        if (p[at] >= 0x80) ms_decode(p, n, at, &character);
        before = ms_is_word(words, o->ascii, p[at], character);
    }
    if (pos < n) {
        if (p[pos] >= 0x80) ms_decode(p, n, pos, &character);
        after = ms_is_word(words, o->ascii, p[pos], character);
    }
    return (before != after) == o->is && !(n == 0 && o->none_in_empty);
}

/* Return whether the lookahead or lookbehind over a fixed number of characters holds at pos. */
MS_PART int ms_look_holds(const ms_program *q, const ms_op_look *o, const uint8_t *p, int64_t n, int64_t pos, int kind) {
    int64_t at = pos, size;
    int holds = 1;
    for (int32_t i = 0; i < o->length && holds; i++) {
        /* A lookbehind lists its classes from right to left. */
        if (o->ahead ? at >= n : at <= 0) {
            holds = 0;
            break;
        }
        if (!o->ahead) at = ms_before(p, n, at, kind);
        holds = ms_takes(q, o->classes[i], p, n, at, kind, &size);
        if (o->ahead) at += size;
    }
    return holds == o->must;
}

/* Restore the places that the frames above this one have set. */
MS_PART void ms_undo_places(ms_matcher *m, size_t depth, int64_t group) {
    while ((int64_t)--depth > group) {
        const ms_frame *frame = &m->frames[depth];
        if (frame->kind == MS_SAVE || frame->kind == MS_ROUND) m->places[frame->pc] = frame->pos;
    }
}

/* A group that is matched on its own has matched: discard the frames of its alternatives and of its loops, because the matcher never
 * backtracks into it. Keep the frames of its captures, so that backtracking past the group can undo them. Returns the new depth. */
MS_PART size_t ms_close_group(ms_matcher *m, size_t depth, size_t group) {
    size_t kept = group;
    for (size_t i = kept + 1; i < depth; i++)
        if (m->frames[i].kind == MS_SAVE) m->frames[kept++] = m->frames[i];
    return kept;
}

/* ---- one attempt */

/* Continue with the next instruction. */
#define MS_GO_ON(o) do { op += MS_SIZE_OF(*(o)); goto next; } while (0)
/* Call a function that pushes a frame to backtrack to. If it fails, return its status. */
#define MS_TRY(call) do { if ((status = (call)) < 0) return status; } while (0)

/* Try to match at start. kind: MS_ASCII, MS_UTF8 or MS_BYTES; nonempty: an empty match does not count. */
static int ms_attempt(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int kind, int64_t start, int nonempty,
                      int64_t *match_end) {
    const int32_t *code = q->code, *op = code;
    int64_t *places = m->places;
    int64_t pos = start, size;
    int64_t group = -1;         /* the frame of the innermost open group that is matched on its own */
    size_t depth = 0;
    int32_t sort;               /* how this run is matched here: MS_GREEDY, MS_LAZY or MS_POSSESSIVE */
    int status;
    places[0] = places[1] = -1;
    for (int32_t i = 2; i < q->slots; i++) places[i] = -1;
    m->steps += q->slots >> 3;
    for (;;) {
    next:
        switch (op[0]) {
        /* ---- text */
        case MS_BYTE: {
            const ms_op_byte *o = (const ms_op_byte *)op;
            if (pos >= n || p[pos] != o->byte) goto fail;
            pos++;
            MS_GO_ON(o);
        }
        case MS_STRING: {
            const ms_op_string *o = (const ms_op_string *)op;
            if (n - pos < o->length || !ms_equal(p + pos, q->pool + o->offset, (size_t)o->length)) goto fail;
            pos += o->length;
            MS_GO_ON(o);
        }
        case MS_CLASS: {
            const ms_op_class *o = (const ms_op_class *)op;
            if (pos >= n || !ms_takes(q, o->class_, p, n, pos, kind, &size)) goto fail;
            pos += size;
            MS_GO_ON(o);
        }
        case MS_SAME: {
            const ms_op_same *o = (const ms_op_same *)op;
            int64_t from = places[o->slot], to = places[o->slot + 1];
            if (from < 0 || to < from) goto fail;
            m->steps += (to - from) >> 3;
            if (!ms_same(p, n, kind, from, to, o->fold, &pos)) goto fail;
            MS_GO_ON(o);
        }

        /* ---- runs */
        case MS_REST: {
            const ms_op_run *o = (const ms_op_run *)op;
            if (n - pos < o->least) goto fail;
            pos = n;
            MS_GO_ON(o);
        }
        case MS_MAYBE: {
            const ms_op_run *o = (const ms_op_run *)op;
            if (pos < n) {
                uint8_t takes = q->tables[o->decided * 256 + p[pos]];
                if (takes == MS_UNDECIDED) {
                    sort = o->kind;
                    goto run;
                }
                pos += takes;
            }
            MS_GO_ON(o);
        }
        case MS_FIXED: {
            const ms_op_run *o = (const ms_op_run *)op;
            const uint8_t *table = q->tables + o->decided * 256;
            int64_t most = o->most >= 0 && o->most < n - pos ? o->most : n - pos, at = pos;
            int64_t limit = pos + (most < MS_SHORT_RUN ? most : MS_SHORT_RUN);
            while (at < limit && table[p[at]] == MS_MEMBER) at++;
            if (at == limit ? most > MS_SHORT_RUN : table[p[at]] == MS_UNDECIDED) {
                sort = kind == MS_ASCII ? MS_POSSESSIVE : o->kind;
                goto run;
            }
            if (at - pos < o->least) goto fail;
            pos = at;
            MS_GO_ON(o);
        }
        case MS_RUN: {
            const ms_op_run *o = (const ms_op_run *)op;
            sort = o->kind;
            if (sort != MS_GREEDY || o->decided < 0 || o->following >= 0) goto run;
            /* Short runs are not memoised. A run of minimum length has no shorter end to backtrack to, so it pushes no frame. */
            const uint8_t *table = q->tables + o->decided * 256;
            int64_t limit = o->most >= 0 && o->most < n - pos ? pos + o->most : n, at = pos;
            int64_t near = limit - pos < MS_SHORT_RUN ? limit : pos + MS_SHORT_RUN;
            const ms_run *run = &m->runs[o->number];
            while (at < near && table[p[at]] == MS_MEMBER) at++;
            if ((at == limit || (at < near && table[p[at]] == MS_STOP)) && (at < run->fail_low || at > run->fail_high)) {
                int64_t low = pos + o->least;
                if (at < low) goto fail;
                if (at > low) MS_TRY(ms_push(m, &depth, MS_RUN, (int32_t)(op - code), at, low, at));
                pos = at;
                MS_GO_ON(o);
            }
            goto run;
        }
        run: {
            const ms_op_run *o = (const ms_op_run *)op;
            ms_run *run = &m->runs[o->number];
            int64_t low, stop;
            if (!ms_walk_run(q, m, o, sort, p, n, kind, pos, &low, &stop)) goto fail;
            if (sort == MS_POSSESSIVE) {
                pos = stop;
                MS_GO_ON(o);
            }
            if (sort == MS_GREEDY) {
                int64_t end = ms_end_before(p, n, run, low, stop, o->following, kind);
                if (end < low) {
                    ms_note_failed(q, run, low, stop, 1);
                    goto fail;
                }
                MS_TRY(ms_push(m, &depth, MS_RUN, (int32_t)(op - code), end, low, stop));
                pos = end;
            } else {
                MS_TRY(ms_push(m, &depth, MS_RUN, (int32_t)(op - code), low, stop, low));
                pos = low;
                /* Backtrack at once from an end that is known to fail, or that the required byte does not follow. */
                if ((pos >= run->fail_low && pos <= run->fail_high) || (o->following >= 0 && (pos >= n || p[pos] != o->following)))
                    goto fail;
            }
            MS_GO_ON(o);
        }

        /* ---- branches and captures */
        case MS_SPLIT: {
            const ms_op_split *o = (const ms_op_split *)op;
            int64_t bit = -1;
            m->steps++;
            if (m->memo) {
                int32_t state = o->number;
                for (int32_t i = 0; i < o->n_loops; i++) state += (int32_t)(places[o->loops[i]] != pos) << i;
                bit = (int64_t)state * (n + 1) + pos;
                if (m->bits[bit >> 6] >> (bit & 63) & 1) goto fail;
            } else if (o->ways >= 0) {
                /* The branch is not memoised yet. If only one alternative can succeed, take it without saving a state. */
                int32_t ways = pos < n ? q->ways[o->ways * 256 + p[pos]] : o->ways_at_end;
                if (ways == 0) goto fail;
                if (ways != 3) {
                    op = code + (ways == 1 ? o->first : o->second);
                    continue;
                }
            }
            MS_TRY(ms_push(m, &depth, MS_SPLIT, o->second, pos, bit, 0));
            op = code + o->first;
            continue;
        }
        case MS_JUMP: {
            const ms_op_jump *o = (const ms_op_jump *)op;
            op = code + o->target;
            continue;
        }
        case MS_IF: {
            const ms_op_if *o = (const ms_op_if *)op;
            if (places[o->slot] >= 0 && places[o->slot + 1] >= places[o->slot]) MS_GO_ON(o);
            op = code + o->target;
            continue;
        }
        case MS_SAVE: {
            const ms_op_save *o = (const ms_op_save *)op;
            MS_TRY(ms_set_place(m, &depth, MS_SAVE, o->slot, pos));
            MS_GO_ON(o);
        }
        case MS_KEEP: {
            const ms_op_save *o = (const ms_op_save *)op;
            places[o->slot] = pos;
            MS_GO_ON(o);
        }

        /* ---- assertions */
        case MS_BEGIN:
            if (pos != 0) goto fail;
            op++;
            continue;
        case MS_END:
            if (pos != n) goto fail;
            op++;
            continue;
        case MS_BOUNDARY: {
            const ms_op_boundary *o = (const ms_op_boundary *)op;
            if (!ms_boundary_holds(q, o, p, n, pos, kind)) goto fail;
            MS_GO_ON(o);
        }
        case MS_LOOK: {
            const ms_op_look *o = (const ms_op_look *)op;
            if (!ms_look_holds(q, o, p, n, pos, kind)) goto fail;
            m->steps += o->length >> 3;
            op += MS_SIZE_OF(*o) + o->length;
            continue;
        }
        case MS_CHARGE: {
            const ms_op_charge *o = (const ms_op_charge *)op;
            m->steps += o->steps;
            MS_GO_ON(o);
        }

        /* ---- loops */
        case MS_ENTER: {
            const ms_op_loop *o = (const ms_op_loop *)op;
            MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop, -1));
            MS_GO_ON(o);
        }
        case MS_CHECK: {
            const ms_op_check *o = (const ms_op_check *)op;
            if (places[o->loop] != pos) MS_GO_ON(o);
            if (o->target < 0) goto fail;
            op = code + o->target;
            continue;
        }
        case MS_ROUND: {
            const ms_op_loop *o = (const ms_op_loop *)op;
            MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop, pos));
            MS_GO_ON(o);
        }
        case MS_COUNT: {
            const ms_op_count *o = (const ms_op_count *)op;
            /* MS_ENTER has set the counter to -1: the sum is the number of rounds that are complete. */
            int64_t count = places[o->loop + 1] + 1;
            m->steps++;
            if (count >= o->least) {
                if (o->kind == MS_LAZY) {
                    MS_TRY(ms_push(m, &depth, MS_SPLIT, (int32_t)(op - code) + MS_SIZE_OF(*o), pos, -1, 0));
                    op = code + o->out;
                    continue;
                }
                if ((o->most >= 0 && count >= o->most) || places[o->loop] == pos) {
                    op = code + o->out;
                    continue;
                }
                MS_TRY(ms_push(m, &depth, MS_SPLIT, o->out, pos, -1, 0));
                MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop, pos));
            }
            MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop + 1, count));
            op += MS_SIZE_OF(*o) + MS_SIZE_OF(ms_op_more);
            continue;
        }
        case MS_MORE: {
            const ms_op_more *o = (const ms_op_more *)op;
            int64_t count = places[o->loop + 1] + 1;
            if ((o->most >= 0 && count >= o->most) || places[o->loop] == pos) goto fail;
            MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop, pos));
            MS_TRY(ms_set_place(m, &depth, MS_ROUND, o->loop + 1, count));
            op = code + o->target;
            continue;
        }

        /* ---- groups that are matched on their own: lookarounds and atomic groups */
        case MS_GROUP: {
            const ms_op_group *o = (const ms_op_group *)op;
            int64_t at = pos;
            int32_t back = o->back;
            m->steps += back >> 3;
            for (; back > 0 && at > 0; back--) at = ms_before(p, n, at, kind);
            if (back > 0) {
                /* The lookbehind is wider than the text before this place. */
                if (o->kind != MS_MUST_NOT) goto fail;
                op = code + o->behind;
                continue;
            }
            m->steps++;
            MS_TRY(ms_push(m, &depth, MS_GROUP, (int32_t)(op - code), pos, group, 0));
            group = (int64_t)depth - 1;
            pos = at;
            MS_GO_ON(o);
        }
        case MS_END_GROUP: {
            const ms_frame opened = m->frames[group];
            const ms_op_group *o = (const ms_op_group *)(code + opened.pc);
            m->steps += ((int64_t)depth - group) >> 3;
            if (o->kind == MS_MUST_NOT) {
                ms_undo_places(m, depth, group);
                depth = (size_t)group;
                group = opened.low;
                goto fail;
            }
            depth = ms_close_group(m, depth, (size_t)group);
            group = opened.low;
            if (o->kind == MS_MUST) pos = opened.pos;
            op++;
            continue;
        }

        case MS_MATCH:
            if (nonempty && pos == start) goto fail;
            *match_end = pos;
            return MS_FOUND;
        default: __builtin_unreachable();
        }

    fail:
        if (++m->steps > m->pause) MS_TRY(ms_pause(m, q, n));
        if (depth == 0) return MS_NONE;
        ms_frame *frame = &m->frames[depth - 1];
        switch (frame->kind) {
        case MS_SPLIT:
            op = code + frame->pc;
            pos = frame->pos;
            if (frame->low >= 0)
                frame->kind = MS_FAILED;
            else
                depth--;
            continue;
        case MS_FAILED:
            m->bits[frame->low >> 6] |= (uint64_t)1 << (frame->low & 63);
            depth--;
            goto fail;
        case MS_SAVE:
        case MS_ROUND:
            places[frame->pc] = frame->pos;
            depth--;
            goto fail;
        case MS_GROUP: {
            const ms_op_group *o = (const ms_op_group *)(code + frame->pc);
            group = frame->low;
            pos = frame->pos;
            op = code + o->behind;
            depth--;
            if (o->kind == MS_MUST_NOT) continue;
            goto fail;
        }
        default: { /* the frame of a run */
            const ms_op_run *o = (const ms_op_run *)(code + frame->pc);
            pos = o->kind == MS_GREEDY ? ms_next_greedy_end(q, m, o, frame, p, n, kind)
                                       : ms_next_lazy_end(q, m, o, frame, p, n, kind);
            if (pos < 0) {
                depth--;
                goto fail;
            }
            frame->pos = pos;
            op = code + frame->pc + MS_SIZE_OF(*o);
            continue;
        }
        }
    }
}

#undef MS_GO_ON
#undef MS_TRY

/* ---- the search */

/* Return the next place at or behind `at` where a match can start, or n + 1 if there is none. No match may start before `from`. *text:
 * the first place where the pattern's required text may stand; the search moves it on. */
static inline int64_t ms_next_start(const ms_program *q, const uint8_t *p, int64_t n, int kind, int64_t from, int64_t at,
                                    int64_t *text) {
    int32_t lead = q->lead;
    const uint8_t *table = q->tables + q->lead_class * 256;
    /* The searches test single bytes. If lead_ascii is set, a single byte determines membership in the class in ASCII records only. */
    if (kind != MS_ASCII && q->lead_ascii) lead = MS_ANYWHERE;
    switch (lead) {
    case MS_AT_TEXT:
        if (at < *text) at = *text;
        at = (int64_t)ms_find(p, (size_t)at, (size_t)n, q->lead_text, (size_t)q->lead_length);
        return at < n ? at : n + 1;
    case MS_BEFORE_TEXT:
        /* The pattern begins with a run, which this text follows. The run's class excludes the first byte of the text, so a match
         * from any place of the run continues at this text. If the attempt from the run's first place fails, all others fail. */
        at = (int64_t)ms_find(p, (size_t)*text, (size_t)n, q->lead_text, (size_t)q->lead_length);
        if (at >= n) return n + 1;
        *text = at + 1;
        while (at > from && table[p[at - 1]] == MS_MEMBER) at--;
        return at;
    case MS_BEFORE_END:
        /* The pattern is a run that reaches the record's end: if the attempt from its first place fails, all others fail. */
        if (*text > n) return n + 1;
        *text = n + 1;
        at = n;
        while (at > from && table[p[at - 1]] == MS_MEMBER) at--;
        return at;
    case MS_AT_ONCE: return at == from ? at : n + 1;
    default:
        for (; at <= n; at++) {
            if (q->first != NULL) {
                at = (int64_t)ms_find_class(&q->first_class, q->first, p, (size_t)at, (size_t)n);
                if (at == n) return n + 1;
            }
            if (kind == MS_ASCII || !ms_inside(p, n, at, kind)) return at;
        }
        return at;
    }
}

/* ms_search for a pattern that consists of one run, in an ASCII record. */
static inline int ms_search_run(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int64_t from,
                                int64_t *match_start, int64_t *match_end) {
    int64_t start = (int64_t)ms_find_class(&q->first_class, q->first, p, (size_t)from, (size_t)n), end = start + 1;
    if (start == n) return MS_NONE;
    while (end < n && q->first[p[end]]) end++;
    *match_start = m->places[0] = start;
    *match_end = m->places[1] = end;
    return MS_FOUND;
}

/* Find the first match that starts at or behind `from`, as re's search does. text: the first place, at or behind `from`, where the
 * text of MS_AT_TEXT and MS_BEFORE_TEXT may stand; nonempty: an empty match at `from` does not count. The captures are left in the
 * matcher's places; -1 means that a group took no part. */
__attribute__((always_inline)) static inline int ms_search(const ms_program *q, ms_matcher *m, const uint8_t *p, int64_t n, int kind, int64_t from, int64_t text,
                     int nonempty, int64_t *match_start, int64_t *match_end) {
    if (q->last != NULL && (n == 0 || !q->last[p[n - 1]])) return MS_NONE;
    if (q->only_run && kind == MS_ASCII) return ms_search_run(q, m, p, n, from, match_start, match_end);
    for (int64_t start = from;; start++) {
        start = ms_next_start(q, p, n, kind, from, start, &text);
        if (start > n - q->width || (q->at_start && start > 0)) return MS_NONE;
        int status = ms_attempt(q, m, p, n, kind, start, nonempty && start == from, match_end);
        if (status != MS_NONE) {
            *match_start = start;
            return status;
        }
    }
}

#endif

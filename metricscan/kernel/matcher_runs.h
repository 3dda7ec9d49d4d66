/* Runs of one class in the matcher: where they stop, which of their ends are tried, and from which ends the rest of the pattern is known
 * to fail. */
#ifndef METRICSCAN_MATCHER_RUNS_H
#define METRICSCAN_MATCHER_RUNS_H

#include <stdint.h>

#include "bytes.h"
#include "characters.h"
#include "matcher_state.h"

/* A run that can only end in one place is memoised if it is longer than this. A shorter one is walked again. */
enum { MS_SHORT_RUN = 16 };

/* Return whether a class takes the character at p[at], where at < n, and set *size to the character's size. */
static inline int ms_takes(const ms_program *q, int32_t class_, const uint8_t *p, int64_t n, int64_t at, int kind, int64_t *size) {
    uint8_t takes = q->tables[class_ * 256 + p[at]];
    if (takes == MS_UNDECIDED) {
        uint32_t character;
        *size = ms_decode(p, n, at, &character);
        return ms_in_set(q->sets + q->set_at[class_], character);
    }
    *size = kind == MS_ASCII ? 1 : ms_size_at(p, n, at, kind);
    return takes == MS_MEMBER;
}

/* Memoise that the rest of the pattern fails from every end in [low, high]. Intervals that overlap are joined. Intervals that only touch
 * are joined for a greedy run (touch 1), but not for a lazy one (touch 0): a lazy run relies on being able to walk from any end of its
 * interval to any later end, and the byte between two intervals that touch may stop it. */
static inline void ms_note_failed(const ms_program *q, ms_run *run, int64_t low, int64_t high, int64_t touch) {
    if (!q->pure) return;
    if (run->fail_low <= run->fail_high && low <= run->fail_high + touch && high >= run->fail_low - touch) {
        if (low < run->fail_low) run->fail_low = low;
        if (high > run->fail_high) run->fail_high = high;
    } else {
        run->fail_low = low;
        run->fail_high = high;
    }
}

/* Return the largest end in [low, at] from which the rest of the pattern is not known to fail, or low - 1. If the byte that must follow
 * the run is known, a search for it, sixteen bytes at a time, finds the end. */
static inline int64_t ms_end_before(const uint8_t *p, int64_t n, const ms_run *run, int64_t low, int64_t at, int32_t following,
                                    int kind) {
    while (at >= low) {
        if (at >= run->fail_low && at <= run->fail_high) {
            at = run->fail_low - 1;
        } else if (following >= 0) {
            int64_t from = run->fail_high >= low && run->fail_high < at ? run->fail_high + 1 : low;
            int64_t behind = (int64_t)ms_after_last_either(p, (size_t)from, (size_t)(at < n ? at + 1 : n), (uint8_t)following,
                                                           (uint8_t)following);
            if (behind > from) return behind - 1;
            at = from - 1;
        } else if (kind != MS_ASCII && ms_inside(p, n, at, kind)) {
            at--;
        } else {
            return at;
        }
    }
    return low - 1;
}

/* Walk a run of this kind from pos. Sets where it stops, and its smallest end. Returns 0 if the run is too short. */
MS_PART int ms_walk_run(const ms_program *q, ms_matcher *m, const ms_op_run *o, int32_t sort, const uint8_t *p, int64_t n,
                              int kind, int64_t pos, int64_t *least_end, int64_t *stops_at) {
    const uint8_t *table = q->tables + o->class_ * 256;
    ms_run *run = &m->runs[o->number];
    int64_t least = o->least, most = o->most, stop, low = pos, size;
    if (kind != MS_ASCII && (least > 1 || most >= 0)) {
        /* The limits count characters, so the characters are walked one by one. */
        int64_t count = 0;
        for (stop = pos; stop < n && (most < 0 || count < most); count++) {
            if (!ms_takes(q, o->class_, p, n, stop, kind, &size)) break;
            stop += size;
            if (count + 1 == least) low = stop;
        }
        m->steps += (stop - pos) >> 3;
        if (count < least) return 0;
    } else {
        int64_t limit = most >= 0 && most < n - pos ? pos + most : n;
        if (most < 0 && pos >= run->scan_from && pos <= run->scan_stop) {
            stop = run->scan_stop;
        } else if (o->takes_all) {
            stop = limit;
        } else if (sort == MS_LAZY && most < 0 && kind == MS_ASCII) {
            /* Only the minimum length is walked here. ms_next_lazy_end extends the run. */
            stop = pos;
            while (stop - pos < least && stop < n && table[p[stop]] == MS_MEMBER) stop++;
            if (stop - pos < least) return 0;
            stop = n;
        } else {
            /* A run behind a greedy run is tried from places further and further left. It stops walking where it meets the part that was
             * walked before. */
            int64_t walked = most < 0 && pos < run->scan_from && run->scan_from <= run->scan_stop ? run->scan_from : limit;
            stop = pos;
            for (;;) {
                while (stop < walked && table[p[stop]] == MS_MEMBER) stop++;
                if (stop >= walked || table[p[stop]] == MS_STOP || !ms_takes(q, o->class_, p, n, stop, kind, &size)) break;
                stop += size;
            }
            m->steps += (stop - pos) >> 3;
            if (stop == walked && walked < limit) stop = run->scan_stop;
            if (most < 0) {
                run->scan_from = pos;
                run->scan_stop = stop;
            }
        }
        if (stop - pos < least) return 0;
        low = pos + least;
        if (kind != MS_ASCII && least == 1) {
            low = pos + ms_size_at(p, n, pos, kind);
            if (low > stop) return 0;
        }
    }
    *least_end = low;
    *stops_at = stop;
    return 1;
}

/* The rest of the pattern has failed behind a greedy run that ended at frame->pos. Return the next shorter end to try, or -1. */
MS_PART int64_t ms_next_greedy_end(const ms_program *q, ms_matcher *m, const ms_op_run *o, const ms_frame *frame,
                                         const uint8_t *p, int64_t n, int kind) {
    ms_run *run = &m->runs[o->number];
    ms_note_failed(q, run, frame->pos, frame->other, 1);
    int64_t pos = ms_end_before(p, n, run, frame->low, frame->pos - 1, o->following, kind);
    m->steps += (frame->pos - pos) >> 5;
    if (pos >= frame->low) return pos;
    ms_note_failed(q, run, frame->low, frame->other, 1);
    return -1;
}

/* The rest of the pattern has failed behind a lazy run that ended at frame->pos. Return the next longer end to try, or -1. */
MS_PART int64_t ms_next_lazy_end(const ms_program *q, ms_matcher *m, const ms_op_run *o, const ms_frame *frame,
                                       const uint8_t *p, int64_t n, int kind) {
    ms_run *run = &m->runs[o->number];
    int64_t limit = frame->low, walked = 0, pos = frame->pos, size;
    ms_note_failed(q, run, frame->other, frame->pos, 0);
    if (o->takes_all && o->following >= 0) {
        /* Any byte belongs to the run: search for the next place where the byte that must follow stands. */
        const uint8_t following = (uint8_t)o->following;
        int64_t known = pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit ? run->fail_high : pos;
        int64_t to = limit < n ? limit + 1 : n;
        pos = known < to ? (int64_t)ms_find_either(p, (size_t)known + 1, (size_t)to, following, following) : to;
        walked = pos - known;
        if (pos >= to) {
            /* The byte stands nowhere behind this place, so a run that starts later fails too. The search is so fast that a step is
             * charged for more bytes. */
            ms_note_failed(q, run, frame->other, limit, 0);
            walked >>= 5;
            pos = -1;
        }
    } else {
        for (;;) {
            if (pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit) {
                /* An earlier attempt has walked all bytes up to there. */
                pos = run->fail_high;
            }
            if (pos >= limit || !ms_takes(q, o->class_, p, n, pos, kind, &size)) {
                ms_note_failed(q, run, frame->other, pos, 0);
                pos = -1;
                break;
            }
            pos += size;
            walked += size;
            if (o->following < 0 || (pos < n && p[pos] == o->following)) break;
        }
    }
    m->steps += walked >> 3;
    return pos;
}

#endif

/* Runs of one class in the matcher: where they stop, which of their ends are tried, and from which ends going on has failed. */
#ifndef METRICSCAN_MATCHER_RUNS_H
#define METRICSCAN_MATCHER_RUNS_H

#include <stdint.h>

#include "bytes.h"
#include "characters.h"
#include "matcher_state.h"

/* A run that can only end in one place is walked anew, rather than remembered, if it is no longer than this. */
enum { MS_SHORT_RUN = 16 };

/* Whether a class takes the character at p[at], at < n, and its size. */
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

/* Going on fails from every end in [low, high]. Intervals are joined where they overlap, and those of a greedy run where they
 * touch: a lazy run may walk from any end of its interval to any later one, and between two the byte may stop it. */
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

/* The largest end in [low, at] from which going on is not known to fail, or low - 1. Where the byte that must follow is known,
 * ends are found by it, sixteen bytes at a time. */
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


/* Walk a run of this kind from pos: where it stops, and its least end. 0 if it is too short. */
MS_PART int ms_walk_run(const ms_program *q, ms_matcher *m, const ms_op_run *o, int32_t sort, const uint8_t *p, int64_t n,
                              int kind, int64_t pos, int64_t *least_end, int64_t *stops_at) {
    const uint8_t *table = q->tables + o->class_ * 256;
    ms_run *run = &m->runs[o->number];
    int64_t least = o->least, most = o->most, stop, low = pos, size;
    if (kind != MS_ASCII && (least > 1 || most >= 0)) {
        /* characters count: walk them one by one */
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
            /* only its least length is walked here */
            stop = pos;
            while (stop - pos < least && stop < n && table[p[stop]] == MS_MEMBER) stop++;
            if (stop - pos < least) return 0;
            stop = n;
        } else {
            /* runs that start further and further left, as those behind a greedy run do, meet what was walked */
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

/* The next end to try of a greedy run, after going on from frame->pos has failed: a shorter one, or -1. */
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

/* The same of a lazy run: a longer one, or -1. */
MS_PART int64_t ms_next_lazy_end(const ms_program *q, ms_matcher *m, const ms_op_run *o, const ms_frame *frame,
                                       const uint8_t *p, int64_t n, int kind) {
    ms_run *run = &m->runs[o->number];
    int64_t limit = frame->low, walked = 0, pos = frame->pos, size;
    ms_note_failed(q, run, frame->other, frame->pos, 0);
    if (o->takes_all && o->following >= 0) {
        /* nothing stops it but its limit: on to the next place where the byte that must follow stands */
        const uint8_t following = (uint8_t)o->following;
        int64_t known = pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit ? run->fail_high : pos;
        int64_t to = limit < n ? limit + 1 : n;
        pos = known < to ? (int64_t)ms_find_either(p, (size_t)known + 1, (size_t)to, following, following) : to;
        walked = pos - known;
        if (pos >= to) {
            /* the byte stands nowhere, for runs that start further on either; looking for it costs next to nothing */
            ms_note_failed(q, run, frame->other, limit, 0);
            walked >>= 5;
            pos = -1;
        }
    } else {
        for (;;) {
            if (pos >= run->fail_low && pos < run->fail_high && run->fail_high <= limit) {
                /* every byte up to there was walked before */
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

/* Suspects: values that may not be what the log says. In a watching engine, each pattern of a metric has a companion. Where a
 * candidate of the pattern has not matched, the companion's program is run, in which the value's group takes any text that looks like a
 * value: such a record is a near miss. Literals of the companion, as of names in colour, make a record such a candidate, too. The
 * companion's rows are the suspects of all kinds. Such a row's value holds the kind in its first byte, and in the others a unit, or of a
 * near miss whether it says nan or inf.
 */
#ifndef METRICSCAN_SUSPECTS_H
#define METRICSCAN_SUSPECTS_H

#include <stdint.h>
#include <string.h>

#include "beside_values.h"
#include "columns.h"
#include "pass.h"
#include "records.h"
#include "tables.h"

/* ---- which values are examined */

/* ms_may_be_cut, if the next record may begin with a rest, or begins too near to the end of the region to tell. */
__attribute__((noinline)) static int ms_may_go_on_in_next(const uint8_t *record, const uint8_t *stop, const uint8_t *next, const uint8_t *limit) {
    if (next >= limit || ms_is_digit(*record)) return 0;
    const uint8_t *at = next + 1;
    if (at < limit && *next == '\r' && *at == '\n') at++;
    if (at >= limit) return 1;
    if (ms_is_digit(*at) || *at == '.') return 1;
    const uint8_t more = at + 1 < limit ? at[1] : 0;
    if (*at == '-' || *at == '+') return ms_is_digit(more) || more == '.' || (stop > record && (stop[-1] | 0x20) == 'e');
    return (*at | 0x20) == 'e' && (ms_is_digit(more) || more == '-' || more == '+');
}

/* Return whether the record that is followed by a terminator at `next` may be cut within the number that ends at `stop`, or before one: the
 * next record begins with a byte that goes on with it, or is not known yet. */
static inline int ms_may_be_cut(const uint8_t *record, const uint8_t *stop, const uint8_t *next, const uint8_t *limit) {
    if (limit - next >= 4) {
        const uint8_t *const at = next + 1 + (*next == '\r' && next[1] == '\n');
        if (*at == '\n' || !(ms_beside[*at] & 4)) return 0;
        /* Many records begin with Epoch. */
        if (!ms_is_digit(*at) && *at != '.' && (uint8_t)(at[1] - '+') > '9' - '+') return 0;
    }
    return ms_may_go_on_in_next(record, stop, next, limit);
}

/* Return whether what stands behind a value in the current record has to be looked at. One byte can be read at its end. If two can, the
 * answer is no unless ms_may_look. */
__attribute__((noinline)) static int ms_is_looked_at(const ms_region *r, const uint8_t *behind, const uint8_t *stop) {
    const uint8_t *const p = r->p;
    if (stop < p + r->end) {
        /* #011, a tab in the service's logs, stands behind many values. */
        if (*stop == '#' && ms_is_digit(stop[1]) && ms_behind_colours(p, stop - p, r->end) == stop - p) return 0;
        return ms_may_go_on(behind, stop, p + r->end);
    }
    return (behind[*stop] & 4) && ms_may_be_cut(p + r->record, stop, p + r->next, p + r->n);
}

/* Return whether the current record may be cut right before a value. */
__attribute__((noinline)) static int ms_may_be_cut_at_end(const ms_region *r) {
    return ms_may_be_cut(r->p + r->record, r->p + r->end, r->p + r->next, r->p + r->n);
}

/* Return whether a value of the current record has to be examined. */
static inline int ms_needs_look(const ms_scan *scan, const ms_pattern *q, const ms_state *state, const ms_region *r, int64_t start,
                                int64_t stop) {
    const uint8_t *const p = r->p;
    /* A value that ends before its record touches no end of the input. */
    if (stop < r->end ? ms_may_go_on(q->behind, p + stop, p + r->end) : scan->unterminated) return 1;
    return state->examined || (start > r->record && q->before[p[start - 1]]);
}

/* ---- rows of a companion */

/* Return whether a text that stands for a value says that the number is not finite: nan, inf and their like (nan32, 1.#QNAN, tensor(nan)). */
static int ms_says_not_finite(const uint8_t *p, int64_t start, int64_t end) {
    for (int64_t at = start; at < end; at++) {
        if (end - at >= 3 && memcmp(p + at, "\xE2\x88\x9E", 3) == 0) return 1;
        if (p[at] == 0x1B || (end - at >= 2 && memcmp(p + at, "#0", 2) == 0)) { /* A colour, whose sequence a letter ends. */
            while (at < end && !ms_is_letter(p[at])) at++;
            continue;
        }
        char word[8];
        const int64_t first = at;
        for (; at < end && ms_is_letter(p[at]); at++)
            if (at - first < 8) word[at - first] = (char)(p[at] | 0x20);
        const int64_t length = at - first;
        if (length == 3 && (memcmp(word, "nan", 3) == 0 || memcmp(word, "inf", 3) == 0)) return 1;
        if (length == 8 && (memcmp(word, "infinity", 8) == 0 || memcmp(word, "diverged", 8) == 0 || memcmp(word, "overflow", 8) == 0)) return 1;
        if (length && first > start && p[first - 1] == '#') return 1;
    }
    return 0;
}

/* Append a row to a companion. The first ones of each kind become samples: the text in [from, to) of the region. */
static void ms_add_suspect(ms_scan *scan, ms_region *r, int32_t companion, int kind, uint64_t unit, int64_t start, int64_t from, int64_t to) {
    ms_state *state = &scan->states[companion];
    const uint64_t bits = (uint64_t)kind | unit << 8;
    double value;
    memcpy(&value, &bits, sizeof value);
    (void)ms_append_row(scan, state, value, r->row_line, r->row_offset, r->offset + start);
    if (state->sampled[kind] >= MS_MAX_SAMPLES) return;
    state->sampled[kind]++;
    ms_note *note = ms_add_note(scan, MS_NOTE_SUSPECT, companion);
    if (note == NULL) return;
    note->line = r->row_line;
    note->offset = r == &scan->regions[0] || r == &scan->regions[1] ? ms_record_offset(r, r->record) : r->row_offset;
    note->text = r->p + from;
    note->length = to - from < MS_SAMPLE_BYTES * 4 ? to - from : MS_SAMPLE_BYTES * 4;
    note->start = ms_input_offset(r, start);
    note->decided = kind;
}

/* Return whether one of the other dashes stands here that are printed as a minus sign. */
static int ms_is_dash(const uint8_t *p, int64_t at, int64_t end) {
    return end - at >= 3 && p[at] == 0xE2 && ((p[at + 1] == 0x88 && p[at + 2] == 0x92) || (p[at + 1] == 0x80 && (uint8_t)(p[at + 2] - 0x90) < 4));
}

/* Return whether a text that is no number stands for a value: behind quotes, brackets, signs and colours it begins with a digit or with a
 * word for a missing value; or with the name of what holds one, as tensor(0.5). */
static int ms_stands_for_value(const uint8_t *p, int64_t start, int64_t end) {
    static const char *const words[] = {"nan", "inf", "infinity", "none", "null", "n/a", "na", "nil", "undefined", "missing", "nothing", "diverged", "overflow"};
    static const char signs[] = " \t'\"`\\([{<>=~$*+-.";
    int64_t at = start;
    if (end - start >= 3 && memcmp(p + start, "***", 3) == 0) return 1;
    for (int names = 0; names < 2; names++) {
        for (int64_t behind; at < end; at = behind) {
            behind = ms_behind_colours(p, at, end);
            if (behind == at && ms_is_dash(p, at, end)) behind += 3;
            if (behind == at && memchr(signs, p[at], sizeof signs - 1) == NULL) break;
            behind += behind == at;
        }
        if (at == end) return 0;
        if (ms_is_digit(p[at]) || (end - at >= 3 && memcmp(p + at, "\xE2\x88\x9E", 3) == 0)) return 1;
        const int64_t first = at;
        while (at < end && (ms_is_letter(p[at]) || p[at] == '/')) at++;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            const int64_t length = (int64_t)strlen(words[i]);
            int64_t same = 0;
            while (same < length && same < at - first && (p[first + same] | 0x20) == (words[i][same] | 0x20)) same++;
            if (same == length && at - first == length) return 1;
        }
        while (at < end && (ms_is_letter(p[at]) || ms_is_digit(p[at]) || p[at] == '.' || p[at] == '_')) at++;
        if (at == end || memchr("([=", p[at], 3) == NULL) return 0;
    }
    return 0;
}

/* A match's value is no number. If it stands for one, the record says what no row does. */
static void ms_add_unread(ms_scan *scan, ms_region *r, int32_t companion, int64_t start, int64_t end) {
    if (!ms_stands_for_value(r->p, start, end)) return;
    const uint64_t bits = MS_UNREAD | (uint64_t)ms_says_not_finite(r->p, start, end) << 8;
    double value;
    memcpy(&value, &bits, sizeof value);
    (void)ms_append_row(scan, &scan->states[companion], value, r->row_line, r->row_offset, r->offset + start);
}

/* ms_add_suspect for a value; the sample shows it with what it is a part of. */
static void ms_add_value(ms_scan *scan, ms_region *r, int32_t companion, int kind, uint64_t unit, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    int64_t from = start, to = stop;
    const int is_in_colours = kind == MS_IN_WORD && (memchr("[;", p[start - 1], 2) != NULL || ms_before_colours(r, start) < start);
    const char *const more = is_in_colours ? "[;#.-\x1B" : "(._-+,";
    while (from > r->record && start - from < MS_NUMBER_BYTES && (ms_is_letter(p[from - 1]) || ms_is_digit(p[from - 1]) || (p[from - 1] && strchr(more, p[from - 1]) != NULL)))
        from--;
    if (kind == MS_THOUSANDS)
        for (int64_t sign; to + 3 < r->end && (sign = p[to] == ' ' ? 1 : ms_group_sign(p, to, r->end)) != 0 &&
                           ms_behind_digits(p, to + sign, r->end) == to + sign + 3;)
            to += sign + 3;
    if (kind == MS_LONGER) to = ms_behind_colours(p, stop, r->end);
    while (to < r->end && to - stop < MS_NUMBER_BYTES && p[to] > ' ' && memchr(";|=<>]}\"'", p[to], 9) == NULL) to++;
    /* 1.5 x 10^-5 */
    for (int part = 0; part < 2 && kind == MS_LONGER && p[stop] == ' ' && to < r->end; part++)
        for (to++; to < r->end && p[to] > ' ';) to++;
    while (to > stop && memchr(",.:(", p[to - 1], 4) != NULL) to--;
    if (to == stop && ms_is_spaced_percent(p, stop, r->end)) to = stop + 2;
    ms_add_suspect(scan, r, companion, kind, unit, start, from, to);
}

/* From now on each value of the pattern is examined, because one has had a unit. */
static void ms_examine_all(ms_state *state) {
    state->examined = 1;
    state->fast_room = 0;
}

/* Compare a value's neighbours with what its pattern leaves open. */
static void ms_examine_value(ms_scan *scan, ms_region *r, const ms_pattern *q, ms_state *state, int64_t start, int64_t stop) {
    const uint8_t *const p = r->p;
    if (scan->unterminated && stop == r->next) ms_add_value(scan, r, q->companion, MS_UNTERMINATED, 0, start, stop);
    const int goes_on = ms_may_go_on(q->behind, p + stop, p + r->end);
    const int kind = goes_on ? ms_kind_behind(r, start, stop) : 0;
    if (kind) {
        ms_add_value(scan, r, q->companion, kind, 0, start, stop);
    } else if (q->behind['%'] && (goes_on || state->examined)) {
        const uint64_t unit = goes_on ? ms_unit_at(p, stop, r->end) : 0;
        if (unit != state->unit) {
            ms_examine_all(state);
            ms_add_value(scan, r, q->companion, MS_UNIT, unit, start, stop);
            state->unit = unit;
        }
    }
    if (start > r->record && q->before[p[start - 1]] && ms_is_in_word(r, start, stop)) ms_add_value(scan, r, q->companion, MS_IN_WORD, 0, start, stop);
}

/* A unit that no value has. */
#define MS_UNKNOWN_UNIT UINT64_MAX

/* A value is left to Python. If it is a number, its unit becomes known later than that of the next value. Return whether it is another one
 * than that of the values before: then the next one is to differ, too. */
static int ms_expect_unit(ms_region *r, const ms_pattern *q, ms_state *state, int64_t start, int64_t stop) {
    if (!q->behind['%'] || !ms_may_go_on(q->behind, r->p + stop, r->p + r->end) || ms_kind_behind(r, start, stop)) return 0;
    if (ms_unit_at(r->p, stop, r->end) == state->unit) return 0;
    state->unit = MS_UNKNOWN_UNIT;
    ms_examine_all(state);
    return 1;
}

/* Return a record that Python decides as a region of its own, in which this position has this place in the input. */
static ms_region ms_region_of(const ms_scan *scan, const ms_note *note, int64_t position, int64_t place) {
    const uint8_t *const record = scan->regions[note->region].p + note->position;
    return (ms_region){.p = record, .n = note->next, .end = note->end, .next = note->next, .row_line = note->line, .row_offset = note->offset, .offset = place - position};
}

/* ms_examine_value for a value that Python has read; `place` is the value's start in the input. */
static void ms_examine_deferred(ms_scan *scan, int32_t pattern, const ms_note *note, int64_t value_start, int64_t value_end,
                                int64_t place) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_region record = ms_region_of(scan, note, value_start, place);
    if (!q->has_companion) return;
    ms_state *state = &scan->states[pattern];
    const uint64_t later = state->unit;
    /* Values behind it that were read before it do not make its unit a known one. */
    if (note->kind == MS_NOTE_NUMBER && note->decided) state->unit = MS_UNKNOWN_UNIT;
    ms_examine_value(scan, &record, q, state, value_start, value_end);
    if (note->kind == MS_NOTE_NUMBER && note->decided && later != MS_UNKNOWN_UNIT) state->unit = later;
}

/* ms_add_unread for a value that Python has refused. */
static void ms_add_deferred_unread(ms_scan *scan, int32_t pattern, const ms_note *note, int64_t value_start, int64_t value_end, int64_t place) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_region record = ms_region_of(scan, note, value_start, place);
    if (q->has_companion) ms_add_unread(scan, &record, q->companion, value_start, value_end);
}

/* A companion has matched at these places of a deferred record; `place` is the match's start in the input. */
static void ms_add_deferred_miss(ms_scan *scan, int32_t companion, const ms_note *note, int64_t start, int64_t end, int64_t value_start,
                                 int64_t value_end, int64_t place) {
    ms_region record = ms_region_of(scan, note, start, place);
    const int is_lost = ms_says_not_finite(record.p, value_start, value_end);
    ms_add_suspect(scan, &record, companion, MS_NEAR_MISS, (uint64_t)is_lost, start, start, end);
}

/* ---- near misses */

/* Bytes of which the texts of values consist; quotes, brackets and the escape character of a colour included. */
static inline int ms_is_value_text(uint8_t byte) { return (byte > ' ' || byte == 0x1B) && byte != ';' && byte != '|'; }
static inline int ms_is_blank(uint8_t byte) { return byte == ' ' || byte == '\t'; }

/* Return whether this text stands at this place. */
static inline int ms_holds_at(const uint8_t *p, int64_t at, int64_t end, const uint8_t *text, int64_t length) {
    return end - at >= length && memcmp(p + at, text, (size_t)length) == 0;
}

/* Return whether a value that the pattern does not take may begin at this place, or behind the blanks that stand here. Its first byte is
 * that of a value. Behind the bytes of which the pattern takes any text, it goes on; if it did not, the pattern would have matched, unless
 * it does not take those blanks. Where the pattern says what follows, that stands within or behind it. If the answer is no, it is no for all
 * places before *barren, too: so a record costs its length. */
static inline int ms_may_be_other(const ms_pattern *q, const uint8_t *p, int64_t at, int64_t end, int64_t *barren) {
    if (at >= end || at < *barren || !q->value_starts[p[at]]) return 0;
    const int64_t blanks = at;
    while (at < end && ms_is_blank(p[at])) at++;
    if (at > blanks && (at == end || !q->value_starts[p[at]])) {
        *barren = at;
        return 0;
    }
    int64_t stop = at;
    if (at == blanks || q->own[p[blanks]])
        while (stop < end && q->own[p[stop]]) stop++;
    if (stop > at) {
        const uint8_t more = stop + 1 < end ? p[stop + 1] : 0;
        const int kind = stop < end ? q->goes_on[p[stop]] : 0;
        if (kind == 0 || (kind == 2 && !(ms_is_digit(more) || more == '_' || more == ',' || more == '.')) ||
            (kind == 3 && !(ms_is_digit(more) || more == '-' || more == '+')) || (kind == 4 && more != '%') ||
            (kind == 5 && !(ms_is_letter(more) || ms_is_digit(more) || more == '-' || more == '+'))) {
            *barren = stop;
            return 0;
        }
    }
    if (q->lead_out_length == 0) return 1;
    /* In brackets blanks may stand, too, and one behind a sign such as ~, before the first digit or letter. */
    int64_t begun = -1;
    for (stop = at;; stop++) {
        const int is_there = stop < end && p[stop] == q->lead_out[0];
        if (is_there && (begun < 0 || ms_holds_at(p, stop, end, q->lead_out, q->lead_out_length))) return 1;
        if (stop < end && p[stop] == ' ' && begun < 0 && stop > at && p[stop - 1] != ' ') continue;
        if (stop >= end || !(ms_is_value_text(p[stop]) || ms_is_spaced_percent(p, stop, end))) {
            *barren = is_there ? begun + 1 : stop;
            return 0;
        }
        if (p[stop] == '(' || p[stop] == '[' || p[stop] == '<' || p[stop] == '>') return 1;
        if (ms_is_digit(p[stop]) || ms_is_letter(p[stop])) begun = stop;
    }
}

/* Return whether a value may end with the byte before this place, which is no blank: if that is a letter, it ends a number's unit, or one of
 * the words that stand for a value; or what it ends follows a =, as in Tensor(shape=torch. */
static int ms_may_end_value(const uint8_t *p, int64_t from, int64_t at) {
    static const char *const words[] = {"infinity", "undefined", "missing", "nothing", "diverged", "overflow"};
    int64_t first = at;
    if (p[at - 1] == '?' || p[at - 1] == '-') return 0;
    while (first > from && ms_is_letter(p[first - 1])) first--;
    if (at - first <= 4 || (first > from && p[first - 1] == '=')) return 1;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const int64_t length = (int64_t)strlen(words[i]);
        int64_t same = 0;
        while (same < length && at - length >= first && (p[at - length + same] | 0x20) == words[i][same]) same++;
        if (same == length) return 1;
    }
    return 0;
}

/* Return whether, from this place on, the text that stands behind the value follows what may be the last byte of one: no blank, no
 * question mark, which progress bars print before the first step, and behind a blank or a sign no word. There a value may be a dash, or the
 * object of a framework that ends in a name. */
static int ms_may_lead_out(const ms_pattern *q, const uint8_t *p, int64_t record, int64_t at, int64_t end) {
    const int64_t length = q->lead_in_length;
    const int takes_words = length == 0 || ms_is_letter(q->lead_in[length - 1]);
    for (; (at = (int64_t)ms_find(p, (size_t)at, (size_t)end, q->lead_out, (size_t)q->lead_out_length)) < end; at++) {
        if (at == record || !ms_is_value_text(p[at - 1]) || p[at - 1] == '?') continue;
        if (takes_words || p[at - 1] == '-' || ms_may_end_value(p, record, at)) return 1;
        int64_t word = at;
        while (word > record && ms_is_letter(p[word - 1])) word--;
        if (word > record && (ms_is_digit(p[word - 1]) || p[word - 1] == '_' || p[word - 1] == '#')) return 1;
    }
    return 0;
}

/* Return whether the texts that stand before and behind the value are in the record, with what may be a value. This takes a tenth of the
 * time of a program. */
static int ms_may_hold_value(const ms_pattern *q, const uint8_t *p, int64_t from, int64_t end) {
    int64_t barren = from, blanks = from;
    if (q->lead_in_length) {
        if (q->lead_out_length > 1 && !ms_may_lead_out(q, p, from, from, end)) return 0;
        for (int64_t at = from; (at = (int64_t)ms_find(p, (size_t)at, (size_t)end, q->lead_in, (size_t)q->lead_in_length)) < end; at++) {
            int64_t value = at + q->lead_in_length;
            if (q->lead_in_blanks) {
                if (value < blanks) continue; /* The same blanks lead to the same value. */
                while (value < end && p[value] <= ' ') value++;
                if (value < end && p[value] >= 0x80) return 1; /* It may be a blank, too. */
                blanks = value;
            }
            if (ms_may_be_other(q, p, value, end, &barren)) return 1;
        }
        return 0;
    }
    if (q->lead_out_length == 0) return 1;
    for (int64_t at = from; (at = (int64_t)ms_find(p, (size_t)at, (size_t)end, q->lead_out, (size_t)q->lead_out_length)) < end; at++)
        if (at > from && ms_is_value_text(p[at - 1]) && ms_may_end_value(p, from, at)) return 1;
    return 0;
}

/* Note that a candidate of a pattern with a companion has not matched in the current record. */
static void ms_note_miss(ms_scan *scan, const ms_region *r, int32_t pattern) {
    ms_state *state = &scan->states[pattern];
    if (state->missed == r->serial) return;
    state->missed = r->serial;
    if (scan->n_misses == scan->misses_capacity) {
        const int64_t capacity = scan->misses_capacity ? scan->misses_capacity * 2 : 64;
        ms_miss *grown = (ms_miss *)realloc(scan->misses, (size_t)capacity * sizeof(ms_miss));
        if (grown == NULL) {
            scan->no_memory = 1;
            return;
        }
        scan->misses = grown;
        scan->misses_capacity = capacity;
    }
    scan->misses[scan->n_misses++] = (ms_miss){pattern, r->serial, r->record, r->end, r->next, r->row_line, r->row_offset, 0};
}

/* ms_note_miss for a record that holds a literal of the pattern's companion. */
__attribute__((noinline)) static void ms_note_found(ms_scan *scan, const ms_region *r, int32_t pattern) {
    ms_note_miss(scan, r, pattern);
    for (int64_t i = scan->n_misses; i-- > 0 && scan->misses[i].serial == r->serial;)
        if (scan->misses[i].pattern == pattern) scan->misses[i].is_found = 1;
}

/* Return whether a record that does not match may be a near miss or a cut line. */
static inline int ms_may_be_miss(const ms_pattern *q, const ms_region *r) {
    return q->has_near || (q->has_lead && ms_may_be_cut(r->p + r->record, r->p + r->end, r->p + r->next, r->p + r->n));
}

/* ms_note_miss for a pattern whose program has not matched; the record's first literal of it stands at `start`. */
__attribute__((noinline)) static void ms_note_unmatched(ms_scan *scan, const ms_region *r, int32_t pattern, int64_t start) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    if (!ms_may_be_miss(q, r)) return;
    if (q->is_led_out && q->has_near && start >= r->record && !ms_may_lead_out(q, r->p, r->record, start, r->end) &&
        !ms_may_be_cut(r->p + r->record, r->p + r->end, r->p + r->next, r->p + r->n))
        return;
    ms_note_miss(scan, r, pattern);
}

/* ms_note_miss, if what follows the candidate may be a value; each candidate of the record is given. */
__attribute__((noinline)) static void ms_note_candidate(ms_scan *scan, const ms_region *r, int32_t pattern, int64_t start) {
    const ms_pattern *q = &scan->tables->patterns[pattern];
    ms_state *state = &scan->states[pattern];
    if (state->missed == r->serial) return;
    if (!ms_may_be_miss(q, r)) return;
    if (q->is_led_in && q->has_near) {
        int64_t barren = state->barren - r->base;
        if (q->at_start && start != r->record) return;
        const int may = ms_may_be_other(q, r->p, start + q->lead_in_length, r->end, &barren);
        state->barren = r->base + barren;
        const int ends_record = barren >= r->end || start + q->lead_in_length >= r->end;
        if (!may && !(ends_record && ms_may_be_cut(r->p + r->record, r->p + r->end, r->p + r->next, r->p + r->n))) return;
    }
    ms_note_miss(scan, r, pattern);
}

/* ms_note_candidate. Behind most literals no value of any kind begins. */
static inline void ms_note_unmatched_span(ms_scan *scan, const ms_region *r, const ms_pattern *q, int32_t pattern, int64_t start) {
    const int64_t value = start + q->lead_in_length;
    if (q->is_led_in && q->has_near && value < r->end && !q->value_starts[r->p[value]]) return;
    ms_note_candidate(scan, r, pattern, start);
}

/* The pattern has matched in the current record after all, and has no row there yet. */
static void ms_forget_miss(ms_scan *scan, const ms_region *r, int32_t pattern) {
    ms_state *state = &scan->states[pattern];
    if (state->missed == r->serial)
        for (int64_t i = scan->n_misses; i-- > 0 && scan->misses[i].serial == r->serial;)
            if (scan->misses[i].pattern == pattern) scan->misses[i].pattern = -1;
    state->missed = r->serial;
}

/* Return whether a pattern has a row in the record at this offset of the region. Rows lie in the order of their records. */
static int ms_has_row_at(const ms_state *state, int64_t offset) {
    for (int64_t row = state->rows; row > state->region_mark && state->offset[row - 1] >= offset; row--)
        if (state->offset[row - 1] == offset) return 1;
    return 0;
}

#endif

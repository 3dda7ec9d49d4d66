/* When an Engine is made, these functions derive the fields of the tables that Python does not supply: facts about spans, and about
 * literals for the fast path. */
#ifndef METRICSCAN_TABLE_FACTS_H
#define METRICSCAN_TABLE_FACTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fingerprints.h"
#include "pass.h"
#include "program.h"
#include "records.h"
#include "rewriting.h"
#include "tables.h"

/* Set how records end, and how the input is rewritten. universal: \r ends a record too; syslog: control characters are matched as syslog
 * writes them; strip: terminal escape sequences are removed. */
static void ms_set_records(ms_tables *t, int universal, int syslog, int strip) {
    t->terminators = universal ? MS_UNIVERSAL : MS_LF;
    t->drop_cr = !universal && !syslog;
    if (syslog || strip)
        t->rewriting = (syslog ? MS_SYSLOG : 0) | (strip ? MS_STRIP : 0) | (universal ? MS_UNIVERSAL_ENDS : 0) |
                       (t->drop_cr ? MS_DROP_CR : 0);
}

/* Set the fields of a span that follow from its other fields. */
static void ms_finish_span(const ms_tables *t, ms_pattern *q) {
    q->any_byte = 1;
    for (int byte = 0; byte < 256; byte++)
        if (q->table[byte] != MS_MEMBER && !ms_is_terminator((uint8_t)byte, t->terminators)) q->any_byte = 0;
    q->suffix_stops = q->suffix_length > 0 && q->table[q->suffix[0]] == MS_STOP;
    q->plain = MS_NOT_PLAIN;
    if (t->matches != MS_MATCHES_ALL || q->counted) return;
    q->plain = MS_PLAIN;
    if (q->shape == MS_SHAPE_LAZY && q->any_byte && q->run_min == 0 && q->run_max < 0 && q->suffix_length == 1 && !q->at_start &&
        !q->at_end)
        q->plain = MS_PLAIN_LAZY_TO_BYTE;
}

/* Fill a table with the bytes that may start a match of any pattern without a literal. Returns 0 if a match of one of them, or a near
 * miss, may start anywhere. */
static int ms_starts_of_always(const ms_tables *t, uint8_t *table) {
    for (int32_t i = 0; i < t->n_always; i++) {
        const ms_pattern *q = &t->patterns[t->always[i]];
        if (q->strategy != MS_STRATEGY_PROGRAM || q->program.first == NULL || q->has_near) return 0;
        /* No record contains a terminator. */
        for (int byte = 0; byte < 256; byte++)
            table[byte] |= q->program.first[byte] && !ms_is_terminator((uint8_t)byte, t->terminators);
    }
    return 1;
}

/* Add a pattern to those that a literal makes candidates. The uses of a literal are contiguous; the caller has made room for them. */
static void ms_add_use(ms_tables *t, ms_literal *literal, int32_t pattern) {
    ms_pattern *q = &t->patterns[pattern];
    t->uses[literal->first_use + literal->uses++] = pattern;
    q->found_by_lead = ++q->literals == 1 && q->strategy == MS_STRATEGY_PROGRAM && q->program.lead_length == literal->length &&
                       memcmp(q->program.lead_text, literal->text, (size_t)literal->length) == 0;
    q->is_led_in = q->literals == 1 && q->has_lead && !q->lead_in_blanks && q->lead_in_length == literal->length &&
                   memcmp(q->lead_in, literal->text, (size_t)literal->length) == 0;
    q->is_led_out = q->literals == 1 && q->lead_out_length == literal->length && memcmp(q->lead_out, literal->text, (size_t)literal->length) == 0;
}

/* Set the masks and bytes by which two comparisons of eight bytes verify a literal. If it is longer than sixteen bytes, they show only that
 * it may be there. */
static void ms_describe_entry(ms_entry *entry) {
    const ms_literal *literal = entry->literal;
    const int64_t size = literal->length < 8 ? literal->length : 8;
    if (literal->place > 16 || literal->length - literal->place > 24) return;
    memset(&entry->mask, 0xFF, (size_t)size);
    entry->head_place = -literal->place;
    entry->tail_place = literal->length - literal->place - size;
    entry->head = ms_load8(literal->text, 0, (size_t)literal->length) & entry->mask;
    entry->tail = ms_load8(literal->text, literal->length - size, (size_t)literal->length) & entry->mask;
}

/* Return whether the fast path matches this plain span: its run is greedy, and can end in one place only. */
static int ms_is_fast_greedy(const ms_pattern *q) {
    return q->plain == MS_PLAIN && q->shape == MS_SHAPE_GREEDY && q->run_min <= 1 && q->run_max < 0 && !q->at_end &&
           (q->suffix_length == 0 || q->suffix_stops);
}

/* Set the fields that the fast path needs, if the literal belongs to one pattern and the fast path matches patterns of its shape. */
static void ms_make_fast(const ms_tables *t, ms_entry *entry) {
    const ms_literal *literal = entry->literal;
    if (literal->uses != 1 || literal->length > 16) return;
    const int32_t pattern = t->uses[literal->first_use];
    const ms_pattern *q = &t->patterns[pattern];
    if (q->steps != NULL && q->found_by_lead) {
        entry->fast = MS_FAST_CHAIN;
    } else if (q->prefix_length != literal->length || q->value_from_run || q->value_from != literal->length || !q->value_to_run ||
               q->value_to != 0) {
        return; /* The value is not exactly the run. */
    } else if (q->plain == MS_PLAIN_LAZY_TO_BYTE) {
        entry->fast = MS_FAST_LAZY;
    } else if (ms_is_fast_greedy(q)) {
        entry->fast = MS_FAST_GREEDY;
        entry->ends = q->ends;
        ms_class_fill(&entry->stops, entry->ends, t->level);
    } else {
        return;
    }
    entry->pattern = pattern;
    entry->state = (size_t)pattern * sizeof(ms_state);
    entry->length = literal->length;
    entry->from_place = literal->length - literal->place;
    entry->steps = q->steps;
    entry->at_start = q->at_start;
    entry->least = q->run_min;
    entry->table = q->table;
    entry->suffix = q->suffix;
    entry->suffix_length = q->suffix_length;
    if (q->suffix_length) entry->stop = q->suffix[0];
    entry->has_lead = q->has_lead;
    entry->behind = q->behind;
    entry->before = q->before;
    entry->value_starts = q->has_near ? q->value_starts : ms_no_bytes;
    entry->goes_on = q->has_near ? q->goes_on : ms_no_bytes;
    entry->is_nested = q->has_near && entry->table != NULL;
    for (int64_t i = 0; entry->is_nested && i < literal->length; i++) entry->is_nested = entry->table[literal->text[i]] != MS_STOP;
}

/* Return how many hash chains a group with this many literals has: a power of two. */
static int32_t ms_heads_of(int32_t literals) {
    int32_t heads = 1;
    while (literals > 1 && heads < 2 * literals) heads *= 2;
    return heads;
}

/* Begin the next group. Set its fingerprint (second -1: of one byte) and bucket, and the window that distinguishes its literals. */
static ms_group *ms_begin_group(ms_tables *t, int32_t index, int bucket, int first, int second, int64_t window, int64_t width,
                                int32_t literals) {
    ms_group *group = &t->find.groups[index];
    const uint8_t pair[2] = {(uint8_t)first, (uint8_t)second};
    ms_fingerprints_add(&t->fingerprints, bucket, first, second);
    if (second < 0) {
        t->one_group[first] = (uint16_t)(index + 1);
        t->has_single_bytes = 1;
    } else {
        t->find.pair_group[ms_load2(pair)] = (uint16_t)(index + 1);
    }
    group->window = window;
    group->near = -16 <= window && window <= 8;
    memset(&group->mask, 0xFF, (size_t)width);
    group->heads = index ? group[-1].heads + (int32_t)group[-1].head_mask + 1 : 0;
    group->head_mask = (uint32_t)ms_heads_of(literals) - 1;
    return group;
}

/* Fill in the next entry of a group, for this literal, and add it to the chain of its window's hash. */
static void ms_add_entry(ms_tables *t, const ms_group *group, ms_entry *entry, ms_literal *literal, int64_t width) {
    literal->in_window = literal->place + group->window <= 0 && literal->place + group->window + width >= literal->length;
    entry->literal = literal;
    entry->window = ms_load8(literal->text, literal->place + group->window, (size_t)literal->length) & group->mask;
    const ms_entry **head = &t->find.heads[group->heads + (int32_t)ms_slot(entry->window, group->head_mask)];
    entry->following = *head;
    *head = entry;
}

/* Finish the group with this index. Its entries are complete: they are the last `entries` ones before `to`. An entry is described to the
 * fast path if no other literal of the group has the same window. */
static void ms_finish_group(ms_tables *t, int32_t index, ms_entry *to, int64_t entries) {
    ms_group *group = &t->find.groups[index];
    if (entries == 1) group->only = to - 1;
    t->find.only[index + 1] = group->only != NULL ? group->only : &ms_unknown;
    for (ms_entry *entry = to - entries; entry < to; entry++) {
        const ms_entry *other = t->find.heads[group->heads + (int32_t)ms_slot(entry->window, group->head_mask)];
        while (other != NULL && (other == entry || other->window != entry->window)) other = other->following;
        if (other != NULL) continue;
        ms_describe_entry(entry);
        ms_make_fast(t, entry);
    }
}

/* All groups are there. Two bytes that begin with a fingerprint of one byte are candidates for the slow path. To look for such bytes among
 * the positions, and to verify what lies between them, took as long as to try them. */
static void ms_finish_groups(ms_tables *t, int32_t groups) {
    if (!t->has_single_bytes) return;
    t->one_byte = (uint32_t)groups + 1;
    t->find.only[t->one_byte] = &ms_at_edge;
    for (int first = 0; first < 256; first++) {
        if (!t->one_group[first]) continue;
        for (int second = 0; second < 256; second++) {
            const uint8_t pair[2] = {(uint8_t)first, (uint8_t)second};
            uint16_t *group = &t->find.pair_group[ms_load2(pair)];
            if (*group) t->find.only[*group] = &ms_at_edge;
            else *group = (uint16_t)t->one_byte;
        }
    }
}

#endif

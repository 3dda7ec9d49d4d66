/* Chains: one-pass patterns, walked from behind the literal that they begin with. */
#ifndef METRICSCAN_CHAINS_H
#define METRICSCAN_CHAINS_H

#include <stddef.h>
#include <stdint.h>

#include "fingerprints.h"
#include "program.h"
#include "tables.h"

/* Follow a chain from behind its literal. Returns 1 if it matches, and the places of its value and of the match's end; 0 if it does not
 * match; -1 if a table leaves a byte undecided. If an optional part or one of several alternatives fails, the chain continues at the place where it began.
 * Such parts do not nest. */
__attribute__((noinline)) static int ms_follow(const ms_step *steps, const uint8_t *at, const uint8_t *end, const uint8_t **value,
                                               const uint8_t **value_end, const uint8_t **after) {
    const ms_step *step = steps, *other = NULL;
    const uint8_t *from = at, *p;
    for (;;) {
        const uint8_t *const table = step->text;
        switch (step->kind) {
        case MS_STEP_TEXT:
            if (end - at < step->length || !ms_equal(at, step->text, (size_t)step->length)) goto fail;
            at += step->length;
            break;
        case MS_STEP_RUN:
            p = step->most >= 0 && end - at > step->most ? at + step->most : end;
            from = at;
            while (at < p && table[*at] == MS_MEMBER) at++;
            if (at < p && table[*at] == MS_UNDECIDED) return -1;
            if (at - from < step->least) goto fail;
            break;
        case MS_STEP_DECIMAL:
            from = at;
            while (at < end && table[*at] == MS_MEMBER) at++;
            p = at;
            if (p < end && *p == '.') {
                p++;
                while (p < end && table[*p] == MS_MEMBER) p++;
            }
            if ((at < end && table[*at] == MS_UNDECIDED) || (p < end && table[*p] == MS_UNDECIDED)) return -1;
            /* A point belongs to the number if a digit follows. */
            if (p > at + 1) at = p;
            if (at == from) goto fail;
            break;
        case MS_STEP_OPTIONAL:
        case MS_STEP_EITHER:
            other = steps + step->least;
            *after = at;
            break;
        case MS_STEP_DONE:
            other = NULL;
            step = steps + step->least;
            continue;
        case MS_STEP_OPEN: *value = at; break;
        case MS_STEP_CLOSE: *value_end = at; break;
        default: *after = at; return 1;
        }
        step++;
        continue;
    fail:
        if (other == NULL) return 0;
        step = other;
        at = *after;
        other = NULL;
    }
}

#endif

/* Whether the end of a log may show a crash: a quick look that finds the few logs which logs/crashes.py examines. */
#ifndef METRICSCAN_CRASH_MARKS_H
#define METRICSCAN_CRASH_MARKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd_levels.h"

/* The part of a log's end that is examined, and the part of it in which a line about a signal or lack of memory counts. */
enum { MS_TAIL_BYTES = 4096, MS_LAST_BYTES = 512 };
/* How many places a loop without a branch examines, so that the compiler makes vector instructions of it. */
enum { MS_MARK_BLOCK = 128 };

/* The frame of a traceback, which stands even where the tail begins amid the traceback. */
static const char ms_frame_mark[] = "\", line ";

/* Texts of which one stands in each line that names a signal or lack of memory, and below the box of a traceback of rich. */
static const char *const ms_crash_marks[] = {
    "Killed", "ignal", "Aborted", "Segmentation", "Bus error", "Illegal", "Terminated", "NCELLED", "oom-k", "oom_k",   "OOM",
    "f memory", "OfMem", "SIG", "exit", "d_alloc", "\xE2\x95\xB0", "F_MEM", "dumped", "Fatal",
    "te called",
};

/* Does one of `count` texts start at p? n bytes may be read. */
static inline int ms_any_starts(const uint8_t *p, size_t n, const char *const *texts, size_t count) {
    for (size_t k = 0; k < count; k++)
        if (p[0] == (uint8_t)texts[k][0] && strlen(texts[k]) <= n && memcmp(p, texts[k], strlen(texts[k])) == 0) return 1;
    return 0;
}

/* May a frame, or one of the marks, start at p? Of each text two or three bytes are compared, those that are rare, of the first four
 * of a frame (JSON is full of `", "`) or the first three of a mark. */
enum { MS_FRAME_REACH = 4, MS_MARK_REACH = 3, MS_MOST_REACH = 4 };

__attribute__((always_inline)) static inline uint8_t ms_may_begin_frame(const uint8_t *p) {
    return (uint8_t)((p[0] == '"') & (p[2] == ' ') & (p[3] == 'l'));
}

__attribute__((always_inline)) static inline uint8_t ms_may_begin_mark(const uint8_t *p) {
    const uint8_t a = p[0], b = p[1], c = p[2];
    return (uint8_t)(((a == 'K') & (b == 'i')) | ((b == 'g') & (c == 'n')) | ((a == 'A') & (b == 'b')) | ((a == 'S') & (c == 'g')) |
                     ((a == 'B') & (b == 'u')) | ((a == 'I') & (b == 'l')) | ((a == 'T') & (c == 'r')) | ((b == 'C') & (c == 'E')) |
                     ((a == 'o') & (b == 'o') & (c == 'm')) | ((a == 'O') & (b == 'O')) | ((a == 'f') & (b == ' ') & (c == 'm')) |
                     ((a == 'O') & (b == 'f')) | ((a == 'S') & (c == 'G')) | ((b == 'x') & (c == 'i')) |
                     ((a == 'd') & (b == '_') & (c == 'a')) | ((b == 0x95) & (c == 0xB0)) | ((a == 'F') & (c == 'M')) |
                     ((a == 'd') & (b == 'u') & (c == 'm')) | ((a == 'F') & (c == 't')) |
                     ((a == 't') & (b == 'e') & (c == ' ')));
}

/* Do the last `most` of n bytes hold one of the texts, which have at least `reach` bytes? Of each block, only the places at which one may
 * begin are compared with the texts: most logs have few of them, and words such as "design" are no reason to examine a block. */
__attribute__((always_inline)) static inline int ms_end_holds(const uint8_t *p, size_t n, size_t most, size_t reach, uint8_t (*may_begin)(const uint8_t *),
                                         const char *const *texts, size_t count) {
    const size_t behind = reach - 1, whole = MS_MARK_BLOCK + behind;
    uint8_t begins[MS_MARK_BLOCK], padded[MS_MARK_BLOCK + MS_MOST_REACH - 1] = {0};
    int more = n > 0;
    for (size_t at = n > most ? n - most : 0; more; at += MS_MARK_BLOCK) {
        more = n - at > whole;
        /* The last block overlaps the one before it. No text starts at the last bytes. */
        if (!more && n >= whole) at = n - whole;
        const uint8_t *block = p + at;
        if (n < whole) block = memcpy(padded, p, n);
        uint8_t any = 0;
        for (int i = 0; i < MS_MARK_BLOCK; i++) any |= begins[i] = may_begin(block + i);
        if (!any) continue;
        const uint8_t *next = begins;
        while (next < begins + MS_MARK_BLOCK && (next = memchr(next, 1, (size_t)(begins + MS_MARK_BLOCK - next))) != NULL) {
            const size_t i = at + (size_t)(next++ - begins);
            if (ms_any_starts(p + i, n - i, texts, count)) return 1;
        }
    }
    return 0;
}

__attribute__((always_inline)) static inline int ms_end_may_show_crash(const uint8_t *p, size_t n) {
    const char *const frame = ms_frame_mark;
    return ms_end_holds(p, n, MS_TAIL_BYTES, MS_FRAME_REACH, ms_may_begin_frame, &frame, 1) ||
           ms_end_holds(p, n, MS_LAST_BYTES, MS_MARK_REACH, ms_may_begin_mark, ms_crash_marks, sizeof ms_crash_marks / sizeof *ms_crash_marks);
}

#ifdef MS_X86
MS_TARGET(MS_AVX2_TARGET)
static int ms_may_show_crash_avx2(const uint8_t *p, size_t n) { return ms_end_may_show_crash(p, n); }
#endif

/* May the end of a log of n bytes show a crash? */
static int ms_may_show_crash(int level, const uint8_t *p, size_t n) {
#ifdef MS_X86
    if (level >= MS_AVX2) return ms_may_show_crash_avx2(p, n);
#endif
    (void)level;
    return ms_end_may_show_crash(p, n);
}

#endif

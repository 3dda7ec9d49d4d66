/* Whether the end of a log may show a crash: a quick look that finds the few logs which logs/crashes.py examines. */
#ifndef METRICSCAN_CRASH_MARKS_H
#define METRICSCAN_CRASH_MARKS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
};

/* Does one of `count` texts start at p? n bytes may be read. */
static inline int ms_any_starts(const uint8_t *p, size_t n, const char *const *texts, size_t count) {
    for (size_t k = 0; k < count; k++)
        if (p[0] == (uint8_t)texts[k][0] && strlen(texts[k]) <= n && memcmp(p, texts[k], strlen(texts[k])) == 0) return 1;
    return 0;
}

/* May a frame, or one of the marks, start among MS_MARK_BLOCK places? Two bytes behind them are read, too. */
static inline int ms_frame_in_block(const uint8_t *p) {
    uint8_t any = 0;
    for (int i = 0; i < MS_MARK_BLOCK; i++) any |= (uint8_t)((p[i] == '"') & (p[i + 1] == ','));
    return any;
}

static inline int ms_mark_in_block(const uint8_t *p) {
    uint8_t any = 0;
    for (int i = 0; i < MS_MARK_BLOCK; i++) {
        uint8_t a = p[i], b = p[i + 1], c = p[i + 2];
        any |= (uint8_t)(((a == 'K') & (b == 'i')) | ((a == 'g') & (b == 'n')) | ((a == 'A') & (b == 'b')) |
                         ((a == 'S') & (b == 'e')) | ((a == 'B') & (b == 'u')) | ((a == 'I') & (b == 'l')) |
                         ((a == 'T') & (c == 'r')) | ((a == 'N') & (b == 'C')) | ((b == 'o') & (c == 'm')) |
                         ((a == 'O') & (b == 'O')) | ((b == ' ') & (c == 'm')) | ((a == 'O') & (b == 'f')) |
                         ((a == 'S') & (b == 'I')) | ((a == 'x') & (b == 'i')) | ((a == 'd') & (b == '_')) |
                         ((b == 0x95) & (c == 0xB0)) | ((a == 'F') & (b == '_')) | ((b == 'u') & (c == 'm')) |
                         ((a == 'F') & (b == 'a')));
    }
    return any;
}

/* Do the last `most` of n bytes hold one of the texts? A block is skipped if it holds none of their first bytes. */
static inline int ms_end_holds(const uint8_t *p, size_t n, size_t most, int (*in_block)(const uint8_t *), const char *const *texts,
                               size_t count) {
    size_t at = n > most ? n - most : 0;
    while (at < n) {
        size_t left = n - at, places = left < MS_MARK_BLOCK + 2 ? left : MS_MARK_BLOCK;
        if (left < MS_MARK_BLOCK + 2 && n >= MS_MARK_BLOCK + 2) {
            /* the last block overlaps the one before; no text starts at the last two bytes */
            if (!in_block(p + n - MS_MARK_BLOCK - 2)) return 0;
        } else if (left >= MS_MARK_BLOCK + 2 && !in_block(p + at)) {
            at += places;
            continue;
        }
        for (size_t i = at; i < at + places; i++)
            if (ms_any_starts(p + i, n - i, texts, count)) return 1;
        at += places;
    }
    return 0;
}

/* May the end of a log of n bytes show a crash? */
static int ms_may_show_crash(const uint8_t *p, size_t n) {
    const char *const frame = ms_frame_mark;
    return ms_end_holds(p, n, MS_TAIL_BYTES, ms_frame_in_block, &frame, 1) ||
           ms_end_holds(p, n, MS_LAST_BYTES, ms_mark_in_block, ms_crash_marks, sizeof ms_crash_marks / sizeof *ms_crash_marks);
}

#endif

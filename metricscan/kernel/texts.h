/* The texts that a label captures: each has a number, which stands in the column of values. */
#ifndef METRICSCAN_TEXTS_H
#define METRICSCAN_TEXTS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

/* A text of more characters names no worker: it gives no row. One of more bytes is left to Python, which counts its characters. */
enum { MS_LABEL_CHARACTERS = 1000 };

typedef struct {
    int64_t first; /* the number of the first text; the others follow */
    int64_t count;
    int64_t newest; /* the index of the text that was found last: most rows have the same as the row before */
    uint8_t *bytes; /* all texts, one behind the other */
    int64_t room;
    int64_t *ends; /* of each text in the bytes, and a 0 before them */
    uint32_t *hashes;
    int64_t capacity;
    uint32_t *slots; /* a hash table: the index of a text and 1, or 0 */
    uint32_t mask;
} ms_texts;

static inline uint32_t ms_hash_of_text(const uint8_t *text, size_t n) {
    uint64_t hash = n, word;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, text + i, 8);
        hash = (hash ^ word) * UINT64_C(0x9FB21C651E98DF25);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, text + i, n - i);
    hash = (hash ^ word) * UINT64_C(0x9FB21C651E98DF25);
    return (uint32_t)(hash >> 32);
}

static inline int ms_is_text(const ms_texts *texts, int64_t index, const uint8_t *text, int64_t n) {
    const int64_t begin = texts->ends[index];
    return texts->ends[index + 1] - begin == n && ms_equal(texts->bytes + begin, text, (size_t)n);
}

/* Return the index of a text that has a number, or -1. `hash` is that of the text. */
static inline int64_t ms_found_text(ms_texts *texts, const uint8_t *text, int64_t n, uint32_t hash) {
    for (uint32_t slot = hash & texts->mask; texts->slots != NULL && texts->slots[slot]; slot = (slot + 1) & texts->mask) {
        const int64_t index = (int64_t)texts->slots[slot] - 1;
        if (texts->hashes[index] == hash && ms_is_text(texts, index, text, n)) return texts->newest = index;
    }
    return -1;
}

/* Return the number of a text that has one, or -1. */
static inline int64_t ms_known_text(ms_texts *texts, const uint8_t *text, int64_t n) {
    if (texts->count && ms_is_text(texts, texts->newest, text, n)) return texts->first + texts->newest;
    const int64_t index = ms_found_text(texts, text, n, ms_hash_of_text(text, (size_t)n));
    return index < 0 ? -1 : texts->first + index;
}

/* Make room for one text more of n bytes. Returns -1 if there is no memory; everything is as before then. */
static int ms_grow_texts(ms_texts *texts, int64_t n) {
    const int64_t used = texts->count ? texts->ends[texts->count] : 0;
    if (used + n > texts->room || texts->bytes == NULL) {
        const int64_t room = 2 * (used + n) + 256;
        uint8_t *grown = (uint8_t *)realloc(texts->bytes, (size_t)room);
        if (grown == NULL) return -1;
        texts->bytes = grown;
        texts->room = room;
    }
    if (texts->count < texts->capacity) return 0;
    if (texts->capacity >= INT32_MAX / 4) return -1;
    const int64_t capacity = texts->capacity ? 2 * texts->capacity : 32;
    int64_t *ends = (int64_t *)realloc(texts->ends, (size_t)(capacity + 1) * sizeof(int64_t));
    if (ends == NULL) return -1;
    texts->ends = ends;
    ends[0] = 0;
    uint32_t *hashes = (uint32_t *)realloc(texts->hashes, (size_t)capacity * sizeof(uint32_t));
    if (hashes == NULL) return -1;
    texts->hashes = hashes;
    /* at most half of the slots are taken */
    uint32_t *slots = (uint32_t *)calloc((size_t)capacity * 2, sizeof(uint32_t));
    if (slots == NULL) return -1;
    free(texts->slots);
    texts->slots = slots;
    texts->mask = (uint32_t)(2 * capacity - 1);
    texts->capacity = capacity;
    for (int64_t i = 0; i < texts->count; i++) {
        uint32_t slot = hashes[i] & texts->mask;
        while (slots[slot]) slot = (slot + 1) & texts->mask;
        slots[slot] = (uint32_t)i + 1;
    }
    return 0;
}

/* Return the number of a text, which gets the next one if it is new; -1 if there is no memory. */
static int64_t ms_number_of_text(ms_texts *texts, const uint8_t *text, int64_t n) {
    if (texts->count && ms_is_text(texts, texts->newest, text, n)) return texts->first + texts->newest;
    const uint32_t hash = ms_hash_of_text(text, (size_t)n);
    const int64_t found = ms_found_text(texts, text, n, hash);
    if (found >= 0) return texts->first + found;
    if (ms_grow_texts(texts, n) < 0) return -1;
    const int64_t index = texts->count++;
    uint32_t slot = hash & texts->mask;
    while (texts->slots[slot]) slot = (slot + 1) & texts->mask;
    texts->slots[slot] = (uint32_t)index + 1;
    texts->hashes[index] = hash;
    if (n) memcpy(texts->bytes + texts->ends[index], text, (size_t)n);
    texts->ends[index + 1] = texts->ends[index] + n;
    texts->newest = index;
    return texts->first + index;
}

/* Forget the texts; the numbers go on. */
static void ms_begin_texts(ms_texts *texts) {
    texts->first += texts->count;
    texts->count = texts->newest = 0;
    if (texts->slots != NULL) memset(texts->slots, 0, ((size_t)texts->mask + 1) * sizeof(uint32_t));
}

static void ms_texts_clear(ms_texts *texts) {
    free(texts->bytes);
    free(texts->ends);
    free(texts->hashes);
    free(texts->slots);
    memset(texts, 0, sizeof *texts);
}

#endif

/* Groups rows by their pattern of missing values through a hash table, and keeps a bounded number of answers. */
#include "model/patterns.h"

#include <math.h>
#include <string.h>

/* Patterns without answers are small; beyond so many the table starts anew. */
enum { PATTERNS_MOST = 1 << 16, BUCKETS = 1 << 12, KEPT_LEAST = 16, KEPT_MOST = 1024 };
#define KEPT_BYTES 6.4e7

static void forget_all(lk_context *ctx, lki_patterns *p)
{
    for (size_t b = 0; b < p->bucket_count; b++) {
        while (p->buckets[b] != NULL) {
            lki_pattern *pattern = p->buckets[b];
            p->buckets[b] = pattern->chain;
            if (pattern->answer != NULL) {
                p->release(ctx, pattern->answer);
            }
            lki_release(ctx, pattern);
        }
    }
    if (p->kept != NULL) {
        memset(p->kept, 0, (size_t)p->kept_most * sizeof *p->kept);
    }
    p->count = 0;
    p->kept_count = 0;
    p->oldest = 0;
    p->met_count = 0;
}

void lki_patterns_free(lk_context *ctx, lki_patterns *p)
{
    forget_all(ctx, p);
    lki_release(ctx, p->met);
    lki_release(ctx, p->buckets);
    lki_release(ctx, p->owner);
    lki_release(ctx, p->order);
    lki_release(ctx, p->key);
    lki_release(ctx, p->kept);
    *p = (lki_patterns){0};
}

static lk_status reserve(lk_context *ctx, lki_patterns *p, int64_t rows)
{
    if (p->buckets == NULL) {
        double most = (p->bytes_most > 0.0 ? p->bytes_most : KEPT_BYTES) / fmax(p->bytes, 1.0);
        p->kept_most = most < KEPT_LEAST ? KEPT_LEAST : most > KEPT_MOST ? KEPT_MOST : (int64_t)most;
        LKI_TRY(lki_zeros(ctx, (size_t)p->kept_most, sizeof *p->kept, &p->kept));
        LKI_TRY(lki_zeros(ctx, (size_t)p->d, 1, &p->key));
        LKI_TRY(lki_zeros(ctx, BUCKETS, sizeof *p->buckets, &p->buckets));
        p->bucket_count = BUCKETS;
    }
    if (rows > p->capacity) {
        lki_release(ctx, p->owner);
        lki_release(ctx, p->met);
        lki_release(ctx, p->order);
        p->owner = p->met = NULL;
        p->order = NULL;
        p->capacity = 0;
        LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *p->owner, &p->owner));
        LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *p->met, &p->met));
        LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *p->order, &p->order));
        p->capacity = rows;
    }
    return LK_OK;
}

/* FNV-1a over the flags. */
static uint64_t hash_of(const unsigned char *key, int64_t d)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int64_t j = 0; j < d; j++) {
        hash = (hash ^ key[j]) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 32;
}

static lk_status pattern_new(lk_context *ctx, const lki_patterns *p, uint64_t hash, lki_pattern **out)
{
    lki_pattern *pattern;
    size_t d = (size_t)p->d, head = (sizeof *pattern + 15) / 16 * 16;
    LKI_TRY(lki_zeros(ctx, 1, head + d * (sizeof(int64_t) + 1), &pattern));
    pattern->features = (int64_t *)(void *)((char *)pattern + head);
    pattern->missing = (unsigned char *)(pattern->features + d);
    pattern->hash = hash;
    memcpy(pattern->missing, p->key, d);
    int64_t last = 0;
    for (int missing = 0; missing < 2; missing++) {
        for (int64_t j = 0; j < p->d; j++) {
            if (pattern->missing[j] == missing) {
                pattern->features[last++] = j;
            }
        }
        pattern->known = missing == 0 ? last : pattern->known;
    }
    *out = pattern;
    return LK_OK;
}

/* The pattern of p->key, made where it is new. */
static lk_status find(lk_context *ctx, lki_patterns *p, lki_pattern **out)
{
    uint64_t hash = hash_of(p->key, p->d);
    lki_pattern **bucket = &p->buckets[hash % p->bucket_count];
    for (lki_pattern *at = *bucket; at != NULL; at = at->chain) {
        if (at->hash == hash && memcmp(at->missing, p->key, (size_t)p->d) == 0) {
            *out = at;
            return LK_OK;
        }
    }
    LKI_TRY(pattern_new(ctx, p, hash, out));
    (*out)->chain = *bucket;
    *bucket = *out;
    p->count++;
    return LK_OK;
}

lk_status lki_patterns_group(lk_context *ctx, lki_patterns *p, const double *x, int64_t rows, const unsigned char *hidden,
                             bool only_incomplete)
{
    for (int64_t m = 0; m < p->met_count; m++) { /* before `met` may move */
        p->met[m]->count = 0;
    }
    p->met_count = 0;
    LKI_TRY(reserve(ctx, p, rows));
    if (p->count > PATTERNS_MOST) {
        forget_all(ctx, p);
    }
    for (int64_t i = 0; i < rows; i++) {
        bool incomplete = false;
        p->owner[i] = NULL;
        for (int64_t j = 0; j < p->d; j++) {
            bool missing = isnan(x[i * p->d + j]) || (hidden != NULL && hidden[j] != 0);
            p->key[j] = missing;
            incomplete = incomplete || missing;
        }
        if (only_incomplete && !incomplete) {
            continue;
        }
        LKI_TRY(find(ctx, p, &p->owner[i]));
        if (p->owner[i]->count++ == 0) {
            p->met[p->met_count++] = p->owner[i];
        }
    }
    int64_t start = 0;
    for (int64_t m = 0; m < p->met_count; m++) {
        p->met[m]->rows = p->order + start;
        p->met[m]->filled = start;
        start += p->met[m]->count;
    }
    for (int64_t i = 0; i < rows; i++) {
        if (p->owner[i] != NULL) {
            p->order[p->owner[i]->filled++] = i;
        }
    }
    return LK_OK;
}

void lki_patterns_keep(lk_context *ctx, lki_patterns *p, lki_pattern *pattern, void *answer)
{
    int64_t slot = p->kept_count < p->kept_most ? p->kept_count++ : p->oldest;
    if (p->kept[slot] != NULL) {
        p->release(ctx, p->kept[slot]->answer);
        p->kept[slot]->answer = NULL;
    }
    p->oldest = slot + 1 < p->kept_most ? slot + 1 : 0;
    p->kept[slot] = pattern;
    pattern->answer = answer;
}

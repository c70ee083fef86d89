/* Rows of a block grouped by which of their values are missing, and what was made ready for each such pattern. */
#ifndef LIKELY_PATTERNS_H
#define LIKELY_PATTERNS_H

#include "core/core.h"

/* One pattern of missing values. */
typedef struct lki_pattern {
    int64_t known;             /* how many features are there */
    int64_t *features;         /* d: those that are there, then the others, both ascending */
    const int64_t *rows;       /* its rows in the present block, ascending */
    int64_t count;             /* how many; 0 = not in this block */
    void *answer;              /* what the owner made ready, by lki_patterns_keep(); NULL = nothing yet, or no longer */
    uint64_t hash;
    struct lki_pattern *chain; /* the next of its bucket */
    int64_t filled;
    unsigned char *missing;    /* d */
} lki_pattern;

/* All patterns met so far by one thread. Start from all zeros, with `d`, `release` and `bytes` set. */
typedef struct lki_patterns {
    int64_t d;
    void (*release)(lk_context *ctx, void *answer);
    double bytes;         /* of one answer, about: it bounds how many are kept, never what they say */
    double bytes_most;    /* of all that are kept; 0 = a modest default */
    lki_pattern **met;    /* the patterns of the present block, in the order of their first rows */
    int64_t met_count;
    lki_pattern **buckets;
    size_t bucket_count, count;
    lki_pattern **owner;  /* of each row */
    int64_t *order;
    int64_t capacity;     /* rows */
    unsigned char *key;
    lki_pattern **kept;   /* a ring of those with an answer */
    int64_t kept_count, kept_most, oldest;
} lki_patterns;

/* Groups rows x d values; the features in hidden (d flags; NULL = none) count as missing in every row. only_incomplete leaves out rows
 * without a NaN. */
lk_status lki_patterns_group(lk_context *ctx, lki_patterns *p, const double *x, int64_t rows, const unsigned char *hidden,
                             bool only_incomplete) LK_NODISCARD;
/* Keeps an answer with its pattern; the oldest one may be released for it. */
void lki_patterns_keep(lk_context *ctx, lki_patterns *p, lki_pattern *pattern, void *answer);
void lki_patterns_free(lk_context *ctx, lki_patterns *p);

#endif

/* Hashes of values and rows, a set of them, and an estimate of how many differ. */
#ifndef LIKELY_DISTINCT_H
#define LIKELY_DISTINCT_H

#include "core/core.h"

/* A 128-bit hash that takes 64-bit words one by one. Zeroed, it is that of nothing. */
typedef struct lki_hash {
    uint64_t a, b;
} lki_hash;

uint64_t lki_hash_mix(uint64_t word); /* a bijection that spreads every bit */
uint64_t lki_hash_number(double v);   /* one for every NaN; 0 and -0 are the same */
uint64_t lki_hash_text(const char *text);
void lki_hash_add(lki_hash *hash, uint64_t word);

/* A set of hashes, open addressing; zeroed it is empty. Release `slots`. */
typedef struct lki_hash_set {
    lki_hash *slots;
    size_t capacity; /* a power of two */
    size_t count;
} lki_hash_set;
lk_status lki_hash_set_reserve(lk_context *ctx, lki_hash_set *set, size_t count) LK_NODISCARD;
/* *is_new tells whether it was not there. */
lk_status lki_hash_set_add(lk_context *ctx, lki_hash_set *set, lki_hash hash, bool *is_new) LK_NODISCARD;

/* HyperLogLog (Flajolet et al. 2007): standard error 1.04 / sqrt(16384) = 0.8 percent. */
enum { LKI_SKETCH_BYTES = 1 << 14 };
void lki_sketch_add(unsigned char *sketch, uint64_t hash);
double lki_sketch_estimate(const unsigned char *sketch);

#endif

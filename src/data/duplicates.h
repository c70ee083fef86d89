/* Counts how many hashes of a long sequence stood there before, within bounded memory. */
#ifndef LIKELY_DUPLICATES_H
#define LIKELY_DUPLICATES_H

#include "distinct.h"

/* Zeroed it is closed. Where a set of all hashes would exceed the memory, they are spooled to up to 256 unnamed
 * temporary files by their leading bits, 16 bytes each, and the files are counted one after the other. */
typedef struct lki_duplicates {
    lki_hash_set set;
    int64_t expected; /* hashes of one part */
    int64_t count;    /* duplicates so far */
    int part_bits;
    struct lki_part *parts; /* 2^part_bits of them; NULL where one set does */
} lki_duplicates;

lk_status lki_duplicates_open(lk_context *ctx, lki_duplicates *d, int64_t hashes, int64_t memory) LK_NODISCARD;
lk_status lki_duplicates_add(lk_context *ctx, lki_duplicates *d, lki_hash hash) LK_NODISCARD;
/* Completes d->count. */
lk_status lki_duplicates_finish(lk_context *ctx, lki_duplicates *d) LK_NODISCARD;
void lki_duplicates_close(lk_context *ctx, lki_duplicates *d);

#endif

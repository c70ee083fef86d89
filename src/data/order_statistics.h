/* Exact order statistics: of values in memory by sorting, of a table of any size by selection in passes. */
#ifndef LIKELY_ORDER_STATISTICS_H
#define LIKELY_ORDER_STATISTICS_H

#include "core/core.h"
#include <likely/table.h>

/* Order statistics asked of one column: values of rank 0-based among those not missing. */
enum { LKI_RANKS_MAX = 6 };
typedef struct lki_ranks {
    int64_t column;
    int count;                   /* at most LKI_RANKS_MAX */
    int64_t rank[LKI_RANKS_MAX]; /* below the number of values that are not missing */
    double value[LKI_RANKS_MAX]; /* the answers */
} lki_ranks;

/* A key that orders as its double does (-0 as 0; not for NaN), and back. */
uint64_t lki_order_key(double v);
double lki_order_value(uint64_t key);
/* Sorts keys, least significant byte first; scratch has n entries too. */
void lki_order_sort(uint64_t *keys, uint64_t *scratch, int64_t n);

/* Answers every rank of `count` columns with six passes over the table; 98 KB of memory a column. */
lk_status lki_order_select(lk_context *ctx, const lk_table *table, lki_ranks *ranks, int64_t count) LK_NODISCARD;

#endif

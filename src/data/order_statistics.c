/* Sorts doubles by the bytes of their keys, and finds order statistics of tables of any size digit by digit. */
#include "order_statistics.h"

#include "core/reduce.h"

#include <math.h>
#include <string.h>

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 6 };

uint64_t lki_order_key(double v)
{
    uint64_t bits;
    v += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 != 0 ? ~bits : bits | (uint64_t)1 << 63;
}

double lki_order_value(uint64_t key)
{
    uint64_t bits = key >> 63 != 0 ? key & ~((uint64_t)1 << 63) : ~key;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void lki_order_sort(uint64_t *keys, uint64_t *scratch, int64_t n)
{
    uint64_t *from = keys, *to = scratch;
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t starts[257] = {0};
        for (int64_t i = 0; i < n; i++) {
            starts[((from[i] >> shift) & 255) + 1]++;
        }
        bool one_digit = false;
        for (int d = 0; d < 256; d++) {
            one_digit = one_digit || starts[d + 1] == n;
            starts[d + 1] += starts[d];
        }
        if (one_digit) {
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            to[starts[(from[i] >> shift) & 255]++] = from[i];
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys) {
        memcpy(keys, from, (size_t)n * sizeof *keys);
    }
}

/* What is known of one column's answers: their leading digits, and their ranks among the keys that share them. */
typedef struct search {
    uint64_t prefix[LKI_RANKS_MAX];
    int64_t rank[LKI_RANKS_MAX];
    int shared[LKI_RANKS_MAX]; /* the first rank with the same prefix counts for all of them */
    int64_t (*counts)[DIGITS]; /* one row a rank */
} search;

static void search_count(search *s, int ranks, uint64_t key, int shift, int bits)
{
    uint64_t above = shift + bits < 64 ? key >> (shift + bits) : 0;
    uint64_t digit = (key >> shift) & (((uint64_t)1 << bits) - 1);
    for (int t = 0; t < ranks; t++) {
        if (s->shared[t] == t && s->prefix[t] == above) {
            s->counts[t][digit]++;
        }
    }
}

/* Takes the next digit of every answer from the counts. */
static void search_advance(search *s, int ranks, int bits)
{
    for (int t = 0; t < ranks; t++) {
        const int64_t *counts = s->counts[s->shared[t]];
        uint64_t digit = 0;
        while (s->rank[t] >= counts[digit]) {
            s->rank[t] -= counts[digit];
            digit++;
        }
        s->prefix[t] = s->prefix[t] << bits | digit;
    }
    for (int t = 0; t < ranks; t++) {
        s->shared[t] = t;
        for (int u = t - 1; u >= 0; u--) {
            s->shared[t] = s->prefix[u] == s->prefix[t] ? u : s->shared[t];
        }
    }
}

static lk_status count_pass(lk_context *ctx, const lk_table *table, const lki_ranks *ranks, int64_t count,
                            const int64_t *columns, search *searches, double *rows, int shift, int bits)
{
    int64_t n = lk_table_rows(table);
    for (int64_t first = 0; first < n; first += LKI_BLOCK_ROWS) {
        int64_t size = n - first < LKI_BLOCK_ROWS ? n - first : LKI_BLOCK_ROWS;
        LKI_TRY(lk_table_gather(ctx, table, first, size, columns, count, rows));
        for (int64_t i = 0; i < size; i++) {
            for (int64_t j = 0; j < count; j++) {
                double v = rows[i * count + j];
                if (!isnan(v)) {
                    search_count(&searches[j], ranks[j].count, lki_order_key(v), shift, bits);
                }
            }
        }
        LKI_TRY(lki_cancelled(ctx));
    }
    return LK_OK;
}

lk_status lki_order_select(lk_context *ctx, const lk_table *table, lki_ranks *ranks, int64_t count)
{
    search *searches = NULL;
    int64_t(*counts)[DIGITS] = NULL, *columns = NULL;
    double *rows = NULL;
    lk_status status;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count, sizeof *searches, &searches));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count, sizeof *columns, &columns));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count * LKI_RANKS_MAX, sizeof *counts, &counts));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count, LKI_BLOCK_ROWS * sizeof *rows, &rows));
    for (int64_t j = 0; j < count; j++) {
        columns[j] = ranks[j].column;
        searches[j].counts = counts + j * LKI_RANKS_MAX;
        memcpy(searches[j].rank, ranks[j].rank, sizeof searches[j].rank);
    }
    int shift = 64;
    for (int pass = 0; pass < PASSES; pass++) {
        int bits = shift < DIGIT_BITS ? shift : DIGIT_BITS;
        shift -= bits;
        memset(counts, 0, (size_t)count * LKI_RANKS_MAX * sizeof *counts);
        LKI_GOTO(status, done, count_pass(ctx, table, ranks, count, columns, searches, rows, shift, bits));
        for (int64_t j = 0; j < count; j++) {
            search_advance(&searches[j], ranks[j].count, bits);
        }
    }
    for (int64_t j = 0; j < count; j++) {
        for (int t = 0; t < ranks[j].count; t++) {
            ranks[j].value[t] = lki_order_value(searches[j].prefix[t]);
        }
    }
done:
    lki_release(ctx, searches);
    lki_release(ctx, columns);
    lki_release(ctx, counts);
    lki_release(ctx, rows);
    return status;
}

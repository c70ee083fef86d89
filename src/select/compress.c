/* Compress: coresets of coresets, halving by halving, in near-linear time. */
#include "select/thinning.h"

#include <string.h>

/* Everything that the recursion shares. */
typedef struct compression {
    const lki_thinning *t;
    int64_t base, total;
    int levels;
    uint64_t stream; /* of the next halving */
    double halvings; /* done, of */
    double all;
} compression;

/* `set` has base 4^levels rows; `out` receives base 2^levels. Each quarter is compressed, and their union halved: one half of it, either with the same
 * probability, which makes the result unbiased (the symmetrized halving of section 3). */
static lk_status compress(lk_context *ctx, compression *c, const int64_t *set, int levels, int64_t *out)
{
    if (levels == 0) {
        memcpy(out, set, (size_t)c->base * sizeof *out);
        return LK_OK;
    }
    const int64_t quarter = c->base << (2 * (levels - 1)), part = c->base << (levels - 1), size = 4 * part;
    int64_t *joined = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)(2 * size), sizeof *joined, &joined));
    for (int q = 0; q < 4; q++) {
        LKI_GOTO(status, done, compress(ctx, c, set + q * quarter, levels - 1, joined + q * part));
    }
    /* The failure probability is shared as in section 4.2: a halving of l rows out of n gets delta l^2 / (n 4^(g+1) levels) with base = 4^g, and each of
     * its pairs 1 / l of that. */
    const double delta = c->t->delta * (double)size / ((double)c->total * 4.0 * (double)c->base * c->levels);
    const uint64_t stream = c->stream++;
    int64_t *first = joined + size, *second = first + size / 2;
    LKI_GOTO(status, done, lki_kernel_halve(ctx, c->t, joined, size, delta, stream, first, second));
    lki_stream coin = lki_stream_new(c->t->seed, stream, 1);
    memcpy(out, lki_random_uniform(&coin) < 0.5 ? first : second, (size_t)(size / 2) * sizeof *out);
    c->halvings += (double)size * (double)size;
    lki_progress(ctx, "compress", c->halvings, c->all, "");
done:
    lki_release(ctx, joined);
    return status;
}

lk_status lki_compress(lk_context *ctx, const lki_thinning *t, const int64_t *set, int64_t base, int levels, int64_t *out)
{
    compression c = {.t = t, .base = base, .total = base << (2 * levels), .levels = levels, .stream = (uint64_t)1 << 32};
    for (int level = 1; level <= levels; level++) {
        const double size = (double)(base << (level + 1));
        c.all += size * size * (double)((int64_t)1 << (2 * (levels - level)));
    }
    return compress(ctx, &c, set, levels, out);
}

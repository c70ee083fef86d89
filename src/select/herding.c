/* Herding: rows one by one, each where those taken so far miss the data most. */
#include "select/thinning.h"

#include <math.h>

lk_status lki_herd(lk_context *ctx, const lki_thinning *t, const double *mean, int64_t size, int64_t *out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair *pair = NULL;
    double *sums = NULL, *last = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_pair_new(ctx, t->target.terms, t->target.count, t->x, t->rows, t->d, &pair));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)t->rows, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)t->rows, sizeof *last, &last));
    for (int64_t step = 0; step < size; step++) {
        int64_t best = -1;
        double most = -(double)INFINITY;
        for (int64_t i = 0; i < t->rows; i++) {
            const double gain = mean[i] - sums[i] / (double)(step + 1);
            if (gain > most) {
                most = gain;
                best = i;
            }
        }
        out[step] = best;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        lki_progress(ctx, "herding", (double)step, (double)size, "");
        const lki_pair_request request = {.reduction = LKI_PAIR_VALUES, .x = t->x + best * t->d, .rows = 1, .out = last};
        LKI_GOTO(status, done, lki_pair_run(ctx, pair, &request));
        for (int64_t i = 0; i < t->rows; i++) {
            sums[i] += last[i];
        }
        sums[best] = (double)INFINITY; /* taken */
    }
done:
    lki_pair_free(&memory, pair);
    lki_release(ctx, sums);
    lki_release(ctx, last);
    return status;
}

/* Starting centres of a mixture: Lloyd's iterations and random swaps after k-means++. */
#include "centres.h"
#include <string.h>

static lk_status lloyd(lk_context *ctx, lki_kmeans *l, int64_t most, double *centres, double *inertia, double *sizes)
{
    double before = __builtin_inf();
    for (int64_t pass = 0; pass < most; pass++) {
        LKI_TRY(lki_kmeans_pass(ctx, l, centres, inertia, sizes));
        if (!(before - *inertia > 1e-4 * *inertia)) {
            break;
        }
        before = *inertia;
    }
    return LK_OK;
}

lk_status lki_centres_refine(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, int64_t most, int64_t swaps,
                             lki_stream *stream, double *centres, double *inertia)
{
    const size_t bytes = (size_t)(K * d) * sizeof(double);
    lki_kmeans_array array = {values, rows, d};
    const lki_kmeans_rows source = lki_kmeans_rows_of(&array);
    lki_kmeans *l = NULL;
    double *trial_centres = NULL, *sizes = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_kmeans_new(ctx, &source, K, true, &l));
    LKI_GOTO(status, done, lki_allocate(ctx, bytes, 1, &trial_centres));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)K, sizeof(double), &sizes));
    LKI_GOTO(status, done, lloyd(ctx, l, most, centres, inertia, sizes));
    for (int64_t s = 0; s < swaps; s++) {
        double trial_inertia;
        const int64_t from = lki_random_below(stream, K), to = lki_random_below(stream, rows);
        memcpy(trial_centres, centres, bytes);
        memcpy(trial_centres + from * d, values + to * (d + 1), (size_t)d * sizeof(double));
        LKI_GOTO(status, done, lloyd(ctx, l, 2, trial_centres, &trial_inertia, sizes));
        if (trial_inertia < *inertia) {
            LKI_GOTO(status, done, lloyd(ctx, l, most, trial_centres, inertia, sizes));
            memcpy(centres, trial_centres, bytes);
        }
    }
done:
    lki_kmeans_free(ctx, l);
    lki_release(ctx, trial_centres);
    lki_release(ctx, sizes);
    return status;
}

/* Clusters, and rows drawn by how much their cluster's centre may misjudge them. */
#include "select/thinning.h"
#include <likely/kmeans.h>

enum { PASSES = 20 };

/* One k-means++ start and at most PASSES passes: clusters need not be the best there are. */
lk_status lki_select_clusters(lk_context *ctx, const double *x, int64_t rows, int64_t d, const double *h, int64_t count, uint64_t random_seed, int64_t *cluster,
                              double *square)
{
    const lk_kmeans_options options = {.size = sizeof options, .restarts = 1, .max_iter = PASSES, .seed = (int64_t)(random_seed & INT64_MAX)};
    double *scaled = NULL, *centres = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *scaled, &scaled));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *centres, &centres));
    for (int64_t i = 0; i < rows * d; i++) {
        scaled[i] = x[i] / h[i % d];
    }
    LKI_GOTO(status, done, lk_kmeans(ctx, scaled, rows, d, count, &options, centres, cluster, NULL));
    for (int64_t i = 0; i < rows; i++) {
        square[i] = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double u = scaled[i * d + j] - centres[cluster[i] * d + j];
            square[i] += u * u;
        }
    }
done:
    lki_release(ctx, scaled);
    lki_release(ctx, centres);
    return status;
}

/* Row i has probability proportional to loss(its cluster) + lambda |x_i - centre|^2, which bounds the loss of a row where that is Hoelder continuous of
 * order 2; with the weight 1 / (size n p_i) a draw's mean loss is that of all rows (Axiotis et al. 2024, algorithm 1). */
lk_status lki_sensitivity_draw(lk_context *ctx, const int64_t *cluster, const double *square, const double *loss, double lambda, int64_t rows, int64_t size,
                               uint64_t random_seed, int64_t *out, double *probability)
{
    double *cumulative, total = 0.0;
    lki_stream s = lki_stream_new(random_seed, LKI_STREAM_SELECT, 3);
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *cumulative, &cumulative));
    for (int64_t i = 0; i < rows; i++) {
        probability[i] = loss[cluster[i]] + lambda * square[i];
        total += probability[i];
        cumulative[i] = total;
    }
    for (int64_t i = 0; i < rows; i++) { /* nothing to tell rows by: all alike */
        cumulative[i] = total > 0.0 ? cumulative[i] : (double)(i + 1);
        probability[i] = total > 0.0 ? probability[i] / total : 1.0 / (double)rows;
    }
    for (int64_t i = 0; i < size; i++) {
        out[i] = lki_random_categorical(&s, cumulative, rows);
    }
    lki_release(ctx, cumulative);
    return LK_OK;
}

/* Rows in the order of their clusters, random within each; every k-th of them from a random start, so that each cluster has its share to within one. */
lk_status lki_stratified_draw(lk_context *ctx, const int64_t *cluster, const int64_t *order, int64_t rows, int64_t count, int64_t size, uint64_t random_seed,
                              int64_t *out)
{
    int64_t *sorted = NULL, *first = NULL;
    lk_status status = LK_OK;
    lki_stream s = lki_stream_new(random_seed, LKI_STREAM_SELECT, 4);
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *sorted, &sorted));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count + 1, sizeof *first, &first));
    for (int64_t i = 0; i < rows; i++) {
        first[cluster[i] + 1]++;
    }
    for (int64_t c = 0; c < count; c++) {
        first[c + 1] += first[c];
    }
    for (int64_t i = 0; i < rows; i++) {
        sorted[first[cluster[order[i]]]++] = order[i];
    }
    const double start = lki_random_uniform(&s), step = (double)rows / (double)size;
    for (int64_t i = 0; i < size; i++) {
        const int64_t at = (int64_t)(((double)i + start) * step);
        out[i] = sorted[at < rows ? at : rows - 1];
    }
done:
    lki_release(ctx, sorted);
    lki_release(ctx, first);
    return status;
}

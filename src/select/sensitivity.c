/* Clusters, and rows drawn by how much their cluster's centre may misjudge them. */
#include "select/thinning.h"

#include <math.h>
#include <string.h>

enum { PASSES = 20 };

/* The nearest of the centres to each row, and the squared distance, in units of the bandwidths. */
static lk_status assign(lk_context *ctx, const double *x, int64_t rows, int64_t d, const double *h, const double *centres, int64_t count, int64_t *cluster,
                        double *square)
{
    const lki_memory memory = lki_memory_of(ctx);
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian, .bandwidth = h};
    const lki_pair_term term = {1.0, &factor, 1};
    lki_pair *pair = NULL;
    LKI_TRY(lki_pair_new(ctx, &term, 1, centres, count, d, &pair));
    const lki_pair_request request = {.reduction = LKI_PAIR_NEAREST, .x = x, .rows = rows, .nearest = 1, .out = square, .index = cluster};
    const lk_status status = lki_pair_run(ctx, pair, &request);
    lki_pair_free(&memory, pair);
    return status;
}

/* k-means++ (Arthur and Vassilvitskii 2007): each centre is a row with probability as its squared distance to the centres before it. */
static lk_status seed(lk_context *ctx, const double *x, int64_t rows, int64_t d, const double *h, int64_t count, lki_stream *s, double *centres, double *square,
                      double *work, int64_t *cluster)
{
    for (int64_t i = 0; i < rows; i++) {
        square[i] = 1.0;
    }
    for (int64_t c = 0; c < count; c++) {
        double total = 0.0;
        for (int64_t i = 0; i < rows; i++) {
            total += square[i];
            work[i] = total;
        }
        const int64_t row = total > 0.0 ? lki_random_categorical(s, work, rows) : lki_random_below(s, rows);
        memcpy(centres + c * d, x + row * d, (size_t)d * sizeof *centres);
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(assign(ctx, x, rows, d, h, centres + c * d, 1, cluster, work));
        for (int64_t i = 0; i < rows; i++) {
            square[i] = c == 0 || work[i] < square[i] ? work[i] : square[i];
        }
    }
    return LK_OK;
}

/* Lloyd's step: each centre to the mean of its rows; one without rows stays. */
static void move_centres(const double *x, int64_t rows, int64_t d, int64_t count, const int64_t *cluster, double *centres, double *sizes)
{
    double *sums = sizes + count;
    memset(sizes, 0, (size_t)(count * (d + 1)) * sizeof *sizes);
    for (int64_t i = 0; i < rows; i++) {
        sizes[cluster[i]] += 1.0;
        for (int64_t j = 0; j < d; j++) {
            sums[cluster[i] * d + j] += x[i * d + j];
        }
    }
    for (int64_t c = 0; c < count; c++) {
        for (int64_t j = 0; j < d && sizes[c] > 0.0; j++) {
            centres[c * d + j] = sums[c * d + j] / sizes[c];
        }
    }
}

lk_status lki_select_clusters(lk_context *ctx, const double *x, int64_t rows, int64_t d, const double *h, int64_t count, uint64_t random_seed, int64_t *cluster,
                              double *square)
{
    double *centres = NULL, *work = NULL, before = (double)INFINITY;
    lk_status status = LK_OK;
    lki_stream s = lki_stream_new(random_seed, LKI_STREAM_SELECT, 2);
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, (size_t)(2 * d + 1) * sizeof *centres, &centres));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *work, &work));
    LKI_GOTO(status, done, seed(ctx, x, rows, d, h, count, &s, centres, square, work, cluster));
    for (int pass = 0; pass < PASSES; pass++) {
        double inertia = 0.0;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        lki_progress(ctx, "clusters", (double)pass, PASSES, "");
        LKI_GOTO(status, done, assign(ctx, x, rows, d, h, centres, count, cluster, square));
        for (int64_t i = 0; i < rows; i++) {
            inertia += square[i];
        }
        if (!(inertia < before * (1.0 - 1e-4))) {
            break;
        }
        before = inertia;
        move_centres(x, rows, d, count, cluster, centres, centres + count * d);
    }
done:
    lki_release(ctx, centres);
    lki_release(ctx, work);
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

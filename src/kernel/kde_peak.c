/* The highest mode of a normal kernel density in many dimensions, by random projection (Luo, Musco and Widdershoven 2023; Lee, Li and Musco 2021).
 *
 * Points in units of the bandwidths are projected by a normal matrix to m dimensions, which keeps all distances to 1 +- epsilon for m = O(log n / epsilon^2). The
 * mode z of the projected density is sought there by mean shift. With p_i the shares of the points at z, x = sum_i p_i y_i has sum_i p_i |x - y_i|^2 = 1/2
 * sum_ij p_i p_j |y_i - y_j|^2, which the projection keeps, and which is no more than sum_i p_i |z - z_i|^2 there; by Jensen the density at x is at least that
 * of the mode but for a factor 1 - O(epsilon) where the kernel is broad. Mean shift from there (it never descends) finishes in all dimensions. */
#include "kde.h"

#include <math.h>
#include <string.h>

/* Ascents in m dimensions begin at this many of the highest points. */
enum { STARTS = 64, SHIFTS = 300 };
enum { STREAM_PROJECTION = 1 << 18 };
#define CLOSE 1e-10

typedef struct sketch {
    const lki_kde *k;
    lki_pair *pair;    /* points projected */
    double *z;         /* n x m */
    int64_t m;
} sketch;

/* z_i = R y_i / h; all of it where m is no less than d. */
static lk_status project(lk_context *ctx, sketch *s, uint64_t seed)
{
    const lki_kde *k = s->k;
    const int64_t d = k->d, m = s->m;
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian};
    const lki_pair_term term = {1.0, &factor, 1};
    double *R = NULL, *centre = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)m, (size_t)d), sizeof *R, &R));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof *centre, &centre));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)k->n, (size_t)m), sizeof(double), &s->z));
    for (int64_t i = 0; i < k->n; i++) { /* projections of what is far from 0 would lose digits */
        for (int64_t j = 0; j < d; j++) {
            centre[j] += k->weights[i] * k->points[i * d + j];
        }
    }
    for (int64_t r = 0; r < m; r++) {
        lki_stream stream = lki_stream_new(seed, STREAM_PROJECTION, (uint64_t)r);
        for (int64_t j = 0; j < d; j++) {
            R[r * d + j] = m == d ? (double)(r == j) : lki_random_normal(&stream) / sqrt((double)m);
        }
    }
    for (int64_t i = 0; i < k->n; i++) {
        for (int64_t r = 0; r < m; r++) {
            double sum = 0.0;
            for (int64_t j = 0; j < d; j++) {
                sum += R[r * d + j] * ((k->points[i * d + j] - centre[j]) / k->bandwidth[j]);
            }
            s->z[i * m + r] = sum;
        }
    }
    status = lki_pair_new(ctx, &term, 1, s->z, k->n, m, &s->pair);
done:
    lki_release(ctx, R);
    lki_release(ctx, centre);
    return status;
}

/* Mean shift of `rows` places at once until none moves: x = sum_i p_i(x) v_i, v the points of `pair`. */
static lk_status shift(lk_context *ctx, const lki_kde *k, const lki_pair *pair, const double *v, int64_t d, double *x, int64_t rows, double *log_sum, double *work)
{
    for (int i = 0; i < SHIFTS; i++) {
        double moved = 0.0, size = 0.0;
        const lki_pair_request r = {.reduction = LKI_PAIR_MEAN, .x = x, .rows = rows, .v = v, .sides = d, .weights = k->weights, .out = work, .log_sum = log_sum};
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(lki_pair_run(ctx, pair, &r));
        for (int64_t j = 0; j < rows * d; j++) {
            moved = fmax(moved, fabs(work[j] - x[j]));
            size = fmax(size, fabs(work[j]));
        }
        memcpy(x, work, (size_t)(rows * d) * sizeof *x);
        lki_progress(ctx, "mode", (double)i, SHIFTS, "");
        if (!(moved > CLOSE * fmax(size, 1.0))) {
            break;
        }
    }
    return LK_OK;
}

/* The numbers of the highest values, the first first among equals. */
static int64_t highest(const double *value, int64_t n, int64_t *out)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = count < STARTS ? count++ : STARTS - 1;
        if (at == STARTS - 1 && count == STARTS && i >= STARTS && !(value[i] > value[out[at]])) {
            continue;
        }
        for (; at > 0 && value[i] > value[out[at - 1]]; at--) {
            out[at] = out[at - 1];
        }
        out[at] = i;
    }
    return count;
}

/* Into x: the mode in m dimensions, lifted. */
static lk_status solve_and_lift(lk_context *ctx, const sketch *s, double *x)
{
    const lki_kde *k = s->k;
    const int64_t m = s->m;
    int64_t start[STARTS], best = 0;
    double *value = NULL, *place = NULL, *work = NULL, log_sum[STARTS];
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->n, sizeof *value, &value));
    LKI_GOTO(status, done, lki_allocate(ctx, STARTS, (size_t)m * sizeof *place, &place));
    LKI_GOTO(status, done, lki_allocate(ctx, STARTS, (size_t)m * sizeof *work, &work));
    const lki_pair_request all = {.reduction = LKI_PAIR_LOG_SUM, .x = s->z, .rows = k->n, .weights = k->weights, .out = value};
    LKI_GOTO(status, done, lki_pair_run(ctx, s->pair, &all));
    const int64_t count = highest(value, k->n, start);
    for (int64_t i = 0; i < count; i++) {
        memcpy(place + i * m, s->z + start[i] * m, (size_t)m * sizeof *place);
    }
    LKI_GOTO(status, done, shift(ctx, k, s->pair, s->z, m, place, count, log_sum, work));
    for (int64_t i = 1; i < count; i++) {
        best = log_sum[i] > log_sum[best] ? i : best;
    }
    const lki_pair_request lift = {.reduction = LKI_PAIR_MEAN, .x = place + best * m, .rows = 1, .v = k->points, .sides = k->d, .weights = k->weights, .out = x};
    status = lki_pair_run(ctx, s->pair, &lift);
done:
    lki_release(ctx, value);
    lki_release(ctx, place);
    lki_release(ctx, work);
    return status;
}

lk_status lki_kde_peak(lk_context *ctx, const void *state, int64_t dimensions, uint64_t seed, bool finish, double *x)
{
    const lki_kde *k = state;
    const lki_memory memory = lki_memory_of(ctx);
    sketch s = {.k = k, .m = dimensions < k->d ? dimensions : k->d};
    double *work = NULL, log_sum;
    lk_status status = LK_OK;
    if (k->law->kernel != LKI_KERNEL_gaussian || k->matrix != NULL || k->low != NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "the highest mode by projection wants a kernel density with kernel gaussian, a bandwidth for each feature and no bounds; this "
                        "one has kernel %s%s", lki_kernels[k->law->kernel].name, k->matrix != NULL ? " and a matrix" : k->low != NULL ? " and bounds" : "");
    }
    LKI_GOTO(status, done, project(ctx, &s, seed));
    LKI_GOTO(status, done, solve_and_lift(ctx, &s, x));
    if (finish) {
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->d, sizeof *work, &work));
        LKI_GOTO(status, done, shift(ctx, k, k->pair, k->points, k->d, x, 1, &log_sum, work));
    }
done:
    lki_pair_free(&memory, s.pair);
    lki_release(ctx, s.z);
    lki_release(ctx, work);
    return status;
}

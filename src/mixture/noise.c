/* The noise component: the bounding box of the rows, and clutter found by distances to the nearest neighbours. */
#include "noise.h"
#include "core/philox.h"
#include "core/reduce.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the box ---- */

typedef struct bounds {
    const lki_dataset *rows;
    lki_block *blocks;
} bounds;

/* For each feature: 1 if it has a value, the least, the greatest. */
static void widen(double *bound, double low, double high)
{
    bound[1] = bound[0] > 0.0 && bound[1] <= low ? bound[1] : low;
    bound[2] = bound[0] > 0.0 && bound[2] >= high ? bound[2] : high;
    bound[0] = 1.0;
}

static lk_status bounds_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const bounds *p = state;
    lki_block *b = &p->blocks[thread];
    const int64_t d = p->rows->d;
    LKI_TRY(lki_dataset_block(ctx, p->rows, index, b));
    for (int64_t i = 0; i < b->rows; i++) {
        for (int64_t j = 0; j < d && (b->w == NULL || b->w[i] > 0.0); j++) {
            const double x = b->x[i * d + j];
            if (!isnan(x)) {
                widen(sums + 3 * j, x, x);
            }
        }
    }
    return LK_OK;
}

static void bounds_combine(void *state, double *left, const double *right)
{
    const bounds *p = state;
    for (int64_t j = 0; j < p->rows->d; j++) {
        if (right[3 * j] > 0.0) {
            widen(left + 3 * j, right[3 * j + 1], right[3 * j + 2]);
        }
    }
}

lk_status lki_noise_box(lk_context *ctx, const char *const *names, const lki_mixture *start, lki_em_data *data)
{
    const int64_t d = data->d;
    const int threads = lki_threads(ctx);
    lk_status status = LK_OK;
    double *sums = NULL;
    bounds p = {.rows = data->rows};
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *p.blocks, &p.blocks));
    LKI_GOTO(status, done, lki_zeros(ctx, 3 * (size_t)d, sizeof(double), &sums));
    const lki_reduction reduction = {
        .blocks = data->rows->blocks, .length = 3 * (size_t)d, .block = bounds_block, .combine = bounds_combine, .state = &p};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    LKI_GOTO(status, done, lki_allocate(ctx, 4 * (size_t)d, sizeof(double), &data->box));
    for (int64_t j = 0; j < d; j++) {
        if (start != NULL && start->noise) {
            widen(sums + 3 * j, start->low[j], start->high[j]);
        }
        const double low = sums[3 * j + 1], high = sums[3 * j + 2];
        if (!(high > low)) {
            status = lki_fail(ctx, LK_ERROR_DATA, "column %s is constant, and noise is uniform over the range of each feature; leave the "
                                                  "column out by --ignore, or leave out --noise", names[j]);
            goto done;
        }
        data->box[j] = low;
        data->box[d + j] = high;
        data->box[2 * d + j] = (low - data->centre[j]) * data->scale[j]; /* as the kernel does it, so that no row falls outside */
        data->box[3 * d + j] = (high - data->centre[j]) * data->scale[j];
    }
done:
    for (int t = 0; p.blocks != NULL && t < threads; t++) {
        lki_block_free(ctx, &p.blocks[t]);
    }
    lki_release(ctx, p.blocks);
    lki_release(ctx, sums);
    return status;
}

/* ---- clutter ---- */

enum { NEIGHBOURS = 12, CHUNK = 64, STEPS = 200 };

typedef struct nearest {
    const double *values;
    const int64_t *references;
    int64_t rows, d, count; /* count of references */
    int k;
    double *volume; /* rows: log of the distance to the k-th nearest, times d; receives the result */
} nearest;

/* Keeps the k smallest squares, ascending. */
static void insert(double *best, int k, double square)
{
    int at = k - 1;
    if (!(square < best[at])) {
        return;
    }
    while (at > 0 && best[at - 1] > square) {
        best[at] = best[at - 1];
        at--;
    }
    best[at] = square;
}

static lk_status nearest_chunk(lk_context *ctx, void *state, int thread, int64_t index)
{
    const nearest *n = state;
    const int64_t d = n->d, last = (index + 1) * CHUNK < n->rows ? (index + 1) * CHUNK : n->rows;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    for (int64_t i = index * CHUNK; i < last; i++) {
        const double *row = n->values + i * (d + 1);
        double best[NEIGHBOURS];
        for (int a = 0; a < n->k; a++) {
            best[a] = __builtin_inf();
        }
        for (int64_t r = 0; r < n->count; r++) {
            const double *other = n->values + n->references[r] * (d + 1);
            double square = 0.0;
            for (int64_t j = 0; j < d; j++) {
                square += (row[j] - other[j]) * (row[j] - other[j]);
            }
            if (n->references[r] != i) {
                insert(best, n->k, square);
            }
        }
        n->volume[i] = 0.5 * (double)d * log(best[n->k - 1]);
    }
    return LK_OK;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* EM for two intensities: the volume u of a ball up to the k-th neighbour is gamma distributed with shape k and rate the intensity, so
 * that a share p of the rows has rate a, the others the smaller rate b. Units are the median volume. Marks the rows that more likely
 * have the smaller one. */
static void two_intensities(const double *u, int64_t rows, int k, unsigned char *clutter)
{
    double low = 0.0, high = 0.0, p = 0.5;
    int64_t below = 0;
    for (int64_t i = 0; i < rows; i++) {
        low += u[i] <= 1.0 ? u[i] : 0.0;
        high += u[i] <= 1.0 ? 0.0 : u[i];
        below += u[i] <= 1.0;
    }
    double a = k / fmax(low / (double)below, 1e-9), b = below < rows ? k / (high / (double)(rows - below)) : 0.5 * a;
    for (int step = 0; step < STEPS; step++) {
        double n = 0.0, first = 0.0, second = 0.0;
        const double offset = log(1.0 - p) - log(p) + k * (log(b) - log(a));
        for (int64_t i = 0; i < rows; i++) {
            const double r = 1.0 / (1.0 + exp(fmin(offset + (a - b) * u[i], 700.0)));
            clutter[i] = r < 0.5;
            n += r;
            first += r * u[i];
            second += (1.0 - r) * u[i];
        }
        const double before = p;
        p = fmin(fmax(n / (double)rows, 1e-6), 1.0 - 1e-6);
        a = k * n / fmax(first, 1e-9 * n + DBL_MIN);
        b = k * ((double)rows - n) / fmax(second, DBL_MIN);
        if (fabs(p - before) < 1e-6 || !(a > b && b > 0.0)) {
            break;
        }
    }
}

lk_status lki_noise_guess(lk_context *ctx, const double *values, int64_t rows, int64_t d, uint64_t seed, unsigned char *clutter)
{
    nearest n = {.values = values, .rows = rows, .d = d, .count = rows < LKI_NOISE_REFERENCES ? rows : LKI_NOISE_REFERENCES};
    int64_t *order = NULL;
    double *sorted = NULL;
    lk_status status = LK_OK;
    memset(clutter, 0, (size_t)rows);
    n.k = n.count >= 20 * NEIGHBOURS ? NEIGHBOURS : n.count >= 60 ? (int)(n.count / 20) : 3;
    if (n.count < 2 * n.k) {
        return LK_OK; /* too few to tell */
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *order, &order));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * (size_t)rows, sizeof *sorted, &sorted));
    lki_stream stream = lki_stream_new(seed, LKI_STREAM_START, ((uint64_t)1 << 41) + 1);
    lki_random_permutation(&stream, order, rows);
    n.references = order;
    n.volume = sorted + rows;
    LKI_GOTO(status, done, lki_parallel(ctx, (rows + CHUNK - 1) / CHUNK, nearest_chunk, &n));
    memcpy(sorted, n.volume, (size_t)rows * sizeof *sorted);
    qsort(sorted, (size_t)rows, sizeof *sorted, compare);
    const double median = fmax(sorted[rows / 2], -1e300);
    for (int64_t i = 0; i < rows; i++) {
        n.volume[i] = exp(fmin(n.volume[i] - median, 300.0));
    }
    two_intensities(n.volume, rows, n.k, clutter);
done:
    lki_release(ctx, order);
    lki_release(ctx, sorted);
    return status;
}

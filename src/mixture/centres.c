/* Starting centres: k-means++ seeding, Lloyd's iterations, random swaps. */
#include "centres.h"
#include "core/reduce.h"
#include <math.h>
#include <string.h>

static double square_distance(const double *a, const double *b, int64_t d)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
}

/* The row at which the running sum of weight x distance reaches a uniform share of its total. */
static int64_t draw_row(const double *values, int64_t rows, int64_t d, const double *distance, double total, lki_stream *stream)
{
    double target = lki_random_uniform(stream) * total;
    int64_t last = 0;
    for (int64_t i = 0; i < rows; i++) {
        const double mass = values[i * (d + 1) + d] * (distance == NULL ? 1.0 : distance[i]);
        if (mass > 0.0) {
            last = i;
            target -= mass;
            if (target <= 0.0) {
                break;
            }
        }
    }
    return last;
}

/* One candidate centre: the distances of every row to the nearest of the old centres and this one, by chunks of rows over threads. */
typedef struct trial {
    const double *values, *centre, *old;
    double *distance;  /* rows */
    double *totals;    /* one a chunk */
    int64_t rows, d;
} trial;

enum { CHUNK = 4096 };

static lk_status trial_chunk(lk_context *ctx, void *state, int thread, int64_t index)
{
    const trial *t = state;
    const int64_t last = (index + 1) * CHUNK < t->rows ? (index + 1) * CHUNK : t->rows;
    double total = 0.0;
    (void)ctx;
    (void)thread;
    for (int64_t i = index * CHUNK; i < last; i++) {
        const double *row = t->values + i * (t->d + 1);
        double distance = square_distance(row, t->centre, t->d);
        if (t->old != NULL && t->old[i] < distance) {
            distance = t->old[i];
        }
        t->distance[i] = distance;
        total += row[t->d] * distance;
    }
    t->totals[index] = total;
    return LK_OK;
}

static lk_status try_centre(lk_context *ctx, trial *t, double *total)
{
    const int64_t chunks = (t->rows + CHUNK - 1) / CHUNK;
    if (chunks == 1) {
        LKI_TRY(trial_chunk(ctx, t, 0, 0));
    } else {
        LKI_TRY(lki_parallel(ctx, chunks, trial_chunk, t));
    }
    *total = 0.0;
    for (int64_t c = 0; c < chunks; c++) {
        *total += t->totals[c];
    }
    return LK_OK;
}

lk_status lki_centres_seed(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, lki_stream *stream,
                           double *centres, int64_t *distinct)
{
    double *buffers[3] = {NULL, NULL, NULL}, *totals = NULL; /* distances: current, best candidate, candidate */
    lk_status status = LK_OK;
    double total = 0.0;
    const int candidates = 2 + (int)log((double)K);
    for (int i = 0; i < 3; i++) {
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof(double), &buffers[i]));
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(rows / CHUNK + 1), sizeof(double), &totals));
    double weight = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        weight += values[i * (d + 1) + d];
    }
    *distinct = 0;
    for (int64_t k = 0; k < K; k++) {
        double best = __builtin_inf();
        int64_t chosen = 0;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        for (int c = 0; c < (k == 0 ? 1 : candidates); c++) {
            const int64_t row = draw_row(values, rows, d, k == 0 ? NULL : buffers[0], k == 0 ? weight : total, stream);
            trial t = {values, values + row * (d + 1), k == 0 ? NULL : buffers[0], buffers[2], totals, rows, d};
            double sum;
            LKI_GOTO(status, done, try_centre(ctx, &t, &sum));
            if (sum < best) {
                double *swap = buffers[1];
                buffers[1] = buffers[2];
                buffers[2] = swap;
                best = sum;
                chosen = row;
            }
            if (k > 0 && !(total > 0.0)) {
                break;
            }
        }
        *distinct += k == 0 || total > 0.0;
        double *swap = buffers[0];
        buffers[0] = buffers[1];
        buffers[1] = swap;
        total = best;
        memcpy(centres + k * d, values + chosen * (d + 1), (size_t)d * sizeof(double));
    }
done:
    for (int i = 0; i < 3; i++) {
        lki_release(ctx, buffers[i]);
    }
    lki_release(ctx, totals);
    return status;
}

static lk_status lloyd(lk_context *ctx, lki_lloyd *l, int64_t most, double *centres, double *inertia, double *sizes)
{
    double before = __builtin_inf();
    for (int64_t pass = 0; pass < most; pass++) {
        LKI_TRY(lki_lloyd_pass(ctx, l, centres, inertia, sizes));
        if (!(before - *inertia > 1e-4 * *inertia)) {
            break;
        }
        before = *inertia;
    }
    return LK_OK;
}

lk_status lki_centres_refine(lk_context *ctx, const lki_em_data *data, const double *values, int64_t rows, int64_t K, int64_t most,
                             int64_t swaps, lki_stream *stream, double *centres, double *inertia)
{
    const int64_t d = data->d;
    const size_t bytes = (size_t)(K * d) * sizeof(double);
    lki_lloyd *l = NULL;
    double *trial_centres = NULL, *sizes = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_lloyd_new(ctx, data, K, &l));
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
    lki_lloyd_free(ctx, l);
    lki_release(ctx, trial_centres);
    lki_release(ctx, sizes);
    return status;
}

typedef struct assignment {
    const double *values, *centres;
    int32_t *labels;
    int64_t rows, d, K;
} assignment;

static lk_status assign_chunk(lk_context *ctx, void *state, int thread, int64_t index)
{
    const assignment *a = state;
    const int64_t last = (index + 1) * CHUNK < a->rows ? (index + 1) * CHUNK : a->rows;
    (void)ctx;
    (void)thread;
    for (int64_t i = index * CHUNK; i < last; i++) {
        double best = __builtin_inf();
        for (int64_t k = 0; k < a->K; k++) {
            const double distance = square_distance(a->values + i * (a->d + 1), a->centres + k * a->d, a->d);
            if (distance < best) {
                best = distance;
                a->labels[i] = (int32_t)k;
            }
        }
    }
    return LK_OK;
}

lk_status lki_centres_assign(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, const double *centres,
                             int32_t *labels)
{
    assignment a = {values, centres, labels, rows, d, K};
    return lki_parallel(ctx, (rows + CHUNK - 1) / CHUNK, assign_chunk, &a);
}

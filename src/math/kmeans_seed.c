/* Starts of k-means: k-means++ seeding; labels of rows in memory; rows in memory as blocks. */
#include "lloyd.h"
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

lk_status lki_kmeans_seed(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, lki_stream *stream,
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

typedef struct assignment {
    const double *x, *centres;
    int32_t *labels;
    int64_t stride, rows, d, K;
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
            const double distance = square_distance(a->x + i * a->stride, a->centres + k * a->d, a->d);
            if (distance < best) {
                best = distance;
                a->labels[i] = (int32_t)k;
            }
        }
    }
    return LK_OK;
}

lk_status lki_kmeans_assign(lk_context *ctx, const double *x, int64_t stride, int64_t rows, int64_t d, int64_t K, const double *centres,
                            int32_t *labels)
{
    assignment a = {x, centres, labels, stride, rows, d, K};
    return lki_parallel(ctx, (rows + CHUNK - 1) / CHUNK, assign_chunk, &a);
}

static lk_status array_block(lk_context *ctx, void *state, int thread, int64_t b, lki_kmeans_block *out)
{
    const lki_kmeans_array *a = state;
    const int64_t first = b * LKI_BLOCK_ROWS, left = a->rows - first;
    (void)ctx;
    (void)thread;
    *out = (lki_kmeans_block){.x = a->values + first * (a->d + 1), .w = a->values + first * (a->d + 1) + a->d,
                              .rows = left < LKI_BLOCK_ROWS ? left : LKI_BLOCK_ROWS, .stride = a->d + 1, .weight_stride = a->d + 1};
    return LK_OK;
}

lki_kmeans_rows lki_kmeans_rows_of(lki_kmeans_array *array)
{
    return (lki_kmeans_rows){.rows = array->rows, .blocks = (array->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .d = array->d,
                             .block = array_block, .state = array};
}

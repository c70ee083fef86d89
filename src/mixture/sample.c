/* A subsample of standardized rows in memory, and the same rows whitened, on which starts are tried. */
#include "core/philox.h"
#include "data/table_impl.h"
#include "math/cholesky.h"
#include "noise.h"
#include "search.h"
#include <math.h>
#include <string.h>

/* Rows of positive weight that have a value, each kept when its own draw falls below `share`: values are rows x (d + 1), the last being the weight. */
static lk_status collect(lk_context *ctx, const lki_em_data *data, double share, uint64_t seed, double **out, int64_t **out_numbers,
                         int64_t *count)
{
    const int64_t d = data->d;
    lki_block b = {0};
    double *values = NULL;
    int64_t *numbers = NULL;
    size_t capacity = 0, room = 0;
    int64_t n = 0;
    lk_status status = LK_OK;
    for (int64_t block = 0; block < data->rows->blocks; block++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, data->rows, block, &b));
        LKI_GOTO(status, done, lki_grow(ctx, &values, &capacity, (size_t)((n + b.rows) * (d + 1)), sizeof(double)));
        LKI_GOTO(status, done, lki_grow(ctx, &numbers, &room, (size_t)(n + b.rows), sizeof(int64_t)));
        for (int64_t i = 0; i < b.rows; i++) {
            const double w = b.w == NULL ? 1.0 : b.w[i];
            if (!(w > 0.0)) {
                continue;
            }
            if (share < 1.0) {
                lki_stream s = lki_stream_new(seed, LKI_STREAM_START, (uint64_t)(b.first_row + i));
                if (lki_random_uniform(&s) >= share) {
                    continue;
                }
            }
            int64_t missing = 0;
            for (int64_t j = 0; j < d; j++) {
                values[n * (d + 1) + j] = (b.x[i * d + j] - data->centre[j]) * data->scale[j];
                missing += isnan(b.x[i * d + j]);
            }
            values[n * (d + 1) + d] = w;
            numbers[n] = b.first_row + i;
            n += missing < d;
        }
    }
    *out = values;
    *out_numbers = numbers;
    *count = n;
    values = NULL;
    numbers = NULL;
done:
    lki_block_free(ctx, &b);
    lki_release(ctx, values);
    lki_release(ctx, numbers);
    return status;
}

/* Sums of w and, with missing values at the mean, of w z z'. */
static lk_status summarize(lk_context *ctx, const double *values, int64_t n, int64_t d, lki_em_data *out)
{
    LKI_TRY(lki_zeros(ctx, (size_t)d, (size_t)d * sizeof(double), &out->scatter));
    out->d = d;
    out->positive = (double)n;
    for (int64_t i = 0; i < n; i++) {
        const double *z = values + i * (d + 1), w = z[d];
        out->total += w;
        for (int64_t a = 0; a < d; a++) {
            out->gaps = out->gaps || isnan(z[a]);
            for (int64_t c = 0; c < d; c++) {
                const double product = w * z[a] * z[c];
                out->scatter[a * d + c] += isnan(product) ? 0.0 : product;
            }
        }
    }
    return LK_OK;
}

/* y = W z in place, row by row. */
static void whiten(double *values, int64_t n, int64_t d, const double *W)
{
    for (int64_t i = 0; i < n; i++) {
        double *z = values + i * (d + 1);
        for (int64_t r = d - 1; r >= 0; r--) {
            double y = 0.0;
            for (int64_t c = 0; c <= r; c++) {
                y += W[r * d + c] * z[c];
            }
            z[r] = y;
        }
    }
}

/* A view over a copy of the values (table), or over another view's (borrowed). */
static void attach(lki_view *view, const lk_table *table, const int64_t *positions, int64_t d, int64_t n)
{
    view->rows.table = table;
    view->rows.features = positions;
    view->rows.d = d;
    view->rows.weight = d;
    view->rows.rows = n;
    view->rows.blocks = (n + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS;
    view->values = lki_table_direct(table);
    view->data.rows = &view->rows;
    view->data.d = d;
}

static lk_status whitened(lk_context *ctx, double *values, int64_t n, int64_t d, lki_sample *out)
{
    lk_status status = LK_OK;
    double *covariance = NULL, *W = NULL, *work = NULL;
    lki_spd spd;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, (size_t)d * sizeof(double), &covariance));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * (size_t)d, (size_t)d * sizeof(double), &work));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, (size_t)d * sizeof(double), &W));
    for (int64_t i = 0; i < d * d; i++) {
        covariance[i] = out->plain.data.scatter[i] / out->plain.data.total;
    }
    if (lki_spd_factor(d, covariance, W, NULL, &spd, work) == 0 && spd.condition < 1e10) {
        whiten(values, n, d, W);
        LKI_GOTO(status, done, lk_table_from_array(ctx, values, n, d + 1, NULL, &out->white.table));
        attach(&out->white, out->white.table, out->positions, d, n);
        out->white.data.total = out->plain.data.total;
    }
done:
    lki_release(ctx, covariance);
    lki_release(ctx, W);
    lki_release(ctx, work);
    return status;
}

lk_status lki_sample_new(lk_context *ctx, const lki_em_data *data, int64_t most, uint64_t seed, lki_sample *out)
{
    const int64_t d = data->d;
    double *values = NULL;
    int64_t n = 0;
    lk_status status = LK_OK;
    memset(out, 0, sizeof *out);
    out->whole = data->positive <= (double)most;
    LKI_GOTO(status, done, collect(ctx, data, out->whole ? 1.0 : (double)most / data->positive, seed, &values, &out->numbers,
                                   &n));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(int64_t), &out->positions));
    for (int64_t j = 0; j < d; j++) {
        out->positions[j] = j;
    }
    LKI_GOTO(status, done, lk_table_from_array(ctx, values, n, d + 1, NULL, &out->exact.table));
    LKI_GOTO(status, done, summarize(ctx, values, n, d, &out->plain.data));
    out->exact.data = out->plain.data; /* borrows the scatter */
    attach(&out->exact, out->exact.table, out->positions, d, n);
    if (out->exact.data.gaps) {
        for (int64_t i = 0; i < n * (d + 1); i++) {
            values[i] = isnan(values[i]) ? 0.0 : values[i];
        }
        LKI_GOTO(status, done, lk_table_from_array(ctx, values, n, d + 1, NULL, &out->plain.table));
    }
    out->plain.data.gaps = 0;
    attach(&out->plain, out->plain.table != NULL ? out->plain.table : out->exact.table, out->positions, d, n);
    status = whitened(ctx, values, n, d, out);
done:
    lki_release(ctx, values);
    if (status != LK_OK) {
        lki_sample_free(ctx, out);
    }
    return status;
}

/* S - n m m' with the sums of w z in m: about the mean what was about zero. */
static void about_mean(const double *values, int64_t n, lki_em_data *data, double *m)
{
    const int64_t d = data->d;
    memset(m, 0, (size_t)d * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            m[j] += values[i * (d + 1) + d] * values[i * (d + 1) + j];
        }
    }
    for (int64_t i = 0; i < d * d; i++) {
        data->scatter[i] -= m[i / d] * (m[i % d] / data->total);
    }
}

lk_status lki_sample_clean(lk_context *ctx, const lki_sample *sample, uint64_t seed, lki_sample *out)
{
    const int64_t d = sample->plain.rows.d, rows = sample->plain.rows.rows;
    unsigned char *clutter = NULL;
    double *values = NULL, *mean = NULL;
    int64_t n = 0;
    lk_status status = LK_OK;
    memset(out, 0, sizeof *out);
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, 1, &clutter));
    LKI_GOTO(status, done, lki_noise_guess(ctx, sample->plain.values, rows, d, seed, clutter));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)(d + 1) * sizeof(double), &values));
    for (int64_t i = 0; i < rows; i++) {
        if (!clutter[i]) {
            memcpy(values + n++ * (d + 1), sample->plain.values + i * (d + 1), (size_t)(d + 1) * sizeof(double));
        }
    }
    if (n == 0 || n == rows) {
        goto done;
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(double), &mean));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(int64_t), &out->positions));
    for (int64_t j = 0; j < d; j++) {
        out->positions[j] = j;
    }
    LKI_GOTO(status, done, summarize(ctx, values, n, d, &out->plain.data));
    about_mean(values, n, &out->plain.data, mean);
    LKI_GOTO(status, done, lk_table_from_array(ctx, values, n, d + 1, NULL, &out->plain.table));
    attach(&out->plain, out->plain.table, out->positions, d, n);
    out->noise = 1.0 - out->plain.data.total / sample->plain.data.total;
    status = whitened(ctx, values, n, d, out);
done:
    lki_release(ctx, clutter);
    lki_release(ctx, values);
    lki_release(ctx, mean);
    if (status != LK_OK) {
        lki_sample_free(ctx, out);
    }
    return status;
}

void lki_sample_free(lk_context *ctx, lki_sample *sample)
{
    lk_table_free(sample->exact.table);
    lk_table_free(sample->plain.table);
    lk_table_free(sample->white.table);
    lki_release(ctx, sample->positions);
    lki_release(ctx, sample->numbers);
    lki_release(ctx, sample->plain.data.scatter);
    memset(sample, 0, sizeof *sample);
}

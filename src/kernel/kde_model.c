/* A kernel density's answers: log density, score, curvature, draws, distribution functions, marginals, smoothing, file and info. */
#include "data/json_text.h"
#include "data/order_statistics.h"
#include "kde.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the state ---- */

void lki_kde_free(const lki_memory *memory, void *state)
{
    lki_kde *k = state;
    if (k != NULL) {
        lki_pair_free(memory, k->pair);
        lki_memory_release(memory, k->points);
        lki_memory_release(memory, k->weights);
        lki_memory_release(memory, k->bandwidth);
        lki_memory_release(memory, k);
    }
}

/* A kernel of all columns at once where it is one (normal, Laplace), else a factor for each. */
lk_status lki_kde_pair(lk_context *ctx, const lki_kernel_law *law, const double *points, int64_t n, const double *bandwidth, int64_t d,
                       lki_pair **out)
{
    lki_pair_factor whole = {.kernel = law->kernel, .bandwidth = bandwidth}, *factors = NULL;
    lki_pair_term term = {1.0, &whole, 1};
    int64_t *columns = NULL;
    lk_status status = LK_OK;
    if (law->kernel != LKI_KERNEL_gaussian && law->kernel != LKI_KERNEL_laplace && d > 1) {
        LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof *factors, &factors));
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof *columns, &columns));
        for (int64_t j = 0; j < d; j++) {
            columns[j] = j;
            factors[j] = (lki_pair_factor){.kernel = law->kernel, .columns = &columns[j], .count = 1, .bandwidth = &bandwidth[j]};
        }
        term = (lki_pair_term){1.0, factors, d};
    }
    status = lki_pair_new(ctx, &term, 1, points, n, d, out);
done:
    lki_release(ctx, factors);
    lki_release(ctx, columns);
    return status;
}

lk_status lki_kde_new(lk_context *ctx, const lki_kernel_law *law, bool linear, const double *points, const double *weights,
                      const double *bandwidth, int64_t n, int64_t d, lki_kde **out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_kde *k = NULL;
    int64_t kept = 0;
    double total = 0.0;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < n; i++) {
        kept += weights[i] > 0.0;
        total += weights[i];
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *k, &k));
    k->memory = memory;
    k->law = law;
    k->linear = linear;
    k->n = kept;
    k->d = d;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)kept, (size_t)d), sizeof(double), &k->points));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)kept, sizeof(double), &k->weights));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(double), &k->bandwidth));
    kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (weights[i] > 0.0) {
            memcpy(k->points + kept * d, points + i * d, (size_t)d * sizeof(double));
            k->weights[kept++] = weights[i] / total;
        }
    }
    for (int64_t j = 0; j < d; j++) {
        k->bandwidth[j] = bandwidth[j];
        k->log_scale -= log(bandwidth[j]) + log(law->integral);
    }
    LKI_GOTO(status, done, lki_kde_pair(ctx, law, k->points, k->n, k->bandwidth, d, &k->pair));
    *out = k;
    k = NULL;
done:
    lki_kde_free(&memory, k);
    return status;
}

/* ---- densities ---- */

static lk_status kde_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .x = x, .rows = rows, .weights = k->weights, .out = out};
    LKI_TRY(lki_pair_run(ctx, k->pair, &r));
    for (int64_t i = 0; i < rows; i++) {
        out[i] += k->log_scale;
    }
    return LK_OK;
}

/* The mean kernel, which is 1 at its middle. */
static lk_status kde_similarity(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    LKI_TRY(kde_log_density(ctx, state, x, rows, out));
    for (int64_t i = rows - 1; i >= 0; i--) {
        out[2 * i] = exp(out[i] - k->log_scale);
        out[2 * i + 1] = 0.0;
    }
    return LK_OK;
}

static lk_status kde_peak(lk_context *ctx, const void *state, int64_t dimensions, uint64_t seed, double *x)
{
    return lki_kde_peak(ctx, state, dimensions, seed, true, x);
}

static lk_status kde_score(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    double *logs;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *logs, &logs));
    const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .derivative = LKI_PAIR_GRADIENT, .x = x, .rows = rows,
                                .weights = k->weights, .out = logs, .slope = out};
    const lk_status status = lki_pair_run(ctx, k->pair, &r);
    lki_release(ctx, logs);
    return status;
}

/* One column of the Hessian after the other, as its product with a unit vector. */
static lk_status kde_hessian(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    const int64_t d = k->d;
    double *logs = NULL, *unit = NULL, *column = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *logs, &logs));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)d * sizeof *unit, &unit));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)d * sizeof *column, &column));
    const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .derivative = LKI_PAIR_CURVATURE, .x = x, .rows = rows,
                                .weights = k->weights, .direction = unit, .out = logs, .slope = column};
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < rows * d; i++) {
            unit[i] = i % d == j ? 1.0 : 0.0;
        }
        LKI_GOTO(status, done, lki_pair_run(ctx, k->pair, &r));
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t c = j; c < d; c++) { /* the other triangle by symmetry, to the last bit */
                out[(i * d + c) * d + j] = out[(i * d + j) * d + c] = column[i * d + c];
            }
        }
    }
done:
    lki_release(ctx, logs);
    lki_release(ctx, unit);
    lki_release(ctx, column);
    return status;
}

/* ---- distribution functions ---- */

/* One column in order, with the weight of all points before each. */
typedef struct ordered {
    double *values, *before; /* n, n + 1 */
    uint64_t *keys;          /* 2 n */
    double *weights;         /* n, in order */
} ordered;

static void order_column(const lki_kde *k, int64_t j, ordered *o)
{
    const int64_t n = k->n;
    for (int64_t i = 0; i < n; i++) {
        o->keys[i] = lki_order_key(k->points[i * k->d + j]);
    }
    lki_order_sort(o->keys, o->keys + n, n);
    for (int64_t i = 0; i < n; i++) {
        o->values[i] = lki_order_value(o->keys[i]);
        o->weights[i] = 0.0;
    }
    for (int64_t i = 0; i < n; i++) { /* weights of equal values go to the first of them */
        const double value = k->points[i * k->d + j];
        int64_t low = 0, high = n - 1;
        while (low < high) {
            const int64_t middle = low + (high - low) / 2;
            if (o->values[middle] >= value) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        o->weights[low] += k->weights[i];
    }
    o->before[0] = 0.0;
    for (int64_t i = 0; i < n; i++) {
        o->before[i + 1] = o->before[i] + o->weights[i];
    }
}

/* How many values are below x. */
static int64_t count_below(const double *values, int64_t n, double x)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (values[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static lk_status kde_cdf(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    const size_t n = (size_t)k->n;
    ordered o = {0};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, 3 * n + 1, sizeof(double), &o.values));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * n, sizeof(uint64_t), &o.keys));
    o.weights = o.values + n;
    o.before = o.weights + n;
    for (int64_t j = 0; j < k->d; j++) {
        const double h = k->bandwidth[j];
        order_column(k, j, &o);
        for (int64_t i = 0; i < rows; i++) {
            const double at = x[i * k->d + j], reach = k->law->far * h;
            const int64_t from = count_below(o.values, k->n, at - reach), to = count_below(o.values, k->n, at + reach);
            double sum = o.before[from];
            for (int64_t p = from; p < to; p++) {
                sum += o.weights[p] > 0.0 ? o.weights[p] * lki_kernel_law_cdf(k->law, (at - o.values[p]) / h) : 0.0;
            }
            out[i * k->d + j] = fmin(sum, 1.0);
        }
    }
done:
    lki_release(ctx, o.values);
    lki_release(ctx, o.keys);
    return status;
}

/* ---- draws ---- */

static lk_status kde_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const lki_kde *k = state;
    double *cumulative, total = 0.0;
    LKI_TRY(lki_allocate(ctx, (size_t)k->n, sizeof *cumulative, &cumulative));
    for (int64_t i = 0; i < k->n; i++) {
        total += k->weights[i];
        cumulative[i] = total;
    }
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        const double *point = k->points + lki_random_categorical(&s, cumulative, k->n) * k->d;
        for (int64_t j = 0; j < k->d; j++) {
            out[i * k->d + j] = point[j] + k->bandwidth[j] * lki_kernel_law_draw(k->law, &s);
        }
    }
    lki_release(ctx, cumulative);
    return LK_OK;
}

/* ---- parts ---- */

static lk_status kde_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const lki_kde *k = state;
    double *points = NULL, *bandwidth = NULL;
    lki_kde *part;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)k->n, (size_t)count), sizeof *points, &points));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *bandwidth, &bandwidth));
    for (int64_t c = 0; c < count; c++) {
        bandwidth[c] = k->bandwidth[features[c]];
        for (int64_t i = 0; i < k->n; i++) {
            points[i * count + c] = k->points[i * k->d + features[c]];
        }
    }
    LKI_GOTO(status, done, lki_kde_new(ctx, k->law, k->linear, points, k->weights, bandwidth, k->n, count, &part));
    *out = part;
done:
    lki_release(ctx, points);
    lki_release(ctx, bandwidth);
    return status;
}

/* A normal kernel with normal noise is a normal kernel of variance h^2 + sigma^2. */
static lk_status kde_smooth(lk_context *ctx, const void *state, const double *sigma, void **out)
{
    const lki_kde *k = state;
    double *bandwidth;
    lki_kde *noisy;
    if (k->law->kernel != LKI_KERNEL_gaussian) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a kernel density with kernel %s has no closed form under normal noise; kernel gaussian has",
                        lki_kernels[k->law->kernel].name);
    }
    LKI_TRY(lki_allocate(ctx, (size_t)k->d, sizeof *bandwidth, &bandwidth));
    for (int64_t j = 0; j < k->d; j++) {
        bandwidth[j] = hypot(k->bandwidth[j], sigma[j]);
    }
    const lk_status status = lki_kde_new(ctx, k->law, k->linear, k->points, k->weights, bandwidth, k->n, k->d, &noisy);
    lki_release(ctx, bandwidth);
    if (status == LK_OK) {
        *out = noisy;
    }
    return status;
}

/* ---- file and info ---- */

static lk_status info_regime(lk_context *ctx, const lki_kde *k, json_t *info)
{
    lki_kde_regime r;
    bool known;
    json_t *object;
    LKI_TRY(lki_kde_regime_of(ctx, k, &known, &r));
    if (!known) {
        return LK_OK;
    }
    object = json_object();
    LKI_TRY(lki_json_set(ctx, info, "regime", object)); /* info owns it now */
    LKI_TRY(lki_json_set(ctx, object, "name", json_string(r.central_limit < 1.0 ? "central limit" : r.extreme < 1.0 ? "stable" : "extreme")));
    LKI_TRY(lki_json_set(ctx, object, "alpha", lki_json_number(r.alpha)));
    LKI_TRY(lki_json_set(ctx, object, "central_limit", lki_json_number(r.central_limit)));
    LKI_TRY(lki_json_set(ctx, object, "extreme", lki_json_number(r.extreme)));
    LKI_TRY(lki_json_set(ctx, object, "kl", lki_json_number(r.kl)));
    LKI_TRY(lki_json_set(ctx, object, "tail_index", lki_json_number(r.tail_index)));
    return lki_json_set(ctx, object, "participation", lki_json_number(r.participation));
}

static lk_status kde_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_kde *k = state;
    double squares = 0.0;
    for (int64_t i = 0; i < k->n; i++) {
        squares += k->weights[i] * k->weights[i];
    }
    LKI_TRY(lki_json_set(ctx, info, "kernel", json_string(lki_kernels[k->law->kernel].name)));
    LKI_TRY(lki_json_set(ctx, info, "bandwidth", lki_json_numbers(k->bandwidth, k->d)));
    LKI_TRY(lki_json_set(ctx, info, "points", json_integer((json_int_t)k->n)));
    LKI_TRY(lki_json_set(ctx, info, "effective_points", lki_json_number(1.0 / squares)));
    return info_regime(ctx, k, info);
}

static lk_status kde_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_kde *k = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "bandwidth", .rank = 1, .shape = {k->d}, .values = k->bandwidth};
    tensors[1] = (lki_tensor){.name = "points", .rank = 2, .shape = {k->n, k->d}, .values = k->points};
    tensors[2] = (lki_tensor){.name = "weights", .rank = 1, .shape = {k->n}, .values = k->weights};
    *count = 3;
    return LK_OK;
}

static lk_status kde_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    const lki_tensor *bandwidth = &tensors[0], *points = &tensors[1], *weights = &tensors[2];
    lki_kde *k;
    double total = 0.0;
    if (count != 3 || strcmp(bandwidth->name, "bandwidth") != 0 || strcmp(points->name, "points") != 0 ||
        strcmp(weights->name, "weights") != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a kernel density has the tensors bandwidth, points and weights");
    }
    const int64_t n = points->shape[0];
    if (points->rank != 2 || n < 1 || points->shape[1] != d || bandwidth->rank != 1 || bandwidth->shape[0] != d || weights->rank != 1 ||
        weights->shape[0] != n) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "points must be n x %lld, n at least 1, weights n and bandwidth %lld values", (long long)d,
                        (long long)d);
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(bandwidth->values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "bandwidth %lld is %g; it must be above 0", (long long)j + 1, bandwidth->values[j]);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        if (!(weights->values[i] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "weight %lld is %g; it must be above 0", (long long)i + 1, weights->values[i]);
        }
        total += weights->values[i];
    }
    if (!(fabs(total - 1.0) < 1e-9)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the weights sum to %.17g; they must sum to 1", total);
    }
    LKI_TRY(lki_kde_new(ctx, lki_kernel_law_find(lki_value_text(values, "kernel")), strcmp(lki_value_text(values, "regression"), "linear") == 0,
                        points->values, weights->values, bandwidth->values, n, d, &k));
    memcpy(k->weights, weights->values, (size_t)n * sizeof(double)); /* the same bits as before: they sum to 1 but for rounding */
    *out = k;
    return LK_OK;
}

const lki_operations lki_kde_operations = {
    .log_density = kde_log_density,
    .similarity = kde_similarity,
    .peak = kde_peak,
    .score = kde_score,
    .hessian = kde_hessian,
    .sample = kde_sample,
    .cdf = kde_cdf,
    .marginal = kde_marginal,
    .condition = lki_kde_condition,
    .conditional = &lki_kde_conditional,
    .smooth = kde_smooth,
    .info = kde_info,
    .save = kde_save,
    .load = kde_load,
    .free = lki_kde_free,
};

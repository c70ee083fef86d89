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
        lki_tree_sum_free(memory, k->tree);
        lki_memory_release(memory, k->points);
        if (k->pair_weights != k->weights) {
            lki_memory_release(memory, k->pair_weights);
        }
        lki_memory_release(memory, k->weights);
        lki_memory_release(memory, k->matrix);
        lki_memory_release(memory, k->inverse);
        lki_memory_release(memory, k->low);
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

/* One factor of all columns with the metric that makes the kernel round. */
static lk_status take_matrix(lk_context *ctx, const double *matrix, lki_kde *k)
{
    const int64_t d = k->d;
    double log_determinant;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)d, (size_t)d), sizeof(double), &k->matrix));
    memcpy(k->matrix, matrix, (size_t)(d * d) * sizeof(double));
    LKI_TRY(lki_kde_factor(ctx, matrix, d, &k->inverse, &k->root, &log_determinant));
    for (int64_t j = 0; j < d; j++) {
        k->bandwidth[j] = sqrt(matrix[j * d + j]);
    }
    k->log_scale = -0.5 * log_determinant - (double)d * log(k->law->integral);
    const lki_pair_factor factor = {.kernel = k->law->kernel, .metric = k->inverse};
    const lki_pair_term term = {1.0, &factor, 1};
    return lki_pair_new(ctx, &term, 1, k->points, k->n, d, &k->pair);
}

static lk_status take_bounds(lk_context *ctx, const double *low, const double *high, lki_kde *k)
{
    const size_t d = (size_t)k->d;
    double *points = NULL;
    int64_t count;
    LKI_TRY(lki_allocate(ctx, 6 * d, sizeof(double), &k->low));
    k->high = k->low + d;
    k->kept_bounds = k->high + d;
    memcpy(k->low, low, d * sizeof(double));
    memcpy(k->high, high, d * sizeof(double));
    for (size_t j = 0; j < d; j++) { /* infinities have no place in a file */
        double *kept = k->kept_bounds + 4 * j;
        kept[0] = isfinite(low[j]) ? 1.0 : 0.0;
        kept[1] = isfinite(low[j]) ? low[j] : 0.0;
        kept[2] = isfinite(high[j]) ? 1.0 : 0.0;
        kept[3] = isfinite(high[j]) ? high[j] : 0.0;
    }
    k->pair_weights = NULL;
    LKI_TRY(lki_kde_reflect(ctx, k, &points, &k->pair_weights, &count));
    const lk_status status = lki_kde_pair(ctx, k->law, points, count, k->bandwidth, k->d, &k->pair);
    lki_release(ctx, points);
    return status;
}

lk_status lki_kde_new(lk_context *ctx, const lki_kde_shape *shape, const double *points, const double *weights, int64_t n, int64_t d, lki_kde **out)
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
    if (fabs(total - 1.0) < 1e-9) { /* as they come from a file, which keeps its bits */
        total = 1.0;
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *k, &k));
    k->memory = memory;
    k->law = shape->law;
    k->linear = shape->linear;
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
    k->pair_weights = k->weights;
    for (int64_t j = 0; j < d && shape->matrix == NULL; j++) {
        k->bandwidth[j] = shape->bandwidth[j];
        k->log_scale -= log(k->bandwidth[j]) + log(k->law->integral);
    }
    LKI_GOTO(status, done, shape->matrix != NULL ? take_matrix(ctx, shape->matrix, k)
                           : shape->low != NULL  ? take_bounds(ctx, shape->low, shape->high, k)
                                                 : lki_kde_pair(ctx, k->law, k->points, k->n, k->bandwidth, d, &k->pair));
    *out = k;
    k = NULL;
done:
    lki_kde_free(&memory, k);
    return status;
}

lk_status lki_kde_tolerate(lk_context *ctx, lki_kde *k, double rtol)
{
    if (!(rtol > 0.0)) {
        return LK_OK;
    }
    if (k->law->kernel != LKI_KERNEL_gaussian) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "--rtol goes with --kernel gaussian, and the kernel is %s; leave it out for exact densities",
                        lki_kernels[k->law->kernel].name);
    }
    if (k->matrix != NULL || k->low != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "--rtol goes with bandwidths, not with %s; leave it out for exact densities",
                        k->matrix != NULL ? "a matrix" : "bounds");
    }
    k->rtol = rtol;
    if (k->d > LKI_TREE_COLUMNS) {
        return LK_OK;
    }
    LKI_TRY(lki_tree_sum_new(ctx, k->points, k->weights, k->n, k->d, k->bandwidth, rtol < 1e-12 ? 1e-12 : rtol, &k->tree));
    lki_tree_sum_cost(k->tree, &k->by_tree, &k->by_pairs);
    if (rtol < 1e-12 || k->by_pairs <= k->by_tree) {
        lki_tree_sum_free(&k->memory, k->tree);
        k->tree = NULL;
    }
    return LK_OK;
}

/* ---- densities ---- */

static lk_status kde_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .x = x, .rows = rows, .weights = k->pair_weights, .out = out};
    LKI_TRY(k->tree != NULL ? lki_tree_sum_log(ctx, k->tree, x, rows, out) : lki_pair_run(ctx, k->pair, &r));
    for (int64_t i = 0; i < rows; i++) {
        out[i] = lki_kde_inside(k, x + i * k->d) ? out[i] + k->log_scale : -(double)INFINITY;
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
                                .weights = k->pair_weights, .out = logs, .slope = out};
    const lk_status status = lki_pair_run(ctx, k->pair, &r);
    for (int64_t i = 0; i < rows * k->d && status == LK_OK; i++) {
        out[i] = lki_kde_inside(k, x + i / k->d * k->d) ? out[i] : (double)NAN;
    }
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
                                .weights = k->pair_weights, .direction = unit, .out = logs, .slope = column};
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

/* Between ends: for each point, what its images have between the lower end and x. */
static void cdf_between_ends(const lki_kde *k, const double *x, int64_t rows, double *out)
{
    double image[LKI_KDE_IMAGES];
    memset(out, 0, (size_t)(rows * k->d) * sizeof *out);
    for (int64_t p = 0; p < k->n; p++) {
        for (int64_t j = 0; j < k->d; j++) {
            const int64_t images = lki_kde_images(k, j, k->points[p * k->d + j], image);
            for (int64_t i = 0; i < rows; i++) {
                const double at = fmin(fmax(x[i * k->d + j], k->low[j]), k->high[j]), h = k->bandwidth[j];
                for (int64_t c = 0; c < images; c++) {
                    const double before = isfinite(k->low[j]) ? lki_kernel_law_cdf(k->law, (k->low[j] - image[c]) / h) : 0.0;
                    out[i * k->d + j] += k->weights[p] * (lki_kernel_law_cdf(k->law, (at - image[c]) / h) - before);
                }
            }
        }
    }
    for (int64_t i = 0; i < rows * k->d; i++) {
        const int64_t j = i % k->d;
        out[i] = x[i] >= k->high[j] ? 1.0 : fmin(fmax(out[i], 0.0), 1.0);
    }
}

static lk_status kde_cdf(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_kde *k = state;
    if (k->low != NULL) {
        cdf_between_ends(k, x, rows, out);
        return LK_OK;
    }
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
    LKI_TRY(lki_allocate(ctx, (size_t)(k->n + k->d), sizeof *cumulative, &cumulative));
    for (int64_t i = 0; i < k->n; i++) {
        total += k->weights[i];
        cumulative[i] = total;
    }
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        const double *point = k->points + lki_random_categorical(&s, cumulative, k->n) * k->d;
        double *u = cumulative + k->n;
        for (int64_t j = 0; j < k->d; j++) {
            u[j] = lki_kernel_law_draw(k->law, &s);
        }
        for (int64_t j = 0; j < k->d; j++) {
            double moved = k->bandwidth[j] * u[j];
            for (int64_t b = 0; k->matrix != NULL && b <= j; b++) {
                moved = (b > 0 ? moved : 0.0) + k->root[j * k->d + b] * u[b];
            }
            out[i * k->d + j] = k->low != NULL ? lki_kde_fold(k, j, point[j] + moved) : point[j] + moved;
        }
    }
    lki_release(ctx, cumulative);
    return LK_OK;
}

/* ---- parts ---- */

static lk_status kde_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const lki_kde *k = state;
    const size_t c = (size_t)count;
    double *points = NULL, *numbers = NULL;
    lki_kde *part;
    lki_kde_shape shape = lki_kde_shape_of(k);
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)k->n, c), sizeof *points, &points));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(c, c + 3), sizeof *numbers, &numbers));
    double *bandwidth = numbers, *low = numbers + c, *high = low + c, *matrix = high + c;
    for (int64_t a = 0; a < count; a++) {
        bandwidth[a] = k->bandwidth[features[a]];
        low[a] = k->low != NULL ? k->low[features[a]] : 0.0;
        high[a] = k->low != NULL ? k->high[features[a]] : 0.0;
        for (int64_t b = 0; b < count && k->matrix != NULL; b++) {
            matrix[a * count + b] = k->matrix[features[a] * k->d + features[b]];
        }
        for (int64_t i = 0; i < k->n; i++) {
            points[i * count + a] = k->points[i * k->d + features[a]];
        }
    }
    shape.bandwidth = bandwidth;
    shape.low = k->low != NULL ? low : NULL;
    shape.high = high;
    shape.matrix = k->matrix != NULL ? matrix : NULL;
    LKI_GOTO(status, done, lki_kde_new(ctx, &shape, points, k->weights, k->n, count, &part));
    *out = part;
done:
    lki_release(ctx, points);
    lki_release(ctx, numbers);
    return status;
}

/* A normal kernel with normal noise is a normal kernel of variance h^2 + sigma^2. */
static lk_status kde_smooth(lk_context *ctx, const void *state, const double *sigma, void **out)
{
    const lki_kde *k = state;
    const size_t d = (size_t)k->d;
    double *numbers;
    lki_kde *noisy;
    lki_kde_shape shape = lki_kde_shape_of(k);
    if (k->law->kernel != LKI_KERNEL_gaussian || k->low != NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a kernel density with kernel %s%s has no closed form under normal noise; kernel gaussian without bounds has",
                        lki_kernels[k->law->kernel].name, k->low != NULL ? " and bounds" : "");
    }
    LKI_TRY(lki_allocate(ctx, lki_product(d, d + 1), sizeof *numbers, &numbers));
    double *bandwidth = numbers, *matrix = numbers + d;
    if (k->matrix != NULL) {
        memcpy(matrix, k->matrix, d * d * sizeof *matrix);
        shape.matrix = matrix;
    }
    for (int64_t j = 0; j < k->d; j++) {
        bandwidth[j] = hypot(k->bandwidth[j], sigma[j]);
        if (k->matrix != NULL) {
            matrix[j * k->d + j] += sigma[j] * sigma[j];
        }
    }
    shape.bandwidth = bandwidth;
    const lk_status status = lki_kde_new(ctx, &shape, k->points, k->weights, k->n, k->d, &noisy);
    lki_release(ctx, numbers);
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

/* Which way densities are summed, and why. */
static json_t *sums_info(const lki_kde *k)
{
    char text[200];
    if (k->by_pairs > 0.0) {
        snprintf(text, sizeof text, "%s: a row costs some %.2g microseconds, by %s %.2g", k->tree != NULL ? "tree" : "all pairs",
                 1e-3 * (k->tree != NULL ? k->by_tree : k->by_pairs), k->tree != NULL ? "all pairs" : "a tree",
                 1e-3 * (k->tree != NULL ? k->by_pairs : k->by_tree));
    } else {
        snprintf(text, sizeof text, "all pairs: %s", k->rtol > 0.0 ? "there are more than 16 features" : "exact densities are asked for");
    }
    return json_string(text);
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
    LKI_TRY(lki_json_set(ctx, info, "sums", sums_info(k)));
    return info_regime(ctx, k, info);
}

/* Beside bandwidth, points and weights, in the order of their names: bounds (for each end whether there is one, and where) or matrix. */
static lk_status kde_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_kde *k = state;
    int at = 0;
    (void)ctx;
    tensors[at++] = (lki_tensor){.name = "bandwidth", .rank = 1, .shape = {k->d}, .values = k->bandwidth};
    if (k->low != NULL) {
        tensors[at++] = (lki_tensor){.name = "bounds", .rank = 2, .shape = {k->d, 4}, .values = k->kept_bounds};
    }
    if (k->matrix != NULL) {
        tensors[at++] = (lki_tensor){.name = "matrix", .rank = 2, .shape = {k->d, k->d}, .values = k->matrix};
    }
    tensors[at++] = (lki_tensor){.name = "points", .rank = 2, .shape = {k->n, k->d}, .values = k->points};
    tensors[at++] = (lki_tensor){.name = "weights", .rank = 1, .shape = {k->n}, .values = k->weights};
    *count = at;
    return LK_OK;
}

static const lki_tensor *tensor_named(const lki_tensor *tensors, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(tensors[i].name, name) == 0) {
            return &tensors[i];
        }
    }
    return NULL;
}

/* Ends as they are in a file. */
static lk_status load_bounds(lk_context *ctx, const double *kept, const lki_tensor *points, const double *bandwidth, const lki_kernel_law *law, double *low, double *high)
{
    const int64_t d = points->shape[1];
    for (int64_t j = 0; j < d; j++) {
        low[j] = kept[4 * j] != 0.0 ? kept[4 * j + 1] : -(double)INFINITY;
        high[j] = kept[4 * j + 2] != 0.0 ? kept[4 * j + 3] : (double)INFINITY;
        for (int64_t i = 0; i < points->shape[0]; i++) {
            const double y = points->values[i * d + j];
            if (!(low[j] < high[j]) || y < low[j] || y > high[j]) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "point %lld, feature %lld is %g, outside its bounds %g to %g", (long long)i + 1, (long long)j + 1, y, low[j],
                                high[j]);
            }
        }
    }
    return lki_kde_check_bounds(ctx, law, bandwidth, low, high, NULL, d);
}

static lk_status load_weights(lk_context *ctx, const lki_tensor *weights)
{
    double total = 0.0;
    for (int64_t i = 0; i < weights->shape[0]; i++) {
        if (!(weights->values[i] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "weight %lld is %g; it must be above 0", (long long)i + 1, weights->values[i]);
        }
        total += weights->values[i];
    }
    return fabs(total - 1.0) < 1e-9 ? LK_OK : lki_fail(ctx, LK_ERROR_FORMAT, "the weights sum to %.17g; they must sum to 1", total);
}

static lk_status kde_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    const lki_tensor *bandwidth = tensor_named(tensors, count, "bandwidth"), *points = tensor_named(tensors, count, "points"),
                     *weights = tensor_named(tensors, count, "weights"), *matrix = tensor_named(tensors, count, "matrix"),
                     *bounds = tensor_named(tensors, count, "bounds");
    lki_kde_shape shape = {.law = lki_kernel_law_find(lki_value_text(values, "kernel")), .linear = strcmp(lki_value_text(values, "regression"), "linear") == 0};
    lki_kde *k;
    double *ends = NULL;
    if (bandwidth == NULL || points == NULL || weights == NULL || count != 3 + (matrix != NULL) + (bounds != NULL) || (matrix != NULL && bounds != NULL)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a kernel density has the tensors bandwidth, points and weights, and perhaps one of bounds and matrix");
    }
    const int64_t n = points->shape[0];
    if (points->rank != 2 || n < 1 || points->shape[1] != d || bandwidth->rank != 1 || bandwidth->shape[0] != d || weights->rank != 1 ||
        weights->shape[0] != n || (matrix != NULL && (matrix->rank != 2 || matrix->shape[0] != d || matrix->shape[1] != d)) ||
        (bounds != NULL && (bounds->rank != 2 || bounds->shape[0] != d || bounds->shape[1] != 4))) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "points must be n x %lld, n at least 1, weights n and bandwidth %lld values", (long long)d,
                        (long long)d);
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(bandwidth->values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "bandwidth %lld is %g; it must be above 0", (long long)j + 1, bandwidth->values[j]);
        }
        for (int64_t b = 0; matrix != NULL && b < j; b++) {
            if (matrix->values[j * d + b] != matrix->values[b * d + j] || shape.law->kernel != LKI_KERNEL_gaussian) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "the matrix is not symmetric, or not of kernel gaussian");
            }
        }
    }
    LKI_TRY(load_weights(ctx, weights));
    shape.bandwidth = bandwidth->values;
    shape.matrix = matrix != NULL ? matrix->values : NULL;
    lk_status status = LK_OK;
    if (bounds != NULL) {
        LKI_TRY(lki_allocate(ctx, 2 * (size_t)d, sizeof *ends, &ends));
        LKI_GOTO(status, done, load_bounds(ctx, bounds->values, points, bandwidth->values, shape.law, ends, ends + d));
        shape.low = ends;
        shape.high = ends + d;
    }
    status = lki_kde_new(ctx, &shape, points->values, weights->values, n, d, &k);
    if (status == LK_OK) {
        status = lki_kde_tolerate(ctx, k, lki_value_real(values, "rtol"));
        if (status != LK_OK) {
            lki_kde_free(&k->memory, k);
            goto done;
        }
        *out = k;
    } else if (status == LK_ERROR_DATA) {
        status = LK_ERROR_FORMAT; /* a matrix that is not positive definite */
    }
done:
    lki_release(ctx, ends);
    return status;
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

/* The k-nearest-distance density: log p(x) from the distance to the k-th nearest row. */
#include "data/json_text.h"
#include "kde.h"

#include <math.h>
#include <string.h>

static const lk_parameter parameters[] = {
    {"neighbours", LK_PARAMETER_INTEGER, "10", 1, 1000000, NULL, NULL, "the distance to the neighbour of this number counts"},
    {"scale", LK_PARAMETER_CHOICE, "sd", 0, 0, "sd,none", NULL, "distances of features in units of their sd, or as they are"},
};

/* p(x) = k / (n V_d r_k(x)^d prod_j s_j) with r_k in units of s; it has no integral, for far away it falls as r^-d. Rows are each at a distance
 * of 0 from themselves. */
typedef struct knn {
    lki_memory memory;
    int64_t n, d, k;
    double *points, *scale; /* n x d in units of scale; d */
    double log_constant;
    lki_pair *pair;
} knn;

/* Coincident rows have no distance: in units of sd, nearer than this is this. */
#define NEAREST 1e-9

static void knn_free(const lki_memory *memory, void *state)
{
    knn *m = state;
    if (m != NULL) {
        lki_pair_free(memory, m->pair);
        lki_memory_release(memory, m->points);
        lki_memory_release(memory, m->scale);
        lki_memory_release(memory, m);
    }
}

/* Takes copies; points in units of scale. */
static lk_status knn_new(lk_context *ctx, const double *points, const double *scale, int64_t n, int64_t d, int64_t k, knn **out)
{
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian};
    const lki_pair_term term = {1.0, &factor, 1};
    const lki_memory memory = lki_memory_of(ctx);
    knn *m = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *m, &m));
    m->memory = memory;
    m->n = n;
    m->d = d;
    m->k = k < n ? k : n;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)n, (size_t)d), sizeof(double), &m->points));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(double), &m->scale));
    memcpy(m->points, points, (size_t)(n * d) * sizeof(double));
    memcpy(m->scale, scale, (size_t)d * sizeof(double));
    const double half = 0.5 * (double)d;
    m->log_constant = log((double)m->k) - log((double)n) - half * log(3.14159265358979323846) + lgamma(half + 1.0);
    for (int64_t j = 0; j < d; j++) {
        m->log_constant -= log(scale[j]);
    }
    LKI_GOTO(status, done, lki_pair_new(ctx, &term, 1, m->points, n, d, &m->pair));
    *out = m;
    m = NULL;
done:
    knn_free(&memory, m);
    return status;
}

static lk_status knn_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const knn *m = state;
    double *z = NULL, *squares = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)m->d * sizeof *z, &z));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)m->k * sizeof *squares, &squares));
    for (int64_t i = 0; i < rows * m->d; i++) {
        z[i] = x[i] / m->scale[i % m->d];
    }
    const lki_pair_request request = {.reduction = LKI_PAIR_NEAREST, .x = z, .rows = rows, .nearest = m->k, .out = squares};
    LKI_GOTO(status, done, lki_pair_run(ctx, m->pair, &request));
    for (int64_t i = 0; i < rows; i++) {
        out[i] = m->log_constant - (double)m->d * log(fmax(sqrt(squares[i * m->k + m->k - 1]), NEAREST));
    }
done:
    lki_release(ctx, z);
    lki_release(ctx, squares);
    return status;
}

static lk_status knn_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const knn *m = state;
    double *points = NULL, *scale = NULL;
    knn *part = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)m->n, (size_t)count), sizeof *points, &points));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *scale, &scale));
    for (int64_t c = 0; c < count; c++) {
        scale[c] = m->scale[features[c]];
        for (int64_t i = 0; i < m->n; i++) {
            points[i * count + c] = m->points[i * m->d + features[c]];
        }
    }
    LKI_GOTO(status, done, knn_new(ctx, points, scale, m->n, count, m->k, &part));
    *out = part;
done:
    lki_release(ctx, points);
    lki_release(ctx, scale);
    return status;
}

static lk_status knn_info(lk_context *ctx, const void *state, json_t *info)
{
    const knn *m = state;
    LKI_TRY(lki_json_set(ctx, info, "points", json_integer((json_int_t)m->n)));
    LKI_TRY(lki_json_set(ctx, info, "neighbours", json_integer((json_int_t)m->k)));
    return lki_json_set(ctx, info, "scale", lki_json_numbers(m->scale, m->d));
}

static lk_status knn_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const knn *m = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "points", .rank = 2, .shape = {m->n, m->d}, .values = m->points};
    tensors[1] = (lki_tensor){.name = "scale", .rank = 1, .shape = {m->d}, .values = m->scale};
    *count = 2;
    return LK_OK;
}

static lk_status knn_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    knn *m;
    if (count != 2 || strcmp(tensors[0].name, "points") != 0 || strcmp(tensors[1].name, "scale") != 0 || tensors[0].rank != 2 ||
        tensors[0].shape[0] < 1 || tensors[0].shape[1] != d || tensors[1].rank != 1 || tensors[1].shape[0] != d) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be two tensors, points of n x %lld and scale of %lld values", (long long)d, (long long)d);
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(tensors[1].values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "scale %lld is %g; it must be above 0", (long long)j + 1, tensors[1].values[j]);
        }
    }
    LKI_TRY(knn_new(ctx, tensors[0].values, tensors[1].values, tensors[0].shape[0], d, lki_value_integer(values, "neighbours"), &m));
    *out = m;
    return LK_OK;
}

/* The rows as they are: each once, so that weights have no place. */
static lk_status knn_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    const int64_t d = task->data->d;
    const bool scaled = strcmp(lki_value_text(task->values, "scale"), "sd") == 0;
    lki_kde_gathered g = {0};
    double *scale = NULL;
    knn *m = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_kde_gather(ctx, task, NULL, &g));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof *scale, &scale));
    for (int64_t j = 0; j < d; j++) {
        double mean = 0.0, square = 0.0;
        for (int64_t i = 0; i < g.n; i++) {
            mean += g.x[i * d + j] / (double)g.n;
        }
        for (int64_t i = 0; i < g.n; i++) {
            square += (g.x[i * d + j] - mean) * (g.x[i * d + j] - mean) / (double)g.n;
        }
        scale[j] = scaled && square > 0.0 ? sqrt(square) : 1.0;
    }
    for (int64_t i = 0; i < g.n * d; i++) {
        g.x[i] /= scale[i % d];
    }
    LKI_GOTO(status, done, knn_new(ctx, g.x, scale, g.n, d, lki_value_integer(task->values, "neighbours"), &m));
    *report = (lki_report){.n = g.total, .log_likelihood = (double)NAN, .free_parameters = (double)NAN, .entropy = (double)NAN, .iterations = -1,
                           .converged = -1};
    *state = m;
done:
    lki_release(ctx, g.x);
    lki_release(ctx, g.w);
    lki_release(ctx, scale);
    return status;
}

static const lki_operations operations = {
    .log_density = knn_log_density, .marginal = knn_marginal, .info = knn_info, .save = knn_save, .load = knn_load, .free = knn_free,
};

LKI_METHOD(knn, 17) = {
    .public = {.name = "knn",
               .summary = "Distance to the k-th nearest row as a density: for detect; it has no integral",
               .citation = "Loftsgaarden and Quesenberry 1965, Annals of Mathematical Statistics 36",
               .parameters = parameters,
               .parameter_count = sizeof parameters / sizeof parameters[0],
               .roles = "features",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_MARGINAL},
    .operations = &operations,
    .fit = knn_fit,
};

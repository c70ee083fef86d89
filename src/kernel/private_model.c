/* What a private synopsis tells: means of kernels or distances with the size of their noise, a density from them; file and info. */
#include "data/json_text.h"
#include "private.h"
#include "private_noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

lk_status lki_private_new(lk_context *ctx, lki_private_kind kind, int64_t d, int64_t projections, lki_private **out)
{
    lki_private *p = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *p, &p));
    p->memory = lki_memory_of(ctx);
    p->kind = kind;
    p->d = d;
    p->projections = projections;
    p->length = kind >= LKI_PRIVATE_L1 ? 2 * LKI_PRIVATE_NODES : 2;
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)projections, (size_t)d), sizeof(double), &p->directions));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)projections, 2 * sizeof(double), &p->limits));
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)projections, (size_t)p->length), sizeof(double), &p->values));
    LKI_GOTO(status, failed, lki_zeros(ctx, 2 * LKI_PRIVATE_LEVELS, sizeof(double), &p->sds));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)d, sizeof(double), &p->bandwidth));
    for (int64_t j = 0; j < d; j++) {
        p->bandwidth[j] = 1.0;
    }
    *out = p;
    return LK_OK;
failed:
    lki_private_free(&p->memory, p);
    return status;
}

void lki_private_free(const lki_memory *memory, void *state)
{
    lki_private *p = state;
    if (p != NULL) {
        lki_memory_release(memory, p->directions);
        lki_memory_release(memory, p->limits);
        lki_memory_release(memory, p->values);
        lki_memory_release(memory, p->sds);
        lki_memory_release(memory, p->bandwidth);
        lki_memory_release(memory, p);
    }
}

const lki_kernel_law *lki_private_law(const lki_private *p)
{
    static const char *const names[] = {"gaussian", "laplace", "cauchy"};
    return lki_kernel_law_find(names[p->kind]);
}

/* ---- answers ---- */

/* sum_x |p . x - t| of one projection, with its variance. At each level the node beside the path to t lies wholly on one side of it; positions are
 * middles of cells, and in units of cells. */
static double tree_distance(const lki_private *p, int64_t i, double t, double *variance)
{
    const double low = p->limits[2 * i], width = (p->limits[2 * i + 1] - low) / (1 << LKI_PRIVATE_LEVELS), u = (t - low) / width;
    const int64_t last = (1 << LKI_PRIVATE_LEVELS) - 1, cell = u < 0.0 ? 0 : u >= (double)last ? last : (int64_t)u;
    double sum = 0.0;
    *variance = 0.0;
    for (int level = 1; level <= LKI_PRIVATE_LEVELS + 1; level++) {
        const bool leaf = level > LKI_PRIVATE_LEVELS; /* last of all, the cell itself */
        const int at = leaf ? LKI_PRIVATE_LEVELS : level, below = LKI_PRIVATE_LEVELS - at;
        const int64_t node = leaf ? cell : (cell >> below) ^ 1;
        const double *v = p->values + i * p->length + 2 * ((1 << at) - 2 + node), *sds = p->sds + 2 * (at - 1);
        const double offset = u - ((double)(node << below) + 0.5), side = leaf ? (offset < 0.0 ? -1.0 : 1.0) : node < (cell >> below) ? 1.0 : -1.0;
        sum += side * (v[0] * offset - v[1]);
        *variance += offset * offset * sds[0] * sds[0] + sds[1] * sds[1];
    }
    *variance *= width * width;
    return sum * width;
}

/* Two numbers a row: the mean, and its standard error by the noise and by the random projections. The variance of cos(p . (x - y)) over frequencies is at most 1/2;
 * that of |p . (x - y)| over directions is taken from the projections. */
static lk_status private_similarity(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_private *p = state;
    const double n = fmax(p->count, 1.0), P = (double)p->projections;
    /* |x - y| = c E |xi . (x - y)| over the sphere. */
    const double c = p->kind == LKI_PRIVATE_L2 ? sqrt(M_PI) * exp(lgamma(0.5 * (double)(p->d + 1)) - lgamma(0.5 * (double)p->d)) / P : p->kind == LKI_PRIVATE_L1 ? 1.0 : 1.0 / P;
    (void)ctx;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0.0, squares = 0.0, noise = 0.0;
        for (int64_t k = 0; k < p->projections; k++) {
            double t = 0.0, value, variance = p->sds[0] * p->sds[0];
            for (int64_t j = 0; j < p->d; j++) {
                t += p->directions[k * p->d + j] * x[i * p->d + j];
            }
            value = lki_private_is_distance(p) ? tree_distance(p, k, t, &variance) : p->values[2 * k] * cos(t) + p->values[2 * k + 1] * sin(t);
            sum += value;
            squares += value * value;
            noise += variance;
        }
        const double spread = p->kind == LKI_PRIVATE_L1 ? 0.0 : p->kind == LKI_PRIVATE_L2 ? fmax(squares - sum * sum / P, 0.0) : 0.5 * P * n * n;
        const double mean = c * sum / n, of_count = mean * p->count_sd / n;
        out[2 * i] = mean;
        out[2 * i + 1] = sqrt(c * c * (noise + spread) / (n * n) + of_count * of_count);
    }
    return LK_OK;
}

/* The mean of the kernel over its integral. Where noise leaves less than a thousandth of its error, that stands for it: a density is above 0. */
static lk_status private_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_private *p = state;
    double *told, log_scale = 0.0;
    if (lki_private_is_distance(p)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a private synopsis of distances has no density; ask its similarity, or fit one with --of gaussian");
    }
    for (int64_t j = 0; j < p->d; j++) {
        log_scale += log(p->bandwidth[j] * lki_private_law(p)->integral);
    }
    LKI_TRY(lki_allocate(ctx, (size_t)rows, 2 * sizeof *told, &told));
    const lk_status status = private_similarity(ctx, p, x, rows, told);
    for (int64_t i = 0; i < rows && status == LK_OK; i++) {
        out[i] = log(fmax(told[2 * i], 1e-3 * told[2 * i + 1])) - log_scale;
    }
    lki_release(ctx, told);
    return status;
}

/* ---- file and info ---- */

static lk_status private_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_private *p = state;
    json_t *privacy = json_object();
    LKI_TRY(lki_json_set(ctx, info, "privacy", privacy)); /* info owns it now */
    LKI_TRY(lki_json_set(ctx, privacy, "epsilon", lki_json_number(p->epsilon)));
    LKI_TRY(lki_json_set(ctx, privacy, "delta", lki_json_number(p->delta)));
    LKI_TRY(lki_json_set(ctx, privacy, "rho", lki_json_number(p->rho)));
    LKI_TRY(lki_json_set(ctx, privacy, "neighbours", json_string("one row more or less")));
    LKI_TRY(lki_json_set(ctx, privacy, "noise", json_string(p->insecure ? "from a seed, for tests alone" : "discrete normal, from the system's random source")));
    LKI_TRY(lki_json_set(ctx, info, "count", lki_json_number(p->count)));
    LKI_TRY(lki_json_set(ctx, info, "count_sd", lki_json_number(p->count_sd)));
    return lki_json_set(ctx, info, "projections", json_integer((json_int_t)p->projections));
}

static lk_status private_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_private *p = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "bandwidth", .rank = 1, .shape = {p->d}, .values = p->bandwidth};
    tensors[1] = (lki_tensor){.name = "budget", .rank = 1, .shape = {5}, .values = (double *)&p->count};
    tensors[2] = (lki_tensor){.name = "directions", .rank = 2, .shape = {p->projections, p->d}, .values = p->directions};
    tensors[3] = (lki_tensor){.name = "limits", .rank = 2, .shape = {p->projections, 2}, .values = p->limits};
    tensors[4] = (lki_tensor){.name = "sds", .rank = 1, .shape = {2 * LKI_PRIVATE_LEVELS}, .values = p->sds};
    tensors[5] = (lki_tensor){.name = "sums", .rank = 2, .shape = {p->projections, p->length}, .values = p->values};
    *count = 6;
    return LK_OK;
}

static bool shaped(const lki_tensor *t, const char *name, int rank, int64_t a, int64_t b)
{
    return strcmp(t->name, name) == 0 && t->rank == rank && t->shape[0] == a && (rank < 2 || t->shape[1] == b);
}

/* What the answers rely on: sizes, ranges of some width, standard errors, a budget that adds up. */
static lk_status check_tensors(lk_context *ctx, const lki_private *p, const lki_tensor *t)
{
    const double *budget = t[1].values;
    if (!shaped(&t[0], "bandwidth", 1, p->d, 0) || !shaped(&t[1], "budget", 1, 5, 0) || !shaped(&t[3], "limits", 2, p->projections, 2) ||
        !shaped(&t[4], "sds", 1, 2 * LKI_PRIVATE_LEVELS, 0) || !shaped(&t[5], "sums", 2, p->projections, p->length)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a private synopsis has the tensors bandwidth, budget, directions, limits, sds and sums of %lld projections",
                        (long long)p->projections);
    }
    for (int64_t j = 0; j < p->d; j++) {
        if (!(t[0].values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "bandwidth %lld is %g; it must be above 0", (long long)j + 1, t[0].values[j]);
        }
    }
    for (int64_t i = 0; i < p->projections && lki_private_is_distance(p); i++) {
        if (!(t[3].values[2 * i] < t[3].values[2 * i + 1])) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "the range of projection %lld is empty", (long long)i + 1);
        }
    }
    for (int64_t i = 0; i < 2 * LKI_PRIVATE_LEVELS; i++) {
        if (!(t[4].values[i] >= 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "standard deviation %lld is %g; it must be at least 0", (long long)i + 1, t[4].values[i]);
        }
    }
    if (!(budget[1] >= 0.0) || !(budget[2] > 0.0) || !(budget[3] > 0.0 && budget[3] < 1.0) ||
        !(fabs(lki_privacy_epsilon(budget[4], budget[3]) - budget[2]) <= 1e-6 * budget[2])) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the privacy budget contradicts itself: epsilon %g, delta %g, rho %g", budget[2], budget[3], budget[4]);
    }
    return LK_OK;
}

static lk_status private_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    static const char *const kinds[] = {"gaussian", "laplace", "cauchy", "l1", "l2"};
    const char *of = lki_value_text(values, "of");
    int kind = 0;
    lki_private *p;
    while (kind < 4 && strcmp(kinds[kind], of) != 0) {
        kind++;
    }
    if (count != 6 || strcmp(tensors[2].name, "directions") != 0 || tensors[2].rank != 2 || tensors[2].shape[0] < 1 || tensors[2].shape[1] != d ||
        (kind == LKI_PRIVATE_L1 && tensors[2].shape[0] != d)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "a private synopsis has six tensors, directions of %lld values among them", (long long)d);
    }
    LKI_TRY(lki_private_new(ctx, (lki_private_kind)kind, d, tensors[2].shape[0], &p));
    const lk_status status = check_tensors(ctx, p, tensors);
    if (status != LK_OK) {
        lki_private_free(&p->memory, p);
        return status;
    }
    memcpy(p->bandwidth, tensors[0].values, (size_t)d * sizeof(double));
    memcpy(&p->count, tensors[1].values, 5 * sizeof(double));
    memcpy(p->directions, tensors[2].values, (size_t)(p->projections * d) * sizeof(double));
    memcpy(p->limits, tensors[3].values, (size_t)p->projections * 2 * sizeof(double));
    memcpy(p->sds, tensors[4].values, 2 * LKI_PRIVATE_LEVELS * sizeof(double));
    memcpy(p->values, tensors[5].values, (size_t)(p->projections * p->length) * sizeof(double));
    p->insecure = lki_value_flag(values, "insecure_test");
    *out = p;
    return LK_OK;
}

const lki_operations lki_private_operations = {
    .log_density = private_log_density,
    .similarity = private_similarity,
    .info = private_info,
    .save = private_save,
    .load = private_load,
    .free = lki_private_free,
};

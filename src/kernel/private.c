/* Differential privacy for sums of kernels and of distances (Backurs, Lin, Mahabadi, Silwal and Tarnawski 2024): the descriptor, and the fit, which alone
 * sees the rows. What it leaves behind is noisy sums; every answer is made from those, so that questions cost no privacy.
 *
 * Two data sets are neighbours where one has a row that the other has not. Each sum is a vector of whole numbers that a row changes by at most Delta
 * (Euclidean); discrete normal noise of sd sigma on each makes it Delta^2 / (2 sigma^2)-concentrated private, and the costs of all sums add up to rho. */
#include "private.h"
#include "feature_bounds.h"
#include "data/number.h"
#include "private_noise.h"

#include <math.h>
#include <string.h>

/* Shares of the budget and units of the whole numbers: a row counts as UNIT; cosines are rounded to 1 / FINE. */
#define COUNT_SHARE 0.05
enum { UNIT = 1024, FINE = 65536, FREQUENCIES = 1024, DIRECTIONS = 64 };
/* The directions are no secret: they come from a fixed stream. */
enum { DIRECTION_SEED = 0x70726976 };

static const lk_parameter parameters[] = {
    {"of", LK_PARAMETER_CHOICE, "gaussian", 0, 0, LKI_PRIVATE_KINDS, NULL, "what is told of the rows: the mean of a kernel, or the mean distance (sum of absolute differences, or Euclidean)"},
    {"epsilon", LK_PARAMETER_REAL, "1", 1e-6, 1e6, NULL, NULL, "privacy: with one row more or less, no outcome is more than exp(epsilon) times as probable, but for delta"},
    {"delta", LK_PARAMETER_REAL, "1e-6", 1e-300, 0.5, NULL, NULL, "privacy: the probability that is left out of epsilon's promise; well below 1 / rows"},
    {"bandwidth", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "H", "of a kernel: a number, or one for each feature, chosen without looking at the data"},
    {"bounds", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST", "of a distance: the range of each feature, as in x=0:1,y=-5:5, chosen without looking at the data; values beyond are moved to its ends"},
    {"projections", LK_PARAMETER_INTEGER, NULL, 1, 1048576, NULL, NULL, "random frequencies of a kernel (1024 if not given), or directions of l2 (64)"},
    {"insecure_test", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL, "for tests alone: noise from --seed, which anyone can take away again"},
};

/* ---- before any row is seen ---- */

static lk_status read_bandwidth(lk_context *ctx, const char *text, lki_private *p)
{
    const char *at = text, *end = text != NULL ? text + strlen(text) : NULL;
    int64_t count = 0;
    if (text == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a private kernel wants a bandwidth: numbers that are chosen without looking at the data");
    }
    while (at < end && count < p->d) {
        double v;
        const char *next = lki_parse_double(at, end, &v);
        if (next == NULL || (next < end && (*next != ',' || next + 1 == end)) || !(v > 0.0 && v <= 1e150 && v >= 1e-150)) {
            break;
        }
        p->bandwidth[count++] = v;
        at = next < end ? next + 1 : next;
    }
    if (at != end || (count != 1 && count != p->d)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%.200s\": it must be positive numbers, one, or one for each of the %lld features", text, (long long)p->d);
    }
    for (int64_t j = count; j < p->d; j++) {
        p->bandwidth[j] = p->bandwidth[0];
    }
    return LK_OK;
}

/* Frequencies by the kernel's spectral law, in each feature by itself: normal, Cauchy for laplace, Laplace for cauchy. */
static void draw_frequencies(lki_private *p)
{
    for (int64_t i = 0; i < p->projections; i++) {
        lki_stream s = lki_stream_new(DIRECTION_SEED, LKI_STREAM_NOISE, (uint64_t)i);
        for (int64_t j = 0; j < p->d; j++) {
            const double u = p->kind == LKI_PRIVATE_GAUSSIAN ? lki_random_normal(&s) : lki_random_uniform(&s);
            const double w = p->kind == LKI_PRIVATE_GAUSSIAN  ? u
                             : p->kind == LKI_PRIVATE_LAPLACE ? tan(M_PI * (u - 0.5))
                             : u < 0.5                        ? log(2.0 * u)
                                                              : -log(2.0 * (1.0 - u));
            p->directions[i * p->d + j] = w / p->bandwidth[j];
        }
    }
}

/* Axes or random directions, with the range of the projections of the box. */
static lk_status draw_directions(lk_context *ctx, const char *text, const char *const *names, lki_private *p)
{
    const int64_t d = p->d;
    double *low;
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)d, sizeof *low, &low));
    double *high = low + d;
    lk_status status = lki_bounds_parse(ctx, text, names, d, low, high);
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        if (!isfinite(low[j]) || !isfinite(high[j]) || !isfinite(high[j] - low[j])) {
            status = lki_fail(ctx, LK_ERROR_ARGUMENT, "a private distance wants both ends of every feature, chosen without looking at the data: feature %s "
                              "lacks one; give bounds %s=LOW:HIGH", names[j], names[j]);
        }
    }
    for (int64_t i = 0; i < p->projections && status == LK_OK; i++) {
        double square = 0.0, *g = p->directions + i * d;
        lki_stream s = lki_stream_new(DIRECTION_SEED, LKI_STREAM_NOISE, (uint64_t)i);
        for (int64_t j = 0; j < d; j++) {
            g[j] = p->kind == LKI_PRIVATE_L1 ? (double)(i == j) : lki_random_normal(&s);
            square += g[j] * g[j];
        }
        for (int64_t j = 0; j < d; j++) {
            g[j] /= sqrt(square);
            p->limits[2 * i] += fmin(g[j] * low[j], g[j] * high[j]);
            p->limits[2 * i + 1] += fmax(g[j] * low[j], g[j] * high[j]);
        }
    }
    lki_release(ctx, low);
    return status;
}

/* ---- the sums ---- */

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

/* A row's whole numbers, added. Of a box's projection the cell; each level of the tree counts the row and its offset within the node. */
static void add_row(lki_private *p, const double *x)
{
    for (int64_t i = 0; i < p->projections; i++) {
        double t = 0.0, *values = p->values + i * p->length;
        for (int64_t j = 0; j < p->d; j++) {
            t += p->directions[i * p->d + j] * x[j];
        }
        t = isfinite(t) ? t : 0.0; /* far beyond numbers: counted all the same */
        if (!lki_private_is_distance(p)) {
            values[0] += nearbyint(FINE * cos(t));
            values[1] += nearbyint(FINE * sin(t));
            continue;
        }
        const double low = p->limits[2 * i], high = p->limits[2 * i + 1], cells = 1 << LKI_PRIVATE_LEVELS;
        const int64_t cell = (int64_t)fmin(floor((clamp(t, low, high) - low) / (high - low) * cells), cells - 1.0);
        for (int level = 1; level <= LKI_PRIVATE_LEVELS; level++) {
            const int below = LKI_PRIVATE_LEVELS - level;
            double *node = values + 2 * ((1 << level) - 2 + (cell >> below));
            node[0] += UNIT;
            node[1] += (double)(UNIT * (cell & ((1 << below) - 1)));
        }
    }
}

static lk_status add_rows(lk_context *ctx, const lki_fit_task *task, lki_private *p)
{
    lki_block block = {0};
    lk_status status = LK_OK;
    for (int64_t b = 0; b < task->data->blocks; b++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, task->data, b, &block));
        lki_progress(ctx, "read", (double)b, (double)task->data->blocks, "");
        for (int64_t i = 0; i < block.rows; i++) {
            if (block.w == NULL || block.w[i] > 0.0) {
                add_row(p, block.x + i * p->d);
                p->count += UNIT;
            }
        }
    }
done:
    lki_block_free(ctx, &block);
    return status;
}

/* ---- the noise ---- */

/* Adds noise to whole numbers, and divides by their unit; *sd is that of the noise afterwards. */
static lk_status add_noise(lk_context *ctx, lki_noise *noise, double sensitivity, double rho, double unit, double *values, int64_t count, int64_t stride,
                           double *sd)
{
    const int64_t sigma = lki_privacy_sigma(sensitivity, rho);
    if (sigma == 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "epsilon is too small for so many projections: their noise would leave the whole numbers; take fewer, or a "
                        "greater epsilon");
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t z;
        LKI_TRY(lki_noise_normal(ctx, noise, sigma, &z));
        values[i * stride] = (values[i * stride] + (double)z) / unit;
    }
    *sd = (double)sigma / unit;
    return LK_OK;
}

/* An error of a node at level l counts by its distance, which halves from level to level: shares of the budget as 2^(-2 l / 3) make the sum of the variances
 * least. Half of a level's share is for counts, half for offsets. */
static lk_status add_tree_noise(lk_context *ctx, lki_noise *noise, lki_private *p, double rho)
{
    double total = 0.0;
    for (int level = 1; level <= LKI_PRIVATE_LEVELS; level++) {
        total += exp2(-2.0 * level / 3.0);
    }
    for (int64_t i = 0; i < p->projections; i++) {
        for (int level = 1; level <= LKI_PRIVATE_LEVELS; level++) {
            const double share = 0.5 * rho / (double)p->projections * exp2(-2.0 * level / 3.0) / total;
            const double most = (double)((1 << (LKI_PRIVATE_LEVELS - level)) - 1);
            double *nodes = p->values + i * p->length + 2 * ((1 << level) - 2), *sds = p->sds + 2 * (level - 1);
            LKI_TRY(add_noise(ctx, noise, UNIT, share, UNIT, nodes, 1 << level, 2, &sds[0]));
            if (most > 0.0) { /* a leaf has no offsets */
                LKI_TRY(add_noise(ctx, noise, UNIT * most, share, UNIT, nodes + 1, 1 << level, 2, &sds[1]));
            }
        }
    }
    return LK_OK;
}

static lk_status protect(lk_context *ctx, const lki_fit_task *task, lki_private *p)
{
    lki_noise noise;
    lki_noise_open(&noise, p->insecure, task->seed);
    LKI_TRY(add_noise(ctx, &noise, UNIT, COUNT_SHARE * p->rho, UNIT, &p->count, 1, 1, &p->count_sd));
    const double rho = (1.0 - COUNT_SHARE) * p->rho;
    if (lki_private_is_distance(p)) {
        return add_tree_noise(ctx, &noise, p, rho);
    }
    /* |(cos, sin) of all frequencies| = sqrt(projections), and rounding adds at most 1/2 to each number. */
    const double sensitivity = FINE * sqrt((double)p->projections) + 0.5 * sqrt(2.0 * (double)p->projections);
    return add_noise(ctx, &noise, sensitivity, rho, FINE, p->values, p->projections * p->length, 1, &p->sds[0]);
}

static lk_status private_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    static const char *const kinds[] = {"gaussian", "laplace", "cauchy", "l1", "l2"};
    const char *of = lki_value_text(task->values, "of");
    const int64_t d = task->data->d;
    int kind = 0;
    while (strcmp(kinds[kind], of) != 0) {
        kind++;
    }
    const bool distance = kind >= LKI_PRIVATE_L1;
    const int64_t projections = kind == LKI_PRIVATE_L1                            ? d
                                : lki_value_is_set(task->values, "projections") ? lki_value_integer(task->values, "projections")
                                : distance                                         ? DIRECTIONS
                                                                                   : FREQUENCIES;
    lki_private *p = NULL;
    lk_status status = LK_OK;
    if (lki_value_is_set(task->values, distance ? "bandwidth" : "bounds")) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, distance ? "a distance has no bandwidth: it wants bounds" : "a kernel has no bounds: it wants a bandwidth");
    }
    LKI_TRY(lki_private_new(ctx, (lki_private_kind)kind, d, projections, &p));
    p->epsilon = lki_value_real(task->values, "epsilon");
    p->delta = lki_value_real(task->values, "delta");
    p->rho = lki_privacy_rho(p->epsilon, p->delta);
    p->insecure = lki_value_flag(task->values, "insecure_test");
    if (distance) {
        LKI_GOTO(status, done, draw_directions(ctx, lki_value_text(task->values, "bounds"), task->names, p));
    } else {
        LKI_GOTO(status, done, read_bandwidth(ctx, lki_value_text(task->values, "bandwidth"), p));
        draw_frequencies(p);
    }
    LKI_GOTO(status, done, add_rows(ctx, task, p));
    LKI_GOTO(status, done, protect(ctx, task, p));
    report->n = p->count;
    report->log_likelihood = report->free_parameters = report->entropy = (double)NAN;
    report->iterations = report->converged = -1;
    if (p->insecure) {
        snprintf(report->degenerate, sizeof report->degenerate, "the noise comes from a seed: nothing is private");
    }
    *state = p;
    p = NULL;
done:
    if (p != NULL) {
        lki_private_free(&p->memory, p);
    }
    return status;
}

LKI_METHOD(private, 15) = {
    .public = {.name = "private",
               .summary = "Similarity to private data: noisy sums of kernels or distances, under differential privacy",
               .citation = "Backurs, Lin, Mahabadi, Silwal and Tarnawski 2024, ICLR",
               .parameters = parameters,
               .parameter_count = sizeof parameters / sizeof parameters[0],
               .roles = "features",
               .operations = LK_OPERATION_LOG_DENSITY},
    .operations = &lki_private_operations,
    .guarded = true,
    .fit = private_fit,
};

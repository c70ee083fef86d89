/* What a kernel density tells about some features given others: its points, weighed by how near they are in those that are given
 * (Nadaraya 1964, Watson 1964), and moved along local lines where these are asked for (Fan 1992). */
#include "kde.h"
#include "math/cholesky.h"
#include "math/elementary.h"

#include <math.h>
#include <string.h>

/* Added to the local covariance of the given features in units of their bandwidths, so that equal points have the slope 0. */
#define RIDGE 1e-10

typedef struct conditional {
    const lki_kde *kde;
    int64_t given_count, wanted_count;
    const int64_t *given, *wanted; /* copies, behind the numbers */
    double *near;                  /* given_count x n: the points over their bandwidths, or times the inverse factor of the given features' matrix */
    double *inverse;               /* G x G: that factor; owns */
    double *slope, *root, *part;   /* with a matrix H: M x G, H_wg inverse(H_gg); M x M, the factor of the wanted features' covariance given the others; and this */
    double *log_weights;           /* n */
} conditional;

static void conditional_free(const lki_memory *memory, void *state)
{
    conditional *c = state;
    if (c != NULL) {
        lki_memory_release(memory, c->near);
        lki_memory_release(memory, c->inverse);
        lki_memory_release(memory, c->slope);
        lki_memory_release(memory, (void *)c->given);
        lki_memory_release(memory, c);
    }
}

static int64_t conditional_terms(const void *state)
{
    return ((const lki_kde *)state)->n;
}

/* Of a normal kernel with covariance H the law of the wanted features given the others: slope H_wg inverse(H_gg), covariance H_ww - slope H_gw. */
static lk_status split_matrix(lk_context *ctx, conditional *c)
{
    const double *H = c->kde->matrix;
    const int64_t d = c->kde->d, G = c->given_count, M = c->wanted_count;
    double *gg = NULL, *inverse = NULL, *root, ignored;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)(M * G + 2 * M * M), sizeof(double), &c->slope));
    c->root = c->slope + M * G;
    c->part = c->root + M * M;
    LKI_TRY(lki_allocate(ctx, (size_t)(G * G + 1), sizeof *gg, &gg));
    for (int64_t a = 0; a < G; a++) {
        for (int64_t b = 0; b < G; b++) {
            gg[a * G + b] = H[c->given[a] * d + c->given[b]];
        }
    }
    LKI_GOTO(status, done, G > 0 ? lki_kde_factor(ctx, gg, G, &c->inverse, &root, &ignored) : LK_OK);
    for (int64_t m = 0; m < M; m++) { /* slope' = inverse(H_gg) H_gw = W'W H_gw */
        double *slope = c->slope + m * G;
        memset(slope, 0, (size_t)G * sizeof *slope);
        for (int64_t r = 0; r < G; r++) {
            double sum = 0.0;
            for (int64_t b = 0; b <= r; b++) {
                sum += c->inverse[r * G + b] * H[c->given[b] * d + c->wanted[m]];
            }
            for (int64_t b = 0; b <= r; b++) {
                slope[b] += c->inverse[r * G + b] * sum;
            }
        }
    }
    for (int64_t a = 0; a < M; a++) {
        for (int64_t b = 0; b <= a; b++) {
            double sum = H[c->wanted[a] * d + c->wanted[b]];
            for (int64_t g = 0; g < G; g++) {
                sum -= c->slope[a * G + g] * H[c->given[g] * d + c->wanted[b]];
            }
            c->part[a * M + b] = c->part[b * M + a] = sum;
        }
    }
    LKI_GOTO(status, done, lki_kde_factor(ctx, c->part, M, &inverse, &root, &ignored));
    memcpy(c->root, root, (size_t)(M * M) * sizeof *root);
done:
    lki_release(ctx, inverse);
    lki_release(ctx, gg);
    return status;
}

/* A given value over its bandwidth, or times the inverse factor. */
static double given_at(const conditional *c, const double *values, int64_t g)
{
    double sum = 0.0;
    if (c->inverse == NULL) {
        return values[g] / c->kde->bandwidth[c->given[g]];
    }
    for (int64_t b = 0; b <= g; b++) {
        sum += c->inverse[g * c->given_count + b] * values[b];
    }
    return sum;
}

static lk_status conditional_make(lk_context *ctx, const lki_kde *k, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                  int64_t wanted_count, conditional **out)
{
    const lki_memory memory = lki_memory_of(ctx);
    const size_t n = (size_t)k->n;
    conditional *c;
    int64_t *features = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *c, &c));
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)(given_count + wanted_count), sizeof *features, &features));
    c->given = features;
    c->wanted = features + given_count;
    c->kde = k;
    c->given_count = given_count;
    c->wanted_count = wanted_count;
    memcpy(features, given, (size_t)given_count * sizeof *features);
    memcpy(features + given_count, wanted, (size_t)wanted_count * sizeof *features);
    LKI_GOTO(status, failed, k->matrix != NULL ? split_matrix(ctx, c) : LK_OK);
    LKI_GOTO(status, failed, lki_allocate(ctx, lki_product((size_t)given_count + 1, n), sizeof(double), &c->near));
    c->log_weights = c->near + (size_t)given_count * n;
    for (int64_t i = 0; i < k->n; i++) {
        c->log_weights[i] = log(k->weights[i]);
        for (int64_t g = 0; g < given_count; g++) {
            double sum = c->inverse == NULL ? k->points[i * k->d + given[g]] / k->bandwidth[given[g]] : 0.0;
            for (int64_t b = 0; b <= g && c->inverse != NULL; b++) {
                sum += c->inverse[g * given_count + b] * k->points[i * k->d + given[b]];
            }
            c->near[g * k->n + i] = sum;
        }
    }
    *out = c;
    return LK_OK;
failed:
    conditional_free(&memory, c);
    return status;
}

/* Adds the logarithm of the kernel of a given feature with its images to each point's. */
static void add_reflected(const conditional *c, int64_t g, double value, double *weights)
{
    const lki_kde *k = c->kde;
    const int64_t j = c->given[g];
    double image[LKI_KDE_IMAGES], logs[LKI_KDE_IMAGES];
    for (int64_t i = 0; i < k->n; i++) {
        const int64_t images = lki_kde_images(k, j, k->points[i * k->d + j], image);
        double most = -(double)INFINITY, sum = 0.0;
        for (int64_t m = 0; m < images; m++) {
            const double u = (value - image[m]) / k->bandwidth[j];
            logs[m] = lki_kernel_reference(k->law->kernel, k->law->kernel == LKI_KERNEL_laplace ? fabs(u) : u * u, 0.0, 0.0).log;
            most = fmax(most, logs[m]);
        }
        for (int64_t m = 0; m < images && isfinite(most); m++) {
            sum += exp(logs[m] - most);
        }
        weights[i] += isfinite(most) ? most + log(sum) : -(double)INFINITY;
    }
}

/* Weights of the points given the values; false where every one of them is 0, as far from a compact kernel's points. Where squares
 * overflow, all weight goes to the point whose greatest distance is the least. */
static bool weigh(const conditional *c, const double *values, double *weights)
{
    const lki_kde *k = c->kde;
    double most = -(double)INFINITY, total = 0.0;
    memcpy(weights, c->log_weights, (size_t)k->n * sizeof *weights);
    for (int64_t g = 0; g < c->given_count; g++) {
        const double x = given_at(c, values, g), *near = c->near + g * k->n;
        if (k->low != NULL && (isfinite(k->low[c->given[g]]) || isfinite(k->high[c->given[g]]))) {
            if (values[g] < k->low[c->given[g]] || values[g] > k->high[c->given[g]]) {
                memset(weights, 0, (size_t)k->n * sizeof *weights);
                return false;
            }
            add_reflected(c, g, values[g], weights);
            continue;
        }
        for (int64_t i = 0; i < k->n; i++) { /* hot */
            const double u = x - near[i];
            weights[i] += k->law->kernel == LKI_KERNEL_gaussian ? -0.5 * (u * u)
                          : k->law->kernel == LKI_KERNEL_laplace ? -fabs(u)
                                                                 : lki_kernel_reference(k->law->kernel, u * u, 0.0, 0.0).log;
        }
    }
    for (int64_t i = 0; i < k->n; i++) {
        most = fmax(most, weights[i]);
    }
    if (!isfinite(most)) {
        int64_t nearest = 0;
        double least = (double)INFINITY;
        for (int64_t i = 0; i < k->n; i++) {
            double farthest = 0.0;
            for (int64_t g = 0; g < c->given_count; g++) {
                farthest = fmax(farthest, fabs(given_at(c, values, g) - c->near[g * k->n + i]));
            }
            nearest = farthest < least ? i : nearest;
            least = fmin(least, farthest);
            weights[i] = 0.0;
        }
        weights[nearest] = 1.0;
        return isinf(k->law->reach);
    }
    for (int64_t i = 0; i < k->n; i++) {
        weights[i] -= most;
    }
    lki_vexp(k->n, weights, weights);
    for (int64_t i = 0; i < k->n; i++) {
        total += weights[i];
    }
    for (int64_t i = 0; i < k->n; i++) {
        weights[i] /= total;
    }
    return true;
}

/* How far slopes are to be believed, by the effective number of points 1 / sum p^2 that speak for them: not where these are no more than
 * the line's coefficients, fully from twice as many on. Beyond the data lines through two points would lead anywhere. */
static double belief(const conditional *c, const double *weights)
{
    const double coefficients = (double)c->given_count + 1.0;
    double squares = 0.0;
    for (int64_t i = 0; i < c->kde->n; i++) {
        squares += weights[i] * weights[i];
    }
    return fmin(1.0, fmax(0.0, 1.0 / squares / coefficients - 1.0));
}

/* Slopes of the wanted features by weighted least squares, in units of the given ones' bandwidths: given x wanted. work:
 * slopes_length() less those. */
static void local_slopes(const conditional *c, const double *weights, double *slopes, double *work)
{
    const lki_kde *k = c->kde;
    const int64_t G = c->given_count, M = c->wanted_count, n = k->n;
    double *S = work, *W = S + G * G, *scratch = W + G * G, *centre = scratch + 2 * G * G, *mean = centre + G, *right = mean + M;
    lki_spd spd;
    memset(S, 0, (size_t)(G * G) * sizeof *S);
    memset(right, 0, (size_t)(G * M) * sizeof *right);
    for (int64_t g = 0; g < G; g++) {
        centre[g] = 0.0;
        for (int64_t i = 0; i < n; i++) {
            centre[g] += weights[i] * c->near[g * n + i];
        }
    }
    for (int64_t m = 0; m < M; m++) {
        mean[m] = 0.0;
        for (int64_t i = 0; i < n; i++) {
            mean[m] += weights[i] * k->points[i * k->d + c->wanted[m]];
        }
    }
    for (int64_t g = 0; g < G; g++) {
        for (int64_t i = 0; i < n; i++) {
            const double u = weights[i] * (c->near[g * n + i] - centre[g]);
            for (int64_t b = 0; b < G; b++) {
                S[g * G + b] += u * (c->near[b * n + i] - centre[b]);
            }
            for (int64_t m = 0; m < M; m++) {
                right[g * M + m] += u * (k->points[i * k->d + c->wanted[m]] - mean[m]);
            }
        }
        S[g * G + g] += RIDGE;
    }
    memset(slopes, 0, (size_t)(G * M) * sizeof *slopes);
    if (lki_spd_factor(G, S, W, NULL, &spd, scratch) != 0) {
        return; /* the points in reach lie in a plane: no slope can be told */
    }
    for (int64_t m = 0; m < M; m++) { /* slopes = W'W right */
        for (int64_t r = 0; r < G; r++) {
            double sum = 0.0;
            for (int64_t b = 0; b <= r; b++) {
                sum += W[r * G + b] * right[b * M + m];
            }
            for (int64_t b = 0; b <= r; b++) {
                slopes[b * M + m] += W[r * G + b] * sum;
            }
        }
    }
}

static size_t slopes_length(const conditional *c)
{
    const size_t G = (size_t)c->given_count, M = (size_t)c->wanted_count;
    return 4 * G * G + G + M + 2 * G * M;
}

/* Where the points stand in the wanted features: n x wanted. work: slopes_length(). */
static void place(const conditional *c, const double *values, const double *weights, double *means, double *work)
{
    const lki_kde *k = c->kde;
    const int64_t G = c->given_count, M = c->wanted_count;
    double *slopes = work, trust;
    for (int64_t i = 0; i < k->n; i++) {
        for (int64_t m = 0; m < M; m++) {
            means[i * M + m] = k->points[i * k->d + c->wanted[m]];
        }
    }
    for (int64_t i = 0; i < k->n && c->inverse != NULL; i++) {
        for (int64_t m = 0; m < M; m++) {
            for (int64_t g = 0; g < G; g++) {
                means[i * M + m] += c->slope[m * G + g] * (values[g] - k->points[i * k->d + c->given[g]]);
            }
        }
    }
    trust = k->linear && G > 0 ? belief(c, weights) : 0.0;
    if (trust == 0.0) {
        return;
    }
    local_slopes(c, weights, slopes, work + G * M);
    for (int64_t g = 0; g < G; g++) {
        const double x = values[g] / k->bandwidth[c->given[g]];
        for (int64_t i = 0; i < k->n; i++) {
            for (int64_t m = 0; m < M; m++) {
                means[i * M + m] += trust * slopes[g * M + m] * (x - c->near[g * k->n + i]);
            }
        }
    }
}

static lk_status conditional_new(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                 int64_t wanted_count, void **out)
{
    const lki_kde *k = state;
    conditional *c;
    if (k->law->kernel != LKI_KERNEL_gaussian) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "predict and impute want a kernel density with kernel gaussian; this one has %s (condition and "
                        "sample --given take every kernel)", lki_kernels[k->law->kernel].name);
    }
    for (int64_t m = 0; m < wanted_count && k->low != NULL; m++) {
        if (isfinite(k->low[wanted[m]]) || isfinite(k->high[wanted[m]])) {
            return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "predict and impute want features without bounds, whose law is a mixture of normal ones, and feature %lld has "
                            "bounds (condition and sample --given take them)", (long long)wanted[m] + 1);
        }
    }
    LKI_TRY(conditional_make(ctx, k, given, given_count, wanted, wanted_count, &c));
    *out = c;
    return LK_OK;
}

static lk_status conditional_laws(lk_context *ctx, const void *state, const double *values, int64_t rows, double *weights, double *means,
                                  double *sds)
{
    const conditional *c = state;
    const lki_kde *k = c->kde;
    const int64_t M = c->wanted_count;
    double *work;
    LKI_TRY(lki_allocate(ctx, slopes_length(c) + 1, sizeof *work, &work));
    for (int64_t i = 0; i < rows; i++) {
        if (!weigh(c, values + i * c->given_count, weights + i * k->n)) { /* a normal kernel has weight everywhere, but beyond ends */
            for (int64_t p = 0; p < k->n; p++) {
                weights[i * k->n + p] = (double)NAN;
            }
        }
        place(c, values + i * c->given_count, weights + i * k->n, means + i * k->n * M, work);
    }
    for (int64_t i = 0; i < k->n * M && sds != NULL; i++) {
        sds[i] = c->slope != NULL ? sqrt(c->part[i % M * (M + 1)]) : k->bandwidth[c->wanted[i % M]];
    }
    lki_release(ctx, work);
    return LK_OK;
}

static lk_status conditional_draw(lk_context *ctx, const void *state, const double *values, int64_t rows, uint64_t seed,
                                  const int64_t *numbers, int64_t count, double *draws)
{
    const conditional *c = state;
    const lki_kde *k = c->kde;
    const int64_t M = c->wanted_count;
    double *weights = NULL, *means = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->n, sizeof *weights, &weights));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)k->n, (size_t)M), sizeof *means, &means));
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_IMPUTE, (uint64_t)numbers[i]);
        LKI_GOTO(status, done, conditional_laws(ctx, c, values + i * c->given_count, 1, weights, means, NULL));
        for (int64_t p = 1; p < k->n; p++) {
            weights[p] += weights[p - 1];
        }
        for (int64_t m = 0; m < count; m++) {
            const double *mean = means + lki_random_categorical(&s, weights, k->n) * M;
            double *draw = draws + (i * count + m) * M;
            for (int64_t t = 0; t < M; t++) {
                draw[t] = lki_kernel_law_draw(k->law, &s);
            }
            for (int64_t t = M - 1; t >= 0; t--) { /* the last first: it needs those before it as they were drawn */
                double moved = c->slope == NULL ? k->bandwidth[c->wanted[t]] * draw[t] : 0.0;
                for (int64_t b = 0; b <= t && c->slope != NULL; b++) {
                    moved += c->root[t * M + b] * draw[b];
                }
                draw[t] = mean[t] + moved;
            }
        }
    }
done:
    lki_release(ctx, weights);
    lki_release(ctx, means);
    return status;
}

const lki_conditional_operations lki_kde_conditional = {
    .terms = conditional_terms,
    .new = conditional_new,
    .laws = conditional_laws,
    .draw = conditional_draw,
    .free = conditional_free,
};

lk_status lki_kde_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count, void **out)
{
    const lki_kde *k = state;
    const lki_memory memory = lki_memory_of(ctx);
    const int64_t M = k->d - count;
    conditional *c = NULL;
    int64_t *wanted = NULL, at = 0;
    double *weights = NULL, *means = NULL, *bandwidth = NULL, *work = NULL;
    lki_kde *part;
    lki_kde_shape shape = lki_kde_shape_of(k);
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->d, sizeof *wanted, &wanted));
    for (int64_t j = 0; j < k->d; j++) {
        int64_t i = 0;
        while (i < count && given[i] != j) {
            i++;
        }
        if (i == count) {
            wanted[at++] = j;
        }
    }
    LKI_GOTO(status, done, conditional_make(ctx, k, given, count, wanted, M, &c));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->n, sizeof *weights, &weights));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)k->n, (size_t)M), sizeof *means, &means));
    LKI_GOTO(status, done, lki_allocate(ctx, 3 * (size_t)M, sizeof *bandwidth, &bandwidth));
    LKI_GOTO(status, done, lki_allocate(ctx, slopes_length(c) + 1, sizeof *work, &work));
    if (!weigh(c, values, weights)) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "the values given are outside the support: no point of the kernel density is within reach "
                          "of them");
        goto done;
    }
    place(c, values, weights, means, work);
    for (int64_t m = 0; m < M; m++) {
        bandwidth[m] = k->bandwidth[wanted[m]];
        bandwidth[M + m] = k->low != NULL ? k->low[wanted[m]] : 0.0;
        bandwidth[2 * M + m] = k->low != NULL ? k->high[wanted[m]] : 0.0;
    }
    shape.bandwidth = bandwidth;
    shape.low = k->low != NULL ? bandwidth + M : NULL;
    shape.high = bandwidth + 2 * M;
    shape.matrix = c->slope != NULL ? c->part : NULL;
    for (int64_t i = 0; i < k->n * M && k->low != NULL; i++) { /* moved along local lines, points stay in their range */
        means[i] = lki_kde_fold(&(lki_kde){.low = bandwidth + M, .high = bandwidth + 2 * M}, i % M, means[i]);
    }
    LKI_GOTO(status, done, lki_kde_new(ctx, &shape, means, weights, k->n, M, &part));
    *out = part;
done:
    conditional_free(&memory, c);
    lki_release(ctx, wanted);
    lki_release(ctx, weights);
    lki_release(ctx, means);
    lki_release(ctx, bandwidth);
    lki_release(ctx, work);
    return status;
}

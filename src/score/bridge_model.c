/* A light Schroedinger bridge as a model: what it tells of x1 given x0, the law of x1 once x0 is given, the model file. */
#include "score/bridge.h"

#include "core/philox.h"
#include "data/json_text.h"
#include "math/cholesky.h"
#include "math/elementary.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

/* ---- the state ---- */

lk_status lki_bridge_new(lk_context *ctx, int64_t K, int64_t m, int64_t sources, lki_bridge **out)
{
    lki_bridge *b;
    const size_t square = lki_product((size_t)m, (size_t)m), each = lki_product((size_t)K, 2 + (size_t)m);
    const size_t doubles = lki_product((size_t)K, lki_product(3, square));
    if (doubles > SIZE_MAX / 4 || each > SIZE_MAX / 4) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "%lld components over %lld features are too large", (long long)K, (long long)m);
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *b, &b));
    double *values;
    lk_status status = lki_zeros(ctx, 1 + 2 * (size_t)m + each + doubles, sizeof *values, &values);
    if (status != LK_OK) {
        lki_release(ctx, b);
        return status;
    }
    *b = (lki_bridge){.K = K, .m = m, .sources = sources, .epsilon = values, .memory = lki_memory_of(ctx)};
    b->from = values + 1;
    b->to = b->from + m;
    b->weights = b->to + m;
    b->log_det = b->weights + K;
    b->r = b->log_det + K;
    b->S = b->r + K * m;
    b->W = b->S + K * m * m;
    b->L = b->W + K * m * m;
    *out = b;
    return LK_OK;
}

void lki_bridge_free(const lki_memory *memory, void *state)
{
    lki_bridge *b = state;
    if (b != NULL) {
        lki_memory_release(memory, b->epsilon);
        lki_memory_release(memory, b);
    }
}

int64_t lki_bridge_factor(lki_bridge *b, double *work)
{
    for (int64_t k = 0; k < b->K; k++) {
        const int64_t at = k * b->m * b->m;
        lki_spd spd;
        if (lki_spd_factor(b->m, b->S + at, b->W + at, b->L + at, &spd, work) != 0 || !isfinite(spd.log_determinant)) {
            return k;
        }
        b->log_det[k] = spd.log_determinant;
    }
    return -1;
}

double lki_bridge_weights(const lki_bridge *b, const double *x0, double *log_weights)
{
    const int64_t m = b->m;
    for (int64_t k = 0; k < b->K; k++) {
        const double *S = b->S + k * m * m, *r = b->r + k * m;
        double sum = 0.0;
        for (int64_t i = 0; i < m && x0 != NULL; i++) {
            double s = 2.0 * r[i];
            for (int64_t j = 0; j < m; j++) {
                s += S[i * m + j] * x0[j];
            }
            sum += s * x0[i];
        }
        log_weights[k] = log(b->weights[k]) + sum / (2.0 * b->epsilon[0]);
    }
    const double log_c = lki_log_sum_exp(b->K, log_weights);
    for (int64_t k = 0; k < b->K; k++) {
        log_weights[k] -= log_c;
    }
    return log_c;
}

double lki_bridge_potential(const lki_bridge *b, const double *y, double *terms, double *work)
{
    const int64_t m = b->m;
    const double constant = -0.5 * (double)m * (LKI_LOG_2PI + log(b->epsilon[0]));
    for (int64_t k = 0; k < b->K; k++) {
        const double *W = b->W + k * m * m, *r = b->r + k * m;
        double square = 0.0;
        for (int64_t i = 0; i < m; i++) {
            double s = 0.0;
            work[i] = y[i] - r[i];
            for (int64_t j = 0; j <= i; j++) {
                s += W[i * m + j] * work[j];
            }
            square += s * s;
        }
        terms[k] = log(b->weights[k]) + constant - 0.5 * (b->log_det[k] + square / b->epsilon[0]);
    }
    return lki_log_sum_exp(b->K, terms);
}

/* ---- x1 given x0 ---- */

typedef struct conditional {
    const lki_bridge *b;
    int64_t given, wanted_count;
    int64_t *place;  /* sources: where each stands among the given */
    int64_t *wanted; /* which features of x1 */
} conditional;

static int64_t conditional_terms(const void *state)
{
    return ((const lki_bridge *)state)->K;
}

static void conditional_free(const lki_memory *memory, void *state)
{
    conditional *c = state;
    if (c != NULL) {
        lki_memory_release(memory, c->place);
        lki_memory_release(memory, c);
    }
}

/* The given must be the source, whole; or nothing where there is none. Rows that lack a source have no answer: all means are NaN. */
static lk_status conditional_new(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                 int64_t wanted_count, void **out)
{
    const lki_bridge *b = state;
    conditional *c;
    for (int64_t j = 0; j < wanted_count; j++) {
        if (wanted[j] < b->sources && given_count >= b->sources) {
            return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a bridge tells its target, features %lld to %lld, from its source, features 1 to %lld; "
                            "it does not tell feature %lld", (long long)b->sources + 1, (long long)(b->sources + b->m),
                            (long long)b->sources, (long long)wanted[j] + 1);
        }
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *c, &c));
    lk_status status = lki_allocate(ctx, (size_t)(b->sources + wanted_count), sizeof *c->place, &c->place);
    if (status != LK_OK) {
        lki_release(ctx, c);
        return status;
    }
    *c = (conditional){.b = b, .given = given_count, .wanted_count = wanted_count, .place = c->place, .wanted = c->place + b->sources};
    int64_t found = 0;
    for (int64_t j = 0; j < given_count; j++) {
        if (given[j] < b->sources) {
            c->place[given[j]] = j;
            found++;
        }
    }
    for (int64_t j = 0; j < wanted_count; j++) {
        c->wanted[j] = wanted[j] - b->sources;
    }
    if (found == b->sources && given_count > found) {
        lki_memory memory = lki_memory_of(ctx);
        conditional_free(&memory, c);
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a bridge tells its target from the source alone: leave the values of other target features out");
    }
    c->given = found == b->sources ? given_count : -1 - given_count;
    *out = c;
    return LK_OK;
}

static int64_t stride_of(const conditional *c)
{
    return c->given < 0 ? -1 - c->given : c->given;
}

/* Logarithms of the weights, and means of the wanted features (K x wanted), at one row. x0: m of scratch. */
static void conditional_row(const conditional *c, const double *values, double *x0, double *log_weights, double *means)
{
    const lki_bridge *b = c->b;
    const int64_t m = b->m;
    for (int64_t j = 0; j < m; j++) {
        x0[j] = b->sources > 0 && c->given >= 0 ? values[c->place[j]] - b->from[j] : 0.0;
    }
    lki_bridge_weights(b, b->sources > 0 ? x0 : NULL, log_weights);
    for (int64_t k = 0; k < b->K; k++) {
        for (int64_t t = 0; t < c->wanted_count; t++) {
            const int64_t i = c->wanted[t];
            double s = 0.0;
            for (int64_t j = 0; j < m && b->sources > 0 && i >= 0; j++) {
                s += b->S[(k * m + i) * m + j] * x0[j];
            }
            means[k * c->wanted_count + t] = c->given < 0 || i < 0 ? (double)NAN : b->to[i] + b->r[k * m + i] + s;
        }
    }
}

static lk_status conditional_laws(lk_context *ctx, const void *state, const double *values, int64_t rows, double *weights, double *means,
                                  double *sds)
{
    const conditional *c = state;
    const lki_bridge *b = c->b;
    const int64_t K = b->K, n = c->wanted_count;
    double *x0;
    LKI_TRY(lki_allocate(ctx, (size_t)b->m, sizeof *x0, &x0));
    for (int64_t i = 0; i < rows; i++) {
        conditional_row(c, values + i * stride_of(c), x0, weights + i * K, means + i * K * n);
        for (int64_t k = 0; k < K; k++) {
            weights[i * K + k] = exp(weights[i * K + k]);
        }
    }
    for (int64_t e = 0; e < K * n; e++) {
        const int64_t k = e / n, j = c->wanted[e % n];
        sds[e] = c->given < 0 || j < 0 ? (double)NAN : sqrt(b->epsilon[0] * b->S[(k * b->m + j) * b->m + j]);
    }
    lki_release(ctx, x0);
    return LK_OK;
}

/* x1 of component k about its mean: sqrt(epsilon) L z. z: m standard normals, by the stream; out: m. */
static void spread(const lki_bridge *b, int64_t k, lki_stream *s, double *z, double *out)
{
    const int64_t m = b->m;
    const double root = sqrt(b->epsilon[0]);
    for (int64_t j = 0; j < m; j++) {
        z[j] = lki_random_normal(s);
    }
    for (int64_t i = 0; i < m; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j <= i; j++) {
            sum += b->L[(k * m + i) * m + j] * z[j];
        }
        out[i] = root * sum;
    }
}

/* A component by the logarithms of the weights, which sum to 1. */
static int64_t choose(const double *log_weights, int64_t K, lki_stream *s)
{
    double at = lki_random_uniform(s);
    int64_t k = 0;
    while (k < K - 1 && (at -= exp(log_weights[k])) > 0.0) {
        k++;
    }
    return k;
}

static lk_status conditional_draw(lk_context *ctx, const void *state, const double *values, int64_t rows, uint64_t seed,
                                  const int64_t *numbers, int64_t count, double *draws)
{
    const conditional *c = state;
    const lki_bridge *b = c->b;
    const int64_t K = b->K, m = b->m, n = c->wanted_count;
    double *work;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, (size_t)n + 1) + 3 * (size_t)m, sizeof *work, &work));
    double *weights = work, *means = weights + K, *x0 = means + K * n, *z = x0 + m, *y = z + m;
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_IMPUTE, (uint64_t)numbers[i]);
        conditional_row(c, values + i * stride_of(c), x0, weights, means);
        for (int64_t a = 0; a < count; a++) {
            const int64_t k = choose(weights, K, &s);
            spread(b, k, &s, z, y);
            for (int64_t t = 0; t < n; t++) {
                draws[(i * count + a) * n + t] = means[k * n + t] + (c->wanted[t] >= 0 ? y[c->wanted[t]] : 0.0);
            }
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

static const lki_conditional_operations bridge_conditional = {
    .terms = conditional_terms, .new = conditional_new, .laws = conditional_laws, .draw = conditional_draw, .free = conditional_free,
};

/* The law of x1 at a given x0: the same components with other weights, at other places. */
static lk_status bridge_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count, void **out)
{
    const lki_bridge *b = state;
    const int64_t m = b->m, K = b->K;
    lki_bridge *part = NULL;
    void *c = NULL;
    double *work = NULL;
    int64_t *wanted = NULL;
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    bool whole = count == b->sources && b->sources > 0;
    for (int64_t j = 0; whole && j < count; j++) {
        whole = given[j] < b->sources;
    }
    if (!whole) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a bridge is conditioned on its whole source, the first %lld features, and on nothing else",
                        (long long)b->sources);
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)m, sizeof *wanted, &wanted));
    for (int64_t j = 0; j < m; j++) {
        wanted[j] = b->sources + j;
    }
    LKI_GOTO(status, done, conditional_new(ctx, b, given, count, wanted, m, &c));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)K, (size_t)m + 1) + (size_t)m + 2 * (size_t)(m * m), sizeof *work, &work));
    LKI_GOTO(status, done, lki_bridge_new(ctx, K, m, 0, &part));
    double *means = work + K, *x0 = means + K * m;
    conditional_row(c, values, x0, work, means);
    part->epsilon[0] = b->epsilon[0];
    for (int64_t k = 0; k < K; k++) {
        part->weights[k] = exp(work[k]);
    }
    memcpy(part->r, means, (size_t)(K * m) * sizeof *means);
    memcpy(part->S, b->S, (size_t)(K * m * m) * sizeof *means);
    lki_bridge_factor(part, x0 + m);
    *out = part;
    part = NULL;
done:
    lki_release(ctx, wanted);
    conditional_free(&memory, c);
    lki_release(ctx, work);
    lki_bridge_free(&memory, part);
    return status;
}

/* ---- the law of x1 alone ---- */

static lk_status bridge_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const lki_bridge *b = state;
    double *work;
    if (b->sources > 0) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a bridge draws its target given its source: 'likely translate', or all of the source as given");
    }
    LKI_TRY(lki_allocate(ctx, (size_t)(b->K + b->m), sizeof *work, &work));
    lki_bridge_weights(b, NULL, work);
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        const int64_t k = choose(work, b->K, &s);
        spread(b, k, &s, work + b->K, out + i * b->m);
        for (int64_t j = 0; j < b->m; j++) {
            out[i * b->m + j] += b->to[j] + b->r[k * b->m + j];
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* ---- as normal distributions ---- */

static int64_t bridge_normals(const void *state)
{
    const lki_bridge *b = state;
    return b->sources > 0 ? 0 : b->K;
}

static void bridge_normal(const void *state, int64_t k, double *weight, double *mean, double *covariance)
{
    const lki_bridge *b = state;
    *weight = b->weights[k];
    for (int64_t j = 0; j < b->m; j++) {
        mean[j] = b->to[j] + b->r[k * b->m + j];
    }
    for (int64_t j = 0; j < b->m * b->m; j++) {
        covariance[j] = b->epsilon[0] * b->S[k * b->m * b->m + j];
    }
}

/* ---- the model file and info ---- */

static lk_status bridge_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_bridge *b = state;
    LKI_TRY(lki_json_set(ctx, info, "epsilon", lki_json_number(b->epsilon[0])));
    LKI_TRY(lki_json_set(ctx, info, "sources", json_integer((json_int_t)b->sources)));
    return lki_json_set(ctx, info, "weights", lki_json_numbers(b->weights, b->K));
}

static lk_status bridge_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_bridge *b = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "epsilon", .rank = 1, .shape = {1}, .values = b->epsilon};
    tensors[1] = (lki_tensor){.name = "from", .rank = 1, .shape = {b->m}, .values = b->from};
    tensors[2] = (lki_tensor){.name = "matrices", .rank = 3, .shape = {b->K, b->m, b->m}, .values = b->S};
    tensors[3] = (lki_tensor){.name = "places", .rank = 2, .shape = {b->K, b->m}, .values = b->r};
    tensors[4] = (lki_tensor){.name = "to", .rank = 1, .shape = {b->m}, .values = b->to};
    tensors[5] = (lki_tensor){.name = "weights", .rank = 1, .shape = {b->K}, .values = b->weights};
    *count = 6;
    return LK_OK;
}

static lk_status check_state(lk_context *ctx, lki_bridge *b)
{
    double sum = 0.0, *work;
    const int64_t m = b->m;
    for (int64_t k = 0; k < b->K; k++) {
        sum += b->weights[k];
        if (!(b->weights[k] >= 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "weight %lld is below 0", (long long)k + 1);
        }
        for (int64_t i = 0; i < m * m; i++) {
            if (b->S[k * m * m + i] != b->S[k * m * m + i % m * m + i / m]) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "matrix %lld is not symmetric", (long long)k + 1);
            }
        }
    }
    if (!(fabs(sum - 1.0) <= 1e-6) || !(b->epsilon[0] > 0.0)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the weights must sum to 1 and epsilon be above 0; they are %g and %g", sum, b->epsilon[0]);
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)m, 2 * (size_t)m), sizeof *work, &work));
    const int64_t bad = lki_bridge_factor(b, work);
    lki_release(ctx, work);
    return bad < 0 ? LK_OK : lki_fail(ctx, LK_ERROR_FORMAT, "matrix %lld is not positive definite", (long long)bad + 1);
}

static lk_status bridge_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    static const char *const names[] = {"epsilon", "from", "matrices", "places", "to", "weights"};
    const int64_t m = count == 6 && tensors[1].rank == 1 ? tensors[1].shape[0] : 0, K = count == 6 ? tensors[5].shape[0] : 0;
    const int ranks[] = {1, 1, 3, 2, 1, 1};
    const int64_t shapes[6][3] = {{1}, {m}, {K, m, m}, {K, m}, {m}, {K}};
    lki_bridge *b;
    bool right = count == 6 && m > 0 && K > 0 && (d == m || d == 2 * m);
    (void)values;
    for (int i = 0; right && i < 6; i++) {
        right = strcmp(tensors[i].name, names[i]) == 0 && tensors[i].rank == ranks[i];
        for (int r = 0; right && r < ranks[i]; r++) {
            right = tensors[i].shape[r] == shapes[i][r];
        }
    }
    if (!right) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be the tensors epsilon (1), from and to (m), matrices (K x m x m), places (K x m) and "
                        "weights (K), where the %lld features are m or 2 m", (long long)d);
    }
    LKI_TRY(lki_bridge_new(ctx, K, m, d - m, &b));
    double *const places[] = {b->epsilon, b->from, b->S, b->r, b->to, b->weights};
    const int64_t lengths[] = {1, m, K * m * m, K * m, m, K};
    for (int i = 0; i < 6; i++) {
        memcpy(places[i], tensors[i].values, (size_t)lengths[i] * sizeof(double));
    }
    lk_status status = check_state(ctx, b);
    if (status != LK_OK) {
        lki_memory memory = lki_memory_of(ctx);
        lki_bridge_free(&memory, b);
        return status;
    }
    *out = b;
    return LK_OK;
}

const lki_operations lki_bridge_operations = {
    .sample = bridge_sample, .condition = bridge_condition, .conditional = &bridge_conditional, .normals = bridge_normals,
    .normal = bridge_normal, .info = bridge_info, .save = bridge_save, .load = bridge_load, .free = lki_bridge_free,
};

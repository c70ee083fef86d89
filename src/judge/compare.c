/* How far apart two models are: divergences by Monte Carlo, and closed forms where both are mixtures of normal distributions. */
#include "core/philox.h"
#include "data/text_builder.h"
#include "judge/normals.h"
#include "math/blas.h"
#include "math/transport.h"
#include "model/pooled.h"
#include <likely/judge.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { DEFAULT_DRAWS = 100000 };

/* ---- features ---- */

static lk_status feature_fail(lk_context *ctx, const lk_model *without, const char *feature, const char *which)
{
    enum { MOST = 20 };
    lki_builder list = {0};
    lk_status status = lki_builder_add(ctx, &list, "");
    for (int64_t j = 0; j < without->d && j < MOST && status == LK_OK; j++) {
        status = lki_builder_add_item(ctx, &list, without->names[j]);
    }
    if (status == LK_OK) {
        status = lki_fail(ctx, LK_ERROR_DATA, "models can be compared over the same features: \"%s\" of the %s model is not among those of "
                                              "the other, %.500s%s", feature, which, list.text, without->d > MOST ? ", ..." : "");
    }
    lki_release(ctx, list.text);
    return status;
}

static int64_t position(const lk_model *model, const char *name)
{
    for (int64_t j = 0; j < model->d; j++) {
        if (strcmp(model->names[j], name) == 0) {
            return j;
        }
    }
    return -1;
}

/* order[j] = b's position of a's feature j. */
static lk_status match_features(lk_context *ctx, const lk_model *a, const lk_model *b, int64_t *order)
{
    for (int64_t j = 0; j < a->d; j++) {
        int64_t at = position(b, a->names[j]);
        if (at < 0) {
            return feature_fail(ctx, b, a->names[j], "first");
        }
        order[j] = at;
    }
    for (int64_t j = 0; j < b->d; j++) {
        if (position(a, b->names[j]) < 0) {
            return feature_fail(ctx, a, b->names[j], "second");
        }
    }
    return LK_OK;
}

/* ---- Monte Carlo ---- */

/* Sums: moments of log p(x) - log q(x), of the Jensen-Shannon term, and how many draws of p have no density under q. */
enum { RATIO, MIDDLE = LKI_POOLED, NOWHERE = 2 * LKI_POOLED, SUMS };

typedef struct worker {
    lki_scratch from, to;
    double *x, *y, *p, *q; /* LKI_BLOCK_ROWS x d: draws, and these in the other model's order; then log densities */
} worker;

/* Draws of one model (from), asked of both. */
typedef struct estimation {
    const lk_model *model;
    lki_question from, to;
    const int64_t *place; /* position in `to` of each feature of `from` */
    uint64_t seed;
    int64_t draws;
    worker *workers;
} estimation;

static lk_status worker_reserve(lk_context *ctx, int64_t d, worker *w)
{
    if (w->x != NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, lki_product(LKI_BLOCK_ROWS, 2 * (size_t)d + 2), sizeof(double), &w->x));
    w->y = w->x + LKI_BLOCK_ROWS * d;
    w->p = w->y + LKI_BLOCK_ROWS * d;
    w->q = w->p + LKI_BLOCK_ROWS;
    return LK_OK;
}

/* log p / ((p + q) / 2) from the logarithm t of p / q. */
static double against_middle(double t)
{
    return t > 0.0 ? log(2.0) - log1p(exp(-t)) : t + log(2.0) - log1p(exp(t));
}

static lk_status estimate_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const estimation *e = state;
    worker *w = &e->workers[thread];
    int64_t d = e->model->d, first = index * LKI_BLOCK_ROWS, rows = e->draws - first, finite = 0, used = 0;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(worker_reserve(ctx, d, w));
    LKI_TRY(lki_model_draw_block(ctx, e->model, e->seed, first, rows, w->x));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < d; j++) {
            w->y[i * d + e->place[j]] = w->x[i * d + j];
        }
    }
    LKI_TRY(lki_question_block(ctx, &e->from, &w->from, w->x, rows, w->p));
    LKI_TRY(lki_question_block(ctx, &e->to, &w->to, w->y, rows, w->q));
    for (int64_t i = 0; i < rows; i++) {
        if (!isfinite(w->p[i]) || isnan(w->q[i])) {
            continue; /* a draw that rounding put outside of its own support */
        }
        double t = w->p[i] - w->q[i];
        bool nowhere = w->q[i] == -(double)INFINITY;
        sums[NOWHERE] += nowhere ? 1.0 : 0.0;
        w->q[used++] = against_middle(t); /* in place: used <= i */
        if (!nowhere) {
            w->p[finite++] = t;
        }
    }
    lki_pooled_of(sums + RATIO, w->p, 1, NULL, finite);
    lki_pooled_of(sums + MIDDLE, w->q, 1, NULL, used);
    return LK_OK;
}

static void estimate_combine(void *state, double *left, const double *right)
{
    (void)state;
    lki_pooled_merge(left + RATIO, right + RATIO);
    lki_pooled_merge(left + MIDDLE, right + MIDDLE);
    left[NOWHERE] += right[NOWHERE];
}

static lk_status estimate(lk_context *ctx, const lk_model *from, const lk_model *to, const int64_t *place, uint64_t seed, int64_t draws,
                          double *sums)
{
    estimation e = {.model = from, .place = place, .seed = seed, .draws = draws};
    lk_status status = LK_OK;
    int threads = lki_threads(ctx);
    LKI_GOTO(status, done, lki_question_open(ctx, from, LK_OPERATION_LOG_DENSITY, &e.from));
    LKI_GOTO(status, done, lki_question_open(ctx, to, LK_OPERATION_LOG_DENSITY, &e.to));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *e.workers, &e.workers));
    lki_reduction reduction = {.blocks = (draws + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .length = SUMS, .block = estimate_block,
                               .combine = estimate_combine, .state = &e, .stage = "draws"};
    status = lki_reduce(ctx, &reduction, sums);
done:
    for (int i = 0; e.workers != NULL && i < threads; i++) {
        lki_scratch_free(ctx, &e.workers[i].from);
        lki_scratch_free(ctx, &e.workers[i].to);
        lki_release(ctx, e.workers[i].x);
    }
    lki_release(ctx, e.workers);
    lki_question_close(ctx, &e.from);
    lki_question_close(ctx, &e.to);
    return status;
}

static void divergence_of(const double *sums, lk_divergence *out)
{
    bool nowhere = sums[NOWHERE] > 0.0;
    out->estimate = nowhere ? (double)INFINITY : sums[RATIO + LKI_POOLED_MEAN];
    out->error = nowhere ? (double)NAN : lki_pooled_error(sums + RATIO);
}

/* Both directions, from draws that have nothing to do with one another. */
static lk_status estimates(lk_context *ctx, const lk_model *a, const lk_model *b, const int64_t *order, const lk_compare_options *options,
                           lk_comparison *out)
{
    double forth[SUMS], back[SUMS];
    int64_t *inverse, d = a->d;
    lki_stream stream = lki_stream_new((uint64_t)options->seed, LKI_STREAM_COMPARE, 0);
    uint64_t seed_a = lki_random_bits(&stream), seed_b = lki_random_bits(&stream);
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *inverse, &inverse));
    for (int64_t j = 0; j < d; j++) {
        inverse[order[j]] = j;
    }
    lk_status status = estimate(ctx, a, b, order, seed_a, options->draws, forth);
    status = status == LK_OK ? estimate(ctx, b, a, inverse, seed_b, options->draws, back) : status;
    lki_release(ctx, inverse);
    if (status != LK_OK) {
        return status;
    }
    divergence_of(forth, &out->kl);
    divergence_of(back, &out->kl_reverse);
    out->js.estimate = 0.5 * (forth[MIDDLE + LKI_POOLED_MEAN] + back[MIDDLE + LKI_POOLED_MEAN]);
    out->js.error = 0.5 * hypot(lki_pooled_error(forth + MIDDLE), lki_pooled_error(back + MIDDLE));
    return LK_OK;
}

/* ---- closed forms ---- */

/* sum_ij f_i g_j exp(overlap_ij - most). */
static double product(const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, double most)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n->N; i++) {
        for (int64_t j = 0; f[i] > 0.0 && j < n->N; j++) {
            sum += g[j] > 0.0 ? f[i] * g[j] * exp(pairs->overlap[i * n->N + j] - most) : 0.0;
        }
    }
    return sum;
}

/* |f - g|^2 = <f, f> + <g, g> - 2 <f, g>, each a sum of normal densities at differences of means. */
static void squared_distance(const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, lk_comparison *out)
{
    double most = pairs->overlap[0];
    for (int64_t e = 1; e < n->N * n->N; e++) {
        most = fmax(most, pairs->overlap[e]);
    }
    double own = product(n, pairs, f, f, most) + product(n, pairs, g, g, most);
    double rest = fmax(own - 2.0 * product(n, pairs, f, g, most), 0.0);
    out->l2 = exp(0.5 * (most + log(rest)));
    out->l2_relative = sqrt(fmin(rest / own, 1.0));
}

/* f and g over all N components; f + g halved is their middle. */
static lk_status bounds(lk_context *ctx, const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, const double *middle,
                        lk_comparison *out)
{
    double lower[2], upper[2];
    LKI_TRY(lki_kl_bounds(ctx, n, pairs, f, g, &out->kl.lower, &out->kl.upper));
    LKI_TRY(lki_kl_bounds(ctx, n, pairs, g, f, &out->kl_reverse.lower, &out->kl_reverse.upper));
    LKI_TRY(lki_kl_bounds(ctx, n, pairs, f, middle, &lower[0], &upper[0]));
    LKI_TRY(lki_kl_bounds(ctx, n, pairs, g, middle, &lower[1], &upper[1]));
    out->js.upper = fmin(0.5 * (upper[0] + upper[1]), log(2.0));
    out->js.lower = fmin(0.5 * (lower[0] + lower[1]), out->js.upper);
    if (n->Ka == 1 && n->Kb == 1) { /* exact */
        out->kl.lower = out->kl.upper = pairs->kl[1];
        out->kl_reverse.lower = out->kl_reverse.upper = pairs->kl[2];
    }
    return LK_OK;
}

static lk_status coupling(lk_context *ctx, const lki_normals *n, const lki_pairs *pairs, lk_comparison *out)
{
    double total, dual;
    size_t count = (size_t)(n->Ka * n->Kb);
    LKI_TRY(lki_allocate(ctx, count, sizeof(double), &out->plan));
    LKI_TRY(lki_allocate(ctx, count, sizeof(double), &out->distances));
    LKI_TRY(lki_transport(ctx, n->Ka, n->Kb, n->weights, n->weights + n->Ka, pairs->distance, out->plan, &total, &dual));
    for (size_t e = 0; e < count; e++) {
        out->distances[e] = sqrt(pairs->distance[e]);
    }
    out->wasserstein = sqrt(total);
    return LK_OK;
}

static lk_status closed_forms(lk_context *ctx, const lk_model *a, const lk_model *b, const int64_t *order, lk_comparison *out)
{
    lki_normals *n = NULL;
    lki_pairs pairs = {0};
    double *f = NULL;
    bool finite;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_normals_new(ctx, a, b, order, &n, &out->unavailable));
    if (out->unavailable != NULL) {
        goto done;
    }
    LKI_GOTO(status, done, lki_pairs_new(ctx, n, &pairs, &finite));
    if (!finite) {
        out->unavailable = "the distances of the components leave the range of numbers";
        goto done;
    }
    size_t N = (size_t)n->N;
    LKI_GOTO(status, done, lki_zeros(ctx, 3 * N, sizeof *f, &f));
    double *g = f + N, *middle = g + N;
    for (int64_t k = 0; k < n->N; k++) {
        (k < n->Ka ? f : g)[k] = n->weights[k];
        middle[k] = 0.5 * n->weights[k];
    }
    LKI_GOTO(status, done, bounds(ctx, n, &pairs, f, g, middle, out));
    squared_distance(n, &pairs, f, g, out);
    LKI_GOTO(status, done, coupling(ctx, n, &pairs, out));
    out->components_a = n->Ka;
    out->components_b = n->Kb;
done:
    lki_release(ctx, f);
    lki_pairs_free(ctx, &pairs);
    lki_normals_free(ctx, n);
    return status;
}

static lk_status options_check(lk_context *ctx, const lk_compare_options *given, lk_compare_options *options)
{
    if (given != NULL) {
        if (given->size < offsetof(lk_compare_options, seed) + sizeof given->seed) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_compare_options.size is %zu; set it to sizeof(lk_compare_options)", given->size);
        }
        memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
    }
    if (options->draws < 0 || options->draws == 1 || options->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "draws is %lld, seed %lld; draws must be at least 2, the seed at least 0",
                        (long long)options->draws, (long long)options->seed);
    }
    options->draws = options->draws > 0 ? options->draws : DEFAULT_DRAWS;
    return LK_OK;
}

lk_status lk_model_compare(lk_context *ctx, const lk_model *a, const lk_model *b, const lk_compare_options *given, lk_comparison *out)
{
    const double nan = (double)NAN;
    const lk_divergence unknown = {nan, nan, nan, nan};
    lk_compare_options options = {0};
    lk_comparison result = {.size = out->size, .kl = unknown, .kl_reverse = unknown, .js = unknown, .l2 = nan, .l2_relative = nan,
                            .wasserstein = nan};
    int64_t *order = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (out->size < sizeof *out) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_comparison.size is %zu; set it to sizeof(lk_comparison)", out->size);
    }
    LKI_TRY(options_check(ctx, given, &options));
    LKI_TRY(lki_model_supports(ctx, a, LK_OPERATION_SAMPLE));
    LKI_TRY(lki_model_supports(ctx, b, LK_OPERATION_SAMPLE));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)a->d, sizeof *order, &order));
    LKI_GOTO(status, done, match_features(ctx, a, b, order));
    LKI_GOTO(status, done, estimates(ctx, a, b, order, &options, &result));
    LKI_GOTO(status, done, closed_forms(ctx, a, b, order, &result));
    result.draws = options.draws;
    *out = result;
    result = (lk_comparison){0};
done:
    lki_blas_leave();
    lki_release(ctx, result.plan);
    lki_release(ctx, result.distances);
    lki_release(ctx, order);
    return status;
}

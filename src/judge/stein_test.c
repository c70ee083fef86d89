/* Does a model fit a table: the kernel Stein discrepancy, which asks the model for its score alone, also where rows are cut off at a boundary. */
#include "judge/testing.h"
#include "core/reduce.h"
#include "data/json_text.h"
#include "math/blas.h"
#include "math/elementary.h"
#include "model/model_impl.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

/* Rows of a strip, and bootstrap draws that are asked at a time. */
enum { STRIP = 32, AT_ONCE = 256 };

/* What makes the kernel's matrix of boundary points, which may nearly coincide, definite: functions are as small as its root there. */
#define RIDGE 1e-6

#define NAME(id, name, summary) name,
static const char *const names[] = {LK_MODEL_TEST_LIST(NAME) NULL};
#undef NAME

/* Rows with the model's score there, in units of the samples: features x rows, as a strip runs over rows. */
typedef struct rows {
    int64_t n, d;
    bool rational;             /* (1 + q)^(-1/2) rather than exp(-q / 2), q = sum u^2 / h^2 */
    const double *h;           /* d */
    double *z, *score;         /* d x n each; one allocation */
    double *boundary;          /* n x wide: what the boundary takes away is the product of two rows; NULL = none */
    int64_t wide;
} rows;

/* ---- the Stein kernel ---- */

/* k(q) and its derivatives by q, from a row of q. */
static void radial(const rows *r, int64_t count, const double *q, double *k)
{
    for (int64_t j = 0; j < count; j++) {
        k[j] = r->rational ? 1.0 / sqrt(1.0 + q[j]) : -0.5 * q[j];
    }
    if (!r->rational) {
        lki_vexp(count, k, k);
    }
}

static double first_derivative(const rows *r, double k)
{
    return r->rational ? -0.5 * k * k * k : -0.5 * k;
}

static double second_derivative(const rows *r, double k)
{
    return r->rational ? 0.75 * k * k * k * k * k : 0.25 * k;
}

/* out[j] = h(x_i, x_j) for j < count (Liu, Lee and Jordan 2016, definition 3.2), with a and b the scores at x and y, u = x - y, p = u / h^2:
 *   a.b k + 2 k' (b - a).p - 2 k' sum 1/h^2 - 4 k'' |p|^2.
 * With a boundary less sum_l w_l(x)' K^-1 w_l(y), w_l(x)_m = a_l k(x, b_m) + d_l k(x, b_m) over its points b_m, K their matrix: the Stein
 * kernel of the functions that vanish there (Williams and Liu 2023). work: 4 count. */
static void stein_row(const rows *r, int64_t i, int64_t count, double *work, double *out)
{
    double *q = work, *both = q + count, *cross = both + count, *fourth = cross + count, precision = 0.0;
    memset(work, 0, 4 * (size_t)count * sizeof *work);
    for (int64_t l = 0; l < r->d; l++) {
        const double *z = r->z + l * r->n, *score = r->score + l * r->n, x = z[i], a = score[i], inverse = 1.0 / (r->h[l] * r->h[l]);
        precision += inverse;
        for (int64_t j = 0; j < count; j++) {
            const double u = x - z[j], p = u * inverse;
            q[j] += u * p;
            fourth[j] += p * p;
            both[j] += a * score[j];
            cross[j] += (score[j] - a) * p;
        }
    }
    radial(r, count, q, out);
    for (int64_t j = 0; j < count; j++) {
        const double k = out[j], k1 = first_derivative(r, k), k2 = second_derivative(r, k);
        out[j] = both[j] * k + 2.0 * k1 * (cross[j] - precision) - 4.0 * k2 * fourth[j];
    }
    if (r->boundary != NULL && count > 0) {
        cblas_dgemv(CblasRowMajor, CblasNoTrans, (int)count, (int)r->wide, -1.0, r->boundary, (int)r->wide, r->boundary + i * r->wide, 1, 1.0,
                    out, 1);
    }
}

/* Scores are asked in the units of the data. *bad = the first row without a finite score, -1 = none. */
static lk_status rows_new(lk_context *ctx, const lk_model *model, const lki_samples *s, const double *x, rows *out, int64_t *bad)
{
    const int64_t n = out->n, d = out->d;
    double *score;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)n, (size_t)d), sizeof *score, &score));
    lk_status status = lk_model_score(ctx, model, x, n, score);
    status = status == LK_OK ? lki_allocate(ctx, lki_product((size_t)n, 2 * (size_t)d), sizeof *out->z, &out->z) : status;
    out->score = out->z + n * d;
    *bad = -1;
    for (int64_t e = 0; e < n * d && status == LK_OK; e++) {
        const int64_t i = e / d, l = e % d;
        out->z[l * n + i] = (x[e] - s->mean[l]) / s->scale[l];
        out->score[l * n + i] = score[e] * s->scale[l];
        *bad = *bad < 0 && !isfinite(score[e]) ? i : *bad;
    }
    lki_release(ctx, score);
    return status;
}

/* ---- the boundary ---- */

/* The lower factor of the kernel's matrix of m points b (m x d), with the ridge. */
static lk_status boundary_factor(lk_context *ctx, const rows *r, const double *b, int64_t m, double *K)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double q = 0.0, k;
            for (int64_t l = 0; l < r->d; l++) {
                const double u = (b[i * r->d + l] - b[j * r->d + l]) / r->h[l];
                q += u * u;
            }
            radial(r, 1, &q, &k);
            k += i == j ? RIDGE : 0.0;
            k -= cblas_ddot((int)j, K + i * m, 1, K + j * m, 1);
            if (i == j && !(k > 0.0)) {
                return lki_fail(ctx, LK_ERROR_NUMERIC, "%lld boundary points are too close together for this bandwidth: take fewer", (long long)m);
            }
            K[i * m + j] = i == j ? sqrt(k) : k / K[j * m + j];
        }
    }
    return LK_OK;
}

static lk_status boundary_rows(lk_context *ctx, rows *r, const double *b, int64_t m)
{
    const int64_t n = r->n, d = r->d;
    double *K;
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)m, (size_t)m), sizeof *K, &K));
    lk_status status = boundary_factor(ctx, r, b, m, K);
    r->wide = d * m;
    status = status == LK_OK ? lki_allocate(ctx, lki_product((size_t)n, (size_t)r->wide), sizeof *r->boundary, &r->boundary) : status;
    for (int64_t e = 0; e < n * m && status == LK_OK; e++) {
        const int64_t i = e / m, c = e % m;
        double q = 0.0, k;
        for (int64_t l = 0; l < d; l++) {
            const double u = (r->z[l * n + i] - b[c * d + l]) / r->h[l];
            q += u * u;
        }
        radial(r, 1, &q, &k);
        for (int64_t l = 0; l < d; l++) {
            const double p = (r->z[l * n + i] - b[c * d + l]) / (r->h[l] * r->h[l]);
            r->boundary[i * r->wide + l * m + c] = r->score[l * n + i] * k + 2.0 * first_derivative(r, k) * p;
        }
    }
    for (int64_t l = 0; l < d && status == LK_OK; l++) { /* w_l' L^-T, so that products have K^-1 between */
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)n, (int)m, 1.0, K, (int)m, r->boundary + l * m,
                    (int)r->wide);
    }
    lki_release(ctx, K);
    return status;
}

/* Boundary points in the units of the samples. */
static lk_status boundary_read(lki_testing *t, const lk_model *model, const lk_table *table, double **out, int64_t *count)
{
    const lki_samples *s = &t->samples;
    const int64_t most = lk_table_rows(table), d = s->d;
    int64_t *columns, kept = 0;
    double *b = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(t->ctx, (size_t)d, sizeof *columns, &columns));
    LKI_GOTO(status, done, lki_model_match(t->ctx, model, table, columns));
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)most, (size_t)d), sizeof *b, &b));
    LKI_GOTO(status, done, lk_table_gather(t->ctx, table, 0, most, columns, d, b));
    for (int64_t i = 0; i < most; i++) {
        bool complete = true;
        for (int64_t l = 0; l < d; l++) {
            complete = complete && isfinite(b[i * d + l]);
            b[kept * d + l] = (b[i * d + l] - s->mean[l]) / s->scale[l];
        }
        kept += complete;
    }
    if (kept == 0) {
        status = lki_fail(t->ctx, LK_ERROR_DATA, "the boundary has no complete row");
    } else if (8.0 * (double)kept * ((double)s->n * (double)d + (double)kept) > (double)lki_memory_limit(t->ctx)) {
        status = lki_fail(t->ctx, LK_ERROR_MEMORY, "%lld rows and %lld boundary points need more than the memory limit of %lld bytes: raise it, or "
                                                   "take fewer", (long long)s->n, (long long)kept, (long long)lki_memory_limit(t->ctx));
    }
done:
    lki_release(t->ctx, columns);
    if (status != LK_OK) {
        lki_release(t->ctx, b);
        return status;
    }
    *out = b;
    *count = kept;
    return LK_OK;
}

/* ---- the wild bootstrap ---- */

typedef struct wild {
    lki_testing *t;
    const rows *r;
    const double *signs; /* n x count */
    int64_t count;
    bool first;          /* sign column 0 is all ones: the sums of rows go to the witness */
    double **work;       /* of each thread: STRIP x n, STRIP x count, 4 n */
} wild;

/* sums[b] = sum over i of a strip and j != i of e_ib e_jb h_ij; the last one the diagonal. */
static lk_status strip(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const wild *w = state;
    const rows *r = w->r;
    const int64_t n = r->n, from = index * STRIP, some = n - from < STRIP ? n - from : STRIP, count = w->count;
    LKI_TRY(lki_cancelled(ctx));
    if (w->work[thread] == NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product(STRIP + 4, (size_t)n) + STRIP * AT_ONCE, sizeof(double), &w->work[thread]));
    }
    double *values = w->work[thread], *products = values + STRIP * n, *row = products + STRIP * AT_ONCE;
    for (int64_t i = 0; i < some; i++) {
        stein_row(r, from + i, n, row, values + i * n);
        sums[count] += values[i * n + from + i];
        values[i * n + from + i] = 0.0;
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)some, (int)count, (int)n, 1.0, values, (int)n, w->signs, (int)count, 0.0, products,
                (int)count);
    for (int64_t i = 0; i < some; i++) {
        for (int64_t b = 0; b < count; b++) {
            sums[b] += w->signs[(from + i) * count + b] * products[i * count + b];
        }
        if (w->first) {
            w->t->witness[from + i] = products[i * count] / (double)(n - 1);
        }
    }
    return LK_OK;
}

/* values[0] is the unbiased estimate, the others those with random signs e_i e_j (Chwialkowski, Strathmann and Gretton 2016, for independent rows). */
static lk_status wild_bootstrap(lki_testing *t, const rows *r, int64_t draws, double *values, double *diagonal)
{
    const int64_t n = r->n;
    const int threads = lki_threads(t->ctx);
    wild w = {.t = t, .r = r};
    double *signs = NULL, sums[AT_ONCE + 1];
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)n, (size_t)(draws + 1 < AT_ONCE ? draws + 1 : AT_ONCE)), sizeof *signs, &signs));
    LKI_GOTO(status, done, lki_zeros(t->ctx, (size_t)threads, sizeof *w.work, &w.work));
    for (int64_t from = 0; from <= draws; from += AT_ONCE) {
        w.count = draws + 1 - from < AT_ONCE ? draws + 1 - from : AT_ONCE;
        w.first = from == 0;
        w.signs = signs;
        for (int64_t b = 0; b < w.count; b++) {
            lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_LABELS, (uint64_t)(from + b));
            for (int64_t i = 0; i < n; i++) {
                signs[i * w.count + b] = from + b == 0 || lki_random_below(&stream, 2) == 0 ? 1.0 : -1.0;
            }
        }
        const lki_reduction reduction = {.blocks = (n + STRIP - 1) / STRIP, .length = (size_t)w.count + 1, .block = strip, .state = &w,
                                         .stage = "stein kernel",
                                         .work = (double)STRIP * (double)n * (20.0 + 8.0 * (double)r->d + 2.0 * (double)w.count)};
        LKI_GOTO(status, done, lki_reduce(t->ctx, &reduction, sums));
        for (int64_t b = 0; b < w.count; b++) {
            values[from + b] = sums[b] / ((double)n * (double)(n - 1));
        }
        *diagonal = sums[w.count] / (double)n;
    }
done:
    for (int i = 0; w.work != NULL && i < threads; i++) {
        lki_release(t->ctx, w.work[i]);
    }
    lki_release(t->ctx, w.work);
    lki_release(t->ctx, signs);
    return status;
}

/* ---- the parametric bootstrap ---- */

typedef struct refits {
    lki_testing *t;
    const lk_model *model;
    const rows *like;        /* kernel and size */
    const int64_t *features; /* 0..d-1 */
    double *values;          /* draws + 1: [b] of draw b, NaN where its fit is degenerate */
    lk_context **contexts;   /* of each thread */
} refits;

static lk_status statistic_of(lk_context *ctx, const rows *r, double *out)
{
    double *work, total = 0.0;
    LKI_TRY(lki_allocate(ctx, 5 * (size_t)r->n, sizeof *work, &work));
    for (int64_t i = 1; i < r->n; i++) {
        stein_row(r, i, i, work, work + 4 * r->n);
        for (int64_t j = 0; j < i; j++) {
            total += 2.0 * work[4 * r->n + j];
        }
    }
    lki_release(ctx, work);
    *out = total / ((double)r->n * (double)(r->n - 1));
    return LK_OK;
}

/* Rows drawn from the model, the model fitted to them from where it is, and the discrepancy of the two. */
static lk_status refit(lk_context *ctx, const refits *f, int64_t number, double *x, double *out)
{
    const int64_t n = f->like->n, d = f->like->d;
    const lk_model *model = f->model;
    lki_stream stream = lki_stream_new((uint64_t)f->t->options.seed, LKI_STREAM_REFITS, (uint64_t)number);
    const uint64_t draw_seed = lki_random_bits(&stream) >> 1, fit_seed = lki_random_bits(&stream) >> 1;
    lk_model fit = *model; /* all but the state and the report is the model's own */
    rows r = {.n = n, .d = d, .h = f->like->h, .rational = f->like->rational};
    lk_table *table = NULL;
    int64_t bad = -1;
    lk_status status = LK_OK;
    fit.state = NULL;
    fit.report = lki_report_unknown();
    for (int64_t first = 0; first < n; first += LKI_BLOCK_ROWS) {
        const int64_t count = n - first < LKI_BLOCK_ROWS ? n - first : LKI_BLOCK_ROWS;
        LKI_GOTO(status, done, lki_model_draw_block(ctx, model, draw_seed, first, count, x + first * d));
    }
    LKI_GOTO(status, done, lk_table_from_array(ctx, x, n, d, NULL, &table));
    const lki_dataset data = {.table = table, .features = f->features, .d = d, .weight = -1, .transform = model->transform, .rows = n,
                              .blocks = (n + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    const lki_fit_task task = {.data = &data, .names = (const char *const *)model->names, .values = model->values, .start = model->state,
                               .refit = LKI_REFIT_WARM, .seed = fit_seed};
    LKI_GOTO(status, done, model->method->fit(ctx, &task, &fit.state, &fit.report));
    if (fit.report.degenerate[0] == '\0') {
        LKI_GOTO(status, done, rows_new(ctx, &fit, &f->t->samples, x, &r, &bad));
        if (bad < 0) {
            LKI_GOTO(status, done, statistic_of(ctx, &r, out));
        }
    }
done:
    json_decref(fit.report.extra);
    if (fit.state != NULL) {
        const lki_memory memory = lki_memory_of(ctx);
        model->operations.free(&memory, fit.state);
    }
    lk_table_free(table);
    lki_release(ctx, r.z);
    return status;
}

static lk_status one_refit(lk_context *ctx, void *state, int thread, int64_t index)
{
    refits *f = state;
    double *x;
    LKI_TRY(lki_cancelled(ctx));
    if (f->contexts[thread] == NULL) {
        LKI_TRY(lki_context_worker(ctx, &f->contexts[thread]));
    }
    lk_context *own = f->contexts[thread];
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)f->like->n, (size_t)f->like->d), sizeof *x, &x));
    lki_begin(own);
    f->values[index + 1] = (double)NAN;
    lk_status status = refit(own, f, index + 1, x, &f->values[index + 1]);
    lki_release(ctx, x);
    lki_progress(ctx, "fits", (double)index, (double)f->t->options.permutations, "");
    return status == LK_ERROR_DATA || status == LK_ERROR_NUMERIC ? LK_OK : lki_pass_on(ctx, own, status);
}

/* values[1..] of the fits that count, moved together; returns how many through *used. */
static lk_status parametric_bootstrap(lki_testing *t, const lk_model *model, const rows *like, double *values, int64_t *used)
{
    const int threads = lki_threads(t->ctx);
    refits f = {.t = t, .model = model, .like = like, .values = values};
    int64_t *features = NULL;
    lk_status status = LK_OK;
    if (model->values == NULL || model->operations.free != model->method->operations->free) {
        return lki_fail(t->ctx, LK_ERROR_UNSUPPORTED, "this %s model is no single fit of its method: it cannot be fitted again to rows that it draws",
                        model->method->public.name);
    }
    LKI_TRY(lki_model_supports(t->ctx, model, LK_OPERATION_SAMPLE));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)like->d, sizeof *features, &features));
    for (int64_t l = 0; l < like->d; l++) {
        features[l] = l;
    }
    f.features = features;
    LKI_GOTO(status, done, lki_zeros(t->ctx, (size_t)threads, sizeof(lk_context *), &f.contexts));
    LKI_GOTO(status, done, lki_parallel(t->ctx, t->options.permutations, one_refit, &f));
    *used = 0;
    for (int64_t b = 1; b <= t->options.permutations; b++) {
        if (isfinite(values[b])) {
            values[++*used] = values[b];
        }
    }
    if (*used == 0) {
        status = lki_fail(t->ctx, LK_ERROR_NUMERIC, "no fit to rows drawn from the model succeeded");
    }
done:
    for (int i = 0; f.contexts != NULL && i < threads; i++) {
        lk_context_free(f.contexts[i]);
    }
    lki_release(t->ctx, f.contexts);
    lki_release(t->ctx, features);
    return status;
}

/* ---- the test ---- */

static lk_status kernel_of(lki_testing *t, rows *r)
{
    if (t->kernel != LKI_KERNEL_gaussian && t->kernel != LKI_KERNEL_inverse_multiquadric) {
        return lki_fail(t->ctx, LK_ERROR_ARGUMENT, "kernel is '%s'; of ksd it must be gaussian or inverse_multiquadric", lki_kernels[t->kernel].name);
    }
    LKI_TRY(lki_testing_bandwidth(t));
    r->rational = t->kernel == LKI_KERNEL_inverse_multiquadric;
    r->h = t->bandwidth;
    return lki_tell_kernel(t);
}

static lk_status found(lki_testing *t, const double *values, int64_t draws, double diagonal)
{
    LKI_TRY(lki_tell(t, "statistic", lki_json_number(values[0])));
    LKI_TRY(lki_tell(t, "effect", lki_json_number(diagonal > 0.0 ? values[0] / diagonal : 0.0))); /* |h(x, y)|^2 <= h(x, x) h(y, y) */
    LKI_TRY(lki_tell(t, "p", lki_json_number(lki_permutation_p(values, draws, 1e-12 * diagonal))));
    LKI_TRY(lki_tell(t, "law", json_string(t->options.refit ? "refits" : "bootstrap")));
    return lki_tell(t, "permutations", json_integer(draws));
}

static lk_status discrepancy(lki_testing *t, const lk_model *model, const lk_table *boundary, rows *r, double *values)
{
    const lki_samples *s = &t->samples;
    double *x = NULL, *b = NULL, diagonal = 0.0;
    int64_t bad = -1, points = 0, draws = t->options.permutations;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)s->n, (size_t)s->d), sizeof *x, &x));
    for (int64_t e = 0; e < s->n * s->d; e++) {
        x[e] = s->z[e] * s->scale[e % s->d] + s->mean[e % s->d];
    }
    LKI_GOTO(status, done, rows_new(t->ctx, model, s, x, r, &bad));
    if (bad >= 0) {
        status = lki_fail(t->ctx, LK_ERROR_DATA, "row %lld lies where the model has no density: its score is not finite", (long long)s->rows[bad] + 1);
        goto done;
    }
    if (boundary != NULL) {
        LKI_GOTO(status, done, boundary_read(t, model, boundary, &b, &points));
        LKI_GOTO(status, done, boundary_rows(t->ctx, r, b, points));
        LKI_GOTO(status, done, lki_tell(t, "boundary", json_integer(points)));
    }
    LKI_GOTO(status, done, wild_bootstrap(t, r, t->options.refit ? 0 : draws, values, &diagonal));
    if (t->options.refit) {
        LKI_GOTO(status, done, parametric_bootstrap(t, model, r, values, &draws));
    }
    status = found(t, values, draws, diagonal);
done:
    lki_release(t->ctx, x);
    lki_release(t->ctx, b);
    return status;
}

static lk_status make(lki_testing *t, const lk_model *model, const lk_table *table, const lk_table *boundary, const lk_test_options *options)
{
    rows r = {.d = model->d};
    double *values = NULL;
    int64_t *columns = NULL;
    int which;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(t->ctx, 1, sizeof *t->out, &t->out));
    if ((t->out->info = json_object()) == NULL) {
        return lki_json_memory(t->ctx);
    }
    LKI_TRY(lki_testing_options(t, options, names, &which));
    LKI_TRY(lki_model_supports(t->ctx, model, LK_OPERATION_SCORE));
    if (boundary != NULL && t->options.refit) {
        return lki_fail(t->ctx, LK_ERROR_ARGUMENT, "a model whose rows are cut off at a boundary cannot draw them: refit is of no use with a boundary");
    }
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)r.d, sizeof *columns, &columns));
    LKI_GOTO(status, done, lki_model_match(t->ctx, model, table, columns));
    LKI_GOTO(status, done, lki_samples_read_columns(t, table, columns, r.d));
    r.n = t->samples.n;
    if (r.n < 2) {
        status = lki_fail(t->ctx, LK_ERROR_DATA, "there are %lld complete rows; a test needs at least two", (long long)r.n);
        goto done;
    }
    LKI_GOTO(status, done, lki_tell_samples(t, names[0]));
    LKI_GOTO(status, done, kernel_of(t, &r));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)r.n, sizeof *t->witness, &t->witness));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)t->options.permutations + 1, sizeof *values, &values));
    LKI_GOTO(status, done, discrepancy(t, model, boundary, &r, values));
    lki_hand_over_witness(t);
done:
    lki_release(t->ctx, r.z);
    lki_release(t->ctx, r.boundary);
    lki_release(t->ctx, values);
    lki_release(t->ctx, columns);
    return status;
}

lk_status lk_test_model(lk_context *context, const lk_model *model, const lk_table *table, const lk_table *boundary,
                        const lk_test_options *options, lk_test **out)
{
    lki_testing t = {.ctx = context};
    lki_begin(context);
    if (model == NULL || table == NULL || out == NULL) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "model, table and out must not be NULL");
    }
    lki_blas_enter();
    const lk_status status = make(&t, model, table, boundary, options);
    lki_blas_leave();
    lki_testing_close(&t, status);
    if (status == LK_OK) {
        *out = t.out;
    }
    return status;
}

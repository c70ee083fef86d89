/* A distribution that few strange rows do not spoil: a multivariate Cauchy distribution and independent kernel densities, half and half.
 *
 * Half and half is at most log 2 nats below the better of the two at every row, wherever that is; weights by likelihood would let one go.
 * The Cauchy distribution (t with one degree of freedom) knows how features go together, with tails and a fit that outliers hardly move; the kernel densities know each
 * feature's shape. Neither can follow a small group of odd rows, which a mixture of normal distributions or a kernel density of rows would learn. */
#include "data/json_text.h"
#include "core/reduce.h"
#include "kde.h"
#include "margins.h"
#include "student.h"

#include <math.h>
#include <string.h>

enum { FOLDS = 3, CHOICE_ROWS = 2000, CHOICE_STEPS = 10, STEPS = 30, CANDIDATES = 3 };
#define HALF 0.5
/* Degrees of freedom; how far scatter may be drawn towards its diagonal. */
#define DEGREES 1.0
static const double shrinks[CANDIDATES] = {0.02, 0.1, 0.3};

/* Streams of the method: which rows the choice looks at. */
enum { STREAM_POOL = 1 << 22 };

typedef struct pool {
    lki_memory memory;
    int64_t d;
    double weight;       /* of the t distribution */
    double *scale;       /* d: what it divides the features by */
    double log_scale;    /* sum of their logarithms */
    lki_student student;
    lki_margins margins;
    double *shape;       /* d + 3, for the file: weight, degrees of freedom, where the centres of each feature begin and end */
} pool;

static void pool_free(const lki_memory *memory, void *state)
{
    pool *p = state;
    if (p != NULL) {
        lki_student_free(memory, &p->student);
        lki_margins_free(memory, &p->margins);
        lki_memory_release(memory, p->scale);
        lki_memory_release(memory, p->shape);
        lki_memory_release(memory, p);
    }
}

static lk_status pool_new(lk_context *ctx, int64_t d, pool **out)
{
    pool *p;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *p, &p));
    p->memory = lki_memory_of(ctx);
    p->d = d;
    lk_status status = lki_zeros(ctx, (size_t)d, sizeof(double), &p->scale);
    status = status == LK_OK ? lki_zeros(ctx, (size_t)d + 3, sizeof(double), &p->shape) : status;
    if (status != LK_OK) {
        pool_free(&p->memory, p);
        return status;
    }
    *out = p;
    return LK_OK;
}

/* The last step of making one. */
static void pool_seal(pool *p)
{
    p->shape[0] = p->weight;
    p->shape[1] = p->student.nu;
    p->log_scale = 0.0;
    for (int64_t j = 0; j <= p->d; j++) {
        p->shape[2 + j] = (double)p->margins.start[j];
        p->log_scale += j < p->d ? log(p->scale[j]) : 0.0;
    }
}

/* ---- operations ---- */

/* log(a e^x + b e^y). */
static double mixed(double a, double x, double b, double y)
{
    const double u = a > 0.0 ? log(a) + x : -(double)INFINITY, v = b > 0.0 ? log(b) + y : -(double)INFINITY, most = fmax(u, v);
    return most == -(double)INFINITY ? most : most + log1p(exp(fmin(u, v) - most));
}

static lk_status pool_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const pool *p = state;
    double *work;
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)p->d, sizeof *work, &work));
    for (int64_t i = 0; i < rows; i++) {
        const double *row = x + i * p->d;
        for (int64_t j = 0; j < p->d; j++) {
            work[j] = row[j] / p->scale[j];
        }
        const double joint = lki_student_log_density(&p->student, work, work + p->d) - p->log_scale;
        out[i] = mixed(p->weight, joint, 1.0 - p->weight, lki_margins_log_density(&p->margins, row));
    }
    lki_release(ctx, work);
    return LK_OK;
}

static lk_status pool_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const pool *p = state;
    double *work;
    LKI_TRY(lki_allocate(ctx, (size_t)p->d, sizeof *work, &work));
    for (int64_t i = 0; i < rows; i++) {
        lki_stream stream = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        double *row = out + i * p->d;
        if (lki_random_uniform(&stream) >= p->weight) {
            lki_margins_draw(&p->margins, &stream, row);
            continue;
        }
        lki_student_draw(&p->student, &stream, row, work);
        for (int64_t j = 0; j < p->d; j++) {
            row[j] *= p->scale[j];
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* Both parts have their own marginals. */
static lk_status pool_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const pool *p = state;
    pool *q = NULL;
    int64_t centres = 0;
    lk_status status = LK_OK;
    LKI_TRY(pool_new(ctx, count, &q));
    q->weight = p->weight;
    LKI_GOTO(status, done, lki_student_new(ctx, count, &q->student));
    q->student.nu = p->student.nu;
    for (int64_t a = 0; a < count; a++) {
        q->scale[a] = p->scale[features[a]];
        q->student.mean[a] = p->student.mean[features[a]];
        for (int64_t b = 0; b < count; b++) {
            q->student.scatter[a * count + b] = p->student.scatter[features[a] * p->d + features[b]];
        }
        centres += p->margins.start[features[a] + 1] - p->margins.start[features[a]];
    }
    LKI_GOTO(status, done, lki_student_prepare(ctx, &q->student));
    LKI_GOTO(status, done, lki_margins_new(ctx, count, centres, &q->margins));
    for (int64_t a = 0; a < count; a++) {
        const int64_t from = p->margins.start[features[a]], some = p->margins.start[features[a] + 1] - from, to = q->margins.start[a];
        memcpy(q->margins.centres + to, p->margins.centres + from, (size_t)some * sizeof(double));
        memcpy(q->margins.weights + to, p->margins.weights + from, (size_t)some * sizeof(double));
        q->margins.start[a + 1] = to + some;
        q->margins.h[a] = p->margins.h[features[a]];
        q->margins.mean[a] = p->margins.mean[features[a]];
        q->margins.sd[a] = p->margins.sd[features[a]];
    }
    pool_seal(q);
    *out = q;
    q = NULL;
done:
    if (q != NULL) {
        pool_free(&q->memory, q);
    }
    return status;
}

/* ---- file and info ---- */

static lk_status pool_info(lk_context *ctx, const void *state, json_t *info)
{
    const pool *p = state;
    LKI_TRY(lki_json_set(ctx, info, "student_weight", lki_json_number(p->weight)));
    LKI_TRY(lki_json_set(ctx, info, "degrees_of_freedom", lki_json_number(p->student.nu)));
    return lki_json_set(ctx, info, "centres", json_integer((json_int_t)p->margins.start[p->d]));
}

/* In the order of their names, as files have them. */
enum { H, CENTRES, MARGIN_MEAN, MARGIN_SD, MEAN, SCALE, SCATTER, SHAPE, WEIGHTS, TENSORS };
static const char *const tensor_names[TENSORS] = {"bandwidth", "centres", "feature_means", "feature_sds", "mean", "scale", "scatter", "shape", "weights"};

/* The tensors of a state with so many centres; `values` may be borrowed from it, or read into it. */
static void describe(const pool *p, int64_t centres, lki_tensor *tensors)
{
    const int64_t d = p->d, lengths[TENSORS] = {d, centres, d, d, d, d, d, d + 3, centres};
    double *const values[TENSORS] = {p->margins.h, p->margins.centres, p->margins.mean, p->margins.sd, p->student.mean, p->scale,
                                     p->student.scatter, p->shape, p->margins.weights};
    for (int i = 0; i < TENSORS; i++) {
        tensors[i] = (lki_tensor){.rank = i == SCATTER ? 2 : 1, .shape = {lengths[i], i == SCATTER ? d : 0}, .values = values[i]};
        snprintf(tensors[i].name, sizeof tensors[i].name, "%s", tensor_names[i]);
    }
}

static lk_status pool_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const pool *p = state;
    (void)ctx;
    describe(p, p->margins.start[p->d], tensors);
    *count = TENSORS;
    return LK_OK;
}

static bool positive(const double *v, int64_t n)
{
    bool good = true;
    for (int64_t i = 0; i < n; i++) {
        good = good && v[i] > 0.0 && isfinite(v[i]);
    }
    return good;
}

/* Weight, degrees of freedom, and centres that begin where the last feature's end; weights of each feature sum to 1. */
static lk_status check(lk_context *ctx, const pool *p, const lki_tensor *tensors, int64_t centres)
{
    const double *shape = tensors[SHAPE].values, *scatter = tensors[SCATTER].values;
    if (!(shape[0] >= 0.0 && shape[0] <= 1.0) || !(shape[1] > 0.0 && shape[1] <= 1e6)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the t distribution's weight is %g and its degrees of freedom %g; within [0, 1] and (0, 1e6] is right",
                        shape[0], shape[1]);
    }
    for (int64_t j = 0; j < p->d; j++) {
        const double from = shape[2 + j], to = shape[3 + j];
        double sum = 0.0, last = -(double)INFINITY;
        if (!(from == floor(from) && to == floor(to) && from < to && to <= (double)centres) || (j == 0 && from != 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "the centres of feature %lld are numbers %g to %g of %lld", (long long)j + 1, from, to, (long long)centres);
        }
        for (int64_t c = (int64_t)from; c < (int64_t)to; c++) {
            if (!(tensors[CENTRES].values[c] >= last)) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "the centres of feature %lld do not ascend", (long long)j + 1);
            }
            last = tensors[CENTRES].values[c];
            sum += tensors[WEIGHTS].values[c];
        }
        for (int64_t k = 0; k < j; k++) {
            if (scatter[j * p->d + k] != scatter[k * p->d + j]) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "scatter is not symmetric");
            }
        }
        if (!(fabs(sum - 1.0) < 1e-9)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "the weights of feature %lld sum to %.17g; they must sum to 1", (long long)j + 1, sum);
        }
    }
    return positive(tensors[WEIGHTS].values, centres) && positive(tensors[SCALE].values, p->d) && positive(tensors[H].values, p->d) &&
                   positive(tensors[MARGIN_SD].values, p->d)
               ? LK_OK
               : lki_fail(ctx, LK_ERROR_FORMAT, "a weight, scale, bandwidth or standard deviation is not above 0");
}

static lk_status pool_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    lki_tensor own[TENSORS];
    pool *p = NULL;
    lk_status status = LK_OK;
    (void)values;
    const int64_t centres = count == TENSORS && tensors[CENTRES].rank == 1 ? tensors[CENTRES].shape[0] : 0;
    LKI_TRY(pool_new(ctx, d, &p));
    describe(p, centres, own);
    for (int i = 0; i < TENSORS && status == LK_OK; i++) {
        if (count != TENSORS || centres < d || strcmp(tensors[i].name, own[i].name) != 0 || tensors[i].rank != own[i].rank ||
            tensors[i].shape[0] != own[i].shape[0] || (own[i].rank == 2 && tensors[i].shape[1] != d)) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "tensor %d must be %s, of %lld values%s", i + 1, own[i].name, (long long)own[i].shape[0],
                              own[i].rank == 2 ? " a row and column" : "");
        }
    }
    LKI_GOTO(status, done, status);
    LKI_GOTO(status, done, check(ctx, p, tensors, centres));
    LKI_GOTO(status, done, lki_student_new(ctx, d, &p->student));
    LKI_GOTO(status, done, lki_margins_new(ctx, d, centres, &p->margins));
    describe(p, centres, own);
    for (int i = 0; i < TENSORS; i++) {
        memcpy(own[i].values, tensors[i].values, (size_t)(own[i].shape[0] * (own[i].rank == 2 ? d : 1)) * sizeof(double));
    }
    p->weight = p->shape[0];
    p->student.nu = p->shape[1];
    for (int64_t j = 0; j <= d; j++) {
        p->margins.start[j] = (int64_t)p->shape[2 + j];
    }
    LKI_GOTO(status, done, lki_student_prepare(ctx, &p->student));
    pool_seal(p);
    *out = p;
    p = NULL;
done:
    if (p != NULL) {
        pool_free(&p->memory, p);
    }
    return status;
}

/* ---- the fit ---- */

/* Rows in memory in units of their standard deviations, for the t distribution. */
typedef struct choosing {
    const double *x, *z, *w; /* rows x d as they are, and scaled */
    int64_t rows, d;
    double *without;         /* FOLDS x rows: weights without a fold */
    double *student;         /* CANDIDATES x rows: log density of each row under the fit to the other folds */
    double *margins;         /* rows */
    double log_scale;
} choosing;

/* Task k: candidate k / FOLDS (the last one the margins) without fold k % FOLDS. */
static lk_status choose_task(lk_context *ctx, void *state, int thread, int64_t task)
{
    choosing *c = state;
    const int64_t candidate = task / FOLDS, fold = task % FOLDS, d = c->d;
    const double *w = c->without + fold * c->rows;
    const lki_memory memory = lki_memory_of(ctx);
    (void)thread;
    if (candidate == CANDIDATES) {
        lki_margins m = {0};
        LKI_TRY(lki_margins_fit(ctx, c->x, w, c->rows, d, &m));
        for (int64_t i = fold; i < c->rows; i += FOLDS) {
            c->margins[i] = lki_margins_log_density(&m, c->x + i * d);
        }
        lki_margins_free(&memory, &m);
        return LK_OK;
    }
    lki_student s = {0};
    double *work = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_student_new(ctx, d, &s));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof *work, &work));
    LKI_GOTO(status, done, lki_student_fit(ctx, c->z, w, c->rows, DEGREES, shrinks[candidate], CHOICE_STEPS, &s));
    for (int64_t i = fold; i < c->rows; i += FOLDS) {
        c->student[candidate * c->rows + i] = lki_student_log_density(&s, c->z + i * d, work) - c->log_scale;
    }
done:
    lki_release(ctx, work);
    lki_student_free(&memory, &s);
    return status;
}

/* The candidate with the greatest held-out log density; *held_out receives that of the half-and-half mixture. */
static lk_status choose(lk_context *ctx, choosing *c, int *best, double *held_out)
{
    double greatest = -(double)INFINITY, total = 0.0;
    LKI_TRY(lki_parallel(ctx, (CANDIDATES + 1) * FOLDS, choose_task, c));
    for (int k = 0; k < CANDIDATES; k++) {
        double sum = 0.0;
        for (int64_t i = 0; i < c->rows; i++) {
            sum += c->w[i] * c->student[k * c->rows + i];
        }
        if (sum > greatest) {
            greatest = sum;
            *best = k;
        }
    }
    *held_out = 0.0;
    for (int64_t i = 0; i < c->rows; i++) {
        total += c->w[i];
        *held_out += c->w[i] * mixed(HALF, c->student[*best * c->rows + i], HALF, c->margins[i]);
    }
    *held_out /= total;
    return LK_OK;
}

/* Looks at CHOICE_ROWS rows at most, chosen at random. */
static lk_status choose_of(lk_context *ctx, const lki_kde_gathered *g, const pool *p, const double *z, uint64_t seed, int *best, double *held_out)
{
    const int64_t d = p->d, rows = g->n < CHOICE_ROWS ? g->n : CHOICE_ROWS;
    double *part = NULL, *numbers = NULL;
    int64_t *order = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(2 * (size_t)rows, (size_t)d), sizeof *part, &part));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, FOLDS + CANDIDATES + 2), sizeof *numbers, &numbers));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)g->n, sizeof *order, &order));
    lki_stream stream = lki_stream_new(seed, STREAM_POOL, 0);
    lki_random_permutation(&stream, order, g->n);
    choosing c = {.x = part, .z = part + rows * d, .w = numbers, .rows = rows, .d = d, .without = numbers + rows, .student = numbers + (1 + FOLDS) * rows,
                  .margins = numbers + (1 + FOLDS + CANDIDATES) * rows, .log_scale = p->log_scale};
    for (int64_t i = 0; i < rows; i++) {
        memcpy(part + i * d, g->x + order[i] * d, (size_t)d * sizeof(double));
        memcpy(part + (rows + i) * d, z + order[i] * d, (size_t)d * sizeof(double));
        numbers[i] = g->w[order[i]];
        for (int64_t fold = 0; fold < FOLDS; fold++) {
            numbers[(1 + fold) * rows + i] = i % FOLDS == fold ? 0.0 : g->w[order[i]];
        }
    }
    status = choose(ctx, &c, best, held_out);
done:
    lki_release(ctx, part);
    lki_release(ctx, numbers);
    lki_release(ctx, order);
    return status;
}

static lk_status report_of(lk_context *ctx, double n, double held_out, lki_report *report)
{
    report->n = n;
    report->log_likelihood = report->free_parameters = report->entropy = (double)NAN; /* kernel densities hold the rows themselves */
    report->iterations = -1;
    report->converged = -1;
    if (isnan(held_out)) {
        return LK_OK;
    }
    report->extra = json_object();
    return report->extra == NULL ? lki_json_memory(ctx) : lki_json_set(ctx, report->extra, "held_out_choice", lki_json_number(held_out));
}

static lk_status pool_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    const int64_t d = task->data->d;
    lki_kde_gathered g = {0};
    pool *p = NULL;
    double *z = NULL, held_out = (double)NAN;
    int best = 1;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_kde_gather(ctx, task, NULL, &g));
    LKI_GOTO(status, done, pool_new(ctx, d, &p));
    LKI_GOTO(status, done, lki_margins_fit(ctx, g.x, g.w, g.n, d, &p->margins));
    LKI_GOTO(status, done, lki_student_new(ctx, d, &p->student));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)g.n, (size_t)d), sizeof *z, &z));
    for (int64_t j = 0; j < d; j++) {
        p->scale[j] = p->margins.sd[j];
        p->log_scale += log(p->scale[j]);
    }
    for (int64_t i = 0; i < g.n * d; i++) {
        z[i] = g.x[i] / p->scale[i % d];
    }
    if (g.n >= 4 * FOLDS) {
        LKI_GOTO(status, done, choose_of(ctx, &g, p, z, task->seed, &best, &held_out));
        held_out += task->log_jacobian / g.total;
    }
    LKI_GOTO(status, done, lki_student_fit(ctx, z, g.w, g.n, DEGREES, shrinks[best], STEPS, &p->student));
    p->weight = HALF;
    pool_seal(p);
    LKI_GOTO(status, done, report_of(ctx, g.total, held_out, report));
    *state = p;
    p = NULL;
done:
    if (p != NULL) {
        pool_free(&p->memory, p);
    }
    lki_release(ctx, g.x);
    lki_release(ctx, g.w);
    lki_release(ctx, z);
    return status;
}

/* ---- the descriptor ---- */

static const lki_operations operations = {
    .log_density = pool_log_density, .sample = pool_sample, .marginal = pool_marginal, .info = pool_info, .save = pool_save, .load = pool_load,
    .free = pool_free,
};

LKI_METHOD(auto, 16) = {
    .public = {.name = "auto",
               .summary = "What needs no choice and no clean rows: a Cauchy distribution and independent kernel densities, half and half",
               .citation = "Liu and Rubin 1995, Statistica Sinica 5; Stone 1961, Annals of Mathematical Statistics 32",
               .roles = "features,weight",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_SAMPLE | LK_OPERATION_MARGINAL},
    .operations = &operations,
    .fit = pool_fit,
};

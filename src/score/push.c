/* A model's density carried along known dynamics, as for states that a system may reach (Meng, Qiu, Waez and Fan 2022, arXiv:2202.13511): along each
 * path of dx/dt = f(x, t) the log density changes by - div f (Liouville). */
#include "data/expression.h"
#include "math/blas.h"
#include "model/model_impl.h"

#include <likely/transfer.h>

#include <math.h>
#include <string.h>

/* Steps of one path. */
enum { STEPS_MOST = 1000000, CANCEL_EVERY = 4096 };
#define FAR 1e5

struct lk_push {
    lki_memory memory;
    const lk_model *model;
    int64_t d;
    double time, tolerance;
    uint64_t seed;
    lki_expression **rates; /* d */
    lki_expression *event;  /* NULL = none */
    int64_t work;           /* doubles that an expression needs */
    int64_t draws, hits;
};

/* ---- one path: Dormand and Prince 1980, J. Comput. Appl. Math. 6:19-26 ---- */

/* y = (x, what the log density lost). k = dy/dt; at: d + 1 of scratch; gradient: d + 1. */
static void rates_at(const lk_push *p, double t, const double *y, double *k, double *at, double *gradient, double *work)
{
    const int64_t d = p->d;
    memcpy(at, y, (size_t)d * sizeof *at);
    at[d] = t;
    k[d] = 0.0;
    for (int64_t j = 0; j < d; j++) {
        k[j] = lki_expression_gradient(p->rates[j], at, gradient, work);
        k[d] += gradient[j];
    }
}

/* y from time `from` to `to`. scratch: 12 (d + 1) and the expressions' work. *escaped (if not NULL) becomes true for a path that runs off to infinity on the
 * way: backwards, to where it came from is nowhere. */
static lk_status travel(lk_context *ctx, const lk_push *p, double from, double to, double *y, bool *escaped, double *scratch)
{
    static const double C[] = {0.0, 0.2, 0.3, 0.8, 8.0 / 9, 1.0, 1.0};
    static const double A[7][6] = {{0},
                                   {0.2},
                                   {3.0 / 40, 9.0 / 40},
                                   {44.0 / 45, -56.0 / 15, 32.0 / 9},
                                   {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
                                   {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
                                   {35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}};
    static const double E[] = {71.0 / 57600, 0.0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
    const int64_t n = p->d + 1;
    double *k[7], *next = scratch + 7 * n, *at = next + n, *gradient = at + n, *work = gradient + n, t = from, h = (to - from) / 64.0;
    for (int s = 0; s < 7; s++) {
        k[s] = scratch + s * n;
    }
    for (int64_t step = 0; t != to; step++) {
        double error = 0.0;
        if (step == STEPS_MOST || !(fabs(h) > 1e-14 * fabs(to - from))) {
            for (int64_t j = 0; j < p->d && escaped != NULL; j++) {
                *escaped = *escaped || fabs(y[j]) > FAR;
            }
            if (escaped != NULL && *escaped) {
                return LK_OK;
            }
            return lki_fail(ctx, LK_ERROR_NUMERIC, "a path wants too many or too small steps at time %g: the dynamics are stiff or run off to infinity", t);
        }
        if (step % CANCEL_EVERY == CANCEL_EVERY - 1) {
            LKI_TRY(lki_cancelled(ctx));
        }
        const bool last = fabs(to - t) <= fabs(h) * (1.0 + 1e-12);
        h = last ? to - t : h;
        for (int s = 0; s < 7; s++) {
            for (int64_t j = 0; j < n; j++) {
                double sum = 0.0;
                for (int r = 0; r < s; r++) {
                    sum += A[s][r] * k[r][j];
                }
                next[j] = y[j] + h * sum;
            }
            rates_at(p, t + C[s] * h, next, k[s], at, gradient, work);
        }
        for (int64_t j = 0; j < n; j++) {
            double e = 0.0;
            for (int s = 0; s < 7; s++) {
                e += E[s] * k[s][j];
            }
            e = fabs(h * e) / (p->tolerance * (1.0 + fmax(fabs(y[j]), fabs(next[j]))));
            error = e > error || isnan(e) ? e : error;
        }
        if (error <= 1.0) { /* false for NaN: the step is halved below */
            memcpy(y, next, (size_t)n * sizeof *y);
            t = last ? to : t + h;
        }
        h *= error > 0.0 && isfinite(error) ? fmin(5.0, fmax(0.2, 0.9 * pow(error, -0.2))) : error == 0.0 ? 5.0 : 0.2;
    }
    return LK_OK;
}

/* ---- made ready ---- */

static lk_status prepare(lk_context *ctx, lk_push *p, const lk_push_options *o)
{
    const int64_t d = p->d;
    const char **names;
    LKI_TRY(lki_zeros(ctx, (size_t)d, sizeof(lki_expression *), &p->rates));
    LKI_TRY(lki_allocate(ctx, (size_t)d + 1, sizeof *names, &names));
    memcpy(names, p->model->names, (size_t)d * sizeof *names);
    names[d] = "t";
    lk_status status = lki_rates_new(ctx, o->dynamics, names, d, d + 1, p->rates);
    if (status == LK_OK && o->event != NULL) {
        status = lki_expression_new(ctx, o->event, names, d, &p->event);
    }
    lki_release(ctx, names);
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        const int64_t work = lki_expression_work(p->rates[j]);
        p->work = work > p->work ? work : p->work;
    }
    return status;
}

lk_status lk_push_new(lk_context *ctx, const lk_model *model, const lk_push_options *o, lk_push **out)
{
    lk_push *p = NULL;
    lki_begin(ctx);
    if (o == NULL || o->size < sizeof *o || o->dynamics == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_push_options wants its size, which is sizeof(lk_push_options), and dynamics");
    }
    if (!isfinite(o->time) || !(o->tolerance == 0.0 || (o->tolerance >= 1e-13 && o->tolerance <= 0.1)) || o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "time %g, tolerance %g, seed %lld: the time must be finite, the tolerance from 1e-13 to .1, the seed at least 0",
                        o->time, o->tolerance, (long long)o->seed);
    }
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_LOG_DENSITY));
    LKI_TRY(lki_zeros(ctx, 1, sizeof *p, &p));
    *p = (lk_push){.memory = lki_memory_of(ctx), .model = model, .d = model->d, .time = o->time, .seed = (uint64_t)o->seed,
                   .tolerance = o->tolerance > 0.0 ? o->tolerance : 1e-8, .work = 1};
    lk_status status = prepare(ctx, p, o);
    if (status != LK_OK) {
        lk_push_free(p);
        return status;
    }
    *out = p;
    return LK_OK;
}

void lk_push_free(lk_push *p)
{
    if (p != NULL) {
        lki_memory memory = p->memory;
        for (int64_t j = 0; p->rates != NULL && j < p->d; j++) {
            lki_expression_free(&memory, p->rates[j]);
        }
        lki_memory_release(&memory, p->rates);
        lki_expression_free(&memory, p->event);
        lki_memory_release(&memory, p);
    }
}

/* ---- rows ---- */

typedef struct pushing {
    const lk_push *p;
    const double *x;     /* rows x d to go back from, or NULL: draws */
    const double *start; /* rows: log densities of the draws at the begin */
    int64_t rows;
    double *out, *losses;
} pushing;

/* Carries rows of `out` (forward: rows x (d + 1), of which the row is there), or of x backward; losses receives the change of the log density. */
static lk_status push_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const pushing *g = state;
    const lk_push *p = g->p;
    const int64_t d = p->d, first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < g->rows ? first + LKI_BLOCK_ROWS : g->rows;
    double *y;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, 13 * (size_t)(d + 1) + (size_t)p->work, sizeof *y, &y));
    lk_status status = LK_OK;
    for (int64_t i = first; i < end && status == LK_OK; i++) {
        bool whole = true, escaped = false;
        for (int64_t j = 0; j < d; j++) {
            y[j] = g->x != NULL ? g->x[i * d + j] : g->out[i * (d + 1) + j];
            whole = whole && isfinite(y[j]);
        }
        y[d] = 0.0;
        if (whole) {
            status = travel(ctx, p, g->x != NULL ? p->time : 0.0, g->x != NULL ? 0.0 : p->time, y, g->x != NULL ? &escaped : NULL, y + d + 1);
        }
        double *to = g->x != NULL ? g->out + i * d : g->out + i * (d + 1);
        for (int64_t j = 0; j < d; j++) {
            to[j] = whole ? y[j] : (double)NAN;
        }
        g->losses[i] = escaped ? -(double)INFINITY : y[d];
    }
    lki_release(ctx, y);
    return status;
}

static lk_status run(lk_context *ctx, pushing *g)
{
    return lki_parallel(ctx, (g->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, push_block, g);
}

static lk_status count_events(lk_context *ctx, lk_push *p, const double *rows, int64_t count)
{
    double *work;
    if (p->event == NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)lki_expression_work(p->event), sizeof *work, &work));
    for (int64_t i = 0; i < count; i++) {
        const double v = lki_expression_value(p->event, rows + i * (p->d + 1), work);
        p->hits += v != 0.0 && !isnan(v);
    }
    p->draws += count;
    lki_release(ctx, work);
    return LK_OK;
}

lk_status lk_push_rows(lk_context *ctx, lk_push *p, int64_t first_row, int64_t rows, double *out)
{
    const int64_t d = p->d;
    double *x;
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (rows < 0 || first_row < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows: each must be at least 0", (long long)first_row, (long long)rows);
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d + 2), sizeof *x, &x));
    double *start = x + rows * d, *losses = start + rows;
    LKI_GOTO(status, done, lk_model_sample(ctx, p->model, (int64_t)p->seed, first_row, rows, x));
    LKI_GOTO(status, done, lk_model_log_density(ctx, p->model, x, rows, start));
    for (int64_t i = 0; i < rows; i++) {
        memcpy(out + i * (d + 1), x + i * d, (size_t)d * sizeof *x);
    }
    pushing g = {.p = p, .rows = rows, .out = out, .losses = losses};
    LKI_GOTO(status, done, run(ctx, &g));
    for (int64_t i = 0; i < rows; i++) {
        out[i * (d + 1) + d] = start[i] - losses[i];
    }
    status = count_events(ctx, p, out, rows);
done:
    lki_release(ctx, x);
    return status;
}

lk_status lk_push_log_density(lk_context *ctx, const lk_push *p, const double *x, int64_t rows, double *out)
{
    double *from;
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)p->d + 1), sizeof *from, &from));
    double *gains = from + rows * p->d;
    pushing g = {.p = p, .x = x, .rows = rows, .out = from, .losses = gains};
    LKI_GOTO(status, done, run(ctx, &g));
    LKI_GOTO(status, done, lk_model_log_density(ctx, p->model, from, rows, out));
    for (int64_t i = 0; i < rows; i++) {
        out[i] = isnan(from[i * p->d]) ? (double)NAN : gains[i] == -(double)INFINITY ? gains[i] : out[i] + gains[i];
    }
done:
    lki_release(ctx, from);
    return status;
}

void lk_push_event(const lk_push *p, lk_event *out)
{
    const double n = (double)p->draws, share = n > 0.0 ? (double)p->hits / n : (double)NAN, z = 1.959963984540054;
    const double middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    const double half = z / (1.0 + z * z / n) * sqrt(share * (1.0 - share) / n + z * z / (4.0 * n * n));
    *out = (lk_event){.probability = share, .low = fmax(middle - half, 0.0), .high = fmin(middle + half, 1.0), .draws = p->draws};
    out->low = p->hits == 0 ? 0.0 : out->low;
    out->high = p->hits == p->draws ? 1.0 : out->high;
    if (!(n > 0.0)) {
        out->low = out->high = (double)NAN;
    }
}

/* Whether a vector field is the score of a distribution: curl, loops, Stein's identity, the Fokker-Planck equation, local dimension; and its split into a
 * gradient and a gauge part (diagnose_split.c). Everything is in units u = (x - centre) / spread. */
#include "judge/diagnose.h"

#include "core/philox.h"
#include "math/blas.h"
#include "math/cholesky.h"

#include <math.h>
#include <string.h>

enum { LOOP_POINTS = 32 };
#define LOOP_RADIUS 0.5
#define DIFFERENCE 3e-3
#define NOISE_DIFFERENCE 1e-3

/* What a point adds up to. */
enum { ANTISYMMETRIC, JACOBIAN, LOOP, LENGTH, STEIN, STEIN_SQUARE, RESIDUAL, RATE, DIMENSION, DIMENSION_SQUARE, SUMS };

/* ---- the field ---- */

static lk_status by_expressions(lk_context *ctx, const lki_diagnosed *g, double sigma, const double *x, int64_t rows, double *out)
{
    const int64_t d = g->d;
    int64_t most = 1;
    double *work;
    for (int64_t j = 0; j < d; j++) {
        const int64_t w = lki_expression_work(g->rates[j]);
        most = w > most ? w : most;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)(most + d + 1), sizeof *work, &work));
    double *at = work + most;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(at, x + i * d, (size_t)d * sizeof *at);
        at[d] = sigma;
        for (int64_t j = 0; j < d; j++) {
            out[i * d + j] = lki_expression_value(g->rates[j], at, work);
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

lk_status lki_diagnosed_field(lk_context *ctx, const lki_diagnosed *g, int level, const double *u, int64_t rows, double *out)
{
    const int64_t d = g->d;
    double *x;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, 2 * (size_t)d), sizeof *x, &x));
    for (int64_t i = 0; i < rows * d; i++) {
        x[i] = g->a.centre[i % d] + g->a.spread[i % d] * u[i];
    }
    lk_status status = g->function != NULL ? g->function(ctx, g->state, x, rows, g->sigma[level], out)
                       : g->rates != NULL  ? by_expressions(ctx, g, g->sigma[level], x, rows, out)
                                           : lki_affine_score(ctx, &g->oracles[level], &g->a, x, rows, x + rows * d, out);
    lki_release(ctx, x);
    for (int64_t i = 0; i < rows * d && status == LK_OK; i++) {
        out[i] *= g->a.spread[i % d];
        if (!isfinite(out[i])) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC, "the field is not finite near where the distribution is, at noise %g", g->sigma[level]);
        }
    }
    return status;
}

/* ---- one point ---- */

/* J_ij = dv_i / du_j by central differences. rows: 2 d x d of scratch, v: 2 d x d. */
static lk_status jacobian(lk_context *ctx, const lki_diagnosed *g, const double *u, double *rows, double *v, double *J)
{
    const int64_t d = g->d;
    const double h = 1e-4;
    for (int64_t j = 0; j < d; j++) {
        for (int side = 0; side < 2; side++) {
            double *row = rows + (2 * j + side) * d;
            memcpy(row, u, (size_t)d * sizeof *row);
            row[j] += side == 0 ? h : -h;
        }
    }
    LKI_TRY(lki_diagnosed_field(ctx, g, 0, rows, 2 * d, v));
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j < d; j++) {
            J[i * d + j] = (v[2 * j * d + i] - v[(2 * j + 1) * d + i]) / (2.0 * h);
        }
    }
    return LK_OK;
}

/* A random direction of length 1. */
static void direction(lki_stream *s, int64_t d, double *out)
{
    double square = 0.0;
    for (int64_t j = 0; j < d; j++) {
        out[j] = lki_random_normal(s);
        square += out[j] * out[j];
    }
    for (int64_t j = 0; j < d; j++) {
        out[j] /= sqrt(square);
    }
}

/* Around a circle in a random plane, by the trapezoidal rule, which converges exponentially. */
static lk_status loop(lk_context *ctx, const lki_diagnosed *g, const double *u, lki_stream *s, double *rows, double *v, double *a, double *sums)
{
    const int64_t d = g->d;
    double *b = a + d, along = 0.0, circulation = 0.0, length = 0.0;
    if (d < 2) {
        return LK_OK;
    }
    direction(s, d, a);
    direction(s, d, b);
    for (int64_t j = 0; j < d; j++) {
        along += a[j] * b[j];
    }
    for (int64_t j = 0; j < d; j++) {
        b[j] = (b[j] - along * a[j]) / sqrt(fmax(1.0 - along * along, 1e-12));
    }
    for (int64_t p = 0; p < LOOP_POINTS; p++) {
        const double t = 6.283185307179586 * (double)p / LOOP_POINTS;
        for (int64_t j = 0; j < d; j++) {
            rows[p * d + j] = u[j] + LOOP_RADIUS * (cos(t) * a[j] + sin(t) * b[j]);
        }
    }
    LKI_TRY(lki_diagnosed_field(ctx, g, 0, rows, LOOP_POINTS, v));
    for (int64_t p = 0; p < LOOP_POINTS; p++) {
        const double t = 6.283185307179586 * (double)p / LOOP_POINTS;
        double square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            circulation += v[p * d + j] * (cos(t) * b[j] - sin(t) * a[j]) / LOOP_POINTS;
            square += v[p * d + j] * v[p * d + j];
        }
        length += sqrt(square) / LOOP_POINTS;
    }
    sums[LOOP] += circulation * circulation;
    sums[LENGTH] += length * length;
    return LK_OK;
}

/* The Fokker-Planck equation of scores under added noise of variance tau = sigma^2, dv/dtau = grad (div v + |v|^2) / 2, along a random direction w:
 *   w . dv/dtau = sum_i d_i (d_w v_i) / 2 + w' J' v. */
static lk_status fokker_planck(lk_context *ctx, const lki_diagnosed *g, const double *u, const double *J, const double *v, lki_stream *s,
                               double *rows, double *values, double *w, double *sums)
{
    const int64_t d = g->d;
    const double h = DIFFERENCE, up = g->sigma[1], down = g->sigma[2];
    double left = 0.0, right = 0.0;
    if (!(g->sigma[0] > 0.0)) {
        return LK_OK;
    }
    direction(s, d, w);
    for (int level = 1; level < 3; level++) {
        LKI_TRY(lki_diagnosed_field(ctx, g, level, u, 1, values));
        for (int64_t j = 0; j < d; j++) {
            left += (level == 1 ? 1.0 : -1.0) * w[j] * values[j] / (up * up - down * down);
        }
    }
    for (int64_t i = 0; i < d; i++) {
        for (int corner = 0; corner < 4; corner++) {
            double *row = rows + (4 * i + corner) * d;
            for (int64_t j = 0; j < d; j++) {
                row[j] = u[j] + (corner < 2 ? h : -h) * w[j] + (j == i ? (corner % 2 == 0 ? h : -h) : 0.0);
            }
        }
    }
    LKI_TRY(lki_diagnosed_field(ctx, g, 0, rows, 4 * d, values));
    for (int64_t i = 0; i < d; i++) {
        const double *c = values + 4 * i * d + i;
        right += 0.5 * (c[0] - c[d] - c[2 * d] + c[3 * d]) / (4.0 * h * h);
        for (int64_t j = 0; j < d; j++) {
            right += v[i] * J[i * d + j] * w[j];
        }
    }
    sums[RESIDUAL] += (left - right) * (left - right);
    sums[RATE] += left * left + right * right;
    return LK_OK;
}

/* Along directions that the distribution does not fill, its score at noise sigma is - (u - nearest) / sigma^2: - sigma^2 J is 1 there, and below 1/2 where
 * the distribution is wider than the noise. */
static void dimension(const lki_diagnosed *g, const double *J, double *A, double *values, double *each, double *sums)
{
    const int64_t d = g->d;
    double filled = 0.0;
    *each = (double)NAN;
    if (!(g->sigma[0] > 0.0) || d > LKI_EIGEN_MAX) {
        return;
    }
    for (int64_t e = 0; e < d * d; e++) {
        A[e] = -0.5 * g->sigma[0] * g->sigma[0] * (J[e] + J[e % d * d + e / d]);
    }
    if (lki_symmetric_eigen(d, A, values, 0) != 0) {
        return;
    }
    for (int64_t j = 0; j < d; j++) {
        filled += values[j] < 0.5 ? 1.0 : 0.0;
    }
    *each = filled;
    sums[DIMENSION] += filled;
    sums[DIMENSION_SQUARE] += filled * filled;
}

static lk_status point(lk_context *ctx, const lki_diagnosed *g, int64_t index, double *work, double *sums)
{
    const int64_t d = g->d, most = (4 * d > LOOP_POINTS ? 4 * d : LOOP_POINTS) * d;
    const double *u = g->u + index * d, *v = g->v + index * d;
    double *rows = work, *values = rows + most, *J = values + most, *A = J + d * d, *w = A + d * d;
    lki_stream s = lki_stream_new(g->seed, LKI_STREAM_DIAGNOSE, (uint64_t)index);
    LKI_TRY(jacobian(ctx, g, u, rows, values, J));
    double antisymmetric = 0.0, square = 0.0, *each = g->each + 2 * index;
    for (int64_t e = 0; e < d * d; e++) {
        const double half = 0.5 * (J[e] - J[e % d * d + e / d]);
        antisymmetric += half * half;
        square += J[e] * J[e];
    }
    sums[ANTISYMMETRIC] += antisymmetric;
    sums[JACOBIAN] += square;
    each[0] = square > 0.0 ? sqrt(antisymmetric / square) : 0.0;
    LKI_TRY(loop(ctx, g, u, &s, rows, values, w, sums));
    LKI_TRY(fokker_planck(ctx, g, u, J, v, &s, rows, values, w, sums));
    dimension(g, J, A, w, &each[1], sums);
    double stein = 0.0;
    for (int64_t j = 0; j < d; j++) {
        stein -= v[j] * (u[j] - g->mean[j]) / (double)d;
    }
    sums[STEIN] += stein;
    sums[STEIN_SQUARE] += stein * stein;
    return LK_OK;
}

static lk_status sum_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const lki_diagnosed *g = state;
    const int64_t d = g->d, first = index * LKI_DIAGNOSE_ROWS, end = first + LKI_DIAGNOSE_ROWS < g->n ? first + LKI_DIAGNOSE_ROWS : g->n;
    const int64_t most = (4 * d > LOOP_POINTS ? 4 * d : LOOP_POINTS) * d;
    double *work;
    (void)thread;
    LKI_TRY(lki_allocate(ctx, (size_t)(2 * most + 2 * d * d + 2 * d), sizeof *work, &work));
    lk_status status = LK_OK;
    for (int64_t i = first; i < end && status == LK_OK; i++) {
        status = point(ctx, g, i, work, sums);
    }
    lki_release(ctx, work);
    return status;
}

/* ---- made ready ---- */

static lk_status points_of(lk_context *ctx, lki_diagnosed *g, const lk_diagnose_options *o)
{
    const int64_t d = g->d, n = g->n;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)n, 2 * (size_t)d + 2) + (size_t)d, sizeof *g->u, &g->u));
    g->v = g->u + n * d;
    g->mean = g->v + n * d;
    g->each = g->mean + d;
    if (o->points != NULL) {
        memcpy(g->u, o->points, (size_t)(n * d) * sizeof *g->u);
    } else {
        LKI_TRY(lki_model_draw(ctx, g->model, g->seed, 0, n, g->u));
        for (int64_t i = 0; i < n * d; i++) {
            g->u[i] = g->a.shift[i % d] + g->a.scale[i % d] * g->u[i];
        }
    }
    memset(g->mean, 0, (size_t)d * sizeof *g->mean);
    for (int64_t i = 0; i < n; i++) {
        lki_stream s = lki_stream_new(g->seed, LKI_STREAM_DIAGNOSE, (uint64_t)(n + i));
        for (int64_t j = 0; j < d; j++) {
            double *u = &g->u[i * d + j];
            if (!isfinite(*u)) {
                return lki_fail(ctx, LK_ERROR_DATA, "point %lld has a value that is missing or infinite", (long long)i + 1);
            }
            *u = (*u - g->a.centre[j]) / g->a.spread[j] + g->sigma[0] * lki_random_normal(&s);
            g->mean[j] += *u / (double)n;
        }
    }
    for (int64_t first = 0; first < n; first += LKI_BLOCK_ROWS) {
        LKI_TRY(lki_diagnosed_field(ctx, g, 0, g->u + first * d, n - first < LKI_BLOCK_ROWS ? n - first : LKI_BLOCK_ROWS, g->v + first * d));
    }
    return LK_OK;
}

static lk_status open_field(lk_context *ctx, lki_diagnosed *g, const lk_diagnose_options *o)
{
    const int64_t d = g->d;
    g->sigma[0] = o->sigma;
    g->sigma[1] = o->sigma * (1.0 + NOISE_DIFFERENCE);
    g->sigma[2] = o->sigma * (1.0 - NOISE_DIFFERENCE);
    LKI_TRY(lki_affine_new(ctx, g->model, "a diagnosis", &g->a));
    if (o->field != NULL) {
        const char **names;
        LKI_TRY(lki_zeros(ctx, (size_t)d, sizeof(lki_expression *), &g->rates));
        LKI_TRY(lki_allocate(ctx, (size_t)d + 1, sizeof *names, &names));
        memcpy(names, g->model->names, (size_t)d * sizeof *names);
        names[d] = "sigma";
        lk_status status = lki_rates_new(ctx, o->field, names, d, d + 1, g->rates);
        lki_release(ctx, names);
        LKI_TRY(status);
    }
    g->function = o->function;
    g->state = o->state;
    g->dense = g->model->operations.log_density != NULL && o->points == NULL;
    /* The model's own smoothed law is asked for its score, or for its density to hold a field against. */
    if ((g->rates == NULL && g->function == NULL) || g->dense) {
        for (int level = 0; level < (o->sigma > 0.0 ? 3 : 1); level++) {
            LKI_TRY(lki_affine_oracle(ctx, g->model, &g->a, g->sigma[level], g->a.spread, &g->oracles[level]));
        }
    }
    return LK_OK;
}

static void tell_each(const lki_diagnosed *g, double *out)
{
    const int64_t d = g->d;
    for (int64_t i = 0; i < g->n; i++, out += 2 * d + 2) {
        for (int64_t j = 0; j < d; j++) {
            out[j] = g->a.centre[j] + g->a.spread[j] * g->u[i * d + j];
            out[d + j] = g->v[i * d + j] / g->a.spread[j];
        }
        out[2 * d] = g->each[2 * i];
        out[2 * d + 1] = g->each[2 * i + 1];
    }
}

static lk_status diagnose(lk_context *ctx, lki_diagnosed *g, const lk_diagnose_options *o, lk_diagnosis *r)
{
    double sums[SUMS];
    LKI_TRY(open_field(ctx, g, o));
    LKI_TRY(points_of(ctx, g, o));
    lki_reduction reduction = {.blocks = (g->n + LKI_DIAGNOSE_ROWS - 1) / LKI_DIAGNOSE_ROWS, .length = SUMS, .block = sum_block, .state = g, .stage = "diagnose"};
    LKI_TRY(lki_reduce(ctx, &reduction, sums));
    const double n = (double)g->n, nan = (double)NAN;
    const bool noisy = g->sigma[0] > 0.0;
    r->asymmetry = sums[JACOBIAN] > 0.0 ? sqrt(sums[ANTISYMMETRIC] / sums[JACOBIAN]) : nan;
    r->circulation = sums[LENGTH] > 0.0 ? sqrt(sums[LOOP] / sums[LENGTH]) : nan;
    r->scale = sums[STEIN] / n;
    r->scale_error = sqrt(fmax(sums[STEIN_SQUARE] / n - r->scale * r->scale, 0.0) / n);
    r->fokker_planck = noisy ? sqrt(2.0 * sums[RESIDUAL] / fmax(sums[RATE], 1e-300)) : nan;
    r->dimension = noisy ? sums[DIMENSION] / n : nan;
    r->dimension_sd = noisy ? sqrt(fmax(sums[DIMENSION_SQUARE] / n - r->dimension * r->dimension, 0.0)) : nan;
    r->points = g->n;
    r->against_density = g->dense;
    LKI_TRY(lki_diagnose_split(ctx, g, &r->gauge, &r->transport));
    if (o->each != NULL) {
        tell_each(g, o->each);
    }
    return LK_OK;
}

lk_status lk_model_diagnose(lk_context *ctx, const lk_model *model, const lk_diagnose_options *options, lk_diagnosis *out)
{
    const lk_diagnose_options none = {.size = sizeof none}, *o = options != NULL ? options : &none;
    const size_t size = out->size;
    lki_begin(ctx);
    if (o->size < sizeof *o || (o->field != NULL && o->function != NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_diagnose_options wants its size, which is sizeof(lk_diagnose_options), and at most one of field and function");
    }
    if (!(o->sigma >= 0.0 && o->sigma <= 1e6) || o->seed < 0 || o->point_count < 0 || o->features < 0 || o->features > 2000 ||
        (o->points != NULL && o->point_count < 10)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "sigma %g, %lld points, %lld features, seed %lld: sigma must be from 0 to 1e6, given points at least 10, features at "
                        "most 2000, the seed at least 0", o->sigma, (long long)o->point_count, (long long)o->features, (long long)o->seed);
    }
    LKI_TRY(lki_model_supports(ctx, model, o->points != NULL ? LK_OPERATION_SCORE : LK_OPERATION_SAMPLE));
    lki_diagnosed g = {.model = model, .d = model->d, .n = o->point_count > 0 ? (o->point_count > 10 ? o->point_count : 10) : 2000,
                       .waves = o->features > 0 ? o->features : 100, .seed = (uint64_t)o->seed};
    lk_diagnosis r = {.size = size};
    lki_memory memory = lki_memory_of(ctx);
    lki_blas_enter();
    lk_status status = diagnose(ctx, &g, o, &r);
    lki_blas_leave();
    for (int level = 0; level < 3; level++) {
        lki_oracle_close(ctx, &g.oracles[level]);
    }
    for (int64_t j = 0; g.rates != NULL && j < g.d; j++) {
        lki_expression_free(&memory, g.rates[j]);
    }
    lki_release(ctx, g.rates);
    lki_release(ctx, g.u);
    lki_affine_free(ctx, &g.a);
    if (status == LK_OK) {
        memcpy(out, &r, size < sizeof r ? size : sizeof r);
    }
    return status;
}

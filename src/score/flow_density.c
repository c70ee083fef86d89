/* Log densities by the probability flow: along dy/dsigma = -sigma score(y, sigma) the log density changes by d log p / dsigma = sigma div
 * score, so that
 *   log p(y_0) = log N(y_T; mean, C + sigma_T^2 I) - int_0^{sigma_T} sigma div score dsigma
 * (Song et al. 2021, arXiv:2011.13456, section 4.3; Chen et al. 2018, arXiv:1806.07366), with the divergence exact or by random probes
 * v of signs, E v' (dscore/dy) v (Hutchinson 1990, Commun. Stat. Simul. Comput. 19, 433-450). Noise is sigma = sigma_T w^3 over even steps
 * of w by the Runge-Kutta method of order 4 (3/8 rule). Each row is done with n, 2 n and 4 n steps; where those differ by more than the
 * tolerance, with twice as many again. */
#include "core/philox.h"
#include "core/reduce.h"
#include "math/blas.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

enum { FIRST_STEPS = 16, STEPS_MOST = 4096, PROBES_MOST = 64, PIECE = 16 * LKI_BLOCK_ROWS };

typedef struct flow {
    const lki_field *field;
    double *gaussian; /* mean, variances, axes of the model: lki_gaussian_moments() */
    double sigma_most, tolerance;
    int64_t d, probes;
    uint64_t seed;
} flow;

/* Rows on their way up: y, and the integral of sigma div score for each probe (or one). */
typedef struct climb {
    const flow *flow;
    int64_t rows, width;      /* width: probes, or 1 */
    const int64_t *numbers;   /* rows: what their probes are drawn by */
    double *y, *sums;         /* rows x d, rows x width */
    const lki_level *levels;  /* 4 */
    double sigma[4], rate[4]; /* dsigma/dw */
    double h;
} climb;

/* v' (dscore/dy) v by central differences along each probe. */
static lk_status probe(lk_context *ctx, const climb *c, const lki_level *level, int64_t first, int64_t rows, const double *y, double *work,
                       double *out)
{
    const int64_t d = c->flow->d, values = rows * d;
    const double e = 1e-4 * fmax(level->sigma, 0.05);
    double *v = work, *moved = v + values, *above = moved + values, *below = above + values;
    for (int64_t k = 0; k < c->width; k++) {
        for (int64_t i = 0; i < rows; i++) {
            lki_stream s = lki_stream_new(c->flow->seed, LKI_STREAM_PILOT | (uint64_t)(k + 1) << 32, (uint64_t)c->numbers[first + i]);
            uint64_t bits = 0;
            for (int64_t j = 0; j < d; j++) {
                bits = j % 64 == 0 ? lki_random_bits(&s) : bits >> 1;
                v[i * d + j] = (bits & 1) != 0 ? 1.0 : -1.0;
            }
        }
        for (int side = 0; side < 2; side++) {
            for (int64_t i = 0; i < values; i++) {
                moved[i] = y[i] + (side == 0 ? e : -e) * v[i];
            }
            LKI_TRY(lki_level_ask(ctx, level, moved, rows, NULL, side == 0 ? above : below, NULL));
        }
        for (int64_t i = 0; i < rows; i++) {
            double sum = 0.0;
            for (int64_t j = 0; j < d; j++) {
                sum += v[i * d + j] * (above[i * d + j] - below[i * d + j]);
            }
            out[i * c->width + k] = sum / (2.0 * e);
        }
    }
    return LK_OK;
}

/* Slopes at one stage: of y (rows x d) and of the sums (rows x width). */
static lk_status stage(lk_context *ctx, const climb *c, int k, int64_t first, int64_t rows, const double *y, double *work, double *slope,
                       double *divergence)
{
    const int64_t values = rows * c->flow->d;
    const double pull = c->sigma[k] * c->rate[k];
    LKI_TRY(lki_level_ask(ctx, &c->levels[k], y, rows, NULL, slope, c->flow->probes == 0 ? divergence : NULL));
    if (c->flow->probes > 0) {
        LKI_TRY(probe(ctx, c, &c->levels[k], first, rows, y, work, divergence));
    }
    for (int64_t i = 0; i < values; i++) {
        slope[i] *= -pull;
    }
    for (int64_t i = 0; i < rows * c->width; i++) {
        divergence[i] *= pull;
    }
    return LK_OK;
}

static lk_status climb_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    static const double lower[4][3] = {{0}, {1.0 / 3}, {-1.0 / 3, 1.0}, {1.0, -1.0, 1.0}}, weight[4] = {0.125, 0.375, 0.375, 0.125};
    const climb *c = state;
    const int64_t d = c->flow->d, first = index * LKI_BLOCK_ROWS, rows = c->rows - first < LKI_BLOCK_ROWS ? c->rows - first : LKI_BLOCK_ROWS,
                  values = rows * d, sums = rows * c->width;
    double *y = c->y + first * d, *total = c->sums + first * c->width, *work;
    lk_status status = LK_OK;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, (size_t)(9 * values + 4 * sums), sizeof *work, &work));
    double *slopes = work, *at = slopes + 4 * values, *divergences = at + values, *probing = divergences + 4 * sums;
    for (int k = 0; k < 4; k++) {
        for (int64_t i = 0; i < values; i++) {
            double sum = 0.0;
            for (int j = 0; j < k; j++) {
                sum += lower[k][j] * slopes[j * values + i];
            }
            at[i] = y[i] + c->h * sum;
        }
        LKI_GOTO(status, done, stage(ctx, c, k, first, rows, at, probing, slopes + k * values, divergences + k * sums));
    }
    for (int k = 0; k < 4; k++) {
        for (int64_t i = 0; i < values; i++) {
            y[i] += c->h * weight[k] * slopes[k * values + i];
        }
        for (int64_t i = 0; i < sums; i++) {
            total[i] += c->h * weight[k] * divergences[k * sums + i];
        }
    }
done:
    lki_release(ctx, work);
    return status;
}

static lk_status one_step(lk_context *ctx, climb *c, double w)
{
    static const double at[4] = {0.0, 1.0 / 3, 2.0 / 3, 1.0};
    lki_level levels[4] = {{0}};
    lk_status status = LK_OK;
    for (int k = 0; k < 4 && status == LK_OK; k++) {
        const double x = w + at[k] * c->h;
        c->sigma[k] = c->flow->sigma_most * x * x * x;
        c->rate[k] = 3.0 * c->flow->sigma_most * x * x;
        /* at no noise at all the pull is 0, whatever the score; fields that begin above it are asked there */
        status = lki_level_open(ctx, c->flow->field, c->sigma[k] > 0.0 || c->flow->field->clean ? c->sigma[k] : 1e-6, &levels[k]);
    }
    c->levels = levels;
    if (status == LK_OK) {
        status = lki_parallel(ctx, (c->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, climb_block, c);
    }
    c->levels = NULL;
    for (int k = 0; k < 4; k++) {
        if (levels[k].field != NULL) {
            lki_level_close(ctx, &levels[k]);
        }
    }
    return status;
}

static double normal_log_density(const flow *f, const double *y)
{
    const int64_t d = f->d;
    const double *mean = f->gaussian, *variances = mean + d, *axes = mean + 2 * d;
    double sum = 0.0;
    for (int64_t a = 0; a < d; a++) {
        const double v = variances[a] + f->sigma_most * f->sigma_most;
        double along = 0.0;
        for (int64_t j = 0; j < d; j++) {
            along += axes[a * d + j] * (y[j] - mean[j]);
        }
        sum -= 0.5 * (along * along / v + log(2.0 * M_PI * v));
    }
    return sum;
}

/* Log densities of rows u with `steps` steps, and their standard errors over probes (0 without). */
static lk_status climb_all(lk_context *ctx, const flow *f, int64_t steps, const double *u, const int64_t *numbers, int64_t rows, double *out,
                           double *spread)
{
    const int64_t d = f->d, width = f->probes > 0 ? f->probes : 1;
    climb c = {.flow = f, .rows = rows, .width = width, .numbers = numbers, .h = 1.0 / (double)steps};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *c.y, &c.y));
    LKI_GOTO(status, done, lki_zeros(ctx, lki_product((size_t)rows, (size_t)width), sizeof *c.sums, &c.sums));
    memcpy(c.y, u, (size_t)(rows * d) * sizeof *u);
    for (int64_t i = 0; i < steps; i++) {
        LKI_GOTO(status, done, one_step(ctx, &c, (double)i / (double)steps));
    }
    for (int64_t i = 0; i < rows; i++) {
        double m[LKI_POOLED];
        lki_pooled_of(m, c.sums + i * width, 1, NULL, width);
        out[i] = normal_log_density(f, c.y + i * d) - m[LKI_POOLED_MEAN];
        spread[i] = width > 1 ? lki_pooled_error(m) : f->probes == 1 ? (double)NAN : 0.0;
    }
done:
    lki_release(ctx, c.y);
    lki_release(ctx, c.sums);
    return status;
}

/* Whole rows u of one piece: doubled steps until they agree, for the rows that do not yet. */
typedef struct refinement {
    int64_t *numbers, *left;  /* rows: of those left, what probes are drawn by, and their place in the piece */
    double *u, *now, *spread, *before, *change; /* rows x d, rows, ... */
} refinement;

/* The error is a third of the last change, or of a sixteenth of the one before (order 4), where that is more: two changes are looked at, since
 * one may be small by chance. */
static lk_status refine(lk_context *ctx, const flow *f, int64_t rows, refinement *r, double *out, double *error)
{
    const int64_t d = f->d;
    double *before = r->before, *change = r->change;
    int64_t count = rows;
    LKI_TRY(climb_all(ctx, f, FIRST_STEPS, r->u, r->numbers, rows, before, r->spread));
    for (int64_t i = 0; i < rows; i++) {
        change[i] = (double)INFINITY;
    }
    for (int64_t steps = 2 * FIRST_STEPS; count > 0 && steps <= STEPS_MOST; steps *= 2) {
        int64_t kept = 0;
        LKI_TRY(climb_all(ctx, f, steps, r->u, r->numbers, count, r->now, r->spread));
        for (int64_t i = 0; i < count; i++) {
            const double now = fabs(r->now[i] - before[i]), moved = fmax(now, change[i] / 16.0) / 3.0;
            const int64_t at = r->left[i];
            out[at] = r->now[i] + (r->now[i] - before[i]) / 15.0;
            error[at] = hypot(moved, r->spread[i]);
            if (!(moved <= f->tolerance) && isfinite(r->now[i])) {
                memmove(r->u + kept * d, r->u + i * d, (size_t)d * sizeof *r->u);
                r->numbers[kept] = r->numbers[i];
                r->left[kept] = at;
                change[kept] = now;
                before[kept++] = r->now[i];
            }
        }
        count = kept;
    }
    return LK_OK;
}

/* Rows of data in the field's units; those with missing values and those outside the support are answered at once. */
static int64_t gather(const flow *f, const lk_model *model, const double *x, int64_t first_row, int64_t rows, refinement *r, double *jacobian,
                      double *out, double *error)
{
    const int64_t d = f->d;
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        double *u = r->u + count * d;
        bool missing = false, finite = true;
        jacobian[i] = 0.0;
        if (model->transform != NULL) {
            lki_transform_apply(model->transform, x + i * d, 1, u, &jacobian[i], NULL);
        } else {
            memcpy(u, x + i * d, (size_t)d * sizeof *u);
        }
        for (int64_t j = 0; j < d; j++) {
            missing = missing || isnan(x[i * d + j]);
            finite = finite && isfinite(u[j]);
            u[j] = (u[j] - f->field->centre[j]) / f->field->scale[j];
        }
        out[i] = missing ? (double)NAN : -(double)INFINITY;
        error[i] = missing ? (double)NAN : 0.0;
        if (finite && !missing) {
            r->numbers[count] = first_row + i;
            r->left[count++] = i;
        }
    }
    return count;
}

static lk_status piece(lk_context *ctx, const flow *f, const lk_model *model, const double *x, int64_t first_row, int64_t rows, double *out,
                       double *error)
{
    refinement r = {0};
    double *jacobian = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, 2 * sizeof *r.numbers, &r.numbers));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)f->d), sizeof *r.u, &r.u));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, 4 * sizeof *r.now, &r.now));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *jacobian, &jacobian));
    r.left = r.numbers + rows;
    r.spread = r.now + rows;
    r.before = r.spread + rows;
    r.change = r.before + rows;
    const int64_t count = gather(f, model, x, first_row, rows, &r, jacobian, out, error);
    if (count > 0) {
        LKI_GOTO(status, done, refine(ctx, f, count, &r, out, error));
    }
    for (int64_t i = 0; i < rows; i++) {
        out[i] += isfinite(out[i]) ? jacobian[i] - f->field->log_scale : 0.0;
    }
done:
    lki_release(ctx, r.numbers);
    lki_release(ctx, r.u);
    lki_release(ctx, r.now);
    lki_release(ctx, jacobian);
    return status;
}

static lk_status check(lk_context *ctx, const lk_model *model, const lk_flow_density_options *o, int64_t first_row, int64_t rows)
{
    if (o->size < sizeof *o) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_flow_density_options.size is %zu; set it to sizeof(lk_flow_density_options)", o->size);
    }
    if (rows < 0 || first_row < 0 || o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows, seed %lld: each must be at least 0", (long long)first_row,
                        (long long)rows, (long long)o->seed);
    }
    if (o->probes < 0 || o->probes > PROBES_MOST) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld probes; there must be from 0 (exact) to %d", (long long)o->probes, PROBES_MOST);
    }
    if (!(o->tolerance == 0.0 || (o->tolerance >= 1e-12 && o->tolerance <= 1.0))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a tolerance of %g; it must be from 1e-12 to 1", o->tolerance);
    }
    if (!(o->sigma_max == 0.0 || (o->sigma_max >= 1.0 && o->sigma_max <= 1e5))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "noise up to %g; it must be from 1 to 1e5", o->sigma_max);
    }
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SCORE));
    return lki_model_supports(ctx, model, LK_OPERATION_SMOOTH);
}

lk_status lk_model_flow_density(lk_context *ctx, const lk_model *model, const lk_flow_density_options *options, const double *x,
                                int64_t first_row, int64_t rows, double *out, double *error)
{
    const lk_flow_density_options none = {.size = sizeof none}, *o = options != NULL ? options : &none;
    const size_t d = (size_t)model->d;
    flow f = {.d = model->d, .probes = o->probes, .seed = (uint64_t)o->seed};
    lki_field *field = NULL;
    double *units = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(check(ctx, model, o, first_row, rows));
    f.tolerance = o->tolerance != 0.0 ? o->tolerance : 1e-5;
    f.sigma_most = o->sigma_max != 0.0 ? o->sigma_max : 100.0;
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, d, 2 * sizeof *units, &units));
    LKI_GOTO(status, done, lki_allocate(ctx, d + 2, d * sizeof *f.gaussian, &f.gaussian));
    LKI_GOTO(status, done, lki_sampler_units(ctx, model, units, units + d));
    LKI_GOTO(status, done, lki_field_of_model(ctx, model, units, units + d, &field));
    f.field = field;
    LKI_GOTO(status, done, lki_gaussian_moments(ctx, model, field, f.gaussian));
    for (int64_t first = 0; first < rows; first += PIECE) {
        const int64_t count = rows - first < PIECE ? rows - first : PIECE;
        LKI_GOTO(status, done, piece(ctx, &f, model, x + first * f.d, first_row + first, count, out + first, error + first));
        lki_progress(ctx, "flow density", (double)(first + count), (double)rows, "");
    }
done:
    lki_field_free(ctx, field);
    lki_release(ctx, units);
    lki_release(ctx, f.gaussian);
    lki_blas_leave();
    return status;
}

/* The Runge-Kutta pair of orders 5 and 4 (Dormand and Prince 1980, J. Comput. Appl. Math. 6, 19-26) along the probability flow in a
 * schedule's own time. Where no number of steps is given, the steps are those that a tolerance demands of 256 rows of a fixed
 * seed, so that what a row gets does not depend on the rows beside it. */
#include "score/sampler.h"

#include <math.h>
#include <string.h>

enum { STAGES = 7, PILOT_ROWS = 256, STEPS_MOST = 10000 };

static const double nodes_of[STAGES] = {0.0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1.0, 1.0};
static const double rows_of[STAGES][STAGES - 1] = {
    {0},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0.0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84}, /* order 5 */
};
/* Order 5 less order 4. */
static const double error_of[STAGES] = {71.0 / 57600, 0.0, -71.0 / 16695, 71.0 / 1920, -17253.0 / 339200, 22.0 / 525, -1.0 / 40};

static lki_node stage_node(const lk_sampler *s, const lki_node *from, const lki_node *to, int stage)
{
    const double c = nodes_of[stage];
    return c == 0.0 ? *from : c == 1.0 ? *to : lki_schedule_node(&s->schedule, from->t + c * (to->t - from->t));
}

static double stage_noise(const lk_sampler *s, const lki_node *from, const lki_node *to, int level, bool *weak)
{
    (void)weak;
    return stage_node(s, from, to, level).ratio;
}

/* x = alpha y moved by the slopes so far, as y at the stage's node. */
static void stage_rows(const lki_node *from, const lki_node *at, double h, int stage, const double *y, const double *slopes,
                       int64_t values, double *out)
{
    for (int64_t i = 0; i < values; i++) {
        double sum = 0.0;
        for (int j = 0; j < stage; j++) {
            sum += rows_of[stage][j] * slopes[j * values + i];
        }
        out[i] = (from->point.alpha * y[i] + h * sum) / at->point.alpha;
    }
}

/* slopes: STAGES x values. The end is in `out`. */
static lk_status stages(lk_context *ctx, const lki_step *step, const double *y, int64_t rows, double *slopes, double *out, int count)
{
    const int64_t values = rows * step->sampler->d;
    const double h = step->to->t - step->from->t;
    for (int k = 0; k < count; k++) {
        const lki_node at = stage_node(step->sampler, step->from, step->to, k);
        double *v = slopes + k * values;
        const double a = at.point.alpha_rate, pull = a * at.ratio * at.ratio - at.point.sigma_rate * at.ratio;
        stage_rows(step->from, &at, h, k, y, slopes, values, out);
        LKI_TRY(lki_level_ask(ctx, &step->levels[k], out, rows, NULL, v, NULL));
        for (int64_t i = 0; i < values; i++) {
            v[i] = a * out[i] + pull * v[i];
        }
    }
    if (count < STAGES) {
        stage_rows(step->from, step->to, h, STAGES - 1, y, slopes, values, out);
    }
    return LK_OK;
}

static lk_status dopri5_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *scratch)
{
    const int64_t values = rows * step->sampler->d;
    double *y = step->y + first * step->sampler->d, *out = scratch + (STAGES - 1) * values;
    LKI_TRY(stages(ctx, step, y, rows, scratch, out, STAGES - 1));
    memcpy(y, out, (size_t)values * sizeof *y);
    return LK_OK;
}

const lki_stepper lki_stepper_dopri5 = {.levels = STAGES - 1, .scratch = STAGES, .evaluations = STAGES - 1, .noise = stage_noise,
                                        .block = dopri5_block};

/* One trial step of the pilot rows: where it ends (out) and its error, root mean square in y. */
static lk_status trial(lk_context *ctx, lki_step *step, const double *y, double *slopes, double *out, double *error)
{
    const int64_t values = PILOT_ROWS * step->sampler->d;
    lki_level levels[STAGES] = {{0}};
    lk_status status = LK_OK;
    double sum = 0.0;
    for (int k = 0; k < STAGES && status == LK_OK; k++) {
        status = lki_level_open(ctx, step->sampler->field, stage_node(step->sampler, step->from, step->to, k).ratio, &levels[k]);
    }
    step->levels = levels;
    if (status == LK_OK) {
        status = stages(ctx, step, y, PILOT_ROWS, slopes, out, STAGES);
    }
    for (int64_t i = 0; i < values && status == LK_OK; i++) {
        double e = 0.0;
        for (int k = 0; k < STAGES; k++) {
            e += error_of[k] * slopes[k * values + i];
        }
        e *= (step->to->t - step->from->t) / step->to->point.alpha;
        sum += e * e;
    }
    for (int k = 0; k < STAGES; k++) {
        if (levels[k].field != NULL) {
            lki_level_close(ctx, &levels[k]);
        }
    }
    *error = sqrt(sum / (double)values);
    return status;
}

/* Steps of the pilot rows under the tolerance, which is relative to 1 + r: the spread of y. */
static lk_status find_steps(lk_context *ctx, lk_sampler *s, double *y, double *slopes, double *out)
{
    const double first = lki_schedule_time(&s->schedule, s->sigma_max), last = lki_schedule_time(&s->schedule, s->sigma_min);
    double t = first, h = (last - first) / 20.0;
    size_t capacity = 0;
    int64_t count = 0;
    LKI_TRY(lki_grow(ctx, &s->nodes, &capacity, 64, sizeof *s->nodes));
    s->nodes[count++] = lki_schedule_node(&s->schedule, t);
    for (int tries = 0; t != last; tries++) {
        if (tries == STEPS_MOST) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "dopri5 found no steps for a tolerance of %g; a larger one may help", s->tolerance);
        }
        const double end = fabs(h) >= fabs(last - t) * (1.0 - 1e-9) ? last : t + h;
        const lki_node from = s->nodes[count - 1], to = lki_schedule_node(&s->schedule, end);
        lki_step step = {.sampler = s, .from = &from, .to = &to};
        double error;
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(trial(ctx, &step, y, slopes, out, &error));
        error /= s->tolerance * (1.0 + to.ratio);
        if (error <= 1.0) {
            memcpy(y, out, (size_t)(PILOT_ROWS * s->d) * sizeof *y);
            LKI_TRY(lki_grow(ctx, &s->nodes, &capacity, (size_t)count + 2, sizeof *s->nodes));
            s->nodes[count++] = to;
            t = end;
        }
        h = (end - from.t) * (isfinite(error) ? fmin(5.0, fmax(0.2, 0.9 * pow(fmax(error, 1e-10), -0.2))) : 0.2);
    }
    s->nodes[count] = (lki_node){(double)NAN, 0.0, {1.0, 0.0, 0.0, 0.0}};
    s->nodes_steps = count;
    return LK_OK;
}

lk_status lki_dopri5_prepare(lk_context *ctx, lk_sampler *s)
{
    const size_t values = lki_product(PILOT_ROWS, (size_t)s->d);
    double *y = NULL;
    if (s->steps > 0) { /* even steps of this number */
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, values, (STAGES + 2) * sizeof *y, &y));
    lki_walk_start(s, s->sigma_max, LKI_STREAM_PILOT, 0, PILOT_ROWS, y);
    lk_status status = find_steps(ctx, s, y, y + 2 * values, y + values);
    lki_release(ctx, y);
    return status;
}

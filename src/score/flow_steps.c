/* Steps along the probability flow, whose solution at noise sigma is distributed as the model with that noise (Song et al. 2021,
 * arXiv:2011.13456, section 4.3): Euler and Heun in a schedule's own time, DDIM and multistep exponential integrators in the
 * logarithm of the noise. With y = x / alpha, r = sigma / alpha and the field's score s(y, r), E[x0 | x] = y + r^2 s, E[n | x] =
 * -r s. */
#include "score/sampler.h"

#include <math.h>
#include <string.h>

/* dx/dt = alpha' E[x0 | x] + sigma' E[n | x]; v may be the score itself. */
static void velocity(const lki_node *at, const double *y, const double *score, int64_t values, double *v)
{
    const double a = at->point.alpha_rate, pull = a * at->ratio * at->ratio - at->point.sigma_rate * at->ratio;
    for (int64_t i = 0; i < values; i++) {
        v[i] = a * y[i] + pull * score[i];
    }
}

static lk_status euler_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *v)
{
    const int64_t values = rows * step->sampler->d;
    const lki_node *from = step->from, *to = step->to;
    double *y = step->y + first * step->sampler->d;
    const double h = to->t - from->t;
    LKI_TRY(lki_level_ask(ctx, &step->levels[0], y, rows, NULL, v, NULL));
    velocity(from, y, v, values, v);
    for (int64_t i = 0; i < values; i++) {
        y[i] = (from->point.alpha * y[i] + h * v[i]) / to->point.alpha;
    }
    return LK_OK;
}

static double both_ends(const lk_sampler *s, const lki_node *from, const lki_node *to, int level, bool *weak)
{
    (void)s;
    (void)weak;
    return level == 0 ? from->ratio : to->ratio;
}

static lk_status heun_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *one)
{
    const int64_t values = rows * step->sampler->d;
    const lki_node *from = step->from, *to = step->to;
    double *y = step->y + first * step->sampler->d, *two = one + values, *trial = two + values;
    const double h = to->t - from->t;
    LKI_TRY(lki_level_ask(ctx, &step->levels[0], y, rows, NULL, one, NULL));
    velocity(from, y, one, values, one);
    for (int64_t i = 0; i < values; i++) {
        trial[i] = (from->point.alpha * y[i] + h * one[i]) / to->point.alpha;
    }
    LKI_TRY(lki_level_ask(ctx, &step->levels[1], trial, rows, NULL, two, NULL));
    velocity(to, trial, two, values, two);
    for (int64_t i = 0; i < values; i++) {
        y[i] = (from->point.alpha * y[i] + 0.5 * h * (one[i] + two[i])) / to->point.alpha;
    }
    return LK_OK;
}

/* y' = y + (r' - r) E[n | x]: exact where the noise told of does not change (Song, Meng and Ermon 2021, arXiv:2010.02502, equation
 * 13 without noise of its own). */
static lk_status ddim_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *score)
{
    const int64_t values = rows * step->sampler->d;
    double *y = step->y + first * step->sampler->d;
    const double r = step->from->ratio, pull = (r - step->to->ratio) * r;
    LKI_TRY(lki_level_ask(ctx, &step->levels[0], y, rows, NULL, score, NULL));
    for (int64_t i = 0; i < values; i++) {
        y[i] += pull * score[i];
    }
    return LK_OK;
}

/* With lambda = -log r, dy/dlambda = D - y for D = E[x0 | x], so that over a step h
 *   y' = e^-h y + int_0^h e^-(h-u) D(lambda + u) du,
 * where D is the polynomial through its last values (order 2 is DPM-Solver++(2M): Lu et al. 2022, arXiv:2211.01095). */
static lk_status dpm_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *score)
{
    const int64_t d = step->sampler->d, values = rows * d, most = step->sampler->order;
    const lki_node *from = step->from;
    double *y = step->y + first * d, *kept = step->memory + 2 * first * d, *before = kept + values;
    const int64_t order = step->number + 1 < most ? step->number + 1 : most;
    const double r = from->ratio, h = log(r / step->to->ratio);
    const double h1 = order > 1 ? log(from[-1].ratio / r) : 1.0, h2 = order > 2 ? log(from[-2].ratio / from[-1].ratio) : 1.0;
    const double fade = exp(-h), i0 = -expm1(-h), i1 = h - i0, i2 = h * h - 2.0 * i1;
    LKI_TRY(lki_level_ask(ctx, &step->levels[0], y, rows, NULL, score, NULL));
    for (int64_t i = 0; i < values; i++) {
        const double data = y[i] + r * r * score[i];
        const double slope = order > 1 ? (data - kept[i]) / h1 : 0.0,
                     bend = order > 2 ? (slope - (kept[i] - before[i]) / h2) / (h1 + h2) : 0.0;
        y[i] = fade * y[i] + i0 * data + i1 * (slope + bend * h1) + i2 * bend;
        before[i] = kept[i];
        kept[i] = data;
    }
    return LK_OK;
}

/* One step to the next node and, by the weak field, back again, then on for good: what the two disagree on moves the row (Bai et
 * al. 2025, arXiv:2502.00473, algorithm 1). */
static double reflection_noise(const lk_sampler *s, const lki_node *from, const lki_node *to, int level, bool *weak)
{
    (void)s;
    *weak = level == 1;
    return level == 0 ? from->ratio : to->ratio;
}

static lk_status reflection_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *score)
{
    const int64_t values = rows * step->sampler->d;
    double *y = step->y + first * step->sampler->d;
    const double r = step->from->ratio, to = step->to->ratio;
    for (int pass = 0; pass < 3; pass++) {
        const bool back = pass == 1;
        LKI_TRY(lki_level_ask(ctx, &step->levels[back ? 1 : 0], y, rows, NULL, score, NULL));
        const double pull = back ? (to - r) * to : (r - to) * r;
        for (int64_t i = 0; i < values; i++) {
            y[i] += pull * score[i];
        }
    }
    return LK_OK;
}

const lki_stepper lki_stepper_euler = {.levels = 1, .scratch = 1, .evaluations = 1, .block = euler_block};
const lki_stepper lki_stepper_heun = {.levels = 2, .scratch = 3, .evaluations = 2, .noise = both_ends, .block = heun_block};
const lki_stepper lki_stepper_ddim = {.levels = 1, .scratch = 1, .evaluations = 1, .block = ddim_block};
const lki_stepper lki_stepper_dpm = {.levels = 1, .scratch = 1, .memory = 2, .evaluations = 1, .block = dpm_block};
const lki_stepper lki_stepper_reflection = {.levels = 2, .scratch = 1, .evaluations = 3, .noise = reflection_noise,
                                            .block = reflection_block};

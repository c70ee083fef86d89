/* Steps of the reverse diffusion with noise on the way, and those with a corrector after them. With lambda = -log r and D = E[x0 |
 * x], for any churn g >= 0 the equation dy = (1 + g) (D - y) dlambda + r sqrt(2 g) dw keeps the law of y that of the model with
 * noise r: g = 0 is the flow, g = 1 the reverse of the diffusion that made the noise (Song et al. 2021, arXiv:2011.13456, equation
 * 6). Where D is linear in lambda a step is exact (Lu et al. 2022, arXiv:2211.01095, section 5). */
#include "score/sampler.h"

#include <math.h>

/* Signal to noise of the corrector (Song et al. 2021, appendix G). */
#define CORRECTOR_SNR 0.16

/* y to the next node; `data` receives D, `before` holds that of the step before (NULL = none is used). */
static lk_status noisy_step(lk_context *ctx, const lki_step *step, const lki_level *level, int64_t first, int64_t rows, double g,
                            double *before, double *score)
{
    const int64_t d = step->sampler->d, values = rows * d;
    const lki_node *from = step->from;
    const bool bend = before != NULL && step->number > 0;
    double *y = step->y + first * d;
    const double r = from->ratio, h = log(r / step->to->ratio), h1 = bend ? log(from[-1].ratio / r) : 1.0;
    const double fade = exp(-(1.0 + g) * h), i0 = -expm1(-(1.0 + g) * h), i1 = h - i0 / (1.0 + g);
    const double noise = step->to->ratio * sqrt(-expm1(-2.0 * g * h));
    LKI_TRY(lki_level_ask(ctx, level, y, rows, NULL, score, NULL));
    for (int64_t i = 0; i < values; i++) {
        const double data = y[i] + r * r * score[i], slope = bend ? (data - before[i]) / h1 : 0.0;
        y[i] = fade * y[i] + i0 * data + i1 * slope;
        if (before != NULL) {
            before[i] = data;
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_step_stream(step, first + i);
        for (int64_t j = 0; j < d; j++) {
            y[i * d + j] += noise * lki_random_normal(&s);
        }
    }
    return LK_OK;
}

static lk_status sde_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *score)
{
    return noisy_step(ctx, step, &step->levels[0], first, rows, step->sampler->churn, step->memory + first * step->sampler->d, score);
}

static double both_ends(const lk_sampler *s, const lki_node *from, const lki_node *to, int level, bool *weak)
{
    (void)s;
    (void)weak;
    return level == 0 ? from->ratio : to->ratio;
}

/* After each step one of Langevin dynamics at the new noise: y + e s + sqrt(2 e) n, e = 2 (snr r)^2. */
static lk_status corrected_block(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *score)
{
    const int64_t d = step->sampler->d;
    const double snr = CORRECTOR_SNR * step->to->ratio, e = 2.0 * snr * snr;
    double *y = step->y + first * d;
    LKI_TRY(noisy_step(ctx, step, &step->levels[0], first, rows, 1.0, NULL, score));
    LKI_TRY(lki_level_ask(ctx, &step->levels[1], y, rows, NULL, score, NULL));
    lki_step other = *step;
    other.number = step->number | (int64_t)1 << 30; /* draws of its own */
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_step_stream(&other, first + i);
        for (int64_t j = 0; j < d; j++) {
            y[i * d + j] += e * score[i * d + j] + sqrt(2.0 * e) * lki_random_normal(&s);
        }
    }
    return LK_OK;
}

const lki_stepper lki_stepper_sde = {.levels = 1, .scratch = 1, .memory = 1, .evaluations = 1, .block = sde_block};
const lki_stepper lki_stepper_predictor_corrector = {.levels = 2, .scratch = 1, .evaluations = 2, .noise = both_ends,
                                                     .block = corrected_block};

/* Translation by the noises of a stochastic sampler (Wu and De la Torre 2022, arXiv:2210.05559): the row and the noises that the sampler of the
 * one model needs to arrive at it are the code, which the sampler of the other model decodes. */
#include "score/translate.h"

#include "core/philox.h"

#include <math.h>
#include <string.h>

enum { RHO = 7 };
#define SIGMA_MIN 0.002

double lki_latent_noise(const lk_translator *t, int64_t step)
{
    const double low = pow(SIGMA_MIN, 1.0 / RHO), high = pow(t->sigma_max, 1.0 / RHO);
    return step == 0 ? 0.0 : t->steps == 1 ? t->sigma_max : pow(low + (double)(step - 1) / (double)(t->steps - 1) * (high - low), RHO);
}

lk_status lki_latent_prepare(lk_context *ctx, lk_translator *t)
{
    LKI_TRY(lki_zeros(ctx, 2 * (size_t)t->steps, sizeof *t->oracles_a, &t->oracles_a));
    t->oracles_b = t->oracles_a + t->steps;
    for (int64_t n = 0; n < t->steps; n++) {
        const double sigma = lki_latent_noise(t, n + 1);
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(lki_affine_oracle(ctx, t->from, &t->a, sigma, t->a.spread, &t->oracles_a[n]));
        LKI_TRY(lki_affine_oracle(ctx, t->to, &t->b, sigma, t->a.spread, &t->oracles_b[n]));
    }
    return LK_OK;
}

/* The sampler of either model goes from noise s to noise s' < s by
 *   x' = x + (s^2 - s'^2) score(x, s) + sd e,  e standard normal.
 * The code of a row is a path from it to noise, x_T, ..., x_0, drawn from the noising chain given its end, and with it e at each step. The other
 * model's path takes the same x_T and the same e: y' = y + (s^2 - s'^2) score_b(y, s) + (x' - x - (s^2 - s'^2) score_a(x, s)), so that sd and e
 * need not be formed, and a model decodes what it encoded to the last digits. */
lk_status lki_latent_rows(lk_context *ctx, const lk_translator *t, const double *x0, int64_t first_row, int64_t rows, double *out)
{
    const int64_t d = t->d;
    const size_t values = lki_product((size_t)rows, (size_t)d);
    double *x;
    lki_stream *streams = NULL;
    LKI_TRY(lki_allocate(ctx, 4, values * sizeof *x, &x));
    double *z = x + values, *score_a = z + values, *score_b = score_a + values;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *streams, &streams));
    for (int64_t i = 0; i < rows; i++) {
        streams[i] = lki_stream_new(t->seed, LKI_STREAM_TRANSLATE, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = x0[i * d + j] + t->sigma_max * t->a.spread[j] * lki_random_normal(&streams[i]);
        }
    }
    memcpy(out, x, values * sizeof *x);
    for (int64_t n = t->steps; n > 0; n--) {
        const double s = lki_latent_noise(t, n), below = lki_latent_noise(t, n - 1), shrink = below * below / (s * s);
        const double gap = s * s - below * below, sd = below * sqrt(1.0 - shrink);
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_affine_score(ctx, &t->oracles_a[n - 1], &t->a, x, rows, z, score_a));
        LKI_GOTO(status, done, lki_affine_score(ctx, &t->oracles_b[n - 1], &t->b, out, rows, z, score_b));
        for (int64_t i = 0; i < rows; i++) {
            for (int64_t j = 0; j < d; j++) {
                const int64_t e = i * d + j;
                const double v = t->a.spread[j];
                const double next = x0[e] + shrink * (x[e] - x0[e]) + sd * v * lki_random_normal(&streams[i]);
                out[e] = next + (out[e] - x[e]) + gap * v * v * (score_b[e] - score_a[e]);
                x[e] = next;
            }
        }
    }
done:
    lki_release(ctx, streams);
    lki_release(ctx, x);
    return status;
}

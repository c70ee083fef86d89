/* The table of samplers: every way to draw from a model, declared once; help, checks and defaults are made from it. */
#include "score/sampler.h"

#define FLOW (LK_SAMPLER_STEPS | LK_SAMPLER_NOISE | LK_SAMPLER_SCHEDULE)
#define CHAIN (LK_SAMPLER_STEPS | LK_SAMPLER_NOISE | LK_SAMPLER_STEP_SIZE)
#define NOISY (LK_OPERATION_SCORE | LK_OPERATION_SMOOTH)

/* A flow by one stepper, with the error of its steps. */
#define FLOW_ROWS(name)                                                                                                    \
    static lk_status name##_rows(lk_context *ctx, lk_sampler *s, int64_t first, int64_t rows, double *u)                  \
    {                                                                                                                      \
        return lki_flow_down(ctx, s, &lki_stepper_##name, first, rows, u);                                                \
    }
FLOW_ROWS(euler)
FLOW_ROWS(heun)
FLOW_ROWS(ddim)
FLOW_ROWS(dpm)
FLOW_ROWS(dopri5)
FLOW_ROWS(reflection)

static lk_status sde_rows(lk_context *ctx, lk_sampler *s, int64_t first, int64_t rows, double *u)
{
    return lki_walk_down(ctx, s, &lki_stepper_sde, first, rows, u);
}

static lk_status corrected_rows(lk_context *ctx, lk_sampler *s, int64_t first, int64_t rows, double *u)
{
    return lki_walk_down(ctx, s, &lki_stepper_predictor_corrector, first, rows, u);
}

static const lki_sampler_kind kinds[] = {
    {{"exact", "draws of the model's own", NULL, 0, 0, LK_OPERATION_SAMPLE}, 50, 0.002, NULL, NULL},
    {{"heun", "the flow by Heun's method: two scores a step, errors of order 2", "Karras et al. 2022, arXiv:2206.00364, algorithm 1", 90,
      FLOW, NOISY},
     50, 0.002, NULL, heun_rows},
    {{"euler", "the flow by Euler's method: one score a step, errors of order 1", "Song et al. 2021, arXiv:2011.13456, section 4.3", 900,
      FLOW, NOISY},
     50, 0.002, NULL, euler_rows},
    {{"ddim", "the flow with the noise told of held fixed over a step: order 1, the same for every schedule's steps",
      "Song, Meng and Ermon 2021, arXiv:2010.02502", 150, FLOW, NOISY},
     50, 0.002, NULL, ddim_rows},
    {{"dpm", "the flow by a multistep exponential integrator: one score a step, errors of order --order",
      "Lu et al. 2022, arXiv:2211.01095", 42, FLOW | LK_SAMPLER_ORDER, NOISY},
     50, 0.002, NULL, dpm_rows},
    {{"dopri5", "the flow by Dormand and Prince's pair of orders 5 and 4, steps by --tolerance where --steps gives none",
      "Dormand and Prince 1980, J. Comput. Appl. Math. 6, 19-26", 0, FLOW | LK_SAMPLER_TOLERANCE, NOISY},
     50, 0.002, lki_dopri5_prepare, dopri5_rows},
    {{"gaussian-start", "begins where the model's score stops being that of one normal distribution, then dpm: --tolerance says how exactly",
      "Wang and Vastola 2024, arXiv:2412.09726", 42, FLOW | LK_SAMPLER_TOLERANCE | LK_SAMPLER_ORDER, NOISY | LK_OPERATION_SAMPLE},
     50, 0.002, lki_gaussian_start_prepare, lki_gaussian_start_rows},
    {{"chained", "a chain over rows and levels of noise, and a short flow from each of its states: few scores a row, rows of a chain alike",
      "Kim and Ye 2022, arXiv:2209.14593", 24, LK_SAMPLER_STEPS | LK_SAMPLER_ORDER, NOISY | LK_OPERATION_LOG_DENSITY},
     50, 0.002, NULL, lki_chained_rows},
    {{"sde", "the reverse diffusion, with noise on the way by --churn", "Song et al. 2021, arXiv:2011.13456; Lu et al. 2022, arXiv:2211.01095",
      120, FLOW | LK_SAMPLER_CHURN, NOISY},
     50, 0.002, NULL, sde_rows},
    {{"predictor-corrector", "a step of the reverse diffusion, then one of Langevin dynamics at the new noise",
      "Song et al. 2021, arXiv:2011.13456, algorithm 2", 300, FLOW, NOISY},
     50, 0.002, NULL, corrected_rows},
    {{"reflection", "each step goes on by the model, back by a weaker one (--weak), on again: away from what the weak one gets wrong",
      "Bai et al. 2025, arXiv:2502.00473", 360, FLOW | LK_SAMPLER_WEAK, NOISY},
     50, 0.002, NULL, reflection_rows},
    {{"mala", "Langevin chains whose moves may be refused: exact in the long run", "Roberts and Tweedie 1996, Bernoulli 2, 341-363", 111, CHAIN,
      LK_OPERATION_SCORE | LK_OPERATION_LOG_DENSITY},
     2, 0.02, lki_langevin_prepare, lki_langevin_rows},
    {{"underdamped", "Langevin chains with a velocity, refused where a log density is known", "Horowitz 1991, Phys. Lett. B 268, 247-252", 78,
      CHAIN, LK_OPERATION_SCORE},
     2, 0.02, lki_langevin_prepare, lki_langevin_rows},
    {{"langevin", "Langevin chains by the score alone, biased by their steps", "Song and Ermon 2019, arXiv:1907.05600", 900, CHAIN,
      LK_OPERATION_SCORE},
     2, 0.02, lki_langevin_prepare, lki_langevin_rows},
};

const lki_sampler_kind *lki_sampler_kind_at(int index)
{
    return index >= 0 && index < (int)(sizeof kinds / sizeof kinds[0]) ? &kinds[index] : NULL;
}

const lk_sampler_method *lk_sampler_method_at(int index)
{
    const lki_sampler_kind *kind = lki_sampler_kind_at(index);
    return kind != NULL ? &kind->public : NULL;
}

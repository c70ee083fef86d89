/* Transport: rows of one distribution carried to another, densities through known dynamics, distributions tilted by a reward. */
#ifndef LIKELY_TRANSFER_H
#define LIKELY_TRANSFER_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** Carries rows of one distribution to another. */
typedef struct lk_translator lk_translator;

/** How rows are translated. Set `size` to sizeof(lk_translate_options); zero elsewhere means the default. */
typedef struct lk_translate_options {
    size_t size;        /**< sizeof(lk_translate_options) */
    const char *method; /**< between two models "latent" or "interpolant"; NULL = interpolant where both are mixtures of normal
                           distributions, else latent */
    int64_t steps;      /**< 0 = 100 between two models; of a bridge 0 = draws of its plan, else Euler steps along its drift */
    double noise;       /**< interpolant: epsilon of its stochastic differential equation, in squared spreads of the source a unit of time;
                           0 = its ordinary one */
    double sigma_max;   /**< latent: the noise that rows are encoded to, in spreads; 0 = 20 */
    int64_t seed;       /**< non-negative */
    int density;        /**< interpolant without noise: 1 = also the log density of the carried rows */
} lk_translate_options;

/** What rows went through so far. */
typedef struct lk_translate_report {
    size_t size;        /**< sizeof(lk_translate_report), set before the call */
    const char *method; /**< "bridge", "latent", "interpolant"; static text */
    int64_t rows;       /**< translated so far */
    int64_t steps;      /**< 0 for draws of a bridge's plan */
    double cost;        /**< mean squared distance that rows moved, in the units of the data */
} lk_translate_report;

/** Makes a translator.
 *
 * Of a model of the method bridge (`to` NULL): draws of x1 given x0, by the plan's mixture, or by the stochastic differential equation dx = g dt
 * + sqrt(epsilon) dW with its drift in closed form (Korotin, Gushchin and Burnaev 2023, arXiv:2310.01174). Latent (Wu and De la Torre
 * 2022, arXiv:2210.05559): a row and the noises that a chain from noise to it under the one model needs, decoded by the other model; any
 * two models with smoothed scores. Interpolant (Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797): x_t = (1 - t) x0 + t x1 +
 * gamma(t) z with x0, x1 independent and gamma^2 = t (1 - t) in squared spreads, whose velocity and score are closed forms for mixtures of normal
 * distributions; the fourth-order Runge-Kutta method, or Euler-Maruyama with noise.
 * @param context a context.
 * @param from the model of the rows that are given, or a bridge; borrowed.
 * @param to the model of the rows wanted, over the same features in the same order; borrowed; NULL for a bridge.
 * @param options NULL for all defaults.
 * @param out receives the translator; free it by lk_translator_free().
 * Errors: LK_ERROR_UNSUPPORTED (what a model lacks), LK_ERROR_ARGUMENT, LK_ERROR_MEMORY.
 * Cost: 4096 draws. */
LK_API LK_NODISCARD lk_status lk_translator_new(lk_context *context, const lk_model *from, const lk_model *to,
                                                const lk_translate_options *options, lk_translator **out);

/** The number of features of the rows that go in and come out.
 * @param translator a translator.
 * @return at least 1. */
LK_API int64_t lk_translator_dimension(const lk_translator *translator);

/** Translates rows. What a row becomes depends on the row, the seed and its number alone.
 * @param context a context.
 * @param translator a translator; not from two threads at once.
 * @param x rows x d of the source, row-major.
 * @param first_row number of the first row, from 0.
 * @param rows at least 0.
 * @param out receives rows x d values, and behind each row its log density where that was asked for; NaN for a row with a missing or
 * infinite value.
 * Errors: LK_ERROR_NUMERIC (steps too long), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: latent: two scores a step and row; interpolant: four passes over the pairs of components. */
LK_API LK_NODISCARD lk_status lk_translator_rows(lk_context *context, lk_translator *translator, const double *x, int64_t first_row,
                                                 int64_t rows, double *out);

/** What rows went through so far.
 * @param translator a translator.
 * @param out receives the report; its size is set before. */
LK_API void lk_translator_tell(const lk_translator *translator, lk_translate_report *out);

/** Frees a translator.
 * @param translator NULL is fine. */
LK_API void lk_translator_free(lk_translator *translator);

/** Draws from a model tilted by a reward: density proportional to p(x) exp(r(x)). */
typedef struct lk_tilt lk_tilt;

/** What tilts, and how it is drawn. Set `size` to sizeof(lk_tilt_options); zero elsewhere means the default. Either `reward` or observations. */
typedef struct lk_tilt_options {
    size_t size;                /**< sizeof(lk_tilt_options) */
    const char *reward;         /**< r as an expression of the features, as in "-(x - 2*y)^2"; NULL = by observations */
    const double *coefficients; /**< observations x d: A of value = A x + normal noise; r is the log-likelihood up to a constant */
    const double *values;       /**< observations */
    const double *sds;          /**< observations: standard deviations of the noise, above 0 */
    int64_t observations;       /**< how many */
    const char *method;         /**< "exact", "resample", "smc", "tree", "pigdm", "moments"; NULL = exact where it can be, else smc */
    int64_t steps;              /**< noise levels; 0 = 100, of tree 20 */
    int64_t rollouts;           /**< tree: how many paths to build it of; 0 = 10 a row */
    double sigma_max;           /**< the noise that they begin with, in spreads; 0 = 20, of tree 5 */
    int64_t seed;               /**< non-negative */
} lk_tilt_options;

/** What was drawn. NaN where a number has no meaning for the method. */
typedef struct lk_tilt_report {
    size_t size;        /**< sizeof(lk_tilt_report), set before the call */
    const char *method; /**< static text */
    int64_t rows;       /**< drawn */
    double log_mean;    /**< log E_p[exp r]: exact, or as estimated */
    double effective;   /**< effective sample size: resample, of the weights; smc, the least of all steps; tree, of the values of its leaves */
} lk_tilt_report;

/** Makes a tilted model ready to be drawn from.
 *
 * exact: mixtures of normal distributions and polynomials of degree 2 whose product has a finite integral. resample: draws of the model, weighted by exp r.
 * smc: particles that are denoised step by step, weighed by exp r of what they are denoised to, and resampled where the effective sample size
 * falls below half (as Wu et al. 2023, arXiv:2306.17775, without gradients). tree: denoising paths that share their
 * beginnings, with rewards backed up as log-mean-exp of children, children taken in proportion to exp of their value (Jain et al. 2025,
 * arXiv:2506.20701). pigdm (Song et al. 2023), moments (Boys et al. 2023, arXiv:2310.06721): the score guided by the reward averaged over a normal
 * law of x0 given the noisy x, whose variance is that of a standard normal prior, or exact; polynomials of degree 2 alone, and biased where x0 given
 * x is not normal.
 * @param context a context.
 * @param model a model; borrowed.
 * @param options the reward, and how.
 * @param out receives it; free it by lk_tilt_free().
 * Errors: LK_ERROR_ARGUMENT (the reward, with its place), LK_ERROR_UNSUPPORTED (what model or reward lack), LK_ERROR_NUMERIC (an integral that
 * is not finite), LK_ERROR_MEMORY.
 * Cost: exact: a factorization a component; else 4096 draws. */
LK_API LK_NODISCARD lk_status lk_tilt_new(lk_context *context, const lk_model *model, const lk_tilt_options *options, lk_tilt **out);

/** Draws a population of rows: what comes out depends on how many are drawn together, except for exact.
 * @param context a context.
 * @param tilt not from two threads at once.
 * @param rows at least 0.
 * @param out receives rows x d values, row-major.
 * Errors: LK_ERROR_NUMERIC (the reward is not finite, or no draw has any weight), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: resample: a draw a row; smc: a score a step and row; pigdm, moments: second derivatives too; tree: at most rollouts x steps scores, one by
 * one. */
LK_API LK_NODISCARD lk_status lk_tilt_rows(lk_context *context, lk_tilt *tilt, int64_t rows, double *out);

/** The tilted distribution as a model of the method gmm.
 * @param context a context.
 * @param tilt one of the method exact.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_UNSUPPORTED (another method), LK_ERROR_MEMORY.
 * Cost: a copy. */
LK_API LK_NODISCARD lk_status lk_tilt_model(lk_context *context, const lk_tilt *tilt, lk_model **out);

/** What was drawn last.
 * @param tilt a tilted model.
 * @param out receives the report; its size is set before. */
LK_API void lk_tilt_tell(const lk_tilt *tilt, lk_tilt_report *out);

/** Frees a tilted model.
 * @param tilt NULL is fine. */
LK_API void lk_tilt_free(lk_tilt *tilt);

/** A model's density carried along known dynamics dx/dt = f(x, t). */
typedef struct lk_push lk_push;

/** Where to, and along what. Set `size` to sizeof(lk_push_options). */
typedef struct lk_push_options {
    size_t size;          /**< sizeof(lk_push_options) */
    const char *dynamics; /**< lines "NAME' = EXPRESSION", one a feature, in the features and t; "NAME = NUMBER" before defines a constant */
    double time;          /**< how long; below 0 = backwards */
    double tolerance;     /**< of the steps, relative to 1 + |x|; 0 = 1e-8 */
    const char *event;    /**< an expression of the features that is not 0 where the event is; NULL = none */
    int64_t seed;         /**< non-negative */
} lk_push_options;

/** How probable the event is at the end, by draws. */
typedef struct lk_event {
    double probability; /**< share of the draws */
    double low, high;   /**< Wilson's interval of 95% */
    int64_t draws;      /**< all so far */
} lk_event;

/** Makes a pushed model ready. Along a path, d log rho / dt = - div f (Liouville), with the divergence by forward differentiation; paths are those of
 * Dormand and Prince's method of order 5 with steps by its error of order 4.
 * @param context a context.
 * @param model a model with a log density and a sampler; borrowed.
 * @param options the dynamics.
 * @param out receives it; free it by lk_push_free().
 * Errors: LK_ERROR_ARGUMENT (the dynamics, with line and place), LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY.
 * Cost: little. */
LK_API LK_NODISCARD lk_status lk_push_new(lk_context *context, const lk_model *model, const lk_push_options *options, lk_push **out);

/** Draws rows at the end, with their log densities there.
 * @param context a context.
 * @param push not from two threads at once.
 * @param first_row number of the first row, from 0; row i of a seed is the same draw whatever is drawn beside it.
 * @param rows at least 0.
 * @param out receives rows x (d + 1): the row, then its log density.
 * Errors: LK_ERROR_NUMERIC (a path that leaves the range of numbers, or wants too small steps), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: 6 evaluations of the dynamics a step and row. */
LK_API LK_NODISCARD lk_status lk_push_rows(lk_context *context, lk_push *push, int64_t first_row, int64_t rows, double *out);

/** Log density at the end, of any rows: back along their paths.
 * @param context a context.
 * @param push a pushed model.
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param out receives rows values; -inf where no path leads (backwards it runs off to infinity), NaN for a row with a missing or infinite value.
 * Errors: as lk_push_rows().
 * Cost: as lk_push_rows(). */
LK_API LK_NODISCARD lk_status lk_push_log_density(lk_context *context, const lk_push *push, const double *x, int64_t rows, double *out);

/** The event among the rows drawn so far.
 * @param push a pushed model.
 * @param out receives the estimate; NaN where there is no event or no row. */
LK_API void lk_push_event(const lk_push *push, lk_event *out);

/** Frees a pushed model.
 * @param push NULL is fine. */
LK_API void lk_push_free(lk_push *push);

/** What rows were before noise of a known kind, from a model of the noisy rows alone: no clean rows are needed (Robbins 1956; Efron 2011; Kim and Ye 2021,
 * arXiv:2106.07009). Feature by feature, given the whole noisy row x with log density l:
 * normal, sd s: E[clean | x] = x + s^2 dl/dx. poisson, gain g (x = g times a count of mean clean / g): E[clean | x] = (x + g) exp(l(x + g) - l(x)). gamma,
 * shape a (x = clean times a factor of mean 1 and variance 1 / a): 1 / E[1 / clean | x] = a x / (a - 1 - x dl/dx), the natural parameter's mean.
 * @param context a context.
 * @param model a model of noisy rows, with a score (normal, gamma) or log density (poisson); without transform.
 * @param noise "normal", "poisson" or "gamma".
 * @param parameter d values: s, g or a, above 0 (a above 1).
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param out receives rows x d values; NaN for a row with a missing value, and where the model's slope leaves no answer.
 * Errors: LK_ERROR_ARGUMENT (another kind, a parameter out of range), LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a score, or d + 1 log densities, a row. */
LK_API LK_NODISCARD lk_status lk_model_denoise_marginal(lk_context *context, const lk_model *model, const char *noise, const double *parameter,
                                                        const double *x, int64_t rows, double *out);

#ifdef __cplusplus
}
#endif
#endif

/* Scores: what a model's log density says of which way is up, at any noise, and what follows from it. */
#ifndef LIKELY_SCORE_H
#define LIKELY_SCORE_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** A distribution known by its score alone: a function of the caller's. Set `size` to sizeof(lk_score_function). */
typedef struct lk_score_function {
    size_t size;      /**< sizeof(lk_score_function) */
    int64_t features; /**< d, at least 1 */
    int noisy;        /**< 1 = sigma above 0 may be asked for; 0 = the distribution itself only */
    int density;      /**< 1 = log densities may be asked for */
    /** Fills in, for x = x0 + sigma_j n_j with n standard normal, the log density (rows values) and the score, its gradient (rows x d);
     * either may be NULL. sigma: d values, all 0 for the distribution itself. x: rows x d, row-major. Called from many threads at once;
     * what a row gets must not depend on the rows beside it. Returns 0, or anything else for a failure. */
    int (*ask)(void *state, const double *sigma, const double *x, int64_t rows, double *log_density, double *score);
    void *state; /**< handed to ask */
} lk_score_function;

/** Options of a sampler that only some methods take. */
typedef enum lk_sampler_takes {
    LK_SAMPLER_STEPS = 1 << 0,     /**< steps */
    LK_SAMPLER_NOISE = 1 << 1,     /**< sigma_max, sigma_min */
    LK_SAMPLER_SCHEDULE = 1 << 2,  /**< schedule */
    LK_SAMPLER_STEP_SIZE = 1 << 3, /**< step_size */
    LK_SAMPLER_CHURN = 1 << 4,     /**< churn */
    LK_SAMPLER_ORDER = 1 << 5,     /**< order */
    LK_SAMPLER_TOLERANCE = 1 << 6, /**< tolerance */
    LK_SAMPLER_WEAK = 1 << 7       /**< weak, which must be given */
} lk_sampler_takes;

/** A way to draw from a model. Static. */
typedef struct lk_sampler_method {
    const char *name;     /**< such as "heun" */
    const char *summary;  /**< one line, no full stop */
    const char *citation; /**< NULL = none */
    int64_t steps;        /**< where none are given; 0 = takes none */
    unsigned takes;       /**< LK_SAMPLER_ bits */
    unsigned needs;       /**< LK_OPERATION_ bits of the model */
} lk_sampler_method;

/** The methods there are, in the order in which they are told of.
 * @param index from 0.
 * @return NULL beyond the last. */
LK_API const lk_sampler_method *lk_sampler_method_at(int index);

/** A schedule of noise: the path on which data fade into noise. Static. */
typedef struct lk_schedule_kind {
    const char *name;     /**< such as "edm" */
    const char *summary;  /**< one line, no full stop */
    const char *citation; /**< its source */
} lk_schedule_kind;

/** The schedules there are.
 * @param index from 0.
 * @return NULL beyond the last. */
LK_API const lk_schedule_kind *lk_schedule_kind_at(int index);

/** A place on the path of a schedule, x_t = alpha x0 + sigma n with n standard normal. Set `size` to sizeof(lk_path_options); zero elsewhere
 * means the default. */
typedef struct lk_path_options {
    size_t size;          /**< sizeof(lk_path_options) */
    const char *schedule; /**< name of an lk_schedule_kind; NULL = edm */
    double time;          /**< between 0 (data) and 1 (noise) */
    double sigma_max;     /**< of edm and ve: noise at 1, in the units of the data: 50 */
    double sigma_min;     /**< of edm and ve: noise at 0: .002 */
} lk_path_options;

/** What a model predicts at points x_t of a schedule's path, in any of the ways in which nets are trained to: E[n | x_t] ("noise"), E[x0 | x_t]
 * ("data"), the score of x_t ("score"), E[dx/dt | x_t] ("velocity"), alpha E[n | x_t] - sigma E[x0 | x_t] ("v"; Salimans and Ho 2022,
 * arXiv:2202.00512) or the F of Karras et al. 2022, arXiv:2206.00364, table 1 ("edm"). All follow from the score exactly (Lai et al. 2025, arXiv:2510.21890).
 * @param context a context.
 * @param model a model of x0 with smooth and a score, fitted through no transform.
 * @param options the place.
 * @param prediction one of these names.
 * @param x rows x d, row-major: points x_t.
 * @param rows at least 0.
 * @param out receives rows x d values; NaN for a row with a value that is missing or infinite; may be x itself.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a score a row. */
LK_API LK_NODISCARD lk_status lk_model_path_prediction(lk_context *context, const lk_model *model, const lk_path_options *options,
                                                       const char *prediction, const double *x, int64_t rows, double *out);

/** A node of a schedule's grid. */
typedef struct lk_schedule_node {
    double time, alpha, sigma; /**< x_t = alpha x0 + sigma n, in spreads */
    double ratio;              /**< sigma / alpha: the noise that the model's rows have there */
    double separation;         /**< E |E[x0 | x_t]|^2 / d for data of mean 0 and spread 1: 1 = x_t tells x0 whole */
} lk_schedule_node;

/** A schedule's nodes for a model, and the kinetic energy of its path: the mean of |E[dx/dt | x]|^2 / d over the path in a time from 0 to 1, of
 * which the schedule "kinetic" has the least that there is (Shaul et al. 2023, arXiv:2306.06626).
 * @param context a context.
 * @param model a model with sample, smooth and a score.
 * @param schedule name of an lk_schedule_kind; NULL = edm.
 * @param sigma_max noise of the first node, in spreads; 0 = 50.
 * @param sigma_min noise of the last; 0 = .002.
 * @param steps from 2.
 * @param nodes receives steps nodes, from noise to data.
 * @param energy receives the energy.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: 95 scores for each of 2048 draws. */
LK_API LK_NODISCARD lk_status lk_model_schedule(lk_context *context, const lk_model *model, const char *schedule, double sigma_max,
                                                double sigma_min, int64_t steps, lk_schedule_node *nodes, double *energy);

/** Draws from a model, exactly or by its score alone. It borrows the model, which must outlive it. */
typedef struct lk_sampler lk_sampler;

/** How rows are drawn. Set `size` to sizeof(lk_sampler_options); zero elsewhere means the default. Noise and steps are in spreads:
 * standard deviations of each transformed feature, taken from draws of the model; 1 about 0 for a model without draws of its own. */
typedef struct lk_sampler_options {
    size_t size;          /**< sizeof(lk_sampler_options) */
    const char *method;   /**< name of an lk_sampler_method; NULL = the first of exact, heun, mala, langevin that the model can */
    int64_t steps;        /**< from 6 */
    const char *schedule; /**< name of an lk_schedule_kind; NULL = edm */
    double sigma_max;     /**< noise that it begins with: 50, but 2 for langevin, mala and underdamped */
    double sigma_min;     /**< the last noise before none: .002, but .02 for langevin, mala and underdamped */
    double step_size;     /**< of chains, in spreads; found by a pilot run (without a log density .07) */
    double churn;         /**< of sde: noise added, as a multiple of what the reverse diffusion adds: 1 */
    int64_t order;        /**< of dpm, 1 to 3: 3 */
    double tolerance;     /**< of dopri5: error of a step, in spreads (root mean square): 1e-4; of gaussian-start: divergence from the
                             model at which it starts, in nats: 1e-4 */
    const lk_model *weak; /**< of reflection: a model worse than the one drawn from, over the same features; borrowed */
    int64_t seed;         /**< non-negative */
} lk_sampler_options;

/** How far to trust what a sampler drew. NaN where a number has no meaning for its method. */
typedef struct lk_sampler_report {
    size_t size;            /**< sizeof(lk_sampler_report), set before the call */
    const char *method;     /**< what drew; static text */
    int64_t rows;           /**< drawn so far */
    int64_t steps;          /**< 0 for exact draws */
    double evaluations;     /**< scores asked for by a row; 0 for exact draws */
    double sigma_max;       /**< in spreads */
    double sigma_min;       /**< in spreads */
    double step_size;       /**< chains: at the model itself, in spreads */
    double acceptance;      /**< chains: share of the moves that were accepted at the model itself; NaN = unadjusted, and biased */
    double r_hat;           /**< chains: split R-hat over their second halves, of the worst feature: 1 = they mix; above 1.1 they stay
                               near where the noise left them, and the shares of separate modes rest on that */
    double effective;       /**< chains: independent states that a chain went through meanwhile, of the worst feature */
    double step_error;      /**< flows: root mean square distance, in spreads, to the ends of the first 1000 rows with half the steps and
                               twice sigma_min: an upper bound of the error of most rows */
    double step_error_most; /**< and the largest of these distances */
    int64_t steps_saved;    /**< gaussian-start: steps of the schedule that it needed not take; 0 else */
    double start;           /**< gaussian-start: noise at which it starts, in spreads */
} lk_sampler_report;

/** Makes a sampler. Flows (euler, heun, ddim, dpm, dopri5, gaussian-start) carry every row from noise along an ordinary differential
 * equation; sde and predictor-corrector add noise on the way; chains (langevin, mala, underdamped) are Markov chains, one a row, which
 * follow the model through falling noise where it offers smooth, then stay at the model itself for half of the steps.
 * @param context a context.
 * @param model a model that offers what the method needs; borrowed.
 * @param options NULL for all defaults.
 * @param out receives the sampler; free it by lk_sampler_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: chains with a log density: a pilot run of 64 chains over 340 steps; dopri5: one of 256 rows; else little. */
LK_API LK_NODISCARD lk_status lk_sampler_new(lk_context *context, const lk_model *model, const lk_sampler_options *options,
                                             lk_sampler **out);

/** Makes a sampler of a distribution known by its score alone, about 0 and of spread 1 (or what `scale` says).
 * @param context a context.
 * @param function the caller's; copied, its state borrowed.
 * @param scale d spreads above 0; NULL = 1.
 * @param options as of lk_sampler_new(); not exact, gaussian-start or reflection.
 * @param out receives the sampler; free it by lk_sampler_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: as of lk_sampler_new(). */
LK_API LK_NODISCARD lk_status lk_sampler_of_score(lk_context *context, const lk_score_function *function, const double *scale,
                                                  const lk_sampler_options *options, lk_sampler **out);

/** Draws rows. Row i of a seed is the same draw whatever is drawn beside it.
 * @param context a context.
 * @param sampler a sampler; not from two threads at once.
 * @param first_row number of the first row, from 0.
 * @param rows at least 0.
 * @param out receives rows x d values, row-major, in the units of the data.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_NUMERIC (steps too long), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: scores: rows times what the report calls evaluations; chains that may refuse a log density for each too. */
LK_API LK_NODISCARD lk_status lk_sampler_rows(lk_context *context, lk_sampler *sampler, int64_t first_row, int64_t rows,
                                              double *out);

/** How lk_model_flow_density() works. Set `size` to sizeof(lk_flow_density_options); zero elsewhere means the default. */
typedef struct lk_flow_density_options {
    size_t size;      /**< sizeof(lk_flow_density_options) */
    int64_t probes;   /**< random probes of the divergence a row, up to 64; 0 = exact divergences */
    double tolerance; /**< error of the steps in nats, at which a row is done: 1e-5 */
    double sigma_max; /**< noise, in spreads, at which the model is taken for normal: 100 */
    int64_t seed;     /**< of the probes; non-negative */
} lk_flow_density_options;

/** Log densities by the model's score alone: the divergence of the probability flow integrated from each row to noise (Song et al. 2021,
 * arXiv:2011.13456, section 4.3).
 * @param context a context.
 * @param model a model with smooth and a score; its mean and covariance are those of draws where it tells no normal distributions.
 * @param options NULL for all defaults.
 * @param x rows x d, row-major, in the units of the data.
 * @param first_row number of the first row, by which its probes are drawn.
 * @param rows at least 0.
 * @param log_density receives rows values, nats in the units of the data; NaN for a row with a missing value, -inf outside the support.
 * @param error receives rows values: steps and, with probes, their standard error (NaN with one), in nats; the error of taking the model
 * at sigma_max for normal is not in it.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: 4 scores a step with divergences, 48 steps or more a row; with probes 4 (1 + 2 probes) scores a step. */
LK_API LK_NODISCARD lk_status lk_model_flow_density(lk_context *context, const lk_model *model, const lk_flow_density_options *options,
                                                    const double *x, int64_t first_row, int64_t rows, double *log_density, double *error);

/** Draws missing values by the score given those that are there: noise is put onto the missing features alone, so that the flow ends at
 * the exact conditional distribution (inpainting; Song et al. 2021, arXiv:2011.13456, appendix I).
 * @param context a context.
 * @param model a model with smooth and a score.
 * @param options method: heun, euler, ddim or dpm (NULL = dpm); schedule: edm or ve; the rest as of lk_sampler_new().
 * @param x rows x d, row-major, in the units of the data; NaN = missing.
 * @param rows at least 0.
 * @param first_row number of the first row: a draw depends on the seed, its row's number and its own.
 * @param draws of each row, at least 1.
 * @param out receives rows x draws x d: whole rows. A gap beside a value outside the support stays.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_NUMERIC, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a score a draw and step (heun two); a smoothed model for each step and pattern of missing values. */
LK_API LK_NODISCARD lk_status lk_model_impute_by_score(lk_context *context, const lk_model *model, const lk_sampler_options *options,
                                                       const double *x, int64_t rows, int64_t first_row, int64_t draws, double *out);

/** How far to trust what was drawn so far.
 * @param sampler a sampler.
 * @param out receives the report; its size is set before. */
LK_API void lk_sampler_tell(const lk_sampler *sampler, lk_sampler_report *out);

/** Frees a sampler.
 * @param sampler NULL is fine. */
LK_API void lk_sampler_free(lk_sampler *sampler);

#ifdef __cplusplus
}
#endif
#endif

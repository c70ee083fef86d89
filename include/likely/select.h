/* Fewer rows with the same distribution: coresets of a table. */
#ifndef LIKELY_SELECT_H
#define LIKELY_SELECT_H

#include <likely/context.h>
#include <likely/model.h>
#include <likely/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** Chosen rows of a table with their weights. */
typedef struct lk_selection lk_selection;

/** How rows are chosen. Set `size` to sizeof(lk_select_options); zero elsewhere means the default. */
typedef struct lk_select_options {
    size_t size;           /**< sizeof(lk_select_options) */
    int64_t count;         /**< rows to choose, 1 to the number of rows; 0 = the square root of the number of rows, rounded up */
    const char *method;    /**< NULL or "auto" = kernel-thinning up to 20 000 rows, else compress; see lk_select() */
    const char *kernel;    /**< gaussian (NULL), laplace, matern12, matern32, matern52, inverse_multiquadric, cauchy,
                                rational_quadratic, sobolev */
    const char *bandwidth; /**< numbers in the units of the features, one for all or one for each, comma-separated; NULL = the
                                median rule: the feature's sd times the median distance of 1000 rows in units of sd */
    const char *split;     /**< what halving balances: "target" = the kernel itself (NULL), "power" = a rougher power of it, "sum" = both */
    int uniform;           /**< 1 = the rows shall stand for the uniform law on [0, 1]^d instead of the table; kernel sobolev, by
                                kernel-thinning, compress or herding */
    const lk_model *model; /**< what stein thins towards; its features are the features; borrowed */
    const char *features;  /**< comma-separated names or positions; NULL = every numeric column, or those of `model` */
    int discrepancy;       /**< 1 = tell the discrepancy reached, -1 = do not, 0 = where it costs no more than the choice */
    int64_t seed;          /**< non-negative seed of every random choice */
    int64_t clusters;      /**< of sensitivity and stratified; 0 = the square root of count, rounded up */
    const char *loss;      /**< of sensitivity: a column with each row's loss, of which the rows nearest to the centres are looked at alone;
                                NULL = no loss is known */
    double lambda;         /**< of sensitivity: how much the loss may change with the squared distance from a centre, in units of the
                                bandwidths; 0 = 1 */
} lk_select_options;

/** Chooses rows whose empirical distribution is close to that of the whole table in the maximum mean discrepancy (MMD) of a kernel, or, for
 * stein, close to a model in the kernel Stein discrepancy. The order of the rows does not matter.
 *
 * kernel-thinning (Dwivedi and Mackey 2021; generalized by them 2022: target, power and sum kernels): self-balancing halving, then
 * exchange of points: MMD near 1 / count up to logarithms, where independent rows have count^-1/2. Halving takes count 2^r of the n rows,
 * chosen at random; the exchange looks at all of them. compress (Shetty, Dwivedi and Mackey 2022): the same in near-linear time, over
 * count 2^r rows, more than half of them. herding (Chen, Welling and Smola 2010): greedy. stein (Riabiz et al. 2022): greedy towards the
 * model, by its score; a row may be chosen more than once, which its weight tells. sensitivity (Axiotis et al. 2024): clusters by k-means, then draws with
 * probability as the loss at the centre plus lambda times the squared distance from it, weighted by its inverse, so that weighted sums are
 * unbiased; the weights sum to 1 in expectation. random: without replacement. stratified: every cluster in proportion. standard: every k-th row
 * in the order of the table, for chains.
 * @param context a context.
 * @param table the rows; the features must fit into the context's memory, without missing values.
 * @param options NULL for all defaults.
 * @param out receives the selection; free it by lk_selection_free().
 * Errors: LK_ERROR_ARGUMENT (an option that is not known or out of range), LK_ERROR_DATA (a missing value, by row and column; a value
 * outside [0, 1] under sobolev), LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: of n rows, kernel-thinning some 2 n^2 kernel values; compress some 8 (16 count)^2 log2(n / count); herding n^2 + n count;
 * stein n count; the discrepancy n^2 / 2 more. Memory: n x d numbers and some more. */
LK_API LK_NODISCARD lk_status lk_select(lk_context *context, const lk_table *table, const lk_select_options *options,
                                        lk_selection **out);

/** The chosen rows.
 * @param selection a selection.
 * @param rows receives their 0-based numbers, ascending, borrowed; may be NULL.
 * @param weights receives their weights, which sum to 1 (of sensitivity: in expectation), borrowed; may be NULL.
 * @return how many. */
LK_API int64_t lk_selection_rows(const lk_selection *selection, const int64_t **rows, const double **weights);

/** What was done, as JSON: method, rows, selected, features, kernel and split (each with its formula), bandwidth (a number a feature), mmd (between the chosen rows and
 * all, or the uniform law; null where it was left out), mmd_independent (root mean square of as many independent rows); for stein ksd, the
 * discrepancy from the model.
 * @param context a context.
 * @param selection a selection.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_MEMORY.
 * Cost: constant. */
LK_API LK_NODISCARD lk_status lk_selection_info(lk_context *context, const lk_selection *selection, char **out);

/** Frees a selection.
 * @param context a context with the allocator of the one that made it.
 * @param selection NULL is fine. */
LK_API void lk_selection_free(lk_context *context, lk_selection *selection);

/** How particles flow. Set `size` to sizeof(lk_flow_options); zero elsewhere means the default. */
typedef struct lk_flow_options {
    size_t size;            /**< sizeof(lk_flow_options) */
    int64_t particles;      /**< how many; 0 = 1000, or the number of rows where that is less */
    int64_t steps;          /**< 0 = 300 */
    int64_t directions;     /**< random directions a step; 0 = 24, or the number of features where that is more */
    const double *start;    /**< particles x d where they begin; NULL = normal, with each feature's mean and sd */
    int64_t observations;   /**< 0 = none: particles flow to the data. Else to the posterior of x given y = A x + noise, the data being the prior */
    const double *matrix;   /**< A, observations x d, row-major */
    const double *observed; /**< y, observations numbers */
    double noise;           /**< standard deviation of the noise, above 0 */
    int64_t seed;           /**< non-negative seed of every random choice */
} lk_flow_options;

/** What a flow reached, all in units where each coordinate of the data (with observations: of rows and their simulated observations together) has
 * standard deviation 1. Energy distances are 2 E|x - y| - E|x - x'| - E|y - y'|, by 200 fixed directions. */
typedef struct lk_flow_report {
    double energy_start;       /**< between particles and data before the first step */
    double energy;             /**< after the last */
    double energy_independent; /**< what as many independent draws from the data have on average */
} lk_flow_report;

/** Moves particles to a data set along the gradient of the energy distance, whose kernel -|x - y| is a mean over directions of its one-dimensional
 * self: a step costs sorts of projections (Hertrich, Wald, Altekrueger and Hagemann 2024). With observations it samples the posterior
 * of x given y = A x + noise where the rows of the data are draws from the prior (Hagemann et al. 2024): for each row an observation is simulated, up to
 * 2000 particles with observations of the rows flow to these pairs while their observations stay, and the particles that are asked for are carried along
 * by the same field from the start, their observation being the one that was made.
 * @param context a context.
 * @param x rows x d, row-major, finite.
 * @param rows at least 2.
 * @param d at least 1.
 * @param options NULL for all defaults.
 * @param out receives particles x d; lk_flow_particles() of them.
 * @param report receives what was reached; may be NULL.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA (a value that is missing or infinite), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: steps x directions x ((rows + particles) log of it + their coordinates). Memory: those, twice. */
LK_API LK_NODISCARD lk_status lk_flow(lk_context *context, const double *x, int64_t rows, int64_t d, const lk_flow_options *options, double *out,
                                      lk_flow_report *report);

/** How many particles a flow has.
 * @param options NULL for all defaults.
 * @param rows of the data.
 * @return their number. */
LK_API int64_t lk_flow_particles(const lk_flow_options *options, int64_t rows);

#ifdef __cplusplus
}
#endif
#endif

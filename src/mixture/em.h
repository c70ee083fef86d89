/* Expectation-maximization of a Gaussian mixture over a dataset of any size. */
#ifndef LIKELY_EM_H
#define LIKELY_EM_H

#include "data/dataset.h"
#include "mixture.h"

/* Rows and what is known of them before the first iteration. Rows are standardized: z = (x - centre) * scale with scale a power of
 * two, so that scaling costs no rounding. */
typedef struct lki_em_data {
    const lki_dataset *rows;
    int64_t d;
    double total;     /* sum of weights */
    double positive;  /* rows of positive weight */
    double *centre;   /* d: weighted mean; NULL = rows are standardized already */
    double *scale;    /* d: 2^-round(log2 sd); 1 for a constant column; NULL likewise */
    double *scatter;  /* d x d: sum w z z' */
    double *observed; /* d: sum of weights of the rows that have the feature; NULL = all have all */
    double *box;      /* 4 x d: low and high ends of the box of the noise, then the same standardized; NULL = no noise */
    int gaps;         /* 1 = some value is missing */
    double log_jacobian; /* sum_i w_i sum_j log scale_j over the values there are: from densities of z to those of x */
} lki_em_data;

/* Two passes over the rows. Errors: LK_ERROR_DATA (no rows of positive weight; a spread beyond the range of numbers). */
lk_status lki_em_data_new(lk_context *ctx, const lki_dataset *rows, const char *const *names, lki_em_data *out) LK_NODISCARD;
void lki_em_data_free(lk_context *ctx, lki_em_data *data);

enum { LKI_FREEZE_WEIGHTS = 1, LKI_FREEZE_MEANS = 2, LKI_FREEZE_COVARIANCES = 4 };

#define LKI_TOL_DEFAULT 1e-7

typedef struct lki_em_options {
    double tol;          /* see lki_em_run; 0 = exactly max_iter iterations, judged by LKI_TOL_DEFAULT at their end */
    int64_t max_iter;
    unsigned freeze;
    lki_prior prior;     /* kappa = 0: none */
    int give_up;         /* stop a run that has been degenerate for 20 iterations: it will not be selected */
    const char *stage;   /* for progress */
} lki_em_options;

typedef struct lki_em_result {
    double log_likelihood; /* in the data's units, at the final parameters */
    double objective;      /* the same in standardized units plus the log prior */
    double entropy;        /* - sum_i w_i sum_k r_ik log r_ik */
    int64_t iterations;
    int converged;
    int64_t defect;        /* component that is degenerate, -1 = none */
    double defect_size;    /* its effective size if that is below d + 1, else NaN */
    double defect_rcond;   /* its reciprocal condition if that is the fault, else NaN */
    double defect_variance; /* its smallest variance if that is the fault, else NaN */
} lki_em_result;

/* The bounds below which a component is degenerate: effective size d + 1; this reciprocal condition in standardized units; and this
 * variance in any direction, in units of the data's own, which is where rows that are equal but for rounding collapse to, and
 * the only bound that a single variance can meet. */
#define LKI_RCOND_MIN 1e-8
#define LKI_VARIANCE_MIN 1e-16

/* Runs EM from the parameters in m (standardized units), which it replaces. Converged when the rise of the objective that is still to
 * come, estimated by Aitken's rule from the last two rises, is at most tol (1 + |log-likelihood|). A covariance that collapses below
 * LKI_RCOND_MIN or LKI_VARIANCE_MIN is held at that floor, and the result names it.
 * Cost an iteration: n K (terms + statistics) multiply-adds and n K exp. */
lk_status lki_em_run(lk_context *ctx, const lki_em_data *data, const lki_em_options *options, lki_mixture *m,
                     lki_em_result *result) LK_NODISCARD;

/* The M-step from a partition of in-memory rows: values is rows x (d + 1), standardized features and a weight; labels are within
 * 0..K-1, or -1 for a row that takes no part. */
lk_status lki_em_from_partition(lk_context *ctx, const lki_em_data *data, const double *values, const int32_t *labels, int64_t rows,
                                const lki_prior *prior, lki_mixture *m) LK_NODISCARD;

/* Sum of weighted log densities of the rows under m (standardized units), in the data's units. */
lk_status lki_em_log_likelihood(lk_context *ctx, const lki_em_data *data, const lki_mixture *m, double *out) LK_NODISCARD;

#endif

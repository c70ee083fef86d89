/* The score oracle: log density, score and second derivatives of a model with normal noise of any size added. Samplers,
 * denoisers and searches for modes ask it, and never care whether an answer is a closed form, learned, or derived by
 * differences. */
#ifndef LIKELY_ORACLE_H
#define LIKELY_ORACLE_H

#include "model/model_impl.h"

/* A model at one noise level, in transformed units: rows are z = t(x), and the noise is added to z. Start from all
 * zeros. Ready oracles may be asked from many threads. */
typedef struct lki_oracle {
    const lk_model *model; /* what is asked: its transform plays no part */
    lk_model *own;         /* the noisy model; NULL where there is no noise */
    lki_question question; /* for what is derived */
} lki_oracle;

/* sigma: d standard deviations of the noise; NULL or all 0 = none, which every model offers that has a score. Runs
 * threads of its own. Errors: LK_ERROR_UNSUPPORTED (no score, or no noisy version). */
lk_status lki_oracle_open(lk_context *ctx, const lk_model *model, const double *sigma, lki_oracle *out) LK_NODISCARD;
void lki_oracle_close(lk_context *ctx, lki_oracle *o);

/* At most LKI_BLOCK_ROWS finite rows, on the calling thread. What a row gets does not depend on the rows beside it. */
bool lki_oracle_has_density(const lki_oracle *o);
lk_status lki_oracle_log_density(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows,
                                 double *out) LK_NODISCARD;
lk_status lki_oracle_score(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows,
                           double *out) LK_NODISCARD;
/* out: rows x d x d. */
lk_status lki_oracle_hessian(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows,
                             double *out) LK_NODISCARD;

/* smooth.c: LK_ERROR_ARGUMENT naming the feature whose sigma is negative, not finite or above LKI_SIGMA_MAX. */
lk_status lki_sigma_check(lk_context *ctx, const lk_model *model, const double *sigma) LK_NODISCARD;

#endif

/* A model fitted again to replicates of its rows: resampled, weighed at random, or a share of them. */
#ifndef LIKELY_REPLICATE_H
#define LIKELY_REPLICATE_H

#include "model/model_impl.h"

/* Rows of a table with the model's features, in its units, and weights. */
typedef struct lki_rows {
    lki_dataset data;
    int64_t *features; /* d positions */
    double total;      /* sum of weights of the rows with a value */
} lki_rows;

/* Finds the columns and sums the weights. Errors: LK_ERROR_DATA (a feature is missing, no row has a positive weight), LK_ERROR_ARGUMENT
 * (no such weight column). */
lk_status lki_rows_open(lk_context *ctx, const lk_model *model, const lk_table *table, const char *weight, lki_rows *out) LK_NODISCARD;
void lki_rows_close(lk_context *ctx, lki_rows *rows); /* fine on a zeroed one */

/* What a replicate of rows with weights w_i, n in all, is. */
typedef enum lki_resampling {
    LKI_RESAMPLE_ROWS,    /* n rows drawn with replacement in proportion to w (Efron 1979) */
    LKI_RESAMPLE_WEIGHTS, /* weights n times a Dirichlet(w) draw: exponential ones, divided by their mean, where w = 1 (Newton and Raftery 1994;
                             O'Hagan et al. 2019) */
    LKI_RESAMPLE_PART     /* a share of the rows, without replacement */
} lki_resampling;

/* One replicate with its fit. */
typedef struct lki_replicate {
    int64_t number;
    int thread;
    const double *weights; /* of every row, 0 = not in it */
    const lk_model *fit;   /* borrowed for the call; degenerate ones are not shown */
    const int64_t *order;  /* group k of the model is group order[k] of the fit; NULL where the model has none */
} lki_replicate;

typedef struct lki_replication {
    const lk_model *model;
    const lki_rows *rows;
    lki_resampling resampling;
    double share;   /* of LKI_RESAMPLE_PART */
    lki_refit refit;
    int64_t draws;
    uint64_t seed;
    const char *stage; /* for progress */
    /* Takes what it wants of a replicate to places of its number; called from any thread, on a context of that thread. */
    lk_status (*take)(lk_context *ctx, void *state, const lki_replicate *replicate);
    void *state;
} lki_replication;

/* How the fits went. */
typedef struct lki_replicated {
    int64_t used;        /* replicates that were taken */
    int64_t unconverged; /* of these */
    int64_t left_out;    /* whose fit is degenerate or failed for its rows */
} lki_replicated;

/* Replicate b depends on the model, the rows, the seed and b alone; replicates run side by side, each on one thread. Groups are matched
 * so that the responsibilities of the rows agree best: the assignment that maximizes sum_i w_i sum_k r_ik r'_i,order(k), which is the one
 * of least squared difference. Errors: those of the fit but LK_ERROR_DATA and LK_ERROR_NUMERIC, which count as left out;
 * LK_ERROR_UNSUPPORTED for a model that was not fitted by its method, LK_ERROR_DATA for weights that sum to less than 2 rows.
 * Memory: three numbers a row and thread. */
lk_status lki_replicate_fits(lk_context *ctx, const lki_replication *replication, lki_replicated *out) LK_NODISCARD;

/* What is told of many draws: sorts n finite numbers; their p-quantile, linear between order statistics (Hyndman and Fan 1996, Am. Stat.
 * 50:361-365, definition 7). */
void lki_sort_ascending(double *values, int64_t n);
double lki_sorted_quantile(const double *sorted, int64_t n, double p);

#endif

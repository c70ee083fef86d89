/* The search for the best non-degenerate optimum of a mixture with given K and covariance family. */
#ifndef LIKELY_SEARCH_H
#define LIKELY_SEARCH_H

#include "em.h"

/* Rows in memory as EM sees them: rows x (d + 1), the features and a weight. */
typedef struct lki_view {
    lk_table *table;      /* NULL where the view is not there */
    const double *values; /* its rows */
    lki_dataset rows;
    lki_em_data data;     /* centre and scale NULL: standardized already */
} lki_view;

/* A subsample of the rows on which starts are tried. */
typedef struct lki_sample {
    lki_view exact;     /* standardized rows; missing values are NaN */
    lki_view plain;     /* the same with missing values at the mean, for k-means; without gaps it borrows exact's table */
    lki_view white;     /* plain's rows as y = W z, W'W the inverse of the total covariance; not there if that is singular */
    int64_t *positions; /* 0..d-1 */
    int64_t *numbers;   /* of the rows in the table that they are of, ascending; not of a clean sample */
    int whole;          /* 1 if it holds every row of positive weight */
    double noise;       /* share of the weight that is left out as noise: of a clean sample */
} lki_sample;

lk_status lki_sample_new(lk_context *ctx, const lki_em_data *data, int64_t most, uint64_t seed, lki_sample *out) LK_NODISCARD;
/* The rows of a sample that do not look like noise (noise.h), as plain and white views whose scatter is about their own mean; no exact
 * view. Where all rows do, or none, it has no rows. */
lk_status lki_sample_clean(lk_context *ctx, const lki_sample *sample, uint64_t seed, lki_sample *out) LK_NODISCARD;
void lki_sample_free(lk_context *ctx, lki_sample *sample);

typedef struct lki_search {
    int64_t K;
    const lki_covariance *covariance;
    int random;        /* start from random rows instead of k-means++ */
    const struct lki_hierarchy *hierarchy; /* partitions to start from beside the others; NULL = none */
    int trees_only;    /* start from these partitions alone */
    const int32_t *labels; /* of the sample's rows: the one start is this partition, -1 being a row without a group; NULL = none */
    const lki_sample *clean; /* with noise (data->box): half of the starts are of these rows; NULL or without rows = none */
    const struct lki_hierarchy *clean_hierarchy; /* partitions of them; NULL = none */
    int64_t restarts;  /* 0 = by the number of rows; of partitions, each tree */
    int64_t moves;     /* split-and-merge moves (moves.h) that are accepted at most, after the best start */
    uint64_t seed;
    lki_em_options em;
} lki_search;

/* How the starts of a search fared. */
typedef struct lki_tally {
    int64_t starts;   /* tried */
    int64_t finished; /* of them run to their end on all rows: the others were behind after some iterations */
    int64_t reached;  /* of these, at the best non-degenerate optimum to within LKI_REACHED_TOL (1 + |objective|) */
    int64_t moves_tried, moves_accepted; /* run to their end on all rows; of these, higher */
} lki_tally;
#define LKI_REACHED_TOL 1e-6

/* Runs the starts on the sample, the best of them on all rows. *out is in standardized units. Errors: LK_ERROR_DATA when there are
 * fewer distinct rows than K (*distinct then says how many). */
lk_status lki_search_run(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *search,
                         lki_mixture **out, lki_em_result *result, lki_tally *tally, int64_t *distinct) LK_NODISCARD;

#endif

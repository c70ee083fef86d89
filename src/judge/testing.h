/* Tests of samples: what their files share. */
#ifndef LIKELY_TESTING_H
#define LIKELY_TESTING_H

#include "core/core.h"
#include "core/philox.h"
#include "math/pair.h"
#include <jansson.h>
#include <likely/test.h>

/* The room's random streams of tests: labellings count on from the first, slices and the rest have their own. */
enum { LKI_STREAM_LABELS = 1 << 21, LKI_STREAM_SLICES, LKI_STREAM_SPLIT, LKI_STREAM_PAIRS, LKI_STREAM_REFITS };

struct lk_test {
    json_t *info;
    double *witness; /* count; NULL = none */
    int64_t *rows;   /* count: numbers in their tables */
    int64_t first, count;
};

/* Complete rows of the features that both tables have: n of the first, then m of the second. */
typedef struct lki_samples {
    int64_t n, m, N, d;      /* N = n + m */
    double *z;               /* N x d: centred by the mean of all rows, and divided by `scale` */
    double *scale;           /* d: sd of all rows, or 1 where it is 0 or they are left unscaled */
    double *mean;            /* d */
    char **names;            /* d */
    int64_t *rows;           /* N */
    int64_t left_out[2];     /* rows with missing values */
} lki_samples;

/* One test that is being made. */
typedef struct lki_testing {
    lk_context *ctx;
    lk_test_options options;
    lki_samples samples;
    bool single;             /* rows of one table */
    lki_kernel_id kernel;
    double *bandwidth;       /* d, of the scaled features */
    lk_test *out;
    double *witness;         /* N */
} lki_testing;

/* Checks options against `names` (ended by NULL) of tests; *which = the position of the one asked for, -1 = auto. */
lk_status lki_testing_options(lki_testing *t, const lk_test_options *given, const char *const *names, int *which) LK_NODISCARD;
/* Reads the samples of two tables, or (b = NULL) one. */
lk_status lki_samples_read(lki_testing *t, const lk_table *a, const lk_table *b) LK_NODISCARD;
/* The same of one table's columns, whatever options name. */
lk_status lki_samples_read_columns(lki_testing *t, const lk_table *table, const int64_t *columns, int64_t d) LK_NODISCARD;
/* t->bandwidth by options and the median rule of all rows. */
lk_status lki_testing_bandwidth(lki_testing *t) LK_NODISCARD;
/* The witness goes over to the test, with the numbers of its rows. */
void lki_hand_over_witness(lki_testing *t);
/* Frees all but t->out; on a failure this too. */
void lki_testing_close(lki_testing *t, lk_status status);

/* What every test tells of its samples. */
lk_status lki_tell_samples(lki_testing *t, const char *test) LK_NODISCARD;
lk_status lki_tell_kernel(lki_testing *t) LK_NODISCARD;
lk_status lki_tell(lki_testing *t, const char *key, json_t *value) LK_NODISCARD;

/* (1 + #{s_b >= s_0}) / (1 + B) of s_0, ..., s_B; what differs by less than `tolerance` is equal. */
double lki_permutation_p(const double *statistics, int64_t permutations, double tolerance);

/* Labelling b of N rows of which n are of the first sample: 0 as they stand, else chosen at random. label[i * stride] = 1 or 0. */
void lki_labelling(uint64_t seed, int64_t b, int64_t N, int64_t n, int64_t *scratch, double *label, int64_t stride);

/* Sums of a kernel over pairs of different rows, within and between the samples of a labelling. */
typedef struct lki_label_sums {
    double a, b, cross; /* sum over i != j both of A, both of B; sum over i of A and j of B */
} lki_label_sums;
/* Of labellings 0..permutations. towards_a (N) receives sum over j of A, j != i, of k(z_i, z_j), to_all the same over all; both may be NULL. */
lk_status lki_label_sums_of(lki_testing *t, const lki_pair_term *terms, int64_t count, int64_t permutations, lki_label_sums *out,
                            double *towards_a, double *to_all) LK_NODISCARD;

/* Each its own file. They tell statistic, p and effect, and fill t->witness. */
lk_status lki_test_mmd(lki_testing *t) LK_NODISCARD;
lk_status lki_test_mmd_agg(lki_testing *t) LK_NODISCARD;
lk_status lki_test_cross_mmd(lki_testing *t) LK_NODISCARD;
lk_status lki_test_kid(lki_testing *t) LK_NODISCARD;
lk_status lki_test_energy(lki_testing *t) LK_NODISCARD;
lk_status lki_test_sliced_energy(lki_testing *t) LK_NODISCARD;
lk_status lki_test_c2st(lki_testing *t) LK_NODISCARD;
/* Where the samples differ: one feature after the other. */
lk_status lki_tell_features(lki_testing *t) LK_NODISCARD;

#endif

/* Fewer points with the same distribution: what the ways of thinning share. Points are rows x d, row-major; a set of them is a list
 * of row numbers. */
#ifndef LIKELY_THINNING_H
#define LIKELY_THINNING_H

#include "core/core.h"
#include "core/philox.h"
#include "math/pair.h"

/* The first of the room's random streams: the order of the rows; halvings count on from it, those of compress from 2^32. */
enum { LKI_STREAM_SELECT = 1 << 20 };

/* A kernel of the pair engine that is a function of x - y, with its value at 0. */
typedef struct lki_thin_kernel {
    const lki_pair_term *terms;
    int64_t count;
    double at_zero;
} lki_thin_kernel;

typedef struct lki_thinning {
    const double *x;         /* rows x d */
    int64_t rows, d;
    lki_thin_kernel split;   /* what halving balances */
    lki_thin_kernel target;  /* whose discrepancy counts */
    double delta;            /* halving fails, in the sense of its guarantee, with at most this probability */
    uint64_t seed;
} lki_thinning;

/* Sums of the target kernel: out[i] = sum over the j of `set` of w_j k(x_i, x_j) for each of the `count` i of `rows` (NULL = the first); w = NULL: ones. */
lk_status lki_thin_sums(lk_context *ctx, const lki_thinning *t, const int64_t *rows, int64_t count, const int64_t *set, int64_t size,
                        const double *w, double *out) LK_NODISCARD;

/* out[i] = the mean of the Sobolev kernel between row i and all rows, in one or two dimensions, where the rows lie within [0, 1]. Cost: n log n. */
lk_status lki_sobolev_means(lk_context *ctx, const lki_thinning *t, double *out) LK_NODISCARD;

/* Parts n rows (n even) into two halves that are balanced in the split kernel: the self-balancing walk of kernel thinning (Dwivedi and Mackey
 * 2021, algorithm 1a, one round), with failure probability `delta` for each pair. `stream` numbers its random choices.
 * Cost: n^2 / 2 kernel values. */
lk_status lki_kernel_halve(lk_context *ctx, const lki_thinning *t, const int64_t *rows, int64_t n, double delta, uint64_t stream,
                           int64_t *first, int64_t *second) LK_NODISCARD;

/* KT-SPLIT and KT-SWAP: the first size 2^rounds of `set` are split into 2^rounds coresets; the best of these and of every 2^rounds-th member is
 * refined by exchanging each point in turn for the free member of the set that lowers the discrepancy most, some times over. mean[i] =
 * the mean of k between member i and what the coreset shall stand for. Cost: (size 2^rounds)^2 of the split kernel and some 6 n size of
 * the target. */
lk_status lki_kernel_thin(lk_context *ctx, const lki_thinning *t, const int64_t *set, int64_t n, const double *mean, int rounds,
                          int64_t size, uint64_t stream, int64_t *out) LK_NODISCARD;

/* Compress (Shetty, Dwivedi and Mackey 2022, algorithm 1): the first base 4^levels of `set` become base 2^levels rows, halving by halving.
 * Cost: levels 2 (base 2^levels)^2 kernel values. */
lk_status lki_compress(lk_context *ctx, const lki_thinning *t, const int64_t *set, int64_t base, int levels, int64_t *out) LK_NODISCARD;

/* Herding (Chen, Welling and Smola 2010): each next row, of those not taken yet, is the one that the taken ones miss most. */
lk_status lki_herd(lk_context *ctx, const lki_thinning *t, const double *mean, int64_t size, int64_t *out) LK_NODISCARD;

/* Stein thinning (Riabiz et al. 2022): rows, possibly repeated, chosen greedily for a small kernel Stein discrepancy from the model whose
 * score at each row is given (rows x d), with the inverse multiquadric of the bandwidths h (d). Receives the discrepancy. */
lk_status lki_stein_thin(lk_context *ctx, const double *x, const double *score, int64_t rows, int64_t d, const double *h, int64_t size,
                         int64_t *out, double *discrepancy) LK_NODISCARD;

/* k-means of rows in units of h: cluster[i] below `count`, and the squared distance to its centre. Errors: LK_ERROR_DATA where fewer rows are distinct. Cost:
 * rows x count a pass, at most 20. */
lk_status lki_select_clusters(lk_context *ctx, const double *x, int64_t rows, int64_t d, const double *h, int64_t count, uint64_t random_seed, int64_t *cluster,
                              double *square) LK_NODISCARD;
/* Sensitivity sampling (Axiotis et al. 2024): `size` rows with replacement, probability[i] (out) proportional to loss[cluster[i]] + lambda square[i]. */
lk_status lki_sensitivity_draw(lk_context *ctx, const int64_t *cluster, const double *square, const double *loss, double lambda, int64_t rows, int64_t size,
                               uint64_t random_seed, int64_t *out, double *probability) LK_NODISCARD;
/* Every cluster in proportion; `order` is a random order of the rows. */
lk_status lki_stratified_draw(lk_context *ctx, const int64_t *cluster, const int64_t *order, int64_t rows, int64_t count, int64_t size, uint64_t random_seed,
                              int64_t *out) LK_NODISCARD;

#endif

/* Sums of kernels over many points, each within a relative error of its own, by a kd-tree with series for far groups of points. */
#ifndef LIKELY_TREE_SUM_H
#define LIKELY_TREE_SUM_H

#include "kd_tree.h"
#include "pair_kernels.h"

/* Points with weights, made ready. Immutable; may be shared between threads. */
typedef struct lki_tree_sum lki_tree_sum;

/* Columns at most. */
enum { LKI_TREE_COLUMNS = 16 };

/* log sum_j w_j exp(-|x - y_j|^2 / 2) with (x - y) / bandwidth column by column, within rtol of each sum, whatever the row: for rows far out
 * too. Weights are above 0. rtol within [1e-12, 0.5]; d at
 * most LKI_TREE_COLUMNS.
 *
 * A node of the tree whose points lie within a radius r of its centre is taken by the series of exp(X.D), X and D being x and y less the
 * centre, in total degree (Yang, Duraiswami, Gumerov and Davis 2003): terms of degree p and above change a kernel by at most
 *     exp(-max(0, |X| - r)^2 / 2) (|X| r)^p / p!,
 * which p = 0, leaving the node out, shares. A node is taken with the least p whose bound is at most rtol times what the sum is known to
 * reach, over the sum of all weights; else its children are, and at last its points.
 * Errors: LK_ERROR_MEMORY, LK_ERROR_CANCELLED. Memory: some 2 n d doubles, and the series, at most 2.5 n doubles. */
lk_status lki_tree_sum_new(lk_context *ctx, const double *y, const double *weights, int64_t n, int64_t d, const double *bandwidth,
                           double rtol, lki_tree_sum **out) LK_NODISCARD;
void lki_tree_sum_free(const lki_memory *memory, lki_tree_sum *sum);

/* out[i] = the logarithm of the sum of row i of x (rows x d, finite). Its bits do not depend on other rows or threads. */
lk_status lki_tree_sum_log(lk_context *ctx, const lki_tree_sum *sum, const double *x, int64_t rows, double *out) LK_NODISCARD;

/* Nanoseconds a row on one thread, by the tree and by all pairs: counts of what 64 of the points ask for as rows, times what each costs,
 * taken once from a profile; no clock is read, so that a choice by them is the same every time. */
void lki_tree_sum_cost(const lki_tree_sum *sum, double *by_tree, double *by_pairs);

#endif

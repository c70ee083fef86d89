/* Starting partitions by agglomeration: rows are joined two by two, so that one run gives a partition into any number of groups. */
#ifndef LIKELY_HIERARCHICAL_H
#define LIKELY_HIERARCHICAL_H

#include "core/core.h"

/* The trees that a sample is given, in the order in which they are tried. */
enum { LKI_TREE_VARIABLE, LKI_TREE_ROUND_WHITE, LKI_TREE_ROUND, LKI_TREES };

struct lki_hierarchy {
    int64_t rows, d;
    double *values;             /* rows x (d + 1): standardized features and a weight, of the rows that the trees join */
    double total;               /* sum of their weights */
    int trees;                  /* how many there are; without whitened coordinates only the last, as merges[0] */
    int32_t *merges[LKI_TREES]; /* rows - 1 pairs of rows each: their groups become one */
};

/* Joins at most LKI_HIERARCHY_ROWS of n rows, chosen at random where there are more. values, and white (the same rows whitened; NULL =
 * not there), are n x (d + 1), the last column a positive weight. Round trees join the pair that raises the sum of squares least (Ward
 * 1963, the criterion of equal round covariances), in the coordinates given and whitened; the variable tree
 * the pair that lowers the classification likelihood of ellipsoids of their own least (Banfield and Raftery 1993; Fraley 1998, SIAM J.
 * Sci. Comput. 20:270-281), each scatter weighed with a little of the total one so that small groups have one. The variable tree begins
 * with single rows or, beyond what its cost allows, with the groups of the white round tree.
 * Cost: 3 rows^2 d for each round tree; groups^2 d^3 / 3 for the variable one, bounded; memory 4 groups^2 bytes. */
enum { LKI_HIERARCHY_ROWS = 2000 };
lk_status lki_hierarchy_new(lk_context *ctx, const double *values, const double *white, int64_t n, int64_t d, uint64_t seed,
                            struct lki_hierarchy **out) LK_NODISCARD;
void lki_hierarchy_free(lk_context *ctx, struct lki_hierarchy *hierarchy); /* NULL is fine */

/* labels[i] = group 0..K-1 of each of hierarchy->rows rows in a tree cut at K <= rows groups; work: rows. */
void lki_hierarchy_cut(const struct lki_hierarchy *hierarchy, int tree, int64_t K, int32_t *work, int32_t *labels);

#endif

/* How well two partitions of rows agree, from the table of how much weight their groups share. */
#ifndef LIKELY_AGREEMENT_H
#define LIKELY_AGREEMENT_H

#include <stdint.h>

/* The adjusted Rand index (Hubert and Arabie 1985, J. Classif. 2:193-218) of a K x L table of counts: 1 for equal partitions, 0 on average for
 * independent ones of the same sizes; 1 where both have one group. */
double lki_adjusted_rand(const double *table, int64_t K, int64_t L);
/* out[k] = the largest Jaccard coefficient |A and B| / |A or B| of group k with any of the L others; NaN where group k is empty. */
void lki_jaccard(const double *table, int64_t K, int64_t L, double *out);

#endif

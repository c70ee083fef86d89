/* A private synopsis of a data set: noisy sums from which the mean of a kernel, or of a distance, between any row and the data is told. */
#ifndef LIKELY_PRIVATE_H
#define LIKELY_PRIVATE_H

#include "kernel_law.h"
#include "model/method.h"

#define LKI_PRIVATE_KINDS "gaussian,laplace,cauchy,l1,l2"
typedef enum lki_private_kind { LKI_PRIVATE_GAUSSIAN, LKI_PRIVATE_LAPLACE, LKI_PRIVATE_CAUCHY, LKI_PRIVATE_L1, LKI_PRIVATE_L2 } lki_private_kind;

/* Levels of a dyadic tree below its root: 2^LEVELS cells. Node k of level l stands at 2^l - 2 + k. */
enum { LKI_PRIVATE_LEVELS = 10, LKI_PRIVATE_NODES = (1 << (LKI_PRIVATE_LEVELS + 1)) - 2 };

/* Everything is a sum over rows of functions of projections p . x.
 * Kernels: p is a random frequency, and the sums are those of cos(p . x) and sin(p . x): the mean over frequencies of cos(p . (x - y)) is the kernel
 * (Rahimi and Recht 2007). Distances: p is a feature's axis (l1) or a random direction (l2, for |x - y| = c E |p . (x - y)|), and the sums are
 * a dyadic tree of each projection with counts and offsets. */
typedef struct lki_private {
    lki_memory memory;
    lki_private_kind kind;
    int64_t d, projections, length;
    double *directions; /* projections x d */
    double *limits;     /* projections x 2: the range of each projection; zeros for kernels */
    double *values;     /* projections x length: cosine and sine; or nodes x (count, sum of offsets in cells) */
    double *sds;        /* of the noise: LEVELS x 2 (of counts and offsets, from level 1 on), or 1 */
    double *bandwidth;  /* d; ones for distances */
    double count, count_sd, epsilon, delta, rho; /* in this order: a tensor */
    bool insecure;      /* the noise came from a seed */
} lki_private;

static inline bool lki_private_is_distance(const lki_private *p)
{
    return p->kind >= LKI_PRIVATE_L1;
}

lk_status lki_private_new(lk_context *ctx, lki_private_kind kind, int64_t d, int64_t projections, lki_private **out) LK_NODISCARD;
void lki_private_free(const lki_memory *memory, void *state);
/* The law of a kernel that is not a distance. */
const lki_kernel_law *lki_private_law(const lki_private *p);

extern const lki_operations lki_private_operations;

#endif

/* One-dimensional kernels as distributions: normalizer, distribution function, moments and draws. */
#ifndef LIKELY_KERNEL_LAW_H
#define LIKELY_KERNEL_LAW_H

#include "core/philox.h"
#include "math/pair_kernels.h"

/* The densities k(u) / integral, u within (-reach, reach) or (reach infinite) everywhere. */
typedef struct lki_kernel_law {
    lki_kernel_id kernel;
    double integral;  /* of k */
    double variance;  /* inf where there is none */
    double roughness; /* integral of the squared density */
    double reach;     /* 1 or inf */
    double far;       /* beyond |u| = far the distribution function is 0 or 1 to 1e-17, or `reach`; inf where tails are too heavy */
} lki_kernel_law;

#define LKI_DENSITY_KERNELS "gaussian,laplace,matern32,matern52,cauchy,epanechnikov,biweight,triweight,tricube,cosine,box,triangle"

/* The law of a kernel's name; NULL if it is none of LKI_DENSITY_KERNELS. */
const lki_kernel_law *lki_kernel_law_find(const char *name);
double lki_kernel_law_cdf(const lki_kernel_law *law, double u);
double lki_kernel_law_draw(const lki_kernel_law *law, lki_stream *stream);
/* (R(K) / sigma^4)^1/5: bandwidths of two kernels that smooth alike are to one another as these (Marron and Nolan 1988). NaN without variance. */
double lki_kernel_law_canonical(const lki_kernel_law *law);

#endif

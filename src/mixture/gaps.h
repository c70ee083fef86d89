/* Missing values in a strip of rows: what they take from the density, and their conditional moments (Ghahramani and Jordan 1994).
 *
 * With P the inverse covariance of a component and M the missing features of a row, the conditional covariance is inverse(P_MM), the
 * conditional mean of z_M - mean_M is delta = -inverse(P_MM) g_M where g = P (z - mean) with zeros at M, and the marginal density of
 * the others follows from |W (z - mean)|^2 - g_M' inverse(P_MM) g_M and log det C_OO = log det C + log det P_MM. So a row with m gaps
 * costs m d + m^3 / 6 multiply-adds a component, and no pattern is ever factored. */
#ifndef LIKELY_GAPS_H
#define LIKELY_GAPS_H

#include "kernel.h"

/* The gaps of one strip: lane i lacks the features index[i * d] .. index[i * d + count[i] - 1]. */
typedef struct lki_gaps {
    int32_t *count; /* one a lane */
    int32_t *index; /* lanes x d */
    int64_t lanes, total;
} lki_gaps;

/* A responsibility below this adds nothing to sums of the size of a row. */
#define LKI_GAPS_NEGLIGIBLE 1e-25

/* Finds the NaN of z (d x lanes) and puts zeros there. */
void lki_gaps_find(lki_gaps *gaps, int64_t d, double *z);
/* Puts zeros into the gaps of centred rows (d x lanes). */
void lki_gaps_clear(const lki_gaps *gaps, int64_t d, double *centred);
/* Writes the conditional means `fill` of one component, lane by lane, into its centred rows. */
void lki_gaps_fill(const lki_gaps *gaps, int64_t d, const double *fill, double *centred);

/* Diagonal covariances: what the lanes' log densities under component k gain (their squares stay, conditional means are zero). */
void lki_gaps_close_diagonal(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, double *log_term);
/* Adds r_i times the conditional variances to the statistics of component k. */
void lki_gaps_variances(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *r, double *statistics);

/* Dense covariances (gaps_dense.c, once for each instruction set). Components stand in a table of their own, side by side. */
enum { LKI_GAPS_LANES = 8 }; /* the most of any instruction set */
static inline int64_t lki_gaps_width(int64_t K)
{
    return (K + LKI_GAPS_LANES - 1) / LKI_GAPS_LANES * LKI_GAPS_LANES;
}
#define LKI_GAPS_DECLARE(isa)                                                                                                       \
    /* Fills the table, (d + 1) d width doubles, from plan->precision and plan->means. */                                          \
    void lki_gaps_pack_##isa(const lki_mixture_plan *plan, double *table);                                                          \
    /* Given rows z (d x lanes, zeros at the gaps) and squares q (K x lanes) without the gaps: corrects q in place, sets log_term  \
     * (K x lanes) of rows with gaps to what their log densities gain, and writes the conditional means of all gaps, lane by lane, \
     * to fill[k * stride ...]. work: lki_gaps_work(d). */                                                                          \
    void lki_gaps_close_##isa(const lki_gaps *gaps, const lki_mixture_plan *plan, const double *table, const double *z, double *q,  \
                              double *log_term, double *fill, int64_t stride, double *work);                                       \
    /* Adds r_ik inverse(P_MM), r being K x lanes, to pairs (d (d + 1) / 2 x width). */                                             \
    void lki_gaps_covariances_##isa(const lki_gaps *gaps, const lki_mixture_plan *plan, const double *table, const double *r,       \
                                    double *pairs, double *work);
LKI_GAPS_DECLARE(portable)
#if defined(__x86_64__)
LKI_GAPS_DECLARE(avx2)
LKI_GAPS_DECLARE(avx512)
#endif
static inline int64_t lki_gaps_work(int64_t d)
{
    return LKI_GAPS_LANES * (2 * d * d + 3 * d);
}

#endif

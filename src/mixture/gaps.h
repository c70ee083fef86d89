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

/* Finds the NaN of z (d x lanes) and puts zeros there. */
void lki_gaps_find(lki_gaps *gaps, int64_t d, double *z);
/* Puts zeros into the gaps of centred rows (d x lanes). */
void lki_gaps_clear(const lki_gaps *gaps, int64_t d, double *centred);
/* Given cleared centred rows of component k and their squares q: corrects q in place, adds to `log_term` what a lane's log density
 * gains, and writes the conditional means delta of all gaps, lane by lane, to `fill` (gaps->total values). work: 3 d d. */
void lki_gaps_close(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *centred, double *q, double *log_term,
                    double *fill, double *work);
/* Writes the conditional means into the centred rows. */
void lki_gaps_fill(const lki_gaps *gaps, int64_t d, const double *fill, double *centred);
/* Adds r_i inverse(P_MM) of every lane to the statistics of component k. work: 3 d d. */
void lki_gaps_covariances(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *r, double *statistics,
                          double *work);

#endif

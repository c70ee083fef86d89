/* Ascent of a model's log density from one point to a local maximum, with a certificate that it is one. */
#ifndef LIKELY_ASCENT_H
#define LIKELY_ASCENT_H

#include "model/oracle.h"

/* The log density in the units of the data, as a function of the transformed row: both have the same maxima, but the
 * transformed row knows no bounds. */
typedef struct lki_landscape {
    lki_oracle oracle;
    const lki_transform *curved; /* NULL where its Jacobian is constant */
    double *scale;               /* d: spread of each feature, the unit of the length of steps */
    int64_t d;
} lki_landscape;

/* Where an ascent ended. */
typedef struct lki_summit {
    double log_density; /* in transformed units where nothing is curved */
    double decrement; /* sqrt(g' inverse(-H) g): how far the maximum is, in standard deviations of the normal that fits
                         it */
    double curvature; /* largest eigenvalue of H with its diagonal scaled to -1; below 0: a maximum */
    bool certified;   /* decrement <= LKI_DECREMENT_MOST and curvature < 0 */
} lki_summit;

/* Newton's method stops at rounding, some 1e-12 for closed forms and 1e-8 for differences; what stays above is no
 * certificate. */
#define LKI_DECREMENT_MOST 1e-6

/* `scale` (d, copied) has only positive values. */
lk_status lki_landscape_open(lk_context *ctx, const lk_model *model, const double *scale,
                             lki_landscape *out) LK_NODISCARD;
void lki_landscape_close(lk_context *ctx, lki_landscape *l);
/* Second derivatives at z (d x d), the Jacobian's share included. */
lk_status lki_landscape_hessian(lk_context *ctx, const lki_landscape *l, const double *z, double *out) LK_NODISCARD;
/* Goes up from z (d, finite), which receives the end. On the calling thread. H (d x d) receives the second derivatives
 * there; work holds lki_ascent_work(d) doubles. */
size_t lki_ascent_work(int64_t d);
lk_status lki_ascend(lk_context *ctx, const lki_landscape *l, double *z, double *H, double *work,
                     lki_summit *out) LK_NODISCARD;

#endif

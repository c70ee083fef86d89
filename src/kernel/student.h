/* The multivariate t distribution with a scatter that is drawn towards its diagonal. */
#ifndef LIKELY_STUDENT_H
#define LIKELY_STUDENT_H

#include "core/core.h"
#include "core/philox.h"

/* Scatter is full up to so many features, diagonal beyond. */
enum { LKI_STUDENT_FULL = 300 };

/* p(x) = C (1 + |W (x - mean)|^2 / nu)^(-(nu + d) / 2), scatter S = inverse(W'W). */
typedef struct lki_student {
    int64_t d;
    double nu;
    double log_constant;
    double *mean, *scatter; /* d, d x d (both triangles) */
    double *whiten, *factor; /* d x d lower: W, and L with S = L L' */
} lki_student;

lk_status lki_student_new(lk_context *ctx, int64_t d, lki_student *out) LK_NODISCARD;
void lki_student_free(const lki_memory *memory, lki_student *s);

/* From nu, mean and scatter: all else. LK_ERROR_NUMERIC where the scatter is not positive definite. */
lk_status lki_student_prepare(lk_context *ctx, lki_student *s) LK_NODISCARD;

/* Maximum likelihood for fixed nu by EM (Liu and Rubin 1995), where after each step scatter becomes (1 - shrink) S + shrink diag(S). Features have sd
 * of about 1. x: rows x d; w: weights, 0 leaves a row out. Cost: steps rows d^2. */
lk_status lki_student_fit(lk_context *ctx, const double *x, const double *w, int64_t rows, double nu, double shrink, int steps,
                          lki_student *s) LK_NODISCARD;

/* work: d doubles. */
double lki_student_log_density(const lki_student *s, const double *x, double *work);
void lki_student_draw(const lki_student *s, lki_stream *stream, double *out, double *work);

#endif

/* Independent features, each with a kernel density and a thin heavy tail. */
#ifndef LIKELY_MARGINS_H
#define LIKELY_MARGINS_H

#include "core/core.h"
#include "core/philox.h"

/* p(x) = prod_j (1 - e) sum_c w_c N(x_j; y_c, h_j^2) + e t_3((x_j - m_j) / s_j) / s_j with the centres c of feature j. */
#define LKI_MARGIN_TAIL 1e-3
typedef struct lki_margins {
    int64_t d;
    int64_t *start;              /* d + 1: where the centres of each feature begin */
    double *centres, *weights;   /* start[d]: ascending within a feature; above 0, sum 1 within it */
    double *h, *mean, *sd;       /* d */
} lki_margins;

/* Rows of weight above 0; centres of a feature are the means of the rows within cells of h / 4. h by the normal reference rule, 1.06 sd n^(-1/5); a constant
 * feature has h = sd = 1e-6 (1 + |mean|). */
lk_status lki_margins_fit(lk_context *ctx, const double *x, const double *w, int64_t rows, int64_t d, lki_margins *out) LK_NODISCARD;
lk_status lki_margins_new(lk_context *ctx, int64_t d, int64_t centres, lki_margins *out) LK_NODISCARD;
void lki_margins_free(const lki_memory *memory, lki_margins *m);

double lki_margins_log_density(const lki_margins *m, const double *x);
void lki_margins_draw(const lki_margins *m, lki_stream *stream, double *out);

#endif

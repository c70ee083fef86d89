/* The light Schroedinger bridge (Korotin, Gushchin and Burnaev 2023, arXiv:2310.01174): its state, and what fits, asks and draws it. With
 * the adjusted potential v(y) = sum_k a_k N(y | r_k, epsilon S_k) the plan between x0 and x1 is
 *   p(x1 | x0) = sum_k a_k(x0) N(x1 | r_k + S_k x0, epsilon S_k),  a_k(x0) ~ a_k exp((x0' S_k x0 + 2 r_k' x0) / (2 epsilon)),
 * the entropic optimal transport at cost |x0 - x1|^2 / 2 and entropy epsilon. */
#ifndef LIKELY_BRIDGE_H
#define LIKELY_BRIDGE_H

#include "model/method.h"

/* The cost knows inner products only, so that x0 and x1 are taken about places of their own. A state whose source was given is the law of
 * x1 alone: sources 0, and v itself is that law. */
typedef struct lki_bridge {
    int64_t K, m, sources; /* m features of x1, and of x0 where sources = m; else 0 */
    double *epsilon;       /* 1 */
    double *from, *to;     /* m each: what is taken off x0 and x1 */
    double *weights;       /* K: a_k, sum 1 */
    double *r;             /* K x m */
    double *S;             /* K x m x m */
    double *W, *L;         /* K x m x m: S = L L', W = inverse of L */
    double *log_det;       /* K: of S */
    lki_memory memory;
} lki_bridge;

lk_status lki_bridge_new(lk_context *ctx, int64_t K, int64_t m, int64_t sources, lki_bridge **out) LK_NODISCARD;
void lki_bridge_free(const lki_memory *memory, void *state);
/* W, L and log_det from S; the component that is not positive definite, or -1. work: 2 m m. */
int64_t lki_bridge_factor(lki_bridge *b, double *work);

/* At a centred x0 (m values; NULL without source): logarithms of a_k(x0), which sum to 1, to `log_weights` (K). Returns log c(x0). */
double lki_bridge_weights(const lki_bridge *b, const double *x0, double *log_weights);
/* Logarithms of a_k N(y | r_k, epsilon S_k) at a centred y, to `terms` (K). Returns log v(y). work: m. */
double lki_bridge_potential(const lki_bridge *b, const double *y, double *terms, double *work);

/* bridge_model.c: the operations that need no fit, for the descriptor. */
extern const lki_operations lki_bridge_operations;

#endif

/* Missing values under dense covariances, compiled once for each instruction set: gaps.h has the formulas. What a row lacks is the same
 * for all components, so that a lane is a component: factors, solutions and inverses of P_MM run over VL components at once. */
#include "gaps.h"
#include "math/special.h"
#include "math/vector.h"
#include <string.h>

#define VL LKI_VL

/* ---- the table: P[i][j][k], then means[j][k], k padded to lki_gaps_width(K) ---- */

void LKI_ISA_NAME(lki_gaps_pack)(const lki_mixture_plan *plan, double *table)
{
    const int64_t d = plan->d, width = lki_gaps_width(plan->K);
    for (int64_t k = 0; k < width; k++) {
        const double *P = plan->precision + (plan->form == LKI_FORM_FULL ? k * d * d : 0);
        for (int64_t i = 0; i < d * d; i++) { /* the padding is the identity: finite */
            table[i * width + k] = k < plan->K ? P[i] : i % (d + 1) == 0 ? 1.0 : 0.0;
        }
        for (int64_t j = 0; j < d; j++) {
            table[(d * d + j) * width + k] = k < plan->K ? plan->means[k * d + j] : 0.0;
        }
    }
}

/* ---- P_MM = L D L' ---- */

/* Unit lower L (m x m), and 1 / D. A pivot that rounding spoils is held at a tiny share of P's diagonal. */
static void factor(const double *P, int64_t d, int64_t width, const int32_t *M, int64_t m, lki_vd *L, lki_vd *inverse)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < i; j++) { /* row i holds L D until its pivot is known */
            lki_vd sum = lki_vload(P + (M[i] * d + M[j]) * width);
            for (int64_t c = 0; c < j; c++) {
                sum = sum - L[i * m + c] * L[j * m + c];
            }
            L[i * m + j] = sum;
        }
        lki_vd pivot = lki_vload(P + M[i] * (d + 1) * width);
        const lki_vd floor = pivot * lki_vset1(1e-14);
        for (int64_t j = 0; j < i; j++) {
            const lki_vd scaled = L[i * m + j] * inverse[j];
            pivot = pivot - scaled * L[i * m + j];
            L[i * m + j] = scaled;
        }
        inverse[i] = lki_vset1(1.0) / lki_vmax(pivot, floor);
    }
}

/* log det P_MM from 1 / D, with one logarithm for four pivots. */
static lki_vd log_determinant(const lki_vd *inverse, int64_t m)
{
    lki_vd sum = lki_vset1(0.0), product = lki_vset1(1.0);
    for (int64_t i = 0; i < m; i++) {
        product = product * inverse[i];
        if (i % 4 == 3 || i + 1 == m) {
            sum = sum - lki_vlog_lanes(product);
            product = lki_vset1(1.0);
        }
    }
    return sum;
}

/* g = P (z - mean) at M: four sums keep the multiply-adds apart. */
static lki_vd product_at(const double *row, int64_t d, int64_t width, const lki_vd *centred)
{
    lki_vd sum[4] = {lki_vset1(0.0), lki_vset1(0.0), lki_vset1(0.0), lki_vset1(0.0)};
    int64_t c = 0;
    for (; c + 4 <= d; c += 4) {
        sum[0] = lki_vfma(lki_vload(row + c * width), centred[c], sum[0]);
        sum[1] = lki_vfma(lki_vload(row + (c + 1) * width), centred[c + 1], sum[1]);
        sum[2] = lki_vfma(lki_vload(row + (c + 2) * width), centred[c + 2], sum[2]);
        sum[3] = lki_vfma(lki_vload(row + (c + 3) * width), centred[c + 3], sum[3]);
    }
    for (; c < d; c++) {
        sum[0] = lki_vfma(lki_vload(row + c * width), centred[c], sum[0]);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void centre_row(const lki_gaps *gaps, int64_t lane, int64_t d, int64_t width, const double *means, const double *z, lki_vd *centred)
{
    const int32_t *M = gaps->index + lane * d;
    for (int64_t j = 0; j < d; j++) {
        centred[j] = lki_vset1(z[j * gaps->lanes + lane]) - lki_vload(means + j * width);
    }
    for (int64_t a = 0; a < gaps->count[lane]; a++) {
        centred[M[a]] = lki_vset1(0.0);
    }
}

void LKI_ISA_NAME(lki_gaps_close)(const lki_gaps *gaps, const lki_mixture_plan *plan, const double *table, const double *z, double *q,
                                  double *log_term, double *fill, int64_t stride, double *work)
{
    const int64_t d = plan->d, K = plan->K, width = lki_gaps_width(K), lanes = gaps->lanes;
    lki_vd *centred = (lki_vd *)(void *)work, *delta = centred + d, *inverse = delta + d, *L = inverse + d;
    int64_t at = 0;
    for (int64_t i = 0; i < lanes; at += gaps->count[i++]) {
        const int64_t m = gaps->count[i];
        const int32_t *M = gaps->index + i * d;
        for (int64_t first = 0; m > 0 && first < K; first += VL) { /* hot: m d + m^3 / 6 multiply-adds for VL components */
            const double *P = table + first;
            lki_vd taken = lki_vset1(0.0);
            centre_row(gaps, i, d, width, P + d * d * width, z, centred);
            factor(P, d, width, M, m, L, inverse);
            for (int64_t a = 0; a < m; a++) { /* y = inverse(L) g */
                lki_vd g = product_at(P + M[a] * d * width, d, width, centred);
                for (int64_t c = 0; c < a; c++) {
                    g = g - L[a * m + c] * delta[c];
                }
                delta[a] = g;
                taken = lki_vfma(g * inverse[a], g, taken);
            }
            for (int64_t a = m - 1; a >= 0; a--) { /* delta = -inverse(L') inverse(D) y */
                lki_vd sum = lki_vset1(0.0) - delta[a] * inverse[a];
                for (int64_t c = a + 1; c < m; c++) {
                    sum = sum - L[c * m + a] * delta[c];
                }
                delta[a] = sum;
            }
            const lki_vd term = lki_vset1(0.5 * (double)m * LKI_LOG_2PI) - lki_vset1(0.5) * log_determinant(inverse, m);
            double out[2 * VL];
            lki_vstore(out, taken);
            lki_vstore(out + VL, term);
            for (int64_t k = 0; k < VL && first + k < K; k++) {
                double *square = q + (first + k) * lanes + i;
                *square = *square > out[k] ? *square - out[k] : 0.0;
                log_term[(first + k) * lanes + i] = out[VL + k];
            }
            for (int64_t a = 0; a < m; a++) {
                lki_vstore(out, delta[a]);
                for (int64_t k = 0; k < VL && first + k < K; k++) {
                    fill[(first + k) * stride + at + a] = out[k];
                }
            }
        }
    }
}

/* ---- conditional covariances ---- */

/* V = inverse(L), unit lower. */
static void invert(const lki_vd *L, int64_t m, lki_vd *V)
{
    for (int64_t j = 0; j < m; j++) {
        for (int64_t i = j + 1; i < m; i++) {
            lki_vd sum = lki_vset1(0.0) - L[i * m + j];
            for (int64_t c = j + 1; c < i; c++) {
                sum = sum - L[i * m + c] * V[c * m + j];
            }
            V[i * m + j] = sum;
        }
    }
}

/* Entry (a, b), b <= a, of inverse(P_MM) = V' inverse(D) V. */
static lki_vd inverse_entry(const lki_vd *V, const lki_vd *inverse, int64_t m, int64_t a, int64_t b)
{
    lki_vd sum = a == b ? inverse[a] : inverse[a] * V[a * m + b];
    for (int64_t c = a + 1; c < m; c++) {
        sum = lki_vfma(V[c * m + a] * inverse[c], V[c * m + b], sum);
    }
    return sum;
}

void LKI_ISA_NAME(lki_gaps_covariances)(const lki_gaps *gaps, const lki_mixture_plan *plan, const double *table, const double *r,
                                        double *pairs, double *work)
{
    const int64_t d = plan->d, K = plan->K, width = lki_gaps_width(K), lanes = gaps->lanes;
    lki_vd *inverse = (lki_vd *)(void *)work, *L = inverse + d, *V = L + d * d;
    for (int64_t i = 0; i < lanes; i++) {
        const int64_t m = gaps->count[i];
        const int32_t *M = gaps->index + i * d;
        for (int64_t first = 0; m > 0 && first < K; first += VL) {
            double share[VL], most = 0.0;
            for (int64_t k = 0; k < VL; k++) {
                share[k] = first + k < K ? r[(first + k) * lanes + i] : 0.0;
                most = share[k] > most ? share[k] : most;
            }
            if (most < LKI_GAPS_NEGLIGIBLE) {
                continue;
            }
            const lki_vd weight = lki_vload(share);
            factor(table + first, d, width, M, m, L, inverse);
            invert(L, m, V);
            for (int64_t a = 0; a < m; a++) {
                for (int64_t b = 0; b <= a; b++) { /* M ascends: pair (M_b, M_a) of the upper triangle */
                    double *sum = pairs + (M[b] * d - (int64_t)M[b] * (M[b] - 1) / 2 + M[a] - M[b]) * width + first;
                    lki_vstore(sum, lki_vfma(weight, inverse_entry(V, inverse, m, a, b), lki_vload(sum)));
                }
            }
        }
    }
}

/* Closed bounds of the Kullback-Leibler divergence between mixtures f = sum f_a p_a and g = sum g_b p_b of normal distributions p.
 *
 * With H_a the entropy of p_a and all expectations under it:
 *   E log f >= log sum_c f_c exp(-KL(a || c)) - H_a            (variational: Hershey and Olsen 2007)
 *   E log g <= log sum_b g_b int p_a p_b                       (Jensen: Durrieu, Thiran and Kelly 2012)
 *   E log g <= (1 / r) log sum_b g_b^r int p_a^(1 - r) p_b^r - H_a,  0 < r <= 1
 *   E log g <= - H_a                                           (Gibbs)
 * The third is Jensen's inequality for log (g / p_a)^r, and (sum_b g_b p_b)^r <= sum_b g_b^r p_b^r. So a lower bound is
 * sum_a f_a (the first - the least of the others). For an upper bound, E_f log f <= sum_a f_a (log sum_c f_c exp(-C(a, c)) - H_a) with C the
 * Chernoff distance for r = 1/2 (Kolchinsky and Tracey 2017), and E log g is bounded from below as E log f is.
 * Another upper bound is the joint one of Hershey and Olsen 2007: KL(f || g) <= KL(phi || psi) + sum_ab phi_ab KL(a || b) for
 * any phi with row sums f and psi with column sums g, decreased in turns. */
#include "judge/normals.h"
#include "math/special.h"

#include <math.h>

enum { TURNS = 200 };

/* log sum_j weight_j exp(-value_j) over positive weights. */
static double log_sum(int64_t N, const double *weight, double power, const double *value)
{
    double least = (double)INFINITY, sum = 0.0;
    for (int64_t j = 0; j < N; j++) {
        least = weight[j] > 0.0 && value[j] < least ? value[j] : least;
    }
    for (int64_t j = 0; j < N; j++) {
        sum += weight[j] > 0.0 ? pow(weight[j], power) * exp(least - value[j]) : 0.0;
    }
    return log(sum) - least;
}

/* An upper bound of E_a log g + H_a. */
static double cross(const lki_normals *n, const lki_pairs *pairs, int64_t a, const double *g, double *negative)
{
    int64_t N = n->N;
    double entropy = 0.5 * ((double)n->d * (1.0 + LKI_LOG_2PI) + n->log_det[a]), least;
    for (int64_t j = 0; j < N; j++) {
        negative[j] = -pairs->overlap[a * N + j];
    }
    least = fmin(log_sum(N, g, 1.0, negative) + entropy, 0.0);
    for (int r = 0; r < LKI_CHERNOFF_POWERS; r++) {
        double power = lki_chernoff_powers[r];
        least = fmin(least, log_sum(N, g, power, pairs->chernoff[r] + a * N) / power);
    }
    return least;
}

/* KL(phi || psi) + sum phi KL: the objective at present. E: exp(-(KL - least of its row)), rows x columns as phi. */
static double joint_value(const lki_normals *n, const lki_pairs *pairs, const double *f, const double *phi, const double *psi)
{
    double sum = 0.0;
    for (int64_t e = 0; e < n->N * n->N; e++) {
        if (f[e / n->N] > 0.0 && phi[e] > 0.0) {
            sum += phi[e] * (log(phi[e] / psi[e]) + pairs->kl[e]);
        }
    }
    return sum;
}

/* phi minimizes the objective for psi: phi_ab = f_a psi_ab exp(-KL_ab) / sum_b'. */
static void joint_rows(const lki_normals *n, const lki_pairs *pairs, const double *f, const double *psi, double *phi)
{
    int64_t N = n->N;
    for (int64_t a = 0; a < N; a++) {
        double least = (double)INFINITY, sum = 0.0;
        for (int64_t b = 0; b < N; b++) {
            least = psi[a * N + b] > 0.0 && pairs->kl[a * N + b] < least ? pairs->kl[a * N + b] : least;
        }
        for (int64_t b = 0; b < N; b++) {
            double v = f[a] > 0.0 && psi[a * N + b] > 0.0 ? psi[a * N + b] * exp(least - pairs->kl[a * N + b]) : 0.0;
            phi[a * N + b] = v;
            sum += v;
        }
        for (int64_t b = 0; b < N; b++) {
            phi[a * N + b] = sum > 0.0 ? f[a] * (phi[a * N + b] / sum) : 0.0;
        }
    }
}

/* psi minimizes it for phi: psi_ab = g_b phi_ab / sum_a'. A column that phi leaves empty is spread as f: it costs nothing. */
static void joint_columns(const lki_normals *n, const double *f, const double *g, const double *phi, double *psi)
{
    int64_t N = n->N;
    for (int64_t b = 0; b < N; b++) {
        double sum = 0.0;
        for (int64_t a = 0; a < N; a++) {
            sum += phi[a * N + b];
        }
        for (int64_t a = 0; a < N; a++) {
            psi[a * N + b] = g[b] * (sum > 0.0 ? phi[a * N + b] / sum : f[a]);
        }
    }
}

static lk_status joint_bound(lk_context *ctx, const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, double *out)
{
    size_t square = (size_t)(n->N * n->N);
    double *phi, *psi, best = (double)INFINITY;
    LKI_TRY(lki_allocate(ctx, 2 * square, sizeof *phi, &phi));
    psi = phi + square;
    for (size_t e = 0; e < square; e++) {
        psi[e] = f[e / (size_t)n->N] * g[e % (size_t)n->N];
    }
    lk_status status = LK_OK;
    for (int turn = 0; turn < TURNS && status == LK_OK; turn++) {
        joint_rows(n, pairs, f, psi, phi);
        joint_columns(n, f, g, phi, psi);
        double value = joint_value(n, pairs, f, phi, psi), gain = best - value;
        best = value < best ? value : best; /* every turn's value is a bound */
        if (turn > 0 && !(gain > 1e-12 * fabs(best))) {
            break;
        }
        status = lki_cancelled(ctx);
    }
    lki_release(ctx, phi);
    *out = best;
    return status;
}

lk_status lki_kl_bounds(lk_context *ctx, const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, double *lower,
                        double *upper)
{
    int64_t N = n->N;
    double below = 0.0, above = 0.0, joint, *negative;
    LKI_TRY(lki_allocate(ctx, (size_t)N, sizeof *negative, &negative));
    for (int64_t a = 0; a < N; a++) {
        if (f[a] > 0.0) {
            below += f[a] * (log_sum(N, f, 1.0, pairs->kl + a * N) - cross(n, pairs, a, g, negative));
            above += f[a] * (log_sum(N, f, 1.0, pairs->chernoff[0] + a * N) - log_sum(N, g, 1.0, pairs->kl + a * N));
        }
    }
    lki_release(ctx, negative);
    LKI_TRY(joint_bound(ctx, n, pairs, f, g, &joint));
    *lower = fmax(below, 0.0);
    *upper = fmax(fmin(above, joint), *lower);
    return LK_OK;
}

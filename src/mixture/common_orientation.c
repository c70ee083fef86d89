/* M-steps of the families whose components share their axes: VVE and EVE. The common axes D minimize sum_k n_k sum_j log(d_j' W_k d_j)
 * (VVE: Flury 1984, J. Am. Stat. Assoc. 79:892-898) or sum_k |diag D'W_k D|^(1/d) (EVE). Both fall under rotations in one plane after
 * the other, each exact for the shapes at hand, which then follow (in the manner of Flury and Gautschi 1986, SIAM J. Sci. Stat. Comput.
 * 7:169-184; the majorization is that of Celeux and Govaert 1995). */
#include "covariance.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include <math.h>
#include <string.h>

/* Sweeps at most from new axes, and on from present ones: the next M-step goes further. */
enum { SWEEPS = 200, SWEEPS_ON = 20 };
#define SWEEP_TOL 1e-14
/* Beyond so many components their own axes are not all tried as starts. */
enum { OWN_AXES = 9 };

/* K matrices seen from axes that turn. */
typedef struct turning {
    int64_t K, d;
    int equal;           /* equal volumes */
    const double *n;     /* K */
    const double *W;     /* K x d x d */
    const double *floor; /* K: squares along an axis count as at least this */
    double *R;           /* K x d x d: D W_k D', axes in the rows of D */
    double *D;           /* d x d */
    double *g;           /* K: what multiplies component k's squares over its variances */
} turning;

static double along(const turning *t, int64_t k, int64_t j)
{
    return fmax(t->R[(k * t->d + j) * t->d + j], t->floor[k]);
}

static double mean_along(const turning *t, int64_t k)
{
    return lki_geometric_mean(t->d, t->R + k * t->d * t->d, t->d + 1, t->floor[k]);
}

/* What the axes are to minimize. */
static double objective(const turning *t)
{
    double sum = 0.0;
    for (int64_t k = 0; k < t->K; k++) {
        sum += t->equal ? mean_along(t, k) : t->n[k] * log(mean_along(t, k));
    }
    return sum;
}

static void look(turning *t, double *row)
{
    const int64_t d = t->d;
    for (int64_t k = 0; k < t->K; k++) {
        const double *W = t->W + k * d * d;
        for (int64_t a = 0; a < d; a++) {
            memset(row, 0, (size_t)d * sizeof(double));
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j < d; j++) {
                    row[j] += t->D[a * d + i] * W[i * d + j];
                }
            }
            for (int64_t b = a; b < d; b++) {
                double sum = 0.0;
                for (int64_t j = 0; j < d; j++) {
                    sum += row[j] * t->D[b * d + j];
                }
                t->R[(k * d + a) * d + b] = sum;
                t->R[(k * d + b) * d + a] = sum;
            }
        }
        t->g[k] = t->equal ? mean_along(t, k) : t->n[k];
    }
}

/* Rows l and m of A turn by the angle of cosine c and sine s. */
static void turn_rows(int64_t d, double *A, int64_t l, int64_t m, double c, double s)
{
    for (int64_t j = 0; j < d; j++) {
        const double x = A[l * d + j], y = A[m * d + j];
        A[l * d + j] = c * x + s * y;
        A[m * d + j] = c * y - s * x;
    }
}

static void turn_columns(int64_t d, double *A, int64_t l, int64_t m, double c, double s)
{
    for (int64_t i = 0; i < d; i++) {
        const double x = A[i * d + l], y = A[i * d + m];
        A[i * d + l] = c * x + s * y;
        A[i * d + m] = c * y - s * x;
    }
}

/* Turns in the plane (l, m) by the angle a that minimizes sum_k u_k(a) / a_kl + w_k(a) / a_km = const + alpha cos 2a + beta sin 2a, at
 * 2a = atan2(-beta, -alpha), where u = d_l'W d_l, v = d_l'W d_m, w = d_m'W d_m. Returns by how much that sum fell. */
static double turn_plane(turning *t, int64_t l, int64_t m)
{
    const int64_t d = t->d;
    double alpha = 0.0, beta = 0.0;
    for (int64_t k = 0; k < t->K; k++) {
        const double delta = t->g[k] * (1.0 / along(t, k, l) - 1.0 / along(t, k, m)), *R = t->R + k * d * d;
        alpha += 0.5 * (R[l * d + l] - R[m * d + m]) * delta;
        beta += R[l * d + m] * delta;
    }
    const double size = hypot(alpha, beta), fall = size + alpha;
    if (!(size > 0.0) || !isfinite(size)) {
        return 0.0;
    }
    const double angle = 0.5 * atan2(-beta, -alpha), c = cos(angle), s = sin(angle);
    turn_rows(d, t->D, l, m, c, s);
    for (int64_t k = 0; k < t->K; k++) {
        turn_rows(d, t->R + k * d * d, l, m, c, s);
        turn_columns(d, t->R + k * d * d, l, m, c, s);
        if (t->equal) {
            t->g[k] = mean_along(t, k);
        }
    }
    return fall;
}

/* From the axes in t->D to a minimum; returns the objective there. row: d. */
static double settle(turning *t, int sweeps, double *row)
{
    const int64_t d = t->d;
    double total = 0.0, fall = 1.0;
    look(t, row);
    for (int64_t k = 0; k < t->K; k++) {
        total += t->g[k] * (double)d;
    }
    for (int sweep = 0; sweep < sweeps && fall > SWEEP_TOL * total; sweep++) {
        fall = 0.0;
        for (int64_t l = 0; l < d; l++) {
            for (int64_t m = l + 1; m < d; m++) {
                fall += turn_plane(t, l, m);
            }
        }
    }
    look(t, row); /* without the rounding of the rotations */
    return objective(t);
}

/* D = eigenvectors of sum_k share_k A_k, in rows; 0 if there are none. */
static int pooled_axes(int64_t K, int64_t d, const double *A, const double *share, double *D, double *values)
{
    memset(D, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t i = 0; i < K * d * d; i++) {
        D[i % (d * d)] += share[i / (d * d)] * A[i];
    }
    for (int64_t i = 0; i < d * d; i++) {
        if (!isfinite(D[i])) {
            return 0;
        }
    }
    lki_blas_enter();
    const int64_t failed = lki_symmetric_eigen(d, D, values, 1);
    lki_blas_leave();
    return failed == 0;
}

/* The axes that the covariances share already: eigenvectors of a combination whose weights no symmetry can cancel. share: K. Returns 0
 * where there are no covariances. */
static int present_axes(int64_t K, int64_t d, const double *covariances, double *share, double *D, double *values)
{
    for (int64_t k = 0; k < K; k++) {
        double sum = 0.0;
        for (int64_t j = 0; j < d; j++) {
            sum += covariances[k * d * d + j * (d + 1)];
        }
        if (!(sum > 0.0) || !isfinite(sum)) {
            return 0;
        }
        share[k] = (1.0 + 0.25 * sin((double)(k + 1))) / sum;
    }
    return pooled_axes(K, d, covariances, share, D, values);
}

typedef struct best_axes {
    double *D, *R;
    double value;
} best_axes;

static void try_axes(turning *t, int sweeps, double *row, best_axes *best)
{
    const double value = settle(t, sweeps, row);
    if (value < best->value) {
        best->value = value;
        memcpy(best->D, t->D, (size_t)(t->d * t->d) * sizeof(double));
        memcpy(best->R, t->R, (size_t)(t->K * t->d * t->d) * sizeof(double));
    }
}

/* On from the present axes or, before there are any, from those of the pooled scatter, each component's own and the coordinates'. */
static void search_axes(turning *t, const double *covariances, double *share, double *row, best_axes *best)
{
    const int64_t K = t->K, d = t->d;
    const int present = present_axes(K, d, covariances, share, t->D, row);
    if (present) {
        try_axes(t, SWEEPS_ON, row, best);
    }
    for (int64_t i = -1; !present && i < (K < OWN_AXES ? K : OWN_AXES); i++) {
        for (int64_t k = 0; k < K; k++) {
            share[k] = i < 0 || i == k ? 1.0 : 0.0;
        }
        if (pooled_axes(K, d, t->W, share, t->D, row)) {
            try_axes(t, SWEEPS, row, best);
        }
    }
    if (!present) {
        memset(t->D, 0, (size_t)(d * d) * sizeof(double));
        for (int64_t j = 0; j < d; j++) {
            t->D[j * (d + 1)] = 1.0;
        }
        try_axes(t, SWEEPS, row, best);
    }
}

static lk_status solve(lk_context *ctx, const lki_scatter *s, int equal, int64_t K, int64_t d, double *out)
{
    const int64_t dd = d * d;
    const double size = lki_scatter_size(s, K, d, dd);
    double *block, n = 0.0, mean = 0.0;
    if (!(size > 0.0) || !isfinite(size)) {
        memset(out, 0, (size_t)(K * dd) * sizeof(double));
        return LK_OK;
    }
    LKI_TRY(lki_zeros(ctx, (size_t)(2 * K * dd + 2 * dd + 3 * K + d), sizeof(double), &block));
    double *floor = block + 2 * K * dd + 2 * dd, *g = floor + K, *share = g + K, *row = share + K;
    for (int64_t k = 0; k < K; k++) {
        floor[k] = fmax(LKI_SHAPE_MIN * size * s->n[k], 1e-300);
        n += s->n[k];
    }
    turning t = {.K = K, .d = d, .equal = equal, .n = s->n, .W = s->pairs, .floor = floor, .R = block, .D = block + K * dd, .g = g};
    best_axes best = {.R = t.D + dd, .D = t.D + dd + K * dd, .value = __builtin_inf()};
    search_axes(&t, out, share, row, &best);
    t.R = best.R;
    for (int64_t k = 0; k < K; k++) {
        g[k] = mean_along(&t, k);
        mean += g[k] / n;
    }
    for (int64_t k = 0; k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            row[j] = equal ? mean * along(&t, k, j) / g[k] : along(&t, k, j) / s->n[k];
        }
        lki_compose(d, best.D, row, out + k * dd);
    }
    lki_release(ctx, block);
    return LK_OK;
}

lk_status lki_solve_eve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    (void)prior;
    return solve(ctx, s, 1, K, d, out);
}

lk_status lki_solve_vve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    (void)prior;
    return solve(ctx, s, 0, K, d, out);
}

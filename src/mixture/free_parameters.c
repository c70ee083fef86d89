/* The free parameters of each covariance family, and how a mixture's coordinates depend on them to second order. */
#include "information.h"
#include "math/cholesky.h"
#include <math.h>
#include <string.h>

/* Common axes are found as such: off them a covariance may have this share of its largest variance. */
#define AXES_TOL 1e-5

/* Where things stand while the two steps are put together: from free parameters to local ones (logarithms of the variances along a
 * component's axes and rotations of these axes), linear, and from local ones to covariance entries. */
typedef struct family {
    const lki_mixture *m;
    const char *letters;
    int linear;   /* entries are linear in the free parameters: local ones are the entries themselves */
    int oriented; /* axes are turned */
    int64_t d, K, pairs, size;
} family;

static family family_of(const lki_mixture *m)
{
    static const char *const linear[] = {"EII", "VII", "EEI", "VVI", "EEE", "VVV"};
    family f = {.m = m, .letters = m->covariance->letters, .d = m->d, .K = m->K, .pairs = lki_mixture_pairs(m)};
    for (size_t i = 0; i < sizeof linear / sizeof linear[0]; i++) {
        f.linear = f.linear || strcmp(f.letters, linear[i]) == 0;
    }
    f.oriented = f.pairs > f.d;
    f.size = 1 + f.d + f.pairs;
    return f;
}

/* ---- from free to local parameters ---- */

/* How many parameters `per` component there are, counted once where they are shared. */
static int64_t shared(int equal, int64_t K, int64_t per)
{
    return equal ? per : K * per;
}

static int64_t covariance_count(const family *f)
{
    return (int64_t)lki_covariance_parameters(f->m->covariance, f->K, f->d);
}

/* Entries of component k, linear families: position of the free parameter behind local one `i`. */
static int64_t linear_position(const family *f, int64_t k, int64_t i)
{
    const int64_t own = f->letters[0] == 'V' ? k : 0; /* in these families all vary, or all are equal */
    return f->letters[1] == 'I' ? own : own * f->pairs + i;
}

/* Volume, shape and rotations of component k into its rows of the Jacobian; `at` is the first covariance parameter. */
static void eigen_rows(const family *f, int64_t k, int64_t p, double *rows, int64_t at)
{
    const int64_t d = f->d, turns = f->pairs - d;
    const int v = f->letters[0] == 'V', s = f->letters[1] == 'V', o = f->letters[2] == 'V';
    const int64_t volume = at + (v ? k : 0), shape = at + shared(!v, f->K, 1) + (s ? k * (d - 1) : 0);
    const int64_t turn = at + shared(!v, f->K, 1) + shared(!s, f->K, d - 1) + (o ? k * turns : 0);
    for (int64_t j = 0; j < d; j++) {
        rows[j * p + volume] = 1.0;
        for (int64_t i = 0; i < d - 1; i++) {
            rows[j * p + shape + i] = j == d - 1 ? -1.0 : i == j ? 1.0 : 0.0;
        }
    }
    for (int64_t i = 0; i < turns; i++) {
        rows[(d + i) * p + turn + i] = 1.0;
    }
}

static void local_rows(const family *f, int64_t p, double *jacobian)
{
    const int64_t K = f->K, d = f->d, at = K - 1 + K * d;
    for (int64_t k = 0; k < K; k++) {
        double *rows = jacobian + k * f->size * p;
        for (int64_t i = 0; i < K - 1; i++) {
            rows[i] = k == K - 1 ? -1.0 : i == k ? 1.0 : 0.0;
        }
        for (int64_t j = 0; j < d; j++) {
            rows[(1 + j) * p + K - 1 + k * d + j] = 1.0;
        }
        if (!f->linear) {
            eigen_rows(f, k, p, rows + (1 + d) * p, at);
            continue;
        }
        for (int64_t i = 0; i < f->pairs; i++) {
            rows[(1 + d + i) * p + at + linear_position(f, k, i)] = 1.0;
        }
    }
}

/* ---- from local parameters to covariance entries: C = D e^S diag(e^a) e^-S D' at S = 0 ---- */

/* Axes (in rows) and variances along them of component k; where axes are common, those of a sum in which no two components cancel. */
static lk_status axes_of(lk_context *ctx, const family *f, int64_t k, double *axes, double *variances, double *work)
{
    const int64_t d = f->d, dd = d * d;
    const int common = f->letters[2] == 'E';
    memset(axes, 0, (size_t)dd * sizeof(double));
    for (int64_t l = common ? 0 : k; l < (common ? f->K : k + 1); l++) {
        double trace = 0.0;
        lki_mixture_covariance(f->m, l, work);
        for (int64_t j = 0; j < d; j++) {
            trace += work[j * (d + 1)];
        }
        for (int64_t i = 0; i < dd; i++) {
            axes[i] += work[i] / trace * (1.0 + 0.618 * (double)l);
        }
    }
    if (lki_symmetric_eigen(d, axes, variances, 1) != 0) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld has no eigen-decomposition", (long long)k);
    }
    lki_mixture_covariance(f->m, k, work);
    double top = 0.0, off = 0.0;
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = a; b < d; b++) {
            double sum = 0.0;
            for (int64_t i = 0; i < dd; i++) {
                sum += axes[a * d + i / d] * work[i] * axes[b * d + i % d];
            }
            if (a == b) {
                variances[a] = sum;
                top = fmax(top, sum);
            } else {
                off = fmax(off, fabs(sum));
            }
        }
    }
    if (!(off <= AXES_TOL * top)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the components' covariances do not share their axes, as those of %s do", f->letters);
    }
    return LK_OK;
}

/* Local derivatives of the entries i <= j, pairs x pairs. */
static void entry_derivatives(int64_t d, const double *axes, const double *variances, double *out)
{
    const int64_t pairs = d * (d + 1) / 2;
    int64_t row = 0;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < d; j++, row++) {
            double *at = out + row * pairs;
            for (int64_t a = 0; a < d; a++) {
                *at++ = variances[a] * axes[a * d + i] * axes[a * d + j];
            }
            for (int64_t u = 0; u < d; u++) {
                for (int64_t v = u + 1; v < d; v++) {
                    *at++ = (variances[v] - variances[u]) *
                            (axes[u * d + i] * axes[v * d + j] + axes[v * d + i] * axes[u * d + j]);
                }
            }
        }
    }
}

/* Entry (a, b) of G S - S G for S = e_u e_v' - e_v e_u'. */
static double commutator(int64_t d, const double *G, int64_t u, int64_t v, int64_t a, int64_t b)
{
    return (b == v ? G[a * d + u] : 0.0) - (b == u ? G[a * d + v] : 0.0) - (a == u ? G[v * d + b] : 0.0) + (a == v ? G[u * d + b] : 0.0);
}

/* tr(G [S1, [S2, A]]), S1 turning u into v, S2 p into q. */
static double turn_turn(int64_t d, const double *G, const double *variances, int64_t u, int64_t v, int64_t p, int64_t q)
{
    return 2.0 * (variances[q] - variances[p]) * commutator(d, G, u, v, p, q);
}

/* sum over the entries of their gradient times second local derivatives, pairs x pairs; G is the gradient as a symmetric matrix, seen
 * from the axes. */
static void curvature_of(int64_t d, const double *G, const double *variances, double *out)
{
    const int64_t pairs = d * (d + 1) / 2;
    int64_t row = d;
    memset(out, 0, (size_t)(pairs * pairs) * sizeof(double));
    for (int64_t a = 0; a < d; a++) {
        out[a * pairs + a] = variances[a] * G[a * d + a];
    }
    for (int64_t u = 0; u < d; u++) {
        for (int64_t v = u + 1; v < d; v++, row++) {
            int64_t column = d;
            out[v * pairs + row] = out[row * pairs + v] = 2.0 * variances[v] * G[u * d + v];
            out[u * pairs + row] = out[row * pairs + u] = -2.0 * variances[u] * G[u * d + v];
            for (int64_t p = 0; p < d; p++) {
                for (int64_t q = p + 1; q < d; q++, column++) {
                    out[row * pairs + column] = 0.5 * (turn_turn(d, G, variances, u, v, p, q) + turn_turn(d, G, variances, p, q, u, v));
                }
            }
        }
    }
}

/* The gradient by covariance entries of component k as a symmetric matrix, seen from the axes: D' G D. work: d x d. */
static void gradient_matrix(int64_t d, const double *entries, const double *axes, double *work, double *out)
{
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < d; j++) {
            const double g = *entries++;
            work[i * d + j] = work[j * d + i] = i == j ? g : 0.5 * g;
        }
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b < d; b++) {
            double sum = 0.0;
            for (int64_t i = 0; i < d * d; i++) {
                sum += axes[a * d + i / d] * work[i] * axes[b * d + i % d];
            }
            out[a * d + b] = sum;
        }
    }
}

/* rows (pairs x p) become derivatives x rows; curvature += rows' C rows. work: pairs x p. */
static void put_together(int64_t pairs, int64_t p, const double *derivatives, const double *C, double *rows, double *curvature, double *work)
{
    memset(work, 0, (size_t)(pairs * p) * sizeof(double));
    for (int64_t i = 0; i < pairs * pairs; i++) {
        const double c = C[i];
        for (int64_t t = 0; c != 0.0 && t < p; t++) {
            work[i / pairs * p + t] += c * rows[i % pairs * p + t];
        }
    }
    for (int64_t i = 0; i < pairs; i++) {
        for (int64_t s = 0; s < p; s++) {
            const double r = rows[i * p + s];
            for (int64_t t = 0; r != 0.0 && t < p; t++) {
                curvature[s * p + t] += r * work[i * p + t];
            }
        }
    }
    memset(work, 0, (size_t)(pairs * p) * sizeof(double));
    for (int64_t i = 0; i < pairs * pairs; i++) {
        const double c = derivatives[i];
        for (int64_t t = 0; c != 0.0 && t < p; t++) {
            work[i / pairs * p + t] += c * rows[i % pairs * p + t];
        }
    }
    memcpy(rows, work, (size_t)(pairs * p) * sizeof(double));
}

static lk_status bend(lk_context *ctx, const family *f, const double *gradient, lki_free_parameters *out)
{
    const int64_t d = f->d, dd = d * d, pairs = f->pairs, p = out->p;
    double *work;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, (size_t)(4 * dd + d + 2 * pairs * pairs + pairs * p), sizeof(double), &work));
    double *axes = work + dd, *G = axes + dd, *matrix = G + dd, *variances = matrix + dd, *derivatives = variances + d;
    double *C = derivatives + pairs * pairs, *rows_work = C + pairs * pairs;
    for (int64_t k = 0; k < f->K; k++) {
        const double *g = gradient + k * f->size + 1 + d;
        if (f->oriented) {
            LKI_GOTO(status, done, axes_of(ctx, f, k, axes, variances, work));
            gradient_matrix(d, g, axes, matrix, G);
            entry_derivatives(d, axes, variances, derivatives);
            curvature_of(d, G, variances, C);
        } else {
            for (int64_t j = 0; j < d; j++) {
                derivatives[j * (d + 1)] = f->m->covariances[k * d + j];
                C[j * (d + 1)] = f->m->covariances[k * d + j] * g[j];
            }
        }
        put_together(pairs, p, derivatives, C, out->jacobian + (k * f->size + 1 + d) * p, out->curvature, rows_work);
    }
done:
    lki_release(ctx, work);
    return status;
}

lk_status lki_free_parameters_new(lk_context *ctx, const lki_mixture *m, const double *gradient, lki_free_parameters *out)
{
    const family f = family_of(m);
    lki_free_parameters fresh = {.P = f.K * f.size, .p = f.K - 1 + f.K * f.d + covariance_count(&f)};
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)fresh.P, (size_t)fresh.p), sizeof(double), &fresh.jacobian));
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)fresh.p, (size_t)fresh.p), sizeof(double), &fresh.curvature));
    local_rows(&f, fresh.p, fresh.jacobian);
    if (!f.linear) {
        LKI_GOTO(status, failed, bend(ctx, &f, gradient, &fresh));
    }
    *out = fresh;
    return LK_OK;
failed:
    lki_free_parameters_free(ctx, &fresh);
    return status;
}

void lki_free_parameters_free(lk_context *ctx, lki_free_parameters *f)
{
    lki_release(ctx, f->jacobian);
    lki_release(ctx, f->curvature);
    f->jacobian = f->curvature = NULL;
}

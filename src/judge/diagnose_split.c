/* A vector field as a gradient plus a gauge part that moves no mass (Horvat and Pfister 2024, arXiv:2402.03845). The gradient is the best one of test functions
 * f_k in the mean square under p: G a = b with G_kl = E[grad f_k . grad f_l] and b_k = E[grad f_k . v]. That of the score has
 * c_k = E[grad f_k . score] = - E[laplacian f_k], so that the part of v that moves mass wrongly is known without the score. */
#include "judge/diagnose.h"

#include "core/philox.h"
#include "math/cholesky.h"

#include <math.h>
#include <string.h>

/* Up to so many features products of two of them are test functions. */
enum { PRODUCTS_MOST = 16 };
#define RIDGE 1e-10

typedef struct basis {
    const lki_diagnosed *g;
    int64_t d, count; /* the log density (where there is one), features, products, waves */
    double *waves;                /* waves x (d + 1): frequency, phase */
    const double *scores;         /* n x d: gradients of the log density; NULL = none */
} basis;

/* Gradients (count x d) and laplacians (count; of the log density NaN, which is not asked) at point i. */
static void functions_at(const basis *b, int64_t i, double *gradients, double *laplacians)
{
    const int64_t d = b->d;
    const double *u = b->g->u + i * d;
    int64_t k = 0;
    memset(gradients, 0, (size_t)(b->count * d) * sizeof *gradients);
    memset(laplacians, 0, (size_t)b->count * sizeof *laplacians);
    if (b->scores != NULL) {
        memcpy(gradients, b->scores + i * d, (size_t)d * sizeof *gradients);
        k++;
    }
    for (int64_t j = 0; j < d; j++) {
        gradients[k++ * d + j] = 1.0;
    }
    for (int64_t j = 0; j < d && d <= PRODUCTS_MOST; j++) {
        for (int64_t l = 0; l <= j; l++, k++) {
            gradients[k * d + j] += u[l];
            gradients[k * d + l] += u[j];
            laplacians[k] = j == l ? 2.0 : 0.0;
        }
    }
    for (int64_t w = 0; k < b->count; w++, k++) {
        const double *f = b->waves + w * (d + 1);
        double phase = f[d], square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            phase += f[j] * u[j];
            square += f[j] * f[j];
        }
        for (int64_t j = 0; j < d; j++) {
            gradients[k * d + j] = cos(phase) * f[j];
        }
        laplacians[k] = -square * sin(phase);
    }
}

/* Sums: G (the lower triangle), b, c, E |v|^2, E |score|^2 (or by the test functions, 0). */
static lk_status sum_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const basis *b = state;
    const int64_t d = b->d, K = b->count, first = index * LKI_DIAGNOSE_ROWS, last = first + LKI_DIAGNOSE_ROWS, end = last < b->g->n ? last : b->g->n;
    double *gradients, *G = sums, *right = G + K * K, *target = right + K;
    (void)thread;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, (size_t)d + 1), sizeof *gradients, &gradients));
    double *laplacians = gradients + K * d;
    for (int64_t i = first; i < end; i++) {
        const double *v = b->g->v + i * d, *s = b->scores != NULL ? b->scores + i * d : NULL;
        functions_at(b, i, gradients, laplacians);
        for (int64_t k = 0; k < K; k++) {
            const double *f = gradients + k * d;
            double along = 0.0, wanted = 0.0;
            for (int64_t j = 0; j < d; j++) {
                along += f[j] * v[j];
                wanted += s != NULL ? f[j] * s[j] : 0.0;
            }
            right[k] += along;
            target[k] += s != NULL ? wanted : -laplacians[k];
            for (int64_t l = 0; l <= k; l++) {
                double sum = 0.0;
                for (int64_t j = 0; j < d; j++) {
                    sum += f[j] * gradients[l * d + j];
                }
                G[k * K + l] += sum;
            }
        }
        for (int64_t j = 0; j < d; j++) {
            target[K] += v[j] * v[j];
            target[K + 1] += s != NULL ? s[j] * s[j] : 0.0;
        }
    }
    lki_release(ctx, gradients);
    return LK_OK;
}

/* Gradients of the log density by central differences: what a score must be, whatever the model says it is. */
static lk_status density_gradients(lk_context *ctx, const lki_diagnosed *g, double *out)
{
    const int64_t d = g->d, n = g->n;
    const double h = 1e-4;
    double *z;
    LKI_TRY(lki_allocate(ctx, LKI_BLOCK_ROWS, (size_t)(d + 2) * sizeof *z, &z));
    double *up = z + LKI_BLOCK_ROWS * d, *down = up + LKI_BLOCK_ROWS;
    lk_status status = LK_OK;
    for (int64_t first = 0; first < n && status == LK_OK; first += LKI_BLOCK_ROWS) {
        const int64_t rows = n - first < LKI_BLOCK_ROWS ? n - first : LKI_BLOCK_ROWS;
        for (int64_t j = 0; j < d && status == LK_OK; j++) {
            for (int side = 0; side < 2 && status == LK_OK; side++) {
                for (int64_t i = 0; i < rows * d; i++) {
                    const double u = g->u[first * d + i] + (i % d == j ? (side == 0 ? h : -h) : 0.0);
                    z[i] = (g->a.centre[i % d] + g->a.spread[i % d] * u - g->a.shift[i % d]) / g->a.scale[i % d];
                }
                status = lki_oracle_log_density(ctx, &g->oracles[0], z, rows, side == 0 ? up : down);
            }
            for (int64_t i = 0; i < rows && status == LK_OK; i++) {
                out[(first + i) * d + j] = (up[i] - down[i]) / (2.0 * h);
            }
        }
    }
    lki_release(ctx, z);
    return status;
}

/* x' inverse(G) y by the inverse factor W. */
static double product(int64_t K, const double *W, const double *x, const double *y)
{
    double sum = 0.0;
    for (int64_t k = 0; k < K; k++) {
        double a = 0.0, c = 0.0;
        for (int64_t l = 0; l <= k; l++) {
            a += W[k * K + l] * x[l];
            c += W[k * K + l] * y[l];
        }
        sum += a * c;
    }
    return sum;
}

static lk_status solve(lk_context *ctx, const basis *b, double *sums, double *gauge, double *transport)
{
    const int64_t K = b->count;
    double *G = sums, *right = G + K * K, *target = right + K, trace = 0.0, *work;
    lki_spd spd;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, 3 * (size_t)K), sizeof *work, &work));
    for (int64_t k = 0; k < K; k++) {
        trace += G[k * K + k];
        for (int64_t l = 0; l < k; l++) {
            G[l * K + k] = G[k * K + l];
        }
    }
    for (int64_t k = 0; k < K; k++) {
        G[k * K + k] += RIDGE * trace;
    }
    const bool fine = lki_spd_factor(K, G, work, NULL, &spd, work + K * K) == 0;
    if (fine) {
        const double energy = target[K], of_gradient = product(K, work, right, right);
        *gauge = energy > 0.0 ? fmax(1.0 - of_gradient / energy, 0.0) : (double)NAN;
        const double wanted = target[K + 1] > 0.0 ? target[K + 1] : product(K, work, target, target);
        for (int64_t k = 0; k < K; k++) {
            right[k] -= target[k];
        }
        *transport = wanted > 0.0 ? product(K, work, right, right) / wanted : (double)NAN;
    } else {
        *gauge = *transport = (double)NAN;
    }
    lki_release(ctx, work);
    return LK_OK;
}

lk_status lki_diagnose_split(lk_context *ctx, const lki_diagnosed *g, double *gauge, double *transport)
{
    const int64_t d = g->d, dense = g->dense ? 1 : 0, products = d <= PRODUCTS_MOST ? d * (d + 1) / 2 : 0;
    basis b = {.g = g, .d = d, .count = dense + d + products + g->waves};
    const int64_t K = b.count;
    double *scores = NULL, *sums = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)g->waves, (size_t)d + 1), sizeof *b.waves, &b.waves));
    for (int64_t w = 0; w < g->waves; w++) {
        lki_stream s = lki_stream_new(g->seed, LKI_STREAM_DIAGNOSE, (uint64_t)w + (1ull << 40));
        const double width = pow(2.0, (double)(w % 4) - 1.0) / sqrt((double)d); /* waves of several lengths */
        for (int64_t j = 0; j < d; j++) {
            b.waves[w * (d + 1) + j] = width * lki_random_normal(&s);
        }
        b.waves[w * (d + 1) + d] = 6.283185307179586 * lki_random_uniform(&s);
    }
    if (g->dense) {
        LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)g->n, (size_t)d), sizeof *scores, &scores));
        LKI_GOTO(status, done, density_gradients(ctx, g, scores));
        b.scores = scores;
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(K * K + 2 * K + 2), sizeof *sums, &sums));
    lki_reduction reduction = {.blocks = (g->n + LKI_DIAGNOSE_ROWS - 1) / LKI_DIAGNOSE_ROWS, .length = (size_t)(K * K + 2 * K + 2), .block = sum_block, .state = &b};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    status = solve(ctx, &b, sums, gauge, transport);
done:
    lki_release(ctx, b.waves);
    lki_release(ctx, scores);
    lki_release(ctx, sums);
    return status;
}

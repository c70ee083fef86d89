/* Rows through a light Schroedinger bridge: draws of its plan, or of its stochastic differential equation with the drift in closed form. */
#include "score/translate.h"

#include "core/philox.h"
#include "math/cholesky.h"
#include "math/elementary.h"

#include <math.h>
#include <string.h>

/* About the places of x0 and x1 (which a constant velocity joins) the drift at time t is g = sum_k w_k (y_k - x) / (1 - t), where
 *   M_k = t S_k + (1 - t) I,  M_k y_k = S_k x + (1 - t) r_k,
 *   log w_k = log a_k - log det M_k / 2 - r_k' S_k^-1 r_k / (2 epsilon) + h_k' y_k / 2,  h_k = (x / (1 - t) + S_k^-1 r_k) / epsilon:
 * epsilon times the gradient of the logarithm of the integral of N(y | x, epsilon (1 - t)) exp(|y|^2 / (2 epsilon)) v(y). */
lk_status lki_bridge_slice(lk_context *ctx, const lki_bridge *b, double t, double *M, double *log_det)
{
    const int64_t m = b->m;
    double *work, *A;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)m, 3 * (size_t)m), sizeof *work, &work));
    A = work + 2 * m * m;
    lk_status status = LK_OK;
    for (int64_t k = 0; k < b->K && status == LK_OK; k++) {
        lki_spd spd;
        for (int64_t e = 0; e < m * m; e++) {
            A[e] = t * b->S[k * m * m + e] + (e / m == e % m ? 1.0 - t : 0.0);
        }
        if (lki_spd_factor(m, A, M + k * m * m, NULL, &spd, work) != 0) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC, "the drift of component %lld is not finite at time %g", (long long)k + 1, t);
        }
        log_det[k] = spd.log_determinant;
    }
    lki_release(ctx, work);
    return status;
}

/* out = W' (W v), with W lower triangular. */
static void solve(int64_t m, const double *W, const double *v, double *half, double *out)
{
    for (int64_t i = 0; i < m; i++) {
        half[i] = 0.0;
        for (int64_t j = 0; j <= i; j++) {
            half[i] += W[i * m + j] * v[j];
        }
    }
    for (int64_t i = 0; i < m; i++) {
        out[i] = 0.0;
        for (int64_t a = i; a < m; a++) {
            out[i] += W[a * m + i] * half[a];
        }
    }
}

void lki_bridge_drift(const lki_bridge *b, double t, const double *M, const double *log_det, const double *x, double *drift, double *work)
{
    const int64_t m = b->m, K = b->K;
    const double e = b->epsilon[0];
    double *weights = work, *y = weights + K, *right = y + K * m, *half = right + m;
    for (int64_t k = 0; k < K; k++) {
        const double *S = b->S + k * m * m, *r = b->r + k * m;
        double square = 0.0, product = 0.0;
        solve(m, b->W + k * m * m, r, half, right); /* S^-1 r */
        for (int64_t i = 0; i < m; i++) {
            square += half[i] * half[i];
            drift[i] = (x[i] / (1.0 - t) + right[i]) / e; /* h */
        }
        for (int64_t i = 0; i < m; i++) {
            right[i] = (1.0 - t) * r[i];
            for (int64_t j = 0; j < m; j++) {
                right[i] += S[i * m + j] * x[j];
            }
        }
        solve(m, M + k * m * m, right, half, y + k * m);
        for (int64_t i = 0; i < m; i++) {
            product += drift[i] * y[k * m + i];
        }
        weights[k] = log(b->weights[k]) - 0.5 * log_det[k] - square / (2.0 * e) + 0.5 * product;
    }
    const double all = lki_log_sum_exp(K, weights);
    memset(drift, 0, (size_t)m * sizeof *drift);
    for (int64_t k = 0; k < K; k++) {
        const double w = exp(weights[k] - all);
        for (int64_t i = 0; i < m; i++) {
            drift[i] += w * (y[k * m + i] - x[i]) / (1.0 - t);
        }
    }
}

/* Euler and Maruyama, all rows together through one step after another. x: rows x m, centred. */
static lk_status walk(lk_context *ctx, const lki_bridge *b, int64_t steps, uint64_t seed, int64_t first_row, int64_t rows, double *x,
                      lki_stream *streams)
{
    const int64_t m = b->m, K = b->K;
    double *M;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)K, (size_t)(m * m + m + 2)) + 3 * (size_t)m, sizeof *M, &M));
    double *log_det = M + K * m * m, *work = log_det + K, *drift = work + K * (m + 1) + 2 * m;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < rows; i++) {
        streams[i] = lki_stream_new(seed, LKI_STREAM_TRANSLATE, (uint64_t)(first_row + i));
    }
    for (int64_t n = 0; n < steps; n++) {
        const double t = (double)n / (double)steps, h = 1.0 / (double)steps, root = sqrt(b->epsilon[0] * h);
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_bridge_slice(ctx, b, t, M, log_det));
        for (int64_t i = 0; i < rows; i++) {
            lki_bridge_drift(b, t, M, log_det, x + i * m, drift, work);
            for (int64_t j = 0; j < m; j++) {
                x[i * m + j] += h * drift[j] + root * lki_random_normal(&streams[i]);
            }
        }
    }
done:
    lki_release(ctx, M);
    return status;
}

static void shift(double *x, int64_t rows, int64_t m, const double *by, double sign)
{
    for (int64_t i = 0; i < rows * m; i++) {
        x[i] += sign * by[i % m];
    }
}

/* One draw of each row by the plan, the same that 'impute' would take. */
static lk_status plan(lk_context *ctx, const lki_bridge *b, uint64_t seed, const double *x0, int64_t first_row, int64_t rows, double *x1)
{
    const lki_conditional_operations *c = lki_bridge_operations.conditional;
    const int64_t m = b->m;
    lki_memory memory = lki_memory_of(ctx);
    int64_t *places;
    void *state = NULL;
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)m + (size_t)rows, sizeof *places, &places));
    int64_t *wanted = places + m, *numbers = wanted + m;
    for (int64_t j = 0; j < m; j++) {
        places[j] = j;
        wanted[j] = m + j;
    }
    for (int64_t i = 0; i < rows; i++) {
        numbers[i] = first_row + i;
    }
    lk_status status = c->new(ctx, b, places, m, wanted, m, &state);
    if (status == LK_OK) {
        status = c->draw(ctx, state, x0, rows, seed, numbers, 1, x1);
    }
    c->free(&memory, state);
    lki_release(ctx, places);
    return status;
}

lk_status lki_bridge_rows(lk_context *ctx, const lki_bridge *b, int64_t steps, uint64_t seed, const double *x0, int64_t first_row, int64_t rows,
                          double *x1)
{
    if (steps == 0) {
        return plan(ctx, b, seed, x0, first_row, rows, x1);
    }
    lki_stream *streams;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *streams, &streams));
    memcpy(x1, x0, (size_t)(rows * b->m) * sizeof *x1);
    shift(x1, rows, b->m, b->from, -1.0);
    lk_status status = walk(ctx, b, steps, seed, first_row, rows, x1, streams);
    shift(x1, rows, b->m, b->to, 1.0);
    lki_release(ctx, streams);
    return status;
}

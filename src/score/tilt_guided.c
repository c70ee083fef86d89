/* A tilted model by guidance: each denoising step follows the score of the noisy tilted law, as it would be if x0 given the noisy x were normal.
 *
 * With x0 | x ~ N(m, V) and r(x0) = l' x0 + x0' Q x0 / 2, the logarithm of E[exp r(x0) | x] has by m the gradient (I - Q V)^-1 (Q m + l), and m = x +
 * D score has by x the derivative J = I + D H (D: squares of the noise, H: second derivatives). pigdm (Song et al. 2023, ICLR) takes for V
 * that of a prior of one spread, moments (Boys et al. 2023, arXiv:2310.06721) the exact V = J D. */
#include "score/tilt.h"

#include <math.h>
#include <string.h>

typedef struct guiding {
    const lk_tilt *t;
    int64_t rows, n;
    double *x;
} guiding;

/* Solves A x = b by elimination with row exchange, A (d x d) and b destroyed; false where A is singular. */
static bool eliminate(int64_t d, double *A, double *b)
{
    for (int64_t k = 0; k < d; k++) {
        int64_t best = k;
        for (int64_t i = k + 1; i < d; i++) {
            best = fabs(A[i * d + k]) > fabs(A[best * d + k]) ? i : best;
        }
        if (!(fabs(A[best * d + k]) > 0.0)) {
            return false;
        }
        for (int64_t j = 0; j < d && best != k; j++) {
            const double swap = A[k * d + j];
            A[k * d + j] = A[best * d + j];
            A[best * d + j] = swap;
        }
        const double swap = b[k];
        b[k] = b[best];
        b[best] = swap;
        for (int64_t i = k + 1; i < d; i++) {
            const double f = A[i * d + k] / A[k * d + k];
            for (int64_t j = k; j < d && f != 0.0; j++) {
                A[i * d + j] -= f * A[k * d + j];
            }
            b[i] -= f * b[k];
        }
    }
    for (int64_t i = d - 1; i >= 0; i--) {
        for (int64_t j = i + 1; j < d; j++) {
            b[i] -= A[i * d + j] * b[j];
        }
        b[i] /= A[i * d + i];
    }
    return true;
}

/* Adds D J' (I - Q V)^-1 (Q m + l) to the mean m of one row. hessian: of the model's units; work: 3 d d + 2 d. */
static bool guide(const lk_tilt *t, double noise, const double *hessian, double *clean, double *work)
{
    const int64_t d = t->d;
    double *J = work, *V = J + d * d, *A = V + d * d, *b = A + d * d;
    for (int64_t e = 0; e < d * d; e++) {
        const int64_t i = e / d, j = e % d;
        const double D_i = noise * noise * t->a.spread[i] * t->a.spread[i], D_j = noise * noise * t->a.spread[j] * t->a.spread[j];
        J[e] = (i == j ? 1.0 : 0.0) + D_i * hessian[e] / (t->a.scale[i] * t->a.scale[j]);
        V[e] = t->method == LKI_TILT_MOMENTS ? J[e] * D_j : i == j ? D_j / (1.0 + noise * noise) : 0.0;
    }
    for (int64_t i = 0; i < d; i++) {
        b[i] = t->linear[i];
        for (int64_t j = 0; j < d; j++) {
            double s = 0.0;
            for (int64_t k = 0; k < d; k++) {
                s += t->square[i * d + k] * V[k * d + j];
            }
            A[i * d + j] = (i == j ? 1.0 : 0.0) - s;
            b[i] += t->square[i * d + j] * clean[j];
        }
    }
    if (!eliminate(d, A, b)) {
        return false;
    }
    for (int64_t i = 0; i < d; i++) {
        double s = 0.0;
        for (int64_t j = 0; j < d; j++) {
            s += J[j * d + i] * b[j];
        }
        clean[i] += noise * noise * t->a.spread[i] * t->a.spread[i] * s;
    }
    return true;
}

/* Rows of second derivatives that are held at a time. */
static int64_t piece_of(int64_t d)
{
    const int64_t rows = (1 << 16) / (d * d);
    return rows < 1 ? 1 : rows > LKI_BLOCK_ROWS ? LKI_BLOCK_ROWS : rows;
}

static lk_status guided_piece(lk_context *ctx, const guiding *g, int64_t first, int64_t rows, double *work)
{
    const lk_tilt *t = g->t;
    const int64_t d = t->d;
    const double noise = lki_tilt_noise(t, g->n);
    double *clean = work, *z = clean + rows * d, *hessian = z + rows * d, *rest = hessian + rows * d * d, *x = g->x + first * d;
    LKI_TRY(lki_tilt_denoise(ctx, t, g->n, x, rows, clean, z));
    LKI_TRY(lki_oracle_hessian(ctx, &t->oracles[g->n - 1], z, rows, hessian));
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(t->seed, LKI_STREAM_TILT, (uint64_t)(1 + first + i) + ((uint64_t)g->n << 40));
        bool fine = guide(t, noise, hessian + i * d * d, clean + i * d, rest);
        lki_tilt_step(t, g->n, clean + i * d, d, &s, x + i * d);
        for (int64_t j = 0; j < d; j++) {
            fine = fine && isfinite(x[i * d + j]);
        }
        if (!fine) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "row %lld left the range of numbers under guidance at noise %g; more steps may help, smc takes any "
                            "reward", (long long)(first + i) + 1, noise);
        }
    }
    return LK_OK;
}

static lk_status guided_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const guiding *g = state;
    const int64_t d = g->t->d, begin = index * LKI_BLOCK_ROWS, end = begin + LKI_BLOCK_ROWS < g->rows ? begin + LKI_BLOCK_ROWS : g->rows, piece = piece_of(d);
    double *work;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)piece, (size_t)(d * d + 2 * d)) + (size_t)(3 * d * d + 2 * d), sizeof *work, &work));
    lk_status status = LK_OK;
    for (int64_t first = begin; first < end && status == LK_OK; first += piece) {
        status = guided_piece(ctx, g, first, end - first < piece ? end - first : piece, work);
    }
    lki_release(ctx, work);
    return status;
}

lk_status lki_tilt_guided(lk_context *ctx, lk_tilt *t, int64_t rows, double *out)
{
    guiding g = {.t = t, .rows = rows, .x = out};
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(t->seed, LKI_STREAM_TILT, (uint64_t)(1 + i));
        lki_tilt_start(t, &s, out + i * t->d);
    }
    for (g.n = t->steps; g.n > 0; g.n--) {
        LKI_TRY(lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, guided_block, &g));
        lki_progress(ctx, "guided", (double)(t->steps - g.n + 1), (double)t->steps, "");
    }
    return LK_OK;
}

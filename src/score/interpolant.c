/* Stochastic interpolants between two mixtures of normal distributions in closed form (Albergo, Boffi and Vanden-Eijnden 2023, arXiv:2303.08797):
 * x_t = (1 - t) x0 + t x1 + gamma(t) z with independent x0, x1, z is a mixture over pairs of components, so that velocity and score, which
 * are conditional means of normal distributions, are known at every t. */
#include "score/translate.h"

#include "core/philox.h"
#include "math/cholesky.h"
#include "math/elementary.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

/* Slices that would occupy more are made anew for every block of rows. */
#define KEPT_BYTES (256.0 * 1024 * 1024)

/* Pair p has weight w, mean m and covariance C = (1 - t)^2 C0 + t^2 C1 + gamma^2 D; the velocity within it is v + B (x - m) with
 * v = m1 - m0, B = (- (1 - t) C0 + t C1 + gamma gamma' D) C^-1. */
struct lki_slice {
    int64_t P, d;
    double *log_weights; /* P: log w - (d log 2 pi + log det C) / 2 */
    double *traces;      /* P: of B */
    double *means, *v;   /* P x d */
    double *W, *B;       /* P x d x d: inverse factor of C */
};

struct lki_interpolant {
    int64_t d, steps;
    lki_normal_set from, to; /* owned */
    const double *spread;
    bool kept;
    lki_slice **slices; /* 2 steps + 1: at times 0, h / 2, h, ...; NULL = not yet */
};

static int64_t slice_doubles(int64_t P, int64_t d)
{
    return P * (2 + 2 * d + 2 * d * d);
}

lk_status lki_slice_new(lk_context *ctx, const lki_interpolant *p, double t, lki_slice **out)
{
    const int64_t d = p->d, P = p->from.K * p->to.K;
    lki_slice *s;
    double *work = NULL;
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *s, &s));
    s->P = P;
    s->d = d;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)slice_doubles(P, d), sizeof *s->W, &s->log_weights));
    s->traces = s->log_weights + P;
    s->means = s->traces + P;
    s->v = s->means + P * d;
    s->W = s->v + P * d;
    s->B = s->W + P * d * d;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)d, 4 * (size_t)d), sizeof *work, &work));
    double *C = work + 2 * d * d, *R = C + d * d;
    for (int64_t e = 0; e < P; e++) {
        const int64_t i = e / p->to.K, j = e % p->to.K;
        const double *C0 = p->from.covariances + i * d * d, *C1 = p->to.covariances + j * d * d;
        double *W = s->W + e * d * d, *B = s->B + e * d * d;
        lki_spd spd;
        for (int64_t a = 0; a < d; a++) {
            s->means[e * d + a] = (1.0 - t) * p->from.means[i * d + a] + t * p->to.means[j * d + a];
            s->v[e * d + a] = p->to.means[j * d + a] - p->from.means[i * d + a];
            for (int64_t c = 0; c < d; c++) {
                const double D = a == c ? p->spread[a] * p->spread[a] : 0.0;
                C[a * d + c] = (1.0 - t) * (1.0 - t) * C0[a * d + c] + t * t * C1[a * d + c] + t * (1.0 - t) * D;
                R[a * d + c] = -(1.0 - t) * C0[a * d + c] + t * C1[a * d + c] + 0.5 * (1.0 - 2.0 * t) * D;
            }
        }
        if (lki_spd_factor(d, C, W, NULL, &spd, work) != 0) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of components %lld and %lld is not positive definite at time %g", (long long)i,
                              (long long)j, t);
            goto done;
        }
        s->log_weights[e] = log(p->from.weights[i] * p->to.weights[j]) - 0.5 * ((double)d * LKI_LOG_2PI + spd.log_determinant);
        for (int64_t a = 0; a < d; a++) { /* C = W' W = C^-1, then B = R C^-1 */
            for (int64_t c = 0; c < d; c++) {
                C[a * d + c] = 0.0;
                for (int64_t b = a > c ? a : c; b < d; b++) {
                    C[a * d + c] += W[b * d + a] * W[b * d + c];
                }
            }
        }
        s->traces[e] = 0.0;
        for (int64_t a = 0; a < d; a++) {
            for (int64_t c = 0; c < d; c++) {
                B[a * d + c] = 0.0;
                for (int64_t b = 0; b < d; b++) {
                    B[a * d + c] += R[a * d + b] * C[b * d + c];
                }
            }
            s->traces[e] += B[a * d + a];
        }
    }
    *out = s;
    s = NULL;
done:
    lki_release(ctx, work);
    lki_slice_free(&memory, s);
    return status;
}

void lki_slice_free(const lki_memory *memory, lki_slice *s)
{
    if (s != NULL) {
        lki_memory_release(memory, s->log_weights);
        lki_memory_release(memory, s);
    }
}

int64_t lki_slice_work(const lki_slice *s)
{
    return s->P * (1 + 2 * s->d) + 2 * s->d;
}

void lki_slice_ask(const lki_slice *s, const double *x, double *velocity, double *score, double *divergence, double *log_density, double *work)
{
    const int64_t d = s->d, P = s->P;
    double *shares = work, *scores = shares + P, *rates = scores + P * d, *from = rates + P * d, *half = from + d;
    for (int64_t e = 0; e < P; e++) {
        const double *W = s->W + e * d * d, *B = s->B + e * d * d;
        double square = 0.0;
        for (int64_t a = 0; a < d; a++) {
            from[a] = x[a] - s->means[e * d + a];
            half[a] = 0.0;
            for (int64_t b = 0; b <= a; b++) {
                half[a] += W[a * d + b] * from[b];
            }
            square += half[a] * half[a];
        }
        for (int64_t a = 0; a < d; a++) {
            double up = 0.0, rate = s->v[e * d + a];
            for (int64_t b = a; b < d; b++) {
                up += W[b * d + a] * half[b];
            }
            for (int64_t b = 0; b < d; b++) {
                rate += B[a * d + b] * from[b];
            }
            scores[e * d + a] = -up;
            rates[e * d + a] = rate;
        }
        shares[e] = s->log_weights[e] - 0.5 * square;
    }
    const double all = lki_log_sum_exp(P, shares);
    double *mean_score = score != NULL ? score : from, *mean_rate = velocity != NULL ? velocity : half, trace = 0.0;
    memset(mean_score, 0, (size_t)d * sizeof *from);
    memset(mean_rate, 0, (size_t)d * sizeof *from);
    for (int64_t e = 0; e < P; e++) {
        const double share = exp(shares[e] - all);
        double along = 0.0;
        for (int64_t a = 0; a < d; a++) {
            mean_score[a] += share * scores[e * d + a];
            mean_rate[a] += share * rates[e * d + a];
            along += scores[e * d + a] * rates[e * d + a];
        }
        trace += share * (s->traces[e] + along);
    }
    for (int64_t a = 0; a < d; a++) { /* shares vary with the difference of scores */
        trace -= mean_score[a] * mean_rate[a];
    }
    if (divergence != NULL) {
        *divergence = trace;
    }
    if (log_density != NULL) {
        *log_density = all;
    }
}

lk_status lki_interpolant_new(lk_context *ctx, const lki_normal_set *from, const lki_normal_set *to, const double *spread, int64_t steps,
                              lki_interpolant **out)
{
    lki_interpolant *p;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *p, &p));
    *p = (lki_interpolant){.d = from->d, .steps = steps, .from = *from, .to = *to, .spread = spread};
    p->kept = (double)slice_doubles(from->K * to->K, from->d) * 8.0 * (2.0 * (double)steps + 1.0) < KEPT_BYTES;
    lk_status status = lki_zeros(ctx, 2 * (size_t)steps + 1, sizeof(lki_slice *), &p->slices);
    for (int64_t n = 0; status == LK_OK && p->kept && n <= 2 * steps; n++) {
        status = lki_cancelled(ctx);
        status = status == LK_OK ? lki_slice_new(ctx, p, (double)n / (2.0 * (double)steps), &p->slices[n]) : status;
    }
    if (status != LK_OK) {
        lki_memory memory = lki_memory_of(ctx);
        p->from.weights = p->to.weights = NULL; /* still the caller's */
        lki_interpolant_free(&memory, p);
        return status;
    }
    *out = p;
    return LK_OK;
}

void lki_interpolant_free(const lki_memory *memory, lki_interpolant *p)
{
    for (int64_t n = 0; p != NULL && p->slices != NULL && n <= 2 * p->steps; n++) {
        lki_slice_free(memory, p->slices[n]);
    }
    if (p != NULL) {
        lki_memory_release(memory, p->from.weights);
        lki_memory_release(memory, p->to.weights);
        lki_memory_release(memory, p->slices);
        lki_memory_release(memory, p);
    }
}

/* One step of the fourth-order Runge-Kutta method; log_density loses the divergence on the way. k: 4 d, work: as asked. */
static void runge_kutta(const lki_slice *const s[3], int64_t d, double h, double *x, double *log_density, double *k, double *work)
{
    double *v = k, *sum = v + d, *at = sum + d, lost[4];
    static const int slice[] = {0, 1, 1, 2};
    static const double part[] = {0.0, 0.5, 0.5, 1.0}, weight[] = {1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6};
    memset(k, 0, 2 * (size_t)d * sizeof *k);
    for (int i = 0; i < 4; i++) {
        for (int64_t j = 0; j < d; j++) {
            at[j] = x[j] + part[i] * h * v[j];
        }
        lki_slice_ask(s[slice[i]], at, v, NULL, &lost[i], NULL, work);
        for (int64_t j = 0; j < d; j++) {
            sum[j] += weight[i] * v[j];
        }
    }
    for (int64_t j = 0; j < d; j++) {
        x[j] += h * sum[j];
    }
    if (log_density != NULL) {
        *log_density -= h * (lost[0] + 2.0 * lost[1] + 2.0 * lost[2] + lost[3]) / 6.0;
    }
}

/* One step of dx = (velocity + epsilon D score) dt + sqrt(2 epsilon D) dW: the same laws at every time. */
static void euler_maruyama(const lki_slice *s, const double *spread, double epsilon, double h, double *x, lki_stream *stream, double *k,
                           double *work)
{
    const int64_t d = s->d;
    lki_slice_ask(s, x, k, k + d, NULL, NULL, work);
    for (int64_t j = 0; j < d; j++) {
        const double e = epsilon * spread[j] * spread[j];
        x[j] += h * (k[j] + e * k[d + j]) + sqrt(2.0 * e * h) * lki_random_normal(stream);
    }
}

/* The slices of step n, at its begin, middle and end; where they are not kept the caller frees them. */
static lk_status slices_of(lk_context *ctx, const lki_interpolant *p, int64_t n, lki_slice *s[3])
{
    for (int i = 0; i < 3; i++) {
        s[i] = p->slices[2 * n + i];
        if (!p->kept) {
            LKI_TRY(lki_slice_new(ctx, p, (double)(2 * n + i) / (2.0 * (double)p->steps), &s[i]));
        }
    }
    return LK_OK;
}

lk_status lki_interpolant_rows(lk_context *ctx, const lk_translator *t, int64_t first_row, int64_t rows, double *x, double *log_density)
{
    const lki_interpolant *p = t->interpolant;
    const int64_t d = t->d, P = p->from.K * p->to.K;
    const double h = 1.0 / (double)t->steps;
    lki_stream *streams;
    double *work = NULL;
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *streams, &streams));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)P, 1 + 2 * (size_t)d) + 6 * (size_t)d, sizeof *work, &work));
    for (int64_t i = 0; i < rows; i++) {
        streams[i] = lki_stream_new(t->seed, LKI_STREAM_TRANSLATE, (uint64_t)(first_row + i));
    }
    for (int64_t n = 0; n < t->steps && status == LK_OK; n++) {
        lki_slice *s[3] = {NULL, NULL, NULL};
        status = lki_cancelled(ctx);
        status = status == LK_OK ? slices_of(ctx, p, n, s) : status;
        for (int64_t i = 0; i < rows && status == LK_OK; i++) {
            if (t->noise > 0.0) {
                euler_maruyama(s[0], p->spread, t->noise, h, x + i * d, &streams[i], work, work + 4 * d);
            } else {
                if (n == 0 && log_density != NULL) {
                    lki_slice_ask(s[0], x + i * d, NULL, NULL, NULL, &log_density[i], work + 4 * d);
                }
                runge_kutta((const lki_slice *const *)s, d, h, x + i * d, log_density != NULL ? &log_density[i] : NULL, work, work + 4 * d);
            }
        }
        for (int i = 0; i < 3 && !p->kept; i++) {
            lki_slice_free(&memory, s[i]);
        }
    }
done:
    lki_release(ctx, work);
    lki_release(ctx, streams);
    return status;
}

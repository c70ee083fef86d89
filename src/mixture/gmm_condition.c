/* Conditional distributions of a Gaussian mixture. With the features ordered as given (G), wanted (M), the Cholesky factor of a
 * component's covariance has the blocks L_GG, L_MG, L_MM, and with u = inverse(L_GG) (x_G - mean_G):
 *   M | x_G  ~  N(mean_M + L_MG u, L_MM L_MM'),   weight ~ w N(x_G; mean_G, L_GG L_GG') with |u|^2 its square,
 * which is the Schur complement without its subtraction (Ghahramani and Jordan 1994, section 3). The features of noise are independent:
 *   M | x_G  ~  uniform over the box of M,   weight ~ w / volume of the box of G where x_G lies in it, else 0. */
#include "gmm_condition.h"
#include "core/philox.h"
#include "math/cholesky.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

/* Rows that pass through a component together, so that loops run over them. */
enum { LANES = 16 };

typedef struct conditional {
    const lki_mixture *mixture;
    int64_t G, M;       /* numbers of given and wanted features */
    int64_t terms;      /* K, and one more with noise */
    int diagonal;       /* L_MG = 0, and the other blocks keep their diagonals only */
    double *W;          /* inverse(L_GG): matrices x G x G; diagonal: K x G */
    double *cross;      /* L_MG: matrices x M x G */
    double *L;          /* L_MM: matrices x M x M; diagonal: K x M */
    double *log_c;      /* K: log weight - (G log 2 pi + log det) / 2 */
    double *mean_given; /* K x G */
    double *mean;       /* K x M */
    double *sds;        /* terms x M */
    double *box;        /* with noise: low and high ends of G, then of M */
    double log_noise;   /* log weight - log volume of G's box */
} conditional;

static int is_diagonal(const lki_mixture *m)
{
    return m->covariance->form == LKI_FORM_DIAG || m->covariance->form == LKI_FORM_SPHERICAL;
}

static void conditional_free(const lki_memory *memory, void *state)
{
    conditional *c = state;
    if (c != NULL) {
        lki_memory_release(memory, c->W);
        lki_memory_release(memory, c);
    }
}

static int64_t conditional_terms(const void *state)
{
    return lki_mixture_groups(((const lki_gmm *)state)->mixture);
}

static int64_t conditional_uniform(const void *state)
{
    return ((const lki_gmm *)state)->mixture->noise;
}

/* One block for all arrays; W stands first. */
static lk_status conditional_shape(lk_context *ctx, const lki_mixture *m, int64_t given, int64_t wanted, conditional **out)
{
    conditional *c;
    size_t K = (size_t)m->K, G = (size_t)given, M = (size_t)wanted;
    size_t matrices = (size_t)lki_mixture_matrices(m), diagonal = is_diagonal(m) ? 1 : 0;
    size_t W = diagonal ? K * G : matrices * G * G, cross = diagonal ? 0 : matrices * M * G, L = diagonal ? K * M : matrices * M * M;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *c, &c));
    lk_status status = lki_zeros(ctx, W + cross + L + K * (1 + G + 2 * M) + M + 2 * (G + M), sizeof(double), &c->W);
    if (status != LK_OK) {
        lki_release(ctx, c);
        return status;
    }
    c->mixture = m;
    c->G = given;
    c->M = wanted;
    c->terms = lki_mixture_groups(m);
    c->diagonal = (int)diagonal;
    c->cross = c->W + W;
    c->L = c->cross + cross;
    c->log_c = c->L + L;
    c->mean_given = c->log_c + K;
    c->mean = c->mean_given + K * G;
    c->sds = c->mean + K * M;
    c->box = c->sds + (K + 1) * M;
    *out = c;
    return LK_OK;
}

static void diagonal_blocks(conditional *c, const int64_t *given, const int64_t *wanted)
{
    const lki_mixture *m = c->mixture;
    const int64_t d = m->d;
    const int diag = m->covariance->form == LKI_FORM_DIAG;
    for (int64_t k = 0; k < m->K; k++) {
        double log_det = 0.0;
        for (int64_t i = 0; i < c->G; i++) {
            const double v = diag ? m->covariances[k * d + given[i]] : m->covariances[k];
            c->W[k * c->G + i] = 1.0 / sqrt(v);
            log_det += log(v);
        }
        for (int64_t t = 0; t < c->M; t++) {
            const double sd = sqrt(diag ? m->covariances[k * d + wanted[t]] : m->covariances[k]);
            c->L[k * c->M + t] = sd;
            c->sds[k * c->M + t] = sd;
        }
        c->log_c[k] = log(m->weights[k]) - 0.5 * ((double)c->G * LKI_LOG_2PI + log_det);
    }
}

/* Blocks of one factor: n = G + M, L and W of the ordered covariance. */
static void copy_blocks(conditional *c, int64_t matrix, const double *L, const double *W)
{
    const int64_t G = c->G, M = c->M, n = G + M;
    for (int64_t i = 0; i < G; i++) {
        memcpy(c->W + (matrix * G + i) * G, W + i * n, (size_t)G * sizeof(double));
    }
    for (int64_t t = 0; t < M; t++) {
        memcpy(c->cross + (matrix * M + t) * G, L + (G + t) * n, (size_t)G * sizeof(double));
        memcpy(c->L + (matrix * M + t) * M, L + (G + t) * n + G, (size_t)M * sizeof(double));
    }
}

static double row_norm(const double *row, int64_t count)
{
    double sum = 0.0;
    for (int64_t j = 0; j < count; j++) {
        sum += row[j] * row[j];
    }
    return sqrt(sum);
}

static lk_status full_blocks(lk_context *ctx, conditional *c, const int64_t *given, const int64_t *wanted)
{
    const lki_mixture *m = c->mixture;
    const int64_t d = m->d, G = c->G, n = G + c->M, matrices = lki_mixture_matrices(m);
    double *covariance;
    LKI_TRY(lki_allocate(ctx, (size_t)(d * d + 5 * n * n), sizeof(double), &covariance));
    double *A = covariance + d * d, *W = A + n * n, *L = W + n * n, *work = L + n * n;
    lk_status status = LK_OK;
    for (int64_t k = 0; k < matrices && status == LK_OK; k++) {
        lki_spd spd;
        lki_mixture_covariance(m, k, covariance);
        for (int64_t i = 0; i < n; i++) {
            const double *row = covariance + (i < G ? given[i] : wanted[i - G]) * d;
            for (int64_t j = 0; j < n; j++) {
                A[i * n + j] = row[j < G ? given[j] : wanted[j - G]];
            }
        }
        if (lki_spd_factor_within(n, A, m->condition[k], W, L, &spd, work) != 0) {
            status = lki_fail(ctx, LK_ERROR_DATA, "the covariance of component %lld is not positive definite", (long long)k);
            break;
        }
        copy_blocks(c, k, L, W);
        double log_det = 0.0;
        for (int64_t i = 0; i < G; i++) {
            log_det += 2.0 * log(L[i * n + i]);
        }
        for (int64_t i = k; i < (matrices == 1 ? m->K : k + 1); i++) {
            c->log_c[i] = log(m->weights[i]) - 0.5 * ((double)G * LKI_LOG_2PI + log_det);
            for (int64_t t = 0; t < c->M; t++) {
                c->sds[i * c->M + t] = row_norm(c->L + (k * c->M + t) * c->M, t + 1);
            }
        }
    }
    lki_release(ctx, covariance);
    return status;
}

static void noise_blocks(conditional *c, const int64_t *given, const int64_t *wanted)
{
    const lki_mixture *m = c->mixture;
    const int64_t G = c->G, M = c->M;
    c->log_noise = log(*m->uniform);
    for (int64_t i = 0; i < G; i++) {
        c->box[i] = m->low[given[i]];
        c->box[G + i] = m->high[given[i]];
        c->log_noise -= m->log_range[given[i]];
    }
    for (int64_t t = 0; t < M; t++) {
        const double low = m->low[wanted[t]], high = m->high[wanted[t]];
        c->box[2 * G + t] = low;
        c->box[2 * G + M + t] = high;
        c->sds[m->K * M + t] = (high - low) / sqrt(12.0);
    }
}

static lk_status conditional_new(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                 int64_t wanted_count, void **out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    conditional *c;
    LKI_TRY(conditional_shape(ctx, m, given_count, wanted_count, &c));
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t i = 0; i < given_count; i++) {
            c->mean_given[k * given_count + i] = m->means[k * m->d + given[i]];
        }
        for (int64_t t = 0; t < wanted_count; t++) {
            c->mean[k * wanted_count + t] = m->means[k * m->d + wanted[t]];
        }
    }
    if (m->noise) {
        noise_blocks(c, given, wanted);
    }
    lk_status status = LK_OK;
    if (c->diagonal) {
        diagonal_blocks(c, given, wanted);
    } else {
        status = full_blocks(ctx, c, given, wanted);
    }
    if (status != LK_OK) {
        const lki_memory memory = lki_memory_of(ctx);
        conditional_free(&memory, c);
        return status;
    }
    *out = c;
    return LK_OK;
}

/* u = W (x - mean) of component k for up to LANES rows; x and u are G x LANES. The loops over rows matter for speed. */
static void whiten(const conditional *c, int64_t k, const double *x, double *shifted, double *u)
{
    const int64_t G = c->G;
    const double *W = c->W + (c->diagonal ? k * G : lki_mixture_matrix(c->mixture, k) * G * G), *mean = c->mean_given + k * G;
    for (int64_t i = 0; i < G; i++) {
        for (int r = 0; r < LANES; r++) {
            shifted[i * LANES + r] = x[i * LANES + r] - mean[i];
        }
    }
    for (int64_t i = 0; i < G; i++) {
        double sum[LANES] = {0};
        for (int64_t j = c->diagonal ? i : 0; j <= i; j++) {
            const double w = c->diagonal ? W[i] : W[i * G + j];
            for (int r = 0; r < LANES; r++) {
                sum[r] += w * shifted[j * LANES + r];
            }
        }
        memcpy(u + i * LANES, sum, sizeof sum);
    }
}

/* Log weight of component k, and how far away in its standard deviations the farthest direction is. */
static void weigh(const conditional *c, int64_t k, const double *u, int64_t rows, double *log_weights, double *reach)
{
    double square[LANES] = {0}, most[LANES] = {0};
    for (int64_t i = 0; i < c->G; i++) {
        for (int r = 0; r < LANES; r++) {
            square[r] += u[i * LANES + r] * u[i * LANES + r];
            most[r] = fabs(u[i * LANES + r]) > most[r] ? fabs(u[i * LANES + r]) : most[r];
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        log_weights[r * c->terms + k] = c->log_c[k] - 0.5 * square[r];
        reach[r * c->terms + k] = most[r];
    }
}

/* mean + L_MG u, to out[row][k][.]. */
static void shift_means(const conditional *c, int64_t k, const double *u, int64_t rows, double *out)
{
    const int64_t G = c->G, M = c->M, terms = c->terms;
    const double *cross = c->diagonal ? NULL : c->cross + lki_mixture_matrix(c->mixture, k) * M * G;
    for (int64_t t = 0; t < M; t++) {
        double sum[LANES] = {0};
        for (int64_t j = 0; cross != NULL && j < G; j++) {
            const double l = cross[t * G + j];
            for (int r = 0; r < LANES; r++) {
                sum[r] += l * u[j * LANES + r];
            }
        }
        for (int64_t r = 0; r < rows; r++) {
            out[(r * terms + k) * M + t] = c->mean[k * M + t] + sum[r];
        }
    }
}

/* Log weight and means of the noise for a row of given values. It is never the nearest: outside its box it is nothing. */
static void noise_law(const conditional *c, const double *values, double *log_weight, double *reach, double *means)
{
    const int64_t G = c->G, M = c->M;
    int inside = 1;
    for (int64_t i = 0; i < G; i++) {
        inside = inside && values[i] >= c->box[i] && values[i] <= c->box[G + i];
    }
    *log_weight = inside ? c->log_noise : -(double)INFINITY;
    *reach = (double)INFINITY;
    for (int64_t t = 0; t < M; t++) {
        means[t] = 0.5 * (c->box[2 * G + t] + c->box[2 * G + M + t]);
    }
}

/* Weights from their logarithms. Where every square overflows, all weight goes to the component that is nearest by its reach. */
static void softmax(double *weights, const double *reach, int64_t K)
{
    double most = -(double)INFINITY, total = 0.0;
    int64_t nearest = 0;
    for (int64_t k = 0; k < K; k++) {
        most = weights[k] > most ? weights[k] : most;
        nearest = reach[k] < reach[nearest] ? k : nearest;
    }
    for (int64_t k = 0; k < K; k++) {
        weights[k] = isfinite(most) ? exp(weights[k] - most) : k == nearest ? 1.0 : 0.0;
        total += weights[k];
    }
    for (int64_t k = 0; k < K; k++) {
        weights[k] /= total;
    }
}

static lk_status conditional_laws(lk_context *ctx, const void *state, const double *values, int64_t rows, double *weights,
                                  double *means, double *sds)
{
    const conditional *c = state;
    const int64_t G = c->G, M = c->M, K = c->mixture->K, terms = c->terms;
    double *x;
    LKI_TRY(lki_zeros(ctx, (size_t)(3 * G + terms), LANES * sizeof(double), &x));
    double *shifted = x + G * LANES, *u = shifted + G * LANES, *reach = u + G * LANES;
    for (int64_t first = 0; first < rows; first += LANES) {
        const int64_t n = rows - first < LANES ? rows - first : LANES;
        for (int64_t i = 0; i < G; i++) {
            for (int64_t r = 0; r < LANES; r++) {
                x[i * LANES + r] = r < n ? values[(first + r) * G + i] : 0.0;
            }
        }
        for (int64_t k = 0; k < K; k++) {
            whiten(c, k, x, shifted, u);
            weigh(c, k, u, n, weights + first * terms, reach);
            shift_means(c, k, u, n, means + first * terms * M);
        }
        for (int64_t r = 0; r < n; r++) {
            const int64_t noise = (first + r) * terms + K;
            if (c->mixture->noise) {
                noise_law(c, values + (first + r) * G, weights + noise, reach + r * terms + K, means + noise * M);
            }
            softmax(weights + (first + r) * terms, reach + r * terms, terms);
        }
    }
    if (sds != NULL) {
        memcpy(sds, c->sds, (size_t)(terms * M) * sizeof(double));
    }
    lki_release(ctx, x);
    return LK_OK;
}

/* x = mean_k + L_MM z. */
static void draw_one(const conditional *c, lki_stream *s, const double *cumulative, const double *means, double *z, double *x)
{
    const int64_t M = c->M, k = lki_random_categorical(s, cumulative, c->terms);
    for (int64_t t = 0; k == c->mixture->K && t < M; t++) {
        const double low = c->box[2 * c->G + t], high = c->box[2 * c->G + M + t];
        x[t] = fmin(low + (high - low) * lki_random_uniform(s), high);
    }
    if (k == c->mixture->K) {
        return;
    }
    const double *L = c->L + (c->diagonal ? k * M : lki_mixture_matrix(c->mixture, k) * M * M);
    for (int64_t t = 0; t < M; t++) {
        z[t] = lki_random_normal(s);
    }
    for (int64_t t = 0; t < M; t++) {
        x[t] = means[k * M + t];
        for (int64_t j = c->diagonal ? t : 0; j <= t; j++) {
            x[t] += (c->diagonal ? L[t] : L[t * M + j]) * z[j];
        }
    }
}

static lk_status conditional_draw(lk_context *ctx, const void *state, const double *values, int64_t rows, uint64_t seed,
                                  const int64_t *numbers, int64_t count, double *draws)
{
    const conditional *c = state;
    const int64_t M = c->M, K = c->terms;
    double *weights;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)(K + K * M)) + (size_t)M, sizeof(double), &weights));
    double *means = weights + rows * K, *z = means + rows * K * M;
    lk_status status = conditional_laws(ctx, c, values, rows, weights, means, NULL);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_IMPUTE, (uint64_t)numbers[i]);
        double *cumulative = weights + i * K;
        for (int64_t k = 1; k < K; k++) {
            cumulative[k] += cumulative[k - 1];
        }
        for (int64_t m = 0; m < count; m++) {
            draw_one(c, &s, cumulative, means + i * K * M, z, draws + (i * count + m) * M);
        }
    }
    lki_release(ctx, weights);
    return status;
}

const lki_conditional_operations lki_gmm_conditional = {
    .terms = conditional_terms,
    .uniform = conditional_uniform,
    .new = conditional_new,
    .laws = conditional_laws,
    .draw = conditional_draw,
    .free = conditional_free,
};

/* ---- the conditional distribution as a mixture of its own ---- */

/* Conditional covariances in the layout of the form, which they keep: sub-blocks (diagonal forms) or L_MM L_MM'. */
static void conditional_covariances(const conditional *c, const int64_t *wanted, lki_mixture *out)
{
    const lki_mixture *m = c->mixture;
    const int64_t M = c->M, matrices = lki_mixture_matrices(m);
    if (m->covariance->form == LKI_FORM_SPHERICAL) {
        memcpy(out->covariances, m->covariances, (size_t)m->K * sizeof(double));
        return;
    }
    for (int64_t i = 0; c->diagonal && i < m->K * M; i++) {
        out->covariances[i] = m->covariances[i / M * m->d + wanted[i % M]];
    }
    for (int64_t k = 0; !c->diagonal && k < matrices; k++) {
        const double *L = c->L + k * M * M;
        for (int64_t i = 0; i < M; i++) {
            for (int64_t j = 0; j <= i; j++) {
                double sum = 0.0;
                for (int64_t a = 0; a <= j; a++) {
                    sum += L[i * M + a] * L[j * M + a];
                }
                out->covariances[(k * M + i) * M + j] = sum;
                out->covariances[(k * M + j) * M + i] = sum;
            }
        }
    }
}

lk_status lki_gmm_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count, void **out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const lki_memory memory = lki_memory_of(ctx);
    lki_mixture *part = NULL;
    lki_gmm *g;
    void *c = NULL;
    double *law = NULL;
    int64_t *wanted, M = 0;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)m->d, sizeof *wanted, &wanted));
    for (int64_t j = 0; j < m->d; j++) {
        int64_t i = 0;
        while (i < count && given[i] != j) {
            i++;
        }
        if (i == count) {
            wanted[M++] = j;
        }
    }
    LKI_GOTO(status, done, conditional_new(ctx, state, given, count, wanted, M, &c));
    LKI_GOTO(status, done, lki_mixture_new(ctx, m->K, M, lki_covariance_plain(m->covariance->form), &part));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)lki_mixture_groups(m), (size_t)(1 + M) * sizeof(double), &law));
    LKI_GOTO(status, done, conditional_laws(ctx, c, values, 1, law, law + lki_mixture_groups(m), NULL));
    memcpy(part->weights, law, (size_t)m->K * sizeof(double));
    memcpy(part->means, law + lki_mixture_groups(m), (size_t)(m->K * M) * sizeof(double));
    if (m->noise) {
        const double *box = ((conditional *)c)->box + 2 * count;
        lki_mixture_set_noise(part, law[m->K], box, box + M);
    }
    conditional_covariances(c, wanted, part);
    status = lki_gmm_new(ctx, part, &g); /* takes part */
    part = NULL;
    if (status == LK_OK) {
        *out = g;
    }
done:
    lki_mixture_free(part);
    conditional_free(&memory, c);
    lki_release(ctx, law);
    lki_release(ctx, wanted);
    return status;
}

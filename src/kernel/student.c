/* The multivariate t distribution: fit by EM, density, draws. */
#include "student.h"
#include "math/cholesky.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

/* What keeps scatter positive: this share of the variance of each feature. */
#define RIDGE 1e-6

lk_status lki_student_new(lk_context *ctx, int64_t d, lki_student *out)
{
    const size_t n = (size_t)d, square = lki_product(n, n);
    const lki_memory memory = lki_memory_of(ctx);
    lki_student s = {.d = d};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_zeros(ctx, n, sizeof(double), &s.mean));
    LKI_GOTO(status, done, lki_zeros(ctx, square, sizeof(double), &s.scatter));
    LKI_GOTO(status, done, lki_zeros(ctx, square, sizeof(double), &s.whiten));
    LKI_GOTO(status, done, lki_zeros(ctx, square, sizeof(double), &s.factor));
    *out = s;
    s = (lki_student){0};
done:
    lki_student_free(&memory, &s);
    return status;
}

void lki_student_free(const lki_memory *memory, lki_student *s)
{
    lki_memory_release(memory, s->mean);
    lki_memory_release(memory, s->scatter);
    lki_memory_release(memory, s->whiten);
    lki_memory_release(memory, s->factor);
    *s = (lki_student){0};
}

lk_status lki_student_prepare(lk_context *ctx, lki_student *s)
{
    const int64_t d = s->d;
    double *work, log_determinant = 0.0;
    bool positive = true;
    if (d > LKI_STUDENT_FULL) {
        memset(s->whiten, 0, (size_t)(d * d) * sizeof(double));
        memset(s->factor, 0, (size_t)(d * d) * sizeof(double));
        for (int64_t j = 0; j < d; j++) {
            const double v = s->scatter[j * d + j];
            positive = positive && v > 0.0;
            s->whiten[j * d + j] = 1.0 / sqrt(v);
            s->factor[j * d + j] = sqrt(v);
            log_determinant += log(v);
        }
    } else {
        lki_spd spd;
        LKI_TRY(lki_allocate(ctx, lki_product(2, (size_t)(d * d)), sizeof *work, &work));
        positive = lki_spd_factor(d, s->scatter, s->whiten, s->factor, &spd, work) == 0;
        lki_release(ctx, work);
        log_determinant = spd.log_determinant;
    }
    if (!positive) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the scatter of the t distribution is not positive definite");
    }
    const double n = (double)d, nu = s->nu;
    s->log_constant = lgamma(0.5 * (nu + n)) - lgamma(0.5 * nu) - 0.5 * n * (log(nu) + LKI_LOG_2PI - log(2.0)) - 0.5 * log_determinant;
    return LK_OK;
}

/* |W (x - mean)|^2. */
static double distance(const lki_student *s, const double *x, double *work)
{
    const int64_t d = s->d;
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        work[j] = x[j] - s->mean[j];
    }
    for (int64_t j = 0; j < d; j++) {
        const double *row = s->whiten + j * d;
        double u = 0.0;
        for (int64_t k = d > LKI_STUDENT_FULL ? j : 0; k <= j; k++) {
            u += row[k] * work[k];
        }
        sum += u * u;
    }
    return sum;
}

double lki_student_log_density(const lki_student *s, const double *x, double *work)
{
    return s->log_constant - 0.5 * (s->nu + (double)s->d) * log1p(distance(s, x, work) / s->nu);
}

void lki_student_draw(const lki_student *s, lki_stream *stream, double *out, double *work)
{
    const int64_t d = s->d;
    const double spread = sqrt(s->nu / (2.0 * lki_random_gamma(stream, 0.5 * s->nu)));
    for (int64_t j = 0; j < d; j++) {
        work[j] = lki_random_normal(stream);
    }
    for (int64_t j = 0; j < d; j++) {
        double sum = 0.0;
        for (int64_t k = d > LKI_STUDENT_FULL ? j : 0; k <= j; k++) {
            sum += s->factor[j * d + k] * work[k];
        }
        out[j] = s->mean[j] + spread * sum;
    }
}

/* Mean and scatter of the rows with weights w_i c_i; `total` divides the scatter. */
static void moments(const double *x, const double *w, const double *c, int64_t rows, double total, double shrink, lki_student *s, double *work)
{
    const int64_t d = s->d;
    double sum = 0.0;
    memset(s->mean, 0, (size_t)d * sizeof(double));
    memset(s->scatter, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t i = 0; i < rows; i++) {
        const double u = w[i] * c[i];
        sum += u;
        for (int64_t j = 0; j < d; j++) {
            s->mean[j] += u * x[i * d + j];
        }
    }
    for (int64_t j = 0; j < d; j++) {
        s->mean[j] /= sum;
    }
    for (int64_t i = 0; i < rows; i++) {
        const double u = w[i] * c[i] / total;
        for (int64_t j = 0; j < d && u > 0.0; j++) {
            work[j] = x[i * d + j] - s->mean[j];
        }
        for (int64_t j = 0; j < d && u > 0.0; j++) {
            const double v = u * work[j];
            for (int64_t k = d > LKI_STUDENT_FULL ? j : 0; k <= j; k++) {
                s->scatter[j * d + k] += v * work[k];
            }
        }
    }
    for (int64_t j = 0; j < d; j++) {
        s->scatter[j * d + j] += RIDGE;
        for (int64_t k = 0; k < j; k++) {
            s->scatter[k * d + j] = s->scatter[j * d + k] *= 1.0 - shrink;
        }
    }
}

lk_status lki_student_fit(lk_context *ctx, const double *x, const double *w, int64_t rows, double nu, double shrink, int steps, lki_student *s)
{
    double *c = NULL, *work = NULL, total = 0.0;
    const double d = (double)s->d;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *c, &c));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->d, sizeof *work, &work));
    for (int64_t i = 0; i < rows; i++) {
        c[i] = 1.0;
        total += w[i];
    }
    s->nu = nu;
    for (int step = 0; step <= steps; step++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        moments(x, w, c, rows, total, shrink, s, work);
        LKI_GOTO(status, done, lki_student_prepare(ctx, s));
        for (int64_t i = 0; i < rows && step < steps; i++) {
            c[i] = w[i] > 0.0 ? (nu + d) / (nu + distance(s, x + i * s->d, work)) : 0.0;
        }
    }
done:
    lki_release(ctx, c);
    lki_release(ctx, work);
    return status;
}

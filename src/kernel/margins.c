/* Independent features with kernel densities: fit, density, draws. */
#include "margins.h"
#include "math/special.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Beyond so many bandwidths a normal kernel is below 1e-17 of its peak. */
#define REACH 8.8

lk_status lki_margins_new(lk_context *ctx, int64_t d, int64_t centres, lki_margins *out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_margins m = {.d = d};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d + 1, sizeof *m.start, &m.start));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)centres, sizeof(double), &m.centres));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)centres, sizeof(double), &m.weights));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &m.h));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &m.mean));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &m.sd));
    *out = m;
    m = (lki_margins){0};
done:
    lki_margins_free(&memory, &m);
    return status;
}

void lki_margins_free(const lki_memory *memory, lki_margins *m)
{
    lki_memory_release(memory, m->start);
    lki_memory_release(memory, m->centres);
    lki_memory_release(memory, m->weights);
    lki_memory_release(memory, m->h);
    lki_memory_release(memory, m->mean);
    lki_memory_release(memory, m->sd);
    *m = (lki_margins){0};
}

typedef struct weighed {
    double value, weight;
} weighed;

static int compare(const void *a, const void *b)
{
    const weighed *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->weight > y->weight) - (x->weight < y->weight);
}

/* One feature: `column` in order. */
static void fit_feature(lki_margins *m, int64_t j, weighed *column, int64_t rows, double total)
{
    double mean = 0.0, square = 0.0, n = 0.0;
    int64_t at = m->start[j] - 1, cell = 0;
    for (int64_t i = 0; i < rows; i++) {
        mean += column[i].weight * column[i].value / total;
    }
    for (int64_t i = 0; i < rows; i++) {
        square += column[i].weight * (column[i].value - mean) * (column[i].value - mean) / total;
        n += column[i].weight > 0.0 ? 1.0 : 0.0;
    }
    m->mean[j] = mean;
    m->sd[j] = square > 0.0 ? sqrt(square) : 1e-6 * (1.0 + fabs(mean));
    m->h[j] = square > 0.0 ? 1.06 * m->sd[j] * pow(n, -0.2) : m->sd[j];
    for (int64_t i = 0; i < rows; i++) {
        const double weight = column[i].weight / total, place = (column[i].value - column[0].value) / (0.25 * m->h[j]);
        const int64_t own = place < 9e15 ? (int64_t)place : INT64_MAX;
        if (weight == 0.0) {
            continue;
        }
        if (at < m->start[j] || own != cell) {
            at++;
            cell = own;
        }
        m->weights[at] += weight;
        m->centres[at] += weight * column[i].value;
    }
    m->start[j + 1] = at + 1;
    for (int64_t c = m->start[j]; c <= at; c++) {
        m->centres[c] /= m->weights[c];
    }
}

lk_status lki_margins_fit(lk_context *ctx, const double *x, const double *w, int64_t rows, int64_t d, lki_margins *out)
{
    const lki_memory memory = lki_memory_of(ctx);
    weighed *column = NULL;
    lki_margins m = {0};
    double total = 0.0;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_margins_new(ctx, d, rows * d, &m));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *column, &column));
    for (int64_t i = 0; i < rows; i++) {
        total += w[i];
    }
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < rows; i++) {
            column[i] = (weighed){x[i * d + j], w[i]};
        }
        qsort(column, (size_t)rows, sizeof *column, compare);
        fit_feature(&m, j, column, rows, total);
    }
    *out = m;
    m = (lki_margins){0};
done:
    lki_release(ctx, column);
    lki_margins_free(&memory, &m);
    return status;
}

/* The density of t with 3 degrees of freedom. */
static double tail(double u)
{
    const double v = 1.0 + u * u / 3.0;
    return 0.36755259694786135 / (v * v); /* 2 / (pi sqrt(3)) */
}

double lki_margins_log_density(const lki_margins *m, const double *x)
{
    double sum = 0.0;
    for (int64_t j = 0; j < m->d; j++) {
        const double v = x[j], reach = REACH * m->h[j];
        int64_t low = m->start[j], high = m->start[j + 1];
        double kernels = 0.0;
        while (low < high) { /* the first centre within reach */
            const int64_t middle = low + (high - low) / 2;
            if (m->centres[middle] < v - reach) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for (int64_t c = low; c < m->start[j + 1] && m->centres[c] <= v + reach; c++) {
            const double u = (v - m->centres[c]) / m->h[j];
            kernels += m->weights[c] * exp(-0.5 * u * u);
        }
        sum += log((1.0 - LKI_MARGIN_TAIL) * kernels / (m->h[j] * sqrt(exp(LKI_LOG_2PI))) +
                   LKI_MARGIN_TAIL * tail((v - m->mean[j]) / m->sd[j]) / m->sd[j]);
    }
    return sum;
}

void lki_margins_draw(const lki_margins *m, lki_stream *stream, double *out)
{
    for (int64_t j = 0; j < m->d; j++) {
        const bool heavy = lki_random_uniform(stream) < LKI_MARGIN_TAIL;
        double u = lki_random_uniform(stream);
        int64_t c = m->start[j];
        while (c + 1 < m->start[j + 1] && u > m->weights[c]) {
            u -= m->weights[c++];
        }
        const double normal = lki_random_normal(stream);
        out[j] = heavy ? m->mean[j] + m->sd[j] * normal * sqrt(1.5 / lki_random_gamma(stream, 1.5)) : m->centres[c] + m->h[j] * normal;
    }
}

/* Bandwidths by cross-validation: rows left out one by one, by likelihood or by squared error. */
#include "kde.h"

#include <math.h>
#include <stdio.h>

/* Factors that are tried: a grid, then golden sections around its best. */
enum { GRID = 17, SECTIONS = 22 };
#define LEAST 0.02
#define GREATEST 5.0

typedef struct validation {
    const lki_kernel_law *law;
    const lki_kde_rows *rows;
    const double *start; /* d */
    bool squares;
    int64_t *own;
    double *scaled, *out; /* d, n */
    int64_t tried;
} validation;

/* Into v->out: log sum_j w_j K(x_i - x_j) or the plain sum, j = i left out or not, with normalizers but for the weights' total. */
static lk_status densities(lk_context *ctx, const validation *v, const double *bandwidth, bool logs, bool own)
{
    const lki_kde_rows *r = v->rows;
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair *pair;
    double log_scale = 0.0;
    LKI_TRY(lki_kde_pair(ctx, v->law, r->x, r->n, bandwidth, r->d, &pair));
    const lki_pair_request request = {.reduction = logs ? LKI_PAIR_LOG_SUM : LKI_PAIR_SUM, .x = r->x, .rows = r->n, .weights = logs ? r->w : NULL,
                                      .v = logs ? NULL : r->w, .own = own ? NULL : v->own, .out = v->out};
    const lk_status status = lki_pair_run(ctx, pair, &request);
    lki_pair_free(&memory, pair);
    for (int64_t j = 0; j < r->d; j++) {
        log_scale -= log(bandwidth[j] * v->law->integral);
    }
    for (int64_t i = 0; i < r->n && status == LK_OK; i++) {
        v->out[i] = logs ? v->out[i] + log_scale : v->out[i] * exp(log_scale);
    }
    return status;
}

/* sum_i w_i log f_-i(x_i) / sum w, f_-i from the other rows. */
static lk_status likelihood(lk_context *ctx, const validation *v, const double *bandwidth, double *out)
{
    double sum = 0.0;
    LKI_TRY(densities(ctx, v, bandwidth, true, false));
    for (int64_t i = 0; i < v->rows->n; i++) {
        sum += v->rows->w[i] * (v->out[i] - log(v->rows->total - v->rows->w[i]));
    }
    *out = sum / v->rows->total;
    return LK_OK;
}

/* - (integral of f^2 - 2 sum_i w_i f_-i(x_i)): the integral is a double sum of normal densities with sqrt(2) h (Rudemo 1982, Bowman
 * 1984). */
static lk_status squared_error(lk_context *ctx, const validation *v, const double *bandwidth, double *out)
{
    const lki_kde_rows *r = v->rows;
    double wide[2] = {0.0, 0.0};
    LKI_TRY(densities(ctx, v, bandwidth, false, false));
    for (int64_t i = 0; i < r->n; i++) {
        wide[0] += r->w[i] / r->total * v->out[i] / (r->total - r->w[i]);
    }
    double *h;
    LKI_TRY(lki_allocate(ctx, (size_t)r->d, sizeof *h, &h));
    for (int64_t j = 0; j < r->d; j++) {
        h[j] = M_SQRT2 * bandwidth[j];
    }
    const lk_status status = densities(ctx, v, h, false, true);
    lki_release(ctx, h);
    for (int64_t i = 0; i < r->n && status == LK_OK; i++) {
        wide[1] += r->w[i] / r->total * v->out[i] / r->total;
    }
    *out = 2.0 * wide[0] - wide[1];
    return status;
}

static lk_status criterion(lk_context *ctx, validation *v, double log_factor, double *out)
{
    for (int64_t j = 0; j < v->rows->d; j++) {
        v->scaled[j] = v->start[j] * exp(log_factor);
    }
    lki_progress(ctx, "bandwidth", (double)v->tried++, GRID + SECTIONS + 1, "");
    return v->squares ? squared_error(ctx, v, v->scaled, out) : likelihood(ctx, v, v->scaled, out);
}

static lk_status search(lk_context *ctx, validation *v, double *best_log, double *best)
{
    const double step = log(GREATEST / LEAST) / (GRID - 1), golden = 0.61803398874989484820;
    int at = 0;
    *best = -(double)INFINITY;
    for (int i = 0; i < GRID; i++) {
        double value;
        LKI_TRY(criterion(ctx, v, log(LEAST) + step * i, &value));
        if (value > *best) {
            *best = value;
            at = i;
        }
    }
    double low = log(LEAST) + step * (at > 0 ? at - 1 : 0), high = log(LEAST) + step * (at < GRID - 1 ? at + 1 : at);
    double a = high - golden * (high - low), b = low + golden * (high - low), fa, fb;
    *best_log = log(LEAST) + step * at;
    LKI_TRY(criterion(ctx, v, a, &fa));
    LKI_TRY(criterion(ctx, v, b, &fb));
    for (int i = 0; i < SECTIONS; i++) {
        if (fa >= fb) {
            high = b;
            b = a;
            fb = fa;
            a = high - golden * (high - low);
            LKI_TRY(criterion(ctx, v, a, &fa));
        } else {
            low = a;
            a = b;
            fa = fb;
            b = low + golden * (high - low);
            LKI_TRY(criterion(ctx, v, b, &fb));
        }
    }
    if (fmax(fa, fb) >= *best) {
        *best = fmax(fa, fb);
        *best_log = fa >= fb ? a : b;
    }
    return LK_OK;
}

static lk_status prepare(lk_context *ctx, validation *v)
{
    LKI_TRY(lki_allocate(ctx, (size_t)v->rows->n, sizeof *v->own, &v->own));
    LKI_TRY(lki_allocate(ctx, (size_t)v->rows->n, sizeof *v->out, &v->out));
    LKI_TRY(lki_allocate(ctx, (size_t)v->rows->d, sizeof *v->scaled, &v->scaled));
    for (int64_t i = 0; i < v->rows->n; i++) {
        v->own[i] = i;
    }
    return LK_OK;
}

static void dismiss(lk_context *ctx, validation *v)
{
    lki_release(ctx, v->own);
    lki_release(ctx, v->out);
    lki_release(ctx, v->scaled);
}

lk_status lki_kde_leave_one_out(lk_context *ctx, const lki_kernel_law *law, const lki_kde_rows *rows, const double *bandwidth, double *out)
{
    validation v = {.law = law, .rows = rows};
    lk_status status = prepare(ctx, &v);
    if (status == LK_OK) {
        status = likelihood(ctx, &v, bandwidth, out);
    }
    dismiss(ctx, &v);
    return status;
}

lk_status lki_kde_cross_validate(lk_context *ctx, const lki_kernel_law *law, bool squares, const lki_kde_rows *rows, lki_kde_choice *out)
{
    validation v = {.law = law, .rows = rows, .start = out->bandwidth, .squares = squares};
    double log_factor, best;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, prepare(ctx, &v));
    LKI_GOTO(status, done, search(ctx, &v, &log_factor, &best));
    for (int64_t j = 0; j < rows->d; j++) {
        out->bandwidth[j] *= exp(log_factor);
    }
    out->leave_one_out = squares ? (double)NAN : best;
    if (!(best > -(double)INFINITY) || log_factor < log(LEAST) + 1e-3 || log_factor > log(GREATEST) - 1e-3) {
        snprintf(out->degenerate, sizeof out->degenerate, "%s",
                 best > -(double)INFINITY && log_factor < 0.0
                     ? "cross-validation wants the least bandwidth that is tried, a fiftieth of Scott's: values repeat, or lie on a grid"
                     : "cross-validation wants the greatest bandwidth that is tried, five times Scott's");
    }
done:
    dismiss(ctx, &v);
    return status;
}

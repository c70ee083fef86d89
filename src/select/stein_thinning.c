/* Stein thinning: rows that stand for a model, chosen by its score alone. */
#include "select/thinning.h"
#include "core/reduce.h"

#include <math.h>

/* Rows that one task looks at. */
enum { TASK_ROWS = 4096 };

typedef struct stein {
    const double *x, *score, *h;
    int64_t rows, d;
    int64_t chosen;   /* whose kernel is to be added */
    double *sums;     /* k(x, x) / 2 + sum over the chosen k(x, chosen) */
    int64_t *best;    /* of each task */
    double precision; /* sum 1 / h^2 */
} stein;

/* The Stein kernel of the Langevin operator over k = (1 + q)^(-1/2), q = sum u^2 / h^2, u = x - y (Liu, Lee and Jordan 2016, definition 3.2):
 * s(x).s(y) k + s(y).grad_x k + s(x).grad_y k + grad_x.grad_y k. */
static double stein_kernel(const stein *s, int64_t i, int64_t j)
{
    const double *x = s->x + i * s->d, *y = s->x + j * s->d, *a = s->score + i * s->d, *b = s->score + j * s->d;
    double q = 0.0, both = 0.0, cross = 0.0, fourth = 0.0;
    for (int64_t l = 0; l < s->d; l++) {
        const double u = x[l] - y[l], p = u / (s->h[l] * s->h[l]);
        q += u * p;
        fourth += p * p;
        both += a[l] * b[l];
        cross += (b[l] - a[l]) * p;
    }
    const double k = 1.0 / sqrt(1.0 + q), k3 = k * k * k;
    return both * k - cross * k3 + s->precision * k3 - 3.0 * fourth * k3 * k * k;
}

static lk_status add_chosen(lk_context *ctx, void *state, int thread, int64_t task)
{
    stein *s = state;
    (void)ctx;
    (void)thread;
    const int64_t end = (task + 1) * TASK_ROWS < s->rows ? (task + 1) * TASK_ROWS : s->rows;
    s->best[task] = task * TASK_ROWS;
    for (int64_t i = task * TASK_ROWS; i < end; i++) {
        s->sums[i] += s->chosen < 0 ? 0.5 * stein_kernel(s, i, i) : stein_kernel(s, i, s->chosen);
        s->best[task] = s->sums[i] < s->sums[s->best[task]] ? i : s->best[task];
    }
    return LK_OK;
}

lk_status lki_stein_thin(lk_context *ctx, const double *x, const double *score, int64_t rows, int64_t d, const double *h, int64_t size,
                         int64_t *out, double *discrepancy)
{
    stein s = {.x = x, .score = score, .h = h, .rows = rows, .d = d, .chosen = -1};
    const int64_t tasks = (rows + TASK_ROWS - 1) / TASK_ROWS;
    double total = 0.0;
    lk_status status = LK_OK;
    for (int64_t l = 0; l < d; l++) {
        s.precision += 1.0 / (h[l] * h[l]);
    }
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)rows, sizeof *s.sums, &s.sums));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)tasks, sizeof *s.best, &s.best));
    for (int64_t step = 0; step < size; step++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        lki_progress(ctx, "stein thinning", (double)step, (double)size, "");
        LKI_GOTO(status, done, lki_parallel(ctx, tasks, add_chosen, &s));
        s.chosen = s.best[0];
        for (int64_t task = 1; task < tasks; task++) {
            s.chosen = s.sums[s.best[task]] < s.sums[s.chosen] ? s.best[task] : s.chosen;
        }
        out[step] = s.chosen;
        total += 2.0 * s.sums[s.chosen]; /* k(x, x) + 2 sum over the earlier ones */
    }
    *discrepancy = sqrt(fmax(total, 0.0)) / (double)size;
done:
    lki_release(ctx, s.sums);
    lki_release(ctx, s.best);
    return status;
}

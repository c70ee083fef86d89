/* How probable rows are to a net, and the temperature that makes them most probable: temperature scaling (Guo, Pleiss, Sun and Weinberger
 * 2017, arXiv:1706.04599, section 4.2), for a normal law one factor of all spreads. log T has a normal prior of sd PRIOR_SD: few rows that are
 * all told right would else drive T to 0. */
#include "net/net.h"

#include "core/reduce.h"
#include <math.h>

#define PRIOR_SD 0.5

typedef struct looking {
    const lki_net *net;
    const double *weights;
    int64_t members;
    double temperature;
    const lki_net_rows *rows;
    double *work;
    int64_t stride; /* of work, a thread */
} looking;

static lk_status look_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const looking *k = state;
    const lki_net_rows *r = k->rows;
    (void)ctx;
    for (int64_t i = index * LKI_BLOCK_ROWS; i < r->count && i < (index + 1) * LKI_BLOCK_ROWS; i++) {
        const int64_t row = r->list[i];
        sums[0] += r->weights[row];
        sums[1] += r->weights[row] * lki_net_log_row(k->net, k->weights, k->members, k->temperature, r->values + row * r->columns,
                                                     k->work + (int64_t)thread * k->stride);
    }
    return LK_OK;
}

lk_status lki_net_mean_log(lk_context *ctx, const lki_net *net, const double *weights, int64_t members, double temperature,
                           const lki_net_rows *rows, double *out)
{
    looking k = {.net = net, .weights = weights, .members = members, .temperature = temperature, .rows = rows,
                 .stride = 2 * net->shape.width + members + lki_net_raw(&net->shape)};
    double sums[2];
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)lki_threads(ctx), (size_t)k.stride), sizeof(double), &k.work));
    lki_reduction reduction = {.blocks = (rows->count + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .length = 2, .block = look_block, .state = &k};
    lk_status status = lki_reduce(ctx, &reduction, sums);
    lki_release(ctx, k.work);
    if (status == LK_OK) {
        *out = sums[1] / sums[0];
    }
    return status;
}

/* The mean log probability at temperature exp(log_t), with the prior's share for a row. */
static lk_status worth(lk_context *ctx, const lki_net *net, const lki_net_rows *rows, double log_t, double *out)
{
    double total = 0.0;
    for (int64_t i = 0; i < rows->count; i++) {
        total += rows->weights[rows->list[i]];
    }
    LKI_TRY(lki_net_mean_log(ctx, net, net->weights, net->shape.members, exp(log_t), rows, out));
    *out -= 0.5 * log_t * log_t / (PRIOR_SD * PRIOR_SD) / total;
    return LK_OK;
}

/* Golden-section search in log T, within a factor of 20; T = 1 stays unless another is better. */
lk_status lki_net_fit_temperature(lk_context *ctx, lki_net *net, const lki_net_rows *rows)
{
    static const double golden = 0.61803398874989484820;
    double low = -log(20.0), high = log(20.0), at[2] = {high - golden * (high - low), low + golden * (high - low)}, value[2], plain;
    for (int i = 0; i < 2; i++) {
        LKI_TRY(worth(ctx, net, rows, at[i], &value[i]));
    }
    for (int step = 0; step < 30; step++) {
        const int drop = value[0] < value[1] ? 0 : 1; /* the side that goes */
        *(drop == 0 ? &low : &high) = at[drop];
        at[drop] = at[1 - drop];
        value[drop] = value[1 - drop];
        const int fresh = 1 - drop;
        at[fresh] = drop == 0 ? low + golden * (high - low) : high - golden * (high - low);
        LKI_TRY(worth(ctx, net, rows, at[fresh], &value[fresh]));
    }
    LKI_TRY(worth(ctx, net, rows, 0.0, &plain));
    const int best = value[0] < value[1] ? 1 : 0;
    net->temperature = value[best] > plain ? exp(at[best]) : 1.0;
    return LK_OK;
}

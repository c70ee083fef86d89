/* Standard errors and intervals of the numbers that describe a model. */
#include "math/blas.h"
#include "math/special.h"
#include "model/replicate.h"
#include <likely/uncertainty.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

static lk_status options_check(lk_context *ctx, const lk_interval_options *given, lk_interval_options *o)
{
    if (given != NULL) {
        if (given->size < offsetof(lk_interval_options, weight) + sizeof given->weight) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_interval_options.size is %zu; set it to sizeof(lk_interval_options)", given->size);
        }
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    o->level = o->level != 0.0 ? o->level : 0.95;
    if (!(o->level > 0.0 && o->level < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "level is %g; it must be above 0 and below 1", o->level);
    }
    o->draws = o->draws != 0 ? o->draws : 999;
    if (o->draws < 2 || o->draws > 10000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "draws is %lld; it must be from 2 to 10000000", (long long)o->draws);
    }
    if (o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed is %lld; it must be at least 0", (long long)o->seed);
    }
    if (o->method != LK_INTERVALS_INFORMATION && o->method != LK_INTERVALS_BOOTSTRAP && o->method != LK_INTERVALS_WEIGHTED) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "method is %d; it must be a lk_interval_method", (int)o->method);
    }
    return LK_OK;
}

/* estimate +- z standard errors on the scale where the number is free: the real line, logarithms, logits. */
static void normal_interval(lki_scale scale, double z, lk_interval *item)
{
    const double e = item->estimate, s = item->standard_error;
    if (scale == LKI_SCALE_POSITIVE) {
        const double width = exp(z * s / e);
        item->lower = e / width;
        item->upper = e * width;
    } else if (scale == LKI_SCALE_SHARE) {
        const double logit = log(e) - log1p(-e), width = z * s / (e * (1.0 - e));
        item->lower = 1.0 / (1.0 + exp(width - logit));
        item->upper = 1.0 / (1.0 + exp(-width - logit));
    } else {
        item->lower = e - z * s;
        item->upper = e + z * s;
    }
}

static lk_status by_information(lk_context *ctx, const lk_model *model, const lki_dataset *data, double level, const lki_quantity *list,
                                lk_intervals *out)
{
    const lki_operations *ops = &model->operations;
    lki_information information = {0};
    LKI_TRY(lki_allocate(ctx, (size_t)out->count, sizeof(double), &information.standard_errors));
    lk_status status = ops->information(ctx, model->state, data, &information);
    const double z = lki_normal_quantile(0.5 + 0.5 * level);
    for (int64_t i = 0; status == LK_OK && i < out->count; i++) {
        out->items[i].standard_error = information.standard_errors[i];
        normal_interval(list[i].scale, z, &out->items[i]);
    }
    out->parameters = information.parameters;
    out->condition = information.condition;
    out->distance = information.distance;
    lki_release(ctx, information.standard_errors);
    return status;
}

/* ---- bootstrap ---- */

typedef struct collection {
    const lki_quantity *list;
    int64_t count, draws;
    double *values;       /* count x draws: number i of draw b */
    unsigned char *taken; /* one a draw */
} collection;

static lk_status collect(lk_context *ctx, void *state, const lki_replicate *replicate)
{
    collection *c = state;
    (void)ctx;
    for (int64_t i = 0; i < c->count; i++) {
        lki_quantity q = c->list[i];
        q.group = q.group >= 0 ? replicate->order[q.group] : q.group;
        c->values[i * c->draws + replicate->number] = replicate->fit->operations.quantity(replicate->fit->state, &q);
    }
    c->taken[replicate->number] = 1;
    return LK_OK;
}

/* Standard deviation and quantiles of the draws that were taken. */
static void summarize(const collection *c, double level, lk_intervals *out)
{
    for (int64_t i = 0; i < c->count; i++) {
        double *v = c->values + i * c->draws, mean = 0.0, squares = 0.0;
        int64_t n = 0;
        for (int64_t b = 0; b < c->draws; b++) {
            if (c->taken[b]) {
                v[n++] = v[b];
            }
        }
        for (int64_t b = 0; b < n; b++) {
            mean += v[b] / (double)n;
        }
        for (int64_t b = 0; b < n; b++) {
            squares += (v[b] - mean) * (v[b] - mean);
        }
        lki_sort_ascending(v, n);
        out->items[i].standard_error = sqrt(squares / (double)(n - 1));
        out->items[i].lower = lki_sorted_quantile(v, n, 0.5 - 0.5 * level);
        out->items[i].upper = lki_sorted_quantile(v, n, 0.5 + 0.5 * level);
    }
}

static lk_status by_bootstrap(lk_context *ctx, const lk_model *model, const lki_rows *rows, const lk_interval_options *o,
                              const lki_quantity *list, lk_intervals *out)
{
    collection c = {.list = list, .count = out->count, .draws = o->draws};
    lki_replicated counts = {0};
    lk_status status = LK_OK;
    const lki_replication replication = {
        .model = model, .rows = rows, .refit = LKI_REFIT_WARM, .draws = o->draws, .seed = (uint64_t)o->seed, .stage = "bootstrap",
        .resampling = o->method == LK_INTERVALS_WEIGHTED ? LKI_RESAMPLE_WEIGHTS : LKI_RESAMPLE_ROWS, .take = collect, .state = &c};
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)c.count, (size_t)c.draws), sizeof *c.values, &c.values));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)c.draws, 1, &c.taken));
    LKI_GOTO(status, done, lki_replicate_fits(ctx, &replication, &counts));
    if (counts.used < 2) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "%lld of %lld fits are degenerate or impossible: the rows are too few for this model",
                          (long long)counts.left_out, (long long)o->draws);
        goto done;
    }
    summarize(&c, o->level, out);
    out->used = counts.used;
    out->unconverged = counts.unconverged;
    out->left_out = counts.left_out;
    out->condition = out->distance = (double)NAN;
done:
    lki_release(ctx, c.values);
    lki_release(ctx, c.taken);
    return status;
}

static lk_status intervals(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_interval_options *o, lk_intervals *out)
{
    const lki_operations *ops = &model->operations;
    lk_intervals result = {.size = out->size};
    lki_rows rows = {0};
    lki_quantity *list = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_rows_open(ctx, model, table, o->weight, &rows));
    result.count = ops->quantities(model->state, NULL);
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)result.count, sizeof *list, &list));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)result.count, sizeof *result.items, &result.items));
    ops->quantities(model->state, list);
    for (int64_t i = 0; i < result.count; i++) {
        result.items[i] = (lk_interval){.name = list[i].name, .group = list[i].group, .row = list[i].row, .column = list[i].column,
                                        .estimate = ops->quantity(model->state, &list[i])};
    }
    LKI_GOTO(status, done, o->method == LK_INTERVALS_INFORMATION ? by_information(ctx, model, &rows.data, o->level, list, &result)
                                                                 : by_bootstrap(ctx, model, &rows, o, list, &result));
    *out = result;
    result.items = NULL;
done:
    lki_release(ctx, result.items);
    lki_release(ctx, list);
    lki_rows_close(ctx, &rows);
    return status;
}

lk_status lk_model_intervals(lk_context *ctx, const lk_model *model, const lk_table *table, const lk_interval_options *options,
                             lk_intervals *out)
{
    lk_interval_options o = {0};
    lki_begin(ctx);
    LKI_TRY(options_check(ctx, options, &o));
    if (out->size < sizeof *out) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_intervals.size is %zu; set it to sizeof(lk_intervals)", out->size);
    }
    if (model->operations.quantities == NULL || (o.method == LK_INTERVALS_INFORMATION && model->operations.information == NULL)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "%s %s gives no standard errors of its parameters",
                        model->classes != NULL ? "a model with classes by the method" : "the method", model->method->public.name);
    }
    lki_blas_enter();
    lk_status status = intervals(ctx, model, table, &o, out);
    lki_blas_leave();
    return status;
}

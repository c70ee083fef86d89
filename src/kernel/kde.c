/* Kernel density estimation: the descriptor, and the fit, which keeps the rows and chooses the bandwidth. */
#include "data/json_text.h"
#include "feature_bounds.h"
#include "kde.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Up to so many rows the fit tells the mean log density of rows left out one by one. */
enum { LEFT_OUT_ROWS = 20000 };

static const lk_parameter parameters[] = {
    {"kernel", LK_PARAMETER_CHOICE, "gaussian", 0, 0, LKI_DENSITY_KERNELS, NULL, "the kernel of each feature; their product is the kernel of a row"},
    {"bandwidth", LK_PARAMETER_TEXT, "scott", 0, 0, NULL, "H",
     "a number, or one for each feature, in its unit (the kernel's argument is (x - y) / H); a covariance matrix, row by row (kernel gaussian); or a rule: " LKI_BANDWIDTH_RULES},
    {"bounds", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "ends of features, as in x=0:,y=0:1, at which kernels are reflected, so that the density integrates to 1 between them"},
    {"regression", LK_PARAMETER_CHOICE, "constant", 0, 0, "constant,linear", NULL,
     "how features depend on those that are given: by local constants (Nadaraya-Watson) or local lines"},
    {"rtol", LK_PARAMETER_REAL, "0", 0, 0.5, NULL, "X",
     "densities may be off by X of themselves, every one of them, where that is cheaper; kernel gaussian; 0 = exact"},
};

/* Ends (2 d: lower, then upper), or NULL where there are none. */
static lk_status find_bounds(lk_context *ctx, const lki_fit_task *task, double **out)
{
    const char *text = lki_value_text(task->values, "bounds");
    const int64_t d = task->data->d;
    double *ends;
    bool any = false;
    if (text == NULL || text[0] == '\0') {
        return LK_OK;
    }
    if (task->data->transform != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bounds go with features as they are; a transform (log, logit) does away with ends by itself");
    }
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)d, sizeof *ends, &ends));
    const lk_status status = lki_bounds_parse(ctx, text, task->names, d, ends, ends + d);
    for (int64_t i = 0; i < 2 * d; i++) {
        any = any || isfinite(ends[i]);
    }
    if (status != LK_OK || !any) {
        lki_release(ctx, ends);
        return status;
    }
    *out = ends;
    return LK_OK;
}

static lk_status check_inside(lk_context *ctx, const lki_fit_task *task, const double *ends, const double *x, int64_t row)
{
    const int64_t d = task->data->d;
    for (int64_t j = 0; j < d; j++) {
        if (x[j] < ends[j] || x[j] > ends[d + j]) {
            return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %s is %g, outside its bounds %g to %g", (long long)row + 1, task->names[j], x[j], ends[j], ends[d + j]);
        }
    }
    return LK_OK;
}

lk_status lki_kde_gather(lk_context *ctx, const lki_fit_task *task, const double *ends, lki_kde_gathered *g)
{
    const lki_dataset *data = task->data;
    lki_block block = {0};
    lk_status status = LK_OK;
    for (int64_t b = 0; b < data->blocks; b++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, data, b, &block));
        lki_progress(ctx, "read", (double)b, (double)data->blocks, "");
        LKI_GOTO(status, done, lki_grow(ctx, &g->x, &g->x_capacity, lki_product((size_t)(g->n + block.rows), (size_t)data->d), sizeof(double)));
        LKI_GOTO(status, done, lki_grow(ctx, &g->w, &g->w_capacity, (size_t)(g->n + block.rows), sizeof(double)));
        for (int64_t i = 0; i < block.rows; i++) {
            const double w = block.w != NULL ? block.w[i] : 1.0;
            if (w > 0.0) {
                LKI_GOTO(status, done, ends != NULL ? check_inside(ctx, task, ends, block.x + i * data->d, block.first_row + i) : LK_OK);
                memcpy(g->x + g->n * data->d, block.x + i * data->d, (size_t)data->d * sizeof(double));
                g->w[g->n++] = w;
                g->total += w;
            }
        }
    }
    if (g->n == 0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "no row has a weight above 0");
    }
done:
    lki_block_free(ctx, &block);
    return status;
}

static lk_status report_choice(lk_context *ctx, const lki_kde_choice *choice, const lki_kde_rows *rows, lki_report *report)
{
    report->n = rows->total;
    report->log_likelihood = report->free_parameters = report->entropy = (double)NAN; /* its rows are the model: they tell nothing of it */
    report->iterations = -1;
    report->converged = -1;
    memcpy(report->degenerate, choice->degenerate, sizeof choice->degenerate);
    if (isnan(choice->leave_one_out)) {
        return LK_OK;
    }
    report->extra = json_object();
    if (report->extra == NULL) {
        return lki_json_memory(ctx);
    }
    return lki_json_set(ctx, report->extra, "leave_one_out", lki_json_number(choice->leave_one_out));
}

static lk_status kde_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    const lki_kernel_law *law = lki_kernel_law_find(lki_value_text(task->values, "kernel"));
    const bool linear = strcmp(lki_value_text(task->values, "regression"), "linear") == 0;
    lki_kde_gathered g = {0};
    lki_kde_choice choice = {.leave_one_out = (double)NAN};
    lki_kde *kde = NULL;
    double *ends = NULL, *matrix = NULL;
    const char *text = lki_value_text(task->values, "bandwidth");
    lk_status status = LK_OK;
    LKI_GOTO(status, done, find_bounds(ctx, task, &ends));
    LKI_GOTO(status, done, lki_kde_gather(ctx, task, ends, &g));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)task->data->d, sizeof(double), &choice.bandwidth));
    const lki_kde_rows rows = {g.x, g.w, task->names, g.n, task->data->d, g.total};
    LKI_GOTO(status, done, lki_kde_matrix(ctx, law, text, &rows, &matrix));
    if (matrix != NULL && (ends != NULL || linear)) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "a bandwidth that is a matrix goes without bounds and with regression constant, which already follows its slope");
        goto done;
    }
    if (matrix == NULL) {
        LKI_GOTO(status, done, lki_kde_bandwidth(ctx, law, text, &rows, &choice));
    }
    const lki_kde_shape shape = {law, linear, choice.bandwidth, matrix, ends, ends != NULL ? ends + task->data->d : NULL};
    if (ends != NULL) {
        LKI_GOTO(status, done, lki_kde_check_bounds(ctx, law, choice.bandwidth, shape.low, shape.high, task->names, task->data->d));
    }
    if (matrix != NULL || ends != NULL) { /* that of the plain product kernel would be another's */
        choice.leave_one_out = (double)NAN;
    } else if (g.n > 1 && g.n <= LEFT_OUT_ROWS && isnan(choice.leave_one_out)) {
        LKI_GOTO(status, done, lki_kde_leave_one_out(ctx, law, &rows, choice.bandwidth, &choice.leave_one_out));
    }
    choice.leave_one_out += task->log_jacobian / g.total;
    LKI_GOTO(status, done, lki_kde_new(ctx, &shape, g.x, g.w, g.n, task->data->d, &kde));
    LKI_GOTO(status, done, lki_kde_tolerate(ctx, kde, lki_value_real(task->values, "rtol")));
    LKI_GOTO(status, done, report_choice(ctx, &choice, &rows, report));
    *state = kde;
    kde = NULL;
done:
    if (kde != NULL) {
        lki_kde_free(&kde->memory, kde);
    }
    lki_release(ctx, g.x);
    lki_release(ctx, g.w);
    lki_release(ctx, choice.bandwidth);
    lki_release(ctx, ends);
    lki_release(ctx, matrix);
    return status;
}

LKI_METHOD(kde, 10) = {
    .public = {.name = "kde",
               .summary = "Kernel density: a kernel at every row",
               .citation = "Silverman 1986, Density Estimation for Statistics and Data Analysis",
               .parameters = parameters,
               .parameter_count = sizeof parameters / sizeof parameters[0],
               .roles = "features,weight",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_SCORE | LK_OPERATION_SAMPLE | LK_OPERATION_MARGINAL | LK_OPERATION_CDF |
                             LK_OPERATION_CONDITION | LK_OPERATION_SMOOTH},
    .operations = &lki_kde_operations,
    .fit = kde_fit,
};

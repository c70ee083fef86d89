/* The model object and its public operations: transformed rows in blocks over threads, one answer a row. */
#include "model/model_impl.h"

#include "data/json_text.h"
#include "data/table_impl.h"
#include "math/blas.h"
#include "model/parameters.h"
#include "data/text_builder.h"
#include <math.h>
#include <string.h>

lki_report lki_report_unknown(void)
{
    return (lki_report){.n = (double)NAN, .log_likelihood = (double)NAN, .free_parameters = (double)NAN, .entropy = (double)NAN, .iterations = -1,
                        .converged = -1};
}

lk_status lki_model_new(lk_context *ctx, const lki_method *method, int64_t d, const char *const *names, lk_model **out)
{
    lk_status status = LK_OK;
    lk_model *model = NULL;
    LKI_GOTO(status, failed, lki_zeros(ctx, 1, sizeof *model, &model));
    model->memory = lki_memory_of(ctx);
    model->method = method;
    model->operations = *method->operations;
    model->seed = -1;
    model->report = lki_report_unknown();
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)d, sizeof *model->names, &model->names));
    model->d = d;
    for (int64_t j = 0; j < d; j++) {
        if (names != NULL) {
            LKI_GOTO(status, failed, lki_copy_text(ctx, names[j], &model->names[j]));
        } else {
            LKI_GOTO(status, failed, lki_format_text(ctx, &model->names[j], "x%lld", (long long)j + 1));
        }
    }
    model->remarks = json_array();
    if (model->remarks == NULL) {
        status = lki_json_memory(ctx);
        goto failed;
    }
    *out = model;
    return LK_OK;
failed:
    lk_model_free(model);
    return status;
}

lk_status lki_model_shadow(lk_context *ctx, const lk_model *model, int64_t d, lk_model **out)
{
    lk_model *shadow;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *shadow, &shadow));
    shadow->memory = lki_memory_of(ctx);
    shadow->method = model->method;
    shadow->operations = model->operations;
    shadow->seed = -1;
    shadow->report = lki_report_unknown();
    lk_status status = lki_zeros(ctx, (size_t)d, sizeof *shadow->names, &shadow->names);
    if (status != LK_OK) {
        lk_model_free(shadow);
        return status;
    }
    shadow->d = d;
    *out = shadow;
    return LK_OK;
}

void lk_model_free(lk_model *model)
{
    if (model == NULL) {
        return;
    }
    lki_memory memory = model->memory;
    if (model->state != NULL) {
        model->operations.free(&memory, model->state);
    }
    lki_values_free(&memory, model->values);
    lki_transform_free(model->transform);
    for (int64_t j = 0; j < model->d; j++) {
        lki_memory_release(&memory, model->names[j]);
    }
    lki_memory_release(&memory, model->names);
    json_decref(model->report.extra);
    json_decref(model->label);
    lk_table_free(model->classes);
    json_decref(model->held_out);
    lki_memory_release(&memory, model->calibration);
    json_decref(model->remarks);
    lki_memory_release(&memory, model);
}

lk_status lki_model_remark(lk_context *ctx, lk_model *model, const char *text)
{
    LKI_TRY(lki_json_append(ctx, model->remarks, json_string(text)));
    lki_message(ctx, "%s", text);
    return LK_OK;
}

lk_status lki_model_take_classes(lk_context *ctx, lk_model *model)
{
    const json_t *levels = json_object_get(model->label, "levels");
    const char *name = json_string_value(json_object_get(model->label, "name"));
    lk_status status = lki_table_new(ctx, 1, &model->classes);
    if (status != LK_OK) {
        return status;
    }
    lki_table_column *column = &model->classes->columns[0];
    column->type = LK_TYPE_CATEGORY;
    status = lki_table_set_name(ctx, model->classes, 0, name, strlen(name));
    for (size_t k = 0; k < json_array_size(levels) && status == LK_OK; k++) {
        const char *level = json_string_value(json_array_get(levels, k));
        size_t number;
        status = lki_string_list_intern(ctx, &model->classes->memory, &column->strings, level, strlen(level), &number);
        if (status == LK_OK && number != k) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "the class \"%.100s\" stands twice", level);
        }
    }
    model->operations = model->method->discriminative != NULL ? *model->method->discriminative : lki_classes_operations(model->method);
    return status;
}

const lk_table *lk_model_classes(const lk_model *model)
{
    return model->classes;
}

int lk_model_trusted(const lk_model *model)
{
    return model->report.converged != 0 && model->report.degenerate[0] == '\0';
}

const lk_method *lk_model_method(const lk_model *model)
{
    return &model->method->public;
}

int64_t lk_model_dimension(const lk_model *model)
{
    return model->d;
}

int64_t lk_model_groups(const lk_model *model)
{
    const lki_operations *ops = &model->operations;
    return ops->groups != NULL && ops->responsibilities != NULL ? ops->groups(model->state) : 0;
}

int64_t lk_model_noise_group(const lk_model *model)
{
    const lki_operations *ops = &model->operations;
    return lk_model_groups(model) > 0 && ops->noise_group != NULL ? ops->noise_group(model->state) : -1;
}

int64_t lk_model_target(const lk_model *model)
{
    return model->classes == NULL && strstr(model->method->public.roles, "target") != NULL ? model->d - 1 : -1;
}

const char *lk_model_feature(const lk_model *model, int64_t feature)
{
    return feature >= 0 && feature < model->d ? model->names[feature] : NULL;
}

lki_origin lki_model_origin(const lk_model *model, lk_operation operation)
{
    const lki_operations *ops = &model->operations;
    bool own = false, derived = false;
    switch (operation) {
    case LK_OPERATION_LOG_DENSITY:
        own = ops->log_density != NULL;
        break;
    case LK_OPERATION_SCORE:
        own = ops->score != NULL;
        /* p(target | others) is no distribution of the others: its gradient would lead a sampler astray. */
        derived = ops->log_density != NULL && (lk_model_target(model) < 0 || model->d == 1);
        break;
    case LK_OPERATION_SAMPLE:
        own = ops->sample != NULL;
        break;
    case LK_OPERATION_RESPONSIBILITIES:
        own = lk_model_groups(model) > 0;
        break;
    case LK_OPERATION_MARGINAL:
        own = ops->marginal != NULL;
        break;
    case LK_OPERATION_CDF:
        own = ops->cdf != NULL;
        derived = ops->sample != NULL;
        break;
    case LK_OPERATION_CONDITION:
        own = ops->condition != NULL;
        break;
    case LK_OPERATION_SMOOTH:
        own = ops->smooth != NULL;
        break;
    case LK_OPERATION_EXPORT:
        own = ops->export != NULL;
        break;
    }
    return own ? LKI_ORIGIN_OWN : derived ? LKI_ORIGIN_DERIVED : LKI_ORIGIN_NONE;
}

#define OPERATION_VALUE(name, value, text) name,
static const lk_operation all_operations[] = {LK_OPERATION_LIST(OPERATION_VALUE)};
enum { OPERATION_COUNT = sizeof all_operations / sizeof all_operations[0] };

unsigned lk_model_operations(const lk_model *model)
{
    unsigned sum = 0;
    for (int i = 0; i < OPERATION_COUNT; i++) {
        sum |= lki_model_origin(model, all_operations[i]) != LKI_ORIGIN_NONE ? (unsigned)all_operations[i] : 0u;
    }
    return sum;
}

lk_status lki_model_supports(lk_context *ctx, const lk_model *model, lk_operation operation)
{
    if (lki_model_origin(model, operation) != LKI_ORIGIN_NONE) {
        return LK_OK;
    }
    lki_builder list = {0};
    lk_status status = lki_builder_add(ctx, &list, "");
    for (int i = 0; i < OPERATION_COUNT && status == LK_OK; i++) {
        if (lki_model_origin(model, all_operations[i]) != LKI_ORIGIN_NONE) {
            status = lki_builder_add_item(ctx, &list, lk_operation_name(all_operations[i]));
        }
    }
    if (status == LK_OK) {
        status = lki_fail(ctx, LK_ERROR_UNSUPPORTED, "this %s model%s offers %s; it does not offer %s", model->method->public.name,
                          model->classes != NULL ? " with classes" : "", list.text, lk_operation_name(operation));
    }
    lki_release(ctx, list.text);
    return status;
}

lk_status lki_question_open(lk_context *ctx, const lk_model *model, lk_operation operation, lki_question *q)
{
    LKI_TRY(lki_model_supports(ctx, model, operation));
    *q = (lki_question){.model = model, .operation = operation};
    q->columns = operation == LK_OPERATION_LOG_DENSITY        ? 1
                 : operation == LK_OPERATION_RESPONSIBILITIES ? lk_model_groups(model)
                                                              : model->d;
    q->marginals = operation != LK_OPERATION_CDF && model->operations.marginal != NULL &&
                   lki_model_origin(model, operation) == LKI_ORIGIN_OWN;
    if (operation == LK_OPERATION_CDF && model->transform != NULL) {
        LKI_TRY(lki_zeros(ctx, (size_t)model->d, sizeof *q->inner, &q->inner));
        lki_transform_invert(model->transform, q->inner, 1, q->inner);
    }
    return lki_model_origin(model, operation) == LKI_ORIGIN_DERIVED ? lki_derive_prepare(ctx, q) : LK_OK;
}

void lki_question_close(lk_context *ctx, lki_question *q)
{
    lki_release(ctx, q->inner);
    lki_release(ctx, q->scale);
    lki_release(ctx, q->draws);
    *q = (lki_question){0};
}

void lki_scratch_free(lk_context *ctx, lki_scratch *scratch)
{
    lki_release(ctx, scratch->z);
    lki_release(ctx, scratch->log_jacobian);
    lki_release(ctx, scratch->kind);
    lki_incomplete_free(ctx, scratch->incomplete);
    *scratch = (lki_scratch){0};
}

static lk_status scratch_reserve(lk_context *ctx, lki_scratch *s, int64_t rows, int64_t d)
{
    if (s->rows >= rows) {
        return LK_OK;
    }
    lki_scratch_free(ctx, s);
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *s->z, &s->z));
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *s->log_jacobian, &s->log_jacobian));
    LKI_TRY(lki_allocate(ctx, (size_t)rows, 1, &s->kind));
    s->rows = rows;
    return LK_OK;
}

static int row_kind(const double *x, const double *z, int64_t d)
{
    int kind = LKI_ROW_PLAIN;
    for (int64_t j = 0; j < d; j++) {
        if (isnan(x[j])) {
            return LKI_ROW_MISSING;
        }
        kind = isfinite(z[j]) ? kind : LKI_ROW_OUTSIDE;
    }
    return kind;
}

/* Gives the family finite rows only: any other takes the place of the block's first plain row, so that the family sees nothing
 * unusual. Returns the rows to ask (x itself where nothing had to change), or NULL if none is plain. */
static const double *rows_prepare(const lki_question *q, lki_scratch *s, const double *x, int64_t rows, bool *plain)
{
    int64_t d = q->model->d, first = -1;
    const double *z = x;
    if (q->model->transform != NULL) {
        lki_transform_apply(q->model->transform, x, rows, s->z, s->log_jacobian, NULL);
        z = s->z;
    }
    *plain = true;
    for (int64_t i = 0; i < rows; i++) {
        s->kind[i] = (unsigned char)row_kind(x + i * d, z + i * d, d);
        *plain = *plain && s->kind[i] == LKI_ROW_PLAIN;
        first = first < 0 && s->kind[i] == LKI_ROW_PLAIN ? i : first;
    }
    if (*plain || first < 0) {
        return first < 0 ? NULL : z;
    }
    if (z == x) {
        memcpy(s->z, x, (size_t)(rows * d) * sizeof *x);
    }
    for (int64_t i = 0; i < rows; i++) {
        if (s->kind[i] != LKI_ROW_PLAIN) {
            memcpy(s->z + i * d, s->z + first * d, (size_t)d * sizeof *x);
        }
    }
    return s->z;
}

static lk_status family_block(lk_context *ctx, const lki_question *q, const double *z, int64_t rows, double *out)
{
    const lki_operations *ops = &q->model->operations;
    const void *state = q->model->state;
    switch (q->operation) {
    case LK_OPERATION_LOG_DENSITY:
        return ops->log_density(ctx, state, z, rows, out);
    case LK_OPERATION_SCORE:
        return ops->score != NULL ? ops->score(ctx, state, z, rows, out) : lki_derive_score(ctx, q, z, rows, out);
    case LK_OPERATION_RESPONSIBILITIES:
        return ops->responsibilities(ctx, state, z, rows, out);
    case LK_OPERATION_CDF:
        if (ops->cdf != NULL) {
            return ops->cdf(ctx, state, z, rows, out);
        }
        lki_derive_cdf(q, z, rows, out);
        return LK_OK;
    case LK_OPERATION_SAMPLE:
    case LK_OPERATION_MARGINAL:
    case LK_OPERATION_CONDITION:
    case LK_OPERATION_SMOOTH:
    case LK_OPERATION_EXPORT:
        break;
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "operation %u does not take rows", (unsigned)q->operation);
}

/* z = t(x), or x itself where there is no transform; returns whether all of it is finite. */
static bool transform_into(const lki_question *q, const double *x, int64_t rows, double *z)
{
    int64_t count = rows * q->model->d;
    if (q->model->transform != NULL) {
        lki_transform_apply(q->model->transform, x, rows, z, NULL, NULL);
    } else {
        memcpy(z, x, (size_t)count * sizeof *x);
    }
    bool finite = true;
    for (int64_t i = 0; i < count; i++) {
        finite = finite && isfinite(z[i]);
    }
    return finite;
}

/* Distribution functions of one feature at a time: a missing or infinite value spoils no other feature. */
static lk_status cdf_block(lk_context *ctx, const lki_question *q, lki_scratch *s, const double *x, int64_t rows, double *out)
{
    int64_t d = q->model->d;
    bool finite = transform_into(q, x, rows, s->z);
    for (int64_t i = 0; !finite && i < rows * d; i++) {
        s->z[i] = isfinite(s->z[i]) ? s->z[i] : 0.0;
    }
    LKI_TRY(family_block(ctx, q, s->z, rows, out));
    if (finite) {
        return LK_OK;
    }
    /* Every transform increases: a value outside its domain lies on the same side of the domain as of an inner point. */
    transform_into(q, x, rows, s->z);
    for (int64_t i = 0; i < rows * d; i++) {
        if (!isfinite(s->z[i])) {
            double inner = q->inner != NULL ? q->inner[i % d] : 0.0;
            out[i] = isnan(x[i]) ? (double)NAN : x[i] < inner ? 0.0 : 1.0;
        }
    }
    return LK_OK;
}

lk_status lki_question_block(lk_context *ctx, const lki_question *q, lki_scratch *s, const double *x, int64_t rows, double *out)
{
    const lki_transform *t = q->model->transform;
    int64_t columns = q->columns;
    LKI_TRY(scratch_reserve(ctx, s, rows, q->model->d));
    if (q->operation == LK_OPERATION_CDF) {
        return cdf_block(ctx, q, s, x, rows, out);
    }
    bool plain;
    const double *z = rows_prepare(q, s, x, rows, &plain);
    if (z != NULL) {
        LKI_TRY(family_block(ctx, q, z, rows, out));
        if (t != NULL && q->operation == LK_OPERATION_SCORE) {
            lki_transform_gradient(t, x, rows, out);
        }
        for (int64_t i = 0; t != NULL && q->operation == LK_OPERATION_LOG_DENSITY && i < rows; i++) {
            out[i] += s->log_jacobian[i];
        }
    }
    bool incomplete = false;
    for (int64_t i = 0; !plain && i < rows; i++) {
        if (s->kind[i] != LKI_ROW_PLAIN) {
            bool nowhere = s->kind[i] == LKI_ROW_OUTSIDE && q->operation == LK_OPERATION_LOG_DENSITY;
            for (int64_t j = 0; j < columns; j++) {
                out[i * columns + j] = nowhere ? -(double)INFINITY : (double)NAN;
            }
            incomplete = incomplete || s->kind[i] == LKI_ROW_MISSING;
        }
    }
    return incomplete && q->marginals ? lki_incomplete_block(ctx, q, s, x, rows, out) : LK_OK;
}

/* One public call on an array of rows. */
typedef struct asking {
    lki_question question;
    lki_scratch *scratch; /* one a thread */
    const double *x;
    int64_t rows;
    double *out;
} asking;

static lk_status ask_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    asking *a = state;
    int64_t first = index * LKI_BLOCK_ROWS, rows = a->rows - first;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    LKI_TRY(lki_cancelled(ctx));
    return lki_question_block(ctx, &a->question, &a->scratch[thread], a->x + first * a->question.model->d, rows,
                              a->out + first * a->question.columns);
}

static lk_status ask(lk_context *ctx, const lk_model *model, lk_operation operation, const double *x, int64_t rows, double *out)
{
    asking a = {.x = x, .rows = rows, .out = out};
    lk_status status = LK_OK;
    int threads = lki_threads(ctx);
    lki_begin(ctx);
    if (rows < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows is %lld; it must be at least 0", (long long)rows);
    }
    lki_blas_enter();
    LKI_GOTO(status, done, lki_question_open(ctx, model, operation, &a.question));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *a.scratch, &a.scratch));
    status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, ask_block, &a);
done:
    for (int i = 0; a.scratch != NULL && i < threads; i++) {
        lki_scratch_free(ctx, &a.scratch[i]);
    }
    lki_release(ctx, a.scratch);
    lki_question_close(ctx, &a.question);
    lki_blas_leave();
    return status;
}

lk_status lk_model_log_density(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return ask(ctx, model, LK_OPERATION_LOG_DENSITY, x, rows, out);
}

lk_status lk_model_score(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return ask(ctx, model, LK_OPERATION_SCORE, x, rows, out);
}

lk_status lk_model_responsibilities(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return ask(ctx, model, LK_OPERATION_RESPONSIBILITIES, x, rows, out);
}

lk_status lk_model_cdf(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return ask(ctx, model, LK_OPERATION_CDF, x, rows, out);
}

typedef struct drawing {
    const lk_model *model;
    uint64_t seed;
    int64_t first_row, rows;
    double *out;
} drawing;

static lk_status draw_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const drawing *a = state;
    const lk_model *model = a->model;
    int64_t first = index * LKI_BLOCK_ROWS, rows = a->rows - first;
    double *out = a->out + first * model->d;
    (void)thread;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    LKI_TRY(lki_cancelled(ctx));
    return model->operations.sample(ctx, model->state, a->seed, a->first_row + first, rows, out);
}

lk_status lki_model_draw(lk_context *ctx, const lk_model *model, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    drawing a = {model, seed, first_row, rows, out};
    return lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, draw_block, &a);
}

lk_status lki_model_draw_block(lk_context *ctx, const lk_model *model, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    LKI_TRY(model->operations.sample(ctx, model->state, seed, first_row, rows, out));
    if (model->transform != NULL) {
        lki_transform_invert(model->transform, out, rows, out);
    }
    return LK_OK;
}

static lk_status sample_check(lk_context *ctx, int64_t seed, int64_t first_row, int64_t rows)
{
    if (rows < 0 || first_row < 0 || seed < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed %lld, first row %lld, %lld rows: each must be at least 0", (long long)seed,
                        (long long)first_row, (long long)rows);
    }
    return LK_OK;
}

lk_status lk_model_sample_classes(lk_context *ctx, const lk_model *model, int64_t seed, int64_t first_row, int64_t rows, int64_t *out)
{
    lki_begin(ctx);
    if (!lki_model_by_class(model)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, model->classes == NULL ? "this %s model has no classes: it was fitted without a label"
                        : "this %s model tells the class of a row and draws none", model->method->public.name);
    }
    LKI_TRY(sample_check(ctx, seed, first_row, rows));
    return lki_classes_drawn(ctx, model->state, (uint64_t)seed, first_row, rows, out);
}

lk_status lk_model_sample(lk_context *ctx, const lk_model *model, int64_t seed, int64_t first_row, int64_t rows, double *out)
{
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SAMPLE));
    LKI_TRY(sample_check(ctx, seed, first_row, rows));
    lki_blas_enter();
    lk_status status = lki_model_draw(ctx, model, (uint64_t)seed, first_row, rows, out);
    lki_blas_leave();
    if (status == LK_OK && model->transform != NULL) {
        lki_transform_invert(model->transform, out, rows, out);
    }
    return status;
}

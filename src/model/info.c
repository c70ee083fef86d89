/* All that is known about a model as one JSON text, its keys always in the same order. */
#include "math/blas.h"
#include "data/json_text.h"
#include "model/model_impl.h"
#include "model/parameters.h"

#include <math.h>
#include <string.h>

/* The value of a parameter as JSON: a flag or a number as such, anything else as its canonical text. */
static json_t *parameter_json(const lki_values *v, const lk_parameter *p, const char *text)
{
    switch (p->type) {
    case LK_PARAMETER_FLAG:
        return json_boolean(lki_value_flag(v, p->name));
    case LK_PARAMETER_INTEGER:
        return json_integer((json_int_t)lki_value_integer(v, p->name));
    case LK_PARAMETER_REAL:
        return lki_json_number(lki_value_real(v, p->name));
    case LK_PARAMETER_RANGE:
    case LK_PARAMETER_CHOICE:
    case LK_PARAMETER_CHOICES:
    case LK_PARAMETER_TEXT:
        break;
    }
    return json_string(text);
}

static lk_status info_parameters(lk_context *ctx, const lk_model *model, json_t *info)
{
    const lk_method *method = &model->method->public;
    json_t *object = json_object();
    lk_status status = lki_json_set(ctx, info, "parameters", object); /* info owns it now */
    for (int64_t i = 0; i < method->parameter_count && status == LK_OK; i++) {
        const lk_parameter *p = &method->parameters[i];
        const char *text = lki_values_text_at(model->values, i);
        status = lki_json_set(ctx, object, p->name, text != NULL ? parameter_json(model->values, p, text) : json_null());
    }
    if (status == LK_OK && json_object_get(object, "seed") == NULL) {
        status = lki_json_set(ctx, object, "seed", model->seed >= 0 ? json_integer((json_int_t)model->seed) : json_null());
    }
    return status;
}

/* bic, icl and aic are 2 log L minus penalty: larger is better; n is the sum of weights. */
static lk_status info_report(lk_context *ctx, const lki_report *r, json_t *info)
{
    double bic = 2.0 * r->log_likelihood - r->free_parameters * log(r->n);
    LKI_TRY(lki_json_set(ctx, info, "log_likelihood", lki_json_number(r->log_likelihood)));
    LKI_TRY(lki_json_set(ctx, info, "bic", lki_json_number(bic)));
    LKI_TRY(lki_json_set(ctx, info, "icl", lki_json_number(bic - 2.0 * r->entropy)));
    LKI_TRY(lki_json_set(ctx, info, "aic", lki_json_number(2.0 * r->log_likelihood - 2.0 * r->free_parameters)));
    LKI_TRY(lki_json_set(ctx, info, "free_parameters", lki_json_number(r->free_parameters)));
    LKI_TRY(lki_json_set(ctx, info, "converged", r->converged < 0 ? json_null() : json_boolean(r->converged)));
    LKI_TRY(lki_json_set(ctx, info, "iterations", r->iterations < 0 ? json_null() : json_integer((json_int_t)r->iterations)));
    return lki_json_set(ctx, info, "degenerate", r->degenerate[0] == '\0' ? json_null() : json_string(r->degenerate));
}

static lk_status info_columns(lk_context *ctx, const lk_model *model, json_t *info)
{
    json_t *array = json_array();
    lk_status status = lki_json_set(ctx, info, "columns", array);
    for (int64_t j = 0; j < model->d && status == LK_OK; j++) {
        status = lki_json_append(ctx, array, json_string(model->names[j]));
    }
    return status;
}

static lk_status info_transform(lk_context *ctx, const lk_model *model, json_t *info)
{
    char *text;
    json_t *value;
    if (model->transform == NULL) {
        return lki_json_set(ctx, info, "transform", json_null());
    }
    LKI_TRY(lki_transform_json(ctx, model->transform, &text));
    lk_status status = lki_json_read(ctx, text, strlen(text), "transform", &value);
    lki_release(ctx, text);
    return status == LK_OK ? lki_json_set(ctx, info, "transform", value) : status;
}

/* A copy, because a count of references in a shared model would be written by each of its users. */
static lk_status info_copy(lk_context *ctx, json_t *info, const char *key, const json_t *value)
{
    return lki_json_set(ctx, info, key, value != NULL ? json_deep_copy(value) : json_null());
}

/* The entries of the family's report, behind all others. */
static lk_status info_extra(lk_context *ctx, const json_t *extra, json_t *info)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)extra, key, value)
    {
        if (json_object_get(info, key) == NULL) {
            LKI_TRY(info_copy(ctx, info, key, value));
        }
    }
    return LK_OK;
}

/* Each class: its name, its probability, and what a model of its rows alone would tell. */
static lk_status info_class(lk_context *ctx, const lk_model *model, int64_t k, json_t *info)
{
    const lki_classes *c = model->state;
    const lki_operations *ops = c->method->operations;
    LKI_TRY(lki_json_set(ctx, info, "class", json_string(lk_table_level(model->classes, 0, k))));
    LKI_TRY(lki_json_set(ctx, info, "prior", json_real(c->priors[k])));
    LKI_TRY(lki_json_set(ctx, info, "n", lki_json_number(c->reports[k].n)));
    LKI_TRY(info_report(ctx, &c->reports[k], info));
    if (ops->info != NULL) {
        LKI_TRY(ops->info(ctx, c->states[k], info));
    }
    return info_extra(ctx, c->reports[k].extra, info);
}

static lk_status info_classes(lk_context *ctx, const lk_model *model, json_t *info)
{
    json_t *array = json_array();
    lk_status status = lki_json_set(ctx, info, "classes", array); /* info owns it now */
    for (int64_t k = 0; k < lk_table_levels(model->classes, 0) && status == LK_OK; k++) {
        json_t *object = json_object();
        status = lki_json_append(ctx, array, object);
        status = status == LK_OK ? info_class(ctx, model, k, object) : status;
    }
    return status;
}

static lk_status info_fill(lk_context *ctx, const lk_model *model, json_t *info)
{
    const lki_operations *ops = &model->operations;
    LKI_TRY(lki_json_set(ctx, info, "method", json_string(model->method->public.name)));
    LKI_TRY(info_parameters(ctx, model, info));
    LKI_TRY(lki_json_set(ctx, info, "n", lki_json_number(model->report.n)));
    LKI_TRY(lki_json_set(ctx, info, "d", json_integer((json_int_t)model->d)));
    LKI_TRY(info_report(ctx, &model->report, info));
    if (ops->info != NULL) {
        LKI_TRY(ops->info(ctx, model->state, info));
    }
    LKI_TRY(info_columns(ctx, model, info));
    LKI_TRY(info_copy(ctx, info, "label", model->label));
    if (lki_model_by_class(model)) {
        LKI_TRY(info_classes(ctx, model, info));
    }
    LKI_TRY(info_transform(ctx, model, info));
    LKI_TRY(info_copy(ctx, info, "held_out", model->held_out));
    if (model->calibration != NULL) {
        LKI_TRY(lki_json_set(ctx, info, "calibration", lki_calibration_json(model->calibration)));
    }
    LKI_TRY(info_copy(ctx, info, "remarks", model->remarks));
    return info_extra(ctx, model->report.extra, info);
}

lk_status lk_model_info(lk_context *ctx, const lk_model *model, char **out)
{
    lki_begin(ctx);
    json_t *info = json_object();
    if (info == NULL) {
        return lki_json_memory(ctx);
    }
    lki_blas_enter();
    lk_status status = info_fill(ctx, model, info);
    lki_blas_leave();
    if (status == LK_OK) {
        status = lki_json_write(ctx, info, false, out);
    }
    json_decref(info);
    return status;
}

/* Fitting a method to a table: roles, survey, transform, the family's fit, and the likelihood of held-out rows. */
#include "data/roles.h"
#include "math/blas.h"
#include "data/json_text.h"
#include "data/number.h"
#include "model/pooled.h"
#include "model/class_quality.h"
#include "model/parameters.h"
#include "model/row_mean.h"
#include "model/survey.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* All that the fits of one call (the model's own and those of the folds) have in common. */
typedef struct fitting {
    const lki_method *method;
    const lk_table *table;
    lk_fit_options options;
    int64_t *features;
    int64_t d;
    int64_t label, weight, partition; /* -1 = none */
    lki_labels labels;     /* of the label column */
    const char **names;
    lki_values *values;
} fitting;

static lk_status options_check(lk_context *ctx, const lk_fit_options *given, lk_fit_options *options)
{
    if (given == NULL) {
        return LK_OK;
    }
    if (given->size < offsetof(lk_fit_options, settings) + sizeof given->settings) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_fit_options.size is %zu; set it to sizeof(lk_fit_options)", given->size);
    }
    memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
    if (!(options->holdout >= 0.0 && options->holdout < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "holdout is %g; it must be a share above 0 and below 1", options->holdout);
    }
    if (options->folds < 0 || options->folds == 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "folds is %lld; it must be at least 2", (long long)options->folds);
    }
    if (options->folds > 0 && options->holdout > 0.0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "holdout and folds are both given; give one of them");
    }
    if (!(options->calibrate >= 0.0 && options->calibrate < 1.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "calibrate is %g; it must be a share above 0 and below 1", options->calibrate);
    }
    if (options->calibrate > 0.0 && (options->folds > 0 || options->holdout > 0.0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "calibrate holds rows out and reports their likelihood: leave out holdout and folds");
    }
    if (options->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed is %lld; it must be at least 0", (long long)options->seed);
    }
    if (options->priors != NULL && (options->roles == NULL || options->roles->label == NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "priors are probabilities of classes, and there are none: give a label");
    }
    return LK_OK;
}

/* A warm start has the same classes, in their order, or none. */
static lk_status start_classes_check(lk_context *ctx, const fitting *f)
{
    const lk_table *classes = f->options.start->classes;
    int64_t count = classes != NULL ? lk_table_levels(classes, 0) : 0;
    if (count != f->labels.count) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model to start from has %lld classes, the data %lld: they must be the same",
                        (long long)count, (long long)f->labels.count);
    }
    for (int64_t k = 0; k < count; k++) {
        if (strcmp(lk_table_level(classes, 0, k), f->labels.names[k]) != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "class %lld of the model to start from is %.100s, of the data %.100s: they must be the same",
                            (long long)k + 1, lk_table_level(classes, 0, k), f->labels.names[k]);
        }
    }
    return LK_OK;
}

/* A warm start must be a model of the same method over the same features in the same order. */
static lk_status start_check(lk_context *ctx, const fitting *f)
{
    const lk_model *start = f->options.start;
    if (start == NULL) {
        return LK_OK;
    }
    if (start->method != f->method) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model to start from is a %s model; it must be of the method %s",
                        start->method->public.name, f->method->public.name);
    }
    for (int64_t j = 0; j < f->d || j < start->d; j++) {
        if (j >= f->d || j >= start->d || strcmp(f->names[j], start->names[j]) != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "the model to start from has %lld features, the data %lld; feature %lld is "
                            "%s there and %s here: they must be the same in the same order", (long long)start->d,
                            (long long)f->d, (long long)j + 1, j < start->d ? start->names[j] : "missing",
                            j < f->d ? f->names[j] : "missing");
        }
    }
    return start_classes_check(ctx, f);
}

/* A copy of the start's transform, which says in what units its state is. */
static lk_status start_transform(lk_context *ctx, const lk_model *start, lki_transform **out)
{
    int64_t *all;
    if (start->transform == NULL) {
        *out = NULL;
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)start->d, sizeof *all, &all));
    for (int64_t j = 0; j < start->d; j++) {
        all[j] = j;
    }
    lk_status status = lki_transform_select(ctx, start->transform, all, start->d, out);
    lki_release(ctx, all);
    return status;
}

/* LK_ERROR_ARGUMENT unless two transforms (NULL = none) are the same, constants included. */
static lk_status same_transform(lk_context *ctx, const lki_transform *a, const lki_transform *b)
{
    char *text_a = NULL, *text_b = NULL;
    lk_status status = LK_OK;
    if (a != NULL) {
        LKI_GOTO(status, done, lki_transform_json(ctx, a, &text_a));
    }
    if (b != NULL) {
        LKI_GOTO(status, done, lki_transform_json(ctx, b, &text_b));
    }
    if ((a == NULL) != (b == NULL) || (a != NULL && strcmp(text_a, text_b) != 0)) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "the model to start from has the transform %.300s, the fit %.300s: leave the "
                          "fit's transform out to take the start's over", text_b != NULL ? text_b : "none",
                          text_a != NULL ? text_a : "none");
    }
done:
    lki_release(ctx, text_a);
    lki_release(ctx, text_b);
    return status;
}

static lki_dataset dataset_of(const fitting *f, lki_mask mask)
{
    int64_t rows = lk_table_rows(f->table);
    mask.seed = (uint64_t)f->options.seed;
    return (lki_dataset){.table = f->table, .features = f->features, .d = f->d, .weight = f->weight, .labelled = f->label + 1, .mask = mask, .rows = rows,
                         .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
}

static lk_status transform_of(lk_context *ctx, const fitting *f, const lki_dataset *dataset, lki_transform **out)
{
    const lk_model *start = f->options.start;
    const char *text = f->options.transform;
    lki_transform *t = NULL;
    if (text == NULL || *text == '\0') {
        return start != NULL ? start_transform(ctx, start, out) : LK_OK;
    }
    LKI_TRY(lki_transform_new(ctx, text, f->names, dataset, &t));
    lk_status status = start != NULL ? same_transform(ctx, t, start->transform) : LK_OK;
    if (status != LK_OK) {
        lki_transform_free(t);
        return status;
    }
    *out = t;
    return LK_OK;
}

/* The label column's name and the classes: makes the model one that has them. */
static lk_status keep_label(lk_context *ctx, const fitting *f, lk_model *model)
{
    json_t *levels = json_array();
    lk_status status = levels != NULL ? LK_OK : lki_json_memory(ctx);
    for (int64_t k = 0; k < f->labels.count && status == LK_OK; k++) {
        status = lki_json_append(ctx, levels, json_string(f->labels.names[k]));
    }
    if (status == LK_OK && (model->label = json_object()) == NULL) {
        status = lki_json_memory(ctx);
    }
    if (status == LK_OK) {
        status = lki_json_set(ctx, model->label, "name", json_string(lk_table_name(f->table, f->label)));
    }
    if (status == LK_OK) {
        status = lki_json_set(ctx, model->label, "levels", json_incref(levels));
    }
    json_decref(levels);
    return status == LK_OK ? lki_model_take_classes(ctx, model) : status;
}

/* Fits p(x, class) into a model that has its names and transform. */
static lk_status fit_classes(lk_context *ctx, const fitting *f, const lki_dataset *raw, lk_model *model)
{
    lki_classes *classes = NULL;
    const lki_classes_task task = {.method = f->method, .data = raw, .transform = model->transform, .labels = &f->labels,
                                   .priors = f->options.priors, .names = f->names, .values = f->values, .seed = (uint64_t)f->options.seed,
                                   .start = f->options.start != NULL ? f->options.start->state : NULL};
    LKI_TRY(keep_label(ctx, f, model));
    LKI_TRY(lki_classes_fit(ctx, &task, &classes, &model->report));
    model->state = classes;
    return LK_OK;
}

/* The columns that a discriminative fit sees: the features, then the label. f->features has room for it. */
static void add_label(const fitting *f, lki_dataset *data)
{
    f->features[f->d] = f->label;
    data->d = f->d + 1;
}

/* Fits the method to the rows of `mask` into a model that has its names and nothing else. */
static lk_status fit_rows(lk_context *ctx, const fitting *f, lki_mask mask, lk_model *model)
{
    lki_dataset raw = dataset_of(f, mask), data;
    lki_report report = lki_report_unknown();
    double log_jacobian = 0.0;
    model->seed = f->options.seed;
    LKI_TRY(transform_of(ctx, f, &raw, &model->transform));
    if (f->label >= 0 && f->method->discriminative == NULL) {
        return fit_classes(ctx, f, &raw, model);
    }
    if (model->transform != NULL) {
        LKI_TRY(lki_survey_jacobian(ctx, &raw, model->transform, &log_jacobian));
    }
    data = raw;
    data.transform = model->transform;
    if (f->label >= 0) {
        LKI_TRY(keep_label(ctx, f, model));
        add_label(f, &data);
    }
    lki_fit_task task = {.data = &data, .names = f->names, .values = f->values, .seed = (uint64_t)f->options.seed,
                         .start = f->options.start != NULL ? f->options.start->state : NULL, .log_jacobian = log_jacobian,
                         .partition = f->partition + 1, .labels = f->label >= 0 ? &f->labels : NULL};
    lk_status status = f->method->fit(ctx, &task, &model->state, &report);
    if (status != LK_OK) {
        json_decref(report.extra);
        return status;
    }
    model->report = report;
    model->report.log_likelihood += log_jacobian;
    return LK_OK;
}

/* What held-out rows tell of a model: their mean log density, or of a discriminative one their mean log p(class | features). */
static lk_status hold(lk_context *ctx, const fitting *f, const lk_model *model, const lki_dataset *data, lki_row_mean *out,
                      lki_class_quality *quality)
{
    if (f->label >= 0 && lki_model_origin(model, LK_OPERATION_RESPONSIBILITIES) != LKI_ORIGIN_NONE) {
        LKI_TRY(lki_class_quality_of(ctx, model, data, &f->labels, quality));
    }
    if (f->label >= 0 && f->method->discriminative != NULL) {
        *out = (lki_row_mean){.rows = quality->rows, .mean_log_density = -quality->log_loss, .standard_error = quality->standard_error};
        return LK_OK;
    }
    return lki_row_mean_of(ctx, model, data, out);
}

/* Fits to the rows that `training` takes and gives the mean log density of those that `held` takes. */
static lk_status fit_and_hold(lk_context *ctx, const fitting *f, lki_mask training, lki_mask held, lki_row_mean *out,
                              lki_class_quality *quality, bool *trusted)
{
    lk_model *part = NULL;
    lk_status status = LK_OK;
    lki_dataset data = dataset_of(f, held);
    LKI_GOTO(status, done, lki_model_new(ctx, f->method, f->d, f->names, &part));
    LKI_GOTO(status, done, fit_rows(ctx, f, training, part));
    LKI_GOTO(status, done, hold(ctx, f, part, &data, out, quality));
    if (!(out->rows > 0.0)) {
        status = lki_fail(ctx, LK_ERROR_DATA, "no row is held out of %lld: take a larger share or fewer folds",
                          (long long)data.rows);
        goto done;
    }
    *trusted = lk_model_trusted(part) != 0;
done:
    lk_model_free(part);
    return status;
}

static lk_status held_out_json(lk_context *ctx, const fitting *f, const lki_row_mean *r, const lki_class_quality *q, json_t **out)
{
    bool share = f->options.folds == 0, calibrate = f->options.calibrate > 0.0;
    json_t *object = json_object();
    lk_status status = object != NULL ? LK_OK : lki_json_memory(ctx);
    LKI_GOTO(status, failed, status);
    LKI_GOTO(status, failed, lki_json_set(ctx, object, "kind", json_string(calibrate ? "calibrate" : share ? "holdout" : "folds")));
    LKI_GOTO(status, failed, share ? lki_json_set(ctx, object, "share", json_real(calibrate ? f->options.calibrate : f->options.holdout))
                                   : lki_json_set(ctx, object, "folds", json_integer((json_int_t)f->options.folds)));
    LKI_GOTO(status, failed, lki_json_set(ctx, object, "rows", lki_json_number(r->rows)));
    LKI_GOTO(status, failed, lki_json_set(ctx, object, "mean_log_density", lki_json_number(r->mean_log_density)));
    LKI_GOTO(status, failed, lki_json_set(ctx, object, "standard_error", lki_json_number(r->standard_error)));
    if (q->rows > 0.0) {
        LKI_GOTO(status, failed, lki_json_set(ctx, object, "classes", lki_class_quality_json(q)));
    }
    *out = object;
    return LK_OK;
failed:
    json_decref(object);
    return status;
}

static lk_status remark_untrusted(lk_context *ctx, lk_model *model, int64_t fold)
{
    char *text = NULL;
    LKI_TRY(lki_format_text(ctx, &text, fold > 0 ? "the fit without fold %lld did not converge or is degenerate"
                                                 : "the fit without the held-out rows did not converge or is degenerate%.0lld",
                            (long long)fold));
    lk_status status = lki_model_remark(ctx, model, text);
    lki_release(ctx, text);
    return status;
}

static lk_status fit_holdout(lk_context *ctx, const fitting *f, lk_model *model)
{
    lki_mask training = {.kind = 1, .share = f->options.holdout, .group = 1}, held = training;
    lki_row_mean result;
    lki_class_quality quality = {0};
    bool trusted = false;
    held.kind = 2;
    LKI_TRY(fit_and_hold(ctx, f, training, held, &result, &quality, &trusted));
    if (!trusted) {
        LKI_TRY(remark_untrusted(ctx, model, 0));
    }
    return held_out_json(ctx, f, &result, &quality, &model->held_out);
}

/* The mean of the folds' means, with the standard error of that mean over folds. */
static lk_status fit_folds(lk_context *ctx, const fitting *f, lk_model *model)
{
    double all[LKI_POOLED] = {0};
    lki_row_mean total = {0};
    lki_class_quality quality = {0};
    bool nowhere = false;
    for (int64_t g = 0; g < f->options.folds; g++) {
        lki_mask training = {.kind = 1, .groups = f->options.folds, .group = g}, held = training;
        lki_row_mean fold;
        lki_class_quality told = {0};
        bool trusted = false;
        held.kind = 2;
        LKI_TRY(fit_and_hold(ctx, f, training, held, &fold, &told, &trusted));
        lki_class_quality_merge(&quality, &told);
        if (!trusted) {
            LKI_TRY(remark_untrusted(ctx, model, g + 1));
        }
        total.rows += fold.rows;
        nowhere = nowhere || !isfinite(fold.mean_log_density);
        lki_pooled_merge(all, (const double[]){1.0, fold.mean_log_density, 0.0});
    }
    total.mean_log_density = nowhere ? -(double)INFINITY : all[LKI_POOLED_MEAN];
    total.standard_error = nowhere ? (double)NAN : lki_pooled_error(all);
    return held_out_json(ctx, f, &total, &quality, &model->held_out);
}

/* Keeps the log densities of the rows that the model was not fitted to, and reports their mean. */
static lk_status fit_calibration(lk_context *ctx, const fitting *f, lki_mask held, lk_model *model)
{
    lki_dataset data = dataset_of(f, held);
    double moments[LKI_POOLED];
    LKI_TRY(lki_calibration_new(ctx, model, &data, &model->calibration, moments));
    model->calibration->share = f->options.calibrate;
    bool nowhere = model->calibration->outside > 0;
    lki_row_mean result = {.rows = (double)(model->calibration->count + model->calibration->outside),
                           .mean_log_density = nowhere ? -(double)INFINITY : moments[LKI_POOLED_MEAN],
                           .standard_error = nowhere ? (double)NAN : lki_pooled_error(moments)};
    lki_class_quality quality = {0};
    if (f->label >= 0 && lki_model_origin(model, LK_OPERATION_RESPONSIBILITIES) != LKI_ORIGIN_NONE) {
        LKI_TRY(lki_class_quality_of(ctx, model, &data, &f->labels, &quality));
    }
    return held_out_json(ctx, f, &result, &quality, &model->held_out);
}

/* Names must be UTF-8 to stand in a model file. */
static lk_status names_of(lk_context *ctx, fitting *f)
{
    LKI_TRY(lki_allocate(ctx, (size_t)f->d, sizeof *f->names, &f->names));
    for (int64_t j = 0; j < f->d; j++) {
        f->names[j] = lk_table_name(f->table, f->features[j]);
    }
    return lki_names_check(ctx, f->names, f->d);
}

/* A partition and weights are refused, not passed over, by a method that does not take them. */
static lk_status weight_check(lk_context *ctx, const fitting *f)
{
    if (f->partition >= 0 && strstr(f->method->public.roles, "partition") == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "column %s is given as partition, and the method %s takes %s only",
                        lk_table_name(f->table, f->partition), f->method->public.name, f->method->public.roles);
    }
    if (f->partition >= 0 && f->label >= 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a partition is where a mixture of all rows begins, and a label makes a mixture of each class; "
                                                "give one of them");
    }
    if (f->weight < 0 || strstr(f->method->public.roles, "weight") != NULL) {
        return LK_OK;
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "column %s is given as weight, and the method %s takes %s only",
                    lk_table_name(f->table, f->weight), f->method->public.name, f->method->public.roles);
}

/* Ranks among weighted rows would promise nothing. */
static lk_status calibrate_check(lk_context *ctx, const fitting *f)
{
    if (f->weight < 0 || !(f->options.calibrate > 0.0)) {
        return LK_OK;
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "calibrate and the weight column %s exclude one another: weighted rows are not exchangeable "
                    "with new ones", lk_table_name(f->table, f->weight));
}

static lk_status find_labels(lk_context *ctx, fitting *f)
{
    if (f->label < 0) {
        return LK_OK;
    }
    LKI_TRY(lki_labels_find(ctx, f->table, f->label, f->weight, &f->labels));
    if (f->method->discriminative != NULL && f->options.priors != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s tells the class from the features and has no priors to be given",
                        f->method->public.name);
    }
    return lki_classes_check_priors(ctx, f->options.priors, &f->labels);
}

/* Rows without a label were left out, and how well the model tells the classes of the others. */
static lk_status report_classes(lk_context *ctx, const fitting *f, lki_mask training, lk_model *model)
{
    lki_dataset data = dataset_of(f, training);
    lki_class_quality quality;
    lk_status status = LK_OK;
    char *text = NULL, number[LKI_NUMBER_BYTES];
    if (f->labels.missing > 0.0) {
        lki_format_double(f->labels.missing, number);
        LKI_TRY(lki_format_text(ctx, &text, "rows without a label in column %s, left out: %s", lk_table_name(f->table, f->label), number));
        status = lki_model_remark(ctx, model, text);
        lki_release(ctx, text);
        LKI_TRY(status);
    }
    if (lki_model_origin(model, LK_OPERATION_RESPONSIBILITIES) == LKI_ORIGIN_NONE) {
        return LK_OK;
    }
    LKI_TRY(lki_class_quality_of(ctx, model, &data, &f->labels, &quality));
    model->report.extra = model->report.extra != NULL ? model->report.extra : json_object();
    return model->report.extra != NULL ? lki_json_set(ctx, model->report.extra, "training", lki_class_quality_json(&quality))
                                       : lki_json_memory(ctx);
}

/* What would tell of the rows beside the state of a guarded method. */
static lk_status guard_check(lk_context *ctx, const fitting *f)
{
    const lk_fit_options *o = &f->options;
    const char *method = f->method->public.name;
    if (!f->method->guarded) {
        return LK_OK;
    }
    if (o->transform != NULL && o->transform[0] != '\0') {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s takes no transform, whose constants would tell of the rows", method);
    }
    if (o->holdout > 0.0 || o->folds > 0 || o->calibrate > 0.0 || o->start != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s takes no held-out rows, whose likelihood would tell of them, and no model to start from", method);
    }
    if (f->label >= 0 && (o->priors == NULL || o->priors[0] == '\0' || strcmp(o->priors, "data") == 0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s takes the probabilities of the classes from you, since their shares of the rows would tell of "
                        "them: give priors, equal or a list", method);
    }
    return LK_OK;
}

/* Puts the target behind the other features. f->features has room for every column. */
static lk_status take_target(lk_context *ctx, fitting *f)
{
    const char *name = f->options.target, *method = f->method->public.name;
    const bool labelled = f->method->discriminative != NULL && f->label >= 0;
    const bool wanted = strstr(f->method->public.roles, "target") != NULL && !labelled;
    int64_t column = -1, at = 0;
    if (labelled && name != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s predicts one thing: the target %s, or the class in %s; give one of them", method,
                        name, lk_table_name(f->table, f->label));
    }
    if (wanted != (name != NULL)) {
        return wanted ? lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s predicts one feature from the others: give its name as target%s", method,
                                 f->method->discriminative != NULL ? ", or as label where it is a class" : "")
                      : lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s takes %s and no target, which is %s", method,
                                 f->method->public.roles, name);
    }
    if (!wanted && !labelled) {
        return LK_OK;
    }
    if (f->options.transform != NULL && f->options.transform[0] != '\0') {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s standardizes by itself and takes no transform, which is %s", method,
                        f->options.transform);
    }
    if (labelled) {
        return LK_OK;
    }
    if (f->label >= 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the method %s takes %s and no label, which is %s", method, f->method->public.roles,
                        lk_table_name(f->table, f->label));
    }
    LKI_TRY(lk_table_find(ctx, f->table, name, &column));
    while (at < f->d && f->features[at] != column) {
        at++;
    }
    const lk_type type = lk_table_type(f->table, column);
    if (f->method->discriminative != NULL && type == LK_TYPE_CATEGORY && column != f->weight && column != f->partition) {
        f->label = column; /* a category is told as a class */
        return LK_OK;
    }
    const bool elsewhere = column == f->weight || column == f->partition || f->options.roles == NULL || f->options.roles->features == NULL;
    if (at == f->d && ((type != LK_TYPE_REAL && type != LK_TYPE_INTEGER) || elsewhere)) {
        return lki_fail(ctx, LK_ERROR_DATA, "column %s cannot be the target: it is not numeric, or plays another part",
                        lk_table_name(f->table, column));
    }
    f->d = at == f->d ? f->d + 1 : f->d;
    memmove(f->features + at, f->features + at + 1, (size_t)(f->d - 1 - at) * sizeof *f->features);
    f->features[f->d - 1] = column;
    return LK_OK;
}

static lk_status fit_all(lk_context *ctx, fitting *f, lk_model **out)
{
    lk_model *model = NULL;
    lk_status status = LK_OK;
    lki_dataset raw;
    lki_mask training = {0}, held = {0};
    LKI_GOTO(status, done, lki_values_new(ctx, &f->method->public, f->options.settings, &f->values));
    LKI_GOTO(status, done, lki_roles_resolve(ctx, f->table, f->options.roles, &f->features, &f->d, &f->label, &f->weight,
                                             &f->partition));
    LKI_GOTO(status, done, take_target(ctx, f));
    LKI_GOTO(status, done, weight_check(ctx, f));
    LKI_GOTO(status, done, guard_check(ctx, f));
    LKI_GOTO(status, done, calibrate_check(ctx, f));
    LKI_GOTO(status, done, names_of(ctx, f));
    LKI_GOTO(status, done, find_labels(ctx, f));
    LKI_GOTO(status, done, start_check(ctx, f));
    LKI_GOTO(status, done, lki_model_new(ctx, f->method, f->d, f->names, &model));
    raw = dataset_of(f, (lki_mask){0});
    LKI_GOTO(status, done, lki_survey(ctx, &raw, f->names, model));
    if (f->options.calibrate > 0.0) {
        training = (lki_mask){.kind = 1, .share = f->options.calibrate, .group = 1};
        held = training;
        held.kind = 2;
    }
    LKI_GOTO(status, done, fit_rows(ctx, f, training, model));
    if (f->label >= 0 && !f->method->guarded) {
        LKI_GOTO(status, done, report_classes(ctx, f, training, model));
    }
    if (f->options.calibrate > 0.0) {
        LKI_GOTO(status, done, fit_calibration(ctx, f, held, model));
    } else if (f->options.folds > 0) {
        LKI_GOTO(status, done, fit_folds(ctx, f, model));
    } else if (f->options.holdout > 0.0) {
        LKI_GOTO(status, done, fit_holdout(ctx, f, model));
    }
    model->values = f->values;
    f->values = NULL;
    *out = model;
    model = NULL;
done:
    lk_model_free(model);
    return status;
}

lk_status lk_model_fit(lk_context *ctx, const char *method, const lk_table *table, const lk_fit_options *options, lk_model **out)
{
    fitting f = {.table = table, .label = -1, .weight = -1, .partition = -1};
    lki_memory memory = lki_memory_of(ctx);
    lki_begin(ctx);
    LKI_TRY(lki_method_get(ctx, method, &f.method));
    LKI_TRY(options_check(ctx, options, &f.options));
    lki_blas_enter();
    lk_status status = fit_all(ctx, &f, out);
    lki_blas_leave();
    lki_values_free(&memory, f.values);
    lki_release(ctx, f.features);
    lki_release(ctx, f.names);
    lki_labels_free(ctx, &f.labels);
    return status;
}

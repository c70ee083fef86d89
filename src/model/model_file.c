/* The model file: what is known of a model as JSON texts in the metadata, the family's numbers as tensors. */
#include "model/model_file.h"

#include "math/blas.h"
#include "data/json_text.h"
#include "model/parameters.h"
#include "model/safetensors.h"
#include <math.h>
#include <string.h>

/* The greatest version that is read. Raised when an older library could misread a newer file, and written where the file needs it:
 * 2 = with classes. */
#define FORMAT_VERSION 2

/* Every key that the metadata may have. */
static const char *const keys[] = {"calibration", "classes", "features", "format", "format_version", "held_out", "label", "library",
                                   "method", "parameters", "remarks", "report", "seed", "transform", "extra"};

/* ---- writing ---- */

/* A number that is exact in the file: what JSON has no word for stands as a text. */
static json_t *exact_number(double v)
{
    return isnan(v) ? json_null() : isinf(v) ? json_string(v > 0.0 ? "inf" : "-inf") : json_real(v);
}

/* metadata[key] = the text of a JSON value; nothing for NULL. */
static lk_status put_json(lk_context *ctx, json_t *metadata, const char *key, const json_t *value)
{
    char *text;
    if (value == NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_json_write(ctx, value, false, &text)); /* order is part of what info shows */
    lk_status status = lki_json_set(ctx, metadata, key, json_string(text));
    lki_release(ctx, text);
    return status;
}

static lk_status report_json(lk_context *ctx, const lki_report *r, json_t **out)
{
    json_t *object = json_object();
    lk_status status = object != NULL ? LK_OK : lki_json_memory(ctx);
    LKI_GOTO(status, done, status);
    LKI_GOTO(status, done, lki_json_set(ctx, object, "n", exact_number(r->n)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "log_likelihood", exact_number(r->log_likelihood)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "free_parameters", exact_number(r->free_parameters)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "entropy", exact_number(r->entropy)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "iterations", json_integer((json_int_t)r->iterations)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "converged", json_integer(r->converged)));
    LKI_GOTO(status, done, lki_json_set(ctx, object, "degenerate", json_string(r->degenerate)));
    *out = object;
    object = NULL;
done:
    json_decref(object);
    return status;
}

static lk_status put_report(lk_context *ctx, json_t *metadata, const lki_report *r)
{
    json_t *object;
    LKI_TRY(report_json(ctx, r, &object));
    lk_status status = put_json(ctx, metadata, "report", object);
    json_decref(object);
    return status;
}

/* The reports of the classes, each with its own extra. */
static lk_status put_classes(lk_context *ctx, json_t *metadata, const lk_model *model)
{
    const lki_classes *c = model->state;
    json_t *array = json_array();
    lk_status status = array != NULL ? LK_OK : lki_json_memory(ctx);
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        json_t *object = NULL;
        status = report_json(ctx, &c->reports[k], &object);
        if (status == LK_OK && c->reports[k].extra != NULL) {
            status = lki_json_set(ctx, object, "extra", json_deep_copy(c->reports[k].extra));
        }
        status = status == LK_OK ? lki_json_append(ctx, array, json_incref(object)) : status;
        json_decref(object);
    }
    if (status == LK_OK) {
        status = put_json(ctx, metadata, "classes", array);
    }
    json_decref(array);
    return status;
}

static lk_status put_features(lk_context *ctx, json_t *metadata, const lk_model *model)
{
    json_t *array = json_array();
    lk_status status = array != NULL ? LK_OK : lki_json_memory(ctx);
    for (int64_t j = 0; j < model->d && status == LK_OK; j++) {
        status = lki_json_append(ctx, array, json_string(model->names[j]));
    }
    if (status == LK_OK) {
        status = put_json(ctx, metadata, "features", array);
    }
    json_decref(array);
    return status;
}

static lk_status put_parts(lk_context *ctx, json_t *metadata, const lk_model *model)
{
    json_t *parameters = NULL, *seed = NULL, *calibration = NULL;
    char *transform = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_json_set(ctx, metadata, "format", json_string("likely")));
    LKI_GOTO(status, done, lki_json_set(ctx, metadata, "format_version", json_string(lki_model_by_class(model) ? "2" : "1")));
    LKI_GOTO(status, done, lki_json_set(ctx, metadata, "library", json_string(LK_VERSION)));
    LKI_GOTO(status, done, lki_json_set(ctx, metadata, "method", json_string(model->method->public.name)));
    LKI_GOTO(status, done, lki_values_json(ctx, model->values, &parameters));
    LKI_GOTO(status, done, put_json(ctx, metadata, "parameters", parameters));
    LKI_GOTO(status, done, put_features(ctx, metadata, model));
    LKI_GOTO(status, done, put_report(ctx, metadata, &model->report));
    LKI_GOTO(status, done, put_json(ctx, metadata, "extra", model->report.extra));
    LKI_GOTO(status, done, put_json(ctx, metadata, "label", model->label));
    if (lki_model_by_class(model)) {
        LKI_GOTO(status, done, put_classes(ctx, metadata, model));
    }
    LKI_GOTO(status, done, put_json(ctx, metadata, "held_out", model->held_out));
    LKI_GOTO(status, done, put_json(ctx, metadata, "remarks", model->remarks));
    if (model->calibration != NULL) {
        calibration = lki_calibration_json(model->calibration);
        LKI_GOTO(status, done, calibration != NULL ? LK_OK : lki_json_memory(ctx));
        LKI_GOTO(status, done, put_json(ctx, metadata, "calibration", calibration));
    }
    if (model->transform != NULL) {
        LKI_GOTO(status, done, lki_transform_json(ctx, model->transform, &transform));
        LKI_GOTO(status, done, lki_json_set(ctx, metadata, "transform", json_string(transform)));
    }
    if (model->seed >= 0) {
        seed = json_integer((json_int_t)model->seed);
        status = seed != NULL ? put_json(ctx, metadata, "seed", seed) : lki_json_memory(ctx);
    }
done:
    json_decref(parameters);
    json_decref(seed);
    json_decref(calibration);
    lki_release(ctx, transform);
    return status;
}

/* Puts a model together and writes it to `path`, or into memory where that is NULL. */
static lk_status write_model(lk_context *ctx, const lk_model *model, const char *path, char **bytes, size_t *size)
{
    lki_tensor own[LKI_TENSORS_MAX] = {0}, *tensors = own;
    int count = 0;
    json_t *metadata = json_object();
    lk_status status = metadata != NULL ? LK_OK : lki_json_memory(ctx);
    LKI_GOTO(status, done, status);
    LKI_GOTO(status, done, put_parts(ctx, metadata, model));
    if (lki_model_by_class(model)) {
        LKI_GOTO(status, done, lki_classes_save(ctx, model->state, &tensors, &count));
    } else {
        LKI_GOTO(status, done, model->operations.save(ctx, model->state, own, &count));
    }
    if (model->calibration != NULL) {
        if (tensors == own && count == LKI_TENSORS_MAX) {
            status = lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a %s model leaves no room for log densities of held-out rows",
                              model->method->public.name);
            goto done;
        }
        tensors[count++] = lki_calibration_tensor(model->calibration);
    }
    status = path != NULL ? lki_safetensors_write(ctx, path, metadata, tensors, count)
                          : lki_safetensors_pack(ctx, metadata, tensors, count, bytes, size);
done:
    if (tensors != own) {
        lki_release(ctx, tensors);
    }
    json_decref(metadata);
    return status;
}

lk_status lk_model_save(lk_context *ctx, const lk_model *model, const char *path)
{
    lki_begin(ctx);
    return write_model(ctx, model, path, NULL, NULL);
}

lk_status lk_model_pack(lk_context *ctx, const lk_model *model, char **bytes, size_t *size)
{
    lki_begin(ctx);
    return write_model(ctx, model, NULL, bytes, size);
}

/* ---- reading ---- */

typedef struct loading {
    const char *name; /* begins each message */
    const json_t *metadata;
    lk_model *model;
} loading;

/* Says of an inner error in which file it is, and makes it one of format. */
static lk_status in_file(lk_context *ctx, const char *name, const char *where, lk_status status)
{
    if (status == LK_OK || status == LK_ERROR_MEMORY || status == LK_ERROR_CANCELLED || status == LK_ERROR_IO) {
        return status;
    }
    char *text = NULL;
    lk_status copied = lki_copy_text(ctx, lk_error_message(ctx), &text);
    if (copied == LK_OK) {
        lki_begin(ctx);
        copied = lki_fail(ctx, LK_ERROR_FORMAT, "%s: %s: %s", name, where, text);
    }
    lki_release(ctx, text);
    return copied;
}

/* The JSON value behind a metadata key; NULL where the file has no such key. */
static lk_status get_json(lk_context *ctx, const loading *l, const char *key, json_t **out)
{
    const json_t *text = json_object_get(l->metadata, key);
    *out = NULL;
    if (text == NULL) {
        return LK_OK;
    }
    return in_file(ctx, l->name, "__metadata__", lki_json_read(ctx, json_string_value(text), json_string_length(text), key, out));
}

static lk_status wrong(lk_context *ctx, const loading *l, const char *key, const char *right)
{
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: __metadata__ %s: it must be %s", l->name, key, right);
}

static lk_status check_keys(lk_context *ctx, const loading *l)
{
    const char *key, *format = json_string_value(json_object_get(l->metadata, "format"));
    const char *version = json_string_value(json_object_get(l->metadata, "format_version"));
    json_t *item;
    if (format == NULL || strcmp(format, "likely") != 0) {
        return wrong(ctx, l, "format", "\"likely\": not a model of likely");
    }
    size_t digits = version != NULL ? strspn(version, "0123456789") : 0;
    if (digits == 0 || version[digits] != '\0' || version[0] == '0') {
        return wrong(ctx, l, "format_version", "a whole number in digits");
    }
    if (digits == 1 && (version[0] == '2') != (json_object_get(l->metadata, "classes") != NULL)) {
        return wrong(ctx, l, "format_version", "2 where there are classes, and there only");
    }
    if (digits > 1 || version[0] - '0' > FORMAT_VERSION) {
        const char *library = json_string_value(json_object_get(l->metadata, "library"));
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: made by a newer likely (%.40s): format version %.40s; this likely %s reads %d",
                        l->name, library != NULL ? library : "unknown", version, LK_VERSION, FORMAT_VERSION);
    }
    json_object_foreach((json_t *)l->metadata, key, item)
    {
        size_t i = 0;
        while (i < sizeof keys / sizeof keys[0] && strcmp(key, keys[i]) != 0) {
            i++;
        }
        if (i == sizeof keys / sizeof keys[0]) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: __metadata__ has an unknown key \"%.100s\"", l->name, key);
        }
    }
    return LK_OK;
}

/* A number that exact_number() wrote. */
static bool read_exact(const json_t *value, double *out)
{
    const char *text = json_string_value(value);
    if (json_is_number(value)) {
        *out = json_number_value(value);
    } else if (json_is_null(value)) {
        *out = (double)NAN;
    } else if (text != NULL && (strcmp(text, "inf") == 0 || strcmp(text, "-inf") == 0)) {
        *out = text[0] == '-' ? -(double)INFINITY : (double)INFINITY;
    } else {
        return false;
    }
    return true;
}

/* A report of `size` entries, those that report_json() wrote among them. */
static bool read_report(const json_t *object, size_t size, lki_report *r)
{
    const json_t *iterations = json_object_get(object, "iterations"), *converged = json_object_get(object, "converged");
    const char *degenerate = json_string_value(json_object_get(object, "degenerate"));
    bool right = json_object_size(object) == size && read_exact(json_object_get(object, "n"), &r->n) &&
                 read_exact(json_object_get(object, "log_likelihood"), &r->log_likelihood) &&
                 read_exact(json_object_get(object, "free_parameters"), &r->free_parameters) &&
                 read_exact(json_object_get(object, "entropy"), &r->entropy) && json_is_integer(iterations) &&
                 json_integer_value(iterations) >= -1 && json_is_integer(converged) && json_integer_value(converged) >= -1 &&
                 json_integer_value(converged) <= 1 && degenerate != NULL && strlen(degenerate) < sizeof r->degenerate;
    right = right && !(r->n < 0.0) && !isinf(r->n) && !(r->free_parameters < 0.0) && !isinf(r->free_parameters);
    if (right) {
        r->iterations = (int64_t)json_integer_value(iterations);
        r->converged = (int)json_integer_value(converged);
        strcpy(r->degenerate, degenerate);
    }
    return right;
}

static lk_status get_report(lk_context *ctx, const loading *l)
{
    json_t *object = NULL;
    LKI_TRY(get_json(ctx, l, "report", &object));
    bool right = read_report(object, 7, &l->model->report);
    json_decref(object);
    return right ? LK_OK : wrong(ctx, l, "report", "n, log_likelihood, free_parameters, entropy, iterations, converged and "
                                                   "degenerate, each within its range");
}

/* The reports of the classes, into a state that has its classes already. */
static lk_status get_classes(lk_context *ctx, const loading *l, const json_t *array, lki_classes *c)
{
    for (int64_t k = 0; k < c->count; k++) {
        const json_t *object = json_array_get(array, (size_t)k), *extra = json_object_get(object, "extra");
        bool right = read_report(object, extra != NULL ? 8 : 7, &c->reports[k]) && (extra == NULL || json_is_object(extra));
        if (!right) {
            return wrong(ctx, l, "classes", "a report for each class, as that of the model, with an object extra or without");
        }
        c->reports[k].extra = json_incref((json_t *)extra);
    }
    return LK_OK;
}

/* The method and the names: makes the model. */
static lk_status get_features(lk_context *ctx, loading *l, const lki_method *method)
{
    json_t *array = NULL;
    const char **names = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, get_json(ctx, l, "features", &array));
    size_t d = json_array_size(array);
    if (d == 0) {
        status = wrong(ctx, l, "features", "an array of at least one name");
        goto done;
    }
    LKI_GOTO(status, done, lki_allocate(ctx, d, sizeof *names, &names));
    for (size_t j = 0; j < d; j++) {
        names[j] = json_string_value(json_array_get(array, j));
        if (names[j] == NULL) {
            status = wrong(ctx, l, "features", "an array of names");
            goto done;
        }
    }
    LKI_GOTO(status, done, in_file(ctx, l->name, "__metadata__ features", lki_names_check(ctx, names, (int64_t)d)));
    status = lki_model_new(ctx, method, (int64_t)d, names, &l->model);
done:
    json_decref(array);
    lki_release(ctx, names);
    return status;
}

static lk_status get_seed(lk_context *ctx, const loading *l)
{
    json_t *seed = NULL;
    LKI_TRY(get_json(ctx, l, "seed", &seed));
    bool right = seed == NULL || (json_is_integer(seed) && json_integer_value(seed) >= 0);
    l->model->seed = seed != NULL && right ? (int64_t)json_integer_value(seed) : -1;
    json_decref(seed);
    return right ? LK_OK : wrong(ctx, l, "seed", "a whole number of at least 0");
}

static lk_status get_label(lk_context *ctx, const loading *l)
{
    LKI_TRY(get_json(ctx, l, "label", &l->model->label));
    const json_t *label = l->model->label, *levels = json_object_get(label, "levels");
    bool right = label == NULL || (json_object_size(label) == 2 && json_is_string(json_object_get(label, "name")) &&
                                   json_is_array(levels));
    for (size_t i = 0; right && i < json_array_size(levels); i++) {
        right = json_is_string(json_array_get(levels, i));
    }
    return right ? LK_OK : wrong(ctx, l, "label", "a name and an array of levels");
}

static lk_status get_remarks(lk_context *ctx, const loading *l)
{
    json_t *remarks = NULL;
    LKI_TRY(get_json(ctx, l, "remarks", &remarks));
    bool right = json_is_array(remarks);
    for (size_t i = 0; right && i < json_array_size(remarks); i++) {
        right = json_is_string(json_array_get(remarks, i));
    }
    if (!right) {
        json_decref(remarks);
        return wrong(ctx, l, "remarks", "an array of texts");
    }
    json_decref(l->model->remarks);
    l->model->remarks = remarks;
    return LK_OK;
}

static lk_status get_parts(lk_context *ctx, loading *l)
{
    const char *name = json_string_value(json_object_get(l->metadata, "method"));
    const lki_method *method = NULL;
    if (name == NULL || lk_method_find(name) == NULL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: __metadata__ method: \"%.100s\" is no method of this likely %s", l->name,
                        name != NULL ? name : "", LK_VERSION);
    }
    LKI_TRY(lki_method_get(ctx, name, &method));
    LKI_TRY(get_features(ctx, l, method));
    lk_model *model = l->model;
    json_t *parameters = NULL;
    LKI_TRY(get_json(ctx, l, "parameters", &parameters));
    lk_status status = lki_values_parse(ctx, &method->public, parameters, &model->values);
    json_decref(parameters);
    LKI_TRY(in_file(ctx, l->name, "__metadata__ parameters", status));
    const char *transform = json_string_value(json_object_get(l->metadata, "transform"));
    if (transform != NULL) {
        status = lki_transform_parse(ctx, transform, model->d, &model->transform);
        LKI_TRY(in_file(ctx, l->name, "__metadata__ transform", status));
    }
    LKI_TRY(get_seed(ctx, l));
    LKI_TRY(get_report(ctx, l));
    LKI_TRY(get_json(ctx, l, "extra", &model->report.extra));
    if (model->report.extra != NULL && !json_is_object(model->report.extra)) {
        return wrong(ctx, l, "extra", "a JSON object");
    }
    LKI_TRY(get_json(ctx, l, "held_out", &model->held_out));
    if (model->held_out != NULL && !json_is_object(model->held_out)) {
        return wrong(ctx, l, "held_out", "a JSON object");
    }
    LKI_TRY(get_label(ctx, l));
    return get_remarks(ctx, l);
}

/* Takes the log densities of held-out rows out of the tensors: the family does not know of them. */
static lk_status get_calibration(lk_context *ctx, const loading *l, lki_safetensors *file)
{
    static const char right[] = "share, rows and outside of the tensor " LKI_CALIBRATION_TENSOR ", which is ascending";
    int at = 0;
    json_t *object = NULL;
    while (at < file->count && strcmp(file->tensors[at].name, LKI_CALIBRATION_TENSOR) != 0) {
        at++;
    }
    LKI_TRY(get_json(ctx, l, "calibration", &object));
    lk_status status = LK_OK;
    if (at < file->count && object != NULL && lki_calibration_right(object, &file->tensors[at])) {
        status = lki_calibration_read(ctx, object, &file->tensors[at], &l->model->calibration);
        file->count--;
        memmove(&file->tensors[at], &file->tensors[at + 1], (size_t)(file->count - at) * sizeof file->tensors[0]);
    } else if (object != NULL) {
        status = wrong(ctx, l, "calibration", right);
    }
    json_decref(object);
    return status;
}

/* The state: the method's own, or one for each of the label's classes. */
static lk_status get_state(lk_context *ctx, const loading *l, const lki_safetensors *file)
{
    lk_model *model = l->model;
    json_t *reports = NULL;
    lki_classes *classes = NULL;
    LKI_TRY(get_json(ctx, l, "classes", &reports));
    size_t count = json_array_size(json_object_get(model->label, "levels"));
    lk_status status = LK_OK;
    if (reports == NULL && model->label != NULL && model->method->discriminative != NULL) {
        LKI_TRY(in_file(ctx, l->name, "__metadata__ label", lki_model_take_classes(ctx, model)));
    }
    if (reports == NULL) {
        LKI_TRY(in_file(ctx, l->name, "tensors",
                        model->operations.load(ctx, model->values, model->d, file->tensors, file->count, &model->state)));
        return model->classes == NULL || lk_model_groups(model) == (int64_t)count
                   ? LK_OK
                   : wrong(ctx, l, "label", "of as many levels as the tensors have classes");
    }
    if (model->label == NULL || model->method->discriminative != NULL || json_array_size(reports) != count) {
        status = wrong(ctx, l, "classes", "an array with a report for each level of the label");
        goto done;
    }
    LKI_GOTO(status, done, in_file(ctx, l->name, "__metadata__ label", lki_model_take_classes(ctx, model)));
    status = lki_classes_load(ctx, model->method, model->values, model->d, (int64_t)count, file->tensors, file->count, &classes);
    LKI_GOTO(status, done, in_file(ctx, l->name, "tensors", status));
    model->state = classes;
    status = get_classes(ctx, l, reports, classes);
done:
    json_decref(reports);
    return status;
}

lk_status lki_model_parse(lk_context *ctx, const char *name, const char *bytes, size_t size, lk_model **out)
{
    lki_safetensors file = {0};
    loading l = {.name = name};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_safetensors_parse(ctx, name, bytes, size, &file));
    l.metadata = file.metadata;
    LKI_GOTO(status, done, check_keys(ctx, &l));
    LKI_GOTO(status, done, get_parts(ctx, &l));
    LKI_GOTO(status, done, get_calibration(ctx, &l, &file));
    lki_blas_enter();
    status = get_state(ctx, &l, &file);
    lki_blas_leave();
    LKI_GOTO(status, done, status);
    *out = l.model;
    l.model = NULL;
done:
    lk_model_free(l.model);
    lki_safetensors_free(ctx, &file);
    return status;
}

lk_status lk_model_load(lk_context *ctx, const char *path, lk_model **out)
{
    char *bytes = NULL;
    size_t size = 0;
    lki_begin(ctx);
    LKI_TRY(lki_safetensors_slurp(ctx, path, &bytes, &size));
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    lk_status status = lki_model_parse(ctx, name, bytes, size, out);
    lki_release(ctx, bytes);
    return status;
}

lk_status lk_model_unpack(lk_context *ctx, const char *bytes, size_t size, lk_model **out)
{
    lki_begin(ctx);
    return lki_model_parse(ctx, "the bytes of a model", bytes, size, out);
}

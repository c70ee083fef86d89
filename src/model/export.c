/* Writes a model for other programs: C source, or parameters in the data's units in another library's layout. */
#include "data/json_text.h"
#include "data/npz_write.h"
#include "data/output.h"
#include "data/r_text.h"
#include "data/transform_impl.h"
#include "math/blas.h"
#include "model/c_source.h"
#include "model/model_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- C ---- */

/* An identifier that no reserved one can be: a letter first. */
static lk_status check_prefix(lk_context *ctx, const char *prefix)
{
    size_t length = strlen(prefix);
    bool good = length >= 1 && length <= 63 && isalpha((unsigned char)prefix[0]);
    for (size_t i = 0; i < length && good; i++) {
        good = isalnum((unsigned char)prefix[i]) || prefix[i] == '_';
    }
    return good ? LK_OK
                : lki_fail(ctx, LK_ERROR_ARGUMENT, "'%.80s' cannot begin the names of a C file: it takes a letter, then letters, digits and _, "
                                                   "at most 63 in all",
                           prefix);
}

static const char usage[] =
    "/* A probability distribution as C99: no allocation, no state, no library but libm.\n"
    " *\n"
    " *     cc -std=c99 -O2 -c FILE.c        then link with -lm; with -march=native fma() is one instruction\n"
    " *\n"
    " * x is one row of @_FEATURES numbers in the units of the data, in this order:\n";
static const char declarations[] =
    " * Densities are in nats and in those units. Every function may run on any number of threads. */\n"
    "#include <float.h>\n"
    "#include <math.h>\n"
    "\n"
    "/* log p(x); -HUGE_VAL outside the support, NaN where x holds one. */\n"
    "double @_log_density(const double *x);\n"
    "\n"
    "/* r[k] = probability of group k of @_TERMS given x (NaN outside the support); returns log p(x). */\n"
    "double @_responsibilities(const double *x, double *r);\n"
    "\n"
    "/* mean[j] = E[x_j | the features with given[j] != 0], x_j itself where it is given; x[j] is not looked at where it is not. Returns\n"
    " * the log density of what is given. `work` is room for @_WORK numbers. */\n"
    "double @_conditional_mean(const double *x, const unsigned char *given, double *mean, double *work);\n"
    "\n";

static lk_status add_head(lk_context *ctx, const lk_model *model, const char *prefix, lki_builder *text)
{
    char line[256];
    int64_t terms, work;
    model->operations.export->sizes(model->state, &terms, &work);
    LKI_TRY(lki_c_paste(ctx, text, usage, prefix));
    for (int64_t j = 0; j < model->d; j++) {
        snprintf(line, sizeof line, " *     %lld  \"", (long long)j);
        LKI_TRY(lki_builder_add(ctx, text, line));
        LKI_TRY(lki_c_remark(ctx, text, model->names[j]));
        LKI_TRY(lki_builder_add(ctx, text, "\"\n"));
    }
    snprintf(line, sizeof line, " * Method %s, made by likely %s.\n", model->method->public.name, LK_VERSION);
    LKI_TRY(lki_builder_add(ctx, text, line));
    LKI_TRY(lki_c_paste(ctx, text, declarations, prefix));
    snprintf(line, sizeof line, "enum { @_FEATURES = %lld, @_TERMS = %lld, @_WORK = %lld };\n", (long long)model->d, (long long)terms,
             (long long)(2 * terms * model->d + work));
    return lki_c_paste(ctx, text, line, prefix);
}

/* The steps of all chains one behind the other; those that change nothing are left out. */
static lk_status add_steps(lk_context *ctx, const lki_transform *t, const char *prefix, lki_builder *text)
{
    int64_t *first = NULL, *kind, count = 0;
    double *a = NULL, *b;
    const size_t most = (size_t)t->d * LKI_TRANSFORM_STEPS;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)t->d + 1 + most, sizeof *first, &first));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * most, sizeof *a, &a));
    kind = first + t->d + 1;
    b = a + most;
    for (int64_t j = 0; j < t->d; j++) {
        first[j] = count;
        for (int i = 0; i < t->chains[j].count; i++) {
            const lki_step *s = &t->chains[j].steps[i];
            if (s->kind != LKI_STEP_IDENTITY) {
                kind[count] = (int64_t)s->kind;
                a[count] = s->kind == LKI_STEP_STANDARDIZE ? s->a : 0.0;
                b[count] = s->kind == LKI_STEP_STANDARDIZE ? s->b : 1.0;
                count++;
            }
        }
    }
    first[t->d] = count;
    if (count == 0) {
        status = lki_c_paste(ctx, text, lki_export_identity, prefix);
        goto done;
    }
    LKI_GOTO(status, done, lki_c_integers(ctx, text, prefix, "int", "first", t->d + 1, first));
    LKI_GOTO(status, done, lki_c_integers(ctx, text, prefix, "unsigned char", "kind", count, kind));
    LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "a", 0, count, a));
    LKI_GOTO(status, done, lki_c_table(ctx, text, prefix, "b", 0, count, b));
    status = lki_c_paste(ctx, text, lki_export_transform, prefix);
done:
    lki_release(ctx, first);
    lki_release(ctx, a);
    return status;
}

static lk_status export_code(lk_context *ctx, const lk_model *model, const char *prefix, lki_builder *text)
{
    LKI_TRY(check_prefix(ctx, prefix));
    LKI_TRY(add_head(ctx, model, prefix, text));
    if (model->transform != NULL) {
        LKI_TRY(add_steps(ctx, model->transform, prefix, text));
    } else {
        LKI_TRY(lki_c_paste(ctx, text, lki_export_identity, prefix));
    }
    LKI_TRY(lki_builder_add(ctx, text, "\n"));
    LKI_TRY(model->operations.export->code(ctx, model->state, prefix, text));
    return lki_c_paste(ctx, text, lki_export_model, prefix);
}

/* ---- parameters ---- */

/* location and scale (d each) of x = location + scale z. */
static lk_status find_units(lk_context *ctx, const lk_model *model, double *location, double *scale)
{
    for (int64_t j = 0; j < model->d; j++) {
        location[j] = 0.0;
        scale[j] = 1.0;
        if (model->transform != NULL && !lki_transform_units(model->transform, j, &location[j], &scale[j])) {
            return lki_fail(ctx, LK_ERROR_UNSUPPORTED,
                            "feature %.100s is modelled through a transform that is not linear: in the data's units there are no means and "
                            "covariances that would say the same; export C code, which holds the transform",
                            model->names[j]);
        }
    }
    return LK_OK;
}

static lk_status fill_layout(lk_context *ctx, const lk_model *model, lk_export_format format, json_t *object)
{
    double *location;
    json_t *names = json_array();
    LKI_TRY(lki_json_set(ctx, object, "columns", names));
    for (int64_t j = 0; j < model->d; j++) {
        LKI_TRY(lki_json_append(ctx, names, json_string(model->names[j])));
    }
    LKI_TRY(lki_allocate(ctx, (size_t)model->d, 2 * sizeof *location, &location));
    lk_status status = find_units(ctx, model, location, location + model->d);
    if (status == LK_OK) {
        lki_blas_enter();
        status = model->operations.export->layout(ctx, model->state, format, location, location + model->d, object);
        lki_blas_leave();
    }
    lki_release(ctx, location);
    return status;
}

static lk_status export_layout(lk_context *ctx, const lk_model *model, lk_export_format format, lki_builder *text)
{
    json_t *object = json_object();
    if (object == NULL) {
        return lki_json_memory(ctx);
    }
    lk_status status = fill_layout(ctx, model, format, object);
    if (status == LK_OK && format == LK_EXPORT_SKLEARN_NPZ) {
        status = lki_npz_text(ctx, object, text);
    } else if (status == LK_OK && format == LK_EXPORT_MCLUST_R) {
        status = lki_r_text(ctx, object, text);
    } else if (status == LK_OK) {
        char *json;
        status = lki_json_write(ctx, object, false, &json);
        if (status == LK_OK) {
            status = lki_builder_add(ctx, text, json);
            lki_release(ctx, json);
        }
        status = status == LK_OK ? lki_builder_add(ctx, text, "\n") : status;
    }
    json_decref(object);
    return status;
}

lk_status lk_model_export(lk_context *ctx, const lk_model *model, lk_export_format format, const char *prefix, const char *path)
{
    lki_builder text = {0};
    lki_output *output = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_EXPORT));
    const lki_export_operations *ops = model->operations.export;
    if (format > LK_EXPORT_MCLUST_R || (format == LK_EXPORT_C ? ops->code == NULL : ops->layout == NULL)) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a %s model cannot be written in that format", model->method->public.name);
    }
    status = format == LK_EXPORT_C ? export_code(ctx, model, prefix != NULL ? prefix : "model", &text)
                                   : export_layout(ctx, model, format, &text);
    LKI_GOTO(status, done, status);
    LKI_GOTO(status, done, lki_output_open(ctx, path, &output));
    LKI_GOTO(status, done, lki_output_write(ctx, output, text.text, text.length));
    status = lki_output_commit(ctx, output);
    output = NULL;
done:
    lki_output_abort(output);
    lki_release(ctx, text.text);
    return status;
}

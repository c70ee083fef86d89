/* A model's features: their names, the columns of a table that hold them, and the distribution of some of them. */
#include "data/table_impl.h"
#include "math/blas.h"
#include "data/json_text.h"
#include "model/model_impl.h"
#include "model/parameters.h"
#include "data/text_builder.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

lk_status lki_names_check(lk_context *ctx, const char *const *names, int64_t d)
{
    const char **sorted;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *sorted, &sorted));
    memcpy(sorted, names, (size_t)d * sizeof *sorted);
    qsort(sorted, (size_t)d, sizeof *sorted, compare_names);
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        if (sorted[j][0] == '\0') {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "a name is empty");
        } else if (j > 0 && strcmp(sorted[j - 1], sorted[j]) == 0) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "the name \"%.100s\" stands twice", sorted[j]);
        }
    }
    lki_release(ctx, sorted);
    return status;
}

/* The position of a column by its exact name; -1 if there is none. */
static int64_t column_of(const lk_table *table, const char *name)
{
    int64_t columns = lk_table_columns(table);
    for (int64_t c = 0; c < columns; c++) {
        if (strcmp(lk_table_name(table, c), name) == 0) {
            return c;
        }
    }
    return -1;
}

static lk_status missing_fail(lk_context *ctx, const lk_model *model, const lk_table *table, const char *feature)
{
    enum { MOST = 20 };
    lki_builder list = {0};
    int64_t columns = lk_table_columns(table), least = 3;
    const char *nearest = NULL;
    lk_status status = lki_builder_add(ctx, &list, "");
    for (int64_t c = 0; c < columns && status == LK_OK; c++) {
        const char *name = lk_table_name(table, c);
        int distance = lki_builder_distance(name, feature);
        if (distance < least) {
            least = distance;
            nearest = name;
        }
        if (c < MOST) {
            status = lki_builder_add_item(ctx, &list, name);
        }
    }
    if (status == LK_OK) {
        status = lki_fail(ctx, LK_ERROR_DATA, "feature \"%s\" of this %s model is not among the %lld columns %.500s%s%s%s%s",
                          feature, model->method->public.name, (long long)columns, list.text, columns > MOST ? ", ..." : "",
                          nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
    }
    lki_release(ctx, list.text);
    return status;
}

static lk_status numeric_check(lk_context *ctx, const lk_model *model, const lk_table *table, int64_t j, int64_t column)
{
    lk_type type = lk_table_type(table, column);
    if (type == LK_TYPE_REAL || type == LK_TYPE_INTEGER) {
        return LK_OK;
    }
    return lki_fail(ctx, LK_ERROR_DATA, "column %s holds %s; as a feature of this %s model it must be numeric", model->names[j],
                    type == LK_TYPE_CATEGORY ? "categories" : "text", model->method->public.name);
}

lk_status lki_model_match(lk_context *ctx, const lk_model *model, const lk_table *table, int64_t *out)
{
    int64_t d = model->d, found = 0, *columns;
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *columns, &columns));
    lk_status status = LK_OK;
    while (found < d && (columns[found] = column_of(table, model->names[found])) >= 0) {
        found++;
    }
    if (found < d && (lki_table_named(table) || lk_table_columns(table) != d)) {
        status = missing_fail(ctx, model, table, model->names[found]);
    }
    for (int64_t j = 0; j < d && status == LK_OK; j++) {
        columns[j] = found < d ? j : columns[j];
        status = numeric_check(ctx, model, table, j, columns[j]);
    }
    if (status == LK_OK) {
        memcpy(out, columns, (size_t)d * sizeof *out);
    }
    lki_release(ctx, columns);
    return status;
}

lk_status lk_model_columns(lk_context *ctx, const lk_model *model, const lk_table *table, int64_t *out)
{
    lki_begin(ctx);
    return lki_model_match(ctx, model, table, out);
}

lk_status lki_features_check(lk_context *ctx, const lk_model *model, const int64_t *features, int64_t count, int64_t most)
{
    if (count < 1 || count > model->d) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld features are asked for; the model has %lld", (long long)count,
                        (long long)model->d);
    }
    if (count > most) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "all features of the model (%lld) are given: at least one must be left", (long long)count);
    }
    for (int64_t j = 0; j < count; j++) {
        if (features[j] < 0 || features[j] >= model->d) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "feature %lld is asked for; the model's are 0 to %lld",
                            (long long)features[j], (long long)model->d - 1);
        }
        for (int64_t k = 0; k < j; k++) {
            if (features[k] == features[j]) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "feature %lld (%s) is asked for twice", (long long)features[j],
                                model->names[features[j]]);
            }
        }
    }
    return LK_OK;
}

lk_status lki_model_part(lk_context *ctx, const lk_model *model, const int64_t *features, int64_t count, lk_model **out)
{
    lk_model *part = NULL;
    json_t *parameters = NULL;
    const char **names = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *names, &names));
    for (int64_t j = 0; j < count; j++) {
        names[j] = model->names[features[j]];
    }
    LKI_GOTO(status, done, lki_model_new(ctx, model->method, count, names, &part));
    part->seed = model->seed;
    if (model->classes != NULL) {
        part->label = json_deep_copy(model->label);
        LKI_GOTO(status, done, part->label != NULL ? lki_model_take_classes(ctx, part) : lki_json_memory(ctx));
    }
    part->report.n = model->report.n;
    part->report.iterations = model->report.iterations;
    part->report.converged = model->report.converged;
    memcpy(part->report.degenerate, model->report.degenerate, sizeof part->report.degenerate);
    LKI_GOTO(status, done, lki_values_json(ctx, model->values, &parameters));
    LKI_GOTO(status, done, lki_values_parse(ctx, &model->method->public, parameters, &part->values));
    if (model->transform != NULL) {
        LKI_GOTO(status, done, lki_transform_select(ctx, model->transform, features, count, &part->transform));
    }
    *out = part;
    part = NULL;
done:
    json_decref(parameters);
    lk_model_free(part);
    lki_release(ctx, names);
    return status;
}

lk_status lk_model_marginal(lk_context *ctx, const lk_model *model, const int64_t *features, int64_t count, lk_model **out)
{
    lk_model *part = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_MARGINAL));
    LKI_TRY(lki_features_check(ctx, model, features, count, model->d));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_model_part(ctx, model, features, count, &part));
    LKI_GOTO(status, done, model->operations.marginal(ctx, model->state, features, count, &part->state));
    *out = part;
    part = NULL;
done:
    lki_blas_leave();
    lk_model_free(part);
    return status;
}

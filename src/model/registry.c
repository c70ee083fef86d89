/* The registry: what the build collected from every LKI_METHOD, by number and by name. */
#include "model/method.h"
#include "model/model_impl.h"
#include "data/json_text.h"
#include "data/text_builder.h"

#include <math.h>
#include <string.h>

int64_t lk_method_count(void)
{
    int64_t count = 0;
    while (lki_methods[count] != NULL) {
        count++;
    }
    return count;
}

const lk_method *lk_method_at(int64_t index)
{
    return index >= 0 && index < lk_method_count() ? &lki_methods[index]->public : NULL;
}

static const lki_method *method_find(const char *name)
{
    for (int64_t i = 0; lki_methods[i] != NULL; i++) {
        if (strcmp(lki_methods[i]->public.name, name) == 0) {
            return lki_methods[i];
        }
    }
    return NULL;
}

const lk_method *lk_method_find(const char *name)
{
    const lki_method *method = name != NULL ? method_find(name) : NULL;
    return method != NULL ? &method->public : NULL;
}

const char *lk_operation_name(unsigned operation)
{
    switch (operation) {
#define LKI_OPERATION_CASE(name, value, text) \
    case value:                               \
        return text;
        LK_OPERATION_LIST(LKI_OPERATION_CASE)
#undef LKI_OPERATION_CASE
    default:
        return NULL;
    }
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

static lk_status parameter_info(lk_context *ctx, const lk_parameter *p, json_t *object)
{
    static const char *const types[] = {"flag", "integer", "real", "range", "choice", "choices", "text"};
    LKI_TRY(lki_json_set(ctx, object, "name", json_string(p->name)));
    LKI_TRY(lki_json_set(ctx, object, "type", json_string(types[p->type])));
    LKI_TRY(lki_json_set(ctx, object, "default", text_or_null(p->value)));
    LKI_TRY(lki_json_set(ctx, object, "summary", json_string(p->summary)));
    if (p->type == LK_PARAMETER_INTEGER || p->type == LK_PARAMETER_REAL || p->type == LK_PARAMETER_RANGE) {
        LKI_TRY(lki_json_set(ctx, object, "low", lki_json_number(p->low)));
        LKI_TRY(lki_json_set(ctx, object, "high", lki_json_number(p->high)));
    }
    if (p->choices != NULL) {
        LKI_TRY(lki_json_set(ctx, object, "choices", json_string(p->choices)));
    }
    return p->placeholder != NULL ? lki_json_set(ctx, object, "placeholder", json_string(p->placeholder)) : LK_OK;
}

static lk_status method_info(lk_context *ctx, const lki_method *method, json_t *info)
{
    const lk_method *m = &method->public;
    LKI_TRY(lki_json_set(ctx, info, "name", json_string(m->name)));
    LKI_TRY(lki_json_set(ctx, info, "summary", json_string(m->summary)));
    LKI_TRY(lki_json_set(ctx, info, "citation", text_or_null(m->citation)));
    LKI_TRY(lki_json_set(ctx, info, "roles", text_or_null(m->roles)));
    LKI_TRY(lki_json_set(ctx, info, "missing_values", json_boolean(method->gaps)));
    json_t *operations = json_array(), *parameters;
    LKI_TRY(lki_json_set(ctx, info, "operations", operations)); /* info owns it now */
    for (unsigned bit = 1; bit != 0; bit <<= 1) {
        if ((m->operations & bit) != 0 && lk_operation_name(bit) != NULL) {
            LKI_TRY(lki_json_append(ctx, operations, json_string(lk_operation_name(bit))));
        }
    }
    parameters = json_array();
    LKI_TRY(lki_json_set(ctx, info, "parameters", parameters));
    for (int64_t i = 0; i < m->parameter_count; i++) {
        json_t *object = json_object();
        LKI_TRY(lki_json_append(ctx, parameters, object));
        LKI_TRY(parameter_info(ctx, &m->parameters[i], object));
    }
    return LK_OK;
}

lk_status lk_method_info(lk_context *context, const lk_method *method, char **out)
{
    lki_begin(context);
    const lki_method *found = method != NULL ? method_find(method->name) : NULL;
    if (found == NULL || &found->public != method) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "not a method of the registry");
    }
    json_t *info = json_object();
    lk_status status = info != NULL ? method_info(context, found, info) : lki_json_memory(context);
    if (status == LK_OK) {
        status = lki_json_write(context, info, false, out);
    }
    json_decref(info);
    return status;
}

lk_status lki_method_get(lk_context *ctx, const char *name, const lki_method **out)
{
    const lki_method *method = name != NULL ? method_find(name) : lki_methods[0];
    if (method != NULL) {
        *out = method;
        return LK_OK;
    }
    lki_builder list = {0};
    lk_status status = lki_builder_add(ctx, &list, "");
    for (int64_t i = 0; lki_methods[i] != NULL && status == LK_OK; i++) {
        status = lki_builder_add_item(ctx, &list, lki_methods[i]->public.name);
    }
    if (status == LK_OK) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no method \"%.100s\"; there are: %s", name != NULL ? name : "",
                          list.text);
    }
    lki_release(ctx, list.text);
    return status;
}

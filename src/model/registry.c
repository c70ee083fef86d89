/* The registry: what the build collected from every LKI_METHOD, by number and by name. */
#include "model/method.h"
#include "model/model_impl.h"
#include "data/text_builder.h"

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

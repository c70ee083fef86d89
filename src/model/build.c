/* Models from given parameters instead of data. */
#include "math/blas.h"
#include "data/json_text.h"
#include "model/model_impl.h"
#include "model/parameters.h"

#include <string.h>

static void names_free(lk_context *ctx, char **names, int64_t d)
{
    for (int64_t j = 0; names != NULL && j < d; j++) {
        lki_release(ctx, names[j]);
    }
    lki_release(ctx, names);
}

lk_status lk_model_build(lk_context *ctx, const char *name, const char *json, const lk_setting *settings, lk_model **out)
{
    const lki_method *method = NULL;
    lki_values *values = NULL;
    json_t *object = NULL;
    lk_model *model = NULL;
    void *state = NULL;
    char **names = NULL;
    int64_t d = 0;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(lki_method_get(ctx, name, &method));
    if (method->build == NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a %s model cannot be built from given parameters; it is fitted to data",
                        method->public.name);
    }
    lki_memory memory = lki_memory_of(ctx);
    lki_blas_enter();
    LKI_GOTO(status, done, lki_values_new(ctx, &method->public, settings, &values));
    LKI_GOTO(status, done, lki_json_read(ctx, json, strlen(json), "parameters", &object));
    if (!json_is_object(object)) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "parameters: the text must be a JSON object");
        goto done;
    }
    LKI_GOTO(status, done, method->build(ctx, object, values, &state, &d, &names));
    if (names != NULL) {
        LKI_GOTO(status, done, lki_names_check(ctx, (const char *const *)names, d));
    }
    LKI_GOTO(status, done, lki_model_new(ctx, method, d, (const char *const *)names, &model));
    model->values = values;
    model->state = state;
    values = NULL;
    state = NULL;
    *out = model;
done:
    if (state != NULL) {
        method->operations->free(&memory, state);
    }
    lki_values_free(&memory, values);
    names_free(ctx, names, d);
    json_decref(object);
    lki_blas_leave();
    return status;
}

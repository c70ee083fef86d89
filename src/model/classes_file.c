/* The classes of a model as tensors of its file: "priors", and for class 3 the method's own under the prefix "class3.". */
#include "model/classes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

lk_status lki_classes_save(lk_context *ctx, const lki_classes *c, lki_tensor **out, int *count)
{
    lki_tensor *all = NULL;
    size_t capacity = 0;
    int filled = 1;
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_grow(ctx, &all, &capacity, 2, sizeof *all));
    all[0] = (lki_tensor){.name = "priors", .rank = 1, .shape = {c->count, 0, 0}, .values = c->priors};
    for (int64_t k = 0; k < c->count; k++) {
        lki_tensor own[LKI_TENSORS_MAX] = {0};
        int parts = 0;
        LKI_GOTO(status, failed, c->method->operations->save(ctx, c->states[k], own, &parts));
        LKI_GOTO(status, failed, lki_grow(ctx, &all, &capacity, (size_t)(filled + parts) + 1, sizeof *all));
        for (int i = 0; i < parts; i++) {
            all[filled] = own[i];
            snprintf(all[filled].name, sizeof all[filled].name, "class%lld.%.*s", (long long)k, LKI_TENSOR_NAME, own[i].name);
            filled++;
        }
    }
    *out = all;
    *count = filled;
    return LK_OK;
failed:
    lki_release(ctx, all);
    return status;
}

static lk_status load_priors(lk_context *ctx, const lki_tensor *tensors, int count, lki_classes *c)
{
    const lki_tensor *t = NULL;
    double sum = 0.0;
    for (int i = 0; i < count; i++) {
        t = strcmp(tensors[i].name, "priors") == 0 ? &tensors[i] : t;
    }
    if (t == NULL || t->rank != 1 || t->shape[0] != c->count) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be a tensor priors of %lld values, one a class", (long long)c->count);
    }
    for (int64_t k = 0; k < c->count; k++) {
        if (!(t->values[k] >= 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "the prior of class %lld is negative", (long long)k);
        }
        c->priors[k] = t->values[k];
        sum += t->values[k];
    }
    if (!(fabs(sum - 1.0) < 1e-6)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the priors sum to %.9g, not to 1", sum);
    }
    return LK_OK;
}

/* The class that a tensor's name begins with, "class3."; -1 where it does not, or not in the one way to write it. */
static int64_t class_of(const char *name, int64_t count, size_t *length)
{
    int64_t k = 0;
    size_t at = 5;
    if (strncmp(name, "class", at) != 0 || (name[at] == '0' && name[at + 1] != '.')) {
        return -1;
    }
    for (; name[at] >= '0' && name[at] <= '9' && k < count; at++) {
        k = 10 * k + (name[at] - '0');
    }
    *length = at + 1;
    return at > 5 && name[at] == '.' && k < count ? k : -1;
}

/* The tensors of class k stand together from *at on, as names are sorted; moves *at behind them. */
static lk_status load_class(lk_context *ctx, const lki_values *values, const lki_tensor *tensors, int count, int *at, lki_classes *c)
{
    lki_tensor own[LKI_TENSORS_MAX];
    int parts = 0;
    size_t length = 0;
    const char *first = tensors[*at].name;
    int64_t k = class_of(first, c->count, &length);
    if (k < 0 || c->states[k] != NULL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "tensor %s belongs to none of the %lld classes", first, (long long)c->count);
    }
    for (; *at < count && strncmp(tensors[*at].name, first, length) == 0; ++*at) {
        if (parts == LKI_TENSORS_MAX) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "class %lld has more than %d tensors", (long long)k, (int)LKI_TENSORS_MAX);
        }
        own[parts] = tensors[*at];
        snprintf(own[parts].name, sizeof own[parts].name, "%s", tensors[*at].name + length);
        parts++;
    }
    return c->method->operations->load(ctx, values, c->d, own, parts, &c->states[k]);
}

lk_status lki_classes_load(lk_context *ctx, const lki_method *method, const lki_values *values, int64_t d, int64_t classes,
                           const lki_tensor *tensors, int count, lki_classes **out)
{
    lki_classes *c = NULL;
    lk_status status = LK_OK;
    if (classes < 1) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be at least one class");
    }
    LKI_TRY(lki_classes_new(ctx, method, classes, d, &c));
    LKI_GOTO(status, failed, load_priors(ctx, tensors, count, c));
    for (int at = 0; at < count;) {
        if (strcmp(tensors[at].name, "priors") == 0) {
            at++;
        } else {
            LKI_GOTO(status, failed, load_class(ctx, values, tensors, count, &at, c));
        }
    }
    for (int64_t k = 0; k < classes; k++) {
        if (c->states[k] == NULL) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "class %lld of %lld has no tensors", (long long)k, (long long)classes);
            goto failed;
        }
    }
    *out = c;
    return LK_OK;
failed:
    lki_classes_free(&c->memory, c);
    return status;
}

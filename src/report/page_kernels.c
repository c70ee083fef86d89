/* The points behind a kernel density, for a page that weighs them by any values that are given. */
#include "data/json_text.h"
#include "model/model_impl.h"
#include "report/page.h"

#include <stdio.h>
#include <string.h>

/* Numbers that the points may be; points beyond are left out evenly. */
enum { POINT_NUMBERS = 24000 };

/* One kernel density: that of all rows, or of a class. */
typedef struct kernel_group {
    double weight;
    const lki_tensor *points, *weights, *bandwidth, *bounds;
} kernel_group;

static const lki_tensor *tensor_of(const lki_tensor *tensors, int count, const char *prefix, const char *name)
{
    size_t length = strlen(prefix);
    for (int i = 0; i < count; i++) {
        if (strncmp(tensors[i].name, prefix, length) == 0 && strcmp(tensors[i].name + length, name) == 0) {
            return &tensors[i];
        }
    }
    return NULL;
}

/* {"weight", "bandwidth": one a feature, "bounds": one [low, high] a feature with null = no end, or null, "weights", "points": a list a feature}:
 * `kept` points, evenly. Weights are those of all points, of which the kept ones need not sum to 1. */
static lk_status tell_group(lk_context *ctx, const kernel_group *g, int64_t kept, json_t *groups)
{
    json_t *object = json_object(), *points, *bounds;
    int64_t n = g->points->shape[0], d = g->points->shape[1];
    double *values;
    LKI_TRY(lki_json_append(ctx, groups, object));
    LKI_TRY(lki_json_set(ctx, object, "points", points = json_array()));
    LKI_TRY(lki_json_set(ctx, object, "bounds", bounds = g->bounds != NULL ? json_array() : json_null()));
    LKI_TRY(lki_json_set(ctx, object, "weight", json_real(g->weight)));
    LKI_TRY(lki_json_set(ctx, object, "bandwidth", lki_json_numbers(g->bandwidth->values, d)));
    for (int64_t j = 0; g->bounds != NULL && j < d; j++) {
        const double *end = g->bounds->values + 4 * j;
        json_t *pair = json_array();
        LKI_TRY(lki_json_append(ctx, bounds, pair));
        LKI_TRY(lki_json_append(ctx, pair, end[0] != 0.0 ? json_real(end[1]) : json_null()));
        LKI_TRY(lki_json_append(ctx, pair, end[2] != 0.0 ? json_real(end[3]) : json_null()));
    }
    LKI_TRY(lki_allocate(ctx, (size_t)kept, sizeof *values, &values));
    lk_status status = LK_OK;
    for (int64_t j = 0; j <= d && status == LK_OK; j++) { /* the weights behind the features */
        for (int64_t i = 0; i < kept; i++) {
            int64_t from = i * n / kept;
            values[i] = j < d ? g->points->values[from * d + j] : g->weights->values[from];
        }
        json_t *list = lki_json_numbers(values, kept);
        status = j < d ? lki_json_append(ctx, points, list) : lki_json_set(ctx, object, "weights", list);
    }
    lki_release(ctx, values);
    return status;
}

/* Of what the model's file would hold: kernels that are products, and whose places do not move by what is given. */
static lk_status tell_kernels(lk_context *ctx, const lk_model *part, const json_t *info, const lki_tensor *tensors, int count, json_t *density)
{
    const lki_tensor *priors = tensor_of(tensors, count, "", "priors");
    int64_t groups = priors != NULL ? priors->shape[0] : 1, all = 0;
    json_t *kernels = json_object(), *list;
    lk_status status = lki_json_set(ctx, kernels, "groups", list = json_array());
    for (int pass = 0; pass < 2; pass++) { /* to count, then to tell */
        for (int64_t c = 0; c < groups && status == LK_OK; c++) {
            char prefix[32] = "";
            if (priors != NULL) {
                snprintf(prefix, sizeof prefix, "class%lld.", (long long)c);
            }
            const kernel_group g = {priors != NULL ? priors->values[c] : 1.0, tensor_of(tensors, count, prefix, "points"),
                                    tensor_of(tensors, count, prefix, "weights"), tensor_of(tensors, count, prefix, "bandwidth"),
                                    tensor_of(tensors, count, prefix, "bounds")};
            if (g.points == NULL || g.weights == NULL || g.bandwidth == NULL || tensor_of(tensors, count, prefix, "matrix") != NULL) {
                json_decref(kernels);
                return LK_OK;
            }
            int64_t n = g.points->shape[0], most = POINT_NUMBERS / (part->d + 1);
            if (pass == 0) {
                all += n;
            } else {
                int64_t kept = all <= most ? n : n * most / all;
                status = tell_group(ctx, &g, kept > 0 ? kept : 1, list);
            }
        }
    }
    status = status == LK_OK ? lki_json_set(ctx, kernels, "all", json_integer((json_int_t)all)) : status;
    status = status == LK_OK ? lki_json_set(ctx, kernels, "kernel", json_incref(json_object_get(json_object_get(info, "parameters"), "kernel"))) : status;
    if (status != LK_OK) {
        json_decref(kernels);
        return status;
    }
    return lki_json_set(ctx, density, "kernels", kernels);
}

lk_status lki_page_kernels(lk_context *ctx, const lk_model *part, const json_t *info, json_t *density)
{
    const json_t *parameters = json_object_get(info, "parameters");
    const char *regression = json_string_value(json_object_get(parameters, "regression"));
    lki_tensor own[LKI_TENSORS_MAX] = {0}, *of_classes = NULL;
    int count = 0;
    lk_status status;
    if (!json_is_string(json_object_get(parameters, "kernel")) || regression == NULL || strcmp(regression, "constant") != 0 ||
        part->operations.condition == NULL) {
        return LK_OK;
    }
    if (lki_model_by_class(part)) {
        status = lki_classes_save(ctx, part->state, &of_classes, &count);
    } else if (part->operations.save != NULL) {
        status = part->operations.save(ctx, part->state, own, &count);
    } else {
        return LK_OK;
    }
    status = status == LK_OK ? tell_kernels(ctx, part, info, of_classes != NULL ? of_classes : own, count, density) : status;
    lki_release(ctx, of_classes);
    return status == LK_OK && json_object_get(density, "kernels") != NULL
               ? lki_json_set(ctx, density, "transform", json_incref(json_object_get(info, "transform"))) : status;
}

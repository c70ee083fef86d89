/* A net that tells a class, p(class | features) as the mean of its members' softmax, and what any net keeps in a file. */
#include "net/net.h"

#include "data/json_text.h"
#include <math.h>
#include <string.h>

/* ---- the classes ---- */

static int64_t class_groups(const void *state)
{
    return ((const lki_net *)state)->shape.classes;
}

static lk_status class_responsibilities(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_net *net = state;
    const lki_net_shape *s = &net->shape;
    const int64_t inputs = s->inputs, classes = s->classes;
    double *work;
    LKI_TRY(lki_allocate(ctx, (size_t)inputs + 2 * (size_t)s->width + (size_t)classes, sizeof *work, &work));
    double *raw = work + inputs + 2 * s->width;
    for (int64_t i = 0; i < rows; i++) {
        double *p = out + i * classes;
        for (int64_t j = 0; j < inputs; j++) {
            work[j] = (x[i * inputs + j] - net->shift[j]) / net->scale[j];
        }
        memset(p, 0, (size_t)classes * sizeof *p);
        for (int64_t m = 0; m < s->members; m++) {
            lki_net_forward(s, net->weights + m * lki_net_size(s), work, work + inputs, raw);
            lki_net_log_classes(s, net->temperature, raw, raw);
            for (int64_t k = 0; k < classes; k++) {
                p[k] += exp(raw[k]) / (double)s->members;
            }
        }
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* ---- the model file and info ---- */

lk_status lki_net_info(lk_context *ctx, const void *state, json_t *info)
{
    const lki_net *net = state;
    LKI_TRY(lki_json_set(ctx, info, "inputs", json_integer((json_int_t)net->shape.inputs)));
    LKI_TRY(lki_json_set(ctx, info, "weights", json_integer((json_int_t)(net->shape.members * lki_net_size(&net->shape)))));
    return lki_json_set(ctx, info, "temperature", lki_json_number(net->temperature));
}

lk_status lki_net_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const lki_net *net = state;
    const int64_t columns = lki_net_columns(&net->shape);
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "scale", .rank = 1, .shape = {columns}, .values = net->scale};
    tensors[1] = (lki_tensor){.name = "shift", .rank = 1, .shape = {columns}, .values = net->shift};
    tensors[2] = (lki_tensor){.name = "temperature", .rank = 1, .shape = {1}, .values = (double *)&net->temperature};
    tensors[3] = (lki_tensor){.name = "weights", .rank = 2, .shape = {net->shape.members, lki_net_size(&net->shape)}, .values = net->weights};
    *count = 4;
    return LK_OK;
}

/* How many classes a member of `size` weights tells: what is behind the layers is (from + 1) a class; 0 where that does not go. */
static int64_t classes_of(const lki_values *values, int64_t inputs, int64_t size)
{
    lki_net_shape s = lki_net_shape_of(values, inputs, 1);
    const int64_t one = lki_net_size(&s);
    s.classes = 2;
    const int64_t each = lki_net_size(&s) - one;
    return one > 0 && size >= one && (size - one) % each == 0 ? 1 + (size - one) / each : 0;
}

lk_status lki_net_load(lk_context *ctx, const lki_values *values, int64_t d, int64_t classes, const lki_tensor *tensors, int count, void **out)
{
    static const char *const names[] = {"scale", "shift", "temperature", "weights"};
    const bool told = classes < 0 && count == 4 && tensors[3].rank == 2;
    classes = told ? classes_of(values, d, tensors[3].shape[1]) : classes;
    const lki_net_shape shape = lki_net_shape_of(values, classes != 0 ? d : d - 1, classes < 0 ? 1 : classes);
    const int64_t size = lki_net_size(&shape), lengths[] = {d, d, 1, shape.members};
    lki_net *net;
    bool right = count == 4 && size > 0 && (!told || classes > 0);
    for (int i = 0; right && i < 4; i++) {
        right = strcmp(tensors[i].name, names[i]) == 0 && tensors[i].rank == (i < 3 ? 1 : 2) && tensors[i].shape[0] == lengths[i] &&
                (i < 3 || tensors[i].shape[1] == size);
    }
    if (!right) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "there must be the tensors scale and shift of %lld values, temperature of 1, and weights of %lld x %lld",
                        (long long)d, (long long)shape.members, (long long)size);
    }
    for (int64_t j = 0; j < d; j++) {
        if (!(tensors[0].values[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "scale %lld is not above 0", (long long)j + 1);
        }
    }
    if (!(tensors[2].values[0] > 0.0)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "the temperature is not above 0");
    }
    LKI_TRY(lki_net_new(ctx, &shape, &net));
    memcpy(net->scale, tensors[0].values, (size_t)d * sizeof(double));
    memcpy(net->shift, tensors[1].values, (size_t)d * sizeof(double));
    memcpy(net->weights, tensors[3].values, (size_t)(shape.members * size) * sizeof(double));
    net->temperature = tensors[2].values[0];
    *out = net;
    return LK_OK;
}

static lk_status class_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    return lki_net_load(ctx, values, d, -1, tensors, count, out);
}

const lki_operations lki_net_class_operations = {
    .responsibilities = class_responsibilities, .groups = class_groups, .info = lki_net_info, .save = lki_net_save, .load = class_load,
    .free = lki_net_free,
};

/* The method `net`: p(target | the other features) as a mixture of laws whose means and spreads are given by nets. */
#include "net/net.h"

#include "core/philox.h"
#include "math/count_law.h"
#include <float.h>
#include <math.h>
#include <string.h>

/* ---- the state ---- */

static bool has_spread(const lki_net_shape *s)
{
    return s->law == LKI_NET_NORMAL || s->law == LKI_NET_NEGATIVE_BINOMIAL;
}

int64_t lki_net_columns(const lki_net_shape *s)
{
    return s->inputs + (s->law == LKI_NET_CLASSES ? 0 : 1);
}

int64_t lki_net_raw(const lki_net_shape *s)
{
    return s->law == LKI_NET_CLASSES ? s->classes : has_spread(s) ? 2 : 1;
}

int64_t lki_net_outputs(const lki_net_shape *s)
{
    return lki_net_raw(s) - (has_spread(s) && s->constant ? 1 : 0);
}

int64_t lki_net_size(const lki_net_shape *s)
{
    const double outputs = (double)lki_net_outputs(s);
    double from = (double)s->inputs, size = 0.0, width = (double)s->width;
    for (int64_t l = 0; l < s->layers; l++) {
        size += (from + 1.0) * width;
        from = width;
    }
    size += (from + 1.0) * outputs + (double)lki_net_raw(s) - outputs;
    return size < 0x1p40 ? (int64_t)size : -1;
}

/* A net without inputs has nothing to look at: no layers, one spread. */
lki_net_shape lki_net_shape_of(const lki_values *v, int64_t inputs, int64_t classes)
{
    const char *f = lki_value_text(v, "activation"), *law = lki_value_text(v, "law");
    lki_net_shape s = {.inputs = inputs, .layers = inputs > 0 ? lki_value_integer(v, "layers") : 0, .width = lki_value_integer(v, "width"),
                       .residual = lki_value_flag(v, "residual"), .members = lki_value_integer(v, "members"), .classes = classes};
    s.law = classes > 0 ? LKI_NET_CLASSES : strcmp(law, "poisson") == 0 ? LKI_NET_POISSON
            : strcmp(law, "negative_binomial") == 0 ? LKI_NET_NEGATIVE_BINOMIAL : LKI_NET_NORMAL;
    s.activation = strcmp(f, "relu") == 0 ? LKI_NET_RELU : strcmp(f, "tanh") == 0 ? LKI_NET_TANH
                   : strcmp(f, "gelu") == 0 ? LKI_NET_GELU : strcmp(f, "identity") == 0 ? LKI_NET_IDENTITY : LKI_NET_SILU;
    s.constant = inputs == 0 || strcmp(lki_value_text(v, "spread"), "constant") == 0;
    return s;
}

lk_status lki_net_new(lk_context *ctx, const lki_net_shape *shape, lki_net **out)
{
    lki_net *net;
    int64_t size = lki_net_size(shape);
    size_t columns = (size_t)lki_net_columns(shape);
    if (size < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld layers of width %lld over %lld features are too large a net",
                        (long long)shape->layers, (long long)shape->width, (long long)shape->inputs);
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *net, &net));
    net->shape = *shape;
    net->temperature = 1.0;
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_zeros(ctx, columns, sizeof(double), &net->shift));
    LKI_GOTO(status, failed, lki_zeros(ctx, columns, sizeof(double), &net->scale));
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)shape->members, (size_t)size), sizeof(double), &net->weights));
    for (size_t j = 0; j < columns; j++) {
        net->scale[j] = 1.0;
    }
    *out = net;
    return LK_OK;
failed:
    lki_release(ctx, net->shift);
    lki_release(ctx, net->scale);
    lki_release(ctx, net);
    return status;
}

void lki_net_free(const lki_memory *memory, void *state)
{
    lki_net *net = state;
    if (net != NULL) {
        lki_memory_release(memory, net->shift);
        lki_memory_release(memory, net->scale);
        lki_memory_release(memory, net->weights);
        lki_memory_release(memory, net);
    }
}

/* ---- answers ---- */

/* Means and standard deviations of the members for one row of inputs, in the target's units. `work`: inputs + 2 x width + 2. */
static void answer(const lki_net *net, const double *x, double *work, double *means, double *sds)
{
    const int64_t inputs = net->shape.inputs, size = lki_net_size(&net->shape);
    for (int64_t j = 0; j < inputs; j++) {
        work[j] = (x[j] - net->shift[j]) / net->scale[j];
    }
    for (int64_t m = 0; m < net->shape.members; m++) {
        double *raw = work + inputs + 2 * net->shape.width;
        lki_net_forward(&net->shape, net->weights + m * size, work, work + inputs, raw);
        lki_net_moments(&net->shape, net->temperature, raw, &means[m], &sds[m]);
        means[m] = net->shift[inputs] + net->scale[inputs] * means[m];
        sds[m] *= net->scale[inputs];
    }
}

static lk_status work_new(lk_context *ctx, const lki_net *net, double **out)
{
    size_t doubles = (size_t)net->shape.inputs + 2 * (size_t)net->shape.width + 2 + 2 * (size_t)net->shape.members;
    return lki_allocate(ctx, doubles, sizeof **out, out);
}

static lk_status net_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_net *net = state;
    const int64_t d = net->shape.inputs + 1, members = net->shape.members;
    double *work;
    LKI_TRY(work_new(ctx, net, &work));
    double *means = work + d - 1 + 2 * net->shape.width + 2, *sds = means + members;
    for (int64_t i = 0; i < rows; i++) {
        answer(net, x + i * d, work, means, sds);
        for (int64_t m = 0; m < members; m++) {
            means[m] = lki_net_log_density(net->shape.law, x[i * d + d - 1], means[m], sds[m]);
        }
        out[i] = lki_net_log_mean(means, members);
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* ---- conditional questions: the target given all else ---- */

typedef struct conditional {
    const lki_net *net;
    int64_t given;
    bool complete;     /* every input is given */
    int64_t place[];   /* of each input among the given features */
} conditional;

static int64_t conditional_terms(const void *state)
{
    return ((const lki_net *)state)->shape.members;
}

static lk_status conditional_new(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                 int64_t wanted_count, void **out)
{
    const lki_net *net = state;
    const int64_t inputs = net->shape.inputs;
    conditional *c;
    if (wanted_count != 1 || wanted[0] != inputs) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a net tells its target, feature %lld, from all the others; it does not tell feature %lld",
                        (long long)inputs + 1, (long long)(wanted[0] != inputs ? wanted[0] : wanted[1]) + 1);
    }
    LKI_TRY(lki_allocate(ctx, 1, sizeof *c + (size_t)inputs * sizeof c->place[0], &c));
    *c = (conditional){.net = net, .given = given_count, .complete = given_count == inputs};
    for (int64_t j = 0; j < given_count; j++) {
        c->place[given[j]] = j;
    }
    *out = c;
    return LK_OK;
}

/* A row that lacks an input has no answer: NaN. */
static void conditional_row(const conditional *c, const double *values, double *x, double *work, double *means, double *sds)
{
    const int64_t inputs = c->net->shape.inputs;
    for (int64_t j = 0; c->complete && j < inputs; j++) {
        x[j] = values[c->place[j]];
    }
    if (c->complete) {
        answer(c->net, x, work, means, sds);
        return;
    }
    for (int64_t m = 0; m < c->net->shape.members; m++) {
        means[m] = sds[m] = (double)NAN;
    }
}

static lk_status conditional_laws(lk_context *ctx, const void *state, const double *values, int64_t rows, double *weights, double *means,
                                  double *sds)
{
    const conditional *c = state;
    const int64_t members = c->net->shape.members;
    double *work, *x;
    LKI_TRY(work_new(ctx, c->net, &work));
    lk_status status = lki_allocate(ctx, (size_t)c->net->shape.inputs, sizeof *x, &x);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        conditional_row(c, values + i * c->given, x, work, means + i * members, sds + i * members);
        for (int64_t m = 0; m < members; m++) {
            weights[i * members + m] = 1.0 / (double)members;
        }
    }
    if (status == LK_OK) {
        lki_release(ctx, x);
    }
    lki_release(ctx, work);
    return status;
}

static lk_status conditional_draw(lk_context *ctx, const void *state, const double *values, int64_t rows, uint64_t seed,
                                  const int64_t *numbers, int64_t count, double *draws)
{
    const conditional *c = state;
    const int64_t members = c->net->shape.members;
    double *laws;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, 3 * (size_t)members), sizeof *laws, &laws));
    double *means = laws + rows * members, *sds = means + rows * members;
    lk_status status = conditional_laws(ctx, c, values, rows, laws, means, sds);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_IMPUTE, (uint64_t)numbers[i]);
        for (int64_t k = 0; k < count; k++) {
            int64_t m = i * members + lki_random_below(&s, members);
            draws[i * count + k] = c->net->shape.law == LKI_NET_NORMAL ? means[m] + sds[m] * lki_random_normal(&s)
                                   : lki_count_quantile(lki_random_uniform(&s), means[m], sds[m]);
        }
    }
    lki_release(ctx, laws);
    return status;
}

static void conditional_free(const lki_memory *memory, void *state)
{
    lki_memory_release(memory, state);
}

static bool conditional_counts(const void *state)
{
    return ((const lki_net *)state)->shape.law != LKI_NET_NORMAL;
}

static const lki_conditional_operations net_conditional = {
    .terms = conditional_terms, .new = conditional_new, .laws = conditional_laws, .draw = conditional_draw, .free = conditional_free,
    .sds_by_row = true, .counts = conditional_counts,
};

/* The raw number whose softplus, with the least spread added, is the spread. */
static double raw_spread(double spread)
{
    spread = fmax(spread - LKI_NET_LEAST_SPREAD, DBL_MIN);
    return spread > 30.0 ? spread : log(expm1(spread));
}

/* Given every input, a net is a mixture of its laws: a net without inputs. */
static lk_status net_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count, void **out)
{
    const lki_net *net = state;
    const int64_t members = net->shape.members, inputs = net->shape.inputs;
    double unit, *laws = NULL;
    void *c = NULL;
    lki_net *part = NULL;
    lki_memory memory = lki_memory_of(ctx);
    lki_net_shape shape = {.width = net->shape.width, .constant = true, .members = members, .activation = net->shape.activation,
                           .residual = net->shape.residual, .law = net->shape.law};
    const int64_t raw = lki_net_raw(&shape);
    if (count != inputs) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "a net tells its target from all of its %lld inputs; %lld are given", (long long)inputs,
                        (long long)count);
    }
    lk_status status = LK_OK;
    LKI_GOTO(status, done, conditional_new(ctx, net, given, count, &inputs, 1, &c));
    LKI_GOTO(status, done, lki_allocate(ctx, 3 * (size_t)members, sizeof *laws, &laws));
    LKI_GOTO(status, done, lki_net_new(ctx, &shape, &part));
    LKI_GOTO(status, done, conditional_laws(ctx, c, values, 1, laws, laws + members, laws + 2 * members));
    unit = net->scale[inputs];
    part->shift[0] = net->shift[inputs];
    part->scale[0] = unit;
    part->temperature = net->temperature;
    for (int64_t m = 0; m < members; m++) {
        const double mean = laws[members + m], sd = laws[2 * members + m];
        part->weights[raw * m] = shape.law == LKI_NET_NORMAL ? (mean - part->shift[0]) / unit : log(mean);
        if (raw == 2) {
            part->weights[2 * m + 1] = raw_spread(shape.law == LKI_NET_NORMAL ? sd / unit / net->temperature : (sd * sd / mean - 1.0) / mean);
        }
    }
    *out = part;
    part = NULL;
done:
    conditional_free(&memory, c);
    lki_release(ctx, laws);
    lki_net_free(&memory, part);
    return status;
}

/* ---- the descriptor ---- */

static const lk_parameter parameters[] = {
    {.name = "layers", .type = LK_PARAMETER_INTEGER, .value = "2", .low = 0, .high = 64, .summary = "hidden layers; 0 is linear regression"},
    {.name = "width", .type = LK_PARAMETER_INTEGER, .value = "64", .low = 1, .high = 16384, .summary = "units of a hidden layer"},
    {.name = "activation", .type = LK_PARAMETER_CHOICE, .value = "silu", .choices = "silu,relu,tanh,gelu,identity",
     .summary = "function of a hidden unit"},
    {.name = "residual", .type = LK_PARAMETER_FLAG, .value = "false", .summary = "layers add to what they are given, from the second on"},
    {.name = "spread", .type = LK_PARAMETER_CHOICE, .value = "row", .choices = "row,constant",
     .summary = "a standard deviation for each row, or one for all"},
    {.name = "law", .type = LK_PARAMETER_CHOICE, .value = "normal", .choices = "normal,poisson,negative_binomial",
     .summary = "law of the target given the features; the last two are laws of counts. A class (--label) needs none"},
    {.name = "members", .type = LK_PARAMETER_INTEGER, .value = "5", .low = 1, .high = 1000,
     .summary = "nets from different starts that answer together, as a mixture"},
    {.name = "steps", .type = LK_PARAMETER_INTEGER, .value = "5000", .low = 1, .high = 1e9, .summary = "most steps of training a member"},
    {.name = "batch", .type = LK_PARAMETER_INTEGER, .value = "128", .low = 1, .high = 1e6, .summary = "rows of a step"},
    {.name = "rate", .type = LK_PARAMETER_REAL, .value = "0.003", .low = 1e-12, .high = 1e3,
     .summary = "learning rate of AdamW; it grows over 2% of the steps and falls to 0 by half a cosine"},
    {.name = "decay", .type = LK_PARAMETER_REAL, .value = "0.01", .low = 0, .high = 1e6, .summary = "weight decay"},
    {.name = "sharpness", .type = LK_PARAMETER_REAL, .value = "0", .low = 0, .high = 1e3,
     .summary = "gradients are taken this far uphill, which leads to flat minima (SAM; 0.05 is usual) in two runs a step; 0 = where the weights are"},
    {.name = "validation", .type = LK_PARAMETER_REAL, .value = "0.1", .low = 0, .high = 0.9,
     .summary = "share of the rows that take no part and say which step was best; 0 = the last one"},
    {.name = "calibrated", .type = LK_PARAMETER_FLAG, .value = "true",
     .summary = "one temperature, found on the validation rows, divides the logits of classes or scales a normal law's spread"},
    {.name = "patience", .type = LK_PARAMETER_INTEGER, .value = "1500", .low = 0, .high = 1e9,
     .summary = "steps without a better one after which training stops; 0 = never"},
};

static lk_status net_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    return lki_net_load(ctx, values, d, 0, tensors, count, out);
}

static const lki_operations operations = {
    .log_density = net_log_density, .condition = net_condition, .conditional = &net_conditional, .info = lki_net_info, .save = lki_net_save,
    .load = net_load, .free = lki_net_free,
};

LKI_METHOD(net, 50) = {
    .public = {.name = "net", .summary = "Net for a number, a count or a class given the other features, and how sure",
               .citation = "Nix and Weigend 1994, IEEE ICNN 55-60; Lakshminarayanan, Pritzel and Blundell 2017, arXiv:1612.01474; "
                           "Guo, Pleiss, Sun and Weinberger 2017, arXiv:1706.04599 (temperature); "
                           "Foret, Kleiner, Mobahi and Neyshabur 2021, arXiv:2010.01412 (sharpness)",
               .parameters = parameters, .parameter_count = sizeof parameters / sizeof parameters[0], .roles = "features,target,weight",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_CONDITION},
    .operations = &operations,
    .discriminative = &lki_net_class_operations,
    .fit = lki_net_fit,
};

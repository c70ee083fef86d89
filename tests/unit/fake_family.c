/* A small family for tests of the model room: independent normal distributions, whose every answer is known in closed form; and a
 * second method that offers nothing. Included by the tests that need them. */
#include "core/philox.h"
#include "math/special.h"
#include "data/json_text.h"
#include "model/method.h"

#include <math.h>
#include <string.h>

typedef struct fake {
    int64_t d;
    double *mean; /* d */
    double *sd;   /* d */
} fake;

static void fake_free(const lki_memory *memory, void *state)
{
    fake *f = state;
    lki_memory_release(memory, f->mean);
    lki_memory_release(memory, f->sd);
    lki_memory_release(memory, f);
}

static lk_status fake_new(lk_context *ctx, int64_t d, const double *mean, const double *sd, fake **out)
{
    fake *f = NULL;
    lk_status status = lki_zeros(ctx, 1, sizeof *f, &f);
    if (status == LK_OK) {
        f->d = d;
        status = lki_allocate(ctx, (size_t)d, sizeof(double), &f->mean);
    }
    if (status == LK_OK) {
        status = lki_allocate(ctx, (size_t)d, sizeof(double), &f->sd);
    }
    if (status != LK_OK) {
        lki_memory memory = lki_memory_of(ctx);
        if (f != NULL) {
            fake_free(&memory, f);
        }
        return status;
    }
    memcpy(f->mean, mean, (size_t)d * sizeof *mean);
    memcpy(f->sd, sd, (size_t)d * sizeof *sd);
    *out = f;
    return LK_OK;
}

static lk_status fake_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const fake *f = state;
    (void)ctx;
    for (int64_t i = 0; i < rows; i++) {
        out[i] = 0.0;
        for (int64_t j = 0; j < f->d; j++) {
            double z = (x[i * f->d + j] - f->mean[j]) / f->sd[j];
            out[i] -= 0.5 * (LKI_LOG_2PI + z * z) + log(f->sd[j]);
        }
    }
    return LK_OK;
}

static lk_status fake_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const fake *f = state;
    (void)ctx;
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_SAMPLE, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < f->d; j++) {
            out[i * f->d + j] = f->mean[j] + f->sd[j] * lki_random_normal(&s);
        }
    }
    return LK_OK;
}

static lk_status fake_cdf(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const fake *f = state;
    (void)ctx;
    for (int64_t i = 0; i < rows * f->d; i++) {
        out[i] = lki_normal_cdf((x[i] - f->mean[i % f->d]) / f->sd[i % f->d]);
    }
    return LK_OK;
}

static lk_status fake_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const fake *f = state;
    double mean[16], sd[16];
    for (int64_t j = 0; j < count; j++) {
        mean[j] = f->mean[features[j]];
        sd[j] = f->sd[features[j]];
    }
    fake *part;
    LKI_TRY(fake_new(ctx, count, mean, sd, &part));
    *out = part;
    return LK_OK;
}

static lk_status fake_info(lk_context *ctx, const void *state, json_t *info)
{
    const fake *f = state;
    LKI_TRY(lki_json_set(ctx, info, "mean", lki_json_numbers(f->mean, f->d)));
    return lki_json_set(ctx, info, "sd", lki_json_numbers(f->sd, f->d));
}

static lk_status fake_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count)
{
    const fake *f = state;
    (void)ctx;
    tensors[0] = (lki_tensor){.name = "sd", .rank = 1, .shape = {f->d}, .values = f->sd};
    tensors[1] = (lki_tensor){.name = "mean", .rank = 1, .shape = {f->d}, .values = f->mean};
    *count = 2;
    return LK_OK;
}

static lk_status fake_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    (void)values;
    bool right = count == 2 && strcmp(tensors[0].name, "mean") == 0 && strcmp(tensors[1].name, "sd") == 0;
    for (int i = 0; right && i < 2; i++) {
        right = tensors[i].rank == 1 && tensors[i].shape[0] == d;
    }
    for (int64_t j = 0; right && j < d; j++) {
        right = tensors[1].values[j] > 0.0;
    }
    if (!right) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "mean and sd must be %lld values each, sd above 0", (long long)d);
    }
    fake *f;
    LKI_TRY(fake_new(ctx, d, tensors[0].values, tensors[1].values, &f));
    *out = f;
    return LK_OK;
}

/* Sums of w, w (x - 1) and w (x - 1)^2: exact enough for tests. */
typedef struct fake_sums {
    const lki_dataset *data;
    lki_block blocks[64];
} fake_sums;

static lk_status fake_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    fake_sums *s = state;
    lki_block *block = &s->blocks[thread];
    int64_t d = s->data->d;
    LKI_TRY(lki_dataset_block(ctx, s->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        double w = block->w != NULL ? block->w[i] : 1.0;
        sums[0] += w;
        for (int64_t j = 0; j < d; j++) {
            sums[1 + j] += w * block->x[i * d + j];
            sums[1 + d + j] += w * block->x[i * d + j] * block->x[i * d + j];
        }
    }
    return LK_OK;
}

static lk_status fake_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    fake_sums s = {.data = task->data};
    double *sums = NULL;
    int64_t d = task->data->d;
    lk_status status = LK_OK;
    size_t length = (size_t)(1 + 2 * d);
    fake *f = NULL;
    LKI_GOTO(status, done, lki_allocate(ctx, length, sizeof *sums, &sums));
    lki_reduction reduction = {.blocks = task->data->blocks, .length = length, .block = fake_block, .state = &s};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    double floor = lki_value_real(task->values, "floor"), n = sums[0], log_likelihood = 0.0;
    for (int64_t j = 0; j < d; j++) {
        double mean = sums[1 + j] / n, variance = fmax(sums[1 + d + j] / n - mean * mean, floor);
        sums[1 + j] = mean;
        sums[1 + d + j] = sqrt(variance);
        log_likelihood -= 0.5 * n * (LKI_LOG_2PI + log(variance) + 1.0);
        if (variance <= floor) {
            snprintf(report->degenerate, sizeof report->degenerate, "feature %s has no spread", task->names[j]);
        }
    }
    LKI_GOTO(status, done, fake_new(ctx, d, sums + 1, sums + 1 + d, &f));
    *state = f;
    report->n = n;
    report->log_likelihood = log_likelihood;
    report->free_parameters = (double)(2 * d);
    report->entropy = 0.0;
    report->extra = json_pack("{s:[f]}", "selection", log_likelihood + task->log_jacobian);
    if (report->extra == NULL) {
        lki_memory memory = lki_memory_of(ctx);
        fake_free(&memory, f);
        *state = NULL;
        status = lki_json_memory(ctx);
    }
done:
    for (int i = 0; i < 64; i++) {
        lki_block_free(ctx, &s.blocks[i]);
    }
    lki_release(ctx, sums);
    return status;
}

static lk_status fake_build(lk_context *ctx, const json_t *json, const lki_values *values, void **state, int64_t *d, char ***names)
{
    const json_t *mean = json_object_get(json, "mean"), *sd = json_object_get(json, "sd");
    double m[16], s[16];
    size_t count = json_array_size(mean);
    (void)values;
    if (count < 1 || count > 16 || json_array_size(sd) != count) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "mean and sd must be arrays of the same 1 to 16 numbers");
    }
    for (size_t j = 0; j < count; j++) {
        m[j] = json_number_value(json_array_get(mean, j));
        s[j] = json_number_value(json_array_get(sd, j));
        if (!(s[j] > 0.0)) {
            return lki_fail(ctx, LK_ERROR_DATA, "sd %zu is not above 0", j + 1);
        }
    }
    (void)names;
    fake *f;
    LKI_TRY(fake_new(ctx, (int64_t)count, m, s, &f));
    *state = f;
    *d = (int64_t)count;
    return LK_OK;
}

static const lki_operations fake_operations = {
    .log_density = fake_log_density, .sample = fake_sample, .cdf = fake_cdf, .marginal = fake_marginal, .info = fake_info,
    .save = fake_save, .load = fake_load, .free = fake_free,
};

static const lk_parameter fake_parameters[] = {
    {"floor", LK_PARAMETER_REAL, "1e-12", 0, (double)INFINITY, NULL, NULL, "least variance"},
    {"components", LK_PARAMETER_RANGE, "1..9", 1, 1000, NULL, NULL, "a range"},
    {"init", LK_PARAMETER_CHOICE, "kmeans++", 0, 0, "kmeans++,random,held-out", NULL, "a choice"},
    {"freeze", LK_PARAMETER_CHOICES, NULL, 0, 0, "weights,means,covariances", NULL, "some choices"},
    {"max_iter", LK_PARAMETER_INTEGER, "200", 0, 1e6, NULL, NULL, "an integer"},
    {"quick", LK_PARAMETER_FLAG, "false", 0, 0, NULL, NULL, "a flag"},
    {"note", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "TEXT", "any text"},
};

static const lki_method fake_method = {
    .public = {"normal", "independent normal distributions", "none", fake_parameters,
               sizeof fake_parameters / sizeof fake_parameters[0], "features,weight", 1u | 4u | 16u | 32u},
    .operations = &fake_operations, .fit = fake_fit, .build = fake_build,
};

/* The same, but everything that can be derived is left out. */
static const lki_operations bare_operations = {
    .sample = fake_sample, .save = fake_save, .load = fake_load, .free = fake_free,
};
static const lki_method bare_method = {
    .public = {"bare", "offers next to nothing", "none", NULL, 0, "features", 4u},
    .operations = &bare_operations, .build = fake_build, .fit = NULL,
};

const lki_method *const lki_methods[] = {&fake_method, &bare_method, NULL};

/* Samplers as objects: exact draws where a family has them, and draws by the score for any model. */
#include "model/sampler.h"
#include "data/text_builder.h"
#include "math/blas.h"

#include <math.h>
#include <string.h>

/* Draws that tell where the model is and how wide; their seed. */
enum { PLACE_DRAWS = 4096, PLACE_SEED = 0x6c696b66 };

lk_status lki_sampler_oracle(lk_context *ctx, const lk_sampler *s, double t, lki_oracle *out)
{
    double *sigma;
    LKI_TRY(lki_allocate(ctx, (size_t)s->d, sizeof *sigma, &sigma));
    for (int64_t j = 0; j < s->d; j++) {
        sigma[j] = t * s->scale[j];
    }
    lk_status status = lki_oracle_open(ctx, s->model, sigma, out);
    lki_release(ctx, sigma);
    return status;
}

/* Mean and standard deviation of each feature over draws; 0 and 1, as after standardize, where the model has no draws
 * of its own. */
static lk_status place(lk_context *ctx, lk_sampler *s)
{
    int64_t d = s->d;
    for (int64_t j = 0; j < d; j++) {
        s->centre[j] = 0.0;
        s->scale[j] = 1.0;
    }
    if (s->model->operations.sample == NULL) {
        return LK_OK;
    }
    double *draws;
    LKI_TRY(lki_allocate(ctx, lki_product(PLACE_DRAWS, (size_t)d), sizeof *draws, &draws));
    lk_status status = lki_model_draw(ctx, s->model, PLACE_SEED, 0, PLACE_DRAWS, draws);
    for (int64_t j = 0; status == LK_OK && j < d; j++) {
        double m[LKI_POOLED];
        lki_pooled_of(m, draws + j, d, NULL, PLACE_DRAWS);
        s->centre[j] = m[LKI_POOLED_MEAN];
        double sd = sqrt(m[LKI_POOLED_SQUARES] / (PLACE_DRAWS - 1));
        s->scale[j] = sd > 0.0 && isfinite(sd) ? sd : 1.0;
    }
    lki_release(ctx, draws);
    return status;
}

/* What is asked for, else the first that the model can: exact, probability-flow, langevin. */
static lk_status choose(lk_context *ctx, const lk_model *model, const char *name, lki_sampling *out)
{
    bool exact = lki_model_origin(model, LK_OPERATION_SAMPLE) != LKI_ORIGIN_NONE;
    bool noisy = lki_model_origin(model, LK_OPERATION_SMOOTH) != LKI_ORIGIN_NONE;
    bool score = lki_model_origin(model, LK_OPERATION_SCORE) != LKI_ORIGIN_NONE;
    if (name == NULL) {
        *out = exact || !score ? LKI_SAMPLING_EXACT : noisy ? LKI_SAMPLING_FLOW : LKI_SAMPLING_LANGEVIN;
    } else if (strcmp(name, "exact") == 0) {
        *out = LKI_SAMPLING_EXACT;
    } else if (strcmp(name, "langevin") == 0) {
        *out = LKI_SAMPLING_LANGEVIN;
    } else if (strcmp(name, "probability-flow") == 0) {
        *out = LKI_SAMPLING_FLOW;
    } else {
        return lki_fail(ctx, LK_ERROR_ARGUMENT,
                        "there is no sampling method \"%.100s\"; there are: exact, langevin, probability-flow", name);
    }
    if (*out == LKI_SAMPLING_EXACT) {
        return lki_model_supports(ctx, model, LK_OPERATION_SAMPLE);
    }
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SCORE));
    return *out == LKI_SAMPLING_FLOW ? lki_model_supports(ctx, model, LK_OPERATION_SMOOTH) : LK_OK;
}

/* Defaults: the flow begins wide enough to forget the model's shape, annealed chains where its modes have merged. */
static lk_status read_options(lk_context *ctx, const lk_sampler_options *o, lk_sampler *s)
{
    bool flow = s->method == LKI_SAMPLING_FLOW;
    s->steps = o->steps != 0 ? o->steps : flow ? 100 : 400;
    s->sigma_max = o->sigma_max != 0.0 ? o->sigma_max : flow ? 50.0 : 2.0;
    s->sigma_min = o->sigma_min != 0.0 ? o->sigma_min : flow ? 0.002 : 0.02;
    s->seed = (uint64_t)o->seed;
    if (s->steps < 8 || s->steps > 100000000) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld steps; there must be from 8 to 100000000", (long long)s->steps);
    }
    if (!(s->sigma_max >= 1e-6 && s->sigma_max <= 1e6) || !(s->sigma_min >= 1e-9 && s->sigma_min < s->sigma_max)) {
        return lki_fail(
            ctx, LK_ERROR_ARGUMENT,
            "sigma from %g down to %g; the first must be from 1e-6 to 1e6, the second from 1e-9 to below the first",
            s->sigma_max, s->sigma_min);
    }
    if (!(o->step_size >= 0.0 && o->step_size <= 1e3)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT,
                        "a step size of %g; it must be above 0 and at most 1000, or 0 for one that is found",
                        o->step_size);
    }
    if (o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "seed is %lld; it must be at least 0", (long long)o->seed);
    }
    return LK_OK;
}

lk_status lk_sampler_new(lk_context *ctx, const lk_model *model, const lk_sampler_options *options, lk_sampler **out)
{
    lk_sampler_options none = {.size = sizeof none};
    const lk_sampler_options *o = options != NULL ? options : &none;
    lk_sampler *s = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (o->size < sizeof *o) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_sampler_options.size is %zu; set it to sizeof(lk_sampler_options)",
                        o->size);
    }
    lki_blas_enter();
    size_t d = (size_t)model->d;
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *s, &s));
    s->memory = lki_memory_of(ctx);
    s->model = model;
    s->d = model->d;
    LKI_GOTO(status, done, choose(ctx, model, o->method, &s->method));
    LKI_GOTO(status, done, read_options(ctx, o, s));
    if (s->method != LKI_SAMPLING_EXACT) {
        LKI_GOTO(status, done, lki_allocate(ctx, d, sizeof(double), &s->centre));
        LKI_GOTO(status, done, lki_allocate(ctx, d, sizeof(double), &s->scale));
        LKI_GOTO(status, done, place(ctx, s));
    }
    if (s->method == LKI_SAMPLING_LANGEVIN) {
        LKI_GOTO(status, done, lki_zeros(ctx, d, LKI_POOLED * sizeof(double), &s->halves));
        LKI_GOTO(status, done, lki_zeros(ctx, d, LKI_POOLED * sizeof(double), &s->chains));
        LKI_GOTO(status, done, lki_zeros(ctx, d, sizeof(double), &s->within));
        LKI_GOTO(status, done, lki_langevin_prepare(ctx, s, o->step_size));
    }
    *out = s;
    s = NULL;
done:
    lki_blas_leave();
    lk_sampler_free(s);
    return status;
}

void lk_sampler_free(lk_sampler *s)
{
    if (s != NULL) {
        lki_memory memory = s->memory;
        lki_memory_release(&memory, s->centre);
        lki_memory_release(&memory, s->scale);
        lki_memory_release(&memory, s->halves);
        lki_memory_release(&memory, s->chains);
        lki_memory_release(&memory, s->within);
        lki_memory_release(&memory, s);
    }
}

lk_status lk_sampler_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *out)
{
    lki_begin(ctx);
    if (rows < 0 || first_row < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows: each must be at least 0",
                        (long long)first_row, (long long)rows);
    }
    lki_blas_enter();
    lk_status status = s->method == LKI_SAMPLING_EXACT ? lki_model_draw(ctx, s->model, s->seed, first_row, rows, out)
                       : s->method == LKI_SAMPLING_LANGEVIN ? lki_langevin_rows(ctx, s, first_row, rows, out)
                                                            : lki_flow_rows(ctx, s, first_row, rows, out);
    lki_blas_leave();
    if (status == LK_OK && s->model->transform != NULL) {
        lki_transform_invert(s->model->transform, out, rows, out);
    }
    s->rows += status == LK_OK ? rows : 0;
    return status;
}

/* Split R-hat (Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 11.4), and how many independent states a
 * chain went through: the variance of the model over that of the chains' means. The worst feature counts. */
static void chains_report(const lk_sampler *s, lk_sampler_report *out)
{
    int64_t half = (s->steps - s->steps / 2) / 2;
    out->r_hat = 1.0;
    out->effective = (double)INFINITY;
    for (int64_t j = 0; j < s->d; j++) {
        const double *h = s->halves + j * LKI_POOLED, *c = s->chains + j * LKI_POOLED;
        if (!(c[LKI_POOLED_WEIGHT] > 1.0)) { /* one chain alone has nothing to compare with */
            out->r_hat = out->effective = (double)NAN;
            return;
        }
        double within = s->within[j] / h[LKI_POOLED_WEIGHT],
               between = h[LKI_POOLED_SQUARES] / (h[LKI_POOLED_WEIGHT] - 1.0);
        double total = within * (double)(half - 1) / (double)half + between;
        out->r_hat = fmax(out->r_hat, within > 0.0 ? sqrt(total / within) : (double)INFINITY);
        out->effective = fmin(out->effective, total / (c[LKI_POOLED_SQUARES] / (c[LKI_POOLED_WEIGHT] - 1.0)));
    }
}

void lk_sampler_tell(const lk_sampler *s, lk_sampler_report *out)
{
    static const char *const names[] = {"exact", "langevin", "probability-flow"};
    bool langevin = s->method == LKI_SAMPLING_LANGEVIN, flow = s->method == LKI_SAMPLING_FLOW;
    size_t size = out->size;
    lk_sampler_report r = {.size = size, .method = names[s->method], .rows = s->rows};
    r.steps = langevin || flow ? s->steps : 0;
    r.sigma_max = langevin || flow ? s->sigma_max : (double)NAN;
    r.sigma_min = langevin || flow ? s->sigma_min : (double)NAN;
    r.step_size = langevin ? sqrt(s->squares[s->levels - 1]) : (double)NAN;
    r.acceptance = s->proposed > 0.0 ? s->accepted / s->proposed : (double)NAN;
    r.r_hat = r.effective = (double)NAN;
    if (langevin) {
        chains_report(s, &r);
    }
    r.step_error = s->error_count > 0.0 ? sqrt(s->error_squares / s->error_count) : (double)NAN;
    r.step_error_most = s->error_count > 0.0 ? s->error_most : (double)NAN;
    memcpy(out, &r, size < sizeof r ? size : sizeof r);
}

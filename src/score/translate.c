/* Translators: rows of one distribution carried to another, by a bridge, by codes in noise, or along an interpolant. */
#include "score/translate.h"

#include "math/blas.h"

#include <math.h>
#include <string.h>

static const char *const method_names[] = {"bridge", "latent", "interpolant"};

static lk_status check_options(lk_context *ctx, const lk_translate_options *o)
{
    if (o->size < sizeof *o) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_translate_options.size is %zu; set it to sizeof(lk_translate_options)", o->size);
    }
    if (o->steps < 0 || o->steps > 1000000 || o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld steps, seed %lld: steps must be from 0 to 1000000, the seed at least 0", (long long)o->steps,
                        (long long)o->seed);
    }
    if (!(o->noise >= 0.0 && o->noise <= 1e6) || !(o->sigma_max == 0.0 || (o->sigma_max >= 0.01 && o->sigma_max <= 1e4))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "noise %g, sigma_max %g: noise must be from 0 to 1e6, sigma_max from .01 to 1e4", o->noise,
                        o->sigma_max);
    }
    return LK_OK;
}

/* Two models over the same features in the same order. */
static lk_status check_pair(lk_context *ctx, const lk_model *from, const lk_model *to)
{
    for (int64_t j = 0; j < from->d || j < to->d; j++) {
        if (j >= from->d || j >= to->d || strcmp(from->names[j], to->names[j]) != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "feature %lld is %s of the one model and %s of the other: they must be the same, in the same order",
                            (long long)j + 1, j < from->d ? from->names[j] : "missing", j < to->d ? to->names[j] : "missing");
        }
    }
    return LK_OK;
}

static bool is_bridge(const lk_model *model)
{
    return strcmp(model->method->public.name, "bridge") == 0 && model->classes == NULL;
}

static lk_status bridge_new(lk_context *ctx, lk_translator *t)
{
    if (!is_bridge(t->from) || ((const lki_bridge *)t->from->state)->sources == 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "one model alone translates where it is a bridge from a source to a target; this %s model is none: give a "
                        "second model", t->from->method->public.name);
    }
    t->method = LKI_TRANSLATE_BRIDGE;
    t->d = ((const lki_bridge *)t->from->state)->m;
    return LK_OK;
}

static lk_status interpolant_new(lk_context *ctx, lk_translator *t, const lki_normal_set *from, const lki_normal_set *to)
{
    t->method = LKI_TRANSLATE_INTERPOLANT;
    return lki_interpolant_new(ctx, from, to, t->a.spread, t->steps, &t->interpolant);
}

static lk_status between_new(lk_context *ctx, lk_translator *t, const char *method)
{
    lki_normal_set from = {0}, to = {0};
    bool is_from, is_to;
    lk_status status = LK_OK;
    LKI_TRY(check_pair(ctx, t->from, t->to));
    if (method != NULL && strcmp(method, "latent") != 0 && strcmp(method, "interpolant") != 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no translation between two models called \"%.100s\"; there are: latent, interpolant", method);
    }
    t->d = t->from->d;
    LKI_TRY(lki_affine_new(ctx, t->from, "a translation", &t->a));
    LKI_TRY(lki_affine_new(ctx, t->to, "a translation", &t->b));
    LKI_GOTO(status, done, lki_normal_set_new(ctx, t->from, &is_from, &from));
    LKI_GOTO(status, done, lki_normal_set_new(ctx, t->to, &is_to, &to));
    const bool latent = method != NULL ? strcmp(method, "latent") == 0 : !is_from || !is_to;
    if (latent) {
        t->method = LKI_TRANSLATE_LATENT;
        status = lki_latent_prepare(ctx, t);
        goto done;
    }
    if (!is_from || !is_to) {
        status = lki_fail(ctx, LK_ERROR_UNSUPPORTED, "an interpolant in closed form wants two mixtures of normal distributions, and the %s model is none; "
                          "take the method latent", !is_from ? t->from->method->public.name : t->to->method->public.name);
        goto done;
    }
    LKI_GOTO(status, done, interpolant_new(ctx, t, &from, &to));
    return LK_OK; /* the interpolant keeps both */
done:
    lki_release(ctx, from.weights);
    lki_release(ctx, to.weights);
    return status;
}

lk_status lk_translator_new(lk_context *ctx, const lk_model *from, const lk_model *to, const lk_translate_options *options, lk_translator **out)
{
    const lk_translate_options none = {.size = sizeof none}, *o = options != NULL ? options : &none;
    lk_translator *t = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(check_options(ctx, o));
    LKI_TRY(lki_zeros(ctx, 1, sizeof *t, &t));
    lki_blas_enter();
    t->memory = lki_memory_of(ctx);
    t->from = from;
    t->to = to;
    t->steps = o->steps > 0 || to == NULL ? o->steps : 100;
    t->noise = o->noise;
    t->sigma_max = o->sigma_max > 0.0 ? o->sigma_max : 20.0;
    t->seed = (uint64_t)o->seed;
    LKI_GOTO(status, done, to == NULL ? bridge_new(ctx, t) : between_new(ctx, t, o->method));
    t->columns = t->d + (o->density ? 1 : 0);
    if (o->density && (t->method != LKI_TRANSLATE_INTERPOLANT || t->noise > 0.0)) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "densities are known along an interpolant without noise alone");
        goto done;
    }
    if (t->noise > 0.0 && t->method != LKI_TRANSLATE_INTERPOLANT) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "noise is an option of an interpolant alone");
        goto done;
    }
    *out = t;
    t = NULL;
done:
    lki_blas_leave();
    lk_translator_free(t);
    return status;
}

void lk_translator_free(lk_translator *t)
{
    if (t == NULL) {
        return;
    }
    lki_memory memory = t->memory;
    for (int64_t n = 0; t->oracles_a != NULL && n < 2 * t->steps; n++) {
        lki_affine_release_oracle(&memory, &t->oracles_a[n]);
    }
    lki_memory_release(&memory, t->oracles_a);
    lki_memory_release(&memory, t->a.shift);
    lki_memory_release(&memory, t->b.shift);
    lki_interpolant_free(&memory, t->interpolant);
    lki_memory_release(&memory, t);
}

int64_t lk_translator_dimension(const lk_translator *t)
{
    return t->d;
}

/* ---- rows ---- */

typedef struct translating {
    const lk_translator *t;
    const double *x;
    int64_t first_row, rows;
    double *out;
} translating;

/* A bridge works in the transformed units of its own features: the source's on the way in, the target's on the way out. */
static lk_status through_bridge(lk_context *ctx, const lk_translator *t, double *x, int64_t first_row, int64_t rows, double *y)
{
    const lki_transform *both = t->from->transform;
    const lki_bridge *b = t->from->state;
    if (both == NULL) {
        return lki_bridge_rows(ctx, b, t->steps, t->seed, x, first_row, rows, y);
    }
    const int64_t m = t->d;
    int64_t *half;
    lki_transform *source = NULL, *target = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)m, sizeof *half, &half));
    for (int64_t j = 0; j < 2 * m; j++) {
        half[j] = j;
    }
    LKI_GOTO(status, done, lki_transform_select(ctx, both, half, m, &source));
    LKI_GOTO(status, done, lki_transform_select(ctx, both, half + m, m, &target));
    lki_transform_apply(source, x, rows, x, NULL, NULL);
    LKI_GOTO(status, done, lki_bridge_rows(ctx, b, t->steps, t->seed, x, first_row, rows, y));
    lki_transform_invert(target, y, rows, y);
done:
    lki_transform_free(source);
    lki_transform_free(target);
    lki_release(ctx, half);
    return status;
}

static lk_status carry(lk_context *ctx, const lk_translator *t, double *x, int64_t first_row, int64_t rows, double *y, double *log_density)
{
    if (t->method == LKI_TRANSLATE_BRIDGE) {
        return through_bridge(ctx, t, x, first_row, rows, y);
    }
    if (t->method == LKI_TRANSLATE_LATENT) {
        return lki_latent_rows(ctx, t, x, first_row, rows, y);
    }
    memcpy(y, x, (size_t)(rows * t->d) * sizeof *y);
    return lki_interpolant_rows(ctx, t, first_row, rows, y, log_density);
}

static lk_status translate_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const translating *g = state;
    const lk_translator *t = g->t;
    const int64_t d = t->d, first = index * LKI_BLOCK_ROWS, left = g->rows - first, rows = left < LKI_BLOCK_ROWS ? left : LKI_BLOCK_ROWS;
    const size_t values = lki_product((size_t)rows, (size_t)d);
    double *x, *y;
    lk_status status = LK_OK;
    (void)thread;
    LKI_TRY(lki_allocate(ctx, 2 * values + (size_t)rows, sizeof *x, &x));
    y = x + values;
    double *log_density = t->columns > d ? y + values : NULL;
    for (int64_t i = 0; i < rows * d; i++) { /* a row that cannot be answered goes the way of its finite values */
        const double v = g->x[first * d + i];
        x[i] = isfinite(v) ? v : 0.0;
    }
    LKI_GOTO(status, done, carry(ctx, t, x, g->first_row + first, rows, y, log_density));
    for (int64_t i = 0; i < rows; i++) {
        double *out = g->out + (first + i) * t->columns;
        bool whole = true;
        for (int64_t j = 0; j < d; j++) {
            whole = whole && isfinite(g->x[(first + i) * d + j]);
            out[j] = y[i * d + j];
        }
        if (log_density != NULL) {
            out[d] = log_density[i];
        }
        for (int64_t j = 0; j < t->columns && !whole; j++) {
            out[j] = (double)NAN;
        }
        for (int64_t j = 0; j < d && whole; j++) {
            if (!isfinite(out[j])) {
                status = lki_fail(ctx, LK_ERROR_NUMERIC, "row %lld left the range of numbers on its way; more steps may help",
                                  (long long)(g->first_row + first + i) + 1);
                goto done;
            }
        }
    }
done:
    lki_release(ctx, x);
    return status;
}

lk_status lk_translator_rows(lk_context *ctx, lk_translator *t, const double *x, int64_t first_row, int64_t rows, double *out)
{
    translating g = {.t = t, .x = x, .first_row = first_row, .rows = rows, .out = out};
    lki_begin(ctx);
    if (rows < 0 || first_row < 0 || rows > INT64_MAX - first_row) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows: each must be at least 0", (long long)first_row, (long long)rows);
    }
    lki_blas_enter();
    lk_status status = lki_parallel(ctx, (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, translate_block, &g);
    lki_blas_leave();
    for (int64_t i = 0; i < rows && status == LK_OK; i++) {
        double square = 0.0;
        for (int64_t j = 0; j < t->d; j++) {
            const double moved = out[i * t->columns + j] - x[i * t->d + j];
            square += moved * moved;
        }
        t->cost += isnan(square) ? 0.0 : square;
        t->count += isnan(square) ? 0.0 : 1.0;
    }
    t->rows += status == LK_OK ? rows : 0;
    return status;
}

void lk_translator_tell(const lk_translator *t, lk_translate_report *out)
{
    const size_t size = out->size;
    lk_translate_report r = {.size = size, .method = method_names[t->method], .rows = t->rows, .steps = t->steps,
                             .cost = t->count > 0.0 ? t->cost / t->count : (double)NAN};
    memcpy(out, &r, size < sizeof r ? size : sizeof r);
}

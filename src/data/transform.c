/* Transforms of features: chains of increasing steps with inverse, Jacobian and gradient. */
#include "transform.h"

#include "dataset.h"
#include "json_text.h"
#include "number.h"
#include "text_field.h"
#include "transform_impl.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *const step_names[] = {
#define STEP_NAME(name, text, domain) text,
    LKI_STEP_LIST(STEP_NAME)
#undef STEP_NAME
};
static const char *const step_domains[] = {
#define STEP_DOMAIN(name, text, domain) domain,
    LKI_STEP_LIST(STEP_DOMAIN)
#undef STEP_DOMAIN
};
enum { STEP_KINDS = sizeof step_names / sizeof step_names[0] };

int lki_step_find(const char *name, size_t length)
{
    for (int i = 0; i < STEP_KINDS; i++) {
        if (strlen(step_names[i]) == length && memcmp(step_names[i], name, length) == 0) {
            return i;
        }
    }
    return -1;
}

lk_status lki_transform_identity(lk_context *ctx, int64_t d, lki_transform **out)
{
    lki_transform *t = NULL;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *t, &t));
    t->memory = lki_memory_of(ctx);
    lk_status status = lki_zeros(ctx, (size_t)d, sizeof *t->chains, &t->chains);
    if (status != LK_OK) {
        lki_transform_free(t);
        return status;
    }
    t->d = d;
    *out = t;
    return LK_OK;
}

void lki_transform_free(lki_transform *t)
{
    if (t != NULL) {
        lki_memory memory = t->memory;
        lki_memory_release(&memory, t->chains);
        lki_memory_release(&memory, t);
    }
}

/* ---- one step -------------------------------------------------------------------------------------------------- */

static bool inside(const lki_step *s, double x)
{
    switch (s->kind) {
    case LKI_STEP_LOG:
        return x > 0.0 && x <= DBL_MAX;
    case LKI_STEP_LOGIT:
        return x > 0.0 && x < 1.0;
    case LKI_STEP_SQRT:
        return x != 0.0 && fabs(x) <= DBL_MAX;
    case LKI_STEP_STANDARDIZE:
        return fabs((x - s->a) / s->b) <= DBL_MAX;
    case LKI_STEP_IDENTITY:
    case LKI_STEP_ASINH:
        break;
    }
    return fabs(x) <= DBL_MAX;
}

static double forward(const lki_step *s, double x)
{
    switch (s->kind) {
    case LKI_STEP_STANDARDIZE:
        return (x - s->a) / s->b;
    case LKI_STEP_LOG:
        return log(x);
    case LKI_STEP_LOGIT:
        return x < 0.5 ? log(x) - log1p(-x) : log(x / (1.0 - x));
    case LKI_STEP_SQRT:
        return copysign(sqrt(fabs(x)), x);
    case LKI_STEP_ASINH:
        return asinh(x);
    case LKI_STEP_IDENTITY:
        break;
    }
    return x;
}

/* log dz/dx at x. */
static double log_slope(const lki_step *s, double x)
{
    switch (s->kind) {
    case LKI_STEP_STANDARDIZE:
        return -log(s->b);
    case LKI_STEP_LOG:
        return -log(x);
    case LKI_STEP_LOGIT:
        return -log(x) - log1p(-x);
    case LKI_STEP_SQRT:
        return -log(2.0) - 0.5 * log(fabs(x));
    case LKI_STEP_ASINH:
        return -log(hypot(1.0, x));
    case LKI_STEP_IDENTITY:
        break;
    }
    return 0.0;
}

/* g dz/dx + d/dx log(dz/dx): how a gradient passes back through the step. */
static double backward(const lki_step *s, double x, double g)
{
    switch (s->kind) {
    case LKI_STEP_STANDARDIZE:
        return g / s->b;
    case LKI_STEP_LOG:
        return (g - 1.0) / x;
    case LKI_STEP_LOGIT:
        return (g - 1.0 + 2.0 * x) / (x * (1.0 - x));
    case LKI_STEP_SQRT:
        return 0.5 * g / sqrt(fabs(x)) - 0.5 / x;
    case LKI_STEP_ASINH: {
        double h = hypot(1.0, x);
        return g / h - x / h / h;
    }
    case LKI_STEP_IDENTITY:
        break;
    }
    return g;
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x; /* NaN stays */
}

static double inverse(const lki_step *s, double z)
{
    switch (s->kind) {
    case LKI_STEP_STANDARDIZE:
        return clamp(z * s->b + s->a, -DBL_MAX, DBL_MAX);
    case LKI_STEP_LOG:
        return clamp(exp(z), DBL_TRUE_MIN, DBL_MAX);
    case LKI_STEP_LOGIT: {
        double e = exp(-fabs(z));
        return clamp(z < 0.0 ? e / (1.0 + e) : 1.0 / (1.0 + e), DBL_TRUE_MIN, 1.0 - DBL_EPSILON / 2.0);
    }
    case LKI_STEP_SQRT:
        return clamp(z * fabs(z), -DBL_MAX, DBL_MAX);
    case LKI_STEP_ASINH:
        return clamp(sinh(z), -DBL_MAX, DBL_MAX);
    case LKI_STEP_IDENTITY:
        break;
    }
    return z;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* One value through a chain; adds to *log_jacobian, clears *good outside the domain. */
static double apply_chain(const lki_chain *c, double x, double *log_jacobian, bool *good)
{
    if (isnan(x)) { /* missing: no part of the density, nor of its Jacobian */
        return x;
    }
    if (c->count == 0 && !(fabs(x) <= DBL_MAX)) {
        *good = false;
        *log_jacobian = (double)NAN;
        return (double)NAN;
    }
    for (int i = 0; i < c->count; i++) {
        const lki_step *s = &c->steps[i];
        if (!inside(s, x)) {
            *good = false;
            if (!(s->kind == LKI_STEP_SQRT && x == 0.0)) {
                *log_jacobian = (double)NAN;
                return (double)NAN;
            }
        }
        *log_jacobian += log_slope(s, x);
        x = forward(s, x);
    }
    return x;
}

/* The same without the Jacobian, which costs a logarithm more a step. */
static double apply_value(const lki_chain *c, double x, bool *good)
{
    if (isnan(x)) {
        return x;
    }
    *good = c->count > 0 || fabs(x) <= DBL_MAX;
    for (int i = 0; i < c->count; i++) {
        const lki_step *s = &c->steps[i];
        if (!inside(s, x)) {
            *good = false;
            if (!(s->kind == LKI_STEP_SQRT && x == 0.0)) {
                return (double)NAN;
            }
        }
        x = forward(s, x);
    }
    return *good || isfinite(x) ? x : (double)NAN;
}

void lki_transform_apply(const lki_transform *t, const double *x, int64_t rows, double *z, double *log_jacobian,
                         int64_t *bad)
{
    int64_t first_bad = -1;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < t->d; j++) {
            int64_t at = i * t->d + j;
            bool good = true;
            z[at] = log_jacobian != NULL ? apply_chain(&t->chains[j], x[at], &sum, &good)
                                         : apply_value(&t->chains[j], x[at], &good);
            first_bad = !good && first_bad < 0 ? at : first_bad;
        }
        if (log_jacobian != NULL) {
            log_jacobian[i] = sum;
        }
    }
    if (bad != NULL) {
        *bad = first_bad;
    }
}

bool lki_transform_affine(const lki_transform *t)
{
    for (int64_t j = 0; j < t->d; j++) {
        for (int k = 0; k < t->chains[j].count; k++) {
            lki_step_kind kind = t->chains[j].steps[k].kind;
            if (kind != LKI_STEP_STANDARDIZE && kind != LKI_STEP_IDENTITY) {
                return false;
            }
        }
    }
    return true;
}

void lki_transform_log_slopes(const lki_transform *t, const double *x, int64_t rows, double *out)
{
    for (int64_t i = 0; i < rows * t->d; i++) {
        bool good = true;
        double sum = 0.0, z = apply_chain(&t->chains[i % t->d], x[i], &sum, &good);
        out[i] = isnan(z) ? (double)NAN : sum;
    }
}

const char *lki_transform_domain(const lki_transform *t, int64_t feature, double x)
{
    const lki_chain *c = &t->chains[feature];
    for (int i = 0; i < c->count; i++) {
        if (!inside(&c->steps[i], x)) {
            return step_domains[c->steps[i].kind];
        }
        x = forward(&c->steps[i], x);
    }
    return step_domains[LKI_STEP_IDENTITY];
}

double lki_chain_invert(const lki_chain *c, int count, double z)
{
    for (int k = count - 1; k >= 0; k--) {
        z = inverse(&c->steps[k], z);
    }
    return z;
}

void lki_transform_invert(const lki_transform *t, const double *z, int64_t rows, double *x)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < t->d; j++) {
            x[i * t->d + j] = lki_chain_invert(&t->chains[j], t->chains[j].count, z[i * t->d + j]);
        }
    }
}

void lki_transform_gradient(const lki_transform *t, const double *x, int64_t rows, double *gradient)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < t->d; j++) {
            const lki_chain *c = &t->chains[j];
            double inputs[LKI_TRANSFORM_STEPS];
            double v = x[i * t->d + j];
            for (int k = 0; k < c->count; k++) {
                inputs[k] = v;
                v = inside(&c->steps[k], v) ? forward(&c->steps[k], v) : (double)NAN;
            }
            double g = gradient[i * t->d + j];
            for (int k = c->count - 1; k >= 0; k--) {
                g = isnan(v) ? (double)NAN : backward(&c->steps[k], inputs[k], g);
            }
            gradient[i * t->d + j] = g;
        }
    }
}

lk_status lki_transform_select(lk_context *ctx, const lki_transform *t, const int64_t *features, int64_t count,
                               lki_transform **out)
{
    lki_transform *part = NULL;
    LKI_TRY(lki_transform_identity(ctx, count, &part));
    for (int64_t j = 0; j < count; j++) {
        part->chains[j] = t->chains[features[j]];
    }
    *out = part;
    return LK_OK;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static lk_status add_number(lk_context *ctx, lki_builder *text, double v)
{
    char number[LKI_NUMBER_BYTES];
    size_t length = (size_t)lki_format_double(v, number);
    if (v == 0.0 && signbit(v)) {
        return lki_builder_add_bytes(ctx, text, "-0.0", 4); /* JSON's integers have no negative zero */
    }
    return lki_builder_add_bytes(ctx, text, number, length);
}

static lk_status add_chain(lk_context *ctx, lki_builder *text, const lki_chain *c)
{
    LKI_TRY(lki_builder_add_bytes(ctx, text, "[", 1));
    for (int k = 0; k < c->count; k++) {
        const lki_step *s = &c->steps[k];
        LKI_TRY(lki_builder_add_bytes(ctx, text, ",", k > 0));
        if (s->kind != LKI_STEP_STANDARDIZE) {
            LKI_TRY(lki_builder_add_json(ctx, text, step_names[s->kind]));
            continue;
        }
        LKI_TRY(lki_builder_add_bytes(ctx, text, "[\"standardize\",", 15));
        LKI_TRY(add_number(ctx, text, s->a));
        LKI_TRY(lki_builder_add_bytes(ctx, text, ",", 1));
        LKI_TRY(add_number(ctx, text, s->b));
        LKI_TRY(lki_builder_add_bytes(ctx, text, "]", 1));
    }
    return lki_builder_add_bytes(ctx, text, "]", 1);
}

/* An array of d chains, each an array of steps: "log" or ["standardize", mean, sd]. */
lk_status lki_transform_json(lk_context *ctx, const lki_transform *t, char **out)
{
    lki_builder text = {0};
    lk_status status;
    LKI_GOTO(status, fail, lki_builder_add_bytes(ctx, &text, "[", 1));
    for (int64_t j = 0; j < t->d; j++) {
        LKI_GOTO(status, fail, lki_builder_add_bytes(ctx, &text, ",", j > 0));
        LKI_GOTO(status, fail, add_chain(ctx, &text, &t->chains[j]));
    }
    LKI_GOTO(status, fail, lki_builder_add_bytes(ctx, &text, "]", 1));
    *out = text.text;
    return LK_OK;
fail:
    lki_release(ctx, text.text);
    return status;
}

static bool parse_step(const json_t *item, lki_step *out)
{
    if (json_is_string(item)) {
        int kind = lki_step_find(json_string_value(item), json_string_length(item));
        *out = (lki_step){.kind = (lki_step_kind)kind};
        return kind >= 0 && kind != LKI_STEP_STANDARDIZE;
    }
    const json_t *name = json_array_get(item, 0), *a = json_array_get(item, 1), *b = json_array_get(item, 2);
    if (json_array_size(item) != 3 || !json_is_string(name) || strcmp(json_string_value(name), "standardize") != 0 ||
        !json_is_number(a) || !json_is_number(b)) {
        return false;
    }
    *out = (lki_step){.kind = LKI_STEP_STANDARDIZE, .a = json_number_value(a), .b = json_number_value(b)};
    return isfinite(out->a) && isfinite(out->b) && out->b > 0.0;
}

static lk_status parse_chains(lk_context *ctx, const json_t *root, lki_transform *t)
{
    if (!json_is_array(root) || json_array_size(root) != (size_t)t->d) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "transform: an array of %lld lists of steps is expected",
                        (long long)t->d);
    }
    for (int64_t j = 0; j < t->d; j++) {
        const json_t *list = json_array_get(root, (size_t)j);
        if (!json_is_array(list) || json_array_size(list) > LKI_TRANSFORM_STEPS) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "transform[%lld]: a list of at most %d steps is expected",
                            (long long)j, (int)LKI_TRANSFORM_STEPS);
        }
        lki_chain *c = &t->chains[j];
        for (; c->count < (int)json_array_size(list); c->count++) {
            if (!parse_step(json_array_get(list, (size_t)c->count), &c->steps[c->count])) {
                return lki_fail(ctx, LK_ERROR_FORMAT,
                                "transform[%lld][%d]: a step is one of %s or [\"standardize\", mean, sd > 0]",
                                (long long)j, c->count, "\"identity\", \"log\", \"logit\", \"sqrt\", \"asinh\"");
            }
        }
    }
    return LK_OK;
}

lk_status lki_transform_parse(lk_context *ctx, const char *json, int64_t d, lki_transform **out)
{
    lki_transform *t = NULL;
    json_t *root = NULL;
    LKI_TRY(lki_json_read(ctx, json, strlen(json), "transform", &root));
    lk_status status = lki_transform_identity(ctx, d, &t);
    status = status == LK_OK ? parse_chains(ctx, root, t) : status;
    json_decref(root);
    if (status != LK_OK) {
        lki_transform_free(t);
        return status;
    }
    *out = t;
    return LK_OK;
}

/* Makes transforms from text: "log,standardize:age", with the means and standard deviations that the data gives. */
#include "dataset.h"
#include "moments.h"
#include "transform_impl.h"

#include <string.h>

static lk_status add_step(lk_context *ctx, lki_transform *t, int64_t j, const char *name, lki_step step)
{
    lki_chain *c = &t->chains[j];
    if (step.kind == LKI_STEP_IDENTITY) {
        return LK_OK;
    }
    if (c->count == LKI_TRANSFORM_STEPS) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: '%s' has more than %d steps", name,
                        (int)LKI_TRANSFORM_STEPS);
    }
    c->steps[c->count++] = step;
    return LK_OK;
}

/* Adds a step to features first..last. */
static lk_status add_steps(lk_context *ctx, lki_transform *t, const char *const *names, const lki_dataset *dataset,
                           lki_step_kind kind, int64_t first, int64_t last)
{
    lki_dataset before = *dataset;
    lki_moments *moments = NULL;
    lk_status status = LK_OK;
    if (kind == LKI_STEP_STANDARDIZE) {
        before.transform = t;
        LKI_GOTO(status, done, lki_zeros(ctx, (size_t)t->d, sizeof *moments, &moments));
        LKI_GOTO(status, done, lki_dataset_moments(ctx, &before, moments));
    }
    for (int64_t j = first; j <= last; j++) {
        lki_step step = {.kind = kind};
        if (kind == LKI_STEP_STANDARDIZE) {
            step.a = moments[j].mean;
            step.b = moments[j].sd > 0.0 ? moments[j].sd : 1.0;
            if (!(moments[j].sd > 0.0)) {
                lki_message(ctx, "standardize: column '%s' is constant; only its mean is taken away", names[j]);
            }
        }
        LKI_GOTO(status, done, add_step(ctx, t, j, names[j], step));
    }
done:
    lki_release(ctx, moments);
    return status;
}

static lk_status add_token(lk_context *ctx, lki_transform *t, const char *const *names, const lki_dataset *dataset,
                           const char *token, size_t length)
{
    const char *colon = memchr(token, ':', length);
    size_t word = colon == NULL ? length : (size_t)(colon - token);
    int kind = lki_step_find(token, word);
    if (kind < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: '%.*s' is not known; it is one of %s",
                        word > 100 ? 100 : (int)word, token, "standardize, log, logit, sqrt, asinh, identity");
    }
    if (colon == NULL) {
        return add_steps(ctx, t, names, dataset, (lki_step_kind)kind, 0, t->d - 1);
    }
    size_t rest = length - word - 1;
    for (int64_t j = 0; j < t->d; j++) {
        if (strlen(names[j]) == rest && memcmp(names[j], colon + 1, rest) == 0) {
            return add_steps(ctx, t, names, dataset, (lki_step_kind)kind, j, j);
        }
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "transform: no feature is called '%.*s'; the first of %lld is '%s'",
                    rest > 100 ? 100 : (int)rest, colon + 1, (long long)t->d, names[0]);
}

lk_status lki_transform_new(lk_context *ctx, const char *text, const char *const *names, const lki_dataset *dataset,
                            lki_transform **out)
{
    lki_transform *t = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_transform_identity(ctx, dataset->d, &t));
    for (const char *p = text;; p++) {
        size_t length = strcspn(p, ",");
        LKI_GOTO(status, fail, add_token(ctx, t, names, dataset, p, length));
        p += length;
        if (*p == '\0') {
            break;
        }
    }
    *out = t;
    return LK_OK;
fail:
    lki_transform_free(t);
    return status;
}

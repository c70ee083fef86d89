/* The score oracle over a model: its own answers where it gives them, derived ones else. */
#include "model/oracle.h"

static lk_status open_noisy(lk_context *ctx, const lk_model *model, const double *sigma, lki_oracle *out)
{
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SMOOTH));
    LKI_TRY(lki_model_shadow(ctx, model, model->d, &out->own));
    out->model = out->own;
    return model->operations.smooth(ctx, model->state, sigma, &out->own->state);
}

lk_status lki_oracle_open(lk_context *ctx, const lk_model *model, const double *sigma, lki_oracle *out)
{
    lk_status status = LK_OK;
    bool noisy = false;
    for (int64_t j = 0; sigma != NULL && j < model->d; j++) {
        noisy = noisy || sigma[j] > 0.0;
    }
    lki_oracle o = {.model = model};
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SCORE));
    if (noisy) {
        LKI_GOTO(status, failed, open_noisy(ctx, model, sigma, &o));
    }
    const lki_operations *ops = &model->operations;
    o.question = (lki_question){.model = o.model, .operation = LK_OPERATION_SCORE, .columns = model->d};
    if (ops->score == NULL || ops->hessian == NULL) {
        LKI_GOTO(status, failed, lki_derive_prepare(ctx, &o.question));
    }
    *out = o;
    return LK_OK;
failed:
    lki_oracle_close(ctx, &o);
    return status;
}

void lki_oracle_close(lk_context *ctx, lki_oracle *o)
{
    lki_question_close(ctx, &o->question);
    lk_model_free(o->own);
    *o = (lki_oracle){0};
}

bool lki_oracle_has_density(const lki_oracle *o)
{
    return o->model->operations.log_density != NULL;
}

lk_status lki_oracle_log_density(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows, double *out)
{
    return o->model->operations.log_density(ctx, o->model->state, z, rows, out);
}

lk_status lki_oracle_score(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows, double *out)
{
    const lki_operations *ops = &o->model->operations;
    return ops->score != NULL ? ops->score(ctx, o->model->state, z, rows, out)
                              : lki_derive_score(ctx, &o->question, z, rows, out);
}

static lk_status ask_score(lk_context *ctx, void *state, const double *z, int64_t rows, double *out)
{
    return lki_oracle_score(ctx, state, z, rows, out);
}

lk_status lki_oracle_hessian(lk_context *ctx, const lki_oracle *o, const double *z, int64_t rows, double *out)
{
    const lki_operations *ops = &o->model->operations;
    return ops->hessian != NULL ? ops->hessian(ctx, o->model->state, z, rows, out)
                                : lki_derive_hessian(ctx, &o->question, ask_score, (void *)o, z, rows, out);
}

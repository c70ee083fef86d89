/* A model of the rows with independent normal noise added. */
#include "data/json_text.h"
#include "data/number.h"
#include "data/text_builder.h"
#include "math/blas.h"
#include "model/oracle.h"

#include <likely/derived.h>
#include <math.h>

lk_status lki_sigma_check(lk_context *ctx, const lk_model *model, const double *sigma)
{
    for (int64_t j = 0; j < model->d; j++) {
        if (!(sigma[j] >= 0.0 && sigma[j] <= LKI_SIGMA_MAX)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "sigma of %s is %g; it must be a number from 0 to %g",
                            model->names[j], sigma[j], LKI_SIGMA_MAX);
        }
    }
    return LK_OK;
}

/* What was added stays with the model. */
static lk_status remark(lk_context *ctx, const double *sigma, lk_model *noisy)
{
    lki_builder text = {0};
    lk_status status = lki_builder_add(ctx, &text, "smoothed by normal noise of standard deviation ");
    for (int64_t j = 0; j < noisy->d && status == LK_OK; j++) {
        char number[LKI_NUMBER_BYTES];
        lki_format_double(sigma[j], number);
        status = lki_builder_add(ctx, &text, j > 0 ? ", " : "");
        status = status == LK_OK ? lki_builder_add(ctx, &text, number) : status;
        status = status == LK_OK ? lki_builder_add(ctx, &text, " in ") : status;
        status = status == LK_OK ? lki_builder_add(ctx, &text, noisy->names[j]) : status;
    }
    if (status == LK_OK) {
        status = lki_json_append(ctx, noisy->remarks, json_string(text.text));
    }
    lki_release(ctx, text.text);
    return status;
}

lk_status lk_model_smooth(lk_context *ctx, const lk_model *model, const double *sigma, lk_model **out)
{
    lk_model *noisy = NULL;
    int64_t *all = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SMOOTH));
    LKI_TRY(lki_sigma_check(ctx, model, sigma));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)model->d, sizeof *all, &all));
    for (int64_t j = 0; j < model->d; j++) {
        all[j] = j;
    }
    LKI_GOTO(status, done, lki_model_part(ctx, model, all, model->d, &noisy));
    noisy->report.n = (double)NAN; /* nobody fitted it to noisy rows */
    LKI_GOTO(status, done, remark(ctx, sigma, noisy));
    LKI_GOTO(status, done, model->operations.smooth(ctx, model->state, sigma, &noisy->state));
    *out = noisy;
    noisy = NULL;
done:
    lki_blas_leave();
    lk_model_free(noisy);
    lki_release(ctx, all);
    return status;
}

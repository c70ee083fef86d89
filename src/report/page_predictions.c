/* Whether predictions of each feature from the others are calibrated: how often the values stay below the predicted quantiles. */
#include "data/json_text.h"
#include "model/predict.h"
#include "report/page.h"

#include <math.h>
#include <string.h>

static const double levels[] = {.025, .05, .1, .25, .5, .75, .9, .95, .975};
enum { LEVELS = sizeof levels / sizeof levels[0], WIDTH = 3 };

/* Pairs of a row and a kernel point that all predictions together may take, and rows that are predicted at least. */
static const double PREDICTED_PAIRS = 1e7;
enum { PREDICTED_LEAST = 60 };

/* The rows that are predicted, evenly from the judged ones, fewer where each takes long; returns their number. */
static int64_t rows_to_predict(const lki_page *page, double *x)
{
    const lki_page_rows *rows = page->judged;
    double most = page->points > 0.0 ? PREDICTED_PAIRS / (page->points * (double)page->shown_count) : LKI_PAGE_PREDICTED;
    int64_t wanted = (int64_t)fmin(LKI_PAGE_PREDICTED, fmax(PREDICTED_LEAST, most)), count = rows->count < wanted ? rows->count : wanted;
    for (int64_t i = 0; i < count; i++) {
        memcpy(x + i * page->d, rows->x + i * rows->count / count * page->d, (size_t)page->d * sizeof *x);
    }
    return count;
}

/* One target: shares below each level, and how much of the variance the means explain. */
static lk_status predict_one(lk_context *ctx, const lki_page *page, int64_t s, const double *x, int64_t count, double *out, json_t *list)
{
    int64_t target = page->shown[s], below[LEVELS] = {0}, n = 0;
    double sum = 0.0, squares = 0.0, error = 0.0;
    LKI_TRY(lki_model_place(ctx, page->model, x, count, target, out));
    for (int64_t i = 0; i < count; i++) {
        double y = x[i * page->d + target];
        const double *told = out + i * WIDTH;
        if (!isfinite(y) || !isfinite(told[0]) || !isfinite(told[1]) || isnan(told[2])) {
            continue;
        }
        n++;
        double step = y - sum; /* Welford's mean and sum of squares */
        sum += step / (double)n;
        squares += step * (y - sum);
        error += (y - told[0]) * (y - told[0]);
        for (int64_t l = 0; l < LEVELS; l++) {
            below[l] += told[2] < levels[l] ? 1 : 0; /* y is at most the quantile */
        }
    }
    if (n < 2) {
        return LK_OK;
    }
    json_t *item = json_object(), *shares = json_array();
    LKI_TRY(lki_json_append(ctx, list, item));
    LKI_TRY(lki_json_set(ctx, item, "feature", json_integer((json_int_t)s)));
    LKI_TRY(lki_json_set(ctx, item, "rows", json_integer((json_int_t)n)));
    LKI_TRY(lki_json_set(ctx, item, "error", lki_page_rounded(sqrt(error / (double)n))));
    LKI_TRY(lki_json_set(ctx, item, "explained", squares > 0.0 ? lki_page_rounded(1.0 - error / squares) : json_null()));
    LKI_TRY(lki_json_set(ctx, item, "shares", shares));
    for (int64_t l = 0; l < LEVELS; l++) {
        const double pair[2] = {levels[l], (double)below[l] / (double)n};
        LKI_TRY(lki_json_append(ctx, shares, lki_page_rounded_list(pair, 2, 1)));
    }
    return LK_OK;
}

static lk_status predict_all(lk_context *ctx, const lki_page *page, json_t *list)
{
    double *x = NULL, *out = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(LKI_PAGE_PREDICTED, (size_t)page->d), sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_PAGE_PREDICTED * WIDTH, sizeof *out, &out));
    int64_t count = rows_to_predict(page, x);
    for (int64_t s = 0; s < page->shown_count; s++) {
        if (page->target < 0 || page->shown[s] == page->target) {
            lki_progress(ctx, "predictions", (double)s, (double)page->shown_count, lk_model_feature(page->model, page->shown[s]));
            LKI_GOTO(status, done, predict_one(ctx, page, s, x, count, out, list));
        }
    }
done:
    lki_release(ctx, x);
    lki_release(ctx, out);
    return status;
}

lk_status lki_page_predictions(lk_context *ctx, const lki_page *page, json_t *trust)
{
    json_t *list = json_array();
    LKI_TRY(lki_json_set(ctx, trust, "predictions", list));
    if (page->d < 2) {
        return lki_page_leave_out(ctx, page, "predictions", "there is one feature: nothing to predict it from");
    }
    if ((page->operations & LK_OPERATION_CONDITION) == 0) {
        return lki_page_leave_out(ctx, page, "predictions", "the model gives no conditional distributions");
    }
    if (page->d > LKI_PAGE_CONDITIONED && page->target < 0) {
        return lki_page_leave_out(ctx, page, "predictions", "predictions of each feature from more than 63 others take long: likely predict MODEL DATA --target NAME");
    }
    return lki_page_refused(ctx, page, "predictions", predict_all(ctx, page, list));
}

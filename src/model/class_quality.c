/* Accuracy, log loss and Brier score of the classes that a model gives to labelled rows. */
#include "model/class_quality.h"

#include "data/json_text.h"
#include "data/number.h"
#include "model/pooled.h"
#include "model/survey.h"

#include <math.h>
#include <string.h>

/* Partial sums; the first row whose label is unknown, from 1, and its label. */
enum { RIGHT, BRIER, LOSS, UNKNOWN_ROW = LOSS + LKI_POOLED, UNKNOWN_VALUE, SUMS };

typedef struct worker {
    lki_block block;
    lki_scratch scratch;
    double *labels; /* LKI_BLOCK_ROWS */
    double *p;      /* LKI_BLOCK_ROWS x classes */
} worker;

typedef struct rating {
    const lk_model *model;
    const lki_dataset *dataset;
    const lki_labels *labels;
    lki_question question;
    worker *workers;
} rating;

static void rate_row(const rating *r, const double *p, int64_t class, double w, double *sums)
{
    int64_t best = 0;
    double squares = 0.0;
    for (int64_t k = 0; k < r->labels->count; k++) {
        double miss = p[k] - (k == class ? 1.0 : 0.0);
        best = p[k] > p[best] ? k : best; /* ties go to the lower number, as in answers */
        squares += miss * miss;
    }
    lki_pooled_merge(sums + LOSS, (const double[]){w, -log(fmax(p[class], LKI_LEAST_PROBABILITY)), 0.0});
    sums[RIGHT] += best == class ? w : 0.0;
    sums[BRIER] += 0.5 * w * squares;
}

static lk_status rate_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const rating *r = state;
    worker *w = &r->workers[thread];
    int64_t count = r->labels->count;
    LKI_TRY(lki_cancelled(ctx));
    if (w->p == NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product(LKI_BLOCK_ROWS, (size_t)count + 1), sizeof *w->p, &w->p));
        w->labels = w->p + LKI_BLOCK_ROWS * count;
    }
    LKI_TRY(lki_dataset_block(ctx, r->dataset, index, &w->block));
    const lki_block *b = &w->block;
    LKI_TRY(lk_table_gather(ctx, r->dataset->table, b->first_row, b->rows, &r->labels->column, 1, w->labels));
    LKI_TRY(lki_question_block(ctx, &r->question, &w->scratch, b->x, b->rows, w->p));
    for (int64_t i = 0; i < b->rows; i++) {
        double weight = b->w != NULL ? b->w[i] : 1.0;
        int64_t class = lki_labels_class(r->labels, w->labels[i]);
        if (!(weight > 0.0) || class == -1) {
            continue;
        }
        if (class >= 0 && !isnan(w->p[i * count])) {
            rate_row(r, w->p + i * count, class, weight, sums);
        } else if (class < 0 && sums[UNKNOWN_ROW] == 0.0) {
            sums[UNKNOWN_ROW] = (double)(b->first_row + i + 1);
            sums[UNKNOWN_VALUE] = w->labels[i];
        }
    }
    return LK_OK;
}

static void rate_combine(void *state, double *left, const double *right)
{
    (void)state;
    left[RIGHT] += right[RIGHT];
    left[BRIER] += right[BRIER];
    lki_pooled_merge(left + LOSS, right + LOSS);
    if (left[UNKNOWN_ROW] == 0.0) {
        memcpy(left + UNKNOWN_ROW, right + UNKNOWN_ROW, 2 * sizeof *left);
    }
}

static lk_status unknown_fail(lk_context *ctx, const rating *r, const double *sums)
{
    const lk_table *table = r->dataset->table;
    int64_t column = r->labels->column;
    char number[LKI_NUMBER_BYTES];
    const char *name = lk_table_level(table, column, (int64_t)sums[UNKNOWN_VALUE]);
    lki_format_double(sums[UNKNOWN_VALUE], number);
    return lki_fail(ctx, LK_ERROR_DATA, "row %.0f, column %s: the class %.100s is none of the model's %lld (%.100s to %.100s)",
                    sums[UNKNOWN_ROW], lk_table_name(table, column), name != NULL ? name : number, (long long)r->labels->count,
                    r->labels->names[0], r->labels->names[r->labels->count - 1]);
}

lk_status lki_class_quality_of(lk_context *ctx, const lk_model *model, const lki_dataset *dataset, const lki_labels *labels,
                               lki_class_quality *out)
{
    rating r = {.model = model, .dataset = dataset, .labels = labels};
    double sums[SUMS] = {0};
    int threads = lki_threads(ctx);
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_question_open(ctx, model, LK_OPERATION_RESPONSIBILITIES, &r.question));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *r.workers, &r.workers));
    lki_reduction reduction = {.blocks = dataset->blocks, .length = SUMS, .block = rate_block, .combine = rate_combine, .state = &r,
                               .stage = "classes"};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    if (sums[UNKNOWN_ROW] > 0.0) {
        status = unknown_fail(ctx, &r, sums);
        goto done;
    }
    *out = (lki_class_quality){.rows = sums[LOSS + LKI_POOLED_WEIGHT], .standard_error = lki_pooled_error(sums + LOSS)};
    if (out->rows > 0.0) {
        out->accuracy = sums[RIGHT] / out->rows;
        out->log_loss = fmax(sums[LOSS + LKI_POOLED_MEAN], 0.0);
        out->brier = sums[BRIER] / out->rows;
    }
done:
    for (int i = 0; r.workers != NULL && i < threads; i++) {
        lki_block_free(ctx, &r.workers[i].block);
        lki_scratch_free(ctx, &r.workers[i].scratch);
        lki_release(ctx, r.workers[i].p);
    }
    lki_release(ctx, r.workers);
    lki_question_close(ctx, &r.question);
    return status;
}

void lki_class_quality_merge(lki_class_quality *into, const lki_class_quality *other)
{
    double rows = into->rows + other->rows, share = rows > 0.0 ? other->rows / rows : 0.0;
    into->rows = rows;
    into->standard_error = (double)NAN;
    into->accuracy += share * (other->accuracy - into->accuracy);
    into->log_loss += share * (other->log_loss - into->log_loss);
    into->brier += share * (other->brier - into->brier);
}

json_t *lki_class_quality_json(const lki_class_quality *q)
{
    json_t *object = json_object();
    bool good = object != NULL && json_object_set_new(object, "rows", lki_json_number(q->rows)) == 0 &&
                json_object_set_new(object, "accuracy", lki_json_number(q->accuracy)) == 0 &&
                json_object_set_new(object, "log_loss", lki_json_number(q->log_loss)) == 0 &&
                json_object_set_new(object, "brier", lki_json_number(q->brier)) == 0;
    if (!good) {
        json_decref(object);
        return NULL;
    }
    return object;
}

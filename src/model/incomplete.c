/* Rows with missing values: log density, score and group probabilities from the marginal distribution of the values that are there,
 * made once for each pattern. */
#include "model/model_impl.h"
#include "model/patterns.h"

#include <math.h>
#include <string.h>

/* The marginal model of a pattern, ready to be asked. */
typedef struct part {
    lk_model *model;
    lki_question question;
    lki_scratch scratch;
} part;

typedef struct lki_incomplete {
    lki_patterns patterns;
    double *x, *out; /* the rows of one pattern, and their answers */
    int64_t rows;    /* how many fit */
} lki_incomplete;

static void part_free(lk_context *ctx, void *answer)
{
    part *p = answer;
    lki_scratch_free(ctx, &p->scratch);
    lki_question_close(ctx, &p->question);
    lk_model_free(p->model);
    lki_release(ctx, p);
}

void lki_incomplete_free(lk_context *ctx, lki_incomplete *incomplete)
{
    if (incomplete != NULL) {
        lki_patterns_free(ctx, &incomplete->patterns);
        lki_release(ctx, incomplete->x);
        lki_release(ctx, incomplete->out);
        lki_release(ctx, incomplete);
    }
}

static lk_status part_new(lk_context *ctx, const lki_question *q, const lki_pattern *pattern, part **out)
{
    const lk_model *model = q->model;
    part *p;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *p, &p));
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_model_shadow(ctx, model, pattern->known, &p->model));
    if (model->transform != NULL) {
        LKI_GOTO(status, failed,
                 lki_transform_select(ctx, model->transform, pattern->features, pattern->known, &p->model->transform));
    }
    LKI_GOTO(status, failed, model->operations.marginal(ctx, model->state, pattern->features, pattern->known, &p->model->state));
    LKI_GOTO(status, failed, lki_question_open(ctx, p->model, q->operation, &p->question));
    *out = p;
    return LK_OK;
failed:
    part_free(ctx, p);
    return status;
}

static lk_status prepare(lk_context *ctx, const lki_question *q, lki_scratch *s, int64_t rows)
{
    lki_incomplete *n = s->incomplete;
    size_t d = (size_t)q->model->d, columns = (size_t)q->columns;
    if (n == NULL) {
        LKI_TRY(lki_zeros(ctx, 1, sizeof *n, &n));
        s->incomplete = n;
        double groups = fmax((double)lk_model_groups(q->model), 1.0);
        n->patterns.d = q->model->d;
        n->patterns.release = part_free;
        n->patterns.bytes = 32.0 * groups * (double)d * (double)(d + 4);
    }
    if (n->rows < rows) {
        lki_release(ctx, n->x);
        lki_release(ctx, n->out);
        n->x = n->out = NULL;
        n->rows = 0;
        LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, d), sizeof(double), &n->x));
        LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, columns), sizeof(double), &n->out));
        n->rows = rows;
    }
    return LK_OK;
}

/* What is known where nothing is: the density over no features is 1, and groups have their prior probabilities. */
static void answer_empty(const lki_question *q, const lki_pattern *pattern, double *out)
{
    const lki_operations *ops = &q->model->operations;
    for (int64_t r = 0; r < pattern->count; r++) {
        double *row = out + pattern->rows[r] * q->columns;
        if (q->operation == LK_OPERATION_LOG_DENSITY) {
            row[0] = 0.0;
        } else if (q->operation == LK_OPERATION_RESPONSIBILITIES && ops->prior != NULL) {
            ops->prior(q->model->state, row);
        }
    }
}

static lk_status answer_pattern(lk_context *ctx, const lki_question *q, lki_incomplete *n, lki_pattern *pattern, const double *x,
                                double *out)
{
    int64_t d = q->model->d, known = pattern->known;
    part *p = pattern->answer;
    if (p == NULL) {
        LKI_TRY(part_new(ctx, q, pattern, &p));
        lki_patterns_keep(ctx, &n->patterns, pattern, p);
    }
    for (int64_t r = 0; r < pattern->count; r++) {
        for (int64_t j = 0; j < known; j++) {
            n->x[r * known + j] = x[pattern->rows[r] * d + pattern->features[j]];
        }
    }
    LKI_TRY(lki_question_block(ctx, &p->question, &p->scratch, n->x, pattern->count, n->out));
    int64_t columns = p->question.columns;
    bool scattered = q->operation == LK_OPERATION_SCORE; /* a column stands for a feature */
    for (int64_t r = 0; r < pattern->count; r++) {
        for (int64_t j = 0; j < columns; j++) {
            out[pattern->rows[r] * q->columns + (scattered ? pattern->features[j] : j)] = n->out[r * columns + j];
        }
    }
    return LK_OK;
}

lk_status lki_incomplete_block(lk_context *ctx, const lki_question *q, lki_scratch *s, const double *x, int64_t rows, double *out)
{
    LKI_TRY(prepare(ctx, q, s, rows));
    lki_incomplete *n = s->incomplete;
    LKI_TRY(lki_patterns_group(ctx, &n->patterns, x, rows, NULL, true));
    for (int64_t m = 0; m < n->patterns.met_count; m++) {
        lki_pattern *pattern = n->patterns.met[m];
        if (pattern->known == 0) {
            answer_empty(q, pattern, out);
        } else {
            LKI_TRY(answer_pattern(ctx, q, n, pattern, x, out));
        }
    }
    return LK_OK;
}

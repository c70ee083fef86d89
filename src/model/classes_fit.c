/* The fit of a distribution with classes: one fit for the rows of each class, and the classes' probabilities. */
#include "model/classes.h"

#include "data/number.h"
#include "data/transform.h"
#include "model/survey.h"

#include <math.h>
#include <string.h>

/* ---- priors ---- */

static lk_status priors_wrong(lk_context *ctx, const char *text, const char *why)
{
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "priors is %.200s: %s; it must be data, equal, or a probability for each class: numbers in the "
                    "order of the classes, or NAME=number, comma-separated, that sum to 1", text, why);
}

/* The class named by text[0..length); -1 if there is none. */
static int64_t class_named(const lki_labels *labels, const char *text, size_t length)
{
    for (int64_t k = 0; k < labels->count; k++) {
        if (strlen(labels->names[k]) == length && memcmp(labels->names[k], text, length) == 0) {
            return k;
        }
    }
    return -1;
}

/* A list: numbers in order, or NAME=number. Names may hold an equals sign but no comma. */
static lk_status parse_list(lk_context *ctx, const char *text, const lki_labels *labels, double *out)
{
    double sum = 0.0;
    int64_t position = 0;
    for (int64_t k = 0; k < labels->count; k++) {
        out[k] = -1.0; /* not given yet */
    }
    for (const char *at = text;; position++) {
        size_t length = strcspn(at, ",");
        const char *end = at + length, *number = end;
        double v;
        while (number > at && number[-1] != '=') {
            number--;
        }
        bool named = number > at;
        int64_t k = named ? class_named(labels, at, (size_t)(number - at) - 1) : position;
        if (k < 0 || k >= labels->count) {
            return named ? lki_fail(ctx, LK_ERROR_ARGUMENT, "priors names the class '%.*s'; the classes are %.100s to %.100s",
                                    (int)(number - at - 1 > 100 ? 100 : number - at - 1), at, labels->names[0], labels->names[labels->count - 1])
                         : priors_wrong(ctx, text, "there are more numbers than classes");
        }
        if (lki_parse_double(number, end, &v) != end || !(v > 0.0 && v <= 1.0)) {
            return priors_wrong(ctx, text, "a probability lies above 0 and is at most 1");
        }
        if (out[k] >= 0.0) {
            return priors_wrong(ctx, text, "a class is given twice");
        }
        out[k] = v;
        sum += v;
        if (*end == '\0') {
            break;
        }
        at = end + 1;
    }
    for (int64_t k = 0; k < labels->count; k++) {
        if (out[k] < 0.0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "priors is %.200s: class %.100s has none; each of the %lld classes needs one", text,
                            labels->names[k], (long long)labels->count);
        }
    }
    if (!(fabs(sum - 1.0) <= 1e-6)) {
        char number[LKI_NUMBER_BYTES];
        lki_format_double(sum, number);
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "priors is %.200s, which sums to %s; probabilities sum to 1", text, number);
    }
    for (int64_t k = 0; k < labels->count; k++) {
        out[k] /= sum;
    }
    return LK_OK;
}

static bool from_data(const char *text)
{
    return text == NULL || text[0] == '\0' || strcmp(text, "data") == 0;
}

/* rows = NULL where there are none yet. */
static lk_status find_priors(lk_context *ctx, const char *text, const lki_labels *labels, const lki_class_rows *rows, double *out)
{
    double total = 0.0;
    for (int64_t k = 0; k < labels->count; k++) {
        out[k] = 1.0 / (double)labels->count;
        total += rows != NULL ? rows[k].weight : 0.0;
    }
    for (int64_t k = 0; rows != NULL && from_data(text) && k < labels->count; k++) {
        out[k] = rows[k].weight / total;
    }
    return from_data(text) || strcmp(text, "equal") == 0 ? LK_OK : parse_list(ctx, text, labels, out);
}

lk_status lki_classes_check_priors(lk_context *ctx, const char *text, const lki_labels *labels)
{
    double *priors;
    LKI_TRY(lki_allocate(ctx, (size_t)labels->count, sizeof *priors, &priors));
    lk_status status = find_priors(ctx, text, labels, NULL, priors);
    lki_release(ctx, priors);
    return status;
}

/* ---- the fits ---- */

/* Says in which class an error arose: a row that it names is one of the class's rows. */
static lk_status in_class(lk_context *ctx, const char *name, lk_status status)
{
    char *text = NULL;
    if (status == LK_OK || status == LK_ERROR_MEMORY || status == LK_ERROR_CANCELLED || status == LK_ERROR_IO) {
        return status;
    }
    LKI_TRY(lki_copy_text(ctx, lk_error_message(ctx), &text));
    lki_begin(ctx);
    lki_fail(ctx, status, "class %.100s%s: %s", name, strncmp(text, "row ", 4) == 0 ? ", its rows counted by themselves" : "", text);
    lki_release(ctx, text);
    return status;
}

static lk_status fit_class(lk_context *ctx, const lki_classes_task *task, const lki_class_rows *rows, int64_t k, int64_t *features,
                           lki_classes *out)
{
    int64_t d = task->data->d;
    double log_jacobian = 0.0;
    lki_report report = out->reports[k];
    for (int64_t j = 0; j < d; j++) {
        features[j] = j;
    }
    lki_dataset data = {.table = rows->table, .features = features, .d = d, .weight = task->data->weight >= 0 ? d : -1, .rows = rows->rows,
                        .blocks = (rows->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    if (task->transform != NULL) {
        LKI_TRY(lki_survey_jacobian(ctx, &data, task->transform, &log_jacobian));
        data.transform = task->transform;
    }
    lki_fit_task fit = {.data = &data, .names = task->names, .values = task->values, .seed = task->seed, .log_jacobian = log_jacobian,
                        .start = task->start != NULL ? task->start->states[k] : NULL};
    lk_status status = task->method->fit(ctx, &fit, &out->states[k], &report);
    if (status != LK_OK) {
        json_decref(report.extra);
        return in_class(ctx, task->labels->names[k], status);
    }
    report.log_likelihood += log_jacobian;
    out->reports[k] = report;
    return LK_OK;
}

/* The report of p(x, c): sums over the classes, and what the classes themselves cost. */
static void sum_reports(const lki_classes *c, const lki_labels *labels, bool priors_of_data, lki_report *out)
{
    lki_report r = {.converged = -1, .free_parameters = priors_of_data ? (double)(c->count - 1) : 0.0};
    for (int64_t k = 0; k < c->count; k++) {
        const lki_report *part = &c->reports[k];
        r.n += part->n;
        r.log_likelihood += part->log_likelihood + part->n * log(c->priors[k]);
        r.free_parameters += part->free_parameters;
        r.entropy += part->entropy;
        r.iterations += part->iterations > 0 ? part->iterations : 0;
        if (part->converged >= 0) {
            r.converged = part->converged == 0 || r.converged == 0 ? 0 : 1;
        }
        if (part->degenerate[0] != '\0' && r.degenerate[0] == '\0') {
            snprintf(r.degenerate, sizeof r.degenerate, "class %.100s: %.380s", labels->names[k], part->degenerate);
        }
    }
    r.iterations = r.converged < 0 ? -1 : r.iterations;
    *out = r;
}

/* Reads everything as the fits will see it, so that a value outside the transform is told with its row in the data. */
static lk_status check_domain(lk_context *ctx, const lki_classes_task *task)
{
    lki_dataset data = *task->data;
    lki_block block = {0};
    lk_status status = LK_OK;
    data.transform = task->transform;
    for (int64_t b = 0; task->transform != NULL && b < data.blocks && status == LK_OK; b++) {
        status = lki_dataset_block(ctx, &data, b, &block);
    }
    lki_block_free(ctx, &block);
    return status;
}

static lk_status check_rows(lk_context *ctx, const lki_classes_task *task, const lki_class_rows *rows)
{
    for (int64_t k = 0; k < task->labels->count; k++) {
        if (rows[k].rows == 0) {
            return lki_fail(ctx, LK_ERROR_DATA, "class %.100s has no row left outside the held-out rows: hold out fewer, or leave out that "
                            "class", task->labels->names[k]);
        }
    }
    return LK_OK;
}

lk_status lki_classes_fit(lk_context *ctx, const lki_classes_task *task, lki_classes **out, lki_report *report)
{
    int64_t count = task->labels->count, *features = NULL;
    lki_class_rows *rows = NULL;
    lki_classes *c = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, check_domain(ctx, task));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)task->data->d, sizeof *features, &features));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count, sizeof *rows, &rows));
    LKI_GOTO(status, done, lki_classes_new(ctx, task->method, count, task->data->d, &c));
    LKI_GOTO(status, done, lki_labels_part(ctx, task->data, task->labels, rows));
    LKI_GOTO(status, done, check_rows(ctx, task, rows));
    LKI_GOTO(status, done, find_priors(ctx, task->priors, task->labels, rows, c->priors));
    for (int64_t k = 0; k < count; k++) {
        LKI_GOTO(status, done, fit_class(ctx, task, &rows[k], k, features, c));
        lk_table_free(rows[k].table);
        rows[k].table = NULL;
    }
    sum_reports(c, task->labels, from_data(task->priors), report);
    *out = c;
    c = NULL;
done:
    for (int64_t k = 0; rows != NULL && k < count; k++) {
        lk_table_free(rows[k].table);
    }
    if (c != NULL) {
        lki_classes_free(&c->memory, c);
    }
    lki_release(ctx, rows);
    lki_release(ctx, features);
    return status;
}

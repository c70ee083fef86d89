/* Do two tables have the same distribution: which test, and where they differ. */
#include "judge/testing.h"
#include "data/json_text.h"
#include "math/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* auto aggregates bandwidths up to so many rows, and sorts beyond. Rows of each sample that are told of the witness. */
enum { AUTO_ROWS = 10000, TOLD = 5 };

#define NAME(id, name, summary) name,
static const char *const names[] = {LK_TWO_SAMPLE_TEST_LIST(NAME) NULL};
#undef NAME
#define POSITION(id, name, summary) TEST_##id,
enum { LK_TWO_SAMPLE_TEST_LIST(POSITION) TESTS };
#undef POSITION
static lk_status (*const tests[TESTS])(lki_testing *) = {
    [TEST_MMD] = lki_test_mmd,       [TEST_MMD_AGG] = lki_test_mmd_agg, [TEST_CROSS_MMD] = lki_test_cross_mmd,
    [TEST_KID] = lki_test_kid,       [TEST_ENERGY] = lki_test_energy,   [TEST_SLICED_ENERGY] = lki_test_sliced_energy,
    [TEST_C2ST] = lki_test_c2st,
};

/* ---- the witness ---- */

typedef struct seen {
    double value;
    int64_t row;
} seen;

/* Largest first; those without a value last. */
static int compare(const void *a, const void *b)
{
    const seen *x = a, *y = b;
    if (isnan(x->value) || isnan(y->value)) {
        return isnan(x->value) - isnan(y->value);
    }
    return x->value != y->value ? (x->value < y->value) - (x->value > y->value) : (x->row > y->row) - (x->row < y->row);
}

static lk_status tell_row(lki_testing *t, json_t *list, const seen *row)
{
    const lki_samples *s = &t->samples;
    json_t *entry = json_object(), *values = json_array();
    lk_status status = LK_OK;
    for (int64_t j = 0; j < s->d && status == LK_OK; j++) {
        status = lki_json_append(t->ctx, values, lki_json_number(s->z[row->row * s->d + j] * s->scale[j] + s->mean[j]));
    }
    if (status != LK_OK) {
        json_decref(values);
        json_decref(entry);
        return status;
    }
    const bool first = row->row < s->n;
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "values", values));
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "table", json_string(first ? "A" : "B")));
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "row", json_integer(s->rows[row->row] + 1)));
    status = lki_json_set(t->ctx, entry, "witness", lki_json_number(fabs(row->value)));
done:
    if (status != LK_OK) {
        json_decref(entry);
        return status;
    }
    return lki_json_append(t->ctx, list, entry);
}

/* The rows of each table where it has most more than the other. */
static lk_status tell_extremes(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    seen *rows;
    json_t *list = json_array();
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)s->N, sizeof *rows, &rows));
    for (int sample = 0; sample < 2 && status == LK_OK; sample++) {
        const int64_t from = sample == 0 ? 0 : s->n, count = sample == 0 ? s->n : s->m;
        for (int64_t i = 0; i < count; i++) {
            rows[i] = (seen){sample == 0 ? t->witness[from + i] : -t->witness[from + i], from + i};
        }
        qsort(rows, (size_t)count, sizeof *rows, compare);
        for (int64_t i = 0; i < count && i < TOLD && rows[i].value > 0.0 && status == LK_OK; i++) {
            status = tell_row(t, list, &rows[i]);
        }
    }
    lki_release(t->ctx, rows);
done:
    if (status != LK_OK) {
        json_decref(list);
        return status;
    }
    return lki_tell(t, "witness", list);
}

/* ---- the test ---- */

static lk_status make(lki_testing *t, const lk_table *a, const lk_table *b, const lk_test_options *options)
{
    lki_samples *s = &t->samples;
    int which;
    LKI_TRY(lki_zeros(t->ctx, 1, sizeof *t->out, &t->out));
    if ((t->out->info = json_object()) == NULL) {
        return lki_json_memory(t->ctx);
    }
    LKI_TRY(lki_testing_options(t, options, names, &which));
    LKI_TRY(lki_samples_read(t, a, b));
    if (s->n < 2 || s->m < 2) {
        return lki_fail(t->ctx, LK_ERROR_DATA, "there are %lld and %lld complete rows; a test needs at least two of each", (long long)s->n,
                        (long long)s->m);
    }
    which = which >= 0 ? which : s->N <= AUTO_ROWS ? TEST_MMD_AGG : TEST_SLICED_ENERGY;
    LKI_TRY(lki_tell_samples(t, names[which]));
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->N, sizeof *t->witness, &t->witness));
    LKI_TRY(tests[which](t));
    LKI_TRY(lki_tell_features(t));
    LKI_TRY(tell_extremes(t));
    lki_hand_over_witness(t);
    return LK_OK;
}

lk_status lk_test_two_samples(lk_context *context, const lk_table *a, const lk_table *b, const lk_test_options *options, lk_test **out)
{
    lki_testing t = {.ctx = context};
    lki_begin(context);
    if (a == NULL || b == NULL || out == NULL) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "a, b and out must not be NULL");
    }
    lki_blas_enter();
    const lk_status status = make(&t, a, b, options);
    lki_blas_leave();
    lki_testing_close(&t, status);
    if (status == LK_OK) {
        *out = t.out;
    }
    return status;
}

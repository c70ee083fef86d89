/* What tests share: options, complete rows of two tables with the same features, labellings, and what is told of them. */
#include "judge/testing.h"
#include "data/json_text.h"
#include "data/median_bandwidth.h"
#include "data/roles.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_PERMUTATIONS = 199, DEFAULT_SLICES = 100 };

/* Kernels of distances, 1 at 0. */
static const lki_kernel_id kernels[] = {LKI_KERNEL_gaussian, LKI_KERNEL_laplace,  LKI_KERNEL_matern12,
                                        LKI_KERNEL_matern32, LKI_KERNEL_matern52, LKI_KERNEL_inverse_multiquadric,
                                        LKI_KERNEL_cauchy,   LKI_KERNEL_rational_quadratic};

/* ---- options ---- */

static lk_status find_kernel(lki_testing *t)
{
    char all[256] = "";
    t->kernel = LKI_KERNEL_gaussian;
    for (size_t i = 0; t->options.kernel != NULL && i < sizeof kernels / sizeof *kernels; i++) {
        const char *name = lki_kernels[kernels[i]].name;
        if (strcmp(t->options.kernel, name) == 0) {
            t->kernel = kernels[i];
            return LK_OK;
        }
        strcat(strcat(all, i > 0 ? ", " : ""), name);
    }
    return t->options.kernel == NULL
               ? LK_OK
               : lki_fail(t->ctx, LK_ERROR_ARGUMENT, "kernel is '%.60s'; it must be one of %s", t->options.kernel, all);
}

lk_status lki_testing_options(lki_testing *t, const lk_test_options *given, const char *const *names, int *which)
{
    lk_context *ctx = t->ctx;
    lk_test_options *o = &t->options;
    char all[256] = "auto";
    if (given != NULL) {
        if (given->size < offsetof(lk_test_options, seed) + sizeof given->seed) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_test_options.size is %zu; set it to sizeof(lk_test_options)", given->size);
        }
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    if (o->permutations < 0 || o->slices < 0 || o->blocks < 0 || o->blocks == 1 || o->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "permutations is %lld, slices %lld, blocks %lld, seed %lld; none may be below 0, and blocks not 1",
                        (long long)o->permutations, (long long)o->slices, (long long)o->blocks, (long long)o->seed);
    }
    o->permutations = o->permutations > 0 ? o->permutations : DEFAULT_PERMUTATIONS;
    o->slices = o->slices > 0 ? o->slices : DEFAULT_SLICES;
    *which = -1;
    for (int i = 0; names[i] != NULL; i++) {
        *which = o->test != NULL && strcmp(o->test, names[i]) == 0 ? i : *which;
        strcat(strcat(all, ", "), names[i]);
    }
    if (o->test != NULL && *which < 0 && strcmp(o->test, "auto") != 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "test is '%.60s'; it must be one of %s", o->test, all);
    }
    return find_kernel(t);
}

/* ---- rows ---- */

/* The columns of b that bear the names of a's, where both are numeric; a's others leave `features`. With named features all must be there. */
static lk_status match(lki_testing *t, const lk_table *a, const lk_table *b, int64_t *features, int64_t *d, int64_t *matched)
{
    int64_t kept = 0, absent = 0;
    const char *first = NULL;
    for (int64_t j = 0; j < *d; j++) {
        const char *name = lk_table_name(a, features[j]);
        int64_t found = -1;
        for (int64_t c = 0; c < lk_table_columns(b); c++) {
            const lk_type type = lk_table_type(b, c);
            found = strcmp(lk_table_name(b, c), name) == 0 && (type == LK_TYPE_REAL || type == LK_TYPE_INTEGER) ? c : found;
        }
        if (found < 0) {
            absent++;
            first = first != NULL ? first : name;
            continue;
        }
        features[kept] = features[j];
        matched[kept++] = found;
    }
    if (absent > 0 && (kept == 0 || t->options.features != NULL)) {
        return lki_fail(t->ctx, LK_ERROR_DATA, "the second table has no numeric column '%s'%s", first,
                        kept == 0 ? ", nor any other of the first one's features" : "");
    }
    if (absent > 0) {
        lki_message(t->ctx, "%lld column%s left out, in the first table alone: %s%s", (long long)absent, absent == 1 ? "" : "s", first,
                    absent == 1 ? "" : ", ...");
    }
    *d = kept;
    return LK_OK;
}

/* Appends the complete rows of a table to z. */
static lk_status append(lki_testing *t, const lk_table *table, const int64_t *columns, int64_t sample)
{
    lki_samples *s = &t->samples;
    const int64_t rows = lk_table_rows(table), d = s->d;
    double *z = s->z + s->N * d;
    int64_t kept = 0;
    LKI_TRY(lk_table_gather(t->ctx, table, 0, rows, columns, d, z));
    for (int64_t i = 0; i < rows; i++) {
        bool complete = true;
        for (int64_t j = 0; j < d; j++) {
            complete = complete && !isnan(z[i * d + j]);
        }
        if (complete) {
            memmove(z + kept * d, z + i * d, (size_t)d * sizeof *z);
            s->rows[s->N + kept++] = i;
        }
    }
    *(sample == 0 ? &s->n : &s->m) = kept;
    s->left_out[sample] = rows - kept;
    s->N += kept;
    return LK_OK;
}

/* Each feature with mean 0 and sd 1 over all rows, so that the scale is the same for every labelling. */
static void standardize(lki_testing *t)
{
    lki_samples *s = &t->samples;
    lki_column_scales(s->z, s->N, s->d, s->scale);
    for (int64_t j = 0; j < s->d; j++) {
        double mean = 0.0;
        for (int64_t i = 0; i < s->N; i++) {
            mean += s->z[i * s->d + j] / (double)s->N;
        }
        s->scale[j] = t->options.unscaled ? 1.0 : s->scale[j];
        s->mean[j] = mean;
        for (int64_t i = 0; i < s->N; i++) {
            s->z[i * s->d + j] = (s->z[i * s->d + j] - mean) / s->scale[j];
        }
    }
}

/* Columns `features` of a, and, unless b is NULL, `matched` of b. */
static lk_status read_columns(lki_testing *t, const lk_table *a, const int64_t *features, const lk_table *b, const int64_t *matched, int64_t d)
{
    lk_context *ctx = t->ctx;
    lki_samples *s = &t->samples;
    const int64_t most = lk_table_rows(a) + (b != NULL ? lk_table_rows(b) : 0);
    t->single = b == NULL;
    const size_t cells = lki_product((size_t)most, (size_t)d);
    if (8.0 * (double)cells > (double)lki_memory_limit(ctx)) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "%lld rows of %lld features occupy more than the memory limit of %lld bytes; raise it",
                        (long long)most, (long long)d, (long long)lki_memory_limit(ctx));
    }
    s->d = d;
    LKI_TRY(lki_zeros(ctx, (size_t)d, sizeof *s->names, &s->names));
    LKI_TRY(lki_allocate(ctx, cells, sizeof *s->z, &s->z));
    LKI_TRY(lki_allocate(ctx, (size_t)most, sizeof *s->rows, &s->rows));
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *s->scale, &s->scale));
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *s->mean, &s->mean));
    for (int64_t j = 0; j < d; j++) {
        LKI_TRY(lki_copy_text(ctx, lk_table_name(a, features[j]), &s->names[j]));
    }
    LKI_TRY(append(t, a, features, 0));
    if (b != NULL) {
        LKI_TRY(append(t, b, matched, 1));
    }
    standardize(t);
    return LK_OK;
}

lk_status lki_samples_read_columns(lki_testing *t, const lk_table *table, const int64_t *columns, int64_t d)
{
    return read_columns(t, table, columns, NULL, NULL, d);
}

lk_status lki_samples_read(lki_testing *t, const lk_table *a, const lk_table *b)
{
    const lk_roles roles = {.size = sizeof roles, .features = t->options.features, .ignore = t->options.ignore};
    int64_t *features = NULL, *matched = NULL, d = 0;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_roles_resolve(t->ctx, a, &roles, &features, &d, NULL, NULL, NULL));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)d, sizeof *matched, &matched));
    if (b != NULL) {
        LKI_GOTO(status, done, match(t, a, b, features, &d, matched));
    }
    status = read_columns(t, a, features, b, matched, d);
done:
    lki_release(t->ctx, features);
    lki_release(t->ctx, matched);
    return status;
}

lk_status lki_testing_bandwidth(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->d, sizeof *t->bandwidth, &t->bandwidth));
    if (t->options.bandwidth != NULL && strcmp(t->options.bandwidth, "median") != 0) {
        LKI_TRY(lki_bandwidth_read(t->ctx, t->options.bandwidth, "median", s->d, t->bandwidth));
        for (int64_t j = 0; j < s->d; j++) {
            t->bandwidth[j] /= s->scale[j];
        }
        return LK_OK;
    }
    int64_t *order;
    LKI_TRY(lki_allocate(t->ctx, (size_t)s->N, sizeof *order, &order));
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_PAIRS, 0);
    lki_random_permutation(&stream, order, s->N);
    const lk_status status = lki_median_bandwidth(t->ctx, s->z, s->N, s->d, order, t->bandwidth);
    lki_release(t->ctx, order);
    return status;
}

void lki_hand_over_witness(lki_testing *t)
{
    lk_test *out = t->out;
    out->witness = t->witness;
    out->rows = t->samples.rows;
    out->first = t->samples.n;
    out->count = t->samples.N;
    t->witness = NULL;
    t->samples.rows = NULL;
}

void lki_testing_close(lki_testing *t, lk_status status)
{
    lki_samples *s = &t->samples;
    for (int64_t j = 0; s->names != NULL && j < s->d; j++) {
        lki_release(t->ctx, s->names[j]);
    }
    lki_release(t->ctx, s->names);
    lki_release(t->ctx, s->z);
    lki_release(t->ctx, s->scale);
    lki_release(t->ctx, s->mean);
    lki_release(t->ctx, s->rows);
    lki_release(t->ctx, t->bandwidth);
    lki_release(t->ctx, t->witness);
    if (status != LK_OK) {
        lk_test_free(t->ctx, t->out);
        t->out = NULL;
    }
}

/* ---- labellings ---- */

double lki_permutation_p(const double *statistics, int64_t permutations, double tolerance)
{
    int64_t count = 1;
    for (int64_t b = 1; b <= permutations; b++) {
        count += statistics[b] >= statistics[0] - tolerance;
    }
    return (double)count / (double)(permutations + 1);
}

void lki_labelling(uint64_t seed, int64_t b, int64_t N, int64_t n, int64_t *scratch, double *label, int64_t stride)
{
    for (int64_t i = 0; i < N; i++) {
        scratch[i] = i;
        label[i * stride] = 0.0;
    }
    if (b > 0) {
        lki_stream stream = lki_stream_new(seed, LKI_STREAM_LABELS, (uint64_t)b);
        lki_random_permutation(&stream, scratch, N);
    }
    for (int64_t i = 0; i < n; i++) {
        label[scratch[i] * stride] = 1.0;
    }
}

/* ---- what is told ---- */

lk_status lki_tell(lki_testing *t, const char *key, json_t *value)
{
    return lki_json_set(t->ctx, t->out->info, key, value);
}

lk_status lki_tell_samples(lki_testing *t, const char *test)
{
    const lki_samples *s = &t->samples;
    json_t *names = json_array();
    lk_status status = LK_OK;
    for (int64_t j = 0; j < s->d && status == LK_OK; j++) {
        status = lki_json_append(t->ctx, names, json_string(s->names[j]));
    }
    if (status != LK_OK) {
        json_decref(names);
        return status;
    }
    LKI_TRY(lki_tell(t, "features", names));
    LKI_TRY(lki_tell(t, "test", json_string(test)));
    LKI_TRY(lki_tell(t, "rows", t->single ? json_pack("[I]", (json_int_t)s->n) : json_pack("[I,I]", (json_int_t)s->n, (json_int_t)s->m)));
    LKI_TRY(lki_tell(t, "left_out", t->single ? json_pack("[I]", (json_int_t)s->left_out[0])
                                              : json_pack("[I,I]", (json_int_t)s->left_out[0], (json_int_t)s->left_out[1])));
    return lki_tell(t, "scale", lki_json_numbers(s->scale, s->d));
}

/* The kernel, and its bandwidths in the units of the features. */
lk_status lki_tell_kernel(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    json_t *list = json_array();
    lk_status status = LK_OK;
    for (int64_t j = 0; j < s->d && status == LK_OK; j++) {
        status = lki_json_append(t->ctx, list, lki_json_number(t->bandwidth[j] * s->scale[j]));
    }
    if (status != LK_OK) {
        json_decref(list);
        return status;
    }
    LKI_TRY(lki_tell(t, "bandwidth", list));
    LKI_TRY(lki_tell(t, "kernel", json_string(lki_kernels[t->kernel].name)));
    return lki_tell(t, "formula", json_string(lki_kernels[t->kernel].formula));
}

lk_status lk_test_info(lk_context *context, const lk_test *test, char **out)
{
    lki_begin(context);
    return lki_json_write(context, test->info, false, out);
}

int64_t lk_test_witness(const lk_test *test, const double **values, const int64_t **rows, int64_t *first)
{
    if (values != NULL) {
        *values = test->witness;
    }
    if (rows != NULL) {
        *rows = test->rows;
    }
    if (first != NULL) {
        *first = test->first;
    }
    return test->count;
}

void lk_test_free(lk_context *context, lk_test *test)
{
    if (test != NULL) {
        json_decref(test->info);
        lki_release(context, test->witness);
        lki_release(context, test->rows);
        lki_release(context, test);
    }
}

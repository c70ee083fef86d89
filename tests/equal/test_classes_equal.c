/* A model with classes is the same bytes on 1, 2 and 3 threads, from memory and spooled, with the rows of the classes in memory or in
 * temporary files; each class is the same bits as a fit of its rows alone; answers do not depend on what is asked beside them. */
#include "gmm_check.h"

enum { ROWS = 5003, D = 3, COLUMNS = D + 2, CLASSES = 3 };
static double rows[ROWS * COLUMNS]; /* x1 x2 x3, class, weight */
static const char *const names[COLUMNS] = {"x1", "x2", "x3", "k", "w"};
static char csv[128], path[128];

static char *file_bytes(const char *name, size_t *length)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *length = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*length + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *length, file), *length);
    fclose(file);
    return bytes;
}

static lk_context *context_of(int threads, int64_t memory)
{
    lk_context_options options = {.size = sizeof options, .threads = threads, .memory = memory};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

static lk_model *fit_labelled(lk_context *ctx, const lk_table *table, bool weighted)
{
    lk_model *model = NULL;
    lk_roles roles = {.size = sizeof roles, .features = "x1,x2,x3", .label = "k", .weight = weighted ? "w" : NULL};
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=1..2;restarts=2;tol=1e-3"), .roles = &roles,
                              .transform = "standardize", .seed = 3, .holdout = 0.2};
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    return model;
}

static void same_file(void **state)
{
    static const struct {
        int threads;
        int64_t memory;
        bool file;
    } ways[] = {{1, 0, false}, {2, 0, false}, {3, 0, true}, {1, 65536, true}, {2, 65536, true}, {2, 65536, false}};
    (void)state;
    for (int weighted = 0; weighted < 2; weighted++) {
        char *first = NULL;
        size_t first_length = 0, length;
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            lk_context *ctx = context_of(ways[i].threads, ways[i].memory);
            lk_table *table = NULL;
            if (ways[i].file) {
                check_ok(ctx, lk_table_read(ctx, csv, NULL, &table));
            } else {
                check_ok(ctx, lk_table_from_array(ctx, rows, ROWS, COLUMNS, names, &table));
            }
            lk_model *model = fit_labelled(ctx, table, weighted);
            check_ok(ctx, lk_model_save(ctx, model, path));
            char *bytes = file_bytes(path, &length);
            if (first == NULL) {
                first = bytes;
                first_length = length;
            } else {
                assert_int_equal(length, first_length);
                assert_memory_equal(bytes, first, length);
                free(bytes);
            }
            lk_model *back = NULL; /* and once around */
            check_ok(ctx, lk_model_load(ctx, path, &back));
            check_ok(ctx, lk_model_save(ctx, back, path));
            bytes = file_bytes(path, &length);
            assert_int_equal(length, first_length);
            assert_memory_equal(bytes, first, length);
            free(bytes);
            lk_model_free(back);
            lk_model_free(model);
            lk_table_free(table);
            lk_context_free(ctx);
        }
        free(first);
    }
}

static void alone(void **state)
{
    lk_context *ctx = *state;
    lk_table *table = NULL;
    lk_model *all = NULL;
    lk_roles roles = {.size = sizeof roles, .features = "x1,x2,x3", .label = "k", .weight = "w"};
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=2;restarts=2;tol=1e-3"), .roles = &roles, .seed = 3};
    check_ok(ctx, lk_table_from_array(ctx, rows, ROWS, COLUMNS, names, &table));
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &all));
    const lki_classes *classes = all->state;
    assert_int_equal(classes->count, CLASSES);
    roles.label = NULL;
    for (int64_t k = 0; k < CLASSES; k++) {
        static double some[ROWS * COLUMNS];
        int64_t count = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            if (rows[i * COLUMNS + D] == (double)k && rows[i * COLUMNS + D + 1] > 0) {
                memcpy(some + count++ * COLUMNS, rows + i * COLUMNS, COLUMNS * sizeof *rows);
            }
        }
        lk_table *part = NULL;
        lk_model *one = NULL;
        check_ok(ctx, lk_table_from_array(ctx, some, count, COLUMNS, names, &part));
        check_ok(ctx, lk_model_fit(ctx, "gmm", part, &options, &one));
        const lki_mixture *a = ((const lki_gmm *)classes->states[k])->mixture, *b = gmm_mixture(one);
        assert_int_equal(a->K, b->K);
        assert_memory_equal(a->weights, b->weights, (size_t)a->K * sizeof(double));
        assert_memory_equal(a->means, b->means, (size_t)(a->K * D) * sizeof(double));
        assert_memory_equal(a->covariances, b->covariances, (size_t)gmm_covariance_length(a) * sizeof(double));
        lk_model_free(one);
        lk_table_free(part);
    }
    lk_model_free(all);
    lk_table_free(table);
}

/* Everything that is asked of n rows from `first` on, to the places of all rows. */
enum { ASKED = 2500, WIDTH = 1 + D + CLASSES + D + D + 4 + 2 * D };
static void ask(lk_context *ctx, const lk_model *model, const double *x, int64_t first, int64_t n, double *all, int64_t *classes)
{
    const int64_t target = 1;
    const double levels[2] = {0.1, 0.7}, *from = x + first * D;
    double *at = all;
    check_ok(ctx, lk_model_log_density(ctx, model, from, n, at + first));
    at += ASKED;
    check_ok(ctx, lk_model_score(ctx, model, from, n, at + first * D));
    at += ASKED * D;
    check_ok(ctx, lk_model_responsibilities(ctx, model, from, n, at + first * CLASSES));
    at += ASKED * CLASSES;
    check_ok(ctx, lk_model_cdf(ctx, model, from, n, at + first * D));
    at += ASKED * D;
    check_ok(ctx, lk_model_sample(ctx, model, 5, first, n, at + first * D));
    at += ASKED * D;
    check_ok(ctx, lk_model_predict(ctx, model, from, n, &target, 1, levels, 2, at + first * 4));
    at += ASKED * 4;
    check_ok(ctx, lk_model_impute_draws(ctx, model, from, n, 5, first, 2, at + first * 2 * D));
    check_ok(ctx, lk_model_sample_classes(ctx, model, 5, first, n, classes + first));
}

static void answers(void **state)
{
    static double x[ASKED * D], one[ASKED * WIDTH], other[ASKED * WIDTH];
    static int64_t class_one[ASKED], class_other[ASKED];
    lk_context *single = context_of(1, 0), *two = context_of(2, 0);
    lk_table *table = NULL;
    (void)state;
    check_ok(single, lk_table_from_array(single, rows, ROWS, COLUMNS, names, &table));
    lk_model *model = fit_labelled(single, table, true);
    for (int64_t i = 0; i < ASKED; i++) {
        for (int64_t j = 0; j < D; j++) {
            x[i * D + j] = (i * 7 + j * 3) % 11 == 0 ? (double)NAN : rows[i * COLUMNS + j];
        }
    }
    ask(single, model, x, 0, ASKED, one, class_one);
    ask(two, model, x, 0, ASKED, other, class_other);
    assert_memory_equal(one, other, sizeof one);
    assert_memory_equal(class_one, class_other, sizeof class_one);
    memset(other, 0, sizeof other);
    memset(class_other, 0, sizeof class_other);
    for (int64_t first = 0, n = 1; first < ASKED; first += n, n = n * 3 % 701 + 1) {
        n = n < ASKED - first ? n : ASKED - first;
        ask(two, model, x, first, n, other, class_other);
    }
    assert_memory_equal(one, other, sizeof one);
    assert_memory_equal(class_one, class_other, sizeof class_one);
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(single);
    lk_context_free(two);
}

static int setup(void **state)
{
    const char *folder = getenv("TMPDIR");
    lki_stream s = gmm_stream(9100);
    snprintf(csv, sizeof csv, "%.80s/likely-classes-%ld.csv", folder != NULL ? folder : "/tmp", (long)getpid());
    snprintf(path, sizeof path, "%.80s/likely-classes-%ld.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    check_setup(state);
    for (int64_t i = 0; i < ROWS; i++) {
        double *r = rows + i * COLUMNS;
        r[D] = (double)lki_random_below(&s, CLASSES);
        r[D + 1] = (double)lki_random_below(&s, 3);
        for (int64_t j = 0; j < D; j++) {
            r[j] = r[D] * (double)(j + 1) + lki_random_normal(&s) * (1 + r[D]) + (lki_random_uniform(&s) < 0.4 ? 4 : 0);
        }
        r[D] = i % 50 == 49 ? (double)NAN : r[D]; /* some rows have no label */
    }
    lk_context *ctx = *state;
    lk_column columns[COLUMNS];
    lk_writer *writer = NULL;
    for (int j = 0; j < COLUMNS; j++) {
        columns[j] = (lk_column){.name = names[j]};
    }
    check_ok(ctx, lk_writer_open(ctx, csv, NULL, columns, COLUMNS, &writer));
    check_ok(ctx, lk_writer_rows(ctx, writer, rows, ROWS));
    check_ok(ctx, lk_writer_close(ctx, writer));
    return 0;
}

static int teardown(void **state)
{
    unlink(csv);
    unlink(path);
    return check_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_file), cmocka_unit_test(alone), cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

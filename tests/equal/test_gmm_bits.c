/* The model file of a mixture is the same bytes on 1, 2 and 3 threads, from memory, from a mapped file and from a spooled one, from an
 * array, a CSV and an NPY of the same numbers. */
#include "gmm_check.h"
#include "data/table_impl.h"

enum { ROWS = 27001, D = 3 }; /* more than the rows on which starts are tried, and no multiple of a block */

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_rows(lk_context *ctx, const char *path, const double *x, int64_t rows, int64_t columns)
{
    static const char *const names[] = {"x1", "x2", "x3", "x4"};
    lk_column list[4];
    lk_writer *writer = NULL;
    for (int64_t j = 0; j < columns; j++) {
        list[j] = (lk_column){.name = names[j]};
    }
    check_ok(ctx, lk_writer_open(ctx, path, NULL, list, columns, &writer));
    check_ok(ctx, lk_writer_rows(ctx, writer, x, rows));
    check_ok(ctx, lk_writer_close(ctx, writer));
}

static char *file_bytes(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
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

typedef struct way {
    int threads;
    int64_t memory;   /* 0 = all that is free */
    const char *file; /* NULL = from the array */
} way;

static const way ways[] = {
    {1, 0, NULL},         {2, 0, NULL},         {3, 0, NULL},          {1, 0, "rows.csv"},     {2, 0, "rows.npy"},
    {1, 65536, "rows.npy"}, {2, 65536, "rows.npy"}, {1, 65536, "rows.csv"}, {3, 65536, "rows.csv"},
};

/* Fits in every way and compares the saved bytes with the first's. */
static void compare_ways(const double *x, int64_t rows, int64_t columns, const char *settings, const char *features, const char *weight)
{
    char *first = NULL;
    size_t first_length = 0;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        lk_context *ctx = context_of(ways[i].threads, ways[i].memory);
        lk_table *table = NULL;
        if (ways[i].file == NULL) {
            table = gmm_table(ctx, x, rows, columns);
        } else {
            check_ok(ctx, lk_table_read(ctx, in_folder(ways[i].file), NULL, &table));
        }
        assert_int_equal(lki_table_in_memory(table), ways[i].memory == 0); /* what was asked for is what is tried */
        lk_model *model = gmm_fit(ctx, table, settings, features, weight, NULL);
        check_ok(ctx, lk_model_save(ctx, model, in_folder("model.lk")));
        size_t length = 0;
        char *bytes = file_bytes(in_folder("model.lk"), &length);
        if (first == NULL) {
            first = bytes;
            first_length = length;
        } else {
            if (length != first_length || memcmp(bytes, first, length) != 0) {
                fail_msg("%s: %d threads, memory %lld, %s gives another model", settings, ways[i].threads, (long long)ways[i].memory,
                         ways[i].file != NULL ? ways[i].file : "array");
            }
            free(bytes);
        }
        lk_model_free(model);
        lk_table_free(table);
        lk_context_free(ctx);
    }
    free(first);
}

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/likely_gmm_bits_XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    remove(in_folder("rows.csv"));
    remove(in_folder("rows.npy"));
    remove(in_folder("model.lk"));
    return rmdir(folder);
}

static void write_both(const double *x, int64_t rows, int64_t columns)
{
    lk_context *ctx = context_of(1, 0);
    write_rows(ctx, in_folder("rows.csv"), x, rows, columns);
    write_rows(ctx, in_folder("rows.npy"), x, rows, columns);
    lk_context_free(ctx);
}

static void same_bytes(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(1);
    const int64_t rows = check_effort() < 1 ? 22001 : ROWS;
    double *x = gmm_random_rows(&s, rows, D, 4, 2);
    write_both(x, rows, D);
    compare_ways(x, rows, D, "components=3;restarts=2;max_iter=12", NULL, NULL);
    compare_ways(x, rows, D, "components=2..3;covariance=tied,diag,spherical;restarts=1;max_iter=6", NULL, NULL);
    compare_ways(x, rows, D, "components=4;restarts=2;max_iter=8;init=random;prior=normal_wishart", NULL, NULL);
    compare_ways(x, rows, D, "components=12;restarts=1;max_iter=3;covariance=diag", NULL, NULL); /* random swaps of centres */
    free(x);
}

static void same_bytes_with_weights(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(2);
    const int64_t rows = 5003;
    double *x = gmm_random_rows(&s, rows, 4, 3, 2);
    for (int64_t i = 0; i < rows; i++) {
        x[4 * i + 3] = (double)lki_random_below(&s, 5) * 0.3;
    }
    write_both(x, rows, 4);
    compare_ways(x, rows, 4, "components=3;restarts=2;tol=1e-5", "x1,x2,x3", "x4");
    compare_ways(x, rows, 4, "components=1..2;restarts=1;tol=1e-4;criterion=held-out", "x3,x1", "x4");
    free(x);
}

/* Noise, from clean rows and from all, and moves, on a sample and on all rows. */
static void same_bytes_with_noise_and_moves(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(5);
    const int64_t rows = 21001;
    double *x = gmm_random_rows(&s, rows, D, 3, 2);
    for (int64_t i = 0; i < rows * D; i++) {
        x[i] = i / D % 5 == 0 ? 16 * lki_random_uniform(&s) - 8 : x[i];
    }
    write_both(x, rows, D);
    compare_ways(x, rows, D, "components=3;restarts=3;max_iter=8;noise=true", NULL, NULL);
    compare_ways(x, rows, D, "components=2;restarts=1;max_iter=5;noise=true;covariance=tied", NULL, NULL);
    compare_ways(x, rows, D, "components=4;restarts=1;max_iter=4;moves=2;init=random", NULL, NULL);
    free(x);
}

/* Ill-conditioned rows take the factored way. */
static void same_bytes_factored(void **state)
{
    (void)state;
    lki_stream s = gmm_stream(3);
    const int64_t rows = 4100;
    double *x = gmm_random_rows(&s, rows, D, 2, 3);
    for (int64_t i = 0; i < rows; i++) {
        x[D * i + 2] = x[D * i] + x[D * i + 1] + 3e-4 * x[D * i + 2];
    }
    write_both(x, rows, D);
    compare_ways(x, rows, D, "components=2;restarts=1;max_iter=15", NULL, NULL);
    compare_ways(x, rows, D, "components=2;restarts=1;max_iter=15;covariance=tied", NULL, NULL);
    free(x);
}

/* Another seed is another search: what is compared above does depend on what is computed. */
static void seeds_matter(void **state)
{
    lk_context *ctx = context_of(1, 0);
    (void)state;
    lki_stream s = gmm_stream(4);
    double *x = gmm_random_rows(&s, 500, D, 4, 1);
    lk_table *table = gmm_table(ctx, x, 500, D);
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=4;restarts=1;tol=0;max_iter=2"), .seed = 1};
    lk_model *a = NULL, *b = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &a));
    options.seed = 2;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &b));
    assert_true(gmm_distance(a, b, 1) > 1e-6);
    lk_model_free(a);
    lk_model_free(b);
    lk_table_free(table);
    lk_context_free(ctx);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(same_bytes_with_weights),
        cmocka_unit_test(same_bytes_with_noise_and_moves),
        cmocka_unit_test(same_bytes_factored),
        cmocka_unit_test(seeds_matter),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

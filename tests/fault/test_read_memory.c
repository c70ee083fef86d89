/* Each allocation of reading fails once in turn: an error, no leak, no crash, outputs untouched. */
#include "../npz_file.h"

typedef struct attempt {
    const char *path;
    int64_t memory; /* of the context */
    bool blocks;    /* by a reader */
} attempt;

static lk_status read_blocks(lk_context *ctx, const char *path)
{
    lk_reader *reader = NULL;
    const lk_table *block = NULL;
    lki_csv_cut cut = {2000, 300};
    lk_status status = lki_reader_open(ctx, path, NULL, &cut, &reader);
    do {
        status = status == LK_OK ? lk_reader_next(ctx, reader, &block) : status;
    } while (status == LK_OK && block != NULL);
    lk_reader_free(reader);
    return status;
}

static lk_status try_once(const attempt *a, check_memory *m)
{
    lk_allocator allocator = check_allocator(m);
    lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator, .memory = a->memory};
    lk_context *ctx = NULL;
    lk_table *table = NULL;
    lki_csv_cut cut = {2000, 300};
    lk_status status = lk_context_new(&ctx, &options);
    if (status == LK_OK) {
        status = a->blocks ? read_blocks(ctx, a->path) : lki_table_read(ctx, a->path, NULL, &cut, &table);
        if (status != LK_OK) {
            assert_int_equal(status, LK_ERROR_MEMORY);
            assert_true(strlen(lk_error_message(ctx)) > 0);
            assert_null(table);
        }
    }
    lk_table_free(table);
    lk_context_free(ctx);
    assert_int_equal(m->live, 0);
    return status;
}

static void try_all(const attempt *a)
{
    long failures = 0;
    for (long at = 1;; at++) {
        check_memory m = {.fail_at = at};
        if (try_once(a, &m) == LK_OK) {
            /* With threads the number of allocations may differ a little from run to run; past the last none fails. */
            if (m.calls < at) {
                break;
            }
            continue;
        }
        failures++;
    }
    assert_true(failures >= 10);
}

static void test_csv(void **state)
{
    (void)state;
    read_text t = {0};
    read_put_text(&t, "a,b,\"c \"\"x\"\"\",d\n");
    for (int i = 0; i < 1500; i++) {
        char line[80];
        snprintf(line, sizeof line, "%d,level %d,\"text \"\"%d\"\"\",%d.5\n", i, i / 30, i, i);
        read_put_text(&t, line);
    }
    char *path = read_file(t.bytes, t.used);
    try_all(&(attempt){path, 0, false});
    try_all(&(attempt){path, 20000, false});
    try_all(&(attempt){path, 0, true});
    read_remove(path);
    free(t.bytes);
}

static void test_npy(void **state)
{
    (void)state;
    for (int fortran = 0; fortran < 2; fortran++) {
        read_text t = {0};
        npy_matrix_header(&t, "<f4", fortran != 0, 3000, 2);
        for (int i = 0; i < 6000; i++) {
            float v = (float)i;
            read_put(&t, &v, sizeof v);
        }
        char *path = read_file(t.bytes, t.used);
        try_all(&(attempt){path, 0, false});
        try_all(&(attempt){path, 1000, false});
        try_all(&(attempt){path, 0, true});
        read_remove(path);
        free(t.bytes);
    }
}

/* Arrays side by side, alone, in column order; stored and deflated; by position and spooled. */
static void test_npz(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        npz_file f = {.form = form & 1};
        npz_add_counting(&f, "X.npy", 2000, 2, (form & 2) != 0, 0);
        npz_add_counting(&f, "y.npy", 2000, 0, false, 0);
        npz_end(&f, "");
        char *path = read_file(f.bytes.bytes, f.bytes.used), member[64];
        snprintf(member, sizeof member, "%s:X", path);
        try_all(&(attempt){path, 0, false});
        try_all(&(attempt){path, 1000, false});
        try_all(&(attempt){path, 0, true});
        try_all(&(attempt){member, 0, false});
        try_all(&(attempt){member, 1000, false});
        try_all(&(attempt){member, 0, true});
        read_remove(path);
        npz_free(&f);
    }
}

static void test_idx(void **state)
{
    (void)state;
    static const char zeros[8000];
    read_text t = {0};
    idx_header(&t, 0x08, (const int64_t[]){1000, 4, 2}, 3);
    read_put(&t, zeros, sizeof zeros);
    char *path = read_file(t.bytes, t.used);
    try_all(&(attempt){path, 0, false});
    try_all(&(attempt){path, 1000, false});
    try_all(&(attempt){path, 0, true});
    read_remove(path);
    free(t.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_csv), cmocka_unit_test(test_npy), cmocka_unit_test(test_npz),
                                       cmocka_unit_test(test_idx)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

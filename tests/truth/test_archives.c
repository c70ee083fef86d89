/* Real NPZ and IDX files against what numpy makes of them: shapes, sums, and every bit of every value. */
#include "../read_check.h"

/* By numpy 1.24.2: a = numpy.load(...)[...].astype(float), for IDX numpy.frombuffer(gzip.open(...).read(), ...), in rows x columns,
 * b = a.reshape(-1).view(numpy.uint64); the last figure is (b * (2 * arange(b.size) + 1)).sum() modulo 2^64. Sums that are no whole numbers
 * are left out (0): they depend on the order. */
typedef struct archive {
    const char *path;
    int64_t rows, columns;
    double sum;
    uint64_t bits;
} archive;

static const archive archives[] = {
    {"anomaly/4_breastw.npz:X", 683, 9, 19353, UINT64_C(0x31ac000000000000)},
    {"anomaly/4_breastw.npz:y", 683, 1, 239, UINT64_C(0x3850000000000000)},
    {"anomaly/4_breastw.npz", 683, 10, 19592, UINT64_C(0x2c14000000000000)},
    {"anomaly/32_shuttle.npz:X", 49097, 9, 13157400, UINT64_C(0x0f1c714000000000)},
    {"anomaly/32_shuttle.npz:y", 49097, 1, 3511, UINT64_C(0x4ad0000000000000)},
    {"anomaly/32_shuttle.npz", 49097, 10, 13160911, UINT64_C(0x7be22cc000000000)},
    {"anomaly/33_skin.npz:X", 245057, 3, 0, UINT64_C(0x2ad3be706193e25c)},
    {"anomaly/33_skin.npz:y", 245057, 1, 50859, UINT64_C(0xdc70000000000000)},
    {"anomaly/33_skin.npz", 245057, 4, 0, UINT64_C(0xca8b8645ba873d76)},
    {"anomaly/23_mammography.npz:X", 11183, 6, 0, UINT64_C(0x0ec374ee7dd6ce98)},
    {"anomaly/23_mammography.npz:y", 11183, 1, 260, UINT64_C(0xac40000000000000)},
    {"anomaly/23_mammography.npz", 11183, 7, 0, UINT64_C(0xe2b175885909ab34)},
    {"images/mnist/t10k-images-idx3-ubyte.gz", 10000, 784, 264923200, UINT64_C(0x8822600000000000)},
    {"images/mnist/t10k-labels-idx1-ubyte.gz", 10000, 1, 44434, UINT64_C(0x6506000000000000)},
    {"images/mnist/train-images-idx3-ubyte.gz", 60000, 784, 1567298545, UINT64_C(0x0c49c00000000000)},
    {"images/mnist/train-labels-idx1-ubyte.gz", 60000, 1, 267236, UINT64_C(0xf12a000000000000)},
};

static void check_archive(const archive *a, int64_t memory)
{
    char name[100], path[4200];
    snprintf(name, sizeof name, "%s", a->path);
    char *colon = strchr(name, ':');
    const char *member = "";
    if (colon != NULL) {
        *colon = '\0';
        member = strrchr(a->path, ':');
    }
    const char *found = check_data(name);
    check_skip_without(found, name);
    snprintf(path, sizeof path, "%s%s", found, member);
    lk_context *ctx = read_context(2, memory);
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    assert_int_equal(lk_table_rows(table), a->rows);
    assert_int_equal(lk_table_columns(table), a->columns);
    double *v = read_values(ctx, table), sum = 0;
    uint64_t hash = 0;
    for (uint64_t i = 0; i < (uint64_t)(a->rows * a->columns); i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        hash += bits * (2 * i + 1);
        sum += v[i];
    }
    assert_true(hash == a->bits);
    if (a->sum != 0) {
        assert_true(sum == a->sum);
    }
    free(v);
    lk_table_free(table);
    lk_context_free(ctx);
}

/* In memory and, but for the largest, where memory does not hold the table. */
static void test_archives(void **state)
{
    (void)state;
#if !LIKELY_ZLIB
    print_message("skipped: all these files are compressed, and this build has no zlib\n");
    skip();
#endif
    for (size_t i = 0; i < sizeof archives / sizeof archives[0]; i++) {
        check_archive(&archives[i], 0);
        if (archives[i].rows * archives[i].columns < 10000000) {
            check_archive(&archives[i], 4096);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_archives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

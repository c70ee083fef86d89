/* Agglomeration of rows: Ward's tree is the one that exhaustive search makes, cuts are nested partitions, the variable tree keeps
 * ellipsoids that Ward's cannot, and EM starts from them. */
#include "gmm_check.h"

#include "mixture/hierarchical.h"

enum { ROWS = 60, D = 3 };

/* rows x (d + 1) with weights 1. */
static double *weighted(const double *x, int64_t rows, int64_t d)
{
    double *values = malloc((size_t)(rows * (d + 1)) * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < rows; i++) {
        memcpy(values + i * (d + 1), x + i * d, (size_t)d * sizeof(double));
        values[i * (d + 1) + d] = 1;
    }
    return values;
}

/* Two partitions are the same but for the numbers of their groups. */
static int same_partition(const int32_t *a, const int32_t *b, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < i; j++) {
            if ((a[i] == a[j]) != (b[i] == b[j])) {
                return 0;
            }
        }
    }
    return 1;
}

/* Joins the two groups whose joint sum of squares grows least, looking at all pairs each time. */
static void ward_by_search(const double *values, int64_t groups, int32_t *labels)
{
    double sums[ROWS][D], n[ROWS];
    for (int64_t i = 0; i < ROWS; i++) {
        n[i] = values[i * (D + 1) + D];
        labels[i] = (int32_t)i;
        for (int64_t j = 0; j < D; j++) {
            sums[i][j] = n[i] * values[i * (D + 1) + j];
        }
    }
    for (int64_t left = ROWS; left > groups; left--) {
        double least = (double)INFINITY;
        int p = 0, q = 0;
        for (int a = 0; a < ROWS; a++) {
            for (int b = 0; b < a; b++) {
                double square = 0;
                for (int64_t j = 0; j < D && n[a] > 0 && n[b] > 0; j++) {
                    const double delta = sums[a][j] / n[a] - sums[b][j] / n[b];
                    square += delta * delta;
                }
                if (n[a] > 0 && n[b] > 0 && square * n[a] * n[b] / (n[a] + n[b]) < least) {
                    least = square * n[a] * n[b] / (n[a] + n[b]);
                    p = a;
                    q = b;
                }
            }
        }
        for (int64_t j = 0; j < D; j++) {
            sums[p][j] += sums[q][j];
        }
        n[p] += n[q];
        n[q] = 0;
        for (int64_t i = 0; i < ROWS; i++) {
            labels[i] = labels[i] == q ? p : labels[i];
        }
    }
}

static void ward_is_exact(void **state)
{
    lk_context *ctx = *state;
    const int64_t rounds = check_scaled(5, 2);
    for (int64_t round = 0; round < rounds; round++) {
        lki_stream s = gmm_stream(1000 + (uint64_t)round);
        double *x = gmm_random_rows(&s, ROWS, D, 4, 2), *values = weighted(x, ROWS, D);
        for (int64_t i = 0; i < ROWS; i++) {
            values[i * (D + 1) + D] = 1 + (double)lki_random_below(&s, 3);
        }
        struct lki_hierarchy *h = NULL;
        int32_t work[ROWS], labels[ROWS], wanted[ROWS];
        check_ok(ctx, lki_hierarchy_new(ctx, values, NULL, ROWS, D, 1, &h));
        assert_int_equal(h->trees, 1);
        assert_int_equal(h->rows, ROWS);
        for (int64_t K = 1; K <= ROWS; K++) {
            lki_hierarchy_cut(h, 0, K, work, labels);
            ward_by_search(values, K, wanted);
            assert_true(same_partition(labels, wanted, ROWS));
        }
        lki_hierarchy_free(ctx, h);
        free(values);
        free(x);
    }
}

/* Every cut has exactly K groups, numbered from 0 in the order of their first rows, and joins two groups of the next finer one. */
static void cuts_are_nested(void **state)
{
    lk_context *ctx = *state;
    enum { MANY = 2500, WIDE = 4 };
    lki_stream s = gmm_stream(2000);
    static int32_t work[MANY], coarse[MANY], fine[MANY];
    double *x = gmm_random_rows(&s, MANY, WIDE, 4, 3), *values = weighted(x, MANY, WIDE);
    struct lki_hierarchy *h = NULL;
    check_ok(ctx, lki_hierarchy_new(ctx, values, values, MANY, WIDE, 7, &h));
    assert_int_equal(h->rows, LKI_HIERARCHY_ROWS);
    assert_int_equal(h->trees, LKI_TREES);
    check_near(h->total, LKI_HIERARCHY_ROWS, 0);
    int64_t at = 0; /* the chosen rows are rows of the data, each at most once */
    for (int64_t i = 0; i < h->rows; i++) {
        while (at < MANY && memcmp(h->values + i * (WIDE + 1), values + at * (WIDE + 1), (WIDE + 1) * sizeof(double)) != 0) {
            at++;
        }
        assert_true(at++ < MANY);
    }
    for (int tree = 0; tree < h->trees; tree++) {
        for (int64_t K = 1; K <= h->rows; K += K < 40 ? 1 : 193) {
            int32_t groups = 0, parent[MANY];
            lki_hierarchy_cut(h, tree, K, work, coarse);
            for (int64_t i = 0; i < h->rows; i++) {
                assert_true(coarse[i] >= 0 && coarse[i] <= groups);
                groups += coarse[i] == groups;
            }
            assert_int_equal(groups, K);
            if (K < h->rows) {
                lki_hierarchy_cut(h, tree, K + 1, work, fine);
                for (int64_t k = 0; k <= K; k++) {
                    parent[k] = -1;
                }
                for (int64_t i = 0; i < h->rows; i++) {
                    assert_true(parent[fine[i]] < 0 || parent[fine[i]] == coarse[i]);
                    parent[fine[i]] = coarse[i];
                }
            }
        }
    }
    lki_hierarchy_free(ctx, h);
    free(values);
    free(x);
}

/* Three long strips side by side: the variable tree finds them, the round one cuts them across. */
static void strips_are_kept(void **state)
{
    lk_context *ctx = *state;
    enum { STRIP = 80, ALL = 3 * STRIP };
    lki_stream s = gmm_stream(3000);
    double values[ALL * 3];
    int32_t truth[ALL], work[ALL], labels[ALL];
    for (int i = 0; i < ALL; i++) {
        truth[i] = i % 3;
        values[i * 3] = 3.5 * (lki_random_uniform(&s) - 0.5);
        values[i * 3 + 1] = (double)(i % 3 - 1) * 1.2 + 0.05 * lki_random_normal(&s);
        values[i * 3 + 2] = 1;
    }
    struct lki_hierarchy *h = NULL;
    check_ok(ctx, lki_hierarchy_new(ctx, values, values, ALL, 2, 1, &h));
    lki_hierarchy_cut(h, LKI_TREE_VARIABLE, 3, work, labels);
    assert_true(same_partition(labels, truth, ALL));
    lki_hierarchy_cut(h, LKI_TREE_ROUND, 3, work, labels);
    assert_false(same_partition(labels, truth, ALL));
    lki_hierarchy_free(ctx, h);
}

/* Awkward data: one or two rows, equal rows, more features than rows, tiny weights. */
static void awkward_rows(void **state)
{
    lk_context *ctx = *state;
    enum { WIDE = 12, FEW = 9 };
    lki_stream s = gmm_stream(4000);
    double values[FEW * (WIDE + 1)];
    int32_t work[FEW], labels[FEW];
    for (int how = 0; how < 4; how++) {
        const int64_t rows = how == 0 ? 1 : how == 1 ? 2 : FEW;
        for (int i = 0; i < FEW * (WIDE + 1); i++) {
            values[i] = i % (WIDE + 1) == WIDE ? (how == 3 ? 1e-9 : 1) : how == 2 ? 5 : lki_random_normal(&s);
        }
        struct lki_hierarchy *h = NULL;
        check_ok(ctx, lki_hierarchy_new(ctx, values, values, rows, WIDE, 1, &h));
        for (int tree = 0; tree < h->trees; tree++) {
            for (int64_t K = 1; K <= rows; K++) {
                int32_t most = -1;
                lki_hierarchy_cut(h, tree, K, work, labels);
                for (int64_t i = 0; i < rows; i++) {
                    most = labels[i] > most ? labels[i] : most;
                }
                assert_int_equal(most, K - 1);
            }
        }
        lki_hierarchy_free(ctx, h);
    }
}

/* EM from the trees reaches three separate groups in every family, with one start and by default, weighted or in one dimension; asking
 * twice gives the same bits. */
static void starts_from_trees(void **state)
{
    lk_context *ctx = *state;
    for (int64_t d = 1; d <= 3; d += 2) {
        lki_stream s = gmm_stream(5000 + (uint64_t)d);
        double x[300 * 3];
        for (int i = 0; i < 300; i++) {
            for (int64_t j = 0; j < d; j++) {
                x[i * d + j] = 8 * (double)(i % 3) * (j == 1 ? -1 : 1) + lki_random_normal(&s);
            }
        }
        lk_table *table = gmm_table(ctx, x, 300, d);
        for (int f = 0; lki_covariance_at(f) != NULL; f++) {
            char settings[120];
            double found[3];
            for (int i = 0; i < 3; i++) {
                snprintf(settings, sizeof settings, "components=3;covariance=%s;%s", lki_covariance_at(f)->letters,
                         i == 0 ? "init=hierarchical;restarts=1" : i == 1 ? "init=hierarchical" : "init=kmeans++");
                lk_model *a = gmm_fit(ctx, table, settings, NULL, NULL, NULL), *b = gmm_fit(ctx, table, settings, NULL, NULL, NULL);
                check_near(gmm_distance(a, b, 0), 0, 0);
                for (int64_t k = 0; k < 3; k++) {
                    check_near(gmm_mixture(a)->weights[k], 1.0 / 3, 1e-3);
                }
                assert_int_equal(lk_model_trusted(a), 1);
                found[i] = gmm_number(ctx, a, "log_likelihood");
                lk_model_free(a);
                lk_model_free(b);
            }
            check_near(found[0], found[2], 1e-4);
            check_near(found[1], found[2], 1e-4);
        }
        lk_table_free(table);
    }
}

/* More components than the rows have values is said as with any other start. */
static void too_few_values(void **state)
{
    lk_context *ctx = *state;
    double x[40];
    for (int i = 0; i < 40; i++) {
        x[i] = i % 3;
    }
    lk_table *table = gmm_table(ctx, x, 20, 2);
    lk_model *model = NULL;
    check_status(ctx, LK_ERROR_DATA, gmm_try(ctx, table, "components=5;init=hierarchical", NULL, NULL, NULL, &model));
    check_contains(lk_error_message(ctx), "3 distinct");
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ward_is_exact, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(cuts_are_nested, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(strips_are_kept, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(awkward_rows, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(starts_from_trees, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(too_few_values, check_setup, check_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

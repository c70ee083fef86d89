/* Anomaly scores and p-values: ranks counted by hand, chi-square tails, a published table, and ROC areas of a peer on the same data. */
#include "gmm_check.h"

/* Ranks among x = 0, 1, -2, 3 under N(0, 1): the log density falls with |x|, and a tie counts. */
static void by_hand(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0]],\"covariances\":[[[1]]]}");
    lk_table *table = gmm_table(ctx, (const double[]){0, 1, -2, 3}, 4, 1);
    lk_detect_options options = {.size = sizeof options, .calibrate = table};
    lk_detector *detector = NULL;
    const double x[6] = {1, -1, 10, 0, 2.5, (double)NAN}, wanted[6] = {4.0 / 5, 4.0 / 5, 1.0 / 5, 1, 2.0 / 5, 1};
    double score[6], p[6];
    int64_t m = 0;
    check_ok(ctx, lk_detector_new(ctx, model, &options, &detector));
    assert_int_equal(lk_detector_reference(detector, &m), LK_REFERENCE_ROWS);
    assert_int_equal(m, 4);
    check_ok(ctx, lk_detector_rows(ctx, detector, x, 6, score, p));
    for (int i = 0; i < 6; i++) {
        assert_true(p[i] == wanted[i]);
        check_near(score[i], i < 5 ? 0.5 * (x[i] * x[i] + log(2 * acos(-1))) : 0, 1e-14);
    }
    lk_detector_free(ctx, detector);
    lk_table_free(table);
    lk_model_free(model);
}

/* An incomplete row stands among the reference rows that have its values, by the same features. */
static void incomplete_by_hand(void **state)
{
    lk_context *ctx = *state;
    const double nan = (double)NAN;
    lk_model *model = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,0]],\"covariances\":[[[1,0],[0,1]]]}");
    const double rows[10] = {0, 9, 2, nan, 4, 0, nan, 3, 1, 1};
    lk_table *table = gmm_table(ctx, rows, 5, 2);
    lk_detect_options options = {.size = sizeof options, .calibrate = table};
    lk_detector *detector = NULL;
    /* Complete: (0,9), (4,0), (1,1). First alone: 0, 2, 4, 1. Second alone: 9, 0, 3, 1. */
    const double x[10] = {3, nan, nan, 2, 3, 0, nan, nan, nan, -3}, wanted[5] = {2.0 / 5, 3.0 / 5, 3.0 / 4, 1, 3.0 / 5};
    double score[5], p[5];
    check_ok(ctx, lk_detector_new(ctx, model, &options, &detector));
    check_ok(ctx, lk_detector_rows(ctx, detector, x, 5, score, p));
    for (int i = 0; i < 5; i++) {
        assert_true(p[i] == wanted[i]);
    }
    lk_detector_free(ctx, detector);
    lk_table_free(table);
    lk_model_free(model);
}

/* Of one Gaussian, p is the tail of chi-square with as many degrees of freedom as values are there: exp(-q / 2) (1 + q / 2) for 4,
 * exp(-q / 2) for 2. Five standard errors of 100 000 draws, 4000 values: a false alarm in 1 of 400 seeds at most. */
static void chi_square_tail(void **state)
{
    lk_context *ctx = *state;
    enum { N = 2000, D = 4 };
    lki_stream s = gmm_stream(7000);
    double A[D * D], x[N * D], score[N], p[N], worst = 0;
    gmm_random_spd(&s, D, 20, A);
    lki_mixture *m = NULL;
    check_ok(ctx, lki_mixture_new(ctx, 1, D, lki_covariance_find("full"), &m));
    m->weights[0] = 1;
    memcpy(m->covariances, A, sizeof A);
    for (int j = 0; j < D; j++) {
        m->means[j] = 3 * j;
    }
    lk_model *model = gmm_model_of(ctx, m), *part = NULL;
    const int64_t kept[2] = {1, 3};
    check_ok(ctx, lk_model_marginal(ctx, model, kept, 2, &part));
    lk_detector *detector = NULL;
    int64_t draws = 0;
    check_ok(ctx, lk_detector_new(ctx, model, NULL, &detector));
    assert_int_equal(lk_detector_reference(detector, &draws), LK_REFERENCE_DRAWS);
    assert_int_equal(draws, 100000);
    for (int pass = 0; pass < 2; pass++) {
        const lk_model *asked = pass == 0 ? model : part;
        double peak, centre[D] = {0, 3, 6, 9};
        check_ok(ctx, lk_model_log_density(ctx, asked, pass == 0 ? centre : (const double[]){3, 9}, 1, &peak));
        check_ok(ctx, lk_model_sample(ctx, model, 11, 0, N, x));
        for (int i = 0; pass == 1 && i < N; i++) {
            x[i * D] = x[i * D + 2] = (double)NAN;
        }
        check_ok(ctx, lk_detector_rows(ctx, detector, x, N, score, p));
        for (int i = 0; i < N; i++) {
            const double half = score[i] + peak, tail = exp(-half) * (pass == 0 ? 1 + half : 1);
            const double error = fabs(p[i] - tail) - 2.0 / 100001;
            worst = fmax(worst, error / sqrt(tail * (1 - tail) / 100000));
        }
    }
    print_message("chi-square tails: at most %.2f standard errors off\n", worst);
    assert_true(worst < 5);
    lk_detector_free(ctx, detector);
    lk_model_free(part);
    lk_model_free(model);
    lki_mixture_free(m);
}

/* The 15 p-values of Benjamini and Hochberg, J. R. Statist. Soc. B 57, 1995, section 3.2: at .05 the four smallest are rejected. */
static void false_discoveries(void **state)
{
    lk_context *ctx = *state;
    const double p[16] = {0.3240, 0.0001, 0.0004, 0.0095, 0.0019, 0.0201, 0.0278, 0.0298,
                          0.0344, 0.0459, 1.000,  0.4262, 0.5719, 0.6528, 0.7590, (double)NAN};
    double threshold = -1;
    check_ok(ctx, lk_false_discovery_threshold(ctx, p, 16, 0.05, &threshold));
    assert_true(threshold == 0.0095);
    check_ok(ctx, lk_false_discovery_threshold(ctx, p, 1, 0.05, &threshold));
    assert_true(threshold == 0);
    check_ok(ctx, lk_false_discovery_threshold(ctx, p, 0, 0.05, &threshold));
    assert_true(threshold == 0);
    check_status(ctx, LK_ERROR_ARGUMENT, lk_false_discovery_threshold(ctx, p, 15, 1, &threshold));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_false_discovery_threshold(ctx, (const double[]){1.5}, 1, 0.1, &threshold));
}

/* ---- areas under the ROC curve ---- */

/* scikit-learn 1.2.1 on the sets of ADBench (Han et al. 2022), fitted to all rows: GaussianMixture(k), reg_covar 0 and one start for k = 1
 * (a closed form), reg_covar 1e-6 and 20 starts of tolerance 1e-7 for k = 3; area of -score_samples by roc_auc_score. Of one component
 * the order of rows is the same but for ties; of three the optimum may be another one. */
static const struct {
    const char *name;
    int rows, d, k;
    double area, tolerance;
} sets[] = {
    {"4_breastw", 683, 9, 1, 0.9723887066983301, 1e-4},    {"29_Pima", 768, 8, 1, 0.6744477611940298, 1e-9},
    {"38_thyroid", 3772, 6, 1, 0.9341861831318119, 1e-5},  {"39_vertebral", 240, 6, 1, 0.43492063492063493, 1e-9},
    {"23_mammography", 11183, 6, 1, 0.8602011281769589, 1e-5}, {"38_thyroid", 3772, 6, 3, 0.9641908302571702, 0.01},
};

typedef struct scored {
    double score;
    int anomaly;
} scored;

static int compare_scores(const void *a, const void *b)
{
    const double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* The share of pairs of an anomaly and a normal row in which the anomaly scores higher, ties one half. */
static double roc_area(scored *v, int64_t n)
{
    double anomalies = 0, normal = 0, pairs = 0;
    qsort(v, (size_t)n, sizeof *v, compare_scores);
    for (int64_t i = 0; i < n;) {
        double tied[2] = {0, 0};
        const double score = v[i].score;
        for (; i < n && v[i].score == score; i++) {
            tied[v[i].anomaly]++;
        }
        pairs += tied[1] * (normal + tied[0] / 2);
        normal += tied[0];
        anomalies += tied[1];
    }
    return pairs / anomalies / normal;
}

static void areas(void **state)
{
    lk_context *ctx = *state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char file[80], settings[80], features[64] = "1";
        int64_t columns[32], d = sets[i].d, rows;
        snprintf(file, sizeof file, "anomaly/%s.npz", sets[i].name);
        const char *path = check_data(file);
        lk_table *table = NULL;
        check_skip_without(path, file);
        check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
        rows = lk_table_rows(table);
        assert_int_equal(rows, sets[i].rows);
        for (int64_t j = 0; j <= d; j++) {
            columns[j] = j; /* X, then y */
            if (j > 0 && j < d) {
                snprintf(features + strlen(features), sizeof features - strlen(features), ",%d", (int)j + 1);
            }
        }
        assert_string_equal(lk_table_name(table, d), "y");
        snprintf(settings, sizeof settings, "components=%d;covariance=full", sets[i].k);
        lk_model *model = gmm_fit(ctx, table, settings, features, NULL, NULL);
        double *x = malloc((size_t)(rows * (d + 3)) * sizeof *x), *score = x + rows * d, *p = score + rows, *label = p + rows;
        scored *v = malloc((size_t)rows * sizeof *v);
        assert_true(x != NULL && v != NULL);
        check_ok(ctx, lk_table_gather(ctx, table, 0, rows, columns, d, x));
        check_ok(ctx, lk_table_gather(ctx, table, 0, rows, columns + d, 1, label));
        lk_detect_options options = {.size = sizeof options, .draws = 1000};
        lk_detector *detector = NULL;
        check_ok(ctx, lk_detector_new(ctx, model, &options, &detector));
        check_ok(ctx, lk_detector_rows(ctx, detector, x, rows, score, p));
        for (int64_t r = 0; r < rows; r++) {
            v[r] = (scored){score[r], label[r] == 1};
        }
        const double area = roc_area(v, rows);
        print_message("%-15s k %d  area %.8f (peer %.8f)\n", sets[i].name, sets[i].k, area, sets[i].area);
        check_near(area, sets[i].area, sets[i].tolerance);
        free(x);
        free(v);
        lk_detector_free(ctx, detector);
        lk_model_free(model);
        lk_table_free(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_hand), cmocka_unit_test(incomplete_by_hand), cmocka_unit_test(chi_square_tail),
                                       cmocka_unit_test(false_discoveries), cmocka_unit_test(areas)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}

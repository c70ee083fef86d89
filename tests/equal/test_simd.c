/* exp and log of every instruction set against the scalar reference; a value never depends on its place in the
 * array. */
#include "check.h"
#include "core/philox.h"
#include "math/elementary.h"
#include "math/vector.h"
#include <sys/wait.h>

enum { COUNT = 4001 };

static const lki_elementary *table(int level)
{
#if defined(__x86_64__)
    const lki_elementary *const tables[] = {&lki_elementary_portable, &lki_elementary_avx2, &lki_elementary_avx512};
    return tables[level];
#else
    (void)level;
    return &lki_elementary_portable;
#endif
}

/* Values all over the range, special ones among them. */
static void fill(double *x, uint64_t seed)
{
    const double special[] = {0,    -0.0,    (double)INFINITY, -(double)INFINITY, (double)NAN, 0x1p-1074, -1, 1, 710,
                              -746, DBL_MAX, DBL_MIN};
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < COUNT; i++) {
        switch (lki_random_below(&s, 8)) {
        case 0:
            x[i] = special[lki_random_below(&s, sizeof special / sizeof special[0])];
            break;
        case 1: {
            uint64_t bits = lki_random_bits(&s) & ~(UINT64_C(1) << 52); /* any pattern but NaN and infinity */
            memcpy(&x[i], &bits, sizeof bits);
            break;
        }
        default:
            x[i] = 100 * lki_random_normal(&s);
        }
    }
}

static double distance(int64_t n, const double *a, const double *b)
{
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        double ulps = check_ulps(a[i], b[i]);
        largest = ulps > largest ? ulps : largest;
    }
    return largest;
}

static void test_against_the_scalar_reference(void **state)
{
    (void)state;
    static double x[COUNT], y[COUNT], exps[COUNT], logs[COUNT];
    int64_t repeats = check_scaled(50, 5);
    double worst[3] = {0, 0, 0};
    for (int64_t repeat = 0; repeat < repeats; repeat++) {
        fill(x, (uint64_t)repeat + 1);
        for (int64_t i = 0; i < COUNT; i++) {
            exps[i] = lki_exp_reference(x[i]);
            logs[i] = lki_log_reference(x[i]);
        }
        for (int level = 0; level <= lki_isa_level(); level++) {
            table(level)->exp(COUNT, x, y);
            worst[level] = fmax(worst[level], distance(COUNT, y, exps));
            table(level)->log(COUNT, x, y);
            worst[level] = fmax(worst[level], distance(COUNT, y, logs));
        }
    }
    print_message("ulps from the reference: portable %g, avx2 %g, avx512 %g\n", worst[0], worst[1], worst[2]);
    assert_true(worst[0] == 0);
    assert_true(worst[1] <= 1 && worst[2] <= 1);
}

/* Every length, every alignment, in place: the same bits as in one piece. */
static void test_place_in_the_array(void **state)
{
    (void)state;
    static double x[COUNT], whole[COUNT], part[COUNT + 1];
    fill(x, 99);
    for (int level = 0; level <= lki_isa_level(); level++) {
        for (int which = 0; which < 2; which++) {
            void (*f)(int64_t n, const double *x, double *y) = which == 0 ? table(level)->exp : table(level)->log;
            f(COUNT, x, whole);
            for (int64_t start = 0; start < 9; start++) {
                for (int64_t n = 0; n < 40; n++) {
                    memset(part, 0x55, sizeof part);
                    f(n, x + start, part);
                    assert_memory_equal(part, whole + start, (size_t)n * sizeof(double));
                    uint64_t beyond;
                    memcpy(&beyond, part + n, sizeof beyond);
                    assert_true(beyond == UINT64_C(0x5555555555555555));
                }
            }
            memcpy(part, x, sizeof x);
            f(COUNT, part, part);
            assert_memory_equal(part, whole, sizeof whole);
        }
    }
}

/* The level of a process that starts with LIKELY_ISA=name. */
static int level_with(const char *name)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("LIKELY_ISA", name, 1);
        _exit(lki_isa_level());
    }
    int status = -1;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* LIKELY_ISA lowers the level and never raises it; what it does not know changes nothing. Runs first: the level is
 * found once. */
static void test_the_environment(void **state)
{
    (void)state;
    int highest = level_with("");
    assert_int_equal(level_with("portable"), 0);
    assert_int_equal(level_with("avx2"), highest < 1 ? highest : 1);
    assert_int_equal(level_with("avx512"), highest);
    assert_int_equal(level_with("sse9"), highest);
}

/* The table in use is the one that lki_isa() names. */
static void test_the_level_in_use(void **state)
{
    (void)state;
    const char *const names[] = {"portable", "avx2", "avx512"};
    assert_string_equal(lki_isa(), names[lki_isa_level()]);
    static double x[COUNT], a[COUNT], b[COUNT];
    fill(x, 7);
    lki_vexp(COUNT, x, a);
    table(lki_isa_level())->exp(COUNT, x, b);
    assert_memory_equal(a, b, sizeof a);
    lki_vlog(COUNT, x, a);
    table(lki_isa_level())->log(COUNT, x, b);
    assert_memory_equal(a, b, sizeof a);
    double sum = lki_log_sum_exp(10, b);
    double same = table(lki_isa_level())->log_sum_exp(10, b);
    assert_memory_equal(&sum, &same, sizeof sum);
}

/* The helpers that kernels are written with, here in their portable form. */
static void test_vector_helpers(void **state)
{
    (void)state;
    const double nan = (double)NAN;
    double a[LKI_VL], b[LKI_VL], c[LKI_VL];
    for (int i = 0; i < LKI_VL; i++) {
        a[i] = i + 1;
        b[i] = i % 2 == 0 ? 10 - i : nan;
    }
    lki_vd x = lki_vload(a), y = lki_vload(b);
    lki_vstore(c, lki_vmax(x, y));
    assert_true(c[0] == 10 && isnan(c[1])); /* the second where either is NaN */
    lki_vstore(c, lki_vmax(y, x));
    assert_true(c[0] == 10 && c[1] == 2);
    lki_vstore(c, lki_vmin(y, x));
    assert_true(c[0] == 1 && c[1] == 2);
    lki_vstore(c, lki_vselect(lki_vlt(x, y), lki_vset1(-1), lki_vset1(1)));
    assert_true(c[0] == -1 && c[1] == 1);
    lki_vstore(c, lki_vselect(lki_vgt(x, lki_vset1(1)), x, lki_vset1(0)));
    assert_true(c[0] == 0 && c[1] == 2);
    lki_vstore(c, lki_vfma(x, lki_vset1(2), lki_vset1(1)));
    assert_true(c[0] == 3 && c[1] == 5);
    assert_true(lki_vsum(x) == LKI_VL * (LKI_VL + 1) / 2 && lki_vmax_lane(x) == LKI_VL);
    lki_vstore(c, lki_vload_part(a, 1, 7));
    assert_true(c[0] == 1 && c[1] == 7);
    c[1] = 99;
    lki_vstore_part(c, lki_vset1(5), 1);
    assert_true(c[0] == 5 && c[1] == 99);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_environment),    cmocka_unit_test(test_against_the_scalar_reference),
        cmocka_unit_test(test_place_in_the_array), cmocka_unit_test(test_the_level_in_use),
        cmocka_unit_test(test_vector_helpers),
    };
    return cmocka_run_group_tests_name("simd", tests, NULL, NULL);
}

/* Random streams: published vectors of the generator, golden first draws of every law, edges. */
#include "check.h"
#include "core/philox.h"

/* Random123's kat_vectors, lines "philox4x64 10". A stream draws the four words of counter {0, row, 0, 0}, then of
 * {1, row, 0, 0}. */
static void test_known_answers(void **state)
{
    (void)state;
    static const uint64_t vectors[3][10] = {
        {0, 0, 0, 0, 0, 0, UINT64_C(0x16554d9eca36314c), UINT64_C(0xdb20fe9d672d0fdc), UINT64_C(0xd7e772cee186176b),
         UINT64_C(0x7e68b68aec7ba23b)},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_C(0x87b092c3013fe90b),
         UINT64_C(0x438c3c67be8d0224), UINT64_C(0x9cc7d7c69cd777b6), UINT64_C(0xa09caebf594f0ba0)},
        {UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344), UINT64_C(0xa4093822299f31d0),
         UINT64_C(0x082efa98ec4e6c89), UINT64_C(0x452821e638d01377), UINT64_C(0xbe5466cf34e90c6c),
         UINT64_C(0xa528f45403e61d95), UINT64_C(0x38c72dbd566e9788), UINT64_C(0xa5a1610e72fd18b5),
         UINT64_C(0x57bd43b5e52b7fe6)},
    };
    for (int v = 0; v < 3; v++) {
        lki_stream s = lki_stream_new(vectors[v][4], vectors[v][5], 0);
        memcpy(s.counter, vectors[v], sizeof s.counter);
        for (int i = 0; i < 4; i++) {
            assert_true(lki_random_bits(&s) == vectors[v][6 + i]);
        }
    }
    lki_stream zero = lki_stream_new(0, 0, 0);
    assert_true(lki_random_bits(&zero) == vectors[0][6]);
}

/* Seed 1, stream 2, row 3: which word of the counter and key holds what, and the order of the words, never change. */
static void test_golden_bits(void **state)
{
    (void)state;
    const uint64_t wanted[6] = {UINT64_C(0x3a7bd930370c326f), UINT64_C(0x7649c28e406cb278),
                                UINT64_C(0xcabbc0bf6e193b9e), UINT64_C(0x0e5d7aa554518f3d),
                                UINT64_C(0x23278960bbd21e3d), UINT64_C(0x39a88273926b8f36)};
    lki_stream s = lki_stream_new(1, 2, 3);
    for (int i = 0; i < 6; i++) {
        assert_true(lki_random_bits(&s) == wanted[i]);
    }
}

static lki_stream first(void)
{
    return lki_stream_new(1, LKI_STREAM_SAMPLE, 0);
}

/* Uniform draws are exact; the others pass through the C library's log and exp, which may differ by an ulp between
 * machines. */
static void check_draws(const double *draws, const double *wanted, double ulps)
{
    for (int i = 0; i < 4; i++) {
        if (!(check_ulps(draws[i], wanted[i]) <= ulps)) {
            fail_msg("draw %d is %a instead of %a", i, draws[i], wanted[i]);
        }
    }
}

#define CHECK_GOLDEN(ulps, call, ...)            \
    do {                                         \
        const double wanted_[4] = {__VA_ARGS__}; \
        double draws_[4];                        \
        lki_stream s = first();                  \
        for (int i_ = 0; i_ < 4; i_++) {         \
            draws_[i_] = (call);                 \
        }                                        \
        check_draws(draws_, wanted_, ulps);      \
    } while (0)

static void test_golden_draws(void **state)
{
    (void)state;
    CHECK_GOLDEN(0, lki_random_uniform(&s), 0x1.1bf7cca708926p-2, 0x1.27af628a3a7bp-2, 0x1.4a38fbc1f98c2p-2,
                 0x1.a695e1ded7148p-2);
    CHECK_GOLDEN(4, lki_random_normal(&s), -0x1.03793c3133db2p+0, -0x1.ec481eedabee1p-1, -0x1.ba6343f7ded65p+0,
                 -0x1.b3365eee33716p-1);
    CHECK_GOLDEN(8, lki_random_gamma(&s, 2.5), 0x1.fb6104fe444edp-1, 0x1.0984cfcf4b83dp+0, 0x1.698ae5f3f11dcp-1,
                 0x1.f2c1ba617c5b1p-1);
    CHECK_GOLDEN(32, lki_random_gamma(&s, 0.3), 0x1.d4b04466ae8e9p-7, 0x1.38f29106d30d9p-7, 0x1.fa5425f2c5da6p-3,
                 0x1.b571790b1ea09p-4);
    CHECK_GOLDEN(16, lki_random_beta(&s, 2, 3), 0x1.4e2c75742f6fbp-2, 0x1.040dc353894dfp-2, 0x1.526fc4fda8a76p-2,
                 0x1.51887bb2b3da2p-1);
    CHECK_GOLDEN(64, lki_random_beta(&s, 0.2, 0.3), 0x1.c113e197395ap-3, 0x1.1a172e6f479ccp-1, 0x1.961e24969f368p-14,
                 0x1.564daffa5814cp-14);
}

static void test_golden_whole_numbers(void **state)
{
    (void)state;
    const int below[8] = {8, 6, 8, 4, 7, 0, 3, 4};
    const int category[12] = {3, 3, 3, 3, 3, 3, 0, 3, 0, 3, 3, 3};
    const int permutation[8] = {3, 0, 7, 6, 5, 1, 2, 4};
    const double cumulative[4] = {0.1, 0.1, 0.5, 2};
    lki_stream s = first();
    for (int i = 0; i < 8; i++) {
        assert_int_equal(lki_random_below(&s, 10), below[i]);
    }
    s = first();
    for (int i = 0; i < 12; i++) {
        assert_int_equal(lki_random_categorical(&s, cumulative, 4), category[i]);
    }
    int64_t order[8];
    s = first();
    lki_random_permutation(&s, order, 8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(order[i], permutation[i]);
    }
}

/* Seed, stream and row each change every draw. */
static void test_streams_differ(void **state)
{
    (void)state;
    const uint64_t names[5][3] = {{1, 1, 0}, {2, 1, 0}, {1, 2, 0}, {1, 1, 1}, {1, 1, UINT64_MAX}};
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++) {
            lki_stream a = lki_stream_new(names[i][0], names[i][1], names[i][2]);
            lki_stream b = lki_stream_new(names[j][0], names[j][1], names[j][2]);
            for (int k = 0; k < 20; k++) {
                assert_true(lki_random_bits(&a) != lki_random_bits(&b));
            }
        }
    }
}

/* A stream whose next words are given, to reach the edges that chance does not. */
static lki_stream rigged(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    lki_stream s = first();
    const uint64_t words[4] = {a, b, c, d};
    memcpy(s.block, words, sizeof words);
    s.left = 4;
    return s;
}

static void test_edges(void **state)
{
    (void)state;
    lki_stream s = rigged(0, 1023, UINT64_MAX, 2048);
    assert_true(lki_random_uniform(&s) == 1 - 0x1p-53); /* both zeros are drawn again; never 1 */
    assert_true(lki_random_uniform(&s) == 0x1p-53);
    /* 2^64 mod 3 = 1: the word 0 is drawn again. */
    s = rigged(0, 1, 2, 3);
    assert_int_equal(lki_random_below(&s, 3), 1);
    assert_int_equal(lki_random_below(&s, 3), 2);
    assert_int_equal(lki_random_below(&s, 3), 0);
    s = rigged(UINT64_MAX, 7, 0, 0);
    assert_true(lki_random_below(&s, INT64_MAX) == 1); /* (2^64 - 1) mod (2^63 - 1) */
    assert_int_equal(lki_random_below(&s, 1), 0);
    /* Categories without weight are never drawn, first, last or between. */
    const double cumulative[6] = {0, 0, 1, 1, 2, 2};
    s = rigged(2048, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1);
    assert_int_equal(lki_random_categorical(&s, cumulative, 6), 2);
    assert_int_equal(lki_random_categorical(&s, cumulative, 6), 4);
    assert_int_equal(lki_random_categorical(&s, cumulative, 6), 4);
    assert_int_equal(lki_random_categorical(&s, cumulative, 6), 2);
    const double tiny[3] = {0x1p-1074, 0x1p-1074, 0x1p-1074}; /* u * total rounds up to the total */
    s = rigged(UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX);
    assert_int_equal(lki_random_categorical(&s, tiny, 3), 0);
    const double one[1] = {5};
    assert_int_equal(lki_random_categorical(&s, one, 1), 0);
    int64_t none = 7;
    lki_random_permutation(&s, &none, 0);
    assert_int_equal(none, 7);
    lki_random_permutation(&s, &none, 1);
    assert_int_equal(none, 0);
}

/* Tiny shapes: no NaN, and beta draws within [0, 1] though both gamma variables are below every double. */
static void test_tiny_shapes(void **state)
{
    (void)state;
    lki_stream s = first();
    int low = 0, high = 0;
    for (int i = 0; i < 2000; i++) {
        double g = lki_random_gamma(&s, 1e-3);
        assert_true(g >= 0 && isfinite(g));
        double b = lki_random_beta(&s, 1e-5, 1e-5);
        assert_true(b >= 0 && b <= 1);
        low += b < 0.01;
        high += b > 0.99;
    }
    assert_true(low > 800 && high > 800); /* nearly a fair coin: 1000 +- 9 sd */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),  cmocka_unit_test(test_golden_bits),
        cmocka_unit_test(test_golden_draws),   cmocka_unit_test(test_golden_whole_numbers),
        cmocka_unit_test(test_streams_differ), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_tiny_shapes),
    };
    return cmocka_run_group_tests_name("philox", tests, NULL, NULL);
}

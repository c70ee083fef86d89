/* Numbers against the C library's strtod and printf in the C locale, which round correctly, and against published
 * hard cases. */
#include "../check.h"
#include "data/number.h"

#include <locale.h>
#include <stdbool.h>

static uint64_t state_bits = 0x9e3779b97f4a7c15u;

/* xorshift64*, Vigna 2016. */
static uint64_t next_bits(void)
{
    state_bits ^= state_bits >> 12;
    state_bits ^= state_bits << 25;
    state_bits ^= state_bits >> 27;
    return state_bits * 2685821657736338717u;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* Parses all of a text from a buffer that ends right after it, so that a read beyond is seen by the sanitizer. */
static double parse_all(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length > 0 ? length : 1);
    memcpy(copy, text, length);
    double v = -12345.0;
    const char *stop = lki_parse_double(copy, copy + length, &v);
    if (stop != copy + length) {
        fail_msg("'%s': %td of %zu bytes were read", text, stop == NULL ? -1 : stop - copy, length);
    }
    free(copy);
    return v;
}

static void same_as_strtod(const char *text)
{
    double ours = parse_all(text), theirs = strtod(text, NULL);
    if (bits_of(ours) != bits_of(theirs)) {
        fail_msg("'%s': %a instead of %a", text, ours, theirs);
    }
}

static void test_published_hard_cases(void **state)
{
    (void)state;
    /* The first is the number that hung PHP and Java in 2011; the 19-digit ones are from the test data of Lemire's
     * paper and of Gay's "Correctly Rounded Binary-Decimal and Decimal-Binary Conversions" (1990). */
    static const struct {
        const char *text;
        uint64_t bits;
    } cases[] = {
        {"2.2250738585072011e-308", 0x000fffffffffffffu},
        {"2.2250738585072012e-308", 0x0010000000000000u},
        {"2.2250738585072014e-308", 0x0010000000000000u},
        {"9007199254740993", 0x4340000000000000u},
        {"9007199254740993.00000000000000000000000000000000000000000001", 0x4340000000000001u},
        {"9007199254740991.5", 0x4340000000000000u},
        {"1e23", 0x44b52d02c7e14af6u},
        {"1e-400", 0},
        {"-1e-400", 0x8000000000000000u},
        {"1e400", 0x7ff0000000000000u},
        {"-1e400", 0xfff0000000000000u},
        {"1.7976931348623157e308", 0x7fefffffffffffffu},
        {"1.7976931348623158e308", 0x7fefffffffffffffu},
        {"1.7976931348623159e308", 0x7ff0000000000000u},
        {"4.9406564584124654e-324", 1},
        {"2.4703282292062327208e-324", 0},
        {"2.4703282292062328e-324", 1},
        {"0e999999999999999999999", 0},
        {"1e-999999999999999999999", 0},
        {"1e999999999999999999999", 0x7ff0000000000000u},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        same_as_strtod(cases[i].text);
        assert_int_equal(bits_of(parse_all(cases[i].text)), cases[i].bits);
    }
    static const char *const texts[] = {
        "1090544144181609348671888949248",
        "1090544144181609348835077142190",
        "6929495644600919.5",
        "3."
        "23788391330290128958835241250153217486303766942310805990129704955230197067067656578683574258779955786061577655"
        "98382834355143910841531692526891905643964595773946180389283653051434639551003566966656292020173313440317300443"
        "69360205258345803431471660032699580731300954848363975548690010751530018881758184174569652173110473696022749934"
        "63842538062336977473656000899740406096749802838919187896396857543922220641698146269011334252400272438594165105"
        "12935526014211553334302252372915238433223313261384314778235911424088000307751706259156707286570031519536642607"
        "69822494937951845801530895238439819708403389937873241463484205608000027270531106827387907791444918534771598750"
        "162812548862768493201518991668028251730299953143924168545708663913273994694463908672332763671875e-319",
        "9355950000000000000.0000000000000000000000000000000000184467440737095516160000018446744073709551616",
        "123456789012345678901234567890e-10",
        "0.000000000000000000000000000000000000000000000000123456789012345678901",
        "00000000000000000000000000000000000000012345",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        same_as_strtod(texts[i]);
    }
}

/* Midpoints of neighbours, exact in all their digits, and the decimals right beside them. x87's long double holds
 * them. */
static void test_midpoints(void **state)
{
    (void)state;
#if LDBL_MANT_DIG >= 64
    static char text[2000];
    int64_t count = check_scaled(20000, 200);
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits = next_bits() >> 1;
        bits = i % 4 == 0 ? bits >> 12 : bits; /* subnormals too */
        if (bits >= 0x7fefffffffffffffu) {
            continue;
        }
        double low = double_of(bits), high = double_of(bits + 1);
        long double middle = ((long double)low + (long double)high) / 2;
        double even = (bits & 1) == 0 ? low : high;
        int length = snprintf(text, sizeof text - 2, "%.780Le", middle);
        assert_true(length > 780);
        assert_true(parse_all(text) == even);
        char *e = strchr(text, 'e');
        e[-1] = '1'; /* more, in the 781st digit */
        assert_true(parse_all(text) == high);
        snprintf(text, sizeof text, "%.40Le", middle);
        same_as_strtod(text);
        snprintf(text, sizeof text, "%.18Le", middle);
        same_as_strtod(text);
        snprintf(text, sizeof text, "%.19Le", middle);
        same_as_strtod(text);
    }
#else
    skip();
#endif
}

static void test_800_digits(void **state)
{
    (void)state;
    char text[1300];
    int64_t count = check_scaled(2000, 50);
    for (int64_t i = 0; i < count; i++) {
        int digits = 20 + (int)(next_bits() % 1200), point = (int)(next_bits() % 1200);
        int at = 0;
        for (int k = 0; k < digits; k++) {
            if (k == point) {
                text[at++] = '.';
            }
            text[at++] = (char)('0' + next_bits() % 10);
        }
        snprintf(text + at, sizeof text - (size_t)at, "e%d", (int)(next_bits() % 1400) - 1000);
        same_as_strtod(text);
    }
}

static void test_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int used; /* -1 = no number */
        double value;
    } cases[] = {
        {"", -1, 0},
        {"-", -1, 0},
        {"+", -1, 0},
        {".", -1, 0},
        {"-.", -1, 0},
        {".e5", -1, 0},
        {"e5", -1, 0},
        {" 1", -1, 0},
        {"x", -1, 0},
        {"in", -1, 0},
        {"na", -1, 0},
        {"5.", 2, 5},
        {".5", 2, 0.5},
        {"+7", 2, 7},
        {"-0", 2, 0},
        {"3e", 1, 3},
        {"3e+", 1, 3},
        {"3e+2", 4, 300},
        {"3E-1", 4, 0.3},
        {"1,5", 1, 1},
        {"12abc", 2, 12},
        {"0x10", 1, 0},
        {"1.2.3", 3, 1.2},
        {"12345678,", 8, 12345678},
        {"1234567812345678;", 16, 1234567812345678},
        {"--1", -1, 0},
        {"1e5e5", 3, 1e5},
        {"12345678.12345678", 17, 12345678.12345678},
        {"1234567\xb1", 7, 1234567},
        {"/0", -1, 0},
        {":", -1, 0},
        {"1234567:", 7, 1234567},
        {"1234567/", 7, 1234567},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double v = -77.0;
        const char *end = cases[i].text + strlen(cases[i].text);
        const char *stop = lki_parse_double(cases[i].text, end, &v);
        if (cases[i].used < 0) {
            assert_null(stop);
            assert_true(v == -77.0);
        } else {
            assert_ptr_equal(stop, cases[i].text + cases[i].used);
            assert_true(v == cases[i].value);
        }
    }
    assert_true(signbit(parse_all("-0")) != 0);
    assert_true(isnan(parse_all("nan")) && isnan(parse_all("NaN")) && isnan(parse_all("-NAN")));
    assert_true(parse_all("inf") == (double)INFINITY && parse_all("-Infinity") == -(double)INFINITY &&
                parse_all("+INF") == (double)INFINITY);
    double v = 0.0;
    const char *infinit = "infinit";
    assert_ptr_equal(lki_parse_double(infinit, infinit + 7, &v), infinit + 3);
    const char *stop = "12345";
    assert_ptr_equal(lki_parse_double(stop, stop + 3, &v), stop + 3); /* the end is the end */
    assert_true(v == 123.0);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int used;
        int64_t value;
    } cases[] = {
        {"0", 1, 0},
        {"-0", 2, 0},
        {"42x", 2, 42},
        {"+7", 2, 7},
        {"9223372036854775807", 19, INT64_MAX},
        {"9223372036854775808", -1, 0},
        {"-9223372036854775808", 20, INT64_MIN},
        {"-9223372036854775809", -1, 0},
        {"99999999999999999999", -1, 0},
        {"", -1, 0},
        {"-", -1, 0},
        {"1.5", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t v = -77;
        const char *stop = lki_parse_integer(cases[i].text, cases[i].text + strlen(cases[i].text), &v);
        if (cases[i].used < 0) {
            assert_null(stop);
            assert_int_equal(v, -77);
        } else {
            assert_ptr_equal(stop, cases[i].text + cases[i].used);
            assert_int_equal(v, cases[i].value);
        }
    }
    char text[LKI_NUMBER_BYTES], wanted[LKI_NUMBER_BYTES];
    int64_t value = INT64_MIN;
    for (int i = 0; i < 20000; i++) {
        snprintf(wanted, sizeof wanted, "%lld", (long long)value);
        assert_int_equal(lki_format_integer(value, text), strlen(wanted));
        assert_string_equal(text, wanted);
        value = i == 0 ? INT64_MAX : i == 1 ? 0 : (int64_t)(next_bits() >> (next_bits() % 64)) * (i % 2 == 0 ? 1 : -1);
    }
}

static void test_layout(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0"},
        {79.0, "79"},
        {-79.0, "-79"},
        {0.1, "0.1"},
        {-0.25, "-0.25"},
        {1e16, "10000000000000000"},
        {1e17, "1e17"},
        {123456789012345680.0, "1.2345678901234568e17"},
        {0.00001, "0.00001"},
        {0.000012345, "0.000012345"},
        {1e-6, "1e-6"},
        {1.5e-7, "1.5e-7"},
        {1e300, "1e300"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {100.5, "100.5"},
        {3.141592653589793, "3.141592653589793"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {9007199254740993.0, "9007199254740992"},
        {1e10, "10000000000"},
        {-1.5e25, "-1.5e25"},
        {123456.0, "123456"},
        {1e22, "1e22"},
        {9.5, "9.5"},
        {0.30000000000000004, "0.30000000000000004"},
    };
    char text[LKI_NUMBER_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(lki_format_double(cases[i].value, text), strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
    lki_format_double(-0.0, text);
    assert_string_equal(text, "-0");
    lki_format_double((double)NAN, text);
    assert_string_equal(text, "nan");
    lki_format_double(-(double)INFINITY, text);
    assert_string_equal(text, "-inf");
}

/* Significant digits of a decimal text, without zeros at either end. */
static int significant(const char *text)
{
    int digits = 0, zeros = 0;
    for (; *text != '\0' && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (digits == 0 && *text == '0')) {
            continue;
        }
        zeros = *text == '0' ? zeros + 1 : 0;
        digits++;
    }
    return digits - zeros;
}

static bool reads_back(double v, int digits, char text[64])
{
    snprintf(text, 64, "%.*e", digits - 1, v);
    return strtod(text, NULL) == v;
}

static void check_value(double v, bool thorough)
{
    char text[LKI_NUMBER_BYTES], other[64];
    int length = lki_format_double(v, text);
    assert_true(length > 0 && length < LKI_NUMBER_BYTES && text[length] == '\0');
    double ours = parse_all(text);
    if (bits_of(ours) != bits_of(v) || bits_of(strtod(text, NULL)) != bits_of(v)) {
        fail_msg("%a is written as %s", v, text);
    }
    int digits = significant(text);
    if (v != 0.0 && digits > 1 && reads_back(v, digits - 1, other)) {
        fail_msg("%a is written as %s, but %s is shorter", v, text, other);
    }
    if (thorough && v != 0.0) {
        int least = 1;
        while (!reads_back(v, least, other)) {
            least++;
        }
        /* At a power of two the nearest decimal may miss where a farther one on the wide side hits: only there may
         * ours be shorter. */
        bool power = (bits_of(v) & 0xfffffffffffffu) == 0;
        if (digits != least && !(power && digits < least)) {
            fail_msg("%a is written as %s, shortest is %s", v, text, other);
        }
        if (!power && parse_all(other) != v) {
            fail_msg("%a: %s", v, other);
        }
        /* The nearest of the shortest: it equals what printf rounds to (ties aside, both read back). */
        if (!power && significant(other) == digits) {
            long double a = strtold(text, NULL), b = strtold(other, NULL);
            assert_true(fabsl(a - (long double)v) <= fabsl(b - (long double)v) * (1 + 1e-9L) || a == b);
        }
    }
    snprintf(other, sizeof other, "%.17g", v);
    assert_true(bits_of(parse_all(other)) == bits_of(v));
}

static void test_round_trips(void **state)
{
    (void)state;
    int64_t count = check_scaled(1000000, 20000);
    for (int64_t i = 0; i < count; i++) {
        double v = double_of(next_bits());
        if (isfinite(v)) {
            check_value(v, i % 50 == 0);
        }
    }
    for (int64_t i = 0; i < count / 5; i++) {
        int shift = (int)(next_bits() % 60);
        check_value((double)(int64_t)(next_bits() >> shift) / pow(10.0, (double)(next_bits() % 20)), i % 10 == 0);
        check_value(double_of(next_bits() >> (12 + shift % 52)), i % 50 == 0);
    }
    for (uint64_t e = 0; e < 0x7ff; e++) {
        for (int64_t near = -2; near <= 2; near++) {
            uint64_t bits = (e << 52) + (uint64_t)near;
            if (isfinite(double_of(bits))) {
                check_value(double_of(bits), true);
            }
        }
    }
    for (int e = -323; e <= 308; e++) {
        char text[LKI_NUMBER_BYTES], power[16];
        snprintf(power, sizeof power, "1e%d", e);
        check_value(parse_all(power), true);
        lki_format_double(parse_all(power), text);
        assert_int_equal(significant(text), 1);
    }
}

/* Any decimal text of up to 40 digits and any exponent. */
static void test_random_decimals(void **state)
{
    (void)state;
    int64_t count = check_scaled(500000, 10000);
    char text[96];
    for (int64_t i = 0; i < count; i++) {
        int at = 0, digits = 1 + (int)(next_bits() % (i % 8 == 0 ? 40 : 19)), point = (int)(next_bits() % 20);
        for (int k = 0; k < digits; k++) {
            if (k == point) {
                text[at++] = '.';
            }
            text[at++] = (char)('0' + next_bits() % 10);
        }
        snprintf(text + at, sizeof text - (size_t)at, "e%d", (int)(next_bits() % 700) - 360);
        same_as_strtod(text);
    }
}

/* Where no locale with a decimal comma is installed, one is compiled for the time of the test if its source is there. */
static void make_locale(char *directory)
{
    char command[300];
    if (mkdtemp(directory) != NULL) {
        snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >'%s/log' 2>&1", directory,
                 directory);
        if (system(command) == 0) {
            setenv("LOCPATH", directory, 1);
        }
    }
}

static void test_other_locales(void **state)
{
    (void)state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8", "fr_FR.utf8"};
    char directory[] = "/tmp/likely-locale-XXXXXX", command[100];
    bool found = false;
    for (int round = 0; round < 2 && !found; round++) {
        for (size_t i = 0; i < sizeof names / sizeof names[0] && !found; i++) {
            found = setlocale(LC_ALL, names[i]) != NULL && strcmp(localeconv()->decimal_point, ",") == 0;
        }
        if (!found && round == 0) {
            make_locale(directory);
        }
    }
    char text[LKI_NUMBER_BYTES];
    double v = parse_all("1234.5");
    lki_format_double(0.125, text);
    setlocale(LC_ALL, "C");
    unsetenv("LOCPATH");
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    assert_int_equal(system(command), 0);
    if (!found) {
        print_message("skipped: no locale with a decimal comma is installed, nor its source\n");
        skip();
    }
    assert_true(v == 1234.5);
    assert_string_equal(text, "0.125");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_hard_cases),
        cmocka_unit_test(test_midpoints),
        cmocka_unit_test(test_800_digits),
        cmocka_unit_test(test_grammar),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_random_decimals),
        cmocka_unit_test(test_other_locales),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}

/* Status names and texts, and the version. */
#include "check.h"

static void test_every_status_has_its_name(void **state)
{
    (void)state;
#define CHECK_STATUS(name, value, text)               \
    assert_int_equal(name, value);                    \
    assert_string_equal(lk_status_name(name), #name); \
    assert_string_equal(lk_status_text(name), text);
    LK_STATUS_LIST(CHECK_STATUS)
#undef CHECK_STATUS
    assert_int_equal(LK_OK, 0);
}

static void test_unknown_status(void **state)
{
    (void)state;
    assert_string_equal(lk_status_name((lk_status)12345), "LK_ERROR_UNKNOWN");
    assert_string_equal(lk_status_name((lk_status)-1), "LK_ERROR_UNKNOWN");
    assert_true(strlen(lk_status_text((lk_status)12345)) > 0);
}

static void test_version_is_the_header_s(void **state)
{
    (void)state;
    assert_string_equal(lk_version(), LK_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_status_has_its_name),
        cmocka_unit_test(test_unknown_status),
        cmocka_unit_test(test_version_is_the_header_s),
    };
    return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}

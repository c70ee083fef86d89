/* Memory on top of the caller's allocator: alignment, checked sizes, growth, clean failures. */
#include "check.h"
#include "core/core.h"

/* Gives addresses with every remainder of 64, as a caller's allocator may, by shifting what malloc gives. */
typedef struct skewed {
    size_t shift;
    long live;
} skewed;

enum { SKEW_ROOM = 128 };

static void *skewed_allocate(void *state, size_t bytes)
{
    skewed *s = state;
    char *base = malloc(bytes + SKEW_ROOM);
    if (base == NULL) {
        return NULL;
    }
    s->shift = (s->shift + 13) % 64;
    size_t offset = 8 + s->shift;
    char *block = base + offset;
    memcpy(block - 8, &offset, sizeof offset);
    s->live++;
    return block;
}

static void skewed_release(void *state, void *block)
{
    skewed *s = state;
    if (block != NULL) {
        size_t offset;
        memcpy(&offset, (char *)block - 8, sizeof offset);
        free((char *)block - offset);
        s->live--;
    }
}

/* The old size is not known here, so the caller's sizes are kept small enough to copy a fixed amount within the
 * room. */
static size_t skewed_known;

static void *skewed_reallocate(void *state, void *block, size_t bytes)
{
    char *moved = skewed_allocate(state, bytes);
    if (moved != NULL && block != NULL) {
        memcpy(moved, block, skewed_known < bytes ? skewed_known : bytes);
        skewed_release(state, block);
    }
    return moved;
}

static lk_context *context_with(const lk_allocator *allocator)
{
    lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = allocator};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    return ctx;
}

static void test_alignment_and_content(void **state)
{
    (void)state;
    skewed s = {0};
    lk_allocator allocator = {skewed_allocate, skewed_reallocate, skewed_release, &s};
    lk_context *ctx = context_with(&allocator);
    for (int round = 0; round < 100; round++) {
        unsigned char *block = NULL;
        check_ok(ctx, lki_zeros(ctx, 37, 3, &block));
        assert_true((uintptr_t)block % 64 == 0);
        for (int i = 0; i < 111; i++) {
            assert_int_equal(block[i], 0);
        }
        lki_release(ctx, block);
    }
    assert_int_equal(s.live, 1);
    lk_context_free(ctx);
    assert_int_equal(s.live, 0);
}

/* Growth keeps the content whatever addresses the allocator gives. */
static void test_growth(void **state)
{
    (void)state;
    skewed s = {0};
    lk_allocator allocator = {skewed_allocate, skewed_reallocate, skewed_release, &s};
    lk_context *ctx = context_with(&allocator);
    int *list = NULL;
    size_t capacity = 0;
    for (size_t n = 0; n < 5000; n++) {
        skewed_known = 64 + 16 + capacity * sizeof *list; /* header, alignment and content */
        size_t before = capacity;
        check_ok(ctx, lki_grow(ctx, &list, &capacity, n + 1, sizeof *list));
        assert_true(capacity >= n + 1 && (capacity == before || capacity >= 2 * before));
        assert_true((uintptr_t)list % 64 == 0);
        list[n] = (int)n;
    }
    for (int n = 0; n < 5000; n++) {
        assert_int_equal(list[n], n);
    }
    size_t kept = capacity;
    check_ok(ctx, lki_grow(ctx, &list, &capacity, 10, sizeof *list)); /* never shrinks */
    assert_true(capacity == kept);
    lki_release(ctx, list);
    lk_context_free(ctx);
    assert_int_equal(s.live, 0);
}

static void test_overflow_is_out_of_memory(void **state)
{
    lk_context *ctx = *state;
    double *block = (double *)&block;
    assert_true(lki_product(SIZE_MAX / 2, 3) == SIZE_MAX);
    assert_true(lki_product(0, SIZE_MAX) == 0 && lki_product(SIZE_MAX, 1) == SIZE_MAX);
    assert_true(lki_product(1000, 1000) == 1000000);
    const size_t counts[] = {SIZE_MAX, SIZE_MAX / 8 + 1, SIZE_MAX / 8, SIZE_MAX / 16, SIZE_MAX / 8 - 8};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        lki_begin(ctx);
        check_status(ctx, LK_ERROR_MEMORY, lki_allocate(ctx, counts[i], 8, &block));
        check_contains(lk_error_message(ctx), "elements of 8 bytes");
        check_status(ctx, LK_ERROR_MEMORY, lki_zeros(ctx, counts[i], 8, &block));
        assert_ptr_equal(block, &block); /* outputs are untouched */
        double *list = NULL;
        size_t capacity = 0;
        check_status(ctx, LK_ERROR_MEMORY, lki_grow(ctx, &list, &capacity, counts[i], 8));
        assert_true(list == NULL && capacity == 0);
    }
}

static void test_nothing_is_something(void **state)
{
    lk_context *ctx = *state;
    char *block = NULL;
    check_ok(ctx, lki_allocate(ctx, 0, 8, &block));
    assert_non_null(block);
    block[0] = 1;
    lki_release(ctx, block);
    lki_release(ctx, NULL);
    lk_free(ctx, NULL);
    size_t capacity = 0;
    void *list = NULL;
    check_ok(ctx, lki_grow(ctx, &list, &capacity, 0, 8));
    assert_true(list != NULL && capacity >= 1);
    lk_free(ctx, list);
}

static void test_texts(void **state)
{
    lk_context *ctx = *state;
    char *text = NULL;
    check_ok(ctx, lki_copy_text(ctx, "héron", &text));
    assert_string_equal(text, "héron");
    lk_free(ctx, text);
    check_ok(ctx, lki_copy_text(ctx, NULL, &text));
    assert_null(text);
    check_ok(ctx, lki_format_text(ctx, &text, "%d of %s", 3, "four"));
    assert_string_equal(text, "3 of four");
    lk_free(ctx, text);
    check_ok(ctx, lki_format_text(ctx, &text, "%s", ""));
    assert_string_equal(text, "");
    lk_free(ctx, text);
}

/* A growth that fails leaves the old block as it was. */
static void test_failing_growth(void **state)
{
    (void)state;
    check_memory memory = {0};
    lk_allocator allocator = check_allocator(&memory);
    lk_context *ctx = context_with(&allocator);
    int *list = NULL;
    size_t capacity = 0;
    check_ok(ctx, lki_grow(ctx, &list, &capacity, 10, sizeof *list));
    list[9] = 42;
    int *before = list;
    size_t old = capacity;
    memory.fail_at = memory.calls + 1;
    check_ok(ctx, lki_grow(ctx, &list, &capacity, old + 1, sizeof *list)); /* doubling failed, the exact size did not */
    assert_true(capacity == old + 1 && list[9] == 42);
    before = list;
    old = capacity;
    memory.fail_at = memory.calls + 1;
    check_status(ctx, LK_ERROR_MEMORY, lki_grow(ctx, &list, &capacity, 1000, sizeof *list));
    assert_true(list == before && capacity == old && list[9] == 42);
    char *text = (char *)1;
    memory.fail_at = memory.calls + 1;
    check_status(ctx, LK_ERROR_MEMORY, lki_copy_text(ctx, "x", &text));
    memory.fail_at = memory.calls + 1;
    check_status(ctx, LK_ERROR_MEMORY, lki_format_text(ctx, &text, "x"));
    assert_ptr_equal(text, (char *)1);
    lki_release(ctx, list);
    lk_context_free(ctx);
    assert_int_equal(memory.live, 0);
}

/* Objects outlive their context by a copy of its allocator. */
static void test_memory_of_a_context(void **state)
{
    (void)state;
    check_memory counts = {0};
    lk_allocator allocator = check_allocator(&counts);
    lk_context *ctx = context_with(&allocator);
    lki_memory memory = lki_memory_of(ctx);
    void *block = lki_memory_allocate(&memory, 100);
    assert_non_null(block);
    assert_true((uintptr_t)block % 64 == 0);
    lk_context_free(ctx);
    assert_int_equal(counts.live, 1);
    lki_memory_release(&memory, block);
    lki_memory_release(&memory, NULL);
    assert_int_equal(counts.live, 0);
    assert_null(lki_memory_allocate(&memory, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_content),
        cmocka_unit_test(test_growth),
        cmocka_unit_test_setup_teardown(test_overflow_is_out_of_memory, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_something, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_texts, check_setup, check_teardown),
        cmocka_unit_test(test_failing_growth),
        cmocka_unit_test(test_memory_of_a_context),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}

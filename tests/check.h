/* What all tests share: cmocka, a context, the effort, the place of optional data, an allocator that fails on
 * purpose. */
#ifndef LIKELY_CHECK_H
#define LIKELY_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <likely/context.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__GNUC__)
#define CHECK_UNUSED __attribute__((unused))
#else
#define CHECK_UNUSED
#endif

/* The scale of loops: LK_TEST_EFFORT, 1 where it is not set. */
CHECK_UNUSED static double check_effort(void)
{
    const char *text = getenv("LK_TEST_EFFORT");
    double effort = text != NULL ? strtod(text, NULL) : 1;
    return effort > 0 ? effort : 1;
}

/* `count` scaled by the effort; at least `least`. */
CHECK_UNUSED static int64_t check_scaled(int64_t count, int64_t least)
{
    double scaled = (double)count * check_effort();
    return scaled > (double)least ? (int64_t)scaled : least;
}

/* The path of an optional data file below LIKELY_DATA (default: shared/data beside the source tree), or NULL where
 * it is absent; then the test says check_skip_without(path, name). The text lives until the next call. */
CHECK_UNUSED static const char *check_data(const char *name)
{
    static char path[4096];
    const char *data = getenv("LIKELY_DATA");
    const char *source = getenv("LIKELY_SOURCE");
    if (data != NULL && data[0] != '\0') {
        snprintf(path, sizeof path, "%s/%s", data, name);
    } else {
        snprintf(path, sizeof path, "%s/../shared/data/%s", source != NULL ? source : ".", name);
    }
    return access(path, R_OK) == 0 ? path : NULL;
}

/* The path of a file of the source tree, such as "examples/faithful.csv". The text lives until the next call. */
CHECK_UNUSED static const char *check_source(const char *name)
{
    static char path[4096];
    const char *source = getenv("LIKELY_SOURCE");
    snprintf(path, sizeof path, "%s/%s", source != NULL ? source : ".", name);
    return path;
}

#define check_skip_without(path, name)                                          \
    do {                                                                        \
        if ((path) == NULL) {                                                   \
            print_message("skipped: %s is absent (set LIKELY_DATA)\n", (name)); \
            skip();                                                             \
        }                                                                       \
    } while (0)

/* Fails with the context's text unless the call returns LK_OK. */
#define check_ok(ctx, call)                                                                       \
    do {                                                                                          \
        lk_status check_status_ = (call);                                                         \
        if (check_status_ != LK_OK) {                                                             \
            fail_msg("%s: %s (%s)", #call, lk_error_message(ctx), lk_status_name(check_status_)); \
        }                                                                                         \
    } while (0)

/* Fails unless the call returns `wanted`. */
#define check_status(ctx, wanted, call)                                                                         \
    do {                                                                                                        \
        lk_status check_status_ = (call);                                                                       \
        if (check_status_ != (wanted)) {                                                                        \
            fail_msg("%s: %s instead of %s (%s)", #call, lk_status_name(check_status_), lk_status_name(wanted), \
                     lk_error_message(ctx));                                                                    \
        }                                                                                                       \
    } while (0)

/* Fails unless |value - wanted| <= tolerance; NaN fails. */
#define check_near(value, wanted, tolerance)                                                                        \
    do {                                                                                                            \
        double check_value_ = (value);                                                                              \
        double check_wanted_ = (wanted);                                                                            \
        double check_tolerance_ = (tolerance);                                                                      \
        if (!(fabs(check_value_ - check_wanted_) <= check_tolerance_)) {                                            \
            fail_msg("%s = %.17g instead of %.17g +- %.3g", #value, check_value_, check_wanted_, check_tolerance_); \
        }                                                                                                           \
    } while (0)

/* The text contains the part. */
#define check_contains(text, part)                                           \
    do {                                                                     \
        const char *check_text_ = (text);                                    \
        if (strstr(check_text_, (part)) == NULL) {                           \
            fail_msg("\"%s\" does not contain \"%s\"", check_text_, (part)); \
        }                                                                    \
    } while (0)

/* A context with `threads` workers, all else by default. */
CHECK_UNUSED static lk_context *check_context(int threads)
{
    lk_context_options options = {.size = sizeof options, .threads = threads};
    lk_context *ctx = NULL;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        fail_msg("no context");
    }
    return ctx;
}

/* cmocka fixtures: *state is a context with two threads. */
CHECK_UNUSED static int check_setup(void **state)
{
    *state = check_context(2);
    return 0;
}

CHECK_UNUSED static int check_teardown(void **state)
{
    lk_context_free(*state);
    return 0;
}

/* An allocator that counts, and whose n-th allocation fails (counted from 1; a reallocation counts as one). Set
 * fail_at before the work; 0 = none fails. `calls` says how many there were, `live` how many blocks are not
 * released. Thread-safe. */
typedef struct check_memory {
    long fail_at;
    long calls;
    long live;
} check_memory;

CHECK_UNUSED static int check_memory_fails(check_memory *m)
{
    long call = __atomic_add_fetch(&m->calls, 1, __ATOMIC_RELAXED);
    return m->fail_at > 0 && call == m->fail_at;
}

CHECK_UNUSED static void *check_allocate(void *state, size_t bytes)
{
    check_memory *m = state;
    void *block = check_memory_fails(m) ? NULL : malloc(bytes);
    if (block != NULL) {
        __atomic_add_fetch(&m->live, 1, __ATOMIC_RELAXED);
    }
    return block;
}

CHECK_UNUSED static void *check_reallocate(void *state, void *block, size_t bytes)
{
    check_memory *m = state;
    void *moved = check_memory_fails(m) ? NULL : realloc(block, bytes);
    if (moved != NULL && block == NULL) {
        __atomic_add_fetch(&m->live, 1, __ATOMIC_RELAXED);
    }
    return moved;
}

CHECK_UNUSED static void check_release(void *state, void *block)
{
    check_memory *m = state;
    if (block != NULL) {
        __atomic_sub_fetch(&m->live, 1, __ATOMIC_RELAXED);
        free(block);
    }
}

CHECK_UNUSED static lk_allocator check_allocator(check_memory *m)
{
    return (lk_allocator){check_allocate, check_reallocate, check_release, m};
}

/* Runs `work` again and again, each time with another of its allocations failing, until none is left to fail: it either says that memory is short or
 * gets around it, and leaves nothing behind. Returns how many failed; *made_up_for (NULL is fine) receives how many it got around. */
CHECK_UNUSED static long check_allocations(int threads, lk_status (*work)(lk_context *ctx, void *state), void *state, long *made_up_for)
{
    long failures = 0, around = 0;
    for (int failed = 1; failed; failures += failed) {
        check_memory memory = {0};
        const lk_allocator allocator = check_allocator(&memory);
        const lk_context_options options = {.size = sizeof options, .threads = threads, .allocator = &allocator};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = failures + 1;
        const lk_status status = work(ctx, state);
        failed = memory.calls >= memory.fail_at;
        memory.fail_at = 0;
        assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
        around += failed && status == LK_OK;
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
    }
    if (made_up_for != NULL) {
        *made_up_for = around;
    }
    return failures;
}

/* Whether long double has more digits than double, so that it can stand for the truth: not on every machine, nor
 * under emulators that round it to double. */
CHECK_UNUSED static int check_long_double(void)
{
    volatile long double one = 1;
    volatile long double sum = one + 0x1p-60L;
    return sum != one;
}

#define check_skip_without_long_double()                                           \
    do {                                                                           \
        if (!check_long_double()) {                                                \
            print_message("skipped: long double is no longer than double here\n"); \
            skip();                                                                \
        }                                                                          \
    } while (0)

/* The number of doubles from a to b: 0 if equal (or both NaN), 1 for neighbours. Infinite where one is NaN. */
CHECK_UNUSED static double check_ulps(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) && isnan(b) ? 0 : (double)INFINITY;
    }
    int64_t i, j;
    memcpy(&i, &a, sizeof i);
    memcpy(&j, &b, sizeof j);
    i = i < 0 ? INT64_MIN - i : i;
    j = j < 0 ? INT64_MIN - j : j;
    return i < j ? (double)((uint64_t)j - (uint64_t)i) : (double)((uint64_t)i - (uint64_t)j);
}

#endif

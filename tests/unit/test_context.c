/* The context: options, defaults, error text from many threads, remarks, progress, what the machine grants. */
#include "check.h"
#include "core/communicator.h"
#include "core/core.h"
#include "core/machine.h"
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>

static void test_defaults(void **state)
{
    (void)state;
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, NULL), LK_OK);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(lk_context_threads(ctx), CPU_COUNT(&set));
    assert_true(lk_context_memory(ctx) >= INT64_C(8) << 20);
    assert_string_equal(lk_error_message(ctx), "");
    assert_true(strlen(lk_error_message(NULL)) > 0);
    const lki_communicator *c = lki_communicator_of(ctx);
    assert_ptr_equal(c, &lki_communicator_self);
    assert_int_equal(c->rank(c->state), 0);
    assert_int_equal(c->size(c->state), 1);
    double value = 3;
    check_ok(ctx, c->broadcast(ctx, c->state, 0, &value, 1));
    assert_true(value == 3);
    check_status(ctx, LK_ERROR_ARGUMENT, c->send(ctx, c->state, 1, &value, 1));
    check_status(ctx, LK_ERROR_ARGUMENT, c->receive(ctx, c->state, 1, &value, 1));
    check_status(ctx, LK_ERROR_ARGUMENT, c->broadcast(ctx, c->state, 1, &value, 1));
    lk_context_free(ctx);
    lk_context_free(NULL);
}

static void test_affinity_gives_the_threads(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &all)) {
        first++;
    }
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int threads = lki_machine_threads();
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(threads, 1);
    assert_int_equal(lki_machine_threads(), CPU_COUNT(&all));
}

static void test_options(void **state)
{
    (void)state;
    lk_context *ctx = (lk_context *)1;
    lk_context_options o = {.size = sizeof o, .threads = 1024, .memory = 12345};
    assert_int_equal(lk_context_new(&ctx, &o), LK_OK);
    assert_int_equal(lk_context_threads(ctx), 1024);
    assert_int_equal(lk_context_memory(ctx), 12345);
    lk_context_free(ctx);
    ctx = (lk_context *)1;
    o.threads = 1025;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_ARGUMENT);
    o.threads = -1;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_ARGUMENT);
    o.threads = 1;
    o.memory = -1;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_ARGUMENT);
    o.memory = 0;
    o.size = 0;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_ARGUMENT);
    o.size = sizeof o;
    lk_allocator incomplete = {.allocate = check_allocate};
    o.allocator = &incomplete;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_ARGUMENT);
    assert_int_equal(lk_context_new(NULL, NULL), LK_ERROR_ARGUMENT);
    assert_ptr_equal(ctx, (lk_context *)1); /* untouched by all of these */
    check_memory memory = {.fail_at = 1};
    lk_allocator allocator = check_allocator(&memory);
    o.allocator = &allocator;
    assert_int_equal(lk_context_new(&ctx, &o), LK_ERROR_MEMORY);
    assert_int_equal(memory.live, 0);
    assert_ptr_equal(ctx, (lk_context *)1);
}

/* An older caller's struct is shorter, a newer one's longer; what is unknown must be zero. */
static void test_options_of_other_versions(void **state)
{
    (void)state;
    lk_context *ctx = NULL;
    lk_context_options older = {.size = offsetof(lk_context_options, memory), .threads = 3, .memory = -77};
    assert_int_equal(lk_context_new(&ctx, &older), LK_OK);
    assert_int_equal(lk_context_threads(ctx), 3);
    lk_context_free(ctx);
    struct {
        lk_context_options known;
        int64_t future;
    } newer = {.known = {.size = sizeof newer, .threads = 5}};
    assert_int_equal(lk_context_new(&ctx, &newer.known), LK_OK);
    assert_int_equal(lk_context_threads(ctx), 5);
    lk_context_free(ctx);
    newer.future = 1;
    assert_int_equal(lk_context_new(&ctx, &newer.known), LK_ERROR_ARGUMENT);
}

static void test_first_error_wins(void **state)
{
    lk_context *ctx = *state;
    assert_int_equal(lki_fail(ctx, LK_ERROR_DATA, "row %d", 7), LK_ERROR_DATA);
    assert_int_equal(lki_fail(ctx, LK_ERROR_IO, "later"), LK_ERROR_IO);
    assert_string_equal(lk_error_message(ctx), "row 7");
    lki_begin(ctx);
    assert_string_equal(lk_error_message(ctx), "");
    static char longer[10000];
    memset(longer, 'x', sizeof longer - 1);
    assert_int_equal(lki_fail(ctx, LK_ERROR_IO, "%s", longer), LK_ERROR_IO);
    size_t length = strlen(lk_error_message(ctx));
    assert_true(length > 1000 && length < sizeof longer - 1);
    assert_string_equal(lk_error_message(ctx) + length - 3, "...");
    assert_int_equal(lki_fail(NULL, LK_ERROR_IO, "no context"), LK_ERROR_IO);
}

enum { WORKERS = 8 };

typedef struct fail_task {
    lk_context *ctx;
    int number;
} fail_task;

static void *fail_main(void *argument)
{
    fail_task *t = argument;
    for (int i = 0; i < 1000; i++) {
        lki_fail(t->ctx, LK_ERROR_DATA, "worker %d of %d says the same thing all over again %d", t->number, WORKERS,
                 t->number);
    }
    return NULL;
}

static void test_errors_of_many_threads(void **state)
{
    lk_context *ctx = *state;
    int64_t rounds = check_scaled(20, 3);
    for (int64_t round = 0; round < rounds; round++) {
        pthread_t threads[WORKERS];
        fail_task tasks[WORKERS];
        lki_begin(ctx);
        for (int i = 0; i < WORKERS; i++) {
            tasks[i] = (fail_task){ctx, i};
            assert_int_equal(pthread_create(&threads[i], NULL, fail_main, &tasks[i]), 0);
        }
        for (int i = 0; i < WORKERS; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        int a, b; /* one whole message, not a mix of two */
        assert_int_equal(sscanf(lk_error_message(ctx), "worker %d of 8 says the same thing all over again %d", &a, &b),
                         2);
        assert_int_equal(a, b);
    }
}

typedef struct seen {
    char text[4096];
    int remarks;
    int reports;
    int cancelled;
    double done;
} seen;

static void see_message(void *state, const char *text)
{
    seen *s = state;
    s->remarks++;
    snprintf(s->text, sizeof s->text, "%s", text);
}

static void see_progress(void *state, const char *stage, double done, double total, const char *detail)
{
    seen *s = state;
    assert_string_equal(stage, "em");
    assert_true(total == 10 && detail != NULL);
    s->reports++;
    s->done = done;
}

static int see_cancel(void *state)
{
    return ((seen *)state)->cancelled;
}

static void *report_main(void *argument)
{
    lki_progress(argument, "em", 1, 10, "");
    return NULL;
}

static void test_callbacks(void **state)
{
    (void)state;
    seen s = {.remarks = 0};
    lk_context_options o = {.size = sizeof o,
                            .threads = 1,
                            .progress = see_progress,
                            .progress_state = &s,
                            .cancel = see_cancel,
                            .cancel_state = &s,
                            .message = see_message,
                            .message_state = &s};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &o), LK_OK);
    lki_begin(ctx);
    lki_message(ctx, "%d columns left out: %s", 2, "id, name");
    assert_string_equal(s.text, "2 columns left out: id, name");
    assert_int_equal(s.remarks, 1);
    /* At most ten reports a second: a burst gives one. */
    for (int i = 0; i < 1000; i++) {
        lki_progress(ctx, "em", i, 10, NULL);
    }
    assert_int_equal(s.reports, 1);
    usleep(120000);
    pthread_t thread; /* another thread never reports */
    assert_int_equal(pthread_create(&thread, NULL, report_main, ctx), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(s.reports, 1);
    lki_progress(ctx, "em", 5, 10, "x");
    assert_int_equal(s.reports, 2);
    assert_true(s.done == 5);
    check_ok(ctx, lki_cancelled(ctx));
    s.cancelled = 1;
    check_status(ctx, LK_ERROR_CANCELLED, lki_cancelled(ctx));
    check_contains(lk_error_message(ctx), "cancelled");
    lk_context_free(ctx);
}

/* A call to stop reaches the workers' contexts too, and holds until it is taken back. */
static void test_cancel_from_outside(void **state)
{
    lk_context *ctx = *state, *worker = NULL;
    check_ok(ctx, lki_cancelled(ctx));
    check_ok(ctx, lki_context_worker(ctx, &worker));
    lk_context_cancel(ctx, 1);
    check_status(ctx, LK_ERROR_CANCELLED, lki_cancelled(ctx));
    check_status(worker, LK_ERROR_CANCELLED, lki_cancelled(worker));
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_CANCELLED, lki_cancelled(ctx));
    lk_context_cancel(ctx, 0);
    check_ok(ctx, lki_cancelled(ctx));
    check_ok(worker, lki_cancelled(worker));
    lk_context_free(worker);
}

static void test_no_callbacks(void **state)
{
    lk_context *ctx = *state;
    lki_message(ctx, "nobody hears %s", "this");
    lki_progress(ctx, "em", 1, 2, NULL);
    check_ok(ctx, lki_cancelled(ctx));
}

/* A small copy of /proc and /sys below a temporary directory. */
static char root[] = "/tmp/likely_machine_XXXXXX";

static void write_below(const char *path, const char *text)
{
    char name[4096];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = strchr(name + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void remove_below(void)
{
    char command[4096];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
    assert_int_equal(mkdir(root, 0700), 0);
}

static void test_memory_of_the_machine(void **state)
{
    (void)state;
    const int64_t gib = INT64_C(1) << 30;
    assert_non_null(mkdtemp(root));
    assert_true(lki_machine_memory(root) == gib); /* nothing is known */
    write_below("/proc/meminfo", "MemTotal:  9000000 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB\n");
    assert_true(lki_machine_memory(root) == 8 * gib);
    /* Version 2: the limit of a parent binds too, dropped page cache counts as free, "max" is no limit. */
    write_below("/proc/self/cgroup", "0::/a/b\n");
    write_below("/sys/fs/cgroup/a/b/memory.max", "max\n");
    write_below("/sys/fs/cgroup/a/b/memory.current", "5\n");
    assert_true(lki_machine_memory(root) == 8 * gib);
    write_below("/sys/fs/cgroup/a/memory.max", "4294967296\n");
    write_below("/sys/fs/cgroup/a/memory.current", "3221225472\n");
    assert_true(lki_machine_memory(root) == gib);
    write_below("/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 1073741824\n");
    assert_true(lki_machine_memory(root) == 2 * gib);
    write_below("/sys/fs/cgroup/a/memory.max", "1000\n"); /* usage above the limit: the least */
    assert_true(lki_machine_memory(root) == INT64_C(16) << 20);
    /* Version 1, in a container whose path is not mounted: the mount's own root binds. */
    remove_below();
    write_below("/proc/meminfo", "MemAvailable:   8388608 kB\n");
    write_below("/proc/self/cgroup", "9:name=systemd:/\n5:memoryless:/y\n4:cpu,memory:/docker/x\n0::/\n");
    assert_true(lki_machine_memory(root) == 8 * gib);
    write_below("/sys/fs/cgroup/memory/memory.limit_in_bytes", "3221225472\n");
    write_below("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
    assert_true(lki_machine_memory(root) == 2 * gib);
    write_below("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "1073741824\n");
    assert_true(lki_machine_memory(root) == gib);
    write_below("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "9223372036854771712\n");
    assert_true(lki_machine_memory(root) == 2 * gib);
    remove_below();
    assert_int_equal(rmdir(root), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_affinity_gives_the_threads),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_options_of_other_versions),
        cmocka_unit_test_setup_teardown(test_first_error_wins, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_errors_of_many_threads, check_setup, check_teardown),
        cmocka_unit_test(test_callbacks),
        cmocka_unit_test_setup_teardown(test_cancel_from_outside, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_no_callbacks, check_setup, check_teardown),
        cmocka_unit_test(test_memory_of_the_machine),
    };
    return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}

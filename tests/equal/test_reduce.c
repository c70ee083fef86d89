/* The reduction tree: the same bits on any number of threads, chunks and ranks, and as a plain recursion gives them. */
#include "check.h"
#include "core/communicator.h"
#include "core/philox.h"
#include "core/reduce_impl.h"
#include <pthread.h>

enum { LENGTH = 5, RANKS_MAX = 4 };

/* What the tests' blocks share. */
typedef struct work {
    int64_t fail_block; /* -1 = none */
    int64_t runs;       /* atomic */
    int threads;        /* largest thread number seen + 1 */
    int slow;
} work;

/* Sums of wildly different sizes, so that every other order of additions gives other bits. */
static void block_values(int64_t block, double *sums)
{
    lki_stream s = lki_stream_new(5, LKI_STREAM_TEST, (uint64_t)block);
    for (int i = 0; i < LENGTH; i++) {
        sums[i] += ldexp(lki_random_normal(&s), (int)lki_random_below(&s, 40));
    }
}

static lk_status block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    work *w = state;
    __atomic_add_fetch(&w->runs, 1, __ATOMIC_RELAXED);
    if (thread < 0 || thread >= lki_threads(ctx)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "worker %d of %d", thread, lki_threads(ctx));
    }
    if (index == w->fail_block) {
        return lki_fail(ctx, LK_ERROR_DATA, "block %d is bad", (int)index);
    }
    if (w->slow && index % 7 == 0) {
        usleep(200); /* so that chunks end out of order */
    }
    for (int i = 0; i < LENGTH; i++) {
        if (sums[i] != 0) {
            return lki_fail(ctx, LK_ERROR_DATA, "block %d was not given zeros", (int)index);
        }
    }
    block_values(index, sums);
    return LK_OK;
}

/* An operation that is not even commutative: left and right must be told apart. */
static void twisted(void *state, double *left, const double *right)
{
    (void)state;
    for (int i = 0; i < LENGTH; i++) {
        left[i] = 0.75 * left[i] + right[i];
    }
}

static void plain(void *state, double *left, const double *right)
{
    (void)state;
    for (int i = 0; i < LENGTH; i++) {
        left[i] += right[i];
    }
}

typedef void combiner(void *state, double *left, const double *right);

/* The tree as reduce.h says it, written as a recursion: the largest aligned power of two first, the rest folded into
 * it. */
static void reference(int64_t first, int64_t count, combiner *f, double *out)
{
    memset(out, 0, LENGTH * sizeof *out);
    if (count <= 1) {
        if (count == 1) {
            block_values(first, out);
        }
        return;
    }
    int64_t half = 1;
    while (2 * half < count) { /* for count = 2^k the two halves, else the largest power below and the rest */
        half *= 2;
    }
    double right[LENGTH];
    reference(first, half, f, out);
    reference(first + half, count - half, f, right);
    f(NULL, out, right);
}

static void check_bits(const double *a, const double *b, int64_t blocks, int threads, int level)
{
    if (memcmp(a, b, LENGTH * sizeof *a) != 0) {
        fail_msg("%d blocks, %d threads, chunks of 2^%d: %a instead of %a", (int)blocks, threads, level, a[0], b[0]);
    }
}

static void test_threads_and_chunks(void **state)
{
    (void)state;
    const int threads[] = {1, 2, 3, 7};
    const int levels[] = {-1, 0, 1, 2, 3, 6, 12};
    const int64_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100, 127, 128, 129, 777, 1024, 1500};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        lk_context *ctx = check_context(threads[t]);
        for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
            for (int twist = 0; twist < 2; twist++) {
                double wanted[LENGTH];
                reference(0, sizes[n], twist ? twisted : plain, wanted);
                for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
                    work w = {.fail_block = -1};
                    lki_reduction r = {.blocks = sizes[n],
                                       .length = LENGTH,
                                       .block = block,
                                       .state = &w,
                                       .combine = twist ? twisted : NULL};
                    double out[LENGTH] = {9, 9, 9, 9, 9};
                    check_ok(ctx, lki_reduce_chunked(ctx, &r, levels[l], out));
                    assert_int_equal(w.runs, sizes[n]);
                    check_bits(out, wanted, sizes[n], threads[t], levels[l]);
                }
            }
        }
        lk_context_free(ctx);
    }
}

/* A reduction that says that it is small runs on one thread and gives the same bits. */
static lk_status small_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    work *w = state;
    w->threads = thread + 1 > w->threads ? thread + 1 : w->threads; /* safe: there is one thread, or the test fails */
    return block(ctx, state, thread, index, sums);
}

static void test_small_work(void **state)
{
    (void)state;
    double wanted[LENGTH], out[LENGTH];
    reference(0, 100, plain, wanted);
    lk_context *ctx = check_context(4);
    work w = {.fail_block = -1, .slow = 1};
    lki_reduction r = {.blocks = 100, .length = LENGTH, .block = small_block, .state = &w, .work = 10};
    check_ok(ctx, lki_reduce_chunked(ctx, &r, 0, out));
    assert_int_equal(w.threads, 1);
    check_bits(out, wanted, 100, 4, 0);
    r.block = block;
    r.work = 1e9;
    check_ok(ctx, lki_reduce_chunked(ctx, &r, 0, out));
    check_bits(out, wanted, 100, 4, 0);
    lk_context_free(ctx);
}

static void test_uneven_workers(void **state)
{
    (void)state;
    double wanted[LENGTH];
    reference(0, 333, plain, wanted);
    lk_context *ctx = check_context(7);
    int64_t repeats = check_scaled(20, 3);
    for (int64_t i = 0; i < repeats; i++) {
        work w = {.fail_block = -1, .slow = 1};
        lki_reduction r = {.blocks = 333, .length = LENGTH, .block = block, .state = &w};
        double out[LENGTH];
        check_ok(ctx, lki_reduce_chunked(ctx, &r, (int)(i % 4), out));
        check_bits(out, wanted, 333, 7, (int)(i % 4));
    }
    lk_context_free(ctx);
}

static void test_a_failure_stops(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        lk_context *ctx = check_context(threads);
        work w = {.fail_block = 50};
        lki_reduction r = {.blocks = 100000, .length = LENGTH, .block = block, .state = &w};
        double out[LENGTH] = {9, 9, 9, 9, 9};
        check_status(ctx, LK_ERROR_DATA, lki_reduce(ctx, &r, out));
        assert_string_equal(lk_error_message(ctx), "block 50 is bad");
        assert_true(w.runs < 100000);
        assert_true(out[0] == 9 && out[LENGTH - 1] == 9);
        lk_context_free(ctx);
    }
}

/* Many blocks and tasks are bad: the first of them is told, on any number of threads. */
static lk_status block_of_many(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    (void)state;
    (void)thread;
    usleep(index % 3 == 0 ? 300 : 10); /* so that later ones often fail earlier */
    sums[0] = 1;
    return index >= 42 && index % 3 != 1
               ? lki_fail(ctx, index % 2 == 0 ? LK_ERROR_DATA : LK_ERROR_IO, "block %d is bad", (int)index)
               : LK_OK;
}

static lk_status task_of_many(lk_context *ctx, void *state, int thread, int64_t index)
{
    double sum;
    return block_of_many(ctx, state, thread, index, &sum);
}

/* A loop within a loop: the outer index counts. */
static lk_status outer_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    (void)thread;
    usleep(index == 1 ? 300 : 10);
    return index > 0 ? lki_parallel(ctx, 50 - index, task_of_many, state) : LK_OK;
}

static void test_the_first_failure_is_told(void **state)
{
    (void)state;
    int64_t repeats = check_scaled(30, 4);
    for (int threads = 1; threads <= 7; threads += 3) {
        lk_context *ctx = check_context(threads);
        for (int64_t i = 0; i < repeats; i++) {
            lki_reduction r = {.blocks = 200, .length = 1, .block = block_of_many};
            double out[1];
            lki_begin(ctx);
            check_status(ctx, LK_ERROR_DATA, lki_reduce_chunked(ctx, &r, (int)(i % 3), out));
            assert_string_equal(lk_error_message(ctx), "block 42 is bad");
            lki_begin(ctx);
            check_status(ctx, LK_ERROR_DATA, lki_parallel(ctx, 200, task_of_many, NULL));
            assert_string_equal(lk_error_message(ctx), "block 42 is bad");
            lki_begin(ctx);
            check_status(ctx, LK_ERROR_DATA, lki_parallel(ctx, 5, outer_task, NULL));
            assert_string_equal(lk_error_message(ctx), "block 42 is bad");
        }
        /* Outside of a loop the first call of lki_fail() wins again. */
        assert_int_equal(lki_fail(ctx, LK_ERROR_IO, "later"), LK_ERROR_IO);
        assert_string_equal(lk_error_message(ctx), "block 42 is bad");
        lk_context_free(ctx);
    }
}

typedef struct watch {
    int64_t polls;
    int64_t stop_at;
    int reports;
    double last_done;
    double total;
    pthread_t thread;
    int foreign;
} watch;

static int watch_cancel(void *state)
{
    watch *w = state;
    return __atomic_add_fetch(&w->polls, 1, __ATOMIC_RELAXED) == w->stop_at;
}

static void watch_progress(void *state, const char *stage, double done, double total, const char *detail)
{
    watch *w = state;
    assert_string_equal(stage, "sum");
    assert_string_equal(detail, "");
    w->foreign += !pthread_equal(w->thread, pthread_self());
    w->reports++;
    w->last_done = done;
    w->total = total;
}

static void test_cancel_and_progress(void **state)
{
    (void)state;
    watch seen = {.stop_at = -1, .thread = pthread_self()};
    lk_context_options options = {.size = sizeof options,
                                  .threads = 3,
                                  .progress = watch_progress,
                                  .progress_state = &seen,
                                  .cancel = watch_cancel,
                                  .cancel_state = &seen};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    work w = {.fail_block = -1, .slow = 1};
    lki_reduction r = {.blocks = 2000, .length = LENGTH, .block = block, .state = &w, .stage = "sum"};
    double out[LENGTH];
    check_ok(ctx, lki_reduce(ctx, &r, out));
    assert_int_equal(seen.polls, 2000); /* once a block */
    assert_true(seen.reports >= 1 && seen.foreign == 0);
    assert_true(seen.total == 2000 && seen.last_done >= 1 && seen.last_done <= 2000);
    seen.stop_at = seen.polls + 100;
    check_status(ctx, LK_ERROR_CANCELLED, lki_reduce(ctx, &r, out));
    assert_true(w.runs < 2000 + 110);
    check_contains(lk_error_message(ctx), "cancelled");
    lk_context_free(ctx);
}

/* Every allocation fails once in turn: a clean error, nothing left behind. */
static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (long fail_at = 2; fail_at < 1000; fail_at++) { /* the first is the context itself */
        check_memory memory = {.fail_at = fail_at};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        work w = {.fail_block = -1};
        lki_reduction r = {.blocks = 77, .length = LENGTH, .block = block, .state = &w};
        double out[LENGTH] = {9, 9, 9, 9, 9};
        lk_status status = lki_reduce_chunked(ctx, &r, 2, out);
        assert_int_equal(memory.live, 1);
        if (status == LK_OK) {
            assert_true(memory.calls < fail_at);
            assert_true(fail_at > 4); /* some did fail */
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            return;
        }
        assert_int_equal(status, LK_ERROR_MEMORY);
        assert_true(out[0] == 9);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
    }
    fail_msg("the reduction never succeeded");
}

/* Memory is O(threads * log(blocks)) partial sums, not O(blocks). */
static void test_memory_is_logarithmic(void **state)
{
    (void)state;
    check_memory memory = {0};
    lk_allocator allocator = check_allocator(&memory);
    lk_context_options options = {.size = sizeof options, .threads = 4, .allocator = &allocator};
    lk_context *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    work w = {.fail_block = -1};
    lki_reduction r = {.blocks = 40000, .length = LENGTH, .block = block, .state = &w};
    double out[LENGTH];
    check_ok(ctx, lki_reduce_chunked(ctx, &r, 3, out));
    assert_true(memory.calls < 1 + 4 * 2 * 17 + 4 * 8); /* (threads + 1) runs of 2 log2(5000) nodes, and the stacks */
    lk_context_free(ctx);
}

/* A communicator between threads of this process: one mailbox for each pair of ranks. */
typedef struct mailbox {
    pthread_mutex_t guard;
    pthread_cond_t changed;
    int full;
    size_t count;
    double values[64];
} mailbox;

static mailbox boxes[RANKS_MAX][RANKS_MAX];

typedef struct rank_state {
    int rank, size;
} rank_state;

static int fake_rank(void *state)
{
    return ((rank_state *)state)->rank;
}

static int fake_size(void *state)
{
    return ((rank_state *)state)->size;
}

static lk_status fake_send(lk_context *ctx, void *state, int to, const double *values, size_t count)
{
    mailbox *m = &boxes[((rank_state *)state)->rank][to];
    if (count > 64) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the mailbox is too small");
    }
    pthread_mutex_lock(&m->guard);
    while (m->full) {
        pthread_cond_wait(&m->changed, &m->guard);
    }
    memcpy(m->values, values, count * sizeof *values);
    m->count = count;
    m->full = 1;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->guard);
    return LK_OK;
}

static lk_status fake_receive(lk_context *ctx, void *state, int from, double *values, size_t count)
{
    mailbox *m = &boxes[from][((rank_state *)state)->rank];
    lk_status status = LK_OK;
    pthread_mutex_lock(&m->guard);
    while (!m->full) {
        pthread_cond_wait(&m->changed, &m->guard);
    }
    if (m->count == count) {
        memcpy(values, m->values, count * sizeof *values);
    } else {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "%zu values came instead of %zu", m->count, count);
    }
    m->full = 0;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->guard);
    return status;
}

static lk_status fake_broadcast(lk_context *ctx, void *state, int root, double *values, size_t count)
{
    rank_state *r = state;
    if (r->rank != root) {
        return fake_receive(ctx, state, root, values, count);
    }
    for (int to = 0; to < r->size; to++) {
        if (to != root) {
            LKI_TRY(fake_send(ctx, state, to, values, count));
        }
    }
    return LK_OK;
}

/* One rank's run on its own thread, with a context and two workers of its own. */
typedef struct rank_run {
    rank_state self;
    int64_t blocks;
    int64_t fail_block;
    long fail_at; /* allocation of this rank that fails; 0 = none */
    int twist;
    int64_t runs;
    lk_status status;
    double out[LENGTH];
    char message[256];
} rank_run;

static void *rank_main(void *argument)
{
    rank_run *r = argument;
    lki_communicator c = {fake_rank, fake_size, fake_send, fake_receive, fake_broadcast, &r->self};
    check_memory memory = {.fail_at = r->fail_at};
    lk_allocator allocator = check_allocator(&memory);
    lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
    lk_context *ctx = NULL;
    r->status = lk_context_new(&ctx, &options);
    if (r->status != LK_OK) {
        return NULL;
    }
    lki_communicator_set(ctx, &c);
    work w = {.fail_block = r->fail_block};
    lki_reduction reduction = {
        .blocks = r->blocks, .length = LENGTH, .block = block, .state = &w, .combine = r->twist ? twisted : NULL};
    r->status = lki_reduce(ctx, &reduction, r->out);
    r->runs = w.runs;
    snprintf(r->message, sizeof r->message, "%s", lk_error_message(ctx));
    lk_context_free(ctx);
    if (memory.live != 0) {
        r->status = (lk_status)99;
    }
    return NULL;
}

static void ranks_run(rank_run *runs, int size)
{
    pthread_t threads[RANKS_MAX];
    for (int i = 0; i < size; i++) {
        runs[i].self = (rank_state){i, size};
        assert_int_equal(pthread_create(&threads[i], NULL, rank_main, &runs[i]), 0);
    }
    for (int i = 0; i < size; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void test_ranks(void **state)
{
    (void)state;
    const int64_t sizes[] = {0, 1, 2, 3, 5, 16, 31, 33, 100, 128, 777, 1024};
    for (int size = 2; size <= RANKS_MAX; size++) {
        for (size_t n = 0; n < sizeof sizes / sizeof sizes[0]; n++) {
            for (int twist = 0; twist < 2; twist++) {
                rank_run runs[RANKS_MAX];
                memset(runs, 0, sizeof runs);
                double wanted[LENGTH];
                reference(0, sizes[n], twist ? twisted : plain, wanted);
                for (int i = 0; i < size; i++) {
                    runs[i].blocks = sizes[n];
                    runs[i].fail_block = -1;
                    runs[i].twist = twist;
                }
                ranks_run(runs, size);
                int64_t total = 0;
                for (int i = 0; i < size; i++) {
                    assert_int_equal(runs[i].status, LK_OK);
                    check_bits(runs[i].out, wanted, sizes[n], 2, size);
                    total += runs[i].runs;
                    /* The work is shared: nobody has more than its part and two granules. */
                    assert_true(runs[i].runs <= sizes[n] / size + sizes[n] / (4 * size) + 2);
                }
                assert_int_equal(total, sizes[n]);
            }
        }
    }
}

/* Where one rank fails, all of them return, with that status and untouched outputs. */
static void test_a_rank_fails(void **state)
{
    (void)state;
    for (int64_t fail_block = 0; fail_block < 100; fail_block += 33) {
        rank_run runs[RANKS_MAX];
        memset(runs, 0, sizeof runs);
        for (int i = 0; i < RANKS_MAX; i++) {
            runs[i].blocks = 100;
            runs[i].fail_block = fail_block;
            runs[i].out[0] = 9;
        }
        ranks_run(runs, RANKS_MAX);
        int said = 0;
        for (int i = 0; i < RANKS_MAX; i++) {
            assert_int_equal(runs[i].status, LK_ERROR_DATA);
            assert_true(strlen(runs[i].message) > 0 && runs[i].out[0] == 9);
            said += strstr(runs[i].message, "is bad") != NULL;
        }
        assert_int_equal(said, 1);
    }
}

/* Memory runs out on rank 0 or on another: all return, nothing leaks, nobody waits for ever. */
static void test_a_rank_is_out_of_memory(void **state)
{
    (void)state;
    for (int rank = 0; rank < 2; rank++) {
        int failed = 0;
        for (long fail_at = 2; fail_at < 40; fail_at++) {
            rank_run runs[RANKS_MAX];
            memset(runs, 0, sizeof runs);
            for (int i = 0; i < RANKS_MAX; i++) {
                runs[i].blocks = 61;
                runs[i].fail_block = -1;
                runs[i].fail_at = i == rank ? fail_at : 0;
            }
            ranks_run(runs, RANKS_MAX);
            for (int i = 0; i < RANKS_MAX; i++) {
                assert_int_equal(runs[i].status, runs[0].status);
                assert_true(runs[i].status == LK_OK || runs[i].status == LK_ERROR_MEMORY);
            }
            failed += runs[0].status != LK_OK;
        }
        assert_true(failed >= 3);
    }
}

/* Plain parallel loops: each task once, the first failure stops the rest. */
typedef struct tally {
    int counts[1000];
    int64_t fail_at;
} tally;

static lk_status tally_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    tally *t = state;
    if (thread < 0 || thread >= lki_threads(ctx)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "worker %d", thread);
    }
    if (index == t->fail_at) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "task %d failed", (int)index);
    }
    __atomic_add_fetch(&t->counts[index], 1, __ATOMIC_RELAXED);
    return LK_OK;
}

static void test_parallel(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        lk_context *ctx = check_context(threads);
        tally t = {.fail_at = -1};
        check_ok(ctx, lki_parallel(ctx, 1000, tally_task, &t));
        for (int i = 0; i < 1000; i++) {
            assert_int_equal(t.counts[i], 1);
        }
        check_ok(ctx, lki_parallel(ctx, 0, tally_task, &t));
        tally u = {.fail_at = 3};
        check_status(ctx, LK_ERROR_NUMERIC, lki_parallel(ctx, 1000, tally_task, &u));
        assert_string_equal(lk_error_message(ctx), "task 3 failed");
        lk_context_free(ctx);
    }
}

int main(void)
{
    for (int i = 0; i < RANKS_MAX; i++) {
        for (int j = 0; j < RANKS_MAX; j++) {
            pthread_mutex_init(&boxes[i][j].guard, NULL);
            pthread_cond_init(&boxes[i][j].changed, NULL);
        }
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_and_chunks),
        cmocka_unit_test(test_small_work),
        cmocka_unit_test(test_uneven_workers),
        cmocka_unit_test(test_a_failure_stops),
        cmocka_unit_test(test_the_first_failure_is_told),
        cmocka_unit_test(test_cancel_and_progress),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_memory_is_logarithmic),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_a_rank_fails),
        cmocka_unit_test(test_a_rank_is_out_of_memory),
        cmocka_unit_test(test_parallel),
    };
    return cmocka_run_group_tests_name("reduce", tests, NULL, NULL);
}

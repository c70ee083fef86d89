/* Training steps give the same bits on 1, 2 and 5 threads, in batches that end inside a block, with and without blocks of rows, and a
 * run allocates nothing. */
#include "check.h"
#include "core/philox.h"
#include <likely/grad.h>

enum { LAYERS = 3, PARAMETERS = 2 * LAYERS, STEPS = 5 };
static const int64_t widths[LAYERS + 1] = {7, 150, 40, 3};

typedef struct net {
    lk_graph *graph;
    lk_node x, target, p[PARAMETERS], gradient[PARAMETERS], loss, hidden;
} net;

/* A net with noise on its first layer and layer norm, softmax and an embedding: work of every kind. */
static void net_make(lk_context *ctx, lk_precision precision, int64_t rows, bool batched, net *n)
{
    check_ok(ctx, lk_graph_new(ctx, precision, &n->graph));
    lk_graph *g = n->graph;
    const int64_t in[2] = {rows, widths[0]}, out[2] = {rows, widths[LAYERS]}, one[1] = {rows}, noise[2] = {rows, widths[1]};
    n->x = batched ? lk_graph_rows(g, 2, in) : lk_graph_input(g, 2, in);
    n->target = batched ? lk_graph_rows(g, 2, out) : lk_graph_input(g, 2, out);
    lk_node y = n->x;
    for (int l = 0; l < LAYERS; l++) {
        n->p[2 * l] = lk_graph_parameter(g, 2, widths + l);
        n->p[2 * l + 1] = lk_graph_parameter(g, 1, widths + l + 1);
        y = lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, y, n->p[2 * l]), n->p[2 * l + 1]);
        if (l == 0) {
            lk_node random = lk_graph_random(g, LK_LAW_NORMAL, 2, noise, 3, 1);
            y = lk_graph_layer_norm(g, lk_graph_binary(g, LK_ADD, y, lk_graph_affine(g, random, 0.1, 0)), 1e-5);
        }
        y = l < LAYERS - 1 ? lk_graph_unary(g, LK_GELU, y) : y;
    }
    lk_node index = lk_graph_reshape(g, lk_graph_slice(g, n->target, 1, 0, 1, 1), 1, one);
    lk_node rows_of = lk_graph_gather(g, lk_graph_transpose(g, n->p[4], NULL), index);
    lk_node log_p = lk_graph_binary(g, LK_SUBTRACT, y, lk_graph_log_sum_exp(g, y, 2));
    n->loss = lk_graph_binary(g, LK_SUBTRACT, lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, rows_of), -1),
                              lk_graph_mean(g, lk_graph_binary(g, LK_MULTIPLY, log_p, n->target), -1));
    lk_graph_gradient(g, n->loss, n->p, PARAMETERS, n->gradient);
    for (int i = 0; i < PARAMETERS; i++) {
        n->gradient[i] = lk_graph_output(g, n->gradient[i]);
    }
    n->loss = lk_graph_output(g, n->loss);
    check_ok(ctx, lk_graph_plan(ctx, g));
}

static int64_t count_of(const lk_graph *g, lk_node x)
{
    int64_t shape[4], count = 1;
    for (int i = lk_graph_shape(g, x, shape) - 1; i >= 0; i--) {
        count *= shape[i];
    }
    return count;
}

static void put(lk_graph *g, lk_node x, uint64_t seed, double size, int levels)
{
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 0);
    float *f = lk_graph_values(g, x);
    for (int64_t i = 0; i < count_of(g, x); i++) {
        f[i] = levels > 0 ? (float)lki_random_below(&s, levels) : (float)(size * lki_random_normal(&s));
    }
}

/* Trains for some steps and gives a checksum of bits of all parameters, gradients and losses. */
static uint64_t train(int threads, int64_t rows, bool batched, lk_rule rule, check_memory *memory)
{
    lk_allocator allocator = check_allocator(memory);
    lk_context_options options = {.size = sizeof options, .threads = threads, .allocator = &allocator};
    lk_context *ctx = NULL;
    lk_optimizer *optimizer = NULL;
    net n;
    uint64_t sum = 0;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    net_make(ctx, LK_FLOAT32, rows, batched, &n);
    put(n.graph, n.x, 1, 1, 0);
    put(n.graph, n.target, 2, 0, 3);
    for (int i = 0; i < PARAMETERS; i++) {
        put(n.graph, n.p[i], 10 + (uint64_t)i, 0.3, 0);
    }
    lk_optimizer_options how = {.size = sizeof how, .rule = rule, .clip = 0.05, .decay = 0.1, .average = 0.9, .warmup = 2, .steps = STEPS};
    check_ok(ctx, lk_optimizer_new(ctx, n.graph, n.p, n.gradient, PARAMETERS, &how, &optimizer));
    const long calls = memory->calls;
    for (int s = 0; s < STEPS; s++) {
        check_ok(ctx, lk_graph_run(ctx, n.graph));
        check_ok(ctx, lk_optimizer_step(ctx, optimizer));
        uint32_t bits;
        memcpy(&bits, lk_graph_values(n.graph, n.loss), sizeof bits);
        sum = sum * 31 + bits;
    }
    assert_int_equal(memory->calls, calls);
    for (int i = 0; i < PARAMETERS; i++) {
        const void *const all[3] = {lk_graph_values(n.graph, n.p[i]), lk_graph_values(n.graph, n.gradient[i]), lk_optimizer_average(optimizer, i)};
        for (int k = 0; k < 3; k++) {
            for (int64_t j = 0; j < count_of(n.graph, n.p[i]); j++) {
                uint32_t bits;
                float v = ((const float *)all[k])[j];
                assert_true(isfinite(v));
                memcpy(&bits, &v, sizeof bits);
                sum = sum * 31 + bits;
            }
        }
    }
    lk_optimizer_free(optimizer);
    lk_graph_free(n.graph);
    lk_context_free(ctx);
    assert_int_equal(memory->live, 0);
    return sum;
}

static void same_bits(void **state)
{
    (void)state;
    static const int64_t rows[4] = {1, 33, 700, 1024};
    for (int k = 0; k < 4; k++) {
        for (int batched = 0; batched < 2; batched++) {
            check_memory memory = {0};
            uint64_t one = train(1, rows[k], batched, k % 2 ? LK_RULE_MOMENTUM : LK_RULE_ADAMW, &memory);
            assert_true(one == train(2, rows[k], batched, k % 2 ? LK_RULE_MOMENTUM : LK_RULE_ADAMW, &memory));
            assert_true(one == train(5, rows[k], batched, k % 2 ? LK_RULE_MOMENTUM : LK_RULE_ADAMW, &memory));
        }
    }
}

/* Blocks of rows, and memory that is used again, change nothing but rounding. */
static void batched_is_whole(void **state)
{
    net n[2];
    for (int i = 0; i < 2; i++) {
        net_make(*state, LK_FLOAT32, 700, i == 0, &n[i]);
        put(n[i].graph, n[i].x, 1, 1, 0);
        put(n[i].graph, n[i].target, 2, 0, 3);
        for (int k = 0; k < PARAMETERS; k++) {
            put(n[i].graph, n[i].p[k], 10 + (uint64_t)k, 0.3, 0);
        }
        check_ok(*state, lk_graph_run(*state, n[i].graph));
    }
    for (int k = 0; k < PARAMETERS; k++) {
        const float *a = lk_graph_values(n[0].graph, n[0].gradient[k]), *b = lk_graph_values(n[1].graph, n[1].gradient[k]);
        for (int64_t j = 0; j < count_of(n[0].graph, n[0].p[k]); j++) {
            check_near((double)a[j], (double)b[j], 2e-5 * (0.01 + fabs((double)b[j])));
        }
    }
    lk_graph_free(n[0].graph);
    lk_graph_free(n[1].graph);
}

/* 10 000 runs of a small graph leave as many blocks as there were. */
static void no_leak(void **state)
{
    (void)state;
    check_memory memory = {0};
    lk_allocator allocator = check_allocator(&memory);
    lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
    lk_context *ctx = NULL;
    lk_graph *g = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT32, &g));
    lk_node x = lk_graph_parameter(g, 1, (const int64_t[1]){4}), gradient;
    lk_node y = lk_graph_sum(g, lk_graph_unary(g, LK_SQUARE, lk_graph_affine(g, x, 1, -3)), -1);
    lk_graph_gradient(g, y, &x, 1, &gradient);
    gradient = lk_graph_output(g, gradient);
    check_ok(ctx, lk_graph_plan(ctx, g));
    lk_optimizer *optimizer = NULL;
    lk_optimizer_options how = {.size = sizeof how, .rate = 0.01};
    check_ok(ctx, lk_optimizer_new(ctx, g, &x, &gradient, 1, &how, &optimizer));
    long calls = memory.calls;
    for (int i = 0; i < 10000; i++) {
        check_ok(ctx, lk_graph_run(ctx, g));
        check_ok(ctx, lk_optimizer_step(ctx, optimizer));
    }
    assert_int_equal(memory.calls, calls);
    check_near((double)*(const float *)lk_graph_values(g, x), 3, 1e-3);
    lk_optimizer_free(optimizer);
    lk_graph_free(g);
    lk_context_free(ctx);
    assert_int_equal(memory.live, 0);
}

/* Convolutions, group norm and attention over pictures: work of several strips and tiles. */
static uint64_t picture_bits(int threads)
{
    enum { N = 13, WEIGHTS = 4 };
    check_memory memory = {0};
    lk_allocator allocator = check_allocator(&memory);
    lk_context_options options = {.size = sizeof options, .threads = threads, .allocator = &allocator};
    lk_context *ctx = NULL;
    lk_graph *g = NULL;
    uint64_t sum = 0;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT32, &g));
    lk_node x = lk_graph_rows(g, 4, (const int64_t[4]){N, 20, 20, 3}), gradient[WEIGHTS];
    lk_node w[WEIGHTS] = {lk_graph_parameter(g, 4, (const int64_t[4]){3, 3, 3, 32}), lk_graph_parameter(g, 4, (const int64_t[4]){3, 3, 1, 32}),
                          lk_graph_parameter(g, 2, (const int64_t[2]){32, 96}), lk_graph_parameter(g, 4, (const int64_t[4]){2, 2, 8, 32})};
    lk_node h = lk_graph_group_norm(g, lk_graph_convolution(g, x, w[0], 1, 1, 1), 4, 1e-5);
    h = lk_graph_unary(g, LK_SILU, lk_graph_convolution(g, h, w[1], 1, 1, 32));
    lk_node qkv = lk_graph_matmul(g, lk_graph_reshape(g, h, 3, (const int64_t[3]){N, 400, 32}), w[2]), part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = lk_graph_reshape(g, lk_graph_slice(g, qkv, 2, 32 * i, 32, 1), 4, (const int64_t[4]){N, 400, 4, 8});
    }
    h = lk_graph_reshape(g, lk_graph_attention(g, part[0], part[1], part[2], -1, 1), 4, (const int64_t[4]){N, 20, 20, 32});
    h = lk_graph_transposed_convolution(g, h, w[3], 2, 0, 1);
    lk_node loss = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, h), -1);
    lk_graph_gradient(g, loss, w, WEIGHTS, gradient);
    for (int i = 0; i < WEIGHTS; i++) {
        gradient[i] = lk_graph_output(g, gradient[i]);
    }
    check_ok(ctx, lk_graph_plan(ctx, g));
    put(g, x, 1, 1, 0);
    for (int i = 0; i < WEIGHTS; i++) {
        put(g, w[i], 10 + (uint64_t)i, 0.3, 0);
    }
    const long calls = memory.calls;
    check_ok(ctx, lk_graph_run(ctx, g));
    check_ok(ctx, lk_graph_run(ctx, g));
    assert_int_equal(memory.calls, calls);
    for (int i = 0; i < WEIGHTS; i++) {
        const float *v = lk_graph_values(g, gradient[i]);
        for (int64_t j = 0; j < count_of(g, w[i]); j++) {
            uint32_t bits;
            assert_true(isfinite(v[j]) && v[j] != 0);
            memcpy(&bits, &v[j], sizeof bits);
            sum = sum * 31 + bits;
        }
    }
    lk_graph_free(g);
    lk_context_free(ctx);
    assert_int_equal(memory.live, 0);
    return sum;
}

static void pictures(void **state)
{
    (void)state;
    uint64_t one = picture_bits(1);
    assert_true(one == picture_bits(2));
    assert_true(one == picture_bits(5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(pictures), cmocka_unit_test(batched_is_whole), cmocka_unit_test(no_leak)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}

/* Mistakes in a graph are named with the operation and the shapes, and each allocation fails once without a leak or a crash. */
#include "check.h"
#include <likely/grad.h>

enum { ROWS = 200 };

static lk_status everything(lk_context *ctx)
{
    lk_graph *g = NULL;
    lk_optimizer *optimizer = NULL;
    lk_status status = lk_graph_new(ctx, LK_FLOAT32, &g);
    if (status != LK_OK) {
        return status;
    }
    const int64_t in[2] = {ROWS, 3}, square[2] = {3, 3};
    lk_node x = lk_graph_rows(g, 2, in), w = lk_graph_parameter(g, 2, square), gradient = -1;
    lk_node y = lk_graph_matmul(g, lk_graph_softmax(g, lk_graph_matmul(g, x, w), 1), lk_graph_transpose(g, w, NULL));
    lk_node loss = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, lk_graph_concat(g, y, x, 1)), -1);
    lk_graph_gradient(g, loss, &w, 1, &gradient);
    gradient = lk_graph_output(g, gradient);
    lk_node along = lk_graph_output(g, lk_graph_jvp(g, loss, &w, &w, 1));
    status = lk_graph_plan(ctx, g);
    if (status == LK_OK) {
        ((float *)lk_graph_values(g, w))[0] = 1;
        lk_optimizer_options options = {.size = sizeof options, .clip = 1, .average = 0.5};
        status = lk_optimizer_new(ctx, g, &w, &gradient, 1, &options, &optimizer);
    }
    status = status == LK_OK ? lk_graph_run(ctx, g) : status;
    status = status == LK_OK ? lk_optimizer_step(ctx, optimizer) : status;
    assert_true(status != LK_OK || lk_graph_values(g, along) != NULL);
    lk_optimizer_free(optimizer);
    lk_graph_free(g);
    return status;
}

static void allocations(void **state)
{
    long failures = 0, made_up_for = 0;
    (void)state;
    for (long fail_at = 1;; fail_at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = fail_at;
        lk_status status = everything(ctx);
        const int failed = memory.calls >= fail_at;
        memory.fail_at = 0;
        /* A list that cannot be doubled may still grow by what is needed. */
        assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY));
        made_up_for += failed && status == LK_OK;
        assert_true(status == LK_OK || strlen(lk_error_message(ctx)) > 0);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
        if (!failed) {
            break;
        }
        failures++;
    }
    assert_true(failures > 15 && made_up_for * 2 < failures);
}

/* Builds something wrong; the plan must refuse it with `part` in the text. */
static void wrong(lk_context *ctx, int which, const char *part)
{
    lk_graph *g = NULL;
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT64, &g));
    const int64_t a[2] = {3, 4}, b[2] = {5, 2}, zero[1] = {0};
    lk_node x = lk_graph_rows(g, 2, a), y = lk_graph_input(g, 2, b), v = lk_graph_input(g, 1, b), bad = -1;
    switch (which) {
    case 0:
        bad = lk_graph_binary(g, LK_ADD, x, y);
        break;
    case 1:
        bad = lk_graph_matmul(g, x, y);
        break;
    case 2:
        bad = lk_graph_reshape(g, x, 2, b);
        break;
    case 3:
        bad = lk_graph_slice(g, x, 1, 2, 3, 1);
        break;
    case 4:
        bad = lk_graph_sum(g, x, 8);
        break;
    case 5:
        bad = lk_graph_input(g, 1, zero);
        break;
    case 6:
        bad = lk_graph_rows(g, 2, b);
        break;
    case 7:
        bad = lk_graph_gather(g, x, y);
        break;
    case 8:
        bad = lk_graph_concat(g, x, y, 0);
        break;
    case 9:
        bad = lk_graph_jvp(g, x, &x, &y, 1);
        break;
    case 10:
        bad = lk_graph_unary(g, LK_EXP, 99);
        break;
    case 11:
        bad = lk_graph_expand(g, v, 2, a);
        break;
    case 12:
        bad = lk_graph_scatter_add(g, x, v, 2);
        break;
    case 13:
        bad = lk_graph_transpose(g, x, (const int[2]){0, 0});
        break;
    case 14:
        bad = lk_graph_softmax(g, x, 2);
        break;
    case 15:
        bad = lk_graph_layer_norm(g, x, 0);
        break;
    case 16:
        bad = lk_graph_convolution(g, x, y, 1, 0, 1);
        break;
    case 17:
        bad = lk_graph_attention(g, x, x, y, -1, 0);
        break;
    case 18:
        bad = lk_graph_grouped_matmul(g, x, y, v);
        break;
    case 19:
        bad = lk_graph_cholesky(g, x);
        break;
    case 20:
        bad = lk_graph_group_norm(g, x, 3, 1e-5);
        break;
    case 21:
        bad = lk_graph_order(g, x);
        break;
    case 22:
        bad = lk_graph_divergence(g, x, y, -1);
        break;
    case 23:
        bad = lk_graph_checkpoint(g, NULL, NULL, &x, 1);
        break;
    case 24:
        bad = lk_graph_fixed_point(g, NULL, NULL, x, NULL, 0, 1, 1);
        break;
    default:
        break;
    }
    assert_int_equal(bad, -1);
    if (which < 25) {
        lk_graph_output(g, lk_graph_unary(g, LK_EXP, bad)); /* what follows does no harm and hides nothing */
    }
    check_status(ctx, LK_ERROR_ARGUMENT, lk_graph_plan(ctx, g));
    check_contains(lk_error_message(ctx), part);
    check_status(ctx, LK_ERROR_ARGUMENT, lk_graph_run(ctx, g));
    lk_graph_free(g);
}

static void mistakes(void **state)
{
    static const char *const parts[] = {
        "add: shapes (3, 4) and (5, 2) do not match", "matmul: shapes (3, 4) and (5, 2) do not match", "reshape: shape (3, 4) cannot become (5, 2)",
        "slice: 3 entries of axis 1 from 2 by steps of 1 are not all in shape (3, 4)", "sum: the set of axes is 8", "input: axis 0 has length 0",
        "rows: there are 5 rows here and 3", "gather: shapes (3, 4) and (5, 2)", "concat: shapes (3, 4) and (5, 2) do not match beside axis 0",
        "jvp: tangent 0 has shape (5, 2) and its tensor (3, 4)", "exp: 99 is no tensor", "expand: shape (5) cannot become (3, 4)",
        "scatter_add: 3 rows and 5 indices", "transpose: the order names axis 0", "softmax: axis is 2", "layer_norm: 2 axes and epsilon 0",
        "convolution: shapes (3, 4) and (5, 2) with stride 1, padding 0 and 1 groups do not match", "attention: queries (3, 4)",
        "grouped_matmul: shapes (3, 4), (5, 2) and (5) do not match", "cholesky: shape (3, 4)", "group_norm: shape (3, 4), 3 groups",
        "order: shape (3, 4)", "divergence: a field of shape (3, 4) at points of shape (5, 2)", "checkpoint: a function of 1 tensors",
        "fixed_point: 0 tensors", "no output"};
    for (int i = 0; i < (int)(sizeof parts / sizeof parts[0]); i++) {
        wrong(*state, i, parts[i]);
    }
}

static void run_faults(void **state)
{
    lk_context *ctx = *state;
    lk_graph *g = NULL;
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT64, &g));
    lk_node table = lk_graph_parameter(g, 2, (const int64_t[2]){3, 2}), index = lk_graph_input(g, 1, (const int64_t[1]){4}), gradient;
    lk_node y = lk_graph_sum(g, lk_graph_gather(g, table, index), -1);
    lk_graph_gradient(g, y, &table, 1, &gradient);
    gradient = lk_graph_output(g, gradient);
    y = lk_graph_output(g, y);
    check_ok(ctx, lk_graph_plan(ctx, g));
    double *i = lk_graph_values(g, index);
    static const double bad[4] = {3, -1, 0.5, (double)NAN};
    for (int k = 0; k < 4; k++) {
        i[2] = bad[k];
        check_status(ctx, LK_ERROR_DATA, lk_graph_run(ctx, g));
        check_contains(lk_error_message(ctx), "index 2 is");
    }
    i[2] = 2;
    check_ok(ctx, lk_graph_run(ctx, g));
    assert_null(lk_graph_values(g, -1));
    assert_int_equal(lk_graph_unary(g, LK_EXP, y), -1);
    lk_optimizer *optimizer = NULL;
    lk_optimizer_options options = {.size = sizeof options, .rate = -1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_optimizer_new(ctx, g, &table, &gradient, 1, &options, &optimizer));
    options = (lk_optimizer_options){.size = sizeof options, .clip = 1};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_optimizer_new(ctx, g, &index, &gradient, 1, &options, &optimizer));
    check_ok(ctx, lk_optimizer_new(ctx, g, &table, &gradient, 1, &options, &optimizer));
    ((double *)lk_graph_values(g, gradient))[0] = (double)INFINITY;
    check_status(ctx, LK_ERROR_NUMERIC, lk_optimizer_step(ctx, optimizer));
    assert_true(((const double *)lk_graph_values(g, table))[1] == 0);
    lk_optimizer_free(optimizer);
    lk_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(mistakes), cmocka_unit_test(run_faults)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}

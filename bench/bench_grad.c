/* Times training steps of a net 3-256-256-256-2 on batches of 1024 rows, and the matrix products in them by themselves. Usage: bench_grad
 * STEPS THREADS; prints JSON. */
#include <likely/likely.h>

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROWS = 1024, LAYERS = 4 };
static const int64_t widths[LAYERS + 1] = {3, 256, 256, 256, 2};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(lk_context *ctx, lk_status status)
{
    if (status != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        exit(1);
    }
}

static void fill(float *x, int64_t n, float size)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = size * ((float)(i * 7919 % 2003) / 1001.0f - 1.0f);
    }
}

/* The products of one step at their shapes: forward, gradient of the input (not of the first layer) and of the weights. */
static double products(int threads, int steps)
{
    extern void openblas_set_num_threads(int);
    openblas_set_num_threads(threads);
    float *x = malloc(ROWS * 256 * sizeof *x), *w = malloc(256 * 256 * sizeof *w), *y = malloc(ROWS * 256 * sizeof *y);
    double best = 1e300;
    fill(x, ROWS * 256, 1);
    fill(w, 256 * 256, 1);
    for (int s = 0; s < steps; s++) {
        double start = now();
        for (int l = 0; l < LAYERS; l++) {
            int k = (int)widths[l], n = (int)widths[l + 1];
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ROWS, n, k, 1, x, k, w, n, 0, y, n);
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, n, ROWS, 1, x, k, y, n, 0, w, n);
            fill(w, 256, 1e-3f);
            if (l > 0) {
                cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, ROWS, k, n, 1, y, n, w, n, 0, x, k);
                fill(x, 256, 1e-3f);
            }
        }
        best = now() - start < best ? now() - start : best;
    }
    openblas_set_num_threads(1);
    free(x);
    free(w);
    free(y);
    return best;
}

int main(int argc, char **argv)
{
    int steps = argc > 1 ? atoi(argv[1]) : 200, threads = argc > 2 ? atoi(argv[2]) : 2;
    lk_context *ctx = NULL;
    lk_graph *g = NULL;
    lk_optimizer *optimizer = NULL;
    lk_context_options options = {.size = sizeof options, .threads = threads};
    if (lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    double start = now();
    check(ctx, lk_graph_new(ctx, LK_FLOAT32, &g));
    const int64_t in[2] = {ROWS, widths[0]}, out[2] = {ROWS, widths[LAYERS]};
    lk_node x = lk_graph_rows(g, 2, in), target = lk_graph_rows(g, 2, out), p[2 * LAYERS], gradient[2 * LAYERS], y = x;
    for (int l = 0; l < LAYERS; l++) {
        p[2 * l] = lk_graph_parameter(g, 2, widths + l);
        p[2 * l + 1] = lk_graph_parameter(g, 1, widths + l + 1);
        y = lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, y, p[2 * l]), p[2 * l + 1]);
        y = l < LAYERS - 1 ? lk_graph_unary(g, LK_SILU, y) : y;
    }
    lk_node loss = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, lk_graph_binary(g, LK_SUBTRACT, y, target)), -1);
    lk_graph_gradient(g, loss, p, 2 * LAYERS, gradient);
    for (int i = 0; i < 2 * LAYERS; i++) {
        gradient[i] = lk_graph_output(g, gradient[i]);
    }
    loss = lk_graph_output(g, loss);
    check(ctx, lk_graph_plan(ctx, g));
    for (int l = 0; l < LAYERS; l++) {
        fill(lk_graph_values(g, p[2 * l]), widths[l] * widths[l + 1], 0.1f);
    }
    fill(lk_graph_values(g, x), ROWS * widths[0], 1);
    fill(lk_graph_values(g, target), ROWS * widths[LAYERS], 1);
    check(ctx, lk_optimizer_new(ctx, g, p, gradient, 2 * LAYERS, NULL, &optimizer));
    double made = now() - start, best = 1e300, best_run = 1e300, sum = 0;
    for (int s = 0; s < steps + 3; s++) {
        double before = now();
        check(ctx, lk_graph_run(ctx, g));
        double run = now() - before;
        check(ctx, lk_optimizer_step(ctx, optimizer));
        double step = now() - before;
        sum += s >= 3 ? step : 0;
        best = step < best ? step : best;
        best_run = run < best_run ? run : best_run;
    }
    printf("{\"step_ms\": %.4f, \"mean_ms\": %.4f, \"gradient_ms\": %.4f, \"products_ms\": %.4f, \"start_ms\": %.3f, \"tensor_mb\": %.2f, "
           "\"loss\": %.6f}\n", 1e3 * best, 1e3 * sum / steps, 1e3 * best_run, 1e3 * products(threads, steps), 1e3 * made,
           (double)lk_graph_bytes(g) / 1048576, (double)*(const float *)lk_graph_values(g, loss));
    lk_optimizer_free(optimizer);
    lk_graph_free(g);
    lk_context_free(ctx);
    return 0;
}

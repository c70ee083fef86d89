/* Times training steps of nets, and products by convolutions and matrices beside SGEMM at the same shapes. Usage: bench_nets NAME STEPS
 * THREADS, where NAME is unet, attention, coupling, experts, padded or products; prints JSON. */
#include <likely/likely.h>

#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { PARAMETERS_MOST = 400 };

static lk_context *ctx;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(lk_status status)
{
    if (status != LK_OK) {
        fprintf(stderr, "%s\n", lk_error_message(ctx));
        exit(1);
    }
}

static int64_t size_of(const lk_graph *g, lk_node x)
{
    int64_t shape[4], n = 1;
    for (int i = lk_graph_shape(g, x, shape) - 1; i >= 0; i--) {
        n *= shape[i];
    }
    return n;
}

static void fill(lk_graph *g, lk_node x, float size)
{
    float *v = lk_graph_values(g, x);
    for (int64_t i = 0; i < size_of(g, x); i++) {
        v[i] = size * ((float)(i * 7919 % 2003) / 1001.0f - 1.0f);
    }
}

static lk_node squares(lk_graph *g, lk_node y)
{
    return lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, y), -1);
}

/* ---- the nets ---- */

typedef struct task {
    lk_graph *g;
    lk_net *net;
    lk_node p[PARAMETERS_MOST], loss, inputs[4];
    int count, input_count;
} task;

static void described(task *t, const char *description, int64_t rows, bool second)
{
    lk_node also = -1;
    check(lk_net_new(ctx, description, &t->net));
    lk_net_parameters(t->net, t->g, t->p);
    t->count = lk_net_parameter_count(t->net);
    t->inputs[t->input_count++] = lk_net_input(t->net, t->g, rows, 0);
    if (second) {
        t->inputs[t->input_count++] = lk_net_input(t->net, t->g, rows, 1);
    }
    lk_node y = lk_net_apply(t->net, t->g, t->p, t->inputs[0], second ? t->inputs[1] : -1, &also);
    t->loss = squares(t->g, y);
    if (also >= 0) {
        lk_node beside = lk_graph_mean(t->g, also, -1);
        t->loss = lk_graph_binary(t->g, LK_SUBTRACT, lk_graph_affine(t->g, t->loss, 0.5, 0), beside);
    }
}

/* Attention of 4 heads over 128 places of width 128, 32 rows: four dense layers and what is between. */
static void attention(task *t)
{
    enum { ROWS = 32, PLACES = 128, WIDTH = 128, HEADS = 4 };
    lk_graph *g = t->g;
    lk_node part[3], x = lk_graph_rows(g, 3, (const int64_t[3]){ROWS, PLACES, WIDTH});
    t->inputs[t->input_count++] = x;
    for (int i = 0; i < 4; i++) {
        t->p[2 * i] = lk_graph_parameter(g, 2, (const int64_t[2]){WIDTH, WIDTH});
        t->p[2 * i + 1] = lk_graph_parameter(g, 1, (const int64_t[1]){WIDTH});
    }
    t->count = 8;
    for (int i = 0; i < 3; i++) {
        lk_node dense = lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, x, t->p[2 * i]), t->p[2 * i + 1]);
        part[i] = lk_graph_reshape(g, dense, 4, (const int64_t[4]){ROWS, PLACES, HEADS, WIDTH / HEADS});
    }
    lk_node seen = lk_graph_reshape(g, lk_graph_attention(g, part[0], part[1], part[2], -1, 0), 3, (const int64_t[3]){ROWS, PLACES, WIDTH});
    t->loss = squares(g, lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, seen, t->p[6]), t->p[7]));
}

enum { TOKENS = 4096, EXPERTS = 16, FROM = 128, INNER = 256 };

/* The products of experts over rows that are sorted by expert, most of which go to few: by runs, or padded to the longest run. */
static void grouped(task *t, bool padded)
{
    lk_graph *g = t->g;
    int64_t each[EXPERTS], longest = 0, left = TOKENS;
    for (int e = 0; e < EXPERTS; e++) {
        each[e] = e == EXPERTS - 1 ? left : left / 3;
        left -= each[e];
        longest = each[e] > longest ? each[e] : longest;
    }
    t->p[0] = lk_graph_parameter(g, 3, (const int64_t[3]){EXPERTS, FROM, INNER});
    t->p[1] = lk_graph_parameter(g, 3, (const int64_t[3]){EXPERTS, INNER, FROM});
    t->count = 2;
    lk_node x = lk_graph_input(g, 2, (const int64_t[2]){TOKENS, FROM}), h;
    t->inputs[t->input_count++] = x;
    if (!padded) {
        lk_node expert = lk_graph_input(g, 1, (const int64_t[1]){TOKENS});
        t->inputs[t->input_count++] = expert;
        h = lk_graph_grouped_matmul(g, lk_graph_unary(g, LK_SILU, lk_graph_grouped_matmul(g, x, t->p[0], expert)), t->p[1], expert);
    } else { /* the place of each row in (experts x longest), zeros between */
        lk_node place = lk_graph_input(g, 1, (const int64_t[1]){TOKENS});
        t->inputs[t->input_count++] = place;
        lk_node wide = lk_graph_reshape(g, lk_graph_scatter_add(g, x, place, EXPERTS * longest), 3, (const int64_t[3]){EXPERTS, longest, FROM});
        wide = lk_graph_matmul(g, lk_graph_unary(g, LK_SILU, lk_graph_matmul(g, wide, t->p[0])), t->p[1]);
        h = lk_graph_gather(g, lk_graph_reshape(g, wide, 2, (const int64_t[2]){EXPERTS * longest, FROM}), place);
    }
    t->loss = squares(g, h);
}

static void experts_index(task *t, bool padded)
{
    float *index = lk_graph_values(t->g, t->inputs[1]);
    int64_t left = TOKENS, i = 0;
    for (int e = 0; e < EXPERTS; e++) {
        int64_t n = e == EXPERTS - 1 ? left : left / 3, longest = TOKENS / 3;
        for (int64_t k = 0; k < n; k++, i++) {
            index[i] = (float)(padded ? e * longest + k : e);
        }
        left -= n;
    }
}

/* ---- products ---- */

/* Best of some runs of C (m x n) = A (m x k) B. */
static double sgemm(int64_t m, int64_t n, int64_t k, bool left_transposed, int steps)
{
    float *a = malloc((size_t)(m * k) * sizeof *a), *b = malloc((size_t)(k * n) * sizeof *b), *c = malloc((size_t)(m * n) * sizeof *c);
    double best = 1e300;
    for (int64_t i = 0; i < m * k; i++) {
        a[i] = 1e-3f * (float)(i % 7);
    }
    for (int64_t i = 0; i < k * n; i++) {
        b[i] = 1e-3f * (float)(i % 5);
    }
    for (int s = 0; s < steps; s++) {
        double start = now();
        cblas_sgemm(CblasRowMajor, left_transposed ? CblasTrans : CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1, a,
                    (int)(left_transposed ? m : k), b, (int)n, 0, c, (int)n);
        best = now() - start < best ? now() - start : best;
    }
    free(a);
    free(b);
    free(c);
    return best;
}

/* A convolution 3 x 3 of 64 pictures, or a dense layer of 4096 rows: value, gradient of the input and of the weights. */
static void part_time(int steps, bool convolution, int64_t side, int64_t channels)
{
    extern void openblas_set_num_threads(int);
    extern int omp_get_max_threads(void);
    lk_graph *g = NULL;
    double best = 1e300;
    check(lk_graph_new(ctx, LK_FLOAT32, &g));
    lk_node x, w, y, out[2];
    if (convolution) {
        x = lk_graph_rows(g, 4, (const int64_t[4]){64, side, side, channels});
        w = lk_graph_parameter(g, 4, (const int64_t[4]){3, 3, channels, channels});
        y = lk_graph_convolution(g, x, w, 1, 1, 1);
    } else {
        x = lk_graph_rows(g, 2, (const int64_t[2]){side, channels});
        w = lk_graph_parameter(g, 2, (const int64_t[2]){channels, channels});
        y = lk_graph_matmul(g, x, w);
    }
    lk_graph_vjp(g, y, y, (const lk_node[2]){x, w}, 2, out);
    out[0] = lk_graph_output(g, out[0]);
    out[1] = lk_graph_output(g, out[1]);
    check(lk_graph_plan(ctx, g));
    fill(g, x, 1);
    fill(g, w, 0.01f);
    for (int s = 0; s < steps; s++) {
        double start = now();
        check(lk_graph_run(ctx, g));
        best = now() - start < best ? now() - start : best;
    }
    openblas_set_num_threads(omp_get_max_threads());
    const int64_t m = convolution ? 64 * side * side : side, k = convolution ? 9 * channels : channels;
    double floor = 2 * sgemm(m, channels, k, false, steps) + sgemm(k, channels, m, true, steps);
    openblas_set_num_threads(1);
    printf("\"%s_%lld_%lld\": %.3f, ", convolution ? "convolution" : "dense", (long long)side, (long long)channels, floor / best);
    lk_graph_free(g);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "unet";
    int steps = argc > 2 ? atoi(argv[2]) : 20, threads = argc > 3 ? atoi(argv[3]) : 2;
    lk_context_options options = {.size = sizeof options, .threads = threads};
    task t = {0};
    lk_node gradient[PARAMETERS_MOST];
    lk_optimizer *optimizer = NULL;
    double start = now(), best = 1e300;
    if (lk_context_new(&ctx, &options) != LK_OK) {
        return 1;
    }
    if (strcmp(name, "products") == 0) {
        printf("{");
        part_time(steps, true, 28, 32);
        part_time(steps, true, 14, 64);
        part_time(steps, false, 4096, 128);
        part_time(steps, false, 1024, 256);
        printf("\"threads\": %d}\n", threads);
        lk_context_free(ctx);
        return 0;
    }
    check(lk_graph_new(ctx, LK_FLOAT32, &t.g));
    const bool padded = strcmp(name, "padded") == 0, runs = strcmp(name, "experts") == 0;
    if (padded || runs) {
        grouped(&t, padded);
    } else if (strcmp(name, "attention") == 0) {
        attention(&t);
    } else if (strcmp(name, "coupling") == 0) {
        described(&t, "{\"net\": \"coupling\", \"inputs\": 16, \"width\": 64}", 1024, false);
    } else {
        described(&t, "{\"net\": \"unet\"}", 64, true);
    }
    lk_graph_gradient(t.g, t.loss, t.p, t.count, gradient);
    for (int i = 0; i < t.count; i++) {
        gradient[i] = lk_graph_output(t.g, gradient[i]);
    }
    lk_node loss = lk_graph_output(t.g, t.loss);
    check(lk_graph_plan(ctx, t.g));
    for (int i = 0; i < t.count; i++) {
        fill(t.g, t.p[i], 0.05f);
    }
    if (t.net != NULL) {
        lk_net_start(t.net, t.g, t.p, 1);
    }
    for (int i = 0; i < t.input_count; i++) {
        fill(t.g, t.inputs[i], 1);
    }
    if (padded || runs) {
        experts_index(&t, padded);
    }
    check(lk_optimizer_new(ctx, t.g, t.p, gradient, t.count, NULL, &optimizer));
    double made = now() - start;
    for (int s = 0; s < steps; s++) {
        double before = now();
        check(lk_graph_run(ctx, t.g));
        check(lk_optimizer_step(ctx, optimizer));
        best = now() - before < best ? now() - before : best;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"step_ms\": %.4f, \"start_ms\": %.3f, \"tensor_mb\": %.2f, \"peak_mb\": %.1f, \"loss\": %.6f}\n", 1e3 * best, 1e3 * made,
           (double)lk_graph_bytes(t.g) / 1048576, (double)usage.ru_maxrss / 1024, (double)*(const float *)lk_graph_values(t.g, loss));
    lk_optimizer_free(optimizer);
    lk_net_free(t.net);
    lk_graph_free(t.g);
    lk_context_free(ctx);
    return 0;
}

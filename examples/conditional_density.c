/* Trains a conditional density of its own making: p(y given x) as a mixture of two normals whose weights, means and spreads a net tells. */
#include <likely/likely.h>
#include <math.h>
#include <stdio.h>

enum { ROWS = 256, STEPS = 1500, PARAMETERS_MOST = 16 };

/* A number within (0, 1), and one of the normal distribution. */
static double uniform(void)
{
    static unsigned long long state = 1;
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return ((double)(state >> 12) + 0.5) / 4503599627370496.0;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* y is +(1/2 + x^2) or -(1/2 + x^2), with noise of .1: its mean says nothing, its density all. */
static void draw(float *x, float *y)
{
    for (int i = 0; i < ROWS; i++) {
        x[i] = (float)(2 * uniform() - 1);
        y[i] = (float)((uniform() < 0.5 ? -1 : 1) * (0.5 + (double)(x[i] * x[i])) + 0.1 * normal());
    }
}

int main(void)
{
    const int64_t column[2] = {ROWS, 1};
    const double truth = log(0.5) - log(0.1) - 0.5 * log(2 * 3.141592653589793) - 0.5; /* where the two do not overlap */
    double sum = 0;
    lk_context *ctx = NULL;
    lk_graph *g = NULL;
    lk_net *net = NULL;
    lk_optimizer *optimizer = NULL;
    lk_node p[PARAMETERS_MOST], slope[PARAMETERS_MOST];
    int ok = lk_context_new(&ctx, NULL) == LK_OK && lk_graph_new(ctx, LK_FLOAT32, &g) == LK_OK &&
             lk_net_new(ctx, "{\"net\": \"mlp\", \"inputs\": 1, \"outputs\": 6, \"width\": 32}", &net) == LK_OK;
    if (ok) {
        /* log p = log sum_k softmax(w)_k N(y; m_k, s_k), with (w, m, log s) the six outputs */
        lk_net_parameters(net, g, p);
        lk_node x = lk_graph_rows(g, 2, column), y = lk_graph_rows(g, 2, column), out = lk_net_apply(net, g, p, x, -1, NULL);
        lk_node weight = lk_graph_slice(g, out, 1, 0, 2, 1), mean = lk_graph_slice(g, out, 1, 2, 2, 1), log_sd = lk_graph_slice(g, out, 1, 4, 2, 1);
        lk_node inverse = lk_graph_unary(g, LK_EXP, lk_graph_affine(g, log_sd, -1, 0));
        lk_node z = lk_graph_binary(g, LK_MULTIPLY, lk_graph_binary(g, LK_SUBTRACT, y, mean), inverse);
        lk_node part = lk_graph_binary(g, LK_SUBTRACT, lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, z), -0.5, -0.918938533204673), log_sd);
        lk_node joint = lk_graph_log_sum_exp(g, lk_graph_binary(g, LK_ADD, weight, part), 2);
        lk_node log_p = lk_graph_binary(g, LK_SUBTRACT, joint, lk_graph_log_sum_exp(g, weight, 2));
        lk_node loss = lk_graph_affine(g, lk_graph_mean(g, log_p, -1), -1, 0);
        int count = lk_net_parameter_count(net);
        lk_graph_gradient(g, loss, p, count, slope);
        for (int i = 0; i < count; i++) {
            slope[i] = lk_graph_output(g, slope[i]);
        }
        loss = lk_graph_output(g, loss);
        lk_optimizer_options how = {.size = sizeof how, .rate = 0.01, .steps = STEPS, .clip = 5};
        ok = lk_graph_plan(ctx, g) == LK_OK && lk_optimizer_new(ctx, g, p, slope, count, &how, &optimizer) == LK_OK;
        lk_net_start(net, g, p, 1);
        for (int step = 0; ok && step < STEPS; step++) { /* every batch is new, so the last losses are those of new rows */
            draw(lk_graph_values(g, x), lk_graph_values(g, y));
            ok = lk_graph_run(ctx, g) == LK_OK && lk_optimizer_step(ctx, optimizer) == LK_OK;
            sum += step >= STEPS - 100 ? -(double)*(const float *)lk_graph_values(g, loss) / 100 : 0;
        }
    }
    printf(ok ? "log density of new rows: %.3f nats, at best %.3f\n" : "failed\n", sum, truth);
    lk_optimizer_free(optimizer);
    lk_net_free(net);
    lk_graph_free(g);
    lk_context_free(ctx);
    return ok && sum > truth - 0.05 && sum < truth + 0.05 ? 0 : 1;
}

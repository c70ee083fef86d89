/* A mixture-of-experts layer: each row goes to the few experts that its router chooses, sorted by expert, without padding. */
#include "grad/architecture.h"

#include <math.h>

/* out = sum over the chosen e of p_e expert_e(x), p = softmax(x R) (Shazeer et al. 2017, arXiv:1701.06538). Rows are read in the order of
 * their experts, go through two grouped products, and are added back where they came from (Tan et al. 2024, arXiv:2403.08245). */

/* The number of the largest entry of each row, the first among equals; `at` counts the columns. */
static lk_node largest(lk_graph *g, lk_node scores, lk_node at, int64_t columns)
{
    lk_node most = lk_graph_binary(g, LK_EQUAL, scores, lk_graph_max(g, scores, 2));
    lk_node number = lk_graph_select(g, most, at, lk_graph_constant(g, (double)columns));
    return lk_graph_affine(g, lk_graph_max(g, lk_graph_affine(g, number, -1, 0), 2), -1, 0);
}

/* 1 = rows go to all experts alike: E sum_e (share of the rows that e got) (mean p_e). */
static lk_node unevenness(lk_graph *g, lk_node p, lk_node first, int64_t experts)
{
    lk_node share = lk_graph_mean(g, lk_graph_stop(g, first), 1), mean = lk_graph_mean(g, p, 1);
    return lk_graph_affine(g, lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, share, mean), -1), (double)experts, 0);
}

static lk_node biased(lki_builder *b, lk_node x, lk_node expert, int64_t experts, int64_t to, double gain)
{
    const int64_t from = lki_net_last(b, x), matrix[3] = {experts, from, to}, row[2] = {experts, to};
    lk_node w = lki_net_parameter(b, 3, matrix, gain, 0), bias = lki_net_parameter(b, 2, row, 0, 0);
    return lk_graph_binary(b->g, LK_ADD, lk_graph_grouped_matmul(b->g, x, w, expert), lk_graph_gather(b->g, bias, expert));
}

static lk_node experts_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    lk_graph *g = b->g;
    const int64_t experts = lki_net_value(b->net, "experts"), chosen = lki_net_value(b->net, "chosen"), width = lki_net_value(b->net, "width");
    int64_t s[LK_AXES_MAX] = {1, 1};
    lk_graph_shape(g, x, s);
    (void)second;
    if (chosen > experts) {
        return lki_graph_mistake(g, "experts: %lld chosen of %lld", (long long)chosen, (long long)experts);
    }
    const double from = (double)lki_net_value(b->net, "inputs");
    lk_node scores = lki_net_dense(b, x, experts, 1), p = lk_graph_softmax(g, scores, 1), left = lk_graph_stop(g, scores);
    lk_node at = lki_net_count_up(g, experts), index = -1, gate = -1;
    for (int64_t k = 0; k < chosen; k++) {
        lk_node which = largest(g, left, at, experts), one = lk_graph_binary(g, LK_EQUAL, which, at);
        lk_node weight = lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, p, one), 2);
        left = lk_graph_select(g, one, lk_graph_constant(g, -1e30), left);
        index = index < 0 ? which : lk_graph_concat(g, index, which, 0);
        gate = gate < 0 ? weight : lk_graph_concat(g, gate, weight, 0);
        if (k == 0) {
            *also = unevenness(g, p, one, experts);
        }
    }
    const int64_t tokens = s[0] * chosen;
    lk_node order = lk_graph_order(g, lk_graph_reshape(g, index, 1, &tokens)), row = order;
    for (int64_t k = 1; k < chosen; k++) { /* the row of a token: its number less a multiple of the rows */
        lk_node beyond = lk_graph_unary(g, LK_STEP, lk_graph_affine(g, order, 1, 0.5 - (double)(k * s[0])));
        row = lk_graph_binary(g, LK_SUBTRACT, row, lk_graph_affine(g, beyond, (double)s[0], 0));
    }
    lk_node expert = lk_graph_reshape(g, lk_graph_gather(g, lk_graph_reshape(g, index, 2, (const int64_t[2]){tokens, 1}), order), 1, &tokens);
    lk_node h = lki_net_activate(b, biased(b, lk_graph_gather(g, x, row), expert, experts, width, sqrt(2 / from)));
    lk_node y = biased(b, h, expert, experts, lki_net_value(b->net, "outputs"), sqrt(1 / (double)width));
    y = lk_graph_binary(g, LK_MULTIPLY, y, lk_graph_gather(g, gate, order));
    return lk_graph_scatter_add(g, y, row, s[0]);
}

static int experts_shape(const lk_net *net, int which, int64_t *shape)
{
    shape[1] = lki_net_value(net, "inputs");
    return which == 0 ? 2 : 0;
}

static const lki_net_option options[] = {
    {"inputs", 0, 1, 1 << 20, NULL}, {"outputs", 1, 1, 1 << 20, NULL}, {"experts", 8, 1, 4096, NULL},
    {"chosen", 2, 1, 64, NULL},      {"width", 64, 1, 1 << 16, NULL},  {"activation", 0, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_experts = {.name = "experts", .options = options, .option_count = 6, .shape = experts_shape, .build = experts_build};

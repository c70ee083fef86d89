/* Random tensors on counter-based streams: a draw depends on (seed, stream, run, row) alone. */
#include "core/philox.h"
#include "grad/graph.h"


lk_node lk_graph_random(lk_graph *g, lk_law law, int axes, const int64_t *shape, int64_t seed, int64_t stream)
{
    lki_node node = {.op = LKI_OP_RANDOM, .code = (int)law, .axes = axes, .whole = {seed, stream}};
    if (g->building == NULL || (law != LK_LAW_UNIFORM && law != LK_LAW_NORMAL) || axes < 0 || axes > LK_AXES_MAX) {
        return lki_graph_mistake(g, "random: law %d over %d axes; it is one of lk_law, over up to %d axes of a graph being built", (int)law,
                                 axes, LK_AXES_MAX);
    }
    for (int i = 0; i < axes; i++) {
        node.shape[i] = shape[i];
    }
    return lki_graph_node(g, &node);
}

static lk_status random_run(const lki_work *w)
{
    const lki_node *node = w->node;
    const lk_graph *g = w->graph;
    int64_t rows = node->axes > 0 ? node->shape[0] : 1, width = lki_node_count(node) / rows;
    for (int64_t i = w->first; i < w->last; i++) {
        uint64_t row = (uint64_t)g->run_number * (uint64_t)rows + (uint64_t)i;
        lki_stream s = lki_stream_new((uint64_t)node->whole[0], LKI_STREAM_GRAPH + ((uint64_t)node->whole[1] << 8), row);
        for (int64_t j = 0; j < width; j++) {
            double v = node->code == LK_LAW_UNIFORM ? lki_random_uniform(&s) : lki_random_normal(&s);
            if (g->precision == LK_FLOAT32) {
                ((float *)(void *)node->data)[i * width + j] = (float)v;
            } else {
                ((double *)(void *)node->data)[i * width + j] = v;
            }
        }
    }
    return LK_OK;
}

static double random_work(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return 30.0 * (double)lki_node_count(node);
}

extern const lki_op lki_random_op;
const lki_op lki_random_op = {.name = "random", .run = random_run, .work = random_work};

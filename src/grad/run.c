/* One run of a planned graph: phase after phase, the tasks of each over threads, without an allocation. */
#include "core/reduce.h"
#include "grad/graph.h"
#include "math/blas.h"

/* Flops below which a phase is not worth waking other threads for; the bits are the same. */
static const double PHASE_WORK = 4e6;

typedef struct replay {
    const lk_graph *graph;
    const lki_phase *phase;
} replay;

/* The thread's nodes with the places that hold rows from `first` on: row i of a node stands where it would if all rows were there. */
static const lk_graph *settle(const replay *r, int thread, int64_t first)
{
    const lk_graph *g = r->graph;
    if (g->copies == NULL) {
        return g;
    }
    lk_graph *own = &g->copies[thread];
    char *memory = g->alone + (size_t)thread * (size_t)g->alone_bytes;
    own->run_number = g->run_number;
    for (lk_node n = 0; n < g->count; n++) {
        lki_node *node = &own->nodes[n];
        const lki_node *base = &own->nodes[node->base];
        if (base->alone) {
            node->data = node->view ? base->data + node->offset * (int64_t)g->bytes
                                    : memory + node->alone_at - first * node->stride[0] * (int64_t)g->bytes;
        }
    }
    return own;
}

/* A block of rows goes through all nodes of the phase. */
static lk_status run_rows(lk_context *ctx, const replay *r, int64_t block, int thread, char *scratch)
{
    int64_t first = block * r->graph->block_rows, last = first + r->graph->block_rows;
    last = last < r->graph->rows ? last : r->graph->rows;
    const lk_graph *g = settle(r, thread, first);
    for (int32_t i = r->phase->first; i < r->phase->first + r->phase->count; i++) {
        const lki_node *node = &g->nodes[g->order[i]];
        lki_work work = {.ctx = ctx, .graph = g, .node = node, .first = first, .last = last, .scratch = scratch};
        LKI_TRY(lki_ops[node->op]->run(&work));
    }
    return LK_OK;
}

/* Some units of the node that the task belongs to: the last one whose tasks begin at or before it. */
static lk_status run_units(lk_context *ctx, const replay *r, int64_t task, char *scratch)
{
    const lk_graph *g = r->graph;
    int32_t low = 0, high = r->phase->count - 1;
    while (low < high) {
        int32_t middle = high - (high - low) / 2;
        if (g->nodes[g->order[r->phase->first + middle]].first_task <= task) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    const lki_node *node = &g->nodes[g->order[r->phase->first + low]];
    int64_t units = lki_node_units(g, node), grain = lki_node_grain(g, node), first = (task - node->first_task) * grain;
    lki_work work = {.ctx = ctx, .graph = g, .node = node, .first = first, .last = first + grain < units ? first + grain : units, .scratch = scratch};
    return lki_ops[node->op]->run(&work);
}

static lk_status run_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const replay *r = state;
    char *scratch = r->graph->scratch == NULL ? NULL : r->graph->scratch + (size_t)thread * (size_t)r->graph->scratch_bytes;
    return r->phase->batched ? run_rows(ctx, r, index, thread, scratch) : run_units(ctx, r, index, scratch);
}

static lk_status run_phase(lk_context *ctx, const lk_graph *g, const lki_phase *phase)
{
    replay r = {g, phase};
    if (phase->work >= PHASE_WORK && lki_threads(ctx) > 1 && lki_threads(ctx) <= g->threads) {
        return lki_parallel(ctx, phase->tasks, run_task, &r);
    }
    for (int64_t i = 0; i < phase->tasks; i++) {
        LKI_TRY(run_task(ctx, &r, 0, i));
    }
    return LK_OK;
}

lk_status lk_graph_run(lk_context *ctx, lk_graph *g)
{
    lk_status status = LK_OK;
    lki_begin(ctx);
    if (g->building != NULL || g->arena == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the graph is not planned: call lk_graph_plan() first");
    }
    LKI_TRY(lki_cancelled(ctx));
    lki_blas_enter();
    for (int32_t p = 0; p < g->phase_count && status == LK_OK; p++) {
        status = run_phase(ctx, g, &g->phases[p]);
    }
    lki_blas_leave();
    g->run_number += status == LK_OK;
    return status;
}

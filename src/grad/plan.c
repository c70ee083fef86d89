/* The plan of a graph: which nodes are computed when, in which memory. Everything in it depends on the graph alone. */
#include "grad/graph.h"

#include <stdio.h>
#include <string.h>

/* Rows of a batched phase that go through all of its nodes together: enough for a matrix product to be efficient, few enough for
 * what is between layers to stay in the cache, and many blocks for threads to share. A tensor's part of a block is at most BLOCK_BYTES. */
enum { BLOCK_BYTES = 512 * 1024 };

static int64_t block_rows_of(const lk_graph *g)
{
    int64_t rows = g->rows >= 512 ? 128 : g->rows >= 128 ? 64 : 32, longest = 1;
    for (lk_node n = 0; n < g->count; n++) {
        const lki_node *node = &g->nodes[n];
        int64_t bytes = node->batched && node->needed && !node->view ? node->stride[0] * (int64_t)g->bytes : 0;
        longest = bytes > longest ? bytes : longest;
    }
    int64_t most = BLOCK_BYTES / longest;
    return most < 1 ? 1 : most < rows ? most : rows;
}

/* A task is worth waking a thread for, and a matrix product is not cut below 128 rows, where packing would begin to count. */
enum { TASKS_MOST = 16, TASK_WORK = 200000, PRODUCT_ROWS = 128 };

int64_t lki_node_units(const lk_graph *g, const lki_node *node)
{
    const lki_op *op = lki_ops[node->op];
    return op->units != NULL ? op->units(g, node) : node->axes > 0 ? node->shape[0] : 1;
}

static double work_of(const lk_graph *g, const lki_node *node)
{
    const lki_op *op = lki_ops[node->op];
    return op->work != NULL ? op->work(g, node) : (double)lki_node_count(node);
}

int64_t lki_node_grain(const lk_graph *g, const lki_node *node)
{
    int64_t units = lki_node_units(g, node);
    double tasks = work_of(g, node) / TASK_WORK;
    tasks = tasks > TASKS_MOST ? TASKS_MOST : tasks;
    int64_t grain = tasks > 1.0 ? (int64_t)((double)units / tasks) + 1 : units;
    bool product = node->op == LKI_OP_MATMUL && node->axes == 2;
    grain = product && grain < PRODUCT_ROWS ? PRODUCT_ROWS : grain;
    return grain < units ? grain : units;
}

/* ---- when ---- */

/* A leaf has its values before the run. */
static bool is_leaf(const lki_node *node)
{
    return lki_ops[node->op]->run == NULL && !node->view;
}

static void mark_needed(lk_graph *g)
{
    for (int32_t n = g->count - 1; n >= 0; n--) {
        lki_node *node = &g->nodes[n];
        node->needed = node->needed || (node->kept && !is_leaf(node));
        for (int i = 0; node->needed && i < node->input_count; i++) {
            g->nodes[node->in[i]].needed = true;
            g->nodes[g->nodes[node->in[i]].base].needed = true;
        }
    }
}

/* Whether all that a node reads is there by `phase`; within a batched phase, row by row. */
static bool is_ready(const lk_graph *g, const lki_node *node, int phase)
{
    for (int i = 0; i < node->input_count; i++) {
        const lki_node *x = &g->nodes[node->in[i]], *base = &g->nodes[x->base];
        bool before = is_leaf(base) || (base->phase >= 0 && base->phase < phase);
        bool beside = base->phase == phase && node->batched && x->batched;
        if (!before && !beside) {
            return false;
        }
    }
    return true;
}

/* Takes every node that is ready for a phase of this kind; returns how many. */
static int32_t fill_phase(lk_graph *g, bool batched, int32_t ordered)
{
    int32_t first = ordered;
    int phase = g->phase_count;
    for (lk_node n = 0; n < g->count; n++) {
        lki_node *node = &g->nodes[n];
        bool waits = node->needed && !node->view && !is_leaf(node) && node->phase < 0;
        if (waits && node->batched == batched && is_ready(g, node, phase)) {
            node->phase = phase;
            g->order[ordered++] = n;
        }
    }
    if (ordered > first) {
        g->phases[g->phase_count++] = (lki_phase){.batched = batched, .first = first, .count = ordered - first};
    }
    return ordered - first;
}

static lk_status order_nodes(lk_context *ctx, lk_graph *g)
{
    size_t n = (size_t)g->count;
    LKI_TRY(lki_zeros(ctx, n, sizeof *g->order, &g->order));
    LKI_TRY(lki_zeros(ctx, n, sizeof *g->phases, &g->phases));
    int32_t ordered = 0, idle = 0;
    for (bool batched = false; idle < 2; batched = !batched) {
        int32_t taken = fill_phase(g, batched, ordered);
        idle = taken > 0 ? 0 : idle + 1;
        ordered += taken;
    }
    return LK_OK;
}

static void count_tasks(lk_graph *g)
{
    for (int32_t p = 0; p < g->phase_count; p++) {
        lki_phase *phase = &g->phases[p];
        phase->tasks = phase->batched ? (g->rows + g->block_rows - 1) / g->block_rows : 0;
        for (int32_t i = phase->first; i < phase->first + phase->count; i++) {
            lki_node *node = &g->nodes[g->order[i]];
            phase->work += work_of(g, node);
            if (!phase->batched) {
                int64_t grain = lki_node_grain(g, node);
                node->first_task = phase->tasks;
                phase->tasks += (lki_node_units(g, node) + grain - 1) / grain;
            }
        }
    }
}

/* ---- where ---- */

/* A piece of the arena that is taken from its first phase to its last. */
typedef struct slot {
    int64_t bytes, offset;
    int first, last;
    int64_t row_bytes; /* of the batched phase that may use it again; 0 = none */
    bool alone;        /* in a thread's own memory, for a block of rows */
} slot;

typedef struct placing {
    lk_graph *g;
    slot *slots;
    int32_t *slot_of;    /* of each node */
    int32_t *last_phase; /* in which each node is read; its own if none */
    int32_t *last_place; /* and the last place of `order` there */
    int32_t *spare;      /* slots of the running phase that are free again */
    int32_t slot_count, spare_count;
} placing;

static int64_t bytes_of(const lk_graph *g, const lki_node *node)
{
    return (lki_node_count(node) * (int64_t)g->bytes + 63) / 64 * 64;
}

static void find_last_uses(placing *p)
{
    const lk_graph *g = p->g;
    int32_t ordered = g->phase_count > 0 ? g->phases[g->phase_count - 1].first + g->phases[g->phase_count - 1].count : 0;
    for (int32_t i = 0; i < ordered; i++) {
        const lki_node *node = &g->nodes[g->order[i]];
        p->last_phase[g->order[i]] = node->phase;
        p->last_place[g->order[i]] = i;
        for (int k = 0; k < node->input_count; k++) {
            lk_node base = g->nodes[node->in[k]].base;
            p->last_phase[base] = node->phase;
            p->last_place[base] = i;
        }
    }
}

/* A slot for a node: one that is free again in this batched phase and has rows of the same length, else a new one. Rows of equal
 * length lie at the same place for every block, so blocks do not get in each other's way. What no other phase reads needs room for a block
 * alone, in each thread's own memory. */
static void take_slot(placing *p, lk_node n, bool batched)
{
    lki_node *node = &p->g->nodes[n];
    int64_t row_bytes = batched ? node->stride[0] * (int64_t)p->g->bytes : 0;
    node->alone = batched && p->last_phase[n] == node->phase;
    for (int32_t i = 0; batched && i < p->spare_count; i++) {
        slot *s = &p->slots[p->spare[i]];
        if (s->row_bytes == row_bytes && s->alone == node->alone) {
            s->last = p->last_phase[n] > s->last ? p->last_phase[n] : s->last;
            p->slot_of[n] = p->spare[i];
            p->spare[i] = p->spare[--p->spare_count];
            return;
        }
    }
    int64_t bytes = node->alone ? (p->g->block_rows * row_bytes + 63) / 64 * 64 : bytes_of(p->g, node);
    p->slots[p->slot_count] = (slot){.bytes = bytes, .first = node->phase, .last = p->last_phase[n], .row_bytes = row_bytes, .alone = node->alone};
    p->slot_of[n] = p->slot_count++;
}

static void give_slots_back(placing *p, const lki_node *reader, int32_t place)
{
    for (int i = 0; i < reader->input_count; i++) {
        lk_node base = p->g->nodes[reader->in[i]].base;
        const lki_node *node = &p->g->nodes[base];
        bool done = p->slot_of[base] >= 0 && node->phase == reader->phase && p->last_phase[base] == reader->phase &&
                    p->last_place[base] == place;
        for (int k = 0; k < i; k++) {
            done = done && p->g->nodes[reader->in[k]].base != base;
        }
        if (done) {
            p->spare[p->spare_count++] = p->slot_of[base];
        }
    }
}

static void take_slots(placing *p)
{
    for (int32_t f = 0; f < p->g->phase_count; f++) {
        const lki_phase *phase = &p->g->phases[f];
        p->spare_count = 0;
        for (int32_t i = phase->first; i < phase->first + phase->count; i++) {
            lk_node n = p->g->order[i];
            if (!p->g->nodes[n].kept) {
                take_slot(p, n, phase->batched);
            }
            if (phase->batched) {
                give_slots_back(p, &p->g->nodes[n], i);
            }
        }
    }
}

/* The lowest place for slot s among those before it that are taken at the same time. */
static int64_t place_slot(const placing *p, int32_t s)
{
    int64_t offset = 0;
    bool moved = true;
    while (moved) {
        moved = false;
        for (int32_t i = 0; i < s; i++) {
            const slot *a = &p->slots[i], *b = &p->slots[s];
            bool together = a->alone == b->alone && a->first <= b->last && b->first <= a->last;
            if (together && a->offset < offset + b->bytes && offset < a->offset + a->bytes) {
                offset = a->offset + a->bytes;
                moved = true;
            }
        }
    }
    return offset;
}

static void write_constant(const lk_graph *g, lki_node *node)
{
    if (g->precision == LK_FLOAT32) {
        *(float *)(void *)node->data = (float)node->real[0];
    } else {
        *(double *)(void *)node->data = node->real[0];
    }
}

/* Offsets of all nodes: what is kept first, then the slots; then the arena itself. */
static lk_status place_nodes(lk_context *ctx, placing *p)
{
    lk_graph *g = p->g;
    int64_t kept = 0, most = 0;
    for (int32_t n = 0; n < g->count; n++) {
        kept += g->nodes[n].kept ? bytes_of(g, &g->nodes[n]) : 0;
    }
    for (int32_t s = 0; s < p->slot_count; s++) {
        p->slots[s].offset = place_slot(p, s);
        int64_t end = p->slots[s].offset + p->slots[s].bytes, *so_far = p->slots[s].alone ? &g->alone_bytes : &most;
        *so_far = end > *so_far ? end : *so_far;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)(kept + most), 1, &g->arena));
    memset(g->arena, 0, (size_t)kept); /* the rest is written before it is read */
    g->arena_bytes = kept + most;
    char *at = g->arena;
    for (int32_t n = 0; n < g->count; n++) {
        lki_node *node = &g->nodes[n];
        if (node->kept) {
            node->data = at;
            at += bytes_of(g, node);
        } else if (node->alone) {
            node->alone_at = p->slots[p->slot_of[n]].offset;
        } else if (p->slot_of[n] >= 0) {
            node->data = g->arena + kept + p->slots[p->slot_of[n]].offset;
        }
        if (node->view && g->nodes[node->base].data != NULL) {
            node->data = g->nodes[node->base].data + (size_t)node->offset * g->bytes;
        }
        if (node->op == LKI_OP_CONSTANT) {
            write_constant(g, node);
        }
    }
    return LK_OK;
}

static lk_status place(lk_context *ctx, lk_graph *g)
{
    placing p = {.g = g};
    lk_status status = LK_OK;
    size_t n = (size_t)g->count;
    int32_t *lists = NULL;
    LKI_GOTO(status, done, lki_zeros(ctx, n, sizeof *p.slots, &p.slots));
    LKI_GOTO(status, done, lki_zeros(ctx, n, 4 * sizeof *lists, &lists));
    p.slot_of = lists;
    p.last_phase = lists + n;
    p.last_place = lists + 2 * n;
    p.spare = lists + 3 * n;
    for (size_t i = 0; i < n; i++) {
        p.slot_of[i] = -1;
    }
    find_last_uses(&p);
    take_slots(&p);
    status = place_nodes(ctx, &p);
done:
    lki_release(ctx, p.slots);
    lki_release(ctx, lists);
    return status;
}

/* Each thread's copy of the nodes, and memory for a block of the rows that no other phase reads. */
static lk_status copies_make(lk_context *ctx, lk_graph *g)
{
    LKI_TRY(lki_zeros(ctx, (size_t)g->threads, sizeof *g->copies, &g->copies));
    for (int t = 0; t < g->threads; t++) {
        lki_node *nodes = NULL;
        LKI_TRY(lki_allocate(ctx, (size_t)g->count, sizeof *nodes, &nodes));
        memcpy(nodes, g->nodes, (size_t)g->count * sizeof *nodes);
        g->copies[t] = *g;
        g->copies[t].nodes = nodes;
    }
    return lki_allocate(ctx, lki_product((size_t)g->threads, (size_t)g->alone_bytes), 1, &g->alone);
}

/* What tasks need for themselves, once for each thread. */
static lk_status scratch_make(lk_context *ctx, lk_graph *g)
{
    for (lk_node n = 0; n < g->count; n++) {
        const lki_node *node = &g->nodes[n];
        int64_t bytes = node->phase >= 0 && lki_ops[node->op]->scratch != NULL ? lki_ops[node->op]->scratch(g, node) : 0;
        bytes = (bytes + 63) / 64 * 64;
        g->scratch_bytes = bytes > g->scratch_bytes ? bytes : g->scratch_bytes;
    }
    return g->scratch_bytes == 0 ? LK_OK : lki_allocate(ctx, lki_product((size_t)g->threads, (size_t)g->scratch_bytes), 1, &g->scratch);
}

lk_status lk_graph_plan(lk_context *ctx, lk_graph *g)
{
    bool output = false;
    lki_begin(ctx);
    if (g->status != LK_OK) {
        return lki_fail(ctx, g->status, "%s", g->mistake);
    }
    if (g->building == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the graph is planned already");
    }
    mark_needed(g);
    for (int32_t n = 0; n < g->count && !output; n++) {
        output = g->nodes[n].kept && !is_leaf(&g->nodes[n]);
    }
    if (!output) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the graph has no output: name one by lk_graph_output()");
    }
    g->block_rows = block_rows_of(g);
    lk_status status = order_nodes(ctx, g);
    if (status == LK_OK) {
        count_tasks(g);
        status = place(ctx, g);
    }
    if (status == LK_OK) {
        g->threads = lki_threads(ctx);
        status = scratch_make(ctx, g);
    }
    if (status == LK_OK && g->alone_bytes > 0) {
        status = copies_make(ctx, g);
    }
    if (status != LK_OK) {
        g->status = status;
        snprintf(g->mistake, sizeof g->mistake, "the graph could not be planned: %s", lk_status_text(status));
        return status;
    }
    g->building = NULL;
    return LK_OK;
}

/* A tilted model by a tree of denoising paths (Jain et al. 2025, arXiv:2506.20701): paths share their beginnings, rewards of their ends are backed
 * up, and later paths go where exp of the value is. */
#include "score/tilt.h"

#include "math/elementary.h"

#include <math.h>
#include <string.h>

/* A state at the noise of its step; its children are draws of the next state given it. value: of an end its reward r, else log of the mean of exp(value)
 * over its children. */
typedef struct node {
    int64_t step, visits, children, first, next; /* first child, next sibling, -1 = none */
    double value;
} node;

typedef struct tree {
    const lk_tilt *t;
    node *nodes;
    double *x; /* nodes x d */
    size_t node_capacity, x_capacity;
    int64_t count;
    double *values; /* scratch for the children of one node */
    int64_t *path, *ids; /* steps + 2; children */
    size_t value_capacity, id_capacity;
    double *clean, *z, *work;
} tree;

/* A node is given another child while it has fewer than its visits to this power. */
#define WIDENING 0.75
/* One in so many ways down goes to any child: a value that the first path through a child made too low would else keep others away for good. */
#define EXPLORING 0.5

static lk_status add(lk_context *ctx, tree *g, int64_t parent, int64_t *out)
{
    const int64_t d = g->t->d, id = g->count, step = parent < 0 ? g->t->steps + 1 : g->nodes[parent].step - 1;
    LKI_TRY(lki_grow(ctx, &g->nodes, &g->node_capacity, (size_t)id + 1, sizeof *g->nodes));
    LKI_TRY(lki_grow(ctx, &g->x, &g->x_capacity, (size_t)(id + 1) * (size_t)d, sizeof *g->x));
    g->nodes[id] = (node){.step = step, .first = -1, .next = -1};
    if (parent >= 0) {
        lki_stream s = lki_stream_new(g->t->seed, LKI_STREAM_TILT, (uint64_t)id + (1ull << 62));
        double *x = g->x + id * d;
        if (step == g->t->steps) {
            lki_tilt_start(g->t, &s, x);
        } else {
            LKI_TRY(lki_tilt_denoise(ctx, g->t, step + 1, g->x + parent * d, 1, g->clean, g->z));
            memcpy(x, g->x + parent * d, (size_t)d * sizeof *x);
            lki_tilt_step(g->t, step + 1, g->clean, d, &s, x);
        }
        g->nodes[id].next = g->nodes[parent].first;
        g->nodes[parent].first = id;
        g->nodes[parent].children++;
    }
    g->count++;
    *out = id;
    return LK_OK;
}

/* Values of a node's children, and who they are. */
static lk_status children_of(lk_context *ctx, tree *g, int64_t id, int64_t *count)
{
    const node *n = &g->nodes[id];
    LKI_TRY(lki_grow(ctx, &g->values, &g->value_capacity, (size_t)n->children + 1, sizeof *g->values));
    LKI_TRY(lki_grow(ctx, &g->ids, &g->id_capacity, (size_t)n->children + 1, sizeof *g->ids));
    *count = 0;
    for (int64_t c = n->first; c >= 0; c = g->nodes[c].next) {
        g->ids[*count] = c;
        g->values[(*count)++] = g->nodes[c].value;
    }
    return LK_OK;
}

/* A child in proportion to exp of its value; -1 where all have value -inf. */
static lk_status descend(lk_context *ctx, tree *g, int64_t id, double uniform, int64_t *child)
{
    int64_t count;
    LKI_TRY(children_of(ctx, g, id, &count));
    const double all = lki_log_sum_exp(count, g->values);
    *child = isfinite(all) ? g->ids[count - 1] : g->ids[0];
    for (int64_t i = 0; i < count - 1 && isfinite(all); i++) {
        uniform -= exp(g->values[i] - all);
        if (uniform <= 0.0) {
            *child = g->ids[i];
            break;
        }
    }
    return LK_OK;
}

/* One path from the root to an end: known ways while a node has children enough, then a new one. */
static lk_status rollout(lk_context *ctx, tree *g, int64_t number)
{
    lki_stream s = lki_stream_new(g->t->seed, LKI_STREAM_TILT, (uint64_t)number + (1ull << 61));
    int64_t length = 0, id = 0, count;
    g->path[length++] = 0;
    while (g->nodes[id].step > 0) {
        node *n = &g->nodes[id];
        n->visits++;
        const double width = ceil(pow((double)n->visits, WIDENING));
        int64_t next;
        if ((double)n->children < width && (n->step > 1 || n->children == 0)) { /* the last step adds no noise: one child */
            LKI_TRY(add(ctx, g, id, &next));
        } else if (n->children > 1 && lki_random_uniform(&s) < EXPLORING) {
            int64_t left = lki_random_below(&s, n->children);
            for (next = n->first; left > 0; left--) {
                next = g->nodes[next].next;
            }
        } else {
            LKI_TRY(descend(ctx, g, id, lki_random_uniform(&s), &next));
        }
        id = next;
        g->path[length++] = id;
    }
    const double r = lki_tilt_reward(g->t, g->x + id * g->t->d, g->work);
    g->nodes[id].value = isnan(r) ? -(double)INFINITY : r;
    for (int64_t i = length - 2; i >= 0; i--) {
        LKI_TRY(children_of(ctx, g, g->path[i], &count));
        g->nodes[g->path[i]].value = lki_log_sum_exp(count, g->values) - log((double)count);
    }
    return LK_OK;
}

/* Ends reached from the root by values, systematically: sorted by the tree, so that few are taken twice. */
static lk_status draw(lk_context *ctx, tree *g, int64_t rows, double *out)
{
    const int64_t d = g->t->d;
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(g->t->seed, LKI_STREAM_TILT, (uint64_t)i + (3ull << 61));
        int64_t id = 0;
        while (g->nodes[id].step > 0) {
            LKI_TRY(descend(ctx, g, id, lki_random_uniform(&s), &id));
        }
        memcpy(out + i * d, g->x + id * d, (size_t)d * sizeof *out);
    }
    return LK_OK;
}

/* Probability of each end under the descent: the effective number of them. */
static lk_status effective_ends(lk_context *ctx, tree *g, double *out)
{
    double *chance, squares = 0.0;
    LKI_TRY(lki_zeros(ctx, (size_t)g->count, sizeof *chance, &chance));
    chance[0] = 1.0;
    lk_status status = LK_OK;
    for (int64_t id = 0; id < g->count && status == LK_OK; id++) { /* parents stand before their children */
        int64_t count;
        if (g->nodes[id].step == 0) {
            squares += chance[id] * chance[id];
            continue;
        }
        status = children_of(ctx, g, id, &count);
        const double all = status == LK_OK ? lki_log_sum_exp(count, g->values) : 0.0;
        for (int64_t i = 0; i < count && status == LK_OK && isfinite(all); i++) {
            chance[g->ids[i]] = chance[id] * exp(g->values[i] - all);
        }
    }
    *out = squares > 0.0 ? 1.0 / squares : 0.0;
    lki_release(ctx, chance);
    return status;
}

static lk_status grow(lk_context *ctx, tree *g, lk_tilt *t, int64_t rows, double *out)
{
    const int64_t rollouts = t->rollouts > 0 ? t->rollouts : 10 * rows;
    int64_t root;
    LKI_TRY(lki_allocate(ctx, (size_t)t->steps + 2, sizeof *g->path, &g->path));
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)t->d + (size_t)lki_tilt_work(t), sizeof *g->clean, &g->clean));
    g->z = g->clean + t->d;
    g->work = g->z + t->d;
    LKI_TRY(add(ctx, g, -1, &root));
    for (int64_t i = 0; i < rollouts; i++) {
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(rollout(ctx, g, i));
        lki_progress(ctx, "tree", (double)(i + 1), (double)rollouts, "");
    }
    t->log_mean = g->nodes[0].value;
    if (!isfinite(t->log_mean)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "no path of the tree has any weight: the reward is infinite or NaN where the model draws");
    }
    LKI_TRY(effective_ends(ctx, g, &t->effective));
    return draw(ctx, g, rows, out);
}

lk_status lki_tilt_tree(lk_context *ctx, lk_tilt *t, int64_t rows, double *out)
{
    tree g = {.t = t};
    lk_status status = grow(ctx, &g, t, rows, out);
    lki_release(ctx, g.nodes);
    lki_release(ctx, g.x);
    lki_release(ctx, g.values);
    lki_release(ctx, g.ids);
    lki_release(ctx, g.path);
    lki_release(ctx, g.clean);
    return status;
}

/* Sums by a tree: points, weights and series made ready, and rows over threads. */
#include "core/reduce.h"
#include "elementary.h"
#include "tree_sum_impl.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Columns up to which nodes have series, and their degrees: beyond, terms are too many for what they spare. */
enum { SERIES_COLUMNS = 5, TASK_ROWS = 64 };
static const int series_degrees[SERIES_COLUMNS + 1] = {0, 16, 14, 10, 7, 5};
/* Nodes wider than that would need more degrees (in bandwidths). */
#define SERIES_RADIUS 1.25

static const lki_tree_sum_kernel *kernel_best(void)
{
#if defined(__x86_64__)
    static const lki_tree_sum_kernel *const tables[] = {&lki_tree_sum_kernel_portable, &lki_tree_sum_kernel_avx2, &lki_tree_sum_kernel_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_tree_sum_kernel_portable;
#endif
}

/* Rows by degree: those of the last degree times each column from their own last one on. */
static void describe_series(lki_series *s, int64_t d)
{
    int exponent[LKI_SERIES_ROWS] = {0};
    s->degrees = d <= SERIES_COLUMNS ? series_degrees[d] : 0;
    s->rows = s->degrees > 0 ? 1 : 0;
    s->rows_below[1] = s->rows;
    for (int degree = 1; degree < s->degrees; degree++) {
        for (int parent = degree == 1 ? 0 : s->rows_below[degree - 1], end = s->rows; parent < end; parent++) {
            for (int column = s->column[parent] > 0 ? s->column[parent] : 1; column < d; column++) {
                const int r = s->rows++;
                s->parent[r] = parent;
                s->column[r] = column;
                s->degree[r] = degree;
                exponent[r] = column == s->column[parent] ? exponent[parent] + 1 : 1;
                s->inverse[r] = 1.0 / exponent[r];
            }
        }
        s->rows_below[degree + 1] = s->rows;
    }
    for (int r = 0; r < s->rows; r++) {
        s->vectors[r] = (s->degrees - s->degree[r] + LKI_SERIES_LANES - 1) / LKI_SERIES_LANES;
        s->offset[r] = s->size;
        s->size += s->vectors[r] * LKI_SERIES_LANES;
    }
    for (int p = 1; p <= s->degrees; p++) { /* measured: a series some 30 points, a row of it 2 */
        s->cost[p] = 30.0 + 2.0 * s->rows_below[p];
    }
}

/* Log weights, centres and radii of all nodes, and which have series; a node's leaves are [first, end). Returns its sum of weights. */
static double describe_node(lki_tree_sum *t, int64_t node, int64_t first, int64_t end)
{
    const lki_kd_tree *tree = t->tree;
    const int64_t d = tree->d;
    const double *box = tree->boxes + node * d * 2;
    double *middle = t->middles + node * (d + 1), weight = 0.0, reach = 0.0;
    for (int64_t j = 0; j < d; j++) {
        middle[j] = 0.5 * (box[2 * j] + box[2 * j + 1]);
        reach += (box[2 * j + 1] - middle[j]) * (box[2 * j + 1] - middle[j]);
    }
    middle[d] = sqrt(reach) * (1.0 + 1e-12);
    t->place[node] = -1;
    if (end - first > 1) {
        const int64_t half = lki_kd_middle(first, end);
        weight = describe_node(t, node + 1, first, half) + describe_node(t, lki_kd_right(node, first, end), half, end);
    }
    for (int64_t i = first * LKI_KD_LEAF; end - first == 1 && i < end * LKI_KD_LEAF; i++) {
        weight += t->weights[i];
    }
    t->log_weight[node] = log(weight) - 1e-12;
    if (t->series.degrees > 0 && middle[d] <= SERIES_RADIUS && (end - first) * LKI_KD_LEAF * 2 >= t->series.size) {
        t->listed[3 * t->count] = node;
        t->listed[3 * t->count + 1] = first;
        t->listed[3 * t->count + 2] = end;
        t->place[node] = t->count++ * t->series.size;
    }
    return weight;
}

/* Points may fill less of a box than its corner: the radius is that of the farthest point. */
static void sharpen_radius(lki_tree_sum *t, int64_t node, int64_t first, int64_t end)
{
    const int64_t d = t->tree->d;
    double *middle = t->middles + node * (d + 1), most = 0.0;
    for (int64_t leaf = first; leaf < end; leaf++) {
        const double *points = t->tree->points + leaf * d * LKI_KD_LEAF;
        for (int64_t i = 0; i < LKI_KD_LEAF; i++) {
            double square = 0.0;
            for (int64_t j = 0; j < d; j++) {
                const double u = points[j * LKI_KD_LEAF + i] - middle[j];
                square += u * u;
            }
            most = fmax(most, square);
        }
    }
    middle[d] = sqrt(most) * (1.0 + 1e-12);
}

static lk_status moments_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    lki_tree_sum *t = state;
    const int64_t *l = t->listed + 3 * index;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    sharpen_radius(t, l[0], l[1], l[2]);
    kernel_best()->moments(t, l[0], l[1], l[2], t->moments + t->place[l[0]]);
    return LK_OK;
}

static lk_status prepare(lk_context *ctx, lki_tree_sum *t, const double *y, const double *weights, const double *bandwidth)
{
    const int64_t n = t->tree->n, d = t->tree->d, nodes = t->tree->nodes;
    (void)y;
    LKI_TRY(lki_zeros(ctx, (size_t)t->tree->leaves * LKI_KD_LEAF, sizeof(double), &t->weights));
    LKI_TRY(lki_allocate(ctx, (size_t)nodes, sizeof(double), &t->log_weight));
    LKI_TRY(lki_allocate(ctx, (size_t)nodes, (size_t)(d + 1) * sizeof(double), &t->middles));
    LKI_TRY(lki_allocate(ctx, (size_t)nodes, sizeof(int64_t), &t->place));
    LKI_TRY(lki_allocate(ctx, (size_t)nodes, 3 * sizeof(int64_t), &t->listed));
    memcpy(t->bandwidth, bandwidth, (size_t)d * sizeof(double));
    for (int64_t i = 0; i < n; i++) {
        t->weights[i] = weights != NULL ? weights[t->tree->order[i]] : 1.0;
    }
    const double total = describe_node(t, 0, 0, t->tree->leaves);
    t->log_tolerance = log(0.9 * t->rtol / total);
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)t->count, (size_t)t->series.size), sizeof(double), &t->moments));
    LKI_TRY(lki_parallel(ctx, t->count, moments_task, t));
    lki_release(ctx, t->listed);
    t->listed = NULL;
    return LK_OK;
}

lk_status lki_tree_sum_new(lk_context *ctx, const double *y, const double *weights, int64_t n, int64_t d, const double *bandwidth,
                           double rtol, lki_tree_sum **out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_tree_sum *t = NULL;
    double *scaled = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *t, &t));
    t->memory = memory;
    t->rtol = rtol;
    describe_series(&t->series, d);
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, sizeof(double), &t->centre));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof(double), &t->bandwidth));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)n, (size_t)d), sizeof(double), &scaled));
    for (int64_t i = 0; i < n * d; i++) {
        t->centre[i % d] += y[i] / (double)n;
    }
    for (int64_t i = 0; i < n * d; i++) {
        scaled[i] = (y[i] - t->centre[i % d]) / bandwidth[i % d];
    }
    LKI_GOTO(status, done, lki_kd_tree_new(ctx, scaled, n, d, NULL, &t->tree));
    LKI_GOTO(status, done, prepare(ctx, t, y, weights, bandwidth));
    *out = t;
    t = NULL;
done:
    lki_release(ctx, scaled);
    lki_tree_sum_free(&memory, t);
    return status;
}

void lki_tree_sum_free(const lki_memory *memory, lki_tree_sum *t)
{
    if (t != NULL) {
        lki_kd_tree_free(memory, t->tree);
        lki_memory_release(memory, t->centre);
        lki_memory_release(memory, t->bandwidth);
        lki_memory_release(memory, t->weights);
        lki_memory_release(memory, t->log_weight);
        lki_memory_release(memory, t->middles);
        lki_memory_release(memory, t->place);
        lki_memory_release(memory, t->moments);
        lki_memory_release(memory, t->listed);
        lki_memory_release(memory, t);
    }
}

/* ---- rows ---- */

typedef struct placed {
    int64_t leaf, row;
} placed;

typedef struct rows_of_sum {
    const lki_tree_sum *t;
    double *x;      /* scaled */
    placed *order;  /* rows by the leaf they are near: neighbours ask for the same nodes, which then are at hand */
    double *out;
    int64_t rows;
} rows_of_sum;

static int by_leaf(const void *a, const void *b)
{
    const placed *p = a, *q = b;
    return p->leaf != q->leaf ? (p->leaf > q->leaf) - (p->leaf < q->leaf) : (p->row > q->row) - (p->row < q->row);
}

static lk_status rows_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const rows_of_sum *r = state;
    const int64_t d = r->t->tree->d, end = (index + 1) * TASK_ROWS < r->rows ? (index + 1) * TASK_ROWS : r->rows;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    for (int64_t i = index * TASK_ROWS; i < end; i++) {
        const int64_t row = r->order[i].row;
        double cost;
        r->out[row] = kernel_best()->log_sum(r->t, r->x + row * d, &cost);
    }
    return LK_OK;
}

/* Points that stand for rows to come: every (n / ASKED)-th. */
enum { ASKED = 64 };

void lki_tree_sum_cost(const lki_tree_sum *t, double *by_tree, double *by_pairs)
{
    const lki_kd_tree *tree = t->tree;
    const int64_t d = tree->d, asked = tree->n < ASKED ? tree->n : ASKED;
    *by_tree = 0.0;
    for (int64_t i = 0; i < asked; i++) {
        const int64_t place = i * (tree->n / asked), leaf = place / LKI_KD_LEAF;
        double x[LKI_TREE_COLUMNS], cost;
        for (int64_t j = 0; j < d; j++) {
            x[j] = tree->points[(leaf * d + j) * LKI_KD_LEAF + place % LKI_KD_LEAF];
        }
        (void)kernel_best()->log_sum(t, x, &cost);
        *by_tree += (cost + 300.0) / (double)asked;
    }
    *by_pairs = (double)tree->n * (0.55 + 0.12 * (double)d);
}

lk_status lki_tree_sum_log(lk_context *ctx, const lki_tree_sum *sum, const double *x, int64_t rows, double *out)
{
    const int64_t d = sum->tree->d;
    rows_of_sum r = {.t = sum, .out = out, .rows = rows};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof(double), &r.x));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof(placed), &r.order));
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < d; j++) {
            r.x[i * d + j] = (x[i * d + j] - sum->centre[j]) / sum->bandwidth[j];
        }
        r.order[i] = (placed){kernel_best()->near_leaf(sum, r.x + i * d), i};
    }
    qsort(r.order, (size_t)rows, sizeof(placed), by_leaf);
    status = lki_parallel(ctx, (rows + TASK_ROWS - 1) / TASK_ROWS, rows_task, &r);
done:
    lki_release(ctx, r.x);
    lki_release(ctx, r.order);
    return status;
}

/* Agglomeration of rows into starting partitions: Ward's tree by chains of nearest neighbours, and a tree by the classification
 * likelihood of Gaussians with covariances of their own. */
#include "hierarchical.h"
#include "core/philox.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pairs x (d^3 + PAIR_COST) at which the variable tree is begun from groups instead of rows. */
#define VARIABLE_BUDGET 1.5e8
enum { PAIR_COST = 200 };
/* A scatter counts with so much of this share of the total covariance: S = (W + PRIOR_ROWS PRIOR_SHARE I) / (n + PRIOR_ROWS) in whitened
 * units. */
#define PRIOR_ROWS 1.0
#define PRIOR_SHARE 0.5

typedef struct join {
    double height;
    int32_t a, b, order;
} join;

/* ---- Ward's tree ---- */

/* Groups as the means and weights of their rows; `alive` lists the leaders that remain. */
typedef struct ward {
    int64_t d;
    double *means, *n;
    int32_t *alive, *place; /* place[leader] = its position in alive */
    int64_t count;
} ward;

/* What joining two groups adds to the sum of squares. */
static double ward_cost(const ward *w, int32_t a, int32_t b)
{
    const double *x = w->means + a * w->d, *y = w->means + b * w->d;
    double sum = 0.0;
    for (int64_t j = 0; j < w->d; j++) {
        sum += (x[j] - y[j]) * (x[j] - y[j]);
    }
    return sum * (w->n[a] * w->n[b] / (w->n[a] + w->n[b]));
}

/* The group nearest to `a`; `before` where it is as near as any. */
static int32_t ward_nearest(const ward *w, int32_t a, int32_t before, double *cost)
{
    int32_t best = before;
    *cost = before < 0 ? __builtin_inf() : ward_cost(w, a, before);
    for (int64_t i = 0; i < w->count; i++) {
        const int32_t b = w->alive[i];
        if (b == a) {
            continue;
        }
        const double c = ward_cost(w, a, b);
        if (c < *cost) {
            *cost = c;
            best = b;
        }
    }
    return best;
}

static void ward_join(ward *w, int32_t a, int32_t b)
{
    const double n = w->n[a] + w->n[b];
    for (int64_t j = 0; j < w->d; j++) {
        w->means[a * w->d + j] = (w->n[a] * w->means[a * w->d + j] + w->n[b] * w->means[b * w->d + j]) / n;
    }
    w->n[a] = n;
    const int32_t last = w->alive[--w->count];
    w->alive[w->place[b]] = last;
    w->place[last] = w->place[b];
}

static int by_height(const void *a, const void *b)
{
    const join *x = a, *y = b;
    return x->height != y->height ? (x->height > y->height) - (x->height < y->height) : (x->order > y->order) - (x->order < y->order);
}

/* Chains of nearest neighbours end in pairs that are each other's, which Ward's criterion allows to be joined at once (Murtagh 1983,
 * Comput. J. 26:354-359); sorted by height they are the tree. values: rows x (d + 1). */
static lk_status ward_tree(lk_context *ctx, const double *values, int64_t rows, int64_t d, int32_t *merges)
{
    ward w = {.d = d, .count = rows};
    join *joins = NULL;
    int32_t *chain = NULL;
    int64_t length = 0, made = 0;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)(d + 1) * sizeof(double), &w.means));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, 3 * sizeof(int32_t), &w.alive));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *joins, &joins));
    w.n = w.means + rows * d;
    w.place = w.alive + rows;
    chain = w.place + rows;
    for (int64_t i = 0; i < rows; i++) {
        memcpy(w.means + i * d, values + i * (d + 1), (size_t)d * sizeof(double));
        w.n[i] = values[i * (d + 1) + d];
        w.alive[i] = w.place[i] = (int32_t)i;
    }
    while (w.count > 1) {
        double cost;
        if (length == 0) {
            chain[length++] = w.alive[0];
        }
        const int32_t a = chain[length - 1], before = length > 1 ? chain[length - 2] : -1, next = ward_nearest(&w, a, before, &cost);
        if (next != before) {
            chain[length++] = next;
            continue;
        }
        length -= 2;
        joins[made] = (join){cost, before, a, (int32_t)made};
        made++;
        ward_join(&w, before, a);
        if (made % 64 == 0) {
            LKI_GOTO(status, done, lki_cancelled(ctx));
        }
    }
    qsort(joins, (size_t)made, sizeof *joins, by_height);
    for (int64_t i = 0; i < made; i++) {
        merges[2 * i] = joins[i].a;
        merges[2 * i + 1] = joins[i].b;
    }
done:
    lki_release(ctx, w.means);
    lki_release(ctx, w.alive);
    lki_release(ctx, joins);
    return status;
}

/* ---- the tree of ellipsoids ---- */

typedef struct groups {
    int64_t count, d, packed;
    double *n, *means, *W; /* W: lower triangles, packed by rows */
    double *cost;          /* n log |S| of each */
    double *factor;        /* packed: scratch */
    float *rise;           /* count x (count - 1) / 2: what joining b < a adds */
    int32_t *nearest;      /* the b < a of the least rise; -1 where there is none */
    int32_t *row;          /* a row of each group */
    char *gone;
} groups;

static float *rise_at(const groups *g, int64_t a, int64_t b)
{
    return a > b ? &g->rise[a * (a - 1) / 2 + b] : &g->rise[b * (b - 1) / 2 + a];
}

/* n log |(A + PRIOR_ROWS PRIOR_SHARE I) / (n + PRIOR_ROWS)|; the packed lower triangle A is destroyed. */
static double cost_of(int64_t d, double n, double *A)
{
    double log_det = 0.0, product = 1.0;
    for (int64_t i = 0; i < d; i++) {
        double *row = A + i * (i + 1) / 2;
        row[i] += PRIOR_ROWS * PRIOR_SHARE;
        for (int64_t j = 0; j <= i; j++) {
            const double *other = A + j * (j + 1) / 2;
            double sum = row[j];
            for (int64_t l = 0; l < j; l++) {
                sum -= row[l] * other[l];
            }
            row[j] = i == j ? sqrt(fmax(sum, 1e-3 * PRIOR_ROWS * PRIOR_SHARE)) : sum / other[j];
        }
        product *= row[i];
        if (!(product > 1e-100 && product < 1e100) || i == d - 1) {
            log_det += 2.0 * log(product);
            product = 1.0;
        }
    }
    return n * (log_det - (double)d * log(n + PRIOR_ROWS));
}

/* A = scatter of two groups together. */
static void joint_scatter(const groups *g, int64_t a, int64_t b, double *A)
{
    const double *x = g->means + a * g->d, *y = g->means + b * g->d, *V = g->W + a * g->packed, *W = g->W + b * g->packed;
    const double share = g->n[a] * g->n[b] / (g->n[a] + g->n[b]);
    for (int64_t i = 0, at = 0; i < g->d; i++) {
        const double delta = share * (x[i] - y[i]);
        for (int64_t j = 0; j <= i; j++, at++) {
            A[at] = V[at] + W[at] + delta * (x[j] - y[j]);
        }
    }
}

static float rise_of(const groups *g, int64_t a, int64_t b)
{
    joint_scatter(g, a, b, g->factor);
    return (float)(cost_of(g->d, g->n[a] + g->n[b], g->factor) - g->cost[a] - g->cost[b]);
}

static void find_nearest(groups *g, int64_t a)
{
    const float *row = g->rise + a * (a - 1) / 2;
    g->nearest[a] = -1;
    for (int64_t b = 0; b < a; b++) {
        if (!g->gone[b] && (g->nearest[a] < 0 || row[b] < row[g->nearest[a]])) {
            g->nearest[a] = (int32_t)b;
        }
    }
}

/* Group b goes into group a. */
static void join_groups(groups *g, int64_t a, int64_t b)
{
    const double n = g->n[a] + g->n[b];
    joint_scatter(g, a, b, g->W + a * g->packed);
    for (int64_t j = 0; j < g->d; j++) {
        g->means[a * g->d + j] = (g->n[a] * g->means[a * g->d + j] + g->n[b] * g->means[b * g->d + j]) / n;
    }
    g->n[a] = n;
    memcpy(g->factor, g->W + a * g->packed, (size_t)g->packed * sizeof(double));
    g->cost[a] = cost_of(g->d, n, g->factor);
    g->gone[b] = 1;
    for (int64_t c = 0; c < g->count; c++) {
        if (c != a && !g->gone[c]) {
            *rise_at(g, a, c) = rise_of(g, a, c);
        }
    }
    find_nearest(g, a);
    for (int64_t c = 0; c < g->count; c++) {
        if (g->gone[c] || c == a) {
            continue;
        }
        if (g->nearest[c] == a || g->nearest[c] == b) {
            find_nearest(g, c);
        } else if (c > a && *rise_at(g, c, a) < *rise_at(g, c, g->nearest[c])) {
            g->nearest[c] = (int32_t)a;
        }
    }
}

static void groups_free(lk_context *ctx, groups *g)
{
    lki_release(ctx, g->n);
    lki_release(ctx, g->rise);
    lki_release(ctx, g->nearest);
    lki_release(ctx, g->gone);
}

/* Groups from labels 0..count-1 of whitened rows. */
static lk_status groups_new(lk_context *ctx, const double *values, const int32_t *labels, int64_t rows, int64_t d, int64_t count, groups *g)
{
    const int64_t packed = d * (d + 1) / 2;
    memset(g, 0, sizeof *g);
    g->count = count;
    g->d = d;
    g->packed = packed;
    LKI_TRY(lki_zeros(ctx, (size_t)(count * (2 + d + packed) + packed), sizeof(double), &g->n));
    LKI_TRY(lki_allocate(ctx, (size_t)(count * (count - 1) / 2), sizeof(float), &g->rise));
    LKI_TRY(lki_allocate(ctx, (size_t)count, 2 * sizeof(int32_t), &g->nearest));
    LKI_TRY(lki_zeros(ctx, (size_t)count, 1, &g->gone));
    g->cost = g->n + count;
    g->means = g->cost + count;
    g->W = g->means + count * d;
    g->factor = g->W + count * packed;
    g->row = g->nearest + count;
    for (int64_t i = 0; i < rows; i++) {
        const double *z = values + i * (d + 1);
        const int32_t k = labels[i];
        g->n[k] += z[d];
        g->row[k] = (int32_t)i;
        for (int64_t j = 0; j < d; j++) {
            g->means[k * d + j] += z[d] * z[j];
        }
    }
    for (int64_t i = 0; i < count * d; i++) {
        g->means[i] /= g->n[i / d];
    }
    for (int64_t i = 0; i < rows; i++) {
        const double *z = values + i * (d + 1), *mean = g->means + labels[i] * d;
        double *W = g->W + labels[i] * packed;
        for (int64_t a = 0; a < d; a++) {
            for (int64_t b = 0; b <= a; b++) {
                *W++ += z[d] * (z[a] - mean[a]) * (z[b] - mean[b]);
            }
        }
    }
    for (int64_t k = 0; k < count; k++) {
        memcpy(g->factor, g->W + k * packed, (size_t)packed * sizeof(double));
        g->cost[k] = cost_of(d, g->n[k], g->factor);
    }
    return LK_OK;
}

/* Joins the groups until one is left; merges: count - 1 pairs of rows. */
static lk_status variable_tree(lk_context *ctx, groups *g, int32_t *merges)
{
    for (int64_t a = 0; a < g->count; a++) {
        for (int64_t b = 0; b < a; b++) {
            *rise_at(g, a, b) = rise_of(g, a, b);
        }
        find_nearest(g, a);
        LKI_TRY(lki_cancelled(ctx));
    }
    for (int64_t made = 0; made < g->count - 1; made++) {
        int64_t best = -1;
        for (int64_t a = 0; a < g->count; a++) {
            if (!g->gone[a] && g->nearest[a] >= 0 && (best < 0 || *rise_at(g, a, g->nearest[a]) < *rise_at(g, best, g->nearest[best]))) {
                best = a;
            }
        }
        const int64_t other = g->nearest[best];
        merges[2 * made] = g->row[best];
        merges[2 * made + 1] = g->row[other];
        join_groups(g, best, other);
        LKI_TRY(lki_cancelled(ctx));
    }
    return LK_OK;
}

/* ---- the trees of a sample ---- */

void lki_hierarchy_cut(const struct lki_hierarchy *h, int tree, int64_t K, int32_t *work, int32_t *labels)
{
    int32_t *leader = work, next = 0;
    for (int64_t i = 0; i < h->rows; i++) {
        leader[i] = (int32_t)i;
        labels[i] = -1;
    }
    for (int64_t i = 0; i < h->rows - K; i++) {
        int32_t ends[2];
        for (int e = 0; e < 2; e++) {
            int32_t r = h->merges[tree][2 * i + e];
            while (leader[r] != r) {
                leader[r] = leader[leader[r]];
                r = leader[r];
            }
            ends[e] = r;
        }
        leader[ends[1]] = ends[0];
    }
    for (int64_t i = 0; i < h->rows; i++) {
        int32_t r = (int32_t)i;
        while (leader[r] != r) {
            r = leader[r];
        }
        if (labels[r] < 0) { /* a leader carries its group's number, in the order of first rows */
            labels[r] = next++;
        }
        labels[i] = labels[r];
    }
}

void lki_hierarchy_free(lk_context *ctx, struct lki_hierarchy *h)
{
    if (h != NULL) {
        lki_release(ctx, h->values);
        for (int t = 0; t < LKI_TREES; t++) {
            lki_release(ctx, h->merges[t]);
        }
        lki_release(ctx, h);
    }
}

/* A random choice of h->rows of n rows, in their order, from `from` into `to`: the same rows whatever the table. */
static void choose_rows(const struct lki_hierarchy *h, const double *from, int64_t n, uint64_t seed, double *to)
{
    lki_stream stream = lki_stream_new(seed, LKI_STREAM_START, ((uint64_t)1 << 41) - 1);
    const size_t width = (size_t)h->d + 1;
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) { /* each with the chance that fills what is left (Knuth, algorithm S) */
        if ((double)(n - i) * lki_random_uniform(&stream) < (double)(h->rows - kept)) {
            memcpy(to + (size_t)kept++ * width, from + (size_t)i * width, width * sizeof(double));
        }
    }
}

static lk_status add_variable_tree(lk_context *ctx, struct lki_hierarchy *h, const double *white, int32_t *merges, const int32_t *round)
{
    const double pair = (double)h->d * (double)h->d * (double)h->d + PAIR_COST;
    const double most = sqrt(VARIABLE_BUDGET / pair);
    const int64_t count = (double)h->rows <= most ? h->rows : most > 2.0 ? (int64_t)most : 2;
    groups g = {0};
    int32_t *labels = NULL;
    lk_status status = LK_OK;
    memcpy(merges, round, (size_t)(2 * (h->rows - 1)) * sizeof *merges);
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)h->rows, 2 * sizeof *labels, &labels));
    h->merges[0] = merges; /* for the cut */
    lki_hierarchy_cut(h, 0, count, labels + h->rows, labels);
    LKI_GOTO(status, done, groups_new(ctx, white, labels, h->rows, h->d, count, &g));
    status = variable_tree(ctx, &g, merges + 2 * (h->rows - count));
done:
    h->merges[0] = NULL;
    groups_free(ctx, &g);
    lki_release(ctx, labels);
    return status;
}

lk_status lki_hierarchy_new(lk_context *ctx, const double *values, const double *white, int64_t n, int64_t d, uint64_t seed,
                            struct lki_hierarchy **out)
{
    const int64_t rows = n < LKI_HIERARCHY_ROWS ? n : LKI_HIERARCHY_ROWS;
    const size_t pairs = 2 * (size_t)rows * sizeof(int32_t);
    struct lki_hierarchy *h = NULL;
    double *chosen = NULL;
    int32_t *trees[LKI_TREES] = {NULL, NULL, NULL};
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *h, &h));
    h->rows = rows;
    h->d = d;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)(d + 1) * sizeof(double), &h->values));
    choose_rows(h, values, n, seed, h->values);
    for (int64_t i = 0; i < rows; i++) {
        h->total += h->values[i * (d + 1) + d];
    }
    LKI_GOTO(status, done, lki_allocate(ctx, pairs, 1, &trees[LKI_TREE_ROUND]));
    LKI_GOTO(status, done, ward_tree(ctx, h->values, rows, d, trees[LKI_TREE_ROUND]));
    if (white != NULL && d > 1) {
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)(d + 1) * sizeof(double), &chosen));
        choose_rows(h, white, n, seed, chosen);
        LKI_GOTO(status, done, lki_allocate(ctx, pairs, 1, &trees[LKI_TREE_ROUND_WHITE]));
        LKI_GOTO(status, done, ward_tree(ctx, chosen, rows, d, trees[LKI_TREE_ROUND_WHITE]));
        LKI_GOTO(status, done, lki_allocate(ctx, pairs, 1, &trees[LKI_TREE_VARIABLE]));
        LKI_GOTO(status, done, add_variable_tree(ctx, h, chosen, trees[LKI_TREE_VARIABLE], trees[LKI_TREE_ROUND_WHITE]));
    }
    for (int t = 0; t < LKI_TREES; t++) {
        if (trees[t] != NULL) {
            h->merges[h->trees++] = trees[t];
            trees[t] = NULL;
        }
    }
    *out = h;
    h = NULL;
done:
    for (int t = 0; t < LKI_TREES; t++) {
        lki_release(ctx, trees[t]);
    }
    lki_release(ctx, chosen);
    lki_hierarchy_free(ctx, h);
    return status;
}

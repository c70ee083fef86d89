/* The inner loops of sums by a tree: leaves point by point, nodes by their series; compiled once for each instruction set. */
#include "tree_sum_impl.h"
#include "vector.h"

enum { EIGHT = LKI_SERIES_LANES, PARTS = LKI_SERIES_LANES / LKI_VL, VECTORS = LKI_KD_LEAF / LKI_VL };

/* 1, x, .., x^15. */
LKI_INLINE void powers(double x, double *out)
{
    const double x2 = x * x, x3 = x2 * x, x4 = x2 * x2, x8 = x4 * x4;
    out[0] = 1.0;
    out[1] = x;
    out[2] = x2;
    out[3] = x3;
    out[4] = x4;
    out[5] = x4 * x;
    out[6] = x4 * x2;
    out[7] = x4 * x3;
    for (int i = 0; i < 8; i++) {
        out[8 + i] = out[i] * x8;
    }
}

/* The series below degree p at X: sum_e X^e M_e. */
static double series_value(const lki_series *s, int p, const double *X, const double *moments)
{
    double monomial[LKI_SERIES_ROWS], power[LKI_SERIES_DEGREES];
    lki_vd sum[2][PARTS];
    for (int i = 0; i < PARTS; i++) {
        sum[0][i] = sum[1][i] = lki_vset1(0.0);
    }
    powers(X[0], power);
    monomial[0] = 1.0;
    const int rows = s->rows_below[p], chain = rows > 1 && s->column[rows - 1] == 1; /* of one column: without waiting for one another */
    if (chain) {
        powers(X[1], monomial);
    }
    for (int r = 0; r < rows; r++) { /* hot */
        if (r > 0 && !chain) {
            monomial[r] = monomial[s->parent[r]] * X[s->column[r]];
        }
        const lki_vd m = lki_vset1(monomial[r]);
        const double *row = moments + s->offset[r];
        for (int i = 0; i < PARTS; i++) {
            sum[0][i] = lki_vfma(m, lki_vload(row + i * LKI_VL), sum[0][i]);
        }
        if (s->vectors[r] > 1) {
            for (int i = 0; i < PARTS; i++) {
                sum[1][i] = lki_vfma(m, lki_vload(row + EIGHT + i * LKI_VL), sum[1][i]);
            }
        }
    }
    lki_vd total = lki_vset1(0.0);
    for (int v = 0; v < 2; v++) {
        for (int i = 0; i < PARTS; i++) {
            total = lki_vfma(sum[v][i], lki_vload(power + v * EIGHT + i * LKI_VL), total);
        }
    }
    return lki_vsum(total);
}

static void node_moments(const lki_tree_sum *t, int64_t node, int64_t first, int64_t end, double *out)
{
    const lki_series *s = &t->series;
    const int64_t d = t->tree->d;
    const double *middle = t->middles + node * (d + 1);
    double inverse[LKI_SERIES_DEGREES], monomial[LKI_SERIES_ROWS], power[LKI_SERIES_DEGREES], D[LKI_TREE_COLUMNS];
    inverse[0] = 1.0;
    for (int i = 1; i < LKI_SERIES_DEGREES; i++) {
        inverse[i] = inverse[i - 1] / i;
    }
    memset(out, 0, (size_t)s->size * sizeof *out);
    for (int64_t leaf = first; leaf < end; leaf++) {
        for (int64_t i = 0; i < LKI_KD_LEAF; i++) {
            const double w = t->weights[leaf * LKI_KD_LEAF + i];
            double square = 0.0;
            for (int64_t j = 0; j < d; j++) {
                D[j] = t->tree->points[(leaf * d + j) * LKI_KD_LEAF + i] - middle[j];
                square += D[j] * D[j];
            }
            double lanes[LKI_VL];
            lki_vstore(lanes, lki_vexp_lanes(lki_vset1(-0.5 * square)));
            powers(D[0], power);
            for (int k = 0; k < LKI_SERIES_DEGREES; k++) {
                power[k] *= inverse[k];
            }
            monomial[0] = w * lanes[0];
            for (int r = 0; r < s->rows; r++) {
                if (r > 0) {
                    monomial[r] = monomial[s->parent[r]] * D[s->column[r]] * s->inverse[r];
                }
                const lki_vd m = lki_vset1(monomial[r]);
                double *row = out + s->offset[r];
                for (int v = 0; v < s->vectors[r] * EIGHT; v += LKI_VL) {
                    lki_vstore(row + v, lki_vfma(m, lki_vload(power + v), lki_vload(row + v)));
                }
            }
        }
    }
}

/* log x from above and from below, by at most 0.06: the logarithm is between the chord of each octave and that chord and 0.0861 log 2. */
LKI_INLINE double log_below(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return 0.6931471805599453 * (double)((int64_t)bits - INT64_C(0x3ff0000000000000)) * 0x1p-52 - 1e-12;
}

LKI_INLINE double log_above(double x)
{
    return log_below(x) + 0.0598;
}

/* A row's sum so far, times exp(reference). */
typedef struct running {
    const lki_tree_sum *t;
    const double *x;
    double reference;
    double tolerance;   /* log of the error that a unit of weight may have */
    lki_vd sum[VECTORS];
    double value[EIGHT], exponent[EIGHT]; /* series that wait for their exponentials */
    int waiting;
    double cost;        /* nanoseconds by the model of tree_sum.h */
} running;

static void flush(running *r)
{
    for (int i = r->waiting; i < EIGHT; i++) {
        r->value[i] = r->exponent[i] = 0.0;
    }
    for (int i = 0; i < PARTS; i++) {
        r->sum[i] = lki_vfma(lki_vload(r->value + i * LKI_VL), lki_vexp_lanes(lki_vload(r->exponent + i * LKI_VL)), r->sum[i]);
    }
    r->waiting = 0;
    double sum = 0.0;
    for (int i = 0; i < VECTORS; i++) {
        sum += lki_vsum(r->sum[i]);
    }
    if (sum > 2.0) { /* all terms are above 0, the series to within rtol */
        r->tolerance = log_below(sum * (1.0 - r->t->rtol)) + r->t->log_tolerance;
    }
}

LKI_INLINE void squares_of_leaf(const lki_tree_sum *t, int64_t leaf, const double *x, lki_vd *s)
{
    const int64_t d = t->tree->d;
    const double *points = t->tree->points + leaf * d * LKI_KD_LEAF;
    for (int v = 0; v < VECTORS; v++) {
        s[v] = lki_vset1(0.0);
    }
    for (int64_t j = 0; j < d; j++) { /* hot */
        const lki_vd at = lki_vset1(x[j]);
        for (int v = 0; v < VECTORS; v++) {
            const lki_vd u = at - lki_vload(points + j * LKI_KD_LEAF + v * LKI_VL);
            s[v] = lki_vfma(u, u, s[v]);
        }
    }
}

static void add_leaf(running *r, int64_t leaf)
{
    lki_vd s[VECTORS];
    squares_of_leaf(r->t, leaf, r->x, s);
    for (int v = 0; v < VECTORS; v++) {
        const lki_vd e = lki_vfma(lki_vset1(-0.5), s[v], lki_vset1(r->reference));
        r->sum[v] = lki_vfma(lki_vload(r->t->weights + leaf * LKI_KD_LEAF + v * LKI_VL), lki_vexp_lanes(e), r->sum[v]);
    }
}

/* Squares of the distances from x to the nearest and to the farthest place of a box. */
LKI_INLINE double nearest_square(const double *box, const double *x, int64_t d)
{
    double s = 0.0;
    for (int64_t j = 0; j < d; j++) {
        const double below = box[2 * j] - x[j], above = x[j] - box[2 * j + 1];
        const double u = below > 0.0 ? below : above > 0.0 ? above : 0.0;
        s += u * u;
    }
    return s;
}

LKI_INLINE double farthest_square(const double *box, const double *x, int64_t d)
{
    double s = 0.0;
    for (int64_t j = 0; j < d; j++) {
        const double a = x[j] - box[2 * j], b = box[2 * j + 1] - x[j], u = a > b ? a : b;
        s += u * u;
    }
    return s;
}

/* Down to a near leaf; *best = the best lower bound of the logarithm of the sum that the nodes on the way give: the node's weight at its
 * farthest place. */
LKI_INLINE int64_t descend(const lki_tree_sum *t, const double *x, double *best)
{
    const lki_kd_tree *tree = t->tree;
    const int64_t d = tree->d;
    int64_t node = 0, first = 0, end = tree->leaves;
    *best = -__builtin_inf();
    for (;;) {
        const double bound = t->log_weight[node] - 0.5 * farthest_square(tree->boxes + node * d * 2, x, d);
        *best = bound > *best ? bound : *best;
        if (end - first == 1) {
            return first;
        }
        const int64_t middle = lki_kd_middle(first, end), right = lki_kd_right(node, first, end);
        if (nearest_square(tree->boxes + right * d * 2, x, d) < nearest_square(tree->boxes + (node + 1) * d * 2, x, d)) {
            node = right;
            first = middle;
        } else {
            node++;
            end = middle;
        }
    }
}

static int64_t near_leaf(const lki_tree_sum *t, const double *x)
{
    double best;
    return descend(t, x, &best);
}

typedef struct visit {
    int64_t node, first, end;
    double square;
} visit;

LKI_INLINE void push_children(const lki_kd_tree *tree, const double *x, visit v, visit *stack, int *count)
{
    const int64_t d = tree->d, middle = lki_kd_middle(v.first, v.end);
    visit a = {v.node + 1, v.first, middle, 0.0}, b = {lki_kd_right(v.node, v.first, v.end), middle, v.end, 0.0};
    a.square = nearest_square(tree->boxes + a.node * d * 2, x, d);
    b.square = nearest_square(tree->boxes + b.node * d * 2, x, d);
    const int right = b.square < a.square; /* the nearer one is asked first: the sum grows early */
    stack[(*count)++] = right ? a : b;
    stack[(*count)++] = right ? b : a;
}

/* The best of a leaf's points, as a lower bound. */
static double best_of_leaf(const lki_tree_sum *t, int64_t leaf, const double *x, double best)
{
    lki_vd s[VECTORS];
    double square[LKI_KD_LEAF];
    squares_of_leaf(t, leaf, x, s);
    for (int v = 0; v < VECTORS; v++) {
        lki_vstore(square + v * LKI_VL, s[v]);
    }
    for (int64_t i = 0; i < LKI_KD_LEAF; i++) {
        const double w = t->weights[leaf * LKI_KD_LEAF + i];
        if (w > 0.0) {
            const double bound = log_below(w) - 0.5 * square[i];
            best = bound > best ? bound : best;
        }
    }
    return best;
}

/* A lower bound of the logarithm of the sum: of the nodes on the way to a near leaf, and of its best point; where some node's own share may be
 * exp(30) times that, of what else is near, so that terms over the bound stay within the range of numbers. */
static double least_log_sum(const lki_tree_sum *t, const double *x)
{
    const lki_kd_tree *tree = t->tree;
    double best;
    const int64_t leaf = descend(t, x, &best);
    visit stack[LKI_KD_DEPTH + 2];
    int count = 0;
    best = best_of_leaf(t, leaf, x, best);
    stack[count++] = (visit){0, 0, tree->leaves, nearest_square(tree->boxes, x, tree->d)};
    while (count > 0) {
        const visit v = stack[--count];
        if (t->log_weight[v.node] - 0.5 * v.square <= best + 30.0) {
            continue;
        }
        if (v.end - v.first == 1) {
            best = best_of_leaf(t, v.first, x, best);
        } else {
            push_children(tree, x, v, stack, &count);
        }
    }
    return best;
}

/* The series of a node, if some degree suffices and costs less than its points: see tree_sum.h. */
static int take_series(running *r, int64_t node, double points)
{
    static const double log_factorial[LKI_SERIES_DEGREES + 1] = {
        0.0, 0.0, 0.6931471805599453, 1.791759469228055, 3.1780538303479458, 4.787491742782046, 6.579251212010101, 8.525161361065415,
        10.60460290274525, 12.801827480081469, 15.104412573075516, 17.502307845873887, 19.987214495661885, 22.552163853123425,
        25.19122118273868, 27.89927138384089, 30.671860106080672};
    const lki_tree_sum *t = r->t;
    const int64_t d = t->tree->d;
    const double *middle = t->middles + node * (d + 1), radius = middle[d];
    double X[LKI_TREE_COLUMNS], square = 0.0;
    for (int64_t j = 0; j < d; j++) {
        X[j] = r->x[j] - middle[j];
        square += X[j] * X[j];
    }
    const double length = __builtin_sqrt(square), gap = length > radius ? length - radius : 0.0;
    const double room = r->tolerance - r->reference + 0.5 * gap * gap; /* for the logarithm of (|X| r)^p / p! */
    if (room < -32.0) { /* rounding alone, 2^-52 a term of at most exp(|X| r) exp(-..), may cost that */
        return 0;
    }
    const double log_z = log_above(length * radius + 1e-300);
    int p = 1;
    while (p <= t->series.degrees && (double)p * log_z - log_factorial[p] + 0.01 > room) {
        p++;
    }
    if (p > t->series.degrees || t->series.cost[p] > points) {
        return 0;
    }
    r->cost += 30.0 + 4.5 * t->series.rows_below[p];
    r->value[r->waiting] = series_value(&t->series, p, X, t->moments + t->place[node]);
    r->exponent[r->waiting++] = r->reference - 0.5 * square;
    if (r->waiting == EIGHT) {
        flush(r);
    }
    return 1;
}

static double log_sum(const lki_tree_sum *t, const double *x, double *cost)
{
    const lki_kd_tree *tree = t->tree;
    const int64_t d = tree->d;
    const double least = least_log_sum(t, x);
    running r = {.t = t, .x = x, .reference = -least, .tolerance = t->log_tolerance};
    visit stack[LKI_KD_DEPTH + 2], v = {0, 0, tree->leaves, 0.0};
    int count = 0;
    *cost = 0.0;
    if (!(least >= -1e300)) {
        return -__builtin_inf();
    }
    for (int i = 0; i < VECTORS; i++) {
        r.sum[i] = lki_vset1(0.0);
    }
    stack[count++] = v;
    while (count > 0) {
        v = stack[--count];
        r.cost += 9.0;
        if (r.reference - 0.5 * v.square <= r.tolerance) {
            continue; /* left out */
        }
        if (t->place[v.node] >= 0 && take_series(&r, v.node, (double)((v.end - v.first) * LKI_KD_LEAF))) {
            continue;
        }
        if (v.end - v.first == 1) {
            add_leaf(&r, v.first);
            r.cost += 12.0 + 2.0 * (double)d;
            continue;
        }
        push_children(tree, x, v, stack, &count);
    }
    flush(&r);
    *cost = r.cost;
    double sum = 0.0, lanes[LKI_VL];
    for (int i = 0; i < VECTORS; i++) {
        sum += lki_vsum(r.sum[i]);
    }
    lki_vstore(lanes, lki_vlog_lanes(lki_vset1(sum)));
    return least + lanes[0];
}

const lki_tree_sum_kernel LKI_ISA_NAME(lki_tree_sum_kernel) = {.moments = node_moments, .near_leaf = near_leaf, .log_sum = log_sum};

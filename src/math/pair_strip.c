/* The pair engine's loops over one strip of rows and one tile of points; compiled once for each instruction set.
 *
 * Every lane is a row and points come one after the other, so a row's result cannot depend on its neighbours. A tile is worked in three
 * steps through arrays that stay in the first-level cache: arguments s of all pairs (register tiles of points x vectors), the kernels
 * of s, the reduction over points. */
#include "pair_impl.h"
#include "pair_jet.h"
#include <float.h>
#include <string.h>

#define VL LKI_VL
#if VL == 8
enum { KT = 8 }; /* points of a block: KT x 3 accumulators in registers */
#else
enum { KT = 4 };
#endif
enum { TILE = LKI_PAIR_TILE };

/* ---- arguments ---- */

/* out[k][lane] = sum over columns of (x - y)^2 or |x - y|, each times inverse before (scaled) or their sum times scale after. */
LKI_INLINE void differences(const int nv, const int absolute, const int scaled, const lki_pair_part *part, const double *x,
                            const double *y, double *out)
{
    lki_vd acc[KT][3];
    for (int k = 0; k < KT; k++) {
        for (int v = 0; v < nv; v++) {
            acc[k][v] = lki_vset1(0.0);
        }
    }
    for (int64_t c = 0; c < part->width; c++) { /* hot: KT x nv differences and multiply-adds */
        lki_vd row[3];
        const lki_vd inverse = lki_vset1(scaled ? part->inverse[c] : 1.0);
        for (int v = 0; v < nv; v++) {
            row[v] = lki_vload(x + (c * nv + v) * VL);
        }
#pragma GCC unroll 8
        for (int k = 0; k < KT; k++) {
            const lki_vd point = lki_vset1(y[c * KT + k]);
#pragma GCC unroll 3
            for (int v = 0; v < nv; v++) {
                lki_vd u = row[v] - point;
                u = scaled ? u * inverse : u;
                acc[k][v] = absolute ? acc[k][v] + lki_vabs(u) : lki_vfma(u, u, acc[k][v]);
            }
        }
    }
    const lki_vd scale = lki_vset1(part->scale);
#pragma GCC unroll 8
    for (int k = 0; k < KT; k++) {
#pragma GCC unroll 3
        for (int v = 0; v < nv; v++) {
            lki_vstore(out + (k * nv + v) * VL, scaled ? acc[k][v] : acc[k][v] * scale);
        }
    }
}

/* out = x.y, or |x|^2 + |y|^2 - 2 x.y where squares are given. */
LKI_INLINE void products(const int nv, int64_t width, const double *x, const double *y, double scale, const double *x_squares,
                         const double *y_squares, double *out)
{
    lki_vd acc[KT][3];
    for (int k = 0; k < KT; k++) {
        for (int v = 0; v < nv; v++) {
            acc[k][v] = lki_vset1(0.0);
        }
    }
    for (int64_t c = 0; c < width; c++) { /* hot: KT x nv multiply-adds for KT + nv loads */
        lki_vd row[3];
        for (int v = 0; v < nv; v++) {
            row[v] = lki_vload(x + (c * nv + v) * VL);
        }
#pragma GCC unroll 8
        for (int k = 0; k < KT; k++) {
            const lki_vd point = lki_vset1(y[c * KT + k]);
#pragma GCC unroll 3
            for (int v = 0; v < nv; v++) {
                acc[k][v] = lki_vfma(row[v], point, acc[k][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int k = 0; k < KT; k++) {
#pragma GCC unroll 3
        for (int v = 0; v < nv; v++) {
            lki_vd s = acc[k][v] * lki_vset1(scale);
            if (x_squares != NULL) {
                s = lki_vfma(lki_vset1(-2.0), acc[k][v], lki_vload(x_squares + v * VL) + lki_vset1(y_squares[k]));
                s = lki_vmax(s, lki_vset1(0.0));
            }
            lki_vstore(out + (k * nv + v) * VL, s);
        }
    }
}

LKI_INLINE void part_differences(const int nv, const lki_pair_part *part, const double *x, int64_t block, double *out)
{
    const double *y = part->points + block * part->width * KT;
    if (lki_kernels[part->kernel].argument == LKI_ARGUMENT_ABSOLUTE) {
        if (part->uniform) {
            differences(nv, 1, 0, part, x, y, out);
        } else {
            differences(nv, 1, 1, part, x, y, out);
        }
    } else if (part->uniform) {
        differences(nv, 0, 0, part, x, y, out);
    } else {
        differences(nv, 0, 1, part, x, y, out);
    }
}

/* The arguments of one block of points. `other` is room for them, where some rows need differences and some do not. */
LKI_INLINE void part_block(const int nv, const lki_pair_part *part, const lki_pair_strip *s, int64_t index, int64_t block,
                           double *out, double *other)
{
    const int64_t lanes = nv * VL;
    const double *x = s->x + part->first * lanes;
    const lki_kernel_argument argument = lki_kernels[part->kernel].argument;
    if (argument == LKI_ARGUMENT_PRODUCT || argument == LKI_ARGUMENT_DIRECTION) {
        products(nv, part->width, x, part->points + block * part->width * KT, part->scale, NULL, NULL, out);
        return;
    }
    if (s->direct_count[index] > 0) {
        part_differences(nv, part, x, block, out);
    }
    if (s->direct_count[index] < lanes) {
        double *target = s->direct_count[index] > 0 ? other : out;
        products(nv, part->width, s->scaled + part->first * lanes, part->products + block * part->width * KT, 1.0,
                 s->squares + index * lanes, part->squares + block * KT, target);
        for (int k = 0; k < KT && target == other; k++) {
            for (int v = 0; v < nv; v++) {
                const lki_vm direct = lki_vgt(lki_vload(s->direct + index * lanes + v * VL), lki_vset1(0.5));
                double *o = out + (k * nv + v) * VL;
                lki_vstore(o, lki_vselect(direct, lki_vload(o), lki_vload(other + (k * nv + v) * VL)));
            }
        }
    }
}

static void arguments(const lki_pair_part *part, const lki_pair_strip *s, int64_t index, int64_t first, int64_t count, double *out,
                      double *other)
{
    for (int64_t b = 0; b * KT < count; b++) {
        double *o = out + b * KT * s->lanes;
        if (s->vectors == 3) {
            part_block(3, part, s, index, first / KT + b, o, other);
        } else {
            part_block(1, part, s, index, first / KT + b, o, other);
        }
    }
}

/* ---- kernels ---- */

/* The kernel of n arguments: value or logarithm into `out`, derivatives into first and second, as `want` says. */
LKI_INLINE void jets(const lki_kernel_id id, const int want, int64_t n, const double *s, double p, double offset, double *out,
                     double *first, double *second)
{
    for (int64_t i = 0; i < n; i += VL) { /* hot */
        const lki_pair_jet jet = lki_jet(id, lki_vload(s + i), p, offset, want);
        if (want & LKI_WANT_FIRST) {
            lki_vstore(first + i, jet.first);
        }
        if (want & LKI_WANT_SECOND) {
            lki_vstore(second + i, jet.second);
        }
        if (want & (LKI_WANT_VALUE | LKI_WANT_LOG)) {
            lki_vstore(out + i, want & LKI_WANT_VALUE ? jet.value : jet.log);
        }
    }
}

static void kernel(const lki_pair_part *part, int want, int64_t n, const double *s, double *out, double *first, double *second)
{
    switch (part->kernel) {
#define KERNEL_CASE(name, ...)                                                                       \
    case LKI_KERNEL_##name:                                                                          \
        if (want == LKI_WANT_VALUE) {                                                                \
            jets(LKI_KERNEL_##name, LKI_WANT_VALUE, n, s, part->p, part->offset, out, NULL, NULL);   \
        } else if (want == LKI_WANT_LOG) {                                                           \
            jets(LKI_KERNEL_##name, LKI_WANT_LOG, n, s, part->p, part->offset, out, NULL, NULL);     \
        } else {                                                                                     \
            jets(LKI_KERNEL_##name, LKI_WANT_FIRST | LKI_WANT_SECOND, n, s, part->p, part->offset, NULL, first, second); \
        }                                                                                            \
        break;
        LKI_KERNEL_LIST(KERNEL_CASE)
#undef KERNEL_CASE
    default:
        break;
    }
}

/* out (+)= or (*)= what one factor gives. */
static void combine(int multiply, int64_t n, const double *a, double *out)
{
    for (int64_t i = 0; i < n; i += VL) {
        const lki_vd x = lki_vload(a + i), y = lki_vload(out + i);
        lki_vstore(out + i, multiply ? x * y : x + y);
    }
}

/* ---- one term of a kernel over a tile ---- */

typedef struct tile {
    const lki_pair_job *job;
    lki_pair_strip *strip;
    const lki_pair_tiles *arrays;
    int64_t first, count, n; /* first point, points (whole blocks), entries */
} tile;

/* Values or logarithms of a term into `out`, with its derivatives where asked. */
static void term(const tile *t, int64_t index, int logs, int derivatives, double *out)
{
    const lki_pair *pair = t->job->pair;
    const int want = logs ? LKI_WANT_LOG : LKI_WANT_VALUE;
    for (int64_t f = pair->starts[index]; f < pair->starts[index + 1]; f++) {
        const lki_pair_part *part = &pair->part[f];
        const int64_t place = f - pair->starts[index];
        double *argument = t->arrays->argument;
        arguments(part, t->strip, f, t->first, t->count, argument, t->arrays->other);
        if (derivatives) {
            kernel(part, LKI_WANT_FIRST, t->n, argument, NULL, t->arrays->first + place * TILE * t->strip->lanes,
                   t->arrays->second + place * TILE * t->strip->lanes);
        }
        if (place == 0) {
            kernel(part, want, t->n, argument, out, NULL, NULL);
        } else {
            kernel(part, want, t->n, argument, argument, NULL, NULL);
            combine(!logs, t->n, argument, out);
        }
    }
}

/* The value of a row's own point, where it stands in this tile. */
static void leave_out(const tile *t, double value, double *out)
{
    const int64_t *own = t->job->request->own;
    for (int64_t i = 0; own != NULL && i < t->strip->rows; i++) {
        const int64_t j = own[t->strip->first_row + i] - t->first;
        if (j >= 0 && j < t->count) {
            out[j * t->strip->lanes + i] = value;
        }
    }
}

/* target[lane] += sum_j a[j][lane] factor[j]; factor NULL = 1. */
static void add_up(const tile *t, const double *a, const double *factor, double *target)
{
    const int64_t lanes = t->strip->lanes;
    for (int64_t v = 0; v < lanes; v += VL) {
        lki_vd sum = lki_vset1(0.0);
        for (int64_t j = 0; j < t->count; j++) {
            const lki_vd e = lki_vload(a + j * lanes + v);
            sum = factor != NULL ? lki_vfma(e, lki_vset1(factor[j]), sum) : sum + e;
        }
        lki_vstore(target + v, lki_vload(target + v) + sum);
    }
}

/* ---- derivatives ---- */

/* What a column of a pair contributes to ds/dx up to a factor: x - y, its sign, or y; for bandwidths (x - y)^2, |x - y| or x y. */
LKI_INLINE lki_vd direction(const lki_kernel_argument argument, const int bandwidth, lki_vd x, lki_vd y)
{
    const lki_vd u = x - y, zero = lki_vset1(0.0), one = lki_vset1(1.0);
    switch (argument) {
    case LKI_ARGUMENT_SQUARE:
        return bandwidth ? u * u : u;
    case LKI_ARGUMENT_ABSOLUTE:
        return bandwidth ? lki_vabs(u) : lki_vselect(lki_vgt(u, zero), one, lki_vselect(lki_vlt(u, zero), -one, zero));
    default:
        return bandwidth ? x * y : y;
    }
}

/* target[column][lane] += sum_j weight[j][lane] direction. */
LKI_INLINE void directions(const lki_kernel_argument argument, const int bandwidth, const tile *t, const lki_pair_part *part,
                           const double *weight, double *target)
{
    const int64_t lanes = t->strip->lanes;
    for (int64_t c = 0; c < part->width; c++) {
        for (int64_t v = 0; v < lanes; v += VL) {
            const lki_vd x = lki_vload(t->strip->x + (part->first + c) * lanes + v);
            lki_vd sum = lki_vset1(0.0);
            for (int64_t b = 0; b * KT < t->count; b++) {
                const double *y = part->points + ((t->first / KT + b) * part->width + c) * KT;
                for (int64_t k = 0; k < KT; k++) { /* hot */
                    sum = lki_vfma(lki_vload(weight + (b * KT + k) * lanes + v), direction(argument, bandwidth, x, lki_vset1(y[k])), sum);
                }
            }
            double *o = target + (part->first + c) * lanes + v;
            lki_vstore(o, lki_vload(o) + sum);
        }
    }
}

static void add_directions(const tile *t, const lki_pair_part *part, int bandwidth, const double *weight, double *target)
{
    switch (lki_kernels[part->kernel].argument) {
    case LKI_ARGUMENT_SQUARE:
        if (bandwidth) {
            directions(LKI_ARGUMENT_SQUARE, 1, t, part, weight, target);
        } else {
            directions(LKI_ARGUMENT_SQUARE, 0, t, part, weight, target);
        }
        break;
    case LKI_ARGUMENT_ABSOLUTE:
        if (bandwidth) {
            directions(LKI_ARGUMENT_ABSOLUTE, 1, t, part, weight, target);
        } else {
            directions(LKI_ARGUMENT_ABSOLUTE, 0, t, part, weight, target);
        }
        break;
    default:
        if (bandwidth) {
            directions(LKI_ARGUMENT_PRODUCT, 1, t, part, weight, target);
        } else {
            directions(LKI_ARGUMENT_PRODUCT, 0, t, part, weight, target);
        }
        break;
    }
}

/* out[j][lane] = the derivative of s along the direction t. */
static void along(const tile *t, const lki_pair_part *part, double *out)
{
    const int64_t lanes = t->strip->lanes;
    const lki_kernel_argument argument = lki_kernels[part->kernel].argument;
    memset(out, 0, (size_t)t->n * sizeof(double));
    for (int64_t c = 0; c < part->width; c++) {
        for (int64_t j = 0; j < t->count; j++) {
            const lki_vd y = lki_vset1(part->points[(((t->first + j) / KT) * part->width + c) * KT + (t->first + j) % KT]);
            for (int64_t v = 0; v < lanes; v += VL) {
                const int64_t place = (part->first + c) * lanes + v;
                const lki_vd step = direction(argument, 0, lki_vload(t->strip->x + place), y);
                double *o = out + j * lanes + v;
                lki_vstore(o, lki_vfma(step, lki_vload(t->strip->t + place), lki_vload(o)));
            }
        }
    }
}

/* Curvature along t of a term with weights e: k''/k is (sum_f l_f b_f)^2 + sum_f (m_f - l_f^2) b_f^2 in the directions b_f, where
 * l = k_f'/k_f and m = k_f''/k_f by s; what s itself curves comes from the sums of l (pair.c). */
static void add_curvature(const tile *t, int64_t index)
{
    const lki_pair *pair = t->job->pair;
    const lki_pair_tiles *a = t->arrays;
    const int64_t start = pair->starts[index], factors = pair->starts[index + 1] - start, step = TILE * t->strip->lanes;
    memset(a->along, 0, (size_t)t->n * sizeof(double));
    for (int64_t f = 0; f < factors; f++) {
        along(t, &pair->part[start + f], a->ahead + f * step);
        for (int64_t i = 0; i < t->n; i += VL) {
            const lki_vd sum = lki_vload(a->along + i);
            lki_vstore(a->along + i, lki_vfma(lki_vload(a->first + f * step + i), lki_vload(a->ahead + f * step + i), sum));
        }
    }
    for (int64_t f = 0; f < factors; f++) {
        for (int64_t i = 0; i < t->n; i += VL) {
            const lki_vd l = lki_vload(a->first + f * step + i), m = lki_vload(a->second + f * step + i);
            const lki_vd b = lki_vload(a->ahead + f * step + i);
            const lki_vd w = factors == 1 ? m * b : lki_vload(a->along + i) * l + (m - l * l) * b;
            lki_vstore(a->weight + i, w * lki_vload(a->total + i));
        }
        add_directions(t, &pair->part[start + f], 0, a->weight, t->strip->curve);
    }
}

/* Adds a term's derivatives; `total` holds its weights e. */
static void add_derivatives(const tile *t, int64_t index)
{
    const lki_pair *pair = t->job->pair;
    const lki_pair_tiles *a = t->arrays;
    for (int64_t f = pair->starts[index]; f < pair->starts[index + 1]; f++) {
        const double *first = a->first + (f - pair->starts[index]) * TILE * t->strip->lanes;
        for (int64_t i = 0; i < t->n; i += VL) {
            lki_vstore(a->weight + i, lki_vload(a->total + i) * lki_vload(first + i));
        }
        add_directions(t, &pair->part[f], t->job->request->derivative == LKI_PAIR_BANDWIDTH, a->weight, t->strip->slope);
        add_up(t, a->weight, NULL, t->strip->first_sum + f * t->strip->lanes);
    }
    if (t->job->request->derivative == LKI_PAIR_CURVATURE) {
        add_curvature(t, index);
    }
}

/* ---- reductions ---- */

/* The whole kernel: terms added up. */
static void all_terms(const tile *t)
{
    const lki_pair *pair = t->job->pair;
    const lki_pair_tiles *a = t->arrays;
    for (int64_t k = 0; k < pair->terms; k++) {
        double *out = k == 0 ? a->total : a->weight;
        const lki_vd c = lki_vset1(pair->coefficients[k]);
        term(t, k, 0, 0, out);
        for (int64_t i = 0; i < t->n && (k > 0 || pair->coefficients[0] != 1.0); i += VL) {
            const lki_vd before = k == 0 ? lki_vset1(0.0) : lki_vload(a->total + i);
            lki_vstore(a->total + i, lki_vfma(c, lki_vload(out + i), before));
        }
    }
}

static void sum_values(const tile *t)
{
    all_terms(t);
    leave_out(t, 0.0, t->arrays->total);
    for (int64_t r = 0; r < t->job->sides; r++) {
        add_up(t, t->arrays->total, t->job->v + r * t->job->pair->padded + t->first, t->strip->values + r * t->strip->lanes);
    }
}

/* e = coefficient v k, but coefficient v where derivatives are not relative (kernels with a sign, which stand alone in their term). */
static void sum_derivatives(const tile *t)
{
    const lki_pair *pair = t->job->pair;
    double *total = t->arrays->total;
    const int64_t lanes = t->strip->lanes;
    for (int64_t k = 0; k < pair->terms; k++) {
        term(t, k, 0, 1, total);
        for (int has_sign = 0; has_sign <= lki_kernels[pair->part[pair->starts[k]].kernel].has_sign; has_sign++) {
            for (int64_t j = 0; j < t->count; j++) {
                const lki_vd v = lki_vset1(pair->coefficients[k] * t->job->v[t->first + j]);
                for (int64_t i = j * lanes; i < (j + 1) * lanes; i += VL) {
                    lki_vstore(total + i, has_sign ? v : lki_vload(total + i) * v);
                }
            }
            leave_out(t, 0.0, total);
            if (!has_sign) {
                add_up(t, total, NULL, t->strip->values);
            }
        }
        add_derivatives(t, k);
    }
}

static void rescale(double *a, int64_t arrays, const lki_pair_strip *s, const double *factor)
{
    for (int64_t i = 0; i < arrays * s->lanes; i += VL) {
        lki_vstore(a + i, lki_vload(a + i) * lki_vload(factor + i % s->lanes));
    }
}

/* Logarithms in `total` become exp(log - largest), with sums so far brought to the new largest value. */
static void shift(const tile *t, int64_t sides)
{
    lki_pair_strip *s = t->strip;
    double *total = t->arrays->total, factor[3 * VL];
    const lki_vd none = lki_vset1(-__builtin_inf()), zero = lki_vset1(0.0);
    for (int64_t v = 0; v < s->lanes; v += VL) {
        const lki_vd before = lki_vload(s->largest + v);
        lki_vd largest = before;
        for (int64_t j = 0; j < t->count; j++) {
            largest = lki_vmax(largest, lki_vload(total + j * s->lanes + v));
        }
        const lki_vd from = lki_vselect(lki_vgt(largest, none), largest, zero);
        lki_vstore(factor + v, lki_vexp_below(before - from));
        lki_vstore(s->largest + v, largest);
        for (int64_t j = 0; j < t->count; j++) { /* hot */
            double *e = total + j * s->lanes + v;
            lki_vstore(e, lki_vexp_below(lki_vload(e) - from));
        }
    }
    rescale(s->sum, 1, s, factor);
    rescale(s->values, sides, s, factor);
    if (t->job->request->derivative != LKI_PAIR_VALUE) {
        rescale(s->slope, t->job->pair->width, s, factor);
        rescale(s->curve, t->job->pair->width, s, factor);
        rescale(s->first_sum, t->job->pair->parts, s, factor);
    }
}

static void log_sum(const tile *t)
{
    const lki_pair *pair = t->job->pair;
    const lki_pair_request *request = t->job->request;
    const int64_t sides = request->reduction == LKI_PAIR_MEAN ? t->job->sides : 0, lanes = t->strip->lanes;
    double *total = t->arrays->total;
    for (int64_t k = 0; k < pair->terms; k++) {
        if (!(pair->coefficients[k] > 0.0)) {
            continue;
        }
        const double log_coefficient = pair->coefficients[k] == 1.0 ? 0.0 : __builtin_log(pair->coefficients[k]);
        term(t, k, 1, request->derivative != LKI_PAIR_VALUE, total);
        for (int64_t j = 0; j < t->count; j++) {
            const lki_vd w = lki_vset1(log_coefficient + t->job->log_weight[t->first + j]);
            for (int64_t i = j * lanes; i < (j + 1) * lanes; i += VL) {
                lki_vstore(total + i, lki_vload(total + i) + w);
            }
        }
        leave_out(t, -__builtin_inf(), total);
        shift(t, sides);
        add_up(t, total, NULL, t->strip->sum);
        for (int64_t r = 0; r < sides; r++) {
            add_up(t, total, t->job->v + r * pair->padded + t->first, t->strip->values + r * lanes);
        }
        if (request->derivative != LKI_PAIR_VALUE) {
            add_derivatives(t, k);
        }
    }
}

static void largest_value(const tile *t)
{
    lki_pair_strip *s = t->strip;
    const int64_t left = t->job->pair->m - t->first, count = left < t->count ? left : t->count;
    all_terms(t);
    leave_out(t, -__builtin_inf(), t->arrays->total);
    for (int64_t j = 0; j < count; j++) {
        for (int64_t i = 0; i < s->rows; i++) {
            const double value = t->arrays->total[j * s->lanes + i];
            if (value > s->largest[i]) {
                s->largest[i] = value;
                s->best_index[i] = t->first + j;
            }
        }
    }
}

static void write_values(const tile *t)
{
    const int64_t m = t->job->pair->m, left = m - t->first, count = left < t->count ? left : t->count, lanes = t->strip->lanes;
    all_terms(t);
    leave_out(t, 0.0, t->arrays->total);
    for (int64_t i = 0; i < t->strip->rows; i++) {
        double *out = t->job->request->out + (t->strip->first_row + i) * m + t->first;
        for (int64_t j = 0; j < count; j++) {
            out[j] = t->arrays->total[j * lanes + i];
        }
    }
}

/* Keeps (value, j) where it is among the smallest; ties stay behind those that came before. */
static void keep(lki_pair_strip *s, int64_t kept, int64_t lane, double value, int64_t j)
{
    double *best = s->best + lane * kept;
    int64_t *index = s->best_index + lane * kept, at = kept - 1;
    while (at > 0 && best[at - 1] > value) {
        best[at] = best[at - 1];
        index[at] = index[at - 1];
        at--;
    }
    best[at] = value;
    index[at] = j;
    s->threshold[lane] = best[kept - 1];
}

static void nearest(const tile *t)
{
    lki_pair_strip *s = t->strip;
    const int64_t left = t->job->pair->m - t->first, count = left < t->count ? left : t->count;
    double *a = t->arrays->argument;
    arguments(&t->job->pair->part[0], s, 0, t->first, t->count, a, t->arrays->other);
    for (int64_t i = 0; i < t->n; i += VL) { /* what overflows is still nearer than a point that is left out */
        lki_vstore(a + i, lki_vmin(lki_vload(a + i), lki_vset1(DBL_MAX)));
    }
    leave_out(t, __builtin_inf(), a);
    for (int64_t j = 0; j < count; j++) {
        for (int64_t v = 0; v < s->lanes; v += VL) {
            const lki_vd below = lki_vselect(lki_vlt(lki_vload(a + j * s->lanes + v), lki_vload(s->threshold + v)), lki_vset1(1.0),
                                             lki_vset1(0.0));
            if (lki_vmax_lane(below) > 0.0) {
                for (int64_t i = v; i < v + VL && i < s->rows; i++) {
                    if (a[j * s->lanes + i] < s->threshold[i]) {
                        keep(s, t->job->request->nearest, i, a[j * s->lanes + i], t->first + j);
                    }
                }
            }
        }
    }
}

static void pair_tile(const lki_pair_job *job, lki_pair_strip *strip, const lki_pair_tiles *arrays, int64_t first)
{
    const int64_t left = job->pair->padded - first;
    tile t = {.job = job, .strip = strip, .arrays = arrays, .first = first, .count = left < TILE ? left : TILE};
    t.n = t.count * strip->lanes;
    switch (job->request->reduction) {
    case LKI_PAIR_SUM:
        if (job->request->derivative == LKI_PAIR_VALUE) {
            sum_values(&t);
        } else {
            sum_derivatives(&t);
        }
        break;
    case LKI_PAIR_MAX:
        largest_value(&t);
        break;
    case LKI_PAIR_VALUES:
        write_values(&t);
        break;
    case LKI_PAIR_NEAREST:
        nearest(&t);
        break;
    default:
        log_sum(&t);
        break;
    }
}

const lki_pair_isa LKI_ISA_NAME(lki_pair) = {.lanes = VL, .columns = KT, .tile = pair_tile};

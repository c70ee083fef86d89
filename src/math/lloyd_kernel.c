/* The inner loops of k-means over a block of rows, compiled once for each instruction set. */
#include "lloyd.h"
#include "vector.h"

enum { VECTORS = 3, STRIP = VECTORS * LKI_VL, GROUP = 4 };

#define EPSILON 0x1p-52

static double square_of(const double *a, const double *b, int64_t d)
{
    lki_vd sum = lki_vset1(0.0);
    int64_t j = 0;
    for (; j + LKI_VL <= d; j += LKI_VL) {
        const lki_vd u = lki_vload(a + j) - lki_vload(b + j);
        sum = lki_vfma(u, u, sum);
    }
    double s = lki_vsum(sum);
    for (; j < d; j++) {
        s += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return s;
}

/* An upper bound of the distance, rounding included. */
static double distance_below(const double *a, const double *b, int64_t d)
{
    return __builtin_sqrt(square_of(a, b, d)) * (1.0 + (double)(d + 4) * EPSILON);
}

/* How much a square by expansion (see scan) may be off, for |x| + |c| of this size. */
static double slack(int64_t d, double size)
{
    return (double)(d + 8) * 2.0 * EPSILON * size * size;
}

/* v_k = |c_k|^2 / 2 - x.c_k of `count` centres from k on, and of a strip's rows: the least, the second least and the first k that has the
 * least. |x - c|^2 = |x|^2 + 2 v. */
LKI_INLINE void scan_group(const int count, int64_t k, int64_t d, const double *theta, const double *x, lki_vd *best, lki_vd *second, lki_vd *label)
{
    lki_vd v[GROUP][VECTORS];
    for (int g = 0; g < count; g++) {
        for (int i = 0; i < VECTORS; i++) {
            v[g][i] = lki_vset1(theta[g * (d + 1) + d]);
        }
    }
    for (int64_t j = 0; j < d; j++) { /* hot */
#pragma GCC unroll 4
        for (int g = 0; g < count; g++) {
            const lki_vd c = lki_vset1(-theta[g * (d + 1) + j]);
#pragma GCC unroll 3
            for (int i = 0; i < VECTORS; i++) {
                v[g][i] = lki_vfma(c, lki_vload(x + j * STRIP + i * LKI_VL), v[g][i]);
            }
        }
    }
    for (int g = 0; g < count; g++) {
        for (int i = 0; i < VECTORS; i++) {
            const lki_vm less = lki_vlt(v[g][i], best[i]);
            second[i] = lki_vmin(second[i], lki_vmax(best[i], v[g][i]));
            label[i] = lki_vselect(less, lki_vset1((double)(k + g)), label[i]);
            best[i] = lki_vselect(less, v[g][i], best[i]);
        }
    }
}

static void scan(const lki_kmeans_plan *p, const double *x, double *best, double *second, double *label)
{
    lki_vd least[VECTORS], next[VECTORS], which[VECTORS];
    for (int i = 0; i < VECTORS; i++) {
        least[i] = next[i] = lki_vset1(__builtin_inf());
        which[i] = lki_vset1(0.0);
    }
    int64_t k = 0;
    for (; k + GROUP <= p->K; k += GROUP) {
        scan_group(GROUP, k, p->d, p->theta + k * (p->d + 1), x, least, next, which);
    }
    for (; k < p->K; k++) {
        scan_group(1, k, p->d, p->theta + k * (p->d + 1), x, least, next, which);
    }
    for (int i = 0; i < VECTORS; i++) {
        lki_vstore(best + i * LKI_VL, least[i]);
        lki_vstore(second + i * LKI_VL, next[i]);
        lki_vstore(label + i * LKI_VL, which[i]);
    }
}

/* Whether a row's label is certain by its bounds, brought up to the centres' moves; the upper one is made sharp where that may help. Certain
 * means under rounding: the scan would find the same. */
static int certain(const lki_kmeans_plan *p, const double *row, int32_t label, double *upper, double *lower)
{
    double u = (*upper + p->shift[label]) * (1.0 + 4.0 * EPSILON);
    double l = *lower - (label == p->mover ? p->next : p->most);
    l -= 4.0 * EPSILON * (l < 0.0 ? -l : l);
    *lower = l;
    for (int turn = 0;; turn++) {
        const double apart = 2.0 * p->half_gap[label] - u, least = (apart > l ? apart : l) * (1.0 - 4.0 * EPSILON);
        *upper = u;
        if (least > 0.0 && u * u + 2.0 * slack(p->d, 2.0 * p->reach + u) < least * least) {
            return 1;
        }
        if (turn > 0) {
            return 0;
        }
        u = distance_below(row, p->centres + label * p->d, p->d);
    }
}

/* Labels and bounds of `count` listed rows of the block. */
static void scan_rows(const lki_kmeans_plan *p, const lki_kmeans_block *b, const int32_t *list, int64_t count, double *x, int32_t *labels,
                      double *upper, double *lower)
{
    double best[STRIP], second[STRIP], label[STRIP], square[STRIP];
    for (int64_t first = 0; first < count; first += STRIP) {
        const int64_t lanes = count - first < STRIP ? count - first : STRIP;
        for (int64_t i = 0; i < STRIP; i++) {
            const double *row = b->x + list[first + (i < lanes ? i : lanes - 1)] * b->stride;
            square[i] = 0.0;
            for (int64_t j = 0; j < p->d; j++) {
                const double u = row[j] - p->origin[j];
                x[j * STRIP + i] = u;
                square[i] += u * u;
            }
        }
        scan(p, x, best, second, label);
        for (int64_t i = 0; i < lanes; i++) {
            const int32_t row = list[first + i];
            labels[row] = (int32_t)label[i];
            if (upper != NULL) {
                const double error = slack(p->d, __builtin_sqrt(square[i]) + p->reach), s = square[i] + 2.0 * best[i],
                             t = square[i] + 2.0 * second[i] - error;
                upper[row] = __builtin_sqrt((s > 0.0 ? s : 0.0) + error) * (1.0 + 4.0 * EPSILON);
                lower[row] = t > 0.0 ? __builtin_sqrt(t) * (1.0 - 4.0 * EPSILON) : 0.0;
            }
        }
    }
}

static void add_rows(const lki_kmeans_plan *p, const lki_kmeans_block *b, const int32_t *labels, double *sums)
{
    for (int64_t i = 0; i < b->rows; i++) {
        const double w = b->w != NULL ? b->w[i * b->weight_stride] : 1.0, *row = b->x + i * b->stride;
        if (!(w > 0.0)) {
            continue;
        }
        if (p->inertia) {
            sums[0] += w * square_of(row, p->centres + labels[i] * p->d, p->d);
        }
        double *s = sums + 1 + labels[i] * (p->d + 1);
        s[0] += w;
        for (int64_t j = 0; p->sums && j < p->d; j++) { /* hot */
            s[1 + j] += w * row[j];
        }
    }
}

static size_t scratch(int64_t d)
{
    return (size_t)d * STRIP + LKI_BLOCK_ROWS; /* a strip, a list of rows */
}

static void kmeans_block(const lki_kmeans_plan *p, const lki_kmeans_block *b, int32_t *labels, double *upper, double *lower, double *work,
                         double *sums)
{
    int32_t *list = (int32_t *)(work + p->d * STRIP);
    int64_t count = 0;
    for (int64_t i = 0; i < b->rows; i++) {
        if (upper == NULL || p->fresh || !certain(p, b->x + i * b->stride, labels[i], &upper[i], &lower[i])) {
            list[count++] = (int32_t)i;
        }
    }
    scan_rows(p, b, list, count, work, labels, upper, lower);
    if (sums != NULL) {
        add_rows(p, b, labels, sums);
    }
}

const lki_kmeans_kernel LKI_ISA_NAME(lki_kmeans_kernel) = {.scratch = scratch, .block = kmeans_block};

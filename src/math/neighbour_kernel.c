/* The inner loops of the neighbour search, compiled once for each instruction set. */
#include "neighbour_search.h"
#include "vector.h"

LKI_INLINE double fma_one(double a, double b, double c)
{
#if LKI_ISA > 0
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

/* Whether (s, i) comes behind (t, j). */
LKI_INLINE int behind(double s, int64_t i, double t, int64_t j)
{
    return s > t || (s == t && i > j);
}

/* Puts a pair into the hole at `at`, sifting down. */
static void sift(lki_nearest *b, int64_t at, double square, int64_t index)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= b->count) {
            break;
        }
        if (child + 1 < b->count && behind(b->square[child + 1], b->index[child + 1], b->square[child], b->index[child])) {
            child++;
        }
        if (!behind(b->square[child], b->index[child], square, index)) {
            break;
        }
        b->square[at] = b->square[child];
        b->index[at] = b->index[child];
        at = child;
    }
    b->square[at] = square;
    b->index[at] = index;
}

static void offer(lki_nearest *b, double square, int64_t index)
{
    if (index == b->own) {
        return;
    }
    if (b->count == b->k) {
        if (behind(b->square[0], b->index[0], square, index)) {
            sift(b, 0, square, index);
        }
        return;
    }
    int64_t at = b->count++;
    while (at > 0 && behind(square, index, b->square[(at - 1) / 2], b->index[(at - 1) / 2])) {
        b->square[at] = b->square[(at - 1) / 2];
        b->index[at] = b->index[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    b->square[at] = square;
    b->index[at] = index;
}

/* No point of the box is nearer, to the last bit: every operation is monotone in |x - y|. */
static double box_square(const double *box, const double *x, int64_t d)
{
    double s = 0.0;
    for (int64_t j = 0; j < d; j++) { /* hot */
        const double below = box[2 * j] - x[j], above = x[j] - box[2 * j + 1];
        const double u = below > 0.0 ? below : above > 0.0 ? above : 0.0;
        s = fma_one(u, u, s);
    }
    return s;
}

static void scan_leaf(const lki_kd_tree *t, int64_t leaf, const double *x, lki_nearest *best)
{
    enum { VECTORS = LKI_KD_LEAF / LKI_VL };
    const double *points = t->points + leaf * t->d * LKI_KD_LEAF;
    const int64_t first = leaf * LKI_KD_LEAF, count = t->n - first < LKI_KD_LEAF ? t->n - first : LKI_KD_LEAF;
    lki_vd s[VECTORS];
    double square[LKI_KD_LEAF];
    for (int v = 0; v < VECTORS; v++) {
        s[v] = lki_vset1(0.0);
    }
    for (int64_t j = 0; j < t->d; j++) { /* hot */
        const lki_vd at = lki_vset1(x[j]);
        for (int v = 0; v < VECTORS; v++) {
            const lki_vd u = at - lki_vload(points + j * LKI_KD_LEAF + v * LKI_VL);
            s[v] = lki_vfma(u, u, s[v]);
        }
    }
    for (int v = 0; v < VECTORS; v++) {
        lki_vstore(square + v * LKI_VL, s[v]);
    }
    for (int64_t i = 0; i < count; i++) {
        if (best->count < best->k || square[i] <= best->square[0]) {
            offer(best, square[i], t->order[first + i]);
        }
    }
}

typedef struct visit {
    int64_t node, first, end;
    double square;
} visit;

static void search_tree(const lki_kd_tree *t, const double *x, lki_nearest *best)
{
    visit stack[LKI_KD_DEPTH + 2];
    int count = 0;
    visit v = {0, 0, t->leaves, box_square(t->boxes, x, t->d)};
    for (;;) {
        while (v.end - v.first > 1) { /* down to the nearer child, the other one waits */
            const int64_t middle = lki_kd_middle(v.first, v.end);
            visit a = {v.node + 1, v.first, middle, 0.0}, b = {lki_kd_right(v.node, v.first, v.end), middle, v.end, 0.0};
            a.square = box_square(t->boxes + a.node * t->d * 2, x, t->d);
            b.square = box_square(t->boxes + b.node * t->d * 2, x, t->d);
            const int right = b.square < a.square;
            stack[count++] = right ? a : b;
            v = right ? b : a;
        }
        scan_leaf(t, v.first, x, best);
        do {
            if (count == 0) {
                return;
            }
            v = stack[--count];
        } while (best->count == best->k && v.square > best->square[0]);
    }
}

static double exact_square(const double *x, const double *y, int64_t d)
{
    double s = 0.0;
    for (int64_t j = 0; j < d; j++) {
        const double u = x[j] - y[j];
        s = fma_one(u, u, s);
    }
    return s;
}

static void sieve(const lk_neighbours *nb, const double *row, double xx, double slack, const double *products, int64_t first,
                  int64_t count, lki_nearest *best)
{
    enum { STEP = 64 };
    unsigned char near[STEP];
    const double exactly = 1.0 + (double)(nb->d + 4) * 0x1p-52; /* squares by differences are off too */
    for (int64_t from = 0; from < count; from += STEP) {
        const int64_t step = count - from < STEP ? count - from : STEP;
        /* |y|^2 - 2 x.y <= worst + slack - |x|^2; `not greater`, so that what is NaN stays in */
        const double limit = best->count < best->k ? __builtin_inf() : best->square[0] * exactly + slack - xx;
        const double *squares = nb->squares + first + from, *p = products + from;
        unsigned char any = 0;
        for (int64_t i = 0; i < step; i++) { /* hot */
            near[i] = !(squares[i] - 2.0 * p[i] > limit);
            any |= near[i];
        }
        for (int64_t i = 0; any && i < step; i++) {
            if (near[i]) {
                const int64_t j = first + from + i;
                offer(best, exact_square(row, nb->points + j * nb->d, nb->d), j);
            }
        }
    }
}

const lki_neighbour_kernel LKI_ISA_NAME(lki_neighbour_kernel) = {.tree = search_tree, .sieve = sieve};

/* Means of the Sobolev kernel over many rows by sorting: in one or two dimensions the kernel is piecewise a polynomial, so that the sum over all
 * rows needs their moments in each half or quarter of the plane around a point alone. */
#include "select/thinning.h"

#include <math.h>
#include <stdlib.h>

/* One factor is CONSTANT + SQUARE (t^2 - |t|), t = x - y: A(t) + sgn(t) B(t) with A = CONSTANT + SQUARE t^2 and B = -SQUARE t. */
#define SQUARE (2.0 * M_PI * M_PI)
#define CONSTANT (1.0 + SQUARE / 6.0)

/* Moments of rows: the sums of u^a v^b for a, b of these. */
enum { ONE, U, V, UV, UU, UUV, VV, UVV, UUVV, MOMENTS };

typedef struct moments {
    double m[MOMENTS];
} moments;

static void add(moments *s, double u, double v)
{
    const double each[MOMENTS] = {1.0, u, v, u * v, u * u, u * u * v, v * v, u * v * v, u * u * v * v};
    for (int i = 0; i < MOMENTS; i++) {
        s->m[i] += each[i];
    }
}

/* Sums over the rows (u, v) of s, of A or B of each coordinate at (x, y). */
static double sum_aa(const moments *s, double x, double y)
{
    const double *m = s->m, yy[3] = {CONSTANT + SQUARE * y * y, -2.0 * SQUARE * y, SQUARE};
    const double p = yy[0] * m[ONE] + yy[1] * m[V] + yy[2] * m[VV], q = yy[0] * m[U] + yy[1] * m[UV] + yy[2] * m[UVV],
                 r = yy[0] * m[UU] + yy[1] * m[UUV] + yy[2] * m[UUVV];
    return (CONSTANT + SQUARE * x * x) * p - 2.0 * SQUARE * x * q + SQUARE * r;
}

static double sum_ba(const moments *s, double x, double y)
{
    const double *m = s->m, yy[3] = {CONSTANT + SQUARE * y * y, -2.0 * SQUARE * y, SQUARE};
    return -SQUARE * (x * (yy[0] * m[ONE] + yy[1] * m[V] + yy[2] * m[VV]) - (yy[0] * m[U] + yy[1] * m[UV] + yy[2] * m[UVV]));
}

static double sum_ab(const moments *s, double x, double y)
{
    const double *m = s->m, xx[3] = {CONSTANT + SQUARE * x * x, -2.0 * SQUARE * x, SQUARE};
    return -SQUARE * (y * (xx[0] * m[ONE] + xx[1] * m[U] + xx[2] * m[UU]) - (xx[0] * m[V] + xx[1] * m[UV] + xx[2] * m[UUV]));
}

static double sum_bb(const moments *s, double x, double y)
{
    const double *m = s->m;
    return SQUARE * SQUARE * (x * y * m[ONE] - y * m[U] - x * m[V] + m[UV]);
}

static moments less(const moments *a, const moments *b, double times)
{
    moments out;
    for (int i = 0; i < MOMENTS; i++) {
        out.m[i] = times * a->m[i] - b->m[i];
    }
    return out;
}

/* The numbers of the rows in the order of a coordinate. */
typedef struct numbered {
    double value;
    int64_t row;
} numbered;

static int compare_numbered(const void *a, const void *b)
{
    const numbered *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->row > y->row) - (x->row < y->row);
}

static void sort_rows(const lki_thinning *t, int64_t j, numbered *out)
{
    for (int64_t i = 0; i < t->rows; i++) {
        out[i] = (numbered){j < t->d ? t->x[i * t->d + j] : 0.0, i};
    }
    qsort(out, (size_t)t->rows, sizeof *out, compare_numbered);
}

/* Sums over prefixes of ranks (Fenwick 1994), of the four moments that sum_bb() needs. */
static void tree_add(double *tree, int64_t n, int64_t rank, double u, double v)
{
    for (int64_t at = rank + 1; at <= n; at += at & -at) {
        double *node = tree + (at - 1) * 4;
        node[0] += 1.0;
        node[1] += u;
        node[2] += v;
        node[3] += u * v;
    }
}

static moments tree_below(const double *tree, int64_t rank)
{
    moments out = {{0.0}};
    for (int64_t at = rank; at > 0; at -= at & -at) {
        for (int i = 0; i < 4; i++) {
            out.m[i] += tree[(at - 1) * 4 + i];
        }
    }
    return out;
}

/* With s = sgn(x - u) = 2 [u < x] - 1 the sums over s f are 2 (sum over u < x) - (sum over all); where u = x, B = 0, so that ties lie on either side. */
lk_status lki_sobolev_means(lk_context *ctx, const lki_thinning *t, double *out)
{
    const int64_t n = t->rows;
    numbered *order = NULL;
    int64_t *rank = NULL;
    double *tree = NULL;
    moments all = {{0.0}}, below = {{0.0}}, left = {{0.0}};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)n, sizeof *order, &order));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)n, sizeof *rank, &rank));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)n, 4 * sizeof *tree, &tree));
    for (int64_t i = 0; i < n; i++) {
        add(&all, t->x[i * t->d], t->d > 1 ? t->x[i * t->d + 1] : 0.0);
    }
    sort_rows(t, 1, order);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = order[i].row;
        const double x = t->x[row * t->d], y = order[i].value;
        const moments side = less(&below, &all, 2.0);
        rank[row] = i;
        out[row] = sum_aa(&all, x, y) + sum_ab(&side, x, y) - 2.0 * sum_bb(&below, x, y) + sum_bb(&all, x, y);
        add(&below, x, y);
    }
    LKI_GOTO(status, done, lki_cancelled(ctx));
    sort_rows(t, 0, order);
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = order[i].row;
        const double x = order[i].value, y = t->d > 1 ? t->x[row * t->d + 1] : 0.0;
        const moments side = less(&left, &all, 2.0), corner = tree_below(tree, rank[row]);
        out[row] += sum_ba(&side, x, y) - 2.0 * sum_bb(&left, x, y) + 4.0 * sum_bb(&corner, x, y);
        out[row] /= (double)n * (t->d > 1 ? 1.0 : CONSTANT);
        add(&left, x, y);
        tree_add(tree, n, rank[row], x, y);
    }
done:
    lki_release(ctx, order);
    lki_release(ctx, rank);
    lki_release(ctx, tree);
    return status;
}

/* The neighbour search: checks, the choice between a tree and products, and rows over threads. */
#include "blas.h"
#include "core/reduce.h"
#include "elementary.h"
#include "neighbour_search.h"
#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 64, POINTS = 512 }; /* of a tile of products */

static const lki_neighbour_kernel *kernel_best(void)
{
#if defined(__x86_64__)
    static const lki_neighbour_kernel *const tables[] = {&lki_neighbour_kernel_portable, &lki_neighbour_kernel_avx2,
                                                         &lki_neighbour_kernel_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_neighbour_kernel_portable;
#endif
}

static lk_status check_finite(lk_context *ctx, const double *x, int64_t rows, int64_t d)
{
    for (int64_t i = 0; i < rows * d; i++) {
        if (!isfinite(x[i])) {
            return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %lld is %g; neighbours need finite numbers", (long long)(i / d) + 1,
                            (long long)(i % d) + 1, x[i]);
        }
    }
    return LK_OK;
}

/* ---- the choice ---- */

/* Nanoseconds a row on one thread, fitted to what bench/bench_neighbours.py measures on normal rows with 5 neighbours (to a factor 1.5). A
 * search of a tree looks at some L^(d/16) of its L leaves. */
static double tree_cost(double n, double d)
{
    const double leaves = ceil(n / LKI_KD_LEAF);
    return 300.0 + 40.0 * log2(leaves) + fmin(leaves, 4.5 * pow(leaves, d / 16.0)) * (60.0 + 3.5 * d);
}

static double product_cost(double n, double d)
{
    return 2500.0 + n * (0.48 + 0.045 * d);
}

static lk_status choose(lk_context *ctx, lk_neighbours *nb, const char *method, bool *tree)
{
    const double by_tree = tree_cost((double)nb->n, (double)nb->d), by_products = product_cost((double)nb->n, (double)nb->d);
    if (method == NULL || strcmp(method, "auto") == 0) {
        *tree = by_tree <= by_products;
        snprintf(nb->method, sizeof nb->method, "%s: a row's search costs some %.2g microseconds, by %s %.2g", *tree ? "tree" : "products",
                 1e-3 * (*tree ? by_tree : by_products), *tree ? "products" : "a tree", 1e-3 * (*tree ? by_products : by_tree));
    } else if (strcmp(method, "tree") == 0 || strcmp(method, "products") == 0) {
        *tree = method[0] == 't';
        snprintf(nb->method, sizeof nb->method, "%s: as asked for", method);
    } else {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "neighbours by '%s': there are tree, products and auto", method);
    }
    return LK_OK;
}

/* ---- points ---- */

static lk_status prepare_products(lk_context *ctx, lk_neighbours *nb)
{
    const int64_t n = nb->n, d = nb->d;
    const size_t size = lki_product((size_t)n, (size_t)d);
    LKI_TRY(lki_zeros(ctx, (size_t)d, sizeof(double), &nb->centre));
    LKI_TRY(lki_allocate(ctx, size, sizeof(double), &nb->centred));
    LKI_TRY(lki_allocate(ctx, (size_t)n, sizeof(double), &nb->squares));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < d; j++) {
            nb->centre[j] += nb->points[i * d + j] / (double)n;
        }
    }
    double greatest = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double u = nb->points[i * d + j] - nb->centre[j];
            nb->centred[i * d + j] = u;
            square += u * u;
        }
        nb->squares[i] = square;
        greatest = square > greatest ? square : greatest;
    }
    nb->greatest = sqrt(greatest);
    return LK_OK;
}

lk_status lki_neighbours_new(lk_context *ctx, const double *points, int64_t n, int64_t d, const lk_neighbours_options *options,
                             lk_neighbours **out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lk_neighbours *nb = NULL;
    lk_status status = LK_OK;
    bool tree = false;
    if (n < 1 || d < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "neighbours among %lld points of %lld columns; there must be at least one of each", (long long)n,
                        (long long)d);
    }
    LKI_TRY(check_finite(ctx, points, n, d));
    LKI_TRY(lki_zeros(ctx, 1, sizeof *nb, &nb));
    nb->memory = memory;
    nb->n = n;
    nb->d = d;
    LKI_GOTO(status, done, choose(ctx, nb, options != NULL ? options->method : NULL, &tree));
    if (tree) {
        LKI_GOTO(status, done, lki_kd_tree_new(ctx, points, n, d, NULL, &nb->tree));
    } else {
        LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)n, (size_t)d), sizeof(double), &nb->points));
        memcpy(nb->points, points, (size_t)(n * d) * sizeof(double));
        LKI_GOTO(status, done, prepare_products(ctx, nb));
    }
    *out = nb;
    nb = NULL;
done:
    lki_neighbours_free(&memory, nb);
    return status;
}

void lki_neighbours_free(const lki_memory *memory, lk_neighbours *nb)
{
    if (nb != NULL) {
        lki_kd_tree_free(memory, nb->tree);
        lki_memory_release(memory, nb->points);
        lki_memory_release(memory, nb->centre);
        lki_memory_release(memory, nb->centred);
        lki_memory_release(memory, nb->squares);
        lki_memory_release(memory, nb);
    }
}

/* ---- rows ---- */

typedef struct find {
    const lk_neighbours *nb;
    const lki_neighbour_kernel *kernel;
    const double *x;
    const int64_t *own;
    int64_t rows, k;
    double *distances;
    int64_t *indices;
} find;

/* From a heap to ascending order, and out. */
static void finish_row(const find *f, int64_t row, lki_nearest *best)
{
    for (int64_t left = best->k - 1; left > 0; left--) { /* heap sort: the worst goes last, again and again */
        const double square = best->square[0], last = best->square[left];
        const int64_t index = best->index[0], last_index = best->index[left];
        int64_t at = 0;
        for (;;) {
            int64_t c = 2 * at + 1;
            if (c >= left) {
                break;
            }
            if (c + 1 < left && (best->square[c + 1] > best->square[c] ||
                                 (best->square[c + 1] == best->square[c] && best->index[c + 1] > best->index[c]))) {
                c++;
            }
            if (best->square[c] < last || (best->square[c] == last && best->index[c] < last_index)) {
                break;
            }
            best->square[at] = best->square[c];
            best->index[at] = best->index[c];
            at = c;
        }
        best->square[at] = last;
        best->index[at] = last_index;
        best->square[left] = square;
        best->index[left] = index;
    }
    for (int64_t i = 0; i < best->k; i++) {
        if (f->distances != NULL) {
            f->distances[row * f->k + i] = sqrt(best->square[i]);
        }
        if (f->indices != NULL) {
            f->indices[row * f->k + i] = best->index[i];
        }
    }
}

/* All distances of a task's rows: tiles of products, sieved. */
static lk_status by_products(lk_context *ctx, const find *f, int64_t first, int64_t rows, lki_nearest *best)
{
    const lk_neighbours *nb = f->nb;
    const int64_t d = nb->d;
    double *x = NULL, *products = NULL, square[ROWS], slack[ROWS];
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, ROWS, (size_t)d * sizeof(double), &x));
    LKI_GOTO(status, done, lki_allocate(ctx, ROWS * POINTS, sizeof(double), &products));
    for (int64_t i = 0; i < rows; i++) {
        square[i] = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double u = f->x[(first + i) * d + j] - nb->centre[j];
            x[i * d + j] = u;
            square[i] += u * u;
        }
        /* Centring, d products and d sums are each off by at most eps / 2 of (|x| + |y|)^2, and so is the sum of three squares. */
        const double reach = sqrt(square[i]) + nb->greatest;
        slack[i] = ((double)d + 8.0) * 2.0 * DBL_EPSILON * reach * reach;
    }
    for (int64_t j = 0; j < nb->n; j += POINTS) {
        const int64_t points = nb->n - j < POINTS ? nb->n - j : POINTS;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)points, (int)d, 1.0, x, (int)d, nb->centred + j * d, (int)d, 0.0,
                    products, POINTS);
        for (int64_t i = 0; i < rows; i++) {
            f->kernel->sieve(nb, f->x + (first + i) * d, square[i], slack[i], products + i * POINTS, j, points, &best[i]);
        }
    }
done:
    lki_release(ctx, x);
    lki_release(ctx, products);
    return status;
}

static lk_status find_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const find *f = state;
    const int64_t first = index * ROWS, rows = f->rows - first < ROWS ? f->rows - first : ROWS;
    lki_nearest best[ROWS];
    double *square = NULL;
    int64_t *place = NULL;
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, lki_allocate(ctx, ROWS, lki_product((size_t)f->k, sizeof(double)), &square));
    LKI_GOTO(status, done, lki_allocate(ctx, ROWS, lki_product((size_t)f->k, sizeof(int64_t)), &place));
    for (int64_t i = 0; i < rows; i++) {
        best[i] = (lki_nearest){.k = f->k, .own = f->own != NULL ? f->own[first + i] : -1, .square = square + i * f->k, .index = place + i * f->k};
    }
    if (f->nb->tree == NULL) {
        LKI_GOTO(status, done, by_products(ctx, f, first, rows, best));
    }
    for (int64_t i = 0; i < rows; i++) {
        if (f->nb->tree != NULL) {
            LKI_GOTO(status, done, lki_cancelled(ctx));
            f->kernel->tree(f->nb->tree, f->x + (first + i) * f->nb->d, &best[i]);
        }
        finish_row(f, first + i, &best[i]);
    }
done:
    lki_release(ctx, square);
    lki_release(ctx, place);
    return status;
}

lk_status lki_neighbours_find(lk_context *ctx, const lk_neighbours *nb, const double *x, int64_t rows, int64_t k, const int64_t *own,
                              double *distances, int64_t *indices)
{
    find f = {nb, kernel_best(), x, own, rows, k, distances, indices};
    if (k < 1 || k > nb->n - (own != NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld neighbours among %lld points%s; ask for 1 to %lld", (long long)k, (long long)nb->n,
                        own != NULL ? ", one of them left out" : "", (long long)(nb->n - (own != NULL)));
    }
    LKI_TRY(check_finite(ctx, x, rows, nb->d));
    lki_blas_enter();
    const lk_status status = lki_parallel(ctx, (rows + ROWS - 1) / ROWS, find_task, &f);
    lki_blas_leave();
    return status;
}

/* ---- the public calls ---- */

lk_status lk_neighbours_new(lk_context *context, const double *points, int64_t n, int64_t d, const lk_neighbours_options *options,
                            lk_neighbours **out)
{
    lki_begin(context);
    if (points == NULL || out == NULL || (options != NULL && options->size != sizeof *options)) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "lk_neighbours_new: %s", points == NULL ? "points is NULL" : out == NULL ? "out is NULL"
                                                    : "options->size is not sizeof(lk_neighbours_options)");
    }
    return lki_neighbours_new(context, points, n, d, options, out);
}

lk_status lk_neighbours_find(lk_context *context, const lk_neighbours *neighbours, const double *x, int64_t rows, int64_t k,
                             const int64_t *own, double *distances, int64_t *indices)
{
    lki_begin(context);
    if (neighbours == NULL || (x == NULL && rows > 0) || rows < 0) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "lk_neighbours_find: %s", neighbours == NULL ? "neighbours is NULL" : rows < 0 ? "rows is negative"
                                                    : "x is NULL");
    }
    return lki_neighbours_find(context, neighbours, x, rows, k, own, distances, indices);
}

const char *lk_neighbours_method(const lk_neighbours *neighbours)
{
    return neighbours->method;
}

void lk_neighbours_free(lk_context *context, lk_neighbours *neighbours)
{
    const lki_memory memory = lki_memory_of(context);
    lki_neighbours_free(&memory, neighbours);
}

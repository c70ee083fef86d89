/* What the neighbour search's files share; within the library, lki_neighbours_ calls are the public ones without lki_begin(). */
#ifndef LIKELY_NEIGHBOURS_IMPL_H
#define LIKELY_NEIGHBOURS_IMPL_H

#include "kd_tree.h"
#include <likely/neighbours.h>

struct lk_neighbours {
    lki_memory memory;
    int64_t n, d;
    lki_kd_tree *tree;   /* NULL = by products */
    double *points;      /* n x d as given */
    double *centre;      /* d */
    double *centred;     /* n x d */
    double *squares;     /* n: of these */
    double greatest;     /* the root of the largest */
    char method[160];
};

/* The k best so far of one row: a heap with the worst on top, by square, then index. */
typedef struct lki_nearest {
    int64_t k, count, own;
    double *square;
    int64_t *index;
} lki_nearest;

/* What is compiled for each instruction set. All compute the square of a distance as the same chain of operations. */
typedef struct lki_neighbour_kernel {
    /* Searches the tree. */
    void (*tree)(const lki_kd_tree *tree, const double *row, lki_nearest *best);
    /* Goes over points first..first + count - 1, whose products with the centred row of square `xx` are given, and computes the square where
     * the products do not rule the point out. `slack` bounds the error of square by products. */
    void (*sieve)(const lk_neighbours *nb, const double *row, double xx, double slack, const double *products, int64_t first, int64_t count,
                  lki_nearest *best);
} lki_neighbour_kernel;
extern const lki_neighbour_kernel lki_neighbour_kernel_portable;
#if defined(__x86_64__)
extern const lki_neighbour_kernel lki_neighbour_kernel_avx2;
extern const lki_neighbour_kernel lki_neighbour_kernel_avx512;
#endif

lk_status lki_neighbours_new(lk_context *ctx, const double *points, int64_t n, int64_t d, const lk_neighbours_options *options,
                             lk_neighbours **out) LK_NODISCARD;
lk_status lki_neighbours_find(lk_context *ctx, const lk_neighbours *nb, const double *x, int64_t rows, int64_t k, const int64_t *own,
                              double *distances, int64_t *indices) LK_NODISCARD;
void lki_neighbours_free(const lki_memory *memory, lk_neighbours *nb);

#endif

/* Sums over row blocks that are the same bits on any number of threads: a fixed binary tree over block numbers. */
#ifndef LIKELY_REDUCE_H
#define LIKELY_REDUCE_H

#include "core.h"

/* Rows of a block: blocks start at multiples of it, whatever the file, the memory or the threads. */
enum { LKI_BLOCK_ROWS = 1024 };

/* One sum over blocks. `block` writes the partial sums of one block into `sums` (already zeroed), called from worker
 * `thread` (0..threads-1) which may use state of its own. `combine` adds the right neighbour into the left; NULL means
 * elementwise addition. */
typedef struct lki_reduction {
    int64_t blocks;
    size_t length; /* doubles in one partial sum */
    lk_status (*block)(lk_context *ctx, void *state, int thread, int64_t block, double *sums);
    void (*combine)(void *state, double *left, const double *right);
    void *state;
    const char *stage; /* for progress; NULL = silent */
    /* Flops of one block, roughly; 0 = many. Where all blocks together are too few to be worth waking other threads, one
     * thread does them: the bits are the same. */
    double work;
} lki_reduction;

/* Reduces all blocks over threads (and ranks of the communicator) into `out`, length doubles; zeros if there are no
 * blocks. Tree: node (level l, index i) covers blocks [i 2^l, (i+1) 2^l); what is left over at the end folds from
 * right to left. Memory O(threads * log(blocks)) partial sums. */
lk_status lki_reduce(lk_context *ctx, const lki_reduction *reduction, double *out) LK_NODISCARD;

/* Runs `task` for 0..tasks-1 over the context's threads, without a sum. A failure stops what comes after it;
 * the one at the lowest index is told. */
lk_status lki_parallel(lk_context *ctx, int64_t tasks,
                       lk_status (*task)(lk_context *ctx, void *state, int thread, int64_t index),
                       void *state) LK_NODISCARD;

#endif

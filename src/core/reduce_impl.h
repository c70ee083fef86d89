/* The reduction with its chunk size in the open, for tests that show that the size changes nothing. */
#ifndef LIKELY_REDUCE_IMPL_H
#define LIKELY_REDUCE_IMPL_H

#include "reduce.h"

/* As lki_reduce(), with workers taking chunks of 2^chunk_level blocks; -1 = chosen by the number of blocks and
 * threads. */
lk_status lki_reduce_chunked(lk_context *ctx, const lki_reduction *reduction, int chunk_level,
                             double *out) LK_NODISCARD;

#endif

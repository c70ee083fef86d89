/* The inside of a table, for the rooms that make or read one. */
#ifndef LIKELY_TABLE_IMPL_H
#define LIKELY_TABLE_IMPL_H

#include "core/core.h"
#include <likely/table.h>

/* A rows x columns matrix of doubles, row-major, that is in memory, memory-mapped or behind a file descriptor, with names,
 * types and levels. Whatever the source, row r of column c is one double at (r * columns + c). */
int lki_table_named(const lk_table *table);            /* 0 if the columns' names were made up (x1, x2, ...) */
int lki_table_in_memory(const lk_table *table);
/* A pointer to the rows themselves where they lie in memory as they are (all columns), else NULL. */
const double *lki_table_direct(const lk_table *table);
/* Fills `out` with the columns of `list` ("a,b,3"); *count receives how many. Names a column that is not there. */
lk_status lki_table_find_list(lk_context *ctx, const lk_table *table, const char *list, int64_t *out, int64_t *count) LK_NODISCARD;

#endif

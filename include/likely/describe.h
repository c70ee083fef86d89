/* What a table holds: types, ranges, missing values, levels, duplicates. */
#ifndef LIKELY_DESCRIBE_H
#define LIKELY_DESCRIBE_H

#include <likely/context.h>
#include <likely/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Describes a table, as JSON: rows, duplicate_rows (rows equal to an earlier one in every column, missing values being
 * equal to one another; by 128-bit hashes), text_compared (false where a table on disk keeps no strings: then text
 * columns are left out of it), and columns, each with name, type (real, integer, category, text), count (values that
 * are not missing), missing, distinct (null where it is not known), distinct_estimated, constant (at most one distinct
 * value) and duplicate_of (the first earlier column with the same values, else null). A numeric column adds min, max,
 * mean, sd (divided by count - 1) and quartiles (three numbers, interpolated linearly between order statistics, Hyndman
 * and Fan 1996, type 7), each null where there are too few values.
 * A category adds levels, an array of level and count in the order of the levels.
 * Order statistics are exact, by sorting where a column fits into the context's memory, else by selection in six
 * passes. The number of distinct values is exact where a column fits, else estimated to about 1 percent (HyperLogLog,
 * Flajolet et al. 2007).
 * @param context a context.
 * @param table a table, in memory or on disk.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: two passes over the table for the moments, one for the rest, and a sort a column or six passes. At most 43
 * bytes a row and 114 KB a column of memory; where that would be more than a quarter of the context's, 16 bytes a
 * row of temporary files. */
LK_API LK_NODISCARD lk_status lk_table_describe(lk_context *context, const lk_table *table, char **out);

#ifdef __cplusplus
}
#endif
#endif

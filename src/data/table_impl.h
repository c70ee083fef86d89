/* The inside of a table, for the rooms that make or read one. */
#ifndef LIKELY_TABLE_IMPL_H
#define LIKELY_TABLE_IMPL_H

#include "core/core.h"
#include "data/array_file.h"
#include "data/string_list.h"
#include <likely/table.h>

/* One column: a category's levels or, where they are kept, a text column's strings. */
typedef struct lki_table_column {
    char *name;
    lk_type type;
    lki_string_list strings;
} lki_table_column;

/* Where the values of one column lie that the caller keeps: row r's at values[r * stride]. */
typedef struct lki_table_part {
    const double *values;
    int64_t stride;
} lki_table_part;

/* A rows x columns matrix of doubles, row-major, that is in memory, memory-mapped or behind a file descriptor, with names,
 * types and levels. Whatever the source, row r of column c is one double at (r * columns + c), but for columns that were lent one by one. */
struct lk_table {
    lki_memory memory; /* of everything below */
    int64_t rows;
    int64_t column_count;
    lki_table_column *columns;
    bool owns_columns;    /* a reader's blocks share the reader's columns */
    bool named;           /* the names stood in the file */
    bool keeps_text;      /* strings of text columns are there */
    const double *values; /* rows x column_count; NULL where the rows are behind `file` or `parts` */
    const struct lki_table_part *parts; /* column_count of them where each column lies by itself; NULL otherwise */
    double *owned;        /* what `values` points to if it was allocated */
    void *mapping;        /* what `values` points into if it was mapped */
    size_t mapping_bytes;
    lki_array_file file; /* descriptor -1 = none */
};

int lki_table_named(const lk_table *table);            /* 0 if the columns' names were made up (x1, x2, ...) */
int lki_table_in_memory(const lk_table *table);
/* A pointer to the rows themselves where they lie in memory as they are (all columns), else NULL. */
const double *lki_table_direct(const lk_table *table);
/* Fills `out` with the columns of `list` ("a,b,3"); *count receives how many. Names a column that is not there.
 * `out` has room for every column of the table: a column named twice is refused. */
lk_status lki_table_find_list(lk_context *ctx, const lk_table *table, const char *list, int64_t *out, int64_t *count) LK_NODISCARD;

/* An empty table of `columns` columns of type real, without names yet. */
lk_status lki_table_new(lk_context *ctx, int64_t columns, lk_table **out) LK_NODISCARD;
/* Gives column `column` a copy of name[0..length), or x1, x2, ... by its position where name is NULL. */
lk_status lki_table_set_name(lk_context *ctx, lk_table *table, int64_t column, const char *name, size_t length) LK_NODISCARD;
/* LK_ERROR_DATA with both positions where two columns have one name; `file` is named in the text. */
lk_status lki_table_check_names(lk_context *ctx, const lk_table *table, const char *file) LK_NODISCARD;

#endif

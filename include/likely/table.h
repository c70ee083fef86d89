/* Tables: columns with names, types and levels; readers of CSV, TSV, NPY, NPZ and IDX, writers of CSV, TSV, JSON lines and NPY. */
#ifndef LIKELY_TABLE_H
#define LIKELY_TABLE_H

#include <likely/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a column holds. Every value is stored as a double: a category as its level's number, a text as its string's
 * number; NaN is a missing value and nothing else. */
typedef enum lk_type {
    LK_TYPE_REAL = 0,     /**< any number */
    LK_TYPE_INTEGER = 1,  /**< whole numbers, asked for by types; a numeric column is real otherwise */
    LK_TYPE_CATEGORY = 2, /**< one of a list of levels */
    LK_TYPE_TEXT = 3      /**< free text */
} lk_type;

/** Rows of columns that can be read block by block in any order: in memory, memory-mapped, or in a file on disk.
 * Immutable once made; may be shared between contexts. */
typedef struct lk_table lk_table;

/** A file or stream that is read once, front to back, in blocks of rows that never occupy more than a few MB. */
typedef struct lk_reader lk_reader;

/** An output file of rows that appears whole or not at all. */
typedef struct lk_writer lk_writer;

/** How a file is read. Set `size` to sizeof(lk_read_options); zero elsewhere means the default. */
typedef struct lk_read_options {
    size_t size;           /**< sizeof(lk_read_options) */
    const char *format;    /**< "csv", "tsv", "npy", "npz", "idx"; NULL = by magic number, then by the delimiter */
    char delimiter;        /**< 0 = the one among , ; tab | that splits the first lines evenly, else runs of
                                blanks; ' ' = runs of blanks */
    int header;            /**< 1 = the first line names the columns, -1 = it does not, 0 = find out */
    const char *na;        /**< comma-separated tokens that mean missing; NULL = NA,N/A,NaN,nan,null,NULL,None,?,. ;
                              an empty field always is */
    const char *types;     /**< "name=real,name=category,3=text": by name or 1-based position; NULL = found in the
                              first 1000 rows: real where all are numbers; category where there are at most 100
                              distinct strings, each twice on average; else text */
    const char *id;        /**< row names, "name,3": text where a number among the first 1000 rows would not come back as it
                              is written (007, 9007199254740993) and `types` says nothing else; NULL = none */
} lk_read_options;

/** Opens a file for one pass.
 *
 * An NPZ is a table by one of three rules. FILE.npz:NAME (where there is no file of that whole name) is the array NAME
 * alone. Else the only matrix, or the one called X where there are several, gives columns x1, x2, ... , and beside it stands
 * every vector of as many elements, as a column of its own name: an X with a y is x1, ..., xd, y. Where there is no matrix,
 * all vectors are columns, if they are of one length. What stays out is told by the context's message callback.
 * An IDX of any rank has its first dimension as rows, and the others, flattened, as columns x1, x2, ...
 * @param context a context.
 * @param path a file; "-" is standard input. gzip and zstd are recognized by their magic numbers.
 * @param options NULL for all defaults.
 * @param out receives the reader; free it by lk_reader_free().
 * Errors: LK_ERROR_IO, LK_ERROR_FORMAT (file:line:column and what would be right; an archive's checksum that differs,
 * at the last block), LK_ERROR_DATA (an NPZ whose arrays make no table), LK_ERROR_ARGUMENT (no array NAME),
 * LK_ERROR_MEMORY, LK_ERROR_UNAVAILABLE (compressed input in a build without that library).
 * Cost: reads the first 1000 rows; an NPZ that cannot be read by position (standard input, gzip) goes to a temporary
 * file, a matrix of it in column order is read once. */
LK_API LK_NODISCARD lk_status lk_reader_open(lk_context *context, const char *path, const lk_read_options *options,
                                             lk_reader **out);

/** The next block of rows, as a small table in memory.
 * @param context a context.
 * @param reader an open reader.
 * @param out receives a borrowed table, valid until the next call with this reader; NULL after the last row.
 * Its columns are those of every other block; category levels may grow from block to block.
 * Errors: as lk_reader_open(); LK_ERROR_CANCELLED.
 * Cost: time linear in the block's bytes, memory of one block. */
LK_API LK_NODISCARD lk_status lk_reader_next(lk_context *context, lk_reader *reader, const lk_table **out);

/** The columns of a reader, as a table without rows.
 * @param reader an open reader.
 * @return borrowed, valid as long as the reader. */
LK_API const lk_table *lk_reader_columns(const lk_reader *reader);

/** Closes a reader.
 * @param reader NULL is fine. */
LK_API void lk_reader_free(lk_reader *reader);

/** Reads a whole file into a table. Where it would exceed the context's memory it stays on disk: an uncompressed NPY
 * or IDX, or an uncompressed array of an NPZ, where it is, anything else as numbers in an unnamed temporary file. Purely
 * numeric columns become LK_TYPE_REAL.
 * @param context a context; its memory decides what is held.
 * @param path a file; "-" is standard input.
 * @param options NULL for all defaults.
 * @param out receives the table; free it by lk_table_free().
 * Errors: as lk_reader_open(); LK_ERROR_DATA (no rows); LK_ERROR_CANCELLED.
 * Cost: one pass over the file. */
LK_API LK_NODISCARD lk_status lk_table_read(lk_context *context, const char *path, const lk_read_options *options,
                                            lk_table **out);

/** Makes a table of real columns from an array.
 * @param context a context.
 * @param values rows x columns, row-major; copied. NaN = missing; infinities are refused.
 * @param rows at least 0.
 * @param columns at least 1.
 * @param names column names, distinct; NULL gives x1, x2, ...; copied.
 * @param out receives the table; free it by lk_table_free().
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA (an infinity, with its row and column), LK_ERROR_MEMORY.
 * Cost: one copy. */
LK_API LK_NODISCARD lk_status lk_table_from_array(lk_context *context, const double *values, int64_t rows,
                                                  int64_t columns, const char *const *names, lk_table **out);

/** A column in the caller's memory. */
typedef struct lk_array_column {
    const char *name;          /**< NULL gives x1, x2, ... by its position; copied */
    lk_type type;              /**< real, integer or category */
    const double *values;      /**< borrowed; NaN = missing. Of a category the numbers of its levels, from 0 */
    int64_t stride;            /**< from one row's value to the next one's, in doubles; may be negative */
    const char *const *levels; /**< of a category; distinct, copied; NULL otherwise */
    int64_t level_count;       /**< how many of them */
} lk_array_column;

/** Makes a table over columns that stay where they are: nothing is copied. The values must outlive the table and not change.
 * @param context a context.
 * @param columns the columns; the array itself is not needed afterwards.
 * @param count at least 1.
 * @param rows at least 0.
 * @param out receives the table; free it by lk_table_free().
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA (an infinity, a fraction in a column of integers, a number that is no level, with row and
 * column; two columns or levels of one name), LK_ERROR_MEMORY.
 * Cost: one pass over the values. */
LK_API LK_NODISCARD lk_status lk_table_from_columns(lk_context *context, const lk_array_column *columns, int64_t count, int64_t rows,
                                                    lk_table **out);

/** Frees a table.
 * @param table NULL is fine. */
LK_API void lk_table_free(lk_table *table);

/** The number of rows.
 * @param table a table.
 * @return at least 0. */
LK_API int64_t lk_table_rows(const lk_table *table);

/** The number of columns.
 * @param table a table.
 * @return at least 1. */
LK_API int64_t lk_table_columns(const lk_table *table);

/** The name of a column.
 * @param table a table.
 * @param column 0-based position.
 * @return borrowed text. */
LK_API const char *lk_table_name(const lk_table *table, int64_t column);

/** The type of a column.
 * @param table a table.
 * @param column 0-based position.
 * @return the type. */
LK_API lk_type lk_table_type(const lk_table *table, int64_t column);

/** The number of levels of a category column.
 * @param table a table.
 * @param column 0-based position.
 * @return 0 for a column that is no category. */
LK_API int64_t lk_table_levels(const lk_table *table, int64_t column);

/** A level of a category column.
 * @param table a table.
 * @param column 0-based position.
 * @param level 0-based.
 * @return borrowed text; NULL if there is no such level. */
LK_API const char *lk_table_level(const lk_table *table, int64_t column, int64_t level);

/** The string behind a value of a text column.
 * @param table a table in memory.
 * @param column 0-based position of a text column.
 * @param value a value of that column as lk_table_gather() gives it.
 * @return borrowed text; NULL for NaN and for a table that keeps no strings (one on disk). */
LK_API const char *lk_table_text(const lk_table *table, int64_t column, double value);

/** The position of a column.
 * @param context a context.
 * @param table a table.
 * @param name a column name, else a 1-based position in digits.
 * @param out receives the 0-based position.
 * Errors: LK_ERROR_ARGUMENT, naming the columns there are.
 * Cost: linear in the number of columns. */
LK_API LK_NODISCARD lk_status lk_table_find(lk_context *context, const lk_table *table, const char *name,
                                            int64_t *out);

/** Copies chosen columns of a run of rows.
 * @param context a context.
 * @param table a table.
 * @param first_row 0-based.
 * @param rows how many; first_row + rows is at most lk_table_rows().
 * @param columns 0-based positions.
 * @param count how many of them.
 * @param out receives rows x count values, row-major.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_IO (also a file that has become shorter), LK_ERROR_DATA (an infinity met in an NPY that
 * stayed on disk, with its row and column), LK_ERROR_MEMORY. Thread-safe.
 * Cost: linear in rows x count. */
LK_API LK_NODISCARD lk_status lk_table_gather(lk_context *context, const lk_table *table, int64_t first_row,
                                              int64_t rows, const int64_t *columns, int64_t count, double *out);

/** Which columns play which part. Names are comma-separated, each a column name or a 1-based position. Set `size` to
 * sizeof(lk_roles); NULL elsewhere means none (features: every numeric column that plays no other part). */
typedef struct lk_roles {
    size_t size;          /**< sizeof(lk_roles) */
    const char *features; /**< what the distribution is over */
    const char *label;    /**< a known class */
    const char *weight;   /**< non-negative weights: a weight of 2 is the row twice, 0 is the row absent */
    const char *id;       /**< row names, never data */
    const char *ignore;   /**< left out */
    const char *partition; /**< groups that a fit begins from: a category or whole numbers */
} lk_roles;

/** A column of output. */
typedef struct lk_column {
    const char *name;          /**< its header */
    lk_type type;              /**< how its values are written; an integer is written without a point */
    const lk_table *levels_of; /**< for category and text: the table that holds the strings; NULL otherwise */
    int64_t levels_column;     /**< and the column there */
} lk_column;

/** Opens an output. The file appears when lk_writer_close() succeeds: it is written beside its place, synced and
 * renamed, so that an error, a full disk or a kill leaves what stood there before.
 * @param context a context.
 * @param path a file whose extension gives the format (.csv .tsv .jsonl .npy); "-" or NULL is standard output.
 * @param format "csv", "tsv", "jsonl", "npy" to override; NULL = by extension, csv on standard output.
 * @param columns the columns of every row; copied, but the tables they point to must live until the close.
 * An NPY holds the columns of type real and integer only, as float64.
 * @param count how many of them.
 * @param out receives the writer; end it by lk_writer_close() or lk_writer_free().
 * Errors: LK_ERROR_IO, LK_ERROR_ARGUMENT (an extension that is not known), LK_ERROR_MEMORY.
 * Cost: constant. */
LK_API LK_NODISCARD lk_status lk_writer_open(lk_context *context, const char *path, const char *format,
                                             const lk_column *columns, int64_t count, lk_writer **out);

/** Replaces the tables behind category and text columns, for the next block of rows.
 * @param writer an open writer.
 * @param column 0-based output column.
 * @param table borrowed until it is replaced or the writer ends. */
LK_API void lk_writer_source(lk_writer *writer, int64_t column, const lk_table *table);

/** Writes rows. Numbers are the shortest that read back to the same double; NaN is an empty field (null in JSON; "" in a
 * file of one column, whose line would be empty), infinities are inf and -inf (null in JSON). Texts stand in quotes by
 * RFC 4180 where they need it, in TSV too: tabs and line ends stay what they are.
 * @param context a context.
 * @param writer an open writer.
 * @param values rows x columns, row-major.
 * @param rows at least 0.
 * Errors: LK_ERROR_IO (disk full: how many bytes were asked for and where).
 * Cost: linear in rows. */
LK_API LK_NODISCARD lk_status lk_writer_rows(lk_context *context, lk_writer *writer, const double *values,
                                             int64_t rows);

/** Finishes the output: the file takes its name. The writer is freed whatever is returned.
 * @param context a context.
 * @param writer an open writer.
 * Errors: LK_ERROR_IO; then no file was made and an older one of that name stands untouched.
 * Cost: one sync of the file. */
LK_API LK_NODISCARD lk_status lk_writer_close(lk_context *context, lk_writer *writer);

/** Throws an output away; nothing appears.
 * @param writer NULL is fine. */
LK_API void lk_writer_free(lk_writer *writer);

#ifdef __cplusplus
}
#endif
#endif

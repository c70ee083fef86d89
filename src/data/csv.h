/* Delimited text (RFC 4180 and its relatives), read window by window; a window's chunks are parsed in parallel.
 *
 * A window is a buffer that ends at the end of a record. It is cut at record ends into chunks, each parsed by one task into the
 * rows that are set aside for it, while another task reads and cuts the next window. What a task finds does not depend on
 * the others: levels and texts are numbered afterwards, chunk by chunk, and the first chunk's fault is the one that is told.
 *
 * Rules beyond RFC 4180: a quote opens a quoted field only as the field's first byte; blank lines are skipped; blanks
 * around a number, a missing token and an unquoted name do not count; a line ends by LF, CRLF, or CR alone in a file without
 * LF. Where a blank is the delimiter, a run of spaces and tabs is one, and those at the ends of a line are none: the window is rewritten so
 * as it is filled. In an error's file:line:column the line is the text's and the column is the table's, both from 1. */
#ifndef LIKELY_CSV_H
#define LIKELY_CSV_H

#include "data/stream.h"
#include "data/string_list.h"
#include "data/table_impl.h"

/* Bytes that may be read beyond the data of a window, and the longest line. */
enum { LKI_CSV_PADDING = 64 };
#define LKI_CSV_LINE_LIMIT ((size_t)256 << 20)
/* Types are found in this many rows. A column of strings there is a category if it has at most LKI_CSV_LEVELS distinct ones, each
 * on average at least twice; else text. */
enum { LKI_CSV_SNIFF_ROWS = 1000, LKI_CSV_LEVELS = 100, LKI_CSV_LEVELS_MAX = 1000000 };

/* What is wrong with a field or row; the text is made later, by the calling thread. */
typedef enum lki_csv_wrong {
    LKI_CSV_FINE = 0,
    LKI_CSV_NOT_NUMBER,
    LKI_CSV_NOT_WHOLE,
    LKI_CSV_INFINITE,
    LKI_CSV_TOO_FEW,
    LKI_CSV_TOO_MANY,
    LKI_CSV_OPEN_QUOTE,
    LKI_CSV_AFTER_QUOTE,
    LKI_CSV_NOT_UTF8,
    LKI_CSV_NUL,
    LKI_CSV_LONG_LINE,
    LKI_CSV_NO_MEMORY
} lki_csv_wrong;

typedef struct lki_csv_fault {
    lki_csv_wrong wrong;
    const char *at;   /* in the window: its line is the fault's */
    const char *text; /* the offending value */
    size_t length;
    int64_t column;   /* 0-based; for a ragged row the number of fields */
} lki_csv_fault;

/* A run of records. */
typedef struct lki_csv_chunk {
    const char *begin, *end;
    int64_t bound; /* at least the number of its rows */
    int64_t lines; /* line ends in it, quoted ones too */
    int64_t rows;  /* set by parsing */
    double *out;
    lki_csv_fault fault;
    lki_string_list *strings; /* a column each: new levels, or texts in order; NULL if all columns are numbers */
    lki_string_list scratch;  /* of unquoting */
} lki_csv_chunk;

typedef struct lki_csv_window {
    char *bytes;
    size_t capacity, used;
    const char *end; /* after the last whole record */
    bool last;
    lki_csv_chunk *chunks;
    size_t chunk_count, chunk_capacity;
    int64_t bound;
    lki_csv_fault fault; /* after the last whole record */
} lki_csv_window;

/* Missing-value tokens. */
typedef struct lki_csv_na {
    lki_string_list tokens;
    double *values; /* those tokens that are numbers themselves */
    size_t value_count, value_capacity;
} lki_csv_na;

typedef struct lki_csv {
    lki_memory memory;
    lki_source *source; /* owned */
    const char *name;
    lk_table *columns; /* owned, until the reader of a whole table takes it */
    int64_t column_count;
    char delimiter;
    bool bare_cr;   /* lines end by CR alone */
    struct {        /* where runs of blanks are being made one: what the bytes so far leave open */
        bool quoted, closed, inside, pending; /* within quotes; just after them; within a line's fields; after a blank */
    } blanks;
    bool keep_text; /* texts are kept in the columns' strings */
    bool numeric;   /* every column is real or integer: no strings to number */
    bool has_header;
    lki_csv_na na;
    size_t window_bytes, chunk_bytes;
    lki_csv_window windows[2];
    int current;
    const char *start; /* of the first record to be parsed in the first window */
    int64_t line;      /* of the current window's first byte, from 1 */
    int64_t *text_count; /* strings so far of each text column, kept or not */
} lki_csv;

/* How input is cut; zero = default. Results do not depend on it. */
typedef struct lki_csv_cut {
    size_t window_bytes, chunk_bytes;
} lki_csv_cut;

/* ---- csv.c: the reader */
/* Takes the source, whatever is returned. */
lk_status lki_csv_open(lk_context *ctx, lki_source *source, const lk_read_options *options, const lki_csv_cut *cut,
                       lki_csv **out) LK_NODISCARD;
void lki_csv_free(lki_csv *csv);
/* At least the number of rows that the next lki_csv_parse() gives; 0 at the end. */
int64_t lki_csv_bound(const lki_csv *csv);
/* Parses the window and reads on. `out` has room for lki_csv_bound() rows. */
lk_status lki_csv_parse(lk_context *ctx, lki_csv *csv, double *out, int64_t *rows) LK_NODISCARD;
/* Rows of the whole file by the length of what was read so far; 0 if unknown. */
int64_t lki_csv_estimate(const lki_csv *csv);
/* Sets the error text of a fault in the current window. */
lk_status lki_csv_fail(lk_context *ctx, const lki_csv *csv, const lki_csv_fault *fault);

/* ---- csv_scan.c: windows and chunks */
/* Moves `tail` to the front of the window, reads until it holds at least one whole record, and cuts it into chunks. */
lk_status lki_csv_fill(lk_context *ctx, lki_csv *csv, lki_csv_window *window, const char *tail, size_t tail_length) LK_NODISCARD;
/* Reads on until the first window holds LKI_CSV_SNIFF_ROWS records and a header. */
lk_status lki_csv_fill_first(lk_context *ctx, lki_csv *csv, lki_csv_window *window) LK_NODISCARD;
/* Cuts [from, window's end) anew: after the header is known. */
lk_status lki_csv_cut_window(lk_context *ctx, lki_csv *csv, lki_csv_window *window, const char *from) LK_NODISCARD;
int64_t lki_csv_count_lines(const char *begin, const char *end);
/* Makes each run of blanks among the window's bytes from `from` on one space, and none at the ends of lines. */
void lki_csv_squeeze(lki_csv *csv, lki_csv_window *window, size_t from);
void lki_csv_window_free(const lki_csv *csv, lki_csv_window *window);

/* ---- csv_field.c: one field */
typedef struct lki_csv_field {
    const char *text; /* content, unquoted */
    size_t length;
    bool quoted;
    bool ends_row;
    const char *next; /* after the terminator */
} lki_csv_field;
/* The field at p. `scratch` holds a content with doubled quotes until the next call. On a fault *fault is set. */
bool lki_csv_next_field(const lki_memory *memory, const char *p, const char *end, char delimiter, lki_string_list *scratch,
                        lki_csv_field *field, lki_csv_fault *fault);
/* The first record at or after p that is no blank line; `end` if there is none. */
const char *lki_csv_skip_blank(const char *p, const char *end);
/* The longest start of text[0..length) that is UTF-8 without NUL. */
size_t lki_csv_valid_utf8(const char *text, size_t length);
bool lki_csv_is_missing(const lki_csv_na *na, const char *text, size_t length);
/* Whether the text is a number; its value (also inf or NaN). */
bool lki_csv_number(const char *text, size_t length, double *value);
lk_status lki_csv_na_read(lk_context *ctx, const lki_memory *memory, const char *tokens, lki_csv_na *na) LK_NODISCARD;

/* ---- csv_sniff.c: what the first rows show */
lk_status lki_csv_sniff(lk_context *ctx, lki_csv *csv, const lk_read_options *options) LK_NODISCARD;

/* ---- csv_parse.c: the hot loop */
void lki_csv_parse_chunk(const lki_csv *csv, lki_csv_chunk *chunk);

#endif

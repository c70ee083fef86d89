/* A matrix of numbers as raw bytes, read by position from any thread: behind a descriptor (an NPY, an IDX, a member of an NPZ, a
 * spool), or in memory. */
#ifndef LIKELY_ARRAY_FILE_H
#define LIKELY_ARRAY_FILE_H

#include "core/core.h"

/* The element of an array file. */
typedef enum lki_element {
    LKI_ELEMENT_F64 = 0,
    LKI_ELEMENT_F32,
    LKI_ELEMENT_I8,
    LKI_ELEMENT_I16,
    LKI_ELEMENT_I32,
    LKI_ELEMENT_I64,
    LKI_ELEMENT_U8,
    LKI_ELEMENT_U16,
    LKI_ELEMENT_U32,
    LKI_ELEMENT_U64,
    LKI_ELEMENT_BOOL
} lki_element;

typedef struct lki_array_file {
    int descriptor;  /* -1 = none */
    const char *bytes; /* where there is no descriptor: the file in memory, borrowed; NULL = none */
    int64_t offset;  /* of the first element */
    int64_t rows;
    int64_t columns;
    lki_element element;
    size_t element_bytes;
    bool swapped;    /* the other byte order than this machine's */
    bool fortran;    /* column after column */
    bool trusted;    /* written by this process: no infinities to look for */
    char *name;      /* as in error texts; owned by whoever holds the struct */
} lki_array_file;

size_t lki_element_bytes(lki_element element);
/* Turns `count` elements that may lie at any address into doubles. */
void lki_elements_convert(lki_element element, bool swapped, const void *bytes, size_t count, double *out);
/* The first infinity among `count` values; `count` if there is none. */
size_t lki_find_infinity(const double *values, size_t count);
/* LK_ERROR_DATA naming row and column (both 0-based here, 1-based in the text). */
lk_status lki_fail_infinity(lk_context *ctx, const char *name, int64_t row, int64_t column, double value);

/* Copies chosen columns (NULL = all) of a run of rows into out, rows x count, row-major. Infinities are refused unless the
 * file is trusted. A file that has become shorter is an error. Thread-safe. */
lk_status lki_array_file_gather(lk_context *ctx, const lki_array_file *file, int64_t first_row, int64_t rows,
                                const int64_t *columns, int64_t count, double *out) LK_NODISCARD;

/* An unnamed temporary file in $TMPDIR or /tmp, gone when it is closed. */
lk_status lki_spool_open(lk_context *ctx, int *descriptor) LK_NODISCARD;
/* Appends; a full disk is named with its directory and the bytes asked for. */
lk_status lki_spool_write(lk_context *ctx, int descriptor, const void *bytes, size_t count) LK_NODISCARD;

#endif

/* An array of numbers in rows, wherever its bytes come from: what NPY and IDX have in common behind their headers. */
#ifndef LIKELY_ARRAY_ROWS_H
#define LIKELY_ARRAY_ROWS_H

#include "data/array_file.h"
#include "data/stream.h"

typedef struct lki_array {
    lki_memory memory;
    const char *format;  /* "NPY" or "IDX", for error texts */
    lki_source *source;  /* owned */
    lki_array_file file; /* without a descriptor and bytes rows come from the source, in order */
    bool owned;          /* the descriptor is ours to close */
    void *held;          /* what file.bytes points to */
    bool sized;          /* the size of what holds it agrees with the header */
    bool checked;        /* nothing follows the elements, and a checksum agrees */
    int place;           /* the archive in which the bytes lie as they are, -1 = none; borrowed */
    int64_t place_offset; /* of the first element there */
    int64_t next_row;
} lki_array;

/* An array that nothing is known of yet; takes the source, whatever is returned. */
lk_status lki_array_new(lk_context *ctx, lki_source *source, const char *format, lki_array **out) LK_NODISCARD;
void lki_array_free(lki_array *array);
/* The shape in file, and offset, against the size in bytes of what holds header and elements (-1 = not known). */
lk_status lki_array_check_size(lk_context *ctx, lki_array *array, int64_t size) LK_NODISCARD;
/* After the header: reads a regular file by position, anything else in order, unless that cannot be done. */
lk_status lki_array_begin(lk_context *ctx, lki_array *array) LK_NODISCARD;
/* Makes an array that lies in an archive as it is readable by position, after one pass that compares its checksum. */
lk_status lki_array_settle(lk_context *ctx, lki_array *array) LK_NODISCARD;
bool lki_array_by_position(const lki_array *array);
/* Brings the bytes of the next `rows` rows (there must be as many) into *buffer, which grows and is then known to be needed: where
 * the header alone says how many rows there are, as they come. Nothing is to be brought of an array by position. */
lk_status lki_array_fetch(lk_context *ctx, lki_array *array, int64_t rows, char **buffer, size_t *capacity) LK_NODISCARD;
/* The next `rows` rows, all columns; `buffer` holds what was brought. */
lk_status lki_array_next(lk_context *ctx, lki_array *array, int64_t rows, const char *buffer, double *out) LK_NODISCARD;
/* After the last row: the data must end there. */
lk_status lki_array_end(lk_context *ctx, lki_array *array) LK_NODISCARD;
/* Reads exactly `count` bytes of a header. */
lk_status lki_array_header_bytes(lk_context *ctx, lki_source *source, const char *format, void *bytes, size_t count) LK_NODISCARD;

#endif

/* A growing text and the two ways a field enters it: quoted for CSV and TSV, escaped for JSON. */
#ifndef LIKELY_TEXT_FIELD_H
#define LIKELY_TEXT_FIELD_H

#include "core/core.h"

/* Bytes without an ending NUL; release `bytes` with the context's allocator. Zeroed, it is the empty text. */
typedef struct lki_text {
    char *bytes;
    size_t used;
    size_t capacity;
} lki_text;

/* Makes room for `more` bytes after those used. */
lk_status lki_text_reserve(lk_context *ctx, lki_text *text, size_t more) LK_NODISCARD;
lk_status lki_text_add(lk_context *ctx, lki_text *text, const char *bytes, size_t count) LK_NODISCARD;
/* RFC 4180: a field that is empty, begins or ends with a blank, or holds the delimiter, a quote or a line's end stands in
 * quotes, with its quotes doubled. Tab-separated files follow the same rule, so that every reader of CSV gets back each tab and
 * line's end as it was. */
lk_status lki_text_add_quoted(lk_context *ctx, lki_text *text, const char *field, char delimiter) LK_NODISCARD;
/* A JSON string with its quotes (RFC 8259). A byte that is not UTF-8 becomes U+FFFD. */
lk_status lki_text_add_json(lk_context *ctx, lki_text *text, const char *field) LK_NODISCARD;

#endif

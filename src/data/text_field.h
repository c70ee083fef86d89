/* The two ways a field enters a text: quoted for CSV and TSV, escaped for JSON. */
#ifndef LIKELY_TEXT_FIELD_H
#define LIKELY_TEXT_FIELD_H

#include "text_builder.h"

/* RFC 4180: a field that is empty, begins or ends with a blank, or holds the delimiter, a quote or a line's end
 * stands in quotes, with its quotes doubled. Tab-separated files follow the same rule, so that every reader of CSV
 * gets back each tab and line's end as it was. */
lk_status lki_builder_add_quoted(lk_context *ctx, lki_builder *text, const char *field, char delimiter) LK_NODISCARD;
/* A JSON string with its quotes (RFC 8259). A byte that is not UTF-8 becomes U+FFFD. */
lk_status lki_builder_add_json(lk_context *ctx, lki_builder *text, const char *field) LK_NODISCARD;

#endif

/* A text that grows piece by piece, for lists of names in messages and for JSON. */
#ifndef LIKELY_TEXT_BUILDER_H
#define LIKELY_TEXT_BUILDER_H

#include "core/core.h"

/* Start from all zeros. `text` is NUL-terminated once anything was added; release it by lki_release(). */
typedef struct lki_builder {
    char *text;
    size_t length;
    size_t capacity;
} lki_builder;

lk_status lki_builder_add(lk_context *ctx, lki_builder *t, const char *piece) LK_NODISCARD;
/* Makes room for `more` bytes, which the caller writes at text + length, then adding to length (and no NUL). */
lk_status lki_builder_reserve(lk_context *ctx, lki_builder *t, size_t more) LK_NODISCARD;
lk_status lki_builder_add_bytes(lk_context *ctx, lki_builder *t, const char *piece, size_t length) LK_NODISCARD;
/* Adds `piece`, after ", " if it is not the first. */
lk_status lki_builder_add_item(lk_context *ctx, lki_builder *t, const char *piece) LK_NODISCARD;

/* The item of a comma-separated list at *position (advanced past its comma), without blanks around it: its start, and its
 * length in *length; NULL after the last. An empty list has no items; a comma at the very end adds none. */
const char *lki_builder_next(const char **position, size_t *length);

/* The number of edits (insert, delete, replace, swap of neighbours) between two words, where - equals _ and case does not
 * count; words are compared up to their first 63 bytes. */
int lki_builder_distance(const char *a, const char *b);

#endif

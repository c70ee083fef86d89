/* JSON texts: exact numbers whatever the locale, and jansson's failures as statuses. */
#ifndef LIKELY_JSON_TEXT_H
#define LIKELY_JSON_TEXT_H

#include "core/core.h"
#include <jansson.h>

/* LK_ERROR_MEMORY with a text: what a NULL from jansson means where its input was right. */
lk_status lki_json_memory(lk_context *ctx);
/* A number, or null where it is NaN or infinite; NULL if out of memory. */
json_t *lki_json_number(double v);
/* An array of numbers; NULL if out of memory. */
json_t *lki_json_numbers(const double *v, int64_t count);
/* Sets object[key] or appends to an array, and takes `value` over whatever happens; LK_ERROR_MEMORY if it is NULL. */
lk_status lki_json_set(lk_context *ctx, json_t *object, const char *key, json_t *value) LK_NODISCARD;
lk_status lki_json_append(lk_context *ctx, json_t *array, json_t *value) LK_NODISCARD;

/* One compact text (given back by lki_release) with the shortest numbers that read back to the same doubles; `sorted` orders
 * keys by their bytes, else they stand as they were set. */
lk_status lki_json_write(lk_context *ctx, const json_t *value, bool sorted, char **out) LK_NODISCARD;
/* Parses a text of any JSON value; duplicate keys, invalid UTF-8 and anything behind the value are refused with LK_ERROR_FORMAT
 * "WHERE: ... at line L, column C" (`where` names the text). */
lk_status lki_json_read(lk_context *ctx, const char *text, size_t length, const char *where, json_t **out) LK_NODISCARD;

#endif

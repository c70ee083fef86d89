/* A method's parameters: from texts to checked values and back to the one canonical text of each value. */
#ifndef LIKELY_PARAMETERS_H
#define LIKELY_PARAMETERS_H

#include "model/method.h"

/* Parses `settings` (ended by a NULL name; NULL = none) against the method's descriptor; what is not given has its default.
 * Where a name is given twice, the last counts. Errors: LK_ERROR_ARGUMENT, naming the value, and what would be right. */
lk_status lki_values_new(lk_context *ctx, const lk_method *method, const lk_setting *settings, lki_values **out) LK_NODISCARD;
/* The same from the JSON object that lki_values_json() made. */
lk_status lki_values_parse(lk_context *ctx, const lk_method *method, const json_t *object, lki_values **out) LK_NODISCARD;
void lki_values_free(const lki_memory *memory, lki_values *v); /* NULL is fine */
/* An object from each set parameter's name to its canonical text, in the descriptor's order. */
lk_status lki_values_json(lk_context *ctx, const lki_values *v, json_t **out) LK_NODISCARD;
/* The canonical text of parameter `index` of the descriptor, such as "kmeans++" or "1..9"; NULL if it is not set. */
const char *lki_values_text_at(const lki_values *v, int64_t index);

#endif

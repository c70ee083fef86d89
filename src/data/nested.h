/* Nested JSON lists of one shape, seen as arrays. */
#ifndef LIKELY_NESTED_H
#define LIKELY_NESTED_H

#include <jansson.h>
#include <stdint.h>

enum { LKI_NESTED_MAX = 3 };
typedef struct lki_nested {
    int rank;
    int64_t shape[LKI_NESTED_MAX]; /* outermost list first */
    int64_t size;
} lki_nested;

/* The shape, taken from the first of each list: lists that are made here are of one shape. */
lki_nested lki_nested_shape(const json_t *value);
/* The element at a position counted with the last index fastest, or with the first one. */
const json_t *lki_nested_at(const json_t *value, const lki_nested *shape, int64_t position, int first_fastest);

#endif

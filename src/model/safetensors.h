/* The safetensors layout: a length, a JSON header, raw little-endian tensors. Knows nothing of models. */
#ifndef LIKELY_SAFETENSORS_H
#define LIKELY_SAFETENSORS_H

#include "model/method.h"

/* A file's content. */
typedef struct lki_safetensors {
    json_t *metadata;                    /* an object of strings */
    lki_tensor *tensors;                 /* sorted by name; values point into `values` */
    int count;
    double *values;
} lki_safetensors;

/* More tensors are not read: some for each of very many classes. */
enum { LKI_TENSORS_MOST = 1 << 20 };

/* The longest header that is read, as in the reference implementation. */
#define LKI_HEADER_MOST INT64_C(100000000)

/* Writes a file that appears whole or not at all. `metadata` is an object of strings. Tensors are ordered by name. */
lk_status lki_safetensors_write(lk_context *ctx, const char *path, json_t *metadata, const lki_tensor *tensors,
                                int count) LK_NODISCARD;
/* The same bytes in memory (lki_release). */
lk_status lki_safetensors_pack(lk_context *ctx, json_t *metadata, const lki_tensor *tensors, int count, char **bytes,
                               size_t *size) LK_NODISCARD;
/* Reads a whole file or stream ("-") into *bytes (lki_release); stops early where its header cannot be right. */
lk_status lki_safetensors_slurp(lk_context *ctx, const char *path, char **bytes, size_t *size) LK_NODISCARD;
/* Parses a whole file: float64 tensors of rank 0 to 3, finite, in the order of their names, without gap, overlap or rest. `name`
 * begins each message. */
lk_status lki_safetensors_parse(lk_context *ctx, const char *name, const char *bytes, size_t size,
                                lki_safetensors *out) LK_NODISCARD;
void lki_safetensors_free(lk_context *ctx, lki_safetensors *file);

#endif

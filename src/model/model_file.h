/* A model in the bytes of its file, for what reads models from memory. */
#ifndef LIKELY_MODEL_FILE_H
#define LIKELY_MODEL_FILE_H

#include "model/model_impl.h"

/* A model from the bytes of a whole file; `name` begins each message. */
lk_status lki_model_parse(lk_context *ctx, const char *name, const char *bytes, size_t size, lk_model **out) LK_NODISCARD;

#endif

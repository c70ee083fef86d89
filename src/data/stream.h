/* Bytes from a file, a pipe, gzip or zstd, front to back. */
#ifndef LIKELY_STREAM_H
#define LIKELY_STREAM_H

#include "core/core.h"

typedef struct lki_source lki_source;

/* Opens path ("-" = standard input) and looks at its first bytes for the magic numbers of gzip and zstd. */
lk_status lki_source_open(lk_context *ctx, const char *path, lki_source **out) LK_NODISCARD;
/* Reads `want` bytes; fewer only at the end of the data. May be called from another thread than the one before. */
lk_status lki_source_read(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got) LK_NODISCARD;
/* The first bytes, decompressed, without taking them: at most 64. */
lk_status lki_source_peek(lk_context *ctx, lki_source *source, const unsigned char **bytes, size_t *count) LK_NODISCARD;
/* As in error texts: the path, or <stdin>. */
const char *lki_source_name(const lki_source *source);
/* The descriptor and size of an uncompressed regular file, -1 for anything else. */
int lki_source_regular(const lki_source *source, int64_t *size);
/* The same, but the caller now closes it: only lki_source_name() and lki_source_free() may follow. */
int lki_source_detach(lki_source *source);
/* Share of the input that was taken, for progress: bytes of the file so far and in all (0 = unknown). */
void lki_source_progress(const lki_source *source, double *done, double *total);
void lki_source_free(lki_source *source);

#endif

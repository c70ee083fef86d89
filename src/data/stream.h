/* Bytes from a file, a pipe, gzip, zstd or a part of an archive, front to back. */
#ifndef LIKELY_STREAM_H
#define LIKELY_STREAM_H

#include "core/core.h"

typedef struct lki_source lki_source;

/* Where a part of an archive lies, and what its directory says of it. */
typedef struct lki_part {
    int64_t offset; /* of its bytes in the file */
    int64_t packed; /* how many there are */
    int64_t unpacked;
    uint32_t crc; /* CRC-32 of the unpacked bytes */
    bool deflated;
} lki_part;

/* Opens path ("-" = standard input) and looks at its first bytes for the magic numbers of gzip and zstd. */
lk_status lki_source_open(lk_context *ctx, const char *path, lki_source **out) LK_NODISCARD;
/* A part of the regular file behind a descriptor that outlives the source; read by position. Reading further than its last byte
 * checks that its data end there and that the checksum agrees. */
lk_status lki_source_open_part(lk_context *ctx, const char *name, int descriptor, const lki_part *part,
                               lki_source **out) LK_NODISCARD;
/* Copies at most `limit` bytes into an unnamed temporary file that the caller closes; *size receives how many there were. */
lk_status lki_source_spool(lk_context *ctx, lki_source *source, int64_t limit, int *descriptor, int64_t *size) LK_NODISCARD;
/* Reads what is left and drops it: of a part its end and checksum are then known to be right. */
lk_status lki_source_skip(lk_context *ctx, lki_source *source) LK_NODISCARD;
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

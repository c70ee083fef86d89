/* Output files that appear whole or not at all, and the streams and devices that cannot. */
#ifndef LIKELY_OUTPUT_H
#define LIKELY_OUTPUT_H

#include "core/core.h"

/* A file that is being written. A regular file is written without a name (or, where the file system cannot do that,
 * under ".NAME.likely-XXXXXXXX" beside its place), synced, and takes its name in one step by lki_output_commit():
 * until then what stood there stays whole, even if the process is killed. Where a file of that name exists its mode
 * is kept. "-", NULL, devices and pipes are written directly; a reader that went away is an error, never a signal. */
typedef struct lki_output lki_output;

/* Opens `path` ("-" or NULL = standard output; a link to a file is followed). Errors: LK_ERROR_IO naming path and
 * reason. */
lk_status lki_output_open(lk_context *ctx, const char *path, lki_output **out) LK_NODISCARD;
/* An unnamed temporary file in TMPDIR (or /tmp), for what must be known whole before it is written. */
lk_status lki_output_spool(lk_context *ctx, lki_output **out) LK_NODISCARD;
/* Whether what was written can still be changed by lki_output_patch(): a regular file or spool. */
bool lki_output_patchable(const lki_output *output);
/* What messages call it: its path, or "standard output". */
const char *lki_output_name(const lki_output *output);
/* Bytes written so far. */
int64_t lki_output_offset(const lki_output *output);

/* Appends bytes. On failure the text says how many bytes were to go to which offset of which file. */
lk_status lki_output_write(lk_context *ctx, lki_output *output, const void *bytes, size_t count) LK_NODISCARD;
/* Replaces bytes that were written before. */
lk_status lki_output_patch(lk_context *ctx, lki_output *output, int64_t offset, const void *bytes,
                           size_t count) LK_NODISCARD;
/* Appends all that a spool holds to an output. */
lk_status lki_output_append(lk_context *ctx, lki_output *output, lki_output *spool) LK_NODISCARD;

/* Flushes, syncs and names the file. `output` is freed whatever is returned; after an error nothing has changed on
 * disk. */
lk_status lki_output_commit(lk_context *ctx, lki_output *output) LK_NODISCARD;
/* Throws the output away; NULL is fine. */
void lki_output_abort(lki_output *output);

#endif

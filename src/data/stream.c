/* Byte sources: descriptors read in large pieces, through zlib or zstd where the magic number says so; parts of archives. */
#include "data/stream.h"

#include "data/array_file.h"
#include "data/crc32.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if LIKELY_ZLIB
#include <zlib.h>
#endif
#if LIKELY_ZSTD
#include <zstd.h>
#endif

/* A part of an archive takes a smaller buffer: many may be open at once. */
enum { RAW_BYTES = 1 << 18, PART_RAW_BYTES = 1 << 15, PEEK_BYTES = 64 };

typedef enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZSTD, PACKING_DEFLATE } packing;

struct lki_source {
    lki_memory memory;
    char *name;
    int descriptor;
    bool owned; /* the descriptor is ours to close */
    bool regular;
    int64_t size;  /* of a regular file */
    int64_t taken; /* bytes read from the descriptor */
    packing pack;
    unsigned char *raw; /* compressed bytes; of an uncompressed source the first ones only */
    size_t raw_size, raw_used, raw_count;
    bool raw_end;   /* the descriptor gave its last byte */
    bool in_member; /* within a gzip member or a zstd frame */
    bool done;
    unsigned char peeked[PEEK_BYTES]; /* decompressed bytes that were looked at but not taken */
    size_t peek_used, peek_count;
    bool has_peeked;
    bool is_part;   /* read by position, from part.offset + taken on */
    lki_part part;
    int64_t unpacked; /* bytes of it given so far */
    uint32_t crc;     /* of these */
#if LIKELY_ZLIB
    z_stream zlib;
    bool zlib_ready;
#endif
#if LIKELY_ZSTD
    ZSTD_DStream *zstd;
#endif
};

static lk_status fail_read(lk_context *ctx, const lki_source *source, int error)
{
    char text[128];
    return lki_fail(ctx, LK_ERROR_IO, "%s: reading at byte %lld failed: %s", source->name, (long long)source->taken,
                    strerror_r(error, text, sizeof text));
}

/* As read(); of a part by position, no further than it reaches. */
static ssize_t read_some(const lki_source *source, void *bytes, size_t want)
{
    if (!source->is_part) {
        return read(source->descriptor, bytes, want);
    }
    int64_t left = source->part.packed - source->taken;
    size_t some = (int64_t)want < left ? want : (size_t)left;
    return some == 0 ? 0 : pread(source->descriptor, bytes, some, source->part.offset + source->taken);
}

/* Fills bytes from the descriptor; fewer than `want` only at its end. */
static lk_status read_raw(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    size_t done = 0;
    while (done < want && !source->raw_end) {
        ssize_t some = read_some(source, (char *)bytes + done, want - done);
        if (some < 0 && errno == EINTR) {
            continue;
        }
        if (some < 0) {
            return fail_read(ctx, source, errno);
        }
        source->raw_end = some == 0;
        done += (size_t)some;
        source->taken += some;
    }
    *got = done;
    return LK_OK;
}

#if LIKELY_ZLIB || LIKELY_ZSTD
/* More compressed bytes, once those at hand are used up. A pipe gives what it has rather than waiting for a full buffer. */
static lk_status refill(lk_context *ctx, lki_source *source)
{
    if (source->raw_used < source->raw_count || source->raw_end) {
        return LK_OK;
    }
    source->raw_used = 0;
    return read_raw(ctx, source, source->raw, source->raw_size, &source->raw_count);
}

static lk_status fail_truncated(lk_context *ctx, const lki_source *source, const char *format)
{
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the %s data ends in the middle (after %lld bytes); the file is truncated", source->name,
                    format, (long long)source->taken);
}
#endif

#if LIKELY_ZLIB
static void *zlib_allocate(void *state, unsigned count, unsigned size)
{
    size_t bytes = lki_product(count, size);
    return bytes == SIZE_MAX ? NULL : lki_memory_allocate(state, bytes);
}

static void zlib_release(void *state, void *block)
{
    lki_memory_release(state, block);
}

/* `window` says what is around the deflated data: 15 + 16 = gzip, -15 = nothing. */
static lk_status open_inflate(lk_context *ctx, lki_source *source, int window)
{
    source->zlib.zalloc = zlib_allocate;
    source->zlib.zfree = zlib_release;
    source->zlib.opaque = &source->memory;
    if (inflateInit2(&source->zlib, window) != Z_OK) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory for decompression", source->name);
    }
    source->zlib_ready = true;
    return LK_OK;
}

/* Decompresses from raw to bytes[*done..want). */
static lk_status inflate_some(lk_context *ctx, lki_source *source, const char *format, void *bytes, size_t want, size_t *done,
                              bool *ended)
{
    size_t left = source->raw_count - source->raw_used;
    size_t room = want - *done > (1u << 30) ? (1u << 30) : want - *done;
    source->zlib.next_in = source->raw + source->raw_used;
    source->zlib.avail_in = (uInt)left;
    source->zlib.next_out = (unsigned char *)bytes + *done;
    source->zlib.avail_out = (uInt)room;
    int result = inflate(&source->zlib, Z_NO_FLUSH);
    source->raw_used += left - source->zlib.avail_in;
    *done += room - source->zlib.avail_out;
    *ended = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory for decompression", source->name);
    }
    if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the %s data is damaged before byte %lld%s%s", source->name, format,
                        (long long)source->taken, source->zlib.msg != NULL ? ": " : "",
                        source->zlib.msg != NULL ? source->zlib.msg : "");
    }
    return LK_OK;
}

/* Members one after another (RFC 1952, 2.2); zero bytes after the last are padding. */
static lk_status read_gzip(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    size_t done = 0;
    while (done < want && !source->done) {
        LKI_TRY(refill(ctx, source));
        size_t left = source->raw_count - source->raw_used;
        if (left == 0) {
            if (source->in_member) {
                return fail_truncated(ctx, source, "gzip");
            }
            source->done = true;
            break;
        }
        if (!source->in_member) {
            if (source->raw[source->raw_used] == 0 && source->zlib.total_out + source->zlib.total_in > 0) {
                source->raw_used++;
                continue;
            }
            if (inflateReset(&source->zlib) != Z_OK) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "%s: decompression could not start again", source->name);
            }
            source->in_member = true;
        }
        bool ended = false;
        LKI_TRY(inflate_some(ctx, source, "gzip", bytes, want, &done, &ended));
        source->in_member = !ended;
    }
    *got = done;
    return LK_OK;
}

/* Deflated data without anything around it (RFC 1951). */
static lk_status read_deflate(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    size_t done = 0;
    while (done < want && !source->done) {
        LKI_TRY(refill(ctx, source));
        if (source->raw_used == source->raw_count) {
            return fail_truncated(ctx, source, "deflated");
        }
        LKI_TRY(inflate_some(ctx, source, "deflated", bytes, want, &done, &source->done));
    }
    *got = done;
    return LK_OK;
}
#endif

#if LIKELY_ZSTD
static lk_status open_zstd(lk_context *ctx, lki_source *source)
{
    source->zstd = ZSTD_createDStream();
    if (source->zstd == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "%s: out of memory for decompression", source->name);
    }
    return LK_OK;
}

static lk_status read_zstd(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    ZSTD_outBuffer output = {bytes, want, 0};
    while (output.pos < want && !source->done) {
        LKI_TRY(refill(ctx, source));
        size_t left = source->raw_count - source->raw_used;
        size_t before = output.pos;
        ZSTD_inBuffer input = {source->raw + source->raw_used, left, 0};
        if (left == 0 && !source->in_member) {
            source->done = true;
            break;
        }
        size_t result = ZSTD_decompressStream(source->zstd, &output, &input);
        if (ZSTD_isError(result)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the zstd data is damaged before byte %lld: %s", source->name,
                            (long long)source->taken, ZSTD_getErrorName(result));
        }
        source->raw_used += input.pos;
        source->in_member = result != 0;
        if (left == 0 && output.pos == before && source->in_member) {
            return fail_truncated(ctx, source, "zstd");
        }
    }
    *got = output.pos;
    return LK_OK;
}
#endif

/* The data without what was peeked. */
static lk_status read_unpacked(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
#if LIKELY_ZLIB
    if (source->pack == PACKING_GZIP) {
        return read_gzip(ctx, source, bytes, want, got);
    }
    if (source->pack == PACKING_DEFLATE) {
        return read_deflate(ctx, source, bytes, want, got);
    }
#endif
#if LIKELY_ZSTD
    if (source->pack == PACKING_ZSTD) {
        return read_zstd(ctx, source, bytes, want, got);
    }
#endif
    size_t first = source->raw_count - source->raw_used;
    first = first < want ? first : want;
    memcpy(bytes, source->raw + source->raw_used, first);
    source->raw_used += first;
    size_t rest = 0;
    LKI_TRY(read_raw(ctx, source, (char *)bytes + first, want - first, &rest));
    *got = first + rest;
    return LK_OK;
}

/* After the last byte of a part: nothing may be left, and the checksum must agree. */
static lk_status check_part(lk_context *ctx, lki_source *source)
{
    size_t more = 0;
    if (source->pack == PACKING_DEFLATE) {
        char byte;
        LKI_TRY(read_unpacked(ctx, source, &byte, 1, &more));
    }
    if (more > 0 || source->taken < source->part.packed || source->raw_used < source->raw_count) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the data goes on after the %lld bytes that the archive's directory claims; the file is damaged", source->name,
                        (long long)source->part.unpacked);
    }
    if (source->crc != source->part.crc) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the data's checksum is %08x where the archive's directory claims %08x; the file is damaged", source->name,
                        source->crc, source->part.crc);
    }
    return LK_OK;
}

/* The bytes of a part, checked when its end is reached. */
static lk_status read_part(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    int64_t left = source->part.unpacked - source->unpacked;
    size_t some = (int64_t)want < left ? want : (size_t)left;
    LKI_TRY(read_unpacked(ctx, source, bytes, some, got));
    source->crc = lki_crc32(source->crc, bytes, *got);
    source->unpacked += (int64_t)*got;
    if (*got < some) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the data ends after %lld bytes where the archive's directory claims %lld; the file is damaged", source->name,
                        (long long)source->unpacked, (long long)source->part.unpacked);
    }
    return some < want ? check_part(ctx, source) : LK_OK;
}

lk_status lki_source_read(lk_context *ctx, lki_source *source, void *bytes, size_t want, size_t *got)
{
    if (source->is_part) {
        return read_part(ctx, source, bytes, want, got);
    }
    size_t first = source->peek_count - source->peek_used;
    first = first < want ? first : want;
    memcpy(bytes, source->peeked + source->peek_used, first);
    source->peek_used += first;
    size_t rest = 0;
    if (want > first) {
        LKI_TRY(read_unpacked(ctx, source, (char *)bytes + first, want - first, &rest));
    }
    *got = first + rest;
    return LK_OK;
}

lk_status lki_source_peek(lk_context *ctx, lki_source *source, const unsigned char **bytes, size_t *count)
{
    if (!source->has_peeked) {
        LKI_TRY(read_unpacked(ctx, source, source->peeked, PEEK_BYTES, &source->peek_count));
        source->has_peeked = true;
    }
    *bytes = source->peeked + source->peek_used;
    *count = source->peek_count - source->peek_used;
    return LK_OK;
}

static lk_status open_descriptor(lk_context *ctx, lki_source *source, const char *path)
{
    if (strcmp(path, "-") == 0) {
        source->descriptor = STDIN_FILENO;
        return LK_OK;
    }
    source->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (source->descriptor < 0) {
        int error = errno;
        char text[128];
        return lki_fail(ctx, LK_ERROR_IO, "'%s' cannot be opened: %s", path, strerror_r(error, text, sizeof text));
    }
    source->owned = true;
    struct stat about;
    if (fstat(source->descriptor, &about) != 0) {
        return fail_read(ctx, source, errno);
    }
    if (S_ISDIR(about.st_mode)) {
        return lki_fail(ctx, LK_ERROR_IO, "'%s' is a directory; a file is needed", path);
    }
    source->regular = S_ISREG(about.st_mode);
    source->size = source->regular ? (int64_t)about.st_size : 0;
    if (source->regular) {
        posix_fadvise(source->descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    return LK_OK;
}

/* Chooses the packing by the first bytes (RFC 1952 and RFC 8878, with its skippable frames). */
static lk_status find_packing(lk_context *ctx, lki_source *source)
{
    LKI_TRY(read_raw(ctx, source, source->raw, PEEK_BYTES, &source->raw_count));
    const unsigned char *b = source->raw;
    if (source->raw_count >= 2 && b[0] == 0x1f && b[1] == 0x8b) {
#if LIKELY_ZLIB
        source->pack = PACKING_GZIP;
        return open_inflate(ctx, source, 15 + 16);
#else
        return lki_fail(ctx, LK_ERROR_UNAVAILABLE, "%s is compressed by gzip; this build has no zlib: decompress it first (gzip -d)",
                        source->name);
#endif
    }
    bool frame = source->raw_count >= 4 && b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd;
    bool skippable = source->raw_count >= 4 && (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18;
    if (frame || skippable) {
#if LIKELY_ZSTD
        source->pack = PACKING_ZSTD;
        return open_zstd(ctx, source);
#else
        return lki_fail(ctx, LK_ERROR_UNAVAILABLE, "%s is compressed by zstd; this build has no libzstd: decompress it first (zstd -d)",
                        source->name);
#endif
    }
    return LK_OK;
}

static lk_status new_source(lk_context *ctx, const char *name, size_t raw_size, lki_source **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_source *source = lki_memory_allocate(&memory, sizeof *source);
    if (source == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: opening '%s'", name);
    }
    memset(source, 0, sizeof *source);
    source->memory = memory;
    source->descriptor = -1;
    source->raw_size = raw_size;
    source->name = lki_memory_allocate(&memory, strlen(name) + 1);
    source->raw = lki_memory_allocate(&memory, raw_size > 0 ? raw_size : 1);
    if (source->name == NULL || source->raw == NULL) {
        lki_source_free(source);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: opening '%s'", name);
    }
    memcpy(source->name, name, strlen(name) + 1);
    *out = source;
    return LK_OK;
}

lk_status lki_source_open(lk_context *ctx, const char *path, lki_source **out)
{
    lki_source *source = NULL;
    LKI_TRY(new_source(ctx, strcmp(path, "-") == 0 ? "<stdin>" : path, RAW_BYTES, &source));
    lk_status status = LK_OK;
    LKI_GOTO(status, fail, open_descriptor(ctx, source, path));
    LKI_GOTO(status, fail, find_packing(ctx, source));
    *out = source;
    return LK_OK;
fail:
    lki_source_free(source);
    return status;
}

lk_status lki_source_open_part(lk_context *ctx, const char *name, int descriptor, const lki_part *part, lki_source **out)
{
    lki_source *source = NULL;
#if !LIKELY_ZLIB
    if (part->deflated) {
        return lki_fail(ctx, LK_ERROR_UNAVAILABLE,
                        "%s is compressed; this build has no zlib: write the archive without compression (numpy.savez)", name);
    }
#endif
    size_t raw_size = part->packed < PART_RAW_BYTES ? (size_t)part->packed : PART_RAW_BYTES;
    LKI_TRY(new_source(ctx, name, part->deflated ? raw_size : 0, &source));
    source->descriptor = descriptor;
    source->is_part = true;
    source->part = *part;
#if LIKELY_ZLIB
    if (part->deflated) {
        source->pack = PACKING_DEFLATE;
        lk_status status = open_inflate(ctx, source, -15);
        if (status != LK_OK) {
            lki_source_free(source);
            return status;
        }
    }
#endif
    *out = source;
    return LK_OK;
}

lk_status lki_source_spool(lk_context *ctx, lki_source *source, int64_t limit, int *descriptor, int64_t *size)
{
    char *buffer = NULL;
    int spool = -1;
    int64_t total = 0;
    LKI_TRY(lki_allocate(ctx, RAW_BYTES, 1, &buffer));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_spool_open(ctx, &spool));
    for (size_t got = 1; got > 0 && total < limit; total += (int64_t)got) {
        size_t want = limit - total < RAW_BYTES ? (size_t)(limit - total) : RAW_BYTES;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_source_read(ctx, source, buffer, want, &got));
        LKI_GOTO(status, done, lki_spool_write(ctx, spool, buffer, got));
    }
done:
    lki_release(ctx, buffer);
    if (status != LK_OK && spool >= 0) {
        close(spool);
    }
    if (status == LK_OK) {
        *descriptor = spool;
        *size = total;
    }
    return status;
}

lk_status lki_source_skip(lk_context *ctx, lki_source *source)
{
    char *buffer = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, RAW_BYTES, 1, &buffer));
    for (size_t got = RAW_BYTES; got == RAW_BYTES;) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_source_read(ctx, source, buffer, RAW_BYTES, &got));
    }
done:
    lki_release(ctx, buffer);
    return status;
}

const char *lki_source_name(const lki_source *source)
{
    return source->name;
}

int lki_source_regular(const lki_source *source, int64_t *size)
{
    if (!source->regular || source->is_part || source->pack != PACKING_NONE) {
        return -1;
    }
    *size = source->size;
    return source->descriptor;
}

int lki_source_detach(lki_source *source)
{
    source->owned = false;
    return source->descriptor;
}

void lki_source_progress(const lki_source *source, double *done, double *total)
{
    *done = (double)source->taken;
    *total = source->regular ? (double)source->size : 0;
}

void lki_source_free(lki_source *source)
{
    if (source == NULL) {
        return;
    }
#if LIKELY_ZLIB
    if (source->zlib_ready) {
        inflateEnd(&source->zlib);
    }
#endif
#if LIKELY_ZSTD
    ZSTD_freeDStream(source->zstd);
#endif
    if (source->owned && source->descriptor >= 0) {
        close(source->descriptor);
    }
    lki_memory memory = source->memory;
    lki_memory_release(&memory, source->name);
    lki_memory_release(&memory, source->raw);
    lki_memory_release(&memory, source);
}

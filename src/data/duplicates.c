/* Counts duplicates among hashes: in one set, or part by part through temporary files where that is too large. */
#include "duplicates.h"

#include "array_file.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/* A set takes at most 16 * 2 * 4/3 bytes an entry. */
enum { SET_BYTES = 43, PART_BITS_MAX = 8, PART_BUFFER = 1024 };

typedef struct lki_part {
    int descriptor; /* -1 = none yet */
    int used;
    int64_t spooled;
    lki_hash buffer[PART_BUFFER];
} lki_part;

lk_status lki_duplicates_open(lk_context *ctx, lki_duplicates *d, int64_t hashes, int64_t memory)
{
    *d = (lki_duplicates){0};
    double limit = fmax((double)memory, 1e6);
    while (d->part_bits < PART_BITS_MAX && (double)hashes * SET_BYTES / exp2(d->part_bits) > limit) {
        d->part_bits++;
    }
    d->expected = d->part_bits == 0 ? hashes : (int64_t)((double)hashes / exp2(d->part_bits) * 1.02) + 64;
    if (d->part_bits == 0) {
        return lki_hash_set_reserve(ctx, &d->set, (size_t)d->expected);
    }
    size_t parts = (size_t)1 << d->part_bits;
    LKI_TRY(lki_allocate(ctx, parts, sizeof *d->parts, &d->parts));
    for (size_t i = 0; i < parts; i++) {
        d->parts[i].descriptor = -1;
        d->parts[i].used = 0;
        d->parts[i].spooled = 0;
    }
    return LK_OK;
}

static lk_status add_to_set(lk_context *ctx, lki_duplicates *d, lki_hash hash)
{
    bool is_new = true;
    LKI_TRY(lki_hash_set_add(ctx, &d->set, hash, &is_new));
    d->count += !is_new;
    return LK_OK;
}

static lk_status spool_part(lk_context *ctx, lki_part *p)
{
    if (p->descriptor < 0) {
        LKI_TRY(lki_spool_open(ctx, &p->descriptor));
    }
    LKI_TRY(lki_spool_write(ctx, p->descriptor, p->buffer, (size_t)p->used * sizeof p->buffer[0]));
    p->spooled += p->used;
    p->used = 0;
    return LK_OK;
}

lk_status lki_duplicates_add(lk_context *ctx, lki_duplicates *d, lki_hash hash)
{
    if (d->parts == NULL) {
        return add_to_set(ctx, d, hash);
    }
    lki_part *p = &d->parts[hash.a >> (64 - d->part_bits)];
    p->buffer[p->used++] = hash;
    return p->used == PART_BUFFER ? spool_part(ctx, p) : LK_OK;
}

static lk_status read_back(lk_context *ctx, const lki_part *p, int64_t first, void *out, size_t bytes)
{
    char *to = out;
    off_t at = (off_t)(first * (int64_t)sizeof(lki_hash));
    while (bytes > 0) {
        ssize_t got = pread(p->descriptor, to, bytes, at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return lki_fail(ctx, LK_ERROR_IO, "cannot read back %zu bytes at offset %lld of a temporary file", bytes,
                            (long long)at);
        }
        to += got;
        at += got;
        bytes -= (size_t)got;
    }
    return LK_OK;
}

/* What is still in the part's buffer comes first, so that the buffer is free for the rest. */
static lk_status count_part(lk_context *ctx, lki_duplicates *d, lki_part *p)
{
    LKI_TRY(lki_hash_set_reserve(ctx, &d->set, (size_t)d->expected));
    memset(d->set.slots, 0, d->set.capacity * sizeof *d->set.slots);
    d->set.count = 0;
    for (int i = 0; i < p->used; i++) {
        LKI_TRY(add_to_set(ctx, d, p->buffer[i]));
    }
    for (int64_t first = 0; first < p->spooled; first += PART_BUFFER) { /* whole buffers were spooled */
        LKI_TRY(read_back(ctx, p, first, p->buffer, sizeof p->buffer));
        for (int i = 0; i < PART_BUFFER; i++) {
            LKI_TRY(add_to_set(ctx, d, p->buffer[i]));
        }
        LKI_TRY(lki_cancelled(ctx));
    }
    return LK_OK;
}

lk_status lki_duplicates_finish(lk_context *ctx, lki_duplicates *d)
{
    for (int64_t i = 0; d->parts != NULL && i < (int64_t)1 << d->part_bits; i++) {
        LKI_TRY(count_part(ctx, d, &d->parts[i]));
    }
    return LK_OK;
}

void lki_duplicates_close(lk_context *ctx, lki_duplicates *d)
{
    for (int64_t i = 0; d->parts != NULL && i < (int64_t)1 << d->part_bits; i++) {
        if (d->parts[i].descriptor >= 0) {
            close(d->parts[i].descriptor);
        }
    }
    lki_release(ctx, d->parts);
    lki_release(ctx, d->set.slots);
    *d = (lki_duplicates){0};
}

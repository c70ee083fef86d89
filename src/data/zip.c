/* Reads the directory of a zip archive strictly: what contradicts itself or the file's size is refused. */
#include "data/zip.h"

#include "data/csv.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Sizes of the fixed records, and the longest directory that is believed. */
enum { END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, ENTRY_BYTES = 46, LOCAL_BYTES = 30 };
enum { COMMENT_LIMIT = 65535, DIRECTORY_LIMIT = 1 << 26 };
/* Deflate makes at most 258 bytes of 2 bits (RFC 1951, 3.2.5). */
enum { DEFLATE_RATIO = 1032 };
enum { METHOD_STORED = 0, METHOD_DEFLATED = 8 };
enum { FLAG_ENCRYPTED = 1, FLAG_SIZES_BEHIND = 8 };

static uint64_t little(const unsigned char *bytes, int count)
{
    uint64_t value = 0;
    for (int i = count; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static lk_status fail_damaged(lk_context *ctx, const lki_zip *zip, const char *what)
{
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the zip archive is damaged: %s", zip->name, what);
}

static lk_status read_at(lk_context *ctx, const lki_zip *zip, int64_t position, unsigned char *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        ssize_t got = pread(zip->descriptor, bytes + done, count - done, position + (int64_t)done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            int error = errno;
            char text[128];
            return lki_fail(ctx, LK_ERROR_IO, "%s: reading at byte %lld failed: %s", zip->name, (long long)(position + (int64_t)done),
                            strerror_r(error, text, sizeof text));
        }
        if (got == 0) {
            return lki_fail(ctx, LK_ERROR_IO, "%s: the file ends at byte %lld; it has become shorter while it was read", zip->name,
                            (long long)(position + (int64_t)done));
        }
        done += (size_t)got;
    }
    return LK_OK;
}

/* ---- the end records --------------------------------------------------------------------------------------------- */

/* What the end of the archive says of its directory. */
typedef struct ending {
    int64_t at; /* the first of the end records: the directory must reach it */
    uint64_t entries, bytes, offset;
} ending;

/* The end record of an archive with many or large members. */
static lk_status read_ending64(lk_context *ctx, const lki_zip *zip, int64_t end, ending *e)
{
    unsigned char locator[LOCATOR_BYTES], record[END64_BYTES];
    if (end < LOCATOR_BYTES + END64_BYTES) {
        return fail_damaged(ctx, zip, "it lacks the zip64 record that its end points to");
    }
    LKI_TRY(read_at(ctx, zip, end - LOCATOR_BYTES, locator, sizeof locator));
    if (memcmp(locator, "PK\6\7", 4) != 0) {
        return fail_damaged(ctx, zip, "it lacks the zip64 record that its end points to");
    }
    uint64_t at = little(locator + 8, 8);
    if (little(locator + 4, 4) != 0 || little(locator + 16, 4) > 1 || at > (uint64_t)(end - LOCATOR_BYTES - END64_BYTES)) {
        return fail_damaged(ctx, zip, "its zip64 locator points outside of it, or it is one volume of several");
    }
    LKI_TRY(read_at(ctx, zip, (int64_t)at, record, sizeof record));
    uint64_t rest = little(record + 4, 8); /* bytes after this field */
    if (memcmp(record, "PK\6\6", 4) != 0 || rest != (uint64_t)(end - LOCATOR_BYTES) - at - 12) {
        return fail_damaged(ctx, zip, "its zip64 end record does not stand where the locator points");
    }
    if (little(record + 16, 4) != 0 || little(record + 20, 4) != 0 || little(record + 24, 8) != little(record + 32, 8)) {
        return fail_damaged(ctx, zip, "it is one volume of several");
    }
    *e = (ending){(int64_t)at, little(record + 32, 8), little(record + 40, 8), little(record + 48, 8)};
    return LK_OK;
}

/* Finds the end record: the last whose comment reaches exactly to the end of the file. */
static lk_status find_ending(lk_context *ctx, const lki_zip *zip, int64_t size, ending *e)
{
    unsigned char *tail = NULL;
    int64_t length = size < END_BYTES + COMMENT_LIMIT ? size : END_BYTES + COMMENT_LIMIT;
    LKI_TRY(lki_allocate(ctx, (size_t)length, 1, &tail));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, read_at(ctx, zip, size - length, tail, (size_t)length));
    int64_t at = length - END_BYTES;
    while (at >= 0 && (memcmp(tail + at, "PK\5\6", 4) != 0 || (int64_t)little(tail + at + 20, 2) != length - END_BYTES - at)) {
        at--;
    }
    if (at < 0) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "%s: no zip directory stands at the end of the file; it is truncated, or no NPZ",
                          zip->name);
        goto done;
    }
    const unsigned char *record = tail + at;
    int64_t end = size - length + at;
    *e = (ending){end, little(record + 10, 2), little(record + 12, 4), little(record + 16, 4)};
    if (e->entries == 0xffff || e->bytes == 0xffffffff || e->offset == 0xffffffff) {
        LKI_GOTO(status, done, read_ending64(ctx, zip, end, e));
    } else if (little(record + 4, 2) != 0 || little(record + 6, 2) != 0 || little(record + 8, 2) != e->entries) {
        status = fail_damaged(ctx, zip, "it is one volume of several");
        goto done;
    }
    if (e->offset > (uint64_t)e->at || e->bytes != (uint64_t)e->at - e->offset) {
        status = lki_fail(ctx, LK_ERROR_FORMAT,
                          "%s: the zip archive is damaged: a directory of %llu bytes at byte %llu does not end at its end record at byte "
                          "%lld",
                          zip->name, (unsigned long long)e->bytes, (unsigned long long)e->offset, (long long)e->at);
    } else if (e->bytes > DIRECTORY_LIMIT || e->entries > e->bytes / ENTRY_BYTES) {
        status = lki_fail(ctx, LK_ERROR_FORMAT,
                          "%s: the zip archive is damaged: its end record claims %llu members in a directory of %llu bytes", zip->name,
                          (unsigned long long)e->entries, (unsigned long long)e->bytes);
    }
done:
    lki_release(ctx, tail);
    return status;
}

/* ---- the directory ----------------------------------------------------------------------------------------------- */

/* Replaces sizes of all ones by those of the zip64 extra field (4.5.3), in its order; false if that is malformed. */
static bool widen(const unsigned char *extra, size_t length, uint64_t *const fields[], int count)
{
    const unsigned char *wide = NULL;
    size_t left = 0;
    for (size_t at = 0; at < length;) {
        if (length - at < 4 || little(extra + at + 2, 2) > length - at - 4) {
            return false;
        }
        size_t bytes = (size_t)little(extra + at + 2, 2);
        if (little(extra + at, 2) == 1) {
            if (wide != NULL) {
                return false;
            }
            wide = extra + at + 4;
            left = bytes;
        }
        at += 4 + bytes;
    }
    for (int i = 0; i < count; i++) {
        if (*fields[i] != 0xffffffff) {
            continue;
        }
        if (left < 8) {
            return false;
        }
        *fields[i] = little(wide, 8);
        wide += 8;
        left -= 8;
    }
    return true;
}

/* A member's name: text without control characters, or it could not be told in a message. */
static bool is_name(const char *name, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < ' ' || name[i] == 127) {
            return false;
        }
    }
    return length > 0 && lki_csv_valid_utf8(name, length) == length;
}

static lk_status take_member(lk_context *ctx, lki_zip *zip, const unsigned char *entry, const unsigned char *end, size_t *used)
{
    if ((size_t)(end - entry) < ENTRY_BYTES || memcmp(entry, "PK\1\2", 4) != 0) {
        return fail_damaged(ctx, zip, "its directory has fewer members than its end record claims");
    }
    size_t name = (size_t)little(entry + 28, 2), extra = (size_t)little(entry + 30, 2), comment = (size_t)little(entry + 32, 2);
    if ((size_t)(end - entry) - ENTRY_BYTES < name + extra + comment) {
        return fail_damaged(ctx, zip, "its directory ends within a member");
    }
    uint64_t packed = little(entry + 20, 4), unpacked = little(entry + 24, 4), header = little(entry + 42, 4);
    if (!widen(entry + ENTRY_BYTES + name, extra, (uint64_t *const[]){&unpacked, &packed, &header}, 3)) {
        return fail_damaged(ctx, zip, "an extra field of its directory is malformed");
    }
    const char *text = (const char *)entry + ENTRY_BYTES;
    if (!is_name(text, name)) {
        return fail_damaged(ctx, zip, "a member's name is empty, not UTF-8, or has control characters");
    }
    uint64_t limit = (uint64_t)zip->directory;
    unsigned method = (unsigned)little(entry + 10, 2);
    bool lies = header > limit || packed > limit || unpacked > INT64_MAX || (method == METHOD_STORED && packed != unpacked) ||
                (method == METHOD_DEFLATED && unpacked / DEFLATE_RATIO > packed) || little(entry + 34, 2) != 0;
    if (lies) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s: the zip archive is damaged: its directory claims %llu bytes, packed in %llu at byte %llu, for '%.*s'",
                        zip->name,
                        (unsigned long long)unpacked, (unsigned long long)packed, (unsigned long long)header, (int)name, text);
    }
    lki_zip_member *member = &zip->members[zip->count];
    *member = (lki_zip_member){.length = name, .flags = (unsigned)little(entry + 8, 2), .method = method, .header = (int64_t)header,
                               .packed = (int64_t)packed, .unpacked = (int64_t)unpacked, .crc = (uint32_t)little(entry + 16, 4)};
    member->name = lki_memory_allocate(&zip->memory, name + 1);
    if (member->name == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: reading '%s'", zip->name);
    }
    memcpy(member->name, text, name);
    member->name[name] = '\0';
    zip->count++;
    *used = ENTRY_BYTES + name + extra + comment;
    return LK_OK;
}

/* Two members of one name: which is meant cannot be known. */
static lk_status check_distinct(lk_context *ctx, const lki_zip *zip)
{
    lki_string_list seen = {0};
    lk_status status = LK_OK;
    for (int64_t i = 0; i < zip->count; i++) {
        size_t number;
        const lki_zip_member *member = &zip->members[i];
        LKI_GOTO(status, done, lki_string_list_intern(ctx, &zip->memory, &seen, member->name, member->length, &number));
        if (number != (size_t)i) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "%s: the zip archive has two members named '%s'", zip->name, member->name);
            goto done;
        }
    }
done:
    lki_string_list_free(&zip->memory, &seen);
    return status;
}

static lk_status read_directory(lk_context *ctx, lki_zip *zip, const ending *e)
{
    unsigned char *bytes = NULL;
    size_t at = 0;
    zip->directory = (int64_t)e->offset;
    zip->members = lki_memory_allocate(&zip->memory, (size_t)(e->entries > 0 ? e->entries : 1) * sizeof *zip->members);
    if (zip->members == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: reading '%s'", zip->name);
    }
    LKI_TRY(lki_allocate(ctx, (size_t)e->bytes, 1, &bytes));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, read_at(ctx, zip, (int64_t)e->offset, bytes, (size_t)e->bytes));
    while (zip->count < (int64_t)e->entries) {
        size_t used = 0;
        LKI_GOTO(status, done, take_member(ctx, zip, bytes + at, bytes + e->bytes, &used));
        at += used;
    }
    status = at == e->bytes ? check_distinct(ctx, zip) : fail_damaged(ctx, zip, "its directory has more than its end record claims");
done:
    lki_release(ctx, bytes);
    return status;
}

/* Whether the local header says what the directory says. Where sizes and checksum stand behind the data, it has none. */
static bool agrees(const lki_zip_member *member, const unsigned char *local, const unsigned char *rest, size_t name, size_t extra)
{
    uint64_t packed = little(local + 18, 4), unpacked = little(local + 22, 4);
    unsigned flags = (unsigned)little(local + 6, 2);
    if (name != member->length || memcmp(rest, member->name, name) != 0 || little(local + 8, 2) != member->method ||
        (flags & (FLAG_ENCRYPTED | FLAG_SIZES_BEHIND)) != (member->flags & (FLAG_ENCRYPTED | FLAG_SIZES_BEHIND))) {
        return false;
    }
    if ((flags & FLAG_SIZES_BEHIND) != 0) {
        return true;
    }
    return widen(rest + name, extra, (uint64_t *const[]){&unpacked, &packed}, 2) && packed == (uint64_t)member->packed &&
           unpacked == (uint64_t)member->unpacked && little(local + 14, 4) == member->crc;
}

/* The local header of a member must say what the directory says, so that no byte of either can be changed unseen. */
static lk_status check_member(lk_context *ctx, const lki_zip *zip, lki_zip_member *member)
{
    unsigned char local[LOCAL_BYTES];
    lk_status status = LK_OK;
    unsigned char *rest = NULL;
    int64_t room = zip->directory - member->header - LOCAL_BYTES;
    if (room < 0) {
        return fail_damaged(ctx, zip, "a member reaches into its directory");
    }
    LKI_TRY(read_at(ctx, zip, member->header, local, sizeof local));
    size_t length = (size_t)little(local + 26, 2), extra = (size_t)little(local + 28, 2);
    if (memcmp(local, "PK\3\4", 4) != 0 || (int64_t)(length + extra) > room || member->packed > room - (int64_t)(length + extra)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the zip archive is damaged: no member '%s' of %lld bytes begins at byte %lld", zip->name,
                        member->name, (long long)member->packed, (long long)member->header);
    }
    LKI_TRY(lki_allocate(ctx, length + extra, 1, &rest));
    LKI_GOTO(status, done, read_at(ctx, zip, member->header + LOCAL_BYTES, rest, length + extra));
    if (!agrees(member, local, rest, length, extra)) {
        status = lki_fail(ctx, LK_ERROR_FORMAT,
                          "%s: the zip archive is damaged: the header of '%s' at byte %lld says otherwise than the directory", zip->name,
                          member->name, (long long)member->header);
        goto done;
    }
    member->data = member->header + LOCAL_BYTES + (int64_t)(length + extra);
done:
    lki_release(ctx, rest);
    return status;
}

lk_status lki_zip_open(lk_context *ctx, lki_source *source, lki_zip **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_zip *zip = lki_memory_allocate(&memory, sizeof *zip);
    if (zip == NULL) {
        lki_source_free(source);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    *zip = (lki_zip){.memory = memory, .source = source, .name = lki_source_name(source)};
    ending e = {0};
    int64_t size = 0;
    lk_status status = LK_OK;
    zip->descriptor = lki_source_regular(source, &size);
    if (zip->descriptor < 0) {
        LKI_GOTO(status, fail, lki_source_spool(ctx, source, INT64_MAX, &zip->descriptor, &size));
        zip->spooled = true;
    }
    if (size < END_BYTES) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "%s is no NPZ: %lld bytes are too few for a zip archive", zip->name, (long long)size);
        goto fail;
    }
    LKI_GOTO(status, fail, find_ending(ctx, zip, size, &e));
    LKI_GOTO(status, fail, read_directory(ctx, zip, &e));
    for (int64_t i = 0; i < zip->count; i++) {
        LKI_GOTO(status, fail, check_member(ctx, zip, &zip->members[i]));
    }
    *out = zip;
    return LK_OK;
fail:
    lki_zip_free(zip);
    return status;
}

void lki_zip_free(lki_zip *zip)
{
    if (zip == NULL) {
        return;
    }
    lki_memory memory = zip->memory;
    for (int64_t i = 0; i < zip->count; i++) {
        lki_memory_release(&memory, zip->members[i].name);
    }
    lki_memory_release(&memory, zip->members);
    if (zip->spooled && zip->descriptor >= 0) {
        close(zip->descriptor);
    }
    lki_source_free(zip->source);
    lki_memory_release(&memory, zip);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

lk_status lki_zip_part(lk_context *ctx, const lki_zip_member *member, const char *name, lki_part *out)
{
    if ((member->flags & FLAG_ENCRYPTED) != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s is encrypted; an NPZ without a password is needed", name);
    }
    if (member->method != METHOD_STORED && member->method != METHOD_DEFLATED) {
        return lki_fail(ctx, LK_ERROR_FORMAT,
                        "%s is compressed by method %u of zip; stored and deflated members can be read (numpy.savez, savez_compressed)",
                        name, member->method);
    }
    *out = (lki_part){.offset = member->data, .packed = member->packed, .unpacked = member->unpacked, .crc = member->crc,
                      .deflated = member->method == METHOD_DEFLATED};
    return LK_OK;
}

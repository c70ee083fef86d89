/* Chooses the arrays of an NPZ that make the table, and opens them: each member is checked against what the archive says of it. */
#include "data/npz.h"

#include "data/npy.h"

#include <stdio.h>
#include <string.h>

/* What error texts show of the arrays there are. */
enum { LIST_BYTES = 600 };

/* One array of the archive. */
typedef struct entry {
    const lki_zip_member *member;
    size_t length; /* of the name, without .npy */
    int64_t rows, columns;
    int dimensions; /* 0: no table of numbers */
    bool chosen;
} entry;

typedef struct listing {
    lk_context *ctx;
    const lki_zip *zip;
    entry *entries;
    size_t count;
} listing;

bool lki_npz_sniff(const unsigned char *bytes, size_t count)
{
    return count >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0);
}

static bool is_array(const lki_zip_member *member)
{
    return member->length >= 4 && memcmp(member->name + member->length - 4, ".npy", 4) == 0;
}

static bool is_called(const entry *e, const char *name)
{
    size_t length = strlen(name);
    return (e->length == length && memcmp(e->member->name, name, length) == 0) || strcmp(e->member->name, name) == 0;
}

/* ---- one member -------------------------------------------------------------------------------------------------- */

/* The bytes of an array and where they lie; errors call it FILE:NAME. */
static lk_status open_bytes(lk_context *ctx, const lki_zip *zip, const entry *e, lki_part *part, lki_source **out)
{
    char *name = NULL;
    LKI_TRY(lki_format_text(ctx, &name, "%s:%.*s", zip->name, (int)e->length, e->member->name));
    lk_status status = lki_zip_part(ctx, e->member, name, part);
    if (status == LK_OK) {
        status = lki_source_open_part(ctx, name, zip->descriptor, part, out);
    }
    lki_release(ctx, name);
    return status;
}

/* Reads an array's header, which must agree with the member's size. *out is set, whatever is returned, once there is a source. */
static lk_status open_header(lk_context *ctx, const lki_zip *zip, const entry *e, lki_part *part, lki_npy_kind *kind, lki_array **out)
{
    lki_source *source = NULL;
    LKI_TRY(open_bytes(ctx, zip, e, part, &source));
    LKI_TRY(lki_array_new(ctx, source, "NPY", out));
    LKI_TRY(lki_npy_header(ctx, source, &(*out)->file, kind));
    return lki_array_check_size(ctx, *out, part->unpacked);
}

/* Looks what an array is. One that is no table of numbers is no error, but it must be known that it says so: it is read whole, for
 * its checksum. */
static lk_status look_at(lk_context *ctx, const lki_zip *zip, entry *e)
{
    lki_part part;
    lki_array *array = NULL;
    lki_npy_kind kind = {0};
    lk_status status = open_header(ctx, zip, e, &part, &kind, &array);
    if (status != LK_OK && kind.unsuitable) {
        lki_begin(ctx);
        status = lki_source_skip(ctx, array->source);
    } else if (status == LK_OK) {
        e->rows = array->file.rows;
        e->columns = array->file.columns;
        e->dimensions = kind.dimensions;
    }
    lki_array_free(array);
    return status;
}

static lk_status open_array(lk_context *ctx, const lki_zip *zip, const entry *e, lki_npy_kind *kind, lki_array **out)
{
    lki_part part;
    lki_array *array = NULL;
    lk_status status = open_header(ctx, zip, e, &part, kind, &array);
    if (status == LK_OK && !part.deflated) {
        array->place = zip->descriptor;
        array->place_offset = part.offset + array->file.offset;
    }
    if (status == LK_OK) {
        status = lki_array_begin(ctx, array);
    }
    if (status != LK_OK) {
        lki_array_free(array);
        return status;
    }
    *out = array;
    return LK_OK;
}

/* ---- which of them ----------------------------------------------------------------------------------------------- */

/* The arrays with their shapes, for an error text, cut with an ellipsis where they do not fit. */
static const char *list_arrays(const listing *l, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "none");
    for (size_t i = 0; i < l->count; i++) {
        const entry *e = &l->entries[i];
        char shape[64] = "";
        if (e->dimensions == 1) {
            snprintf(shape, sizeof shape, " (%lld)", (long long)e->rows);
        } else if (e->dimensions == 2) {
            snprintf(shape, sizeof shape, " (%lld x %lld)", (long long)e->rows, (long long)e->columns);
        }
        if (used + e->length + strlen(shape) + 8 > size) {
            snprintf(text + used, size - used, "%s...", used > 0 ? ", " : "");
            break;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%.*s%s", used > 0 ? ", " : "", (int)e->length, e->member->name, shape);
    }
    return text;
}

static lk_status fail_choice(const listing *l, const char *why)
{
    char list[LIST_BYTES];
    const char *file = l->zip->name;
    return lki_fail(l->ctx, LK_ERROR_DATA, "%s: %s: %s; say which by %s:NAME", file, why, list_arrays(l, list, sizeof list), file);
}

/* The matrix that gives the rows, NULL where there is none. */
static lk_status find_matrix(const listing *l, entry **out)
{
    entry *only = NULL, *called_x = NULL;
    size_t matrices = 0;
    for (size_t i = 0; i < l->count; i++) {
        entry *e = &l->entries[i];
        if (e->dimensions == 2) {
            only = e;
            called_x = is_called(e, "X") ? e : called_x;
            matrices++;
        }
    }
    if (matrices > 1 && called_x == NULL) {
        return fail_choice(l, "there are several matrices, and none is called X");
    }
    *out = matrices > 1 ? called_x : only;
    return LK_OK;
}

/* Marks the matrix and the vectors that go with it; *matrix is NULL where there are vectors only. */
static lk_status choose(const listing *l, entry **matrix)
{
    const entry *first = NULL;
    LKI_TRY(find_matrix(l, matrix));
    first = *matrix;
    if (first != NULL) {
        (*matrix)->chosen = true;
    }
    for (size_t i = 0; i < l->count; i++) {
        entry *e = &l->entries[i];
        if (e->dimensions != 1) {
            continue;
        }
        first = first == NULL ? e : first;
        e->chosen = e->rows == first->rows;
        if (!e->chosen && *matrix == NULL) {
            return fail_choice(l, "there are vectors of several lengths, and no matrix");
        }
    }
    return first != NULL ? LK_OK : fail_choice(l, "no array has numbers in one or two dimensions");
}

/* Tells what of the archive is not in the table. */
static void tell_rest(const listing *l)
{
    listing rest = {.ctx = l->ctx, .zip = l->zip, .entries = l->entries};
    char list[LIST_BYTES];
    /* The list is not needed any more in its order: those that stay out are moved to its front. */
    for (size_t i = 0; i < l->count; i++) {
        if (!l->entries[i].chosen) {
            entry kept = l->entries[i];
            l->entries[i] = l->entries[rest.count];
            l->entries[rest.count++] = kept;
        }
    }
    if (rest.count > 0) {
        lki_message(l->ctx, "%s: left out: %s; %s:NAME reads one array alone", l->zip->name, list_arrays(&rest, list, sizeof list),
                    l->zip->name);
    }
}

static lk_status add(listing *l, lki_array_set *set, const entry *e)
{
    lki_array *array = NULL;
    lki_npy_kind kind = {0};
    LKI_TRY(open_array(l->ctx, l->zip, e, &kind, &array));
    bool vector = kind.dimensions == 1;
    return lki_array_set_add(l->ctx, set, array, vector ? e->member->name : NULL, vector ? e->length : 0);
}

/* The arrays that were asked for, the matrix first. */
static lk_status gather_arrays(listing *l, const char *name, lki_array_set *set)
{
    entry *matrix = NULL;
    char list[LIST_BYTES];
    for (size_t i = 0; i < l->count && name != NULL; i++) {
        if (is_called(&l->entries[i], name)) {
            return add(l, set, &l->entries[i]);
        }
    }
    if (name != NULL) {
        return lki_fail(l->ctx, LK_ERROR_ARGUMENT, "%s holds no array '%s'; there are %s", l->zip->name, name,
                        list_arrays(l, list, sizeof list));
    }
    for (size_t i = 0; i < l->count; i++) {
        LKI_TRY(look_at(l->ctx, l->zip, &l->entries[i]));
    }
    LKI_TRY(choose(l, &matrix));
    if (matrix != NULL) {
        LKI_TRY(add(l, set, matrix));
    }
    for (size_t i = 0; i < l->count; i++) {
        if (l->entries[i].chosen && &l->entries[i] != matrix) {
            LKI_TRY(add(l, set, &l->entries[i]));
        }
    }
    tell_rest(l);
    return LK_OK;
}

static lk_status fail_no_arrays(lk_context *ctx, const lki_zip *zip)
{
    if (zip->count == 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s: the zip archive is empty; an NPZ with an array of numbers is needed", zip->name);
    }
    return lki_fail(ctx, LK_ERROR_FORMAT, "%s is a zip archive, but no NPZ: no member ends in .npy (its first is '%s'); unpack it first",
                    zip->name, zip->members[0].name);
}

lk_status lki_npz_open(lk_context *ctx, lki_source *source, const char *member, lki_array_set **out)
{
    lki_zip *zip = NULL;
    lki_array_set *set = NULL;
    listing l = {.ctx = ctx};
    lk_status status = LK_OK;
    LKI_TRY(lki_zip_open(ctx, source, &zip));
    size_t members = (size_t)zip->count;
    status = lki_array_set_new(ctx, members > 0 ? members : 1, &set);
    if (status != LK_OK) {
        lki_zip_free(zip);
        return status;
    }
    set->zip = zip;
    l.zip = zip;
    LKI_GOTO(status, fail, lki_zeros(ctx, members, sizeof *l.entries, &l.entries));
    for (int64_t i = 0; i < zip->count; i++) {
        if (is_array(&zip->members[i])) {
            l.entries[l.count++] = (entry){.member = &zip->members[i], .length = zip->members[i].length - 4};
        }
    }
    if (l.count == 0) {
        status = fail_no_arrays(ctx, zip);
        goto fail;
    }
    LKI_GOTO(status, fail, gather_arrays(&l, member, set));
    lki_release(ctx, l.entries);
    *out = set;
    return LK_OK;
fail:
    lki_release(ctx, l.entries);
    lki_array_set_free(set);
    return status;
}

/* The safetensors layout: a u64 little-endian header length, a JSON header padded by spaces, raw little-endian float64. */
#include "model/safetensors.h"

#include "data/output.h"
#include "data/json_text.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t get_u64(const char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | (unsigned char)p[i];
    }
    return v;
}

static void put_u64(char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (char)(v >> 8 * i & 255);
    }
}

/* count values from file order to the machine's, or back; the same place is fine. */
static void copy_values(void *to, const void *from, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memmove(to, from, 8 * count);
#else
    for (size_t i = 0; i < count; i++) {
        double v;
        memcpy(&v, (const char *)from + 8 * i, 8);
        uint64_t bits = __builtin_bswap64(*(uint64_t *)memcpy(&(uint64_t){0}, &v, 8));
        memcpy((char *)to + 8 * i, &bits, 8);
    }
#endif
}

static size_t tensor_count(const lki_tensor *t)
{
    size_t count = 1;
    for (int i = 0; i < t->rank; i++) {
        count *= (size_t)t->shape[i];
    }
    return count;
}

/* ---- writing ---- */

static int compare_tensors(const void *a, const void *b)
{
    return strcmp(((const lki_tensor *)a)->name, ((const lki_tensor *)b)->name);
}

/* Adds {"dtype", "shape", "data_offsets"} of a tensor that starts at *offset, and moves *offset behind it. */
static lk_status header_tensor(lk_context *ctx, json_t *header, const lki_tensor *t, int64_t *offset)
{
    lk_status status = LK_OK;
    json_t *entry = json_object(), *shape = json_array(), *offsets = json_array();
    if (entry == NULL || shape == NULL || offsets == NULL) {
        status = lki_json_memory(ctx);
        goto done;
    }
    for (int i = 0; i < t->rank; i++) {
        LKI_GOTO(status, done, lki_json_append(ctx, shape, json_integer((json_int_t)t->shape[i])));
    }
    LKI_GOTO(status, done, lki_json_append(ctx, offsets, json_integer((json_int_t)*offset)));
    *offset += (int64_t)(8 * tensor_count(t));
    LKI_GOTO(status, done, lki_json_append(ctx, offsets, json_integer((json_int_t)*offset)));
    LKI_GOTO(status, done, lki_json_set(ctx, entry, "dtype", json_string("F64")));
    LKI_GOTO(status, done, lki_json_set(ctx, entry, "shape", json_incref(shape)));
    LKI_GOTO(status, done, lki_json_set(ctx, entry, "data_offsets", json_incref(offsets)));
    LKI_GOTO(status, done, lki_json_set(ctx, header, t->name, json_incref(entry)));
done:
    json_decref(entry);
    json_decref(shape);
    json_decref(offsets);
    return status;
}

static lk_status write_tensor(lk_context *ctx, lki_output *output, const lki_tensor *t)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return lki_output_write(ctx, output, t->values, 8 * tensor_count(t));
#else
    for (size_t i = 0; i < tensor_count(t); i++) {
        char bytes[8];
        copy_values(bytes, t->values + i, 1);
        LKI_TRY(lki_output_write(ctx, output, bytes, 8));
    }
    return LK_OK;
#endif
}

/* What stands in a file: its first bytes (length and header), and the tensors in their order. */
typedef struct layout {
    char *head;
    size_t head_bytes;
    lki_tensor *sorted;
    size_t values; /* of all tensors */
} layout;

static void layout_free(lk_context *ctx, layout *l)
{
    lki_release(ctx, l->head);
    lki_release(ctx, l->sorted);
}

/* The length, and the header padded by blanks so that the values begin at a multiple of 8. */
static lk_status layout_head(lk_context *ctx, const json_t *header, layout *l)
{
    char *text = NULL;
    LKI_TRY(lki_json_write(ctx, header, true, &text));
    size_t bytes = strlen(text), padding = (8 - bytes % 8) % 8;
    lk_status status = lki_allocate(ctx, 8 + bytes + padding, 1, &l->head);
    if (status == LK_OK) {
        l->head_bytes = 8 + bytes + padding;
        put_u64(l->head, bytes + padding);
        memcpy(l->head + 8, text, bytes);
        memset(l->head + 8 + bytes, ' ', padding);
    }
    lki_release(ctx, text);
    return status;
}

static lk_status layout_make(lk_context *ctx, json_t *metadata, const lki_tensor *tensors, int count, layout *l)
{
    lk_status status = LK_OK;
    json_t *header = json_object();
    *l = (layout){0};
    if (header == NULL) {
        return lki_json_memory(ctx);
    }
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof *l->sorted, &l->sorted));
    memcpy(l->sorted, tensors, (size_t)count * sizeof *tensors);
    qsort(l->sorted, (size_t)count, sizeof *l->sorted, compare_tensors);
    LKI_GOTO(status, done, lki_json_set(ctx, header, "__metadata__", json_incref(metadata)));
    int64_t offset = 0;
    for (int i = 0; i < count; i++) {
        LKI_GOTO(status, done, header_tensor(ctx, header, &l->sorted[i], &offset));
    }
    l->values = (size_t)offset / 8;
    status = layout_head(ctx, header, l);
done:
    json_decref(header);
    if (status != LK_OK) {
        layout_free(ctx, l);
    }
    return status;
}

lk_status lki_safetensors_write(lk_context *ctx, const char *path, json_t *metadata, const lki_tensor *tensors, int count)
{
    lk_status status = LK_OK;
    layout l;
    lki_output *output = NULL;
    LKI_TRY(layout_make(ctx, metadata, tensors, count, &l));
    LKI_GOTO(status, done, lki_output_open(ctx, path, &output));
    LKI_GOTO(status, done, lki_output_write(ctx, output, l.head, l.head_bytes));
    for (int i = 0; i < count; i++) {
        LKI_GOTO(status, done, write_tensor(ctx, output, &l.sorted[i]));
    }
    status = lki_output_commit(ctx, output);
    output = NULL;
done:
    lki_output_abort(output);
    layout_free(ctx, &l);
    return status;
}

lk_status lki_safetensors_pack(lk_context *ctx, json_t *metadata, const lki_tensor *tensors, int count, char **bytes, size_t *size)
{
    layout l;
    char *all = NULL;
    LKI_TRY(layout_make(ctx, metadata, tensors, count, &l));
    lk_status status = lki_allocate(ctx, l.head_bytes + 8 * l.values, 1, &all);
    if (status == LK_OK) {
        memcpy(all, l.head, l.head_bytes);
        char *to = all + l.head_bytes;
        for (int i = 0; i < count; i++) {
            copy_values(to, l.sorted[i].values, tensor_count(&l.sorted[i]));
            to += 8 * tensor_count(&l.sorted[i]);
        }
        *bytes = all;
        *size = l.head_bytes + 8 * l.values;
    }
    layout_free(ctx, &l);
    return status;
}

/* ---- reading ---- */

/* Reads until `count` bytes or the end; *got receives how many. */
static lk_status read_some(lk_context *ctx, int fd, const char *name, char *out, size_t count, size_t *got)
{
    *got = 0;
    while (*got < count) {
        ssize_t n = read(fd, out + *got, count - *got);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return lki_fail(ctx, LK_ERROR_IO, "%s: cannot be read: %s", name, strerror(errno));
        }
        *got += n > 0 ? (size_t)n : 0;
    }
    return LK_OK;
}

static lk_status length_check(lk_context *ctx, const char *name, uint64_t length, uint64_t available)
{
    if (length > LKI_HEADER_MOST) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: not a model file: its first 8 bytes say that the header has %llu bytes, "
                        "more than %lld", name, (unsigned long long)length, (long long)LKI_HEADER_MOST);
    }
    if (length < 2 || length > available) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: not a model file or cut short: its header is said to have %llu bytes, and "
                        "%llu follow", name, (unsigned long long)length, (unsigned long long)available);
    }
    return LK_OK;
}

lk_status lki_safetensors_slurp(lk_context *ctx, const char *path, char **bytes, size_t *size)
{
    bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return lki_fail(ctx, LK_ERROR_IO, "%s: cannot be opened: %s", name, strerror(errno));
    }
    lk_status status = LK_OK;
    char *buffer = NULL;
    size_t capacity = 0, length = 0, got;
    struct stat info;
    bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 8;
    LKI_GOTO(status, done, lki_grow(ctx, &buffer, &capacity, 4096, 1));
    LKI_GOTO(status, done, read_some(ctx, fd, name, buffer, 8, &length));
    if (length < 8) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "%s: not a model file: it has %zu bytes, fewer than 8", name, length);
        goto done;
    }
    uint64_t available = regular && !standard ? (uint64_t)info.st_size - 8 : (uint64_t)LKI_HEADER_MOST;
    LKI_GOTO(status, done, length_check(ctx, name, get_u64(buffer), available));
    if (regular && !standard) {
        LKI_GOTO(status, done, lki_grow(ctx, &buffer, &capacity, (size_t)info.st_size + 1, 1));
    }
    do { /* until the end of the file; a stream's buffer doubles with what really came */
        LKI_GOTO(status, done, lki_grow(ctx, &buffer, &capacity, length + 4096, 1));
        LKI_GOTO(status, done, read_some(ctx, fd, name, buffer + length, capacity - length, &got));
        length += got;
    } while (length == capacity);
    *bytes = buffer;
    *size = length;
    buffer = NULL;
done:
    lki_release(ctx, buffer);
    if (!standard) {
        close(fd);
    }
    return status;
}

/* A JSON integer within [0, most]; -1 otherwise. */
static int64_t bounded(const json_t *value, int64_t most)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > most) {
        return -1;
    }
    return (int64_t)json_integer_value(value);
}

/* Reads one header entry into *t and its offsets; `most` bounds every number. */
static lk_status parse_tensor(lk_context *ctx, const char *name, const char *key, const json_t *entry, int64_t most,
                              lki_tensor *t, int64_t *begin, int64_t *end)
{
    const json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (json_object_size(entry) != 3 || dtype == NULL || !json_is_array(shape) || !json_is_array(offsets) ||
        json_array_size(offsets) != 2) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: tensor %.100s must have dtype, shape and two data_offsets, and no more", name,
                        key);
    }
    if (strcmp(dtype, "F64") != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: tensor %.100s has dtype %.20s; it must be F64", name, key, dtype);
    }
    size_t length = strlen(key), rank = json_array_size(shape);
    if (length == 0 || length >= sizeof t->name || rank > 3) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: tensor \"%.100s\" has a name of %zu bytes and %zu dimensions; there may be 1 "
                        "to %zu and 0 to 3", name, key, length, rank, sizeof t->name - 1);
    }
    memcpy(t->name, key, length + 1);
    t->rank = (int)rank;
    int64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        t->shape[i] = bounded(json_array_get(shape, i), most);
        if (t->shape[i] < 0 || (t->shape[i] > 0 && count > most / t->shape[i])) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the shape of tensor %.100s does not fit the file's %lld bytes", name, key,
                            (long long)most);
        }
        count *= t->shape[i];
    }
    *begin = bounded(json_array_get(offsets, 0), most);
    *end = bounded(json_array_get(offsets, 1), most);
    if (*begin < 0 || *end < *begin || (*end - *begin) % 8 != 0 || (*end - *begin) / 8 != count) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the data_offsets of tensor %.100s do not hold its %lld values within the "
                        "file's %lld bytes", name, key, (long long)count, (long long)most);
    }
    return LK_OK;
}

typedef struct placed {
    lki_tensor tensor; /* first, so that compare_tensors() orders these too */
    int64_t begin, end;
} placed;

/* Fills the tensors' names and shapes; checks that they tile `data_bytes` bytes in the order of their names. */
static lk_status parse_layout(lk_context *ctx, const char *name, const json_t *header, int64_t data_bytes, lki_safetensors *file)
{
    placed *list;
    int count = 0;
    const char *key;
    json_t *entry;
    lk_status status = LK_OK;
    size_t entries = json_object_size(header);
    if (entries > LKI_TENSORS_MOST) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: more than %d tensors", name, (int)LKI_TENSORS_MOST);
    }
    LKI_TRY(lki_allocate(ctx, entries, sizeof *file->tensors, &file->tensors));
    LKI_TRY(lki_allocate(ctx, entries, sizeof *list, &list));
    json_object_foreach((json_t *)header, key, entry)
    {
        if (strcmp(key, "__metadata__") == 0) {
            continue;
        }
        placed *p = &list[count++];
        LKI_GOTO(status, done, parse_tensor(ctx, name, key, entry, data_bytes, &p->tensor, &p->begin, &p->end));
    }
    qsort(list, (size_t)count, sizeof *list, compare_tensors);
    int64_t expected = 0;
    for (int i = 0; i < count; i++) {
        if (list[i].begin != expected) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "%s: tensor %s begins at byte %lld of the data, not at %lld: gaps, overlaps and "
                            "tensors out of order are refused", name, list[i].tensor.name, (long long)list[i].begin,
                            (long long)expected);
            goto done;
        }
        expected = list[i].end;
        file->tensors[i] = list[i].tensor;
    }
    file->count = count;
    if (expected != data_bytes) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "%s: the header is followed by %lld bytes, its tensors have %lld: the file is cut "
                        "short or has something behind its end", name, (long long)data_bytes, (long long)expected);
    }
done:
    lki_release(ctx, list);
    return status;
}

static lk_status parse_values(lk_context *ctx, const char *name, const char *data, size_t bytes, lki_safetensors *file)
{
    LKI_TRY(lki_allocate(ctx, bytes / 8, sizeof *file->values, &file->values));
    copy_values(file->values, data, bytes / 8);
    double *values = file->values;
    for (int i = 0; i < file->count; i++) {
        lki_tensor *t = &file->tensors[i];
        size_t count = tensor_count(t);
        t->values = values;
        values += count;
        for (size_t k = 0; k < count; k++) {
            if (!isfinite(t->values[k])) {
                return lki_fail(ctx, LK_ERROR_FORMAT, "%s: value %zu of tensor %s is %s; all must be finite", name, k + 1, t->name,
                                isnan(t->values[k]) ? "NaN" : "infinite");
            }
        }
    }
    return LK_OK;
}

static lk_status parse_metadata(lk_context *ctx, const char *name, const json_t *header, lki_safetensors *file)
{
    json_t *metadata = json_object_get(header, "__metadata__"), *item;
    const char *key;
    if (!json_is_object(metadata)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the header has no __metadata__ object: not made by likely", name);
    }
    json_object_foreach(metadata, key, item)
    {
        if (!json_is_string(item)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: __metadata__ %.100s is not a string", name, key);
        }
    }
    file->metadata = json_incref(metadata);
    return LK_OK;
}

lk_status lki_safetensors_parse(lk_context *ctx, const char *name, const char *bytes, size_t size, lki_safetensors *out)
{
    lki_safetensors file = {0};
    json_t *header = NULL;
    lk_status status = LK_OK;
    if (size < 8) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: not a model file: it has %zu bytes, fewer than 8", name, size);
    }
    uint64_t length = get_u64(bytes);
    LKI_TRY(length_check(ctx, name, length, size - 8));
    if (bytes[8] != '{') {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: not a model file: byte 9 is not the { of a JSON header", name);
    }
    LKI_GOTO(status, done, lki_json_read(ctx, bytes + 8, (size_t)length, name, &header));
    const char *data = bytes + 8 + length;
    size_t data_bytes = size - 8 - (size_t)length;
    LKI_GOTO(status, done, parse_metadata(ctx, name, header, &file));
    LKI_GOTO(status, done, parse_layout(ctx, name, header, (int64_t)data_bytes, &file));
    LKI_GOTO(status, done, parse_values(ctx, name, data, data_bytes, &file));
    *out = file;
    file = (lki_safetensors){0};
done:
    json_decref(header);
    lki_safetensors_free(ctx, &file);
    return status;
}

void lki_safetensors_free(lk_context *ctx, lki_safetensors *file)
{
    json_decref(file->metadata);
    lki_release(ctx, file->tensors);
    lki_release(ctx, file->values);
    *file = (lki_safetensors){0};
}

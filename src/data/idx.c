/* Reads IDX headers strictly (Y. LeCun, C. Cortes: "The MNIST database", section "the IDX file format"). */
#include "data/idx.h"

enum { RANK_MAX = 255 };

/* The six types of element; false for another byte. */
static bool find_element(unsigned char code, lki_element *out)
{
    static const struct {
        unsigned char code;
        lki_element element;
    } known[] = {{0x08, LKI_ELEMENT_U8},  {0x09, LKI_ELEMENT_I8},  {0x0b, LKI_ELEMENT_I16},
                 {0x0c, LKI_ELEMENT_I32}, {0x0d, LKI_ELEMENT_F32}, {0x0e, LKI_ELEMENT_F64}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].code == code) {
            *out = known[i].element;
            return true;
        }
    }
    return false;
}

bool lki_idx_sniff(const unsigned char *bytes, size_t count)
{
    lki_element element;
    return count >= 4 && bytes[0] == 0 && bytes[1] == 0 && find_element(bytes[2], &element) && bytes[3] > 0;
}

static lk_status read_header(lk_context *ctx, lki_source *source, lki_array_file *file)
{
    unsigned char magic[4], lengths[4 * RANK_MAX];
    const char *name = lki_source_name(source);
    LKI_TRY(lki_array_header_bytes(ctx, source, "IDX", magic, sizeof magic));
    if (magic[0] != 0 || magic[1] != 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s is no IDX file: its first bytes are %02x %02x, not 00 00", name, magic[0], magic[1]);
    }
    if (!find_element(magic[2], &file->element)) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the IDX header claims elements of type %02x; 08, 09, 0b, 0c, 0d and 0e can be read",
                       name, magic[2]);
    }
    if (magic[3] == 0) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the IDX header claims no dimensions; one or more are needed", name);
    }
    size_t rank = magic[3];
    LKI_TRY(lki_array_header_bytes(ctx, source, "IDX", lengths, 4 * rank));
    file->columns = 1;
    for (size_t i = 0; i < rank; i++) {
        const unsigned char *b = lengths + 4 * i;
        int64_t length = (int64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
        if (i == 0) {
            file->rows = length;
        } else if (__builtin_mul_overflow(file->columns, length, &file->columns)) {
            return lki_fail(ctx, LK_ERROR_FORMAT, "%s: the IDX header claims %zu dimensions that multiply to 2^63 and more elements", name,
                            rank);
        }
    }
    file->element_bytes = lki_element_bytes(file->element);
    file->swapped = file->element_bytes > 1 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    file->offset = (int64_t)(4 + 4 * rank);
    return LK_OK;
}

lk_status lki_idx_open(lk_context *ctx, lki_source *source, lki_array **out)
{
    lki_array *array = NULL;
    int64_t size = -1;
    LKI_TRY(lki_array_new(ctx, source, "IDX", &array));
    lk_status status = LK_OK;
    LKI_GOTO(status, fail, read_header(ctx, source, &array->file));
    LKI_GOTO(status, fail, lki_array_check_size(ctx, array, lki_source_regular(source, &size) >= 0 ? size : -1));
    LKI_GOTO(status, fail, lki_array_begin(ctx, array));
    *out = array;
    return LK_OK;
fail:
    lki_array_free(array);
    return status;
}

/* The hot loop: the records of a chunk into rows of doubles. It touches nothing but the chunk. */
#include "data/csv.h"
#include "data/number.h"

#include <math.h>
#include <string.h>

/* A field and where it stands. */
typedef struct place {
    const char *at;
    int64_t column;
} place;

static const char *fault(lki_csv_chunk *chunk, lki_csv_wrong wrong, place where, const lki_csv_field *field)
{
    chunk->fault =
        (lki_csv_fault){.wrong = wrong, .at = where.at, .column = where.column, .text = where.at, .length = 0};
    if (field != NULL) {
        chunk->fault.text =
            field->text; /* in the window or in the chunk's scratch: both last until the fault is told */
        chunk->fault.length = field->length;
    }
    return NULL;
}

/* Why text that should be a number, or is a string, cannot be taken: it may not be text at all. */
static lki_csv_wrong text_fault(const lki_csv_field *field, lki_csv_wrong otherwise)
{
    size_t valid = lki_csv_valid_utf8(field->text, field->length);
    if (valid == field->length) {
        return otherwise;
    }
    return field->text[valid] == '\0' ? LKI_CSV_NUL : LKI_CSV_NOT_UTF8;
}

static lki_csv_wrong take_number(const lki_csv_field *field, lk_type type, double *out)
{
    double value;
    if (!lki_csv_number(field->text, field->length, &value)) {
        return text_fault(field, LKI_CSV_NOT_NUMBER);
    }
    if (isinf(value)) {
        return LKI_CSV_INFINITE;
    }
    if (type == LK_TYPE_INTEGER && !isnan(value) && (value != rint(value) || fabs(value) > 9007199254740992.0)) {
        return LKI_CSV_NOT_WHOLE;
    }
    *out = value;
    return LKI_CSV_FINE;
}

/* A level that is known gets its number; a new one the negative number that the chunk gives it. A text is numbered within
 * the chunk. */
static lki_csv_wrong take_string(const lki_csv *csv, lki_csv_chunk *chunk, const lki_csv_field *field, int64_t column,
                                 double *out)
{
    lki_string_list *list = &chunk->strings[column];
    lki_csv_wrong wrong = text_fault(field, LKI_CSV_FINE);
    if (wrong != LKI_CSV_FINE) {
        return wrong;
    }
    size_t number;
    if (csv->columns->columns[column].type == LK_TYPE_CATEGORY) {
        number = lki_string_list_find(&csv->columns->columns[column].strings, field->text, field->length);
        if (number != SIZE_MAX) {
            *out = (double)number;
            return LKI_CSV_FINE;
        }
        number = lki_string_list_find(list, field->text, field->length);
        if (number == SIZE_MAX) {
            number = list->count;
            if (lki_string_list_intern(NULL, &csv->memory, list, field->text, field->length, &number) != LK_OK) {
                return LKI_CSV_NO_MEMORY;
            }
        }
        *out = -1 - (double)number;
        return LKI_CSV_FINE;
    }
    *out = (double)list->count;
    bool kept = lki_string_list_add(NULL, &csv->memory, list, csv->keep_text ? field->text : "",
                                    csv->keep_text ? field->length : 0) == LK_OK;
    return kept ? LKI_CSV_FINE : LKI_CSV_NO_MEMORY;
}

/* Any field, with all the rules. Returns what follows it, NULL on a fault. */
static const char *take_field(const lki_csv *csv, lki_csv_chunk *chunk, place where, double *out)
{
    lki_csv_field field = {0};
    if (!lki_csv_next_field(&csv->memory, where.at, chunk->end, csv->delimiter, &chunk->scratch, &field,
                            &chunk->fault)) {
        chunk->fault.column = where.column;
        return NULL;
    }
    lk_type type = csv->columns->columns[where.column].type;
    lki_csv_wrong wrong = LKI_CSV_FINE;
    if (lki_csv_is_missing(&csv->na, field.text, field.length)) {
        *out = (double)NAN;
    } else if (type == LK_TYPE_REAL || type == LK_TYPE_INTEGER) {
        wrong = take_number(&field, type, out);
    } else {
        wrong = take_string(csv, chunk, &field, where.column, out);
    }
    /* A row that is too short or too long explains a value that does not fit. */
    bool last = where.column + 1 == csv->columns->column_count;
    if (field.ends_row != last) {
        where.column++;
        while (!field.ends_row) {
            lki_csv_fault ignored;
            where.column++;
            if (!lki_csv_next_field(&csv->memory, field.next, chunk->end, csv->delimiter, &chunk->scratch, &field,
                                    &ignored)) {
                break;
            }
        }
        return fault(chunk, last ? LKI_CSV_TOO_MANY : LKI_CSV_TOO_FEW, where, NULL);
    }
    return wrong == LKI_CSV_FINE ? field.next : fault(chunk, wrong, where, &field);
}

static bool is_missing_value(const lki_csv_na *na, double value)
{
    for (size_t i = 0; i < na->value_count; i++) {
        if (na->values[i] == value) {
            return true;
        }
    }
    return false;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static const uint64_t powers_of_ten[8] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};

/* Appends the digits at p to *w, eight bytes at a time (Lemire 2021, section 3). The last step takes 0 to 7 digits without a
 * branch: how many there are cannot be predicted, and a loop over them would cost more than all else. */
static inline const char *append_digits(const char *p, uint64_t *w)
{
    for (;;) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        v ^= 0x3030303030303030u;
        uint64_t others = ((v + 0x7676767676767676u) | v) & 0x8080808080808080u; /* the lowest one set is right */
        unsigned n = others == 0 ? 8 : (unsigned)__builtin_ctzll(others) >> 3;
        uint64_t digits = n == 8 ? v : v << (8 * (7 - n)) << 8; /* zeros before the digits */
        digits = digits * 10 + (digits >> 8);
        uint64_t pairs = 0x000000ff000000ffu;
        digits = ((digits & pairs) * 0x000f424000000064u + ((digits >> 16) & pairs) * 0x0000271000000001u) >> 32;
        if (n < 8) {
            *w = *w * powers_of_ten[n] + digits;
            return p + n;
        }
        *w = *w * 100000000u + digits;
        p += 8;
    }
}

/* A number of at most 19 digits without an exponent, the usual one; NULL for any other. The padding of a window lets it read
 * beyond the data, whose end no digit follows. */
static inline const char *parse_usual(const char *p, double *out)
{
    uint64_t w = 0;
    uint64_t sign = *p == '-';
    p += sign;
    const char *q = append_digits(p, &w);
    int64_t digits = q - p, fraction = 0;
    if (*q == '.') {
        const char *point = q + 1;
        q = append_digits(point, &w);
        fraction = q - point;
        digits += fraction;
    }
    if (digits == 0 || digits > 19 || (*q | 0x20) == 'e') {
        return NULL;
    }
    uint64_t bits = w == 0 ? 0 : lki_decimal_bits(w, -fraction);
    bits |= sign << 63;
    memcpy(out, &bits, sizeof bits);
    return q;
}
#else
static inline const char *parse_usual(const char *p, double *out)
{
    (void)p;
    (void)out;
    return NULL;
}
#endif

/* A finite number directly followed by `stop` or CR LF: what nearly every field of nearly every file is. NULL = look closer. */
static inline const char *take_plain(const lki_csv *csv, const char *p, const char *end, char stop, double *out)
{
    double value;
    const char *q = parse_usual(p, &value);
    if (q == NULL || q > end) {
        q = lki_parse_double(p, end, &value);
    }
    if (q == NULL || !isfinite(value) || (csv->na.value_count > 0 && is_missing_value(&csv->na, value))) {
        return NULL;
    }
    *out = value;
    if (q < end && *q == stop) {
        return q + 1;
    }
    return stop == '\n' && q + 1 < end && q[0] == '\r' && q[1] == '\n' ? q + 2 : NULL;
}

/* The bounds are copied out of the chunk, whose neighbours in memory other threads write to. */
static inline const char *take_row(const lki_csv *csv, lki_csv_chunk *chunk, const char *p, const char *end,
                                   double *out)
{
    int64_t columns = csv->column_count;
    const lki_table_column *column = csv->columns->columns;
    for (int64_t c = 0; c < columns && p != NULL; c++) {
        const char *next = NULL;
        if (column[c].type == LK_TYPE_REAL) {
            next = take_plain(csv, p, end, c + 1 < columns ? csv->delimiter : '\n', &out[c]);
        }
        p = next != NULL ? next : take_field(csv, chunk, (place){p, c}, &out[c]);
    }
    return p;
}

void lki_csv_parse_chunk(const lki_csv *csv, lki_csv_chunk *chunk)
{
    int64_t rows = 0;
    double *out = chunk->out;
    const char *end = chunk->end;
    chunk->rows = 0;
    chunk->fault = (lki_csv_fault){.wrong = LKI_CSV_FINE};
    for (int64_t c = 0; chunk->strings != NULL && c < csv->column_count; c++) {
        lki_string_list_clear(&chunk->strings[c]);
    }
    const char *p = lki_csv_skip_blank(chunk->begin, end);
    while (p < end) {
        p = take_row(csv, chunk, p, end, out);
        if (p == NULL) {
            break;
        }
        rows++;
        out += csv->column_count;
        if (*p == '\n' || *p == '\r') {
            p = lki_csv_skip_blank(p, end);
        }
    }
    chunk->rows = rows;
}

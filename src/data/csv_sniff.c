/* What the first rows of delimited text show: the delimiter, whether there is a header, the columns' types. */
#include "data/csv.h"

#include <math.h>
#include <string.h>

/* Records that vote on the delimiter and on the header. */
enum { VOTERS = 100 };
static const char candidates[] = ",;\t|";

/* What a walk over fields needs. */
typedef struct walk {
    const lki_memory *memory;
    const char *end;
    char delimiter;
    lki_string_list *scratch;
    lki_csv_fault fault;
} walk;

/* Fields of the record at p, -1 on a fault; *next is what follows it. */
static int64_t count_fields(walk *w, const char *p, const char **next)
{
    int64_t fields = 0;
    lki_csv_field field = {0};
    do {
        if (!lki_csv_next_field(w->memory, p, w->end, w->delimiter, w->scratch, &field, &w->fault)) {
            return -1;
        }
        fields++;
        p = field.next;
    } while (!field.ends_row);
    *next = p;
    return fields;
}

/* How well a delimiter splits the first records: those that agree with the first, in thousandths, if it splits at all. */
static int64_t evenness(walk *w, const char *begin, bool whole, int64_t *fields)
{
    int64_t records = 0, same = 0, first = 0;
    const char *p = lki_csv_skip_blank(begin, w->end);
    while (p < w->end && records < VOTERS) {
        const char *next = NULL;
        int64_t count = count_fields(w, p, &next);
        if (count < 0 || (next == w->end && !whole && records > 0)) {
            break;
        }
        first = records == 0 ? count : first;
        same += count == first;
        records++;
        p = lki_csv_skip_blank(next, w->end);
    }
    *fields = first;
    return first > 1 ? same * 1000 / records : 0;
}

/* Fields of the line at p that runs of blanks part, and how many of them are numbers; returns what follows the line. */
static const char *count_blank_fields(const char *p, const char *end, int64_t *fields, int64_t *numbers)
{
    double value;
    *fields = *numbers = 0;
    while (p < end && *p != '\n') {
        const char *begin = p;
        if (*p == '"') { /* up to the quote that closes it; the reader tells what is wrong with it */
            const char *quote = memchr(p + 1, '"', (size_t)(end - p - 1));
            p = quote != NULL ? quote : p;
        }
        while (p < end && *p != ' ' && *p != '\t' && *p != '\n' && *p != '\r') {
            p++;
        }
        if (p > begin) {
            *fields += 1;
            *numbers += lki_csv_number(begin, (size_t)(p - begin), &value);
        }
        p += p < end && *p != '\n';
    }
    return p;
}

/* Whether runs of blanks part the first lines: all into as many fields, with a number in each line but the first, so that prose is none.
 * Against another delimiter that parts them as evenly, into `least` - 1 fields, all fields must be numbers. */
static bool parted_by_blanks(const char *begin, const char *end, bool whole, int64_t least)
{
    int64_t lines = 0, first = 0, fields, numbers;
    for (const char *p = lki_csv_skip_blank(begin, end); p < end && lines < VOTERS; p = lki_csv_skip_blank(p, end)) {
        p = count_blank_fields(p, end, &fields, &numbers);
        if (p == end && !whole) {
            break;
        }
        first = lines == 0 ? fields : first;
        if (fields > 0 && (fields != first || fields < least || (lines > 0 && numbers < (least > 2 ? fields : 1)))) {
            return false;
        }
        lines += fields > 0;
    }
    return lines > 1 || (lines == 1 && numbers == first);
}

static void find_delimiter(lki_csv *csv, walk *w, const char *begin)
{
    int64_t best = 0, best_fields = 0;
    csv->delimiter = ',';
    for (size_t i = 0; candidates[i] != '\0'; i++) {
        int64_t fields;
        w->delimiter = candidates[i];
        int64_t score = evenness(w, begin, csv->windows[0].last, &fields);
        if (score > best || (score == best && best < 1000 && fields > best_fields)) {
            best = score;
            best_fields = fields;
            csv->delimiter = candidates[i];
        }
    }
    if (parted_by_blanks(begin, w->end, csv->windows[0].last, best < 1000 ? 2 : best_fields + 1)) {
        csv->delimiter = ' ';
    }
    w->fault = (lki_csv_fault){.wrong = LKI_CSV_FINE};
}

/* A first record is a header if it holds a word and no number. */
static bool looks_like_header(const lki_csv *csv, walk *w, const char *p)
{
    bool word = false;
    lki_csv_field field = {0};
    do {
        double value;
        if (!lki_csv_next_field(w->memory, p, w->end, w->delimiter, w->scratch, &field, &w->fault)) {
            return true; /* the fault is met again, and told, when the names are taken */
        }
        bool missing = lki_csv_is_missing(&csv->na, field.text, field.length);
        if (!missing && lki_csv_number(field.text, field.length, &value)) {
            return false;
        }
        word = word || !missing;
        p = field.next;
    } while (!field.ends_row);
    return word;
}

/* The names in the record at p; *next is what follows it. */
static lk_status take_names(lk_context *ctx, lki_csv *csv, walk *w, const char *p, const char **next)
{
    lki_csv_field field = {0};
    for (int64_t c = 0; c < csv->columns->column_count; c++) {
        const char *at = p;
        if (!lki_csv_next_field(w->memory, p, w->end, w->delimiter, w->scratch, &field, &w->fault)) {
            w->fault.column = c;
            return lki_csv_fail(ctx, csv, &w->fault);
        }
        const char *name = field.text;
        size_t length = field.length;
        while (!field.quoted && length > 0 && (*name == ' ' || *name == '\t')) {
            name++;
            length--;
        }
        while (!field.quoted && length > 0 && (name[length - 1] == ' ' || name[length - 1] == '\t')) {
            length--;
        }
        size_t valid = lki_csv_valid_utf8(name, length);
        if (valid < length) {
            lki_csv_fault fault = {.wrong = name[valid] == '\0' ? LKI_CSV_NUL : LKI_CSV_NOT_UTF8, .at = at, .text = name + valid,
                                   .length = length - valid, .column = c};
            return lki_csv_fail(ctx, csv, &fault);
        }
        LKI_TRY(lki_table_set_name(ctx, csv->columns, c, length > 0 ? name : NULL, length));
        p = field.next;
    }
    *next = p;
    return LK_OK;
}

static lk_status make_columns(lk_context *ctx, lki_csv *csv, walk *w, const char *first, int header)
{
    const char *next = first;
    int64_t columns = count_fields(w, first, &next);
    if (columns < 0) {
        return lki_csv_fail(ctx, csv, &w->fault);
    }
    LKI_TRY(lki_table_new(ctx, columns, &csv->columns));
    csv->column_count = columns;
    csv->has_header = header > 0 || (header == 0 && looks_like_header(csv, w, first));
    csv->columns->named = csv->has_header;
    if (csv->has_header) {
        LKI_TRY(take_names(ctx, csv, w, first, &next));
        LKI_TRY(lki_table_check_names(ctx, csv->columns, csv->name));
        csv->start = next;
        return LK_OK;
    }
    for (int64_t c = 0; c < columns; c++) {
        LKI_TRY(lki_table_set_name(ctx, csv->columns, c, NULL, 0));
    }
    csv->start = first;
    return LK_OK;
}

/* What the first rows hold in one column. */
typedef struct census {
    int64_t numbers, words, codes;
    lki_string_list levels; /* distinct words and numbers, while there are few */
    const char *word;       /* the first word, in the window */
    size_t word_length;
} census;

/* Digits that a double does not give back as they are: 007, or more than 15 of them. */
static bool is_code(const char *text, size_t length)
{
    size_t digits = 0;
    while (digits < length && text[digits] >= '0' && text[digits] <= '9') {
        digits++;
    }
    return digits == length && (length > 15 || (length > 1 && text[0] == '0'));
}

static lk_status count_value(lk_context *ctx, lki_csv *csv, const lki_csv_field *field, census *c)
{
    double value;
    if (lki_csv_is_missing(&csv->na, field->text, field->length)) {
        return LK_OK;
    }
    if (lki_csv_number(field->text, field->length, &value)) {
        c->numbers += !isnan(value);
        c->codes += is_code(field->text, field->length);
    } else {
        c->words++;
    }
    if (c->levels.count <= LKI_CSV_LEVELS) {
        size_t number;
        LKI_TRY(lki_string_list_intern(ctx, &csv->memory, &c->levels, field->text, field->length, &number));
    }
    return LK_OK;
}

/* Counts up to LKI_CSV_SNIFF_ROWS rows. A ragged or faulty row ends the census: parsing will meet it and tell. */
static lk_status take_census(lk_context *ctx, lki_csv *csv, walk *w, census *all)
{
    const char *p = lki_csv_skip_blank(csv->start, w->end);
    for (int64_t row = 0; row < LKI_CSV_SNIFF_ROWS && p < w->end; row++) {
        lki_csv_field field = {0};
        for (int64_t c = 0; c < csv->columns->column_count; c++) {
            if (!lki_csv_next_field(w->memory, p, w->end, w->delimiter, w->scratch, &field, &w->fault)) {
                return LK_OK;
            }
            if (field.next == w->end && !csv->windows[0].last) {
                return LK_OK; /* cut off by the end of the window */
            }
            LKI_TRY(count_value(ctx, csv, &field, &all[c]));
            if (all[c].words == 1 && all[c].word == NULL) {
                all[c].word = p;
                all[c].word_length = field.length;
            }
            p = field.next;
            if (field.ends_row) {
                break;
            }
        }
        p = lki_csv_skip_blank(p, w->end);
    }
    return LK_OK;
}

/* Says when a column is taken as strings for the sake of a few values: that is seldom meant. */
static void remark(lk_context *ctx, const lki_csv *csv, int64_t column, const census *c)
{
    if (c->numbers > c->words && c->word != NULL) {
        int64_t line = csv->line + lki_csv_count_lines(csv->windows[0].bytes, c->word);
        int shown = c->word_length > 40 ? 40 : (int)c->word_length;
        const char *name = csv->columns->columns[column].name;
        lki_message(ctx,
                    "%s:%lld:%lld: column '%s' is taken as %s, because '%.*s' is not a number; say --na %.*s if that means missing, or "
                    "--types %s=real to insist on numbers",
                    csv->name, (long long)line, (long long)column + 1, name,
                    csv->columns->columns[column].type == LK_TYPE_TEXT ? "text" : "category", shown, c->word, shown, c->word, name);
    }
}

static lk_status find_types(lk_context *ctx, lki_csv *csv, walk *w, const bool *given, const bool *id)
{
    int64_t columns = csv->columns->column_count;
    census *all = NULL;
    LKI_TRY(lki_zeros(ctx, (size_t)columns, sizeof *all, &all));
    lk_status status = LK_OK;
    LKI_GOTO(status, done, take_census(ctx, csv, w, all));
    for (int64_t c = 0; c < columns; c++) {
        if (!given[c] && id[c] && all[c].words == 0 && all[c].codes > 0) {
            csv->columns->columns[c].type = LK_TYPE_TEXT;
        }
        if (given[c] || all[c].words == 0) {
            continue;
        }
        bool few = all[c].levels.count <= LKI_CSV_LEVELS && 2 * (int64_t)all[c].levels.count <= all[c].words + all[c].numbers;
        csv->columns->columns[c].type = few ? LK_TYPE_CATEGORY : LK_TYPE_TEXT;
        remark(ctx, csv, c, &all[c]);
    }
done:
    for (int64_t c = 0; c < columns; c++) {
        lki_string_list_free(&csv->memory, &all[c].levels);
    }
    lki_release(ctx, all);
    return status;
}

/* Sets the types that the caller gave: "name=real,3=text". */
static lk_status take_types(lk_context *ctx, lki_csv *csv, const char *types, bool *given)
{
    static const char *const words[] = {"real", "integer", "category", "text"};
    for (const char *p = types; p != NULL && *p != '\0';) {
        size_t length = strcspn(p, ",");
        const char *equals = memrchr(p, '=', length);
        int type = -1;
        for (int i = 0; i < 4 && equals != NULL; i++) {
            size_t word = (size_t)(p + length - equals) - 1;
            if (strlen(words[i]) == word && memcmp(words[i], equals + 1, word) == 0) {
                type = i;
            }
        }
        if (type < 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "types: '%.*s' is not NAME=TYPE with a type of real, integer, category, text",
                            length > 200 ? 200 : (int)length, p);
        }
        char *name = NULL;
        int64_t column = 0;
        LKI_TRY(lki_format_text(ctx, &name, "%.*s", (int)(equals - p), p));
        int64_t count = 0;
        lk_status status = strchr(name, ',') == NULL ? lki_table_find_list(ctx, csv->columns, name, &column, &count) : LK_OK;
        lki_release(ctx, name);
        LKI_TRY(status);
        csv->columns->columns[column].type = (lk_type)type;
        given[column] = true;
        p += length + (p[length] == ',');
    }
    return LK_OK;
}

/* Marks the columns that name rows. */
static lk_status take_ids(lk_context *ctx, const lki_csv *csv, const char *id, bool *named)
{
    int64_t *list = NULL, count = 0;
    if (id == NULL || id[0] == '\0') {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)csv->columns->column_count, sizeof *list, &list));
    lk_status status = lki_table_find_list(ctx, csv->columns, id, list, &count);
    for (int64_t i = 0; status == LK_OK && i < count; i++) {
        named[list[i]] = true;
    }
    lki_release(ctx, list);
    return status;
}

lk_status lki_csv_sniff(lk_context *ctx, lki_csv *csv, const lk_read_options *options)
{
    lki_csv_window *window = &csv->windows[0];
    lki_string_list scratch = {0};
    bool *given = NULL, *id = NULL;
    walk w = {.memory = &csv->memory, .end = window->bytes + window->used, .scratch = &scratch};
    lk_status status = LK_OK;
    const char *begin = window->bytes;
    if (window->used >= 3 && memcmp(begin, "\xef\xbb\xbf", 3) == 0) {
        begin += 3;
    }
    const char *first = lki_csv_skip_blank(begin, w.end);
    if (first == w.end) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s: the file is empty; at least one row of values is needed", csv->name);
    }
    if (*first == '{' && memchr(first, ':', (size_t)(w.end - first)) != NULL) {
        return lki_fail(ctx, LK_ERROR_FORMAT, "%s: this looks like JSON; CSV, TSV, NPY, NPZ and IDX are read", csv->name);
    }
    if (csv->delimiter == 0) {
        find_delimiter(csv, &w, first);
        if (csv->delimiter == ' ') {
            lki_csv_squeeze(csv, window, (size_t)(first - window->bytes));
            w.end = window->bytes + window->used;
        }
    }
    w.delimiter = csv->delimiter;
    LKI_GOTO(status, done, make_columns(ctx, csv, &w, first, options->header));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)csv->columns->column_count, sizeof *given, &given));
    LKI_GOTO(status, done, take_types(ctx, csv, options->types, given));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)csv->columns->column_count, sizeof *id, &id));
    LKI_GOTO(status, done, take_ids(ctx, csv, options->id, id));
    LKI_GOTO(status, done, find_types(ctx, csv, &w, given, id));
done:
    lki_release(ctx, id);
    lki_release(ctx, given);
    lki_string_list_free(&csv->memory, &scratch);
    return status;
}

/* A method's parameters: settings are texts, and what a family asks for are checked numbers, lists and choices. */
#include "model/parameters.h"

#include "data/number.h"
#include "data/json_text.h"
#include "data/text_builder.h"
#include <assert.h>
#include <math.h>
#include <string.h>

/* A range such as 1..9 holds at most so many numbers. */
enum { LIST_MOST = 100000 };

typedef struct value {
    bool set;      /* has a value, the user's or the default */
    bool given;    /* by the user */
    bool flag;
    int64_t integer;
    double real;
    char *text;    /* canonical */
    int64_t *list; /* ascending, distinct */
    int64_t count;
    uint64_t bits; /* of choices: bit i = choice i */
} value;

struct lki_values {
    const lk_method *method; /* static */
    value *values;           /* parameter_count of them */
};

/* Whether two names are the same where - and _ are. */
static bool same_name(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (a[i] == '\0' || (a[i] == '-' ? '_' : a[i]) != (b[i] == '-' ? '_' : b[i])) {
            return false;
        }
    }
    return a[length] == '\0';
}

/* The position of a choice in a parameter's list of choices; -1 if it is none. */
static int choice_find(const char *choices, const char *text, size_t length)
{
    const char *position = choices, *item;
    size_t item_length;
    for (int i = 0; (item = lki_builder_next(&position, &item_length)) != NULL; i++) {
        bool same = item_length == length;
        for (size_t j = 0; same && j < length; j++) {
            same = (item[j] == '-' ? '_' : item[j]) == (text[j] == '-' ? '_' : text[j]);
        }
        if (same) {
            return i;
        }
    }
    return -1;
}

/* What a parameter takes, in words. */
static lk_status expected(lk_context *ctx, const lk_parameter *p, char **out)
{
    char low[LKI_NUMBER_BYTES], high[LKI_NUMBER_BYTES];
    lki_format_double(p->low, low);
    lki_format_double(p->high, high);
    const char *from = isinf(p->low) ? "" : low, *to = isinf(p->high) ? "" : high;
    const char *word = *from && *to ? " within " : *from ? " of at least " : *to ? " of at most " : "";
    const char *middle = *from && *to ? " to " : "";
    switch (p->type) {
    case LK_PARAMETER_FLAG:
        return lki_format_text(ctx, out, "true or false");
    case LK_PARAMETER_INTEGER:
        return lki_format_text(ctx, out, "a whole number%s%s%s%s", word, from, middle, to);
    case LK_PARAMETER_REAL:
        return lki_format_text(ctx, out, "a number%s%s%s%s", word, from, middle, to);
    case LK_PARAMETER_RANGE:
        return lki_format_text(ctx, out, "a number such as 3, a range such as 1..9 or a list such as 1,2,5, each%s%s%s%s",
                               word, from, middle, to);
    case LK_PARAMETER_CHOICE:
        return lki_format_text(ctx, out, "one of %s", p->choices);
    case LK_PARAMETER_CHOICES:
        return lki_format_text(ctx, out, "a comma-separated list of some of %s", p->choices);
    case LK_PARAMETER_TEXT:
        break;
    }
    return lki_format_text(ctx, out, "a text");
}

static lk_status value_fail(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text)
{
    char *words = NULL;
    LKI_TRY(expected(ctx, p, &words));
    lk_status status = lki_fail(ctx, LK_ERROR_ARGUMENT, "parameter %s of %s: \"%.200s\" is not %s", p->name, method->name, text,
                                words);
    lki_release(ctx, words);
    return status;
}

/* Reads a whole number within a parameter's range; NULL if there is none at p. */
static const char *parse_bounded(const lk_parameter *p, const char *text, const char *end, int64_t *out)
{
    int64_t number;
    const char *after = lki_parse_integer(text, end, &number);
    if (after == NULL || (double)number < p->low || (double)number > p->high) {
        return NULL;
    }
    *out = number;
    return after;
}

/* Reads one item "3" or "1..9" of a list. */
static bool parse_span(const lk_parameter *p, const char *text, size_t length, int64_t *first, int64_t *last)
{
    const char *end = text + length;
    const char *after = parse_bounded(p, text, end, first);
    if (after == NULL) {
        return false;
    }
    *last = *first;
    if (after + 2 < end && after[0] == '.' && after[1] == '.') {
        after = parse_bounded(p, after + 2, end, last);
    }
    return after == end && *first <= *last && (uint64_t)*last - (uint64_t)*first < LIST_MOST;
}

static int compare_integers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The canonical text of a list: ascending, runs as first..last. */
static lk_status list_text(lk_context *ctx, const int64_t *list, int64_t count, char **out)
{
    lki_builder text = {0};
    lk_status status = LK_OK;
    for (int64_t i = 0; i < count && status == LK_OK;) {
        int64_t j = i;
        while (j + 1 < count && list[j + 1] == list[j] + 1) {
            j++;
        }
        char piece[2 * LKI_NUMBER_BYTES + 4];
        char *p = piece;
        if (i > 0) {
            *p++ = ',';
        }
        p += lki_format_integer(list[i], p);
        if (j > i) {
            *p++ = '.';
            *p++ = '.';
            p += lki_format_integer(list[j], p);
        }
        status = lki_builder_add_bytes(ctx, &text, piece, (size_t)(p - piece));
        i = j + 1;
    }
    if (status != LK_OK) {
        lki_release(ctx, text.text);
        return status;
    }
    *out = text.text;
    return LK_OK;
}

static lk_status parse_range(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *v)
{
    lk_status status = LK_OK;
    size_t capacity = 0, length;
    int64_t *list = NULL, count = 0;
    const char *position = text, *item;
    while ((item = lki_builder_next(&position, &length)) != NULL) {
        int64_t first, last;
        if (!parse_span(p, item, length, &first, &last) || count > LIST_MOST - (last - first + 1)) {
            status = value_fail(ctx, method, p, text);
            goto done;
        }
        LKI_GOTO(status, done, lki_grow(ctx, &list, &capacity, (size_t)(count + (last - first + 1)), sizeof *list));
        for (int64_t i = first;; i++) {
            list[count++] = i;
            if (i == last) {
                break;
            }
        }
    }
    if (count == 0 || (*text != '\0' && text[strlen(text) - 1] == ',')) {
        status = value_fail(ctx, method, p, text);
        goto done;
    }
    qsort(list, (size_t)count, sizeof *list, compare_integers);
    int64_t distinct = 1;
    for (int64_t i = 1; i < count; i++) {
        if (list[i] != list[distinct - 1]) {
            list[distinct++] = list[i];
        }
    }
    LKI_GOTO(status, done, list_text(ctx, list, distinct, &v->text));
    v->list = list;
    v->count = distinct;
    v->integer = list[0];
    list = NULL;
done:
    lki_release(ctx, list);
    return status;
}

static lk_status parse_choice(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *v)
{
    int found = choice_find(p->choices, text, strlen(text));
    if (found < 0) {
        return value_fail(ctx, method, p, text);
    }
    const char *position = p->choices, *item;
    size_t length = 0;
    do {
        item = lki_builder_next(&position, &length);
    } while (found-- > 0);
    return lki_format_text(ctx, &v->text, "%.*s", (int)length, item);
}

static lk_status parse_choices(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *v)
{
    const char *position = text, *item;
    size_t length;
    v->bits = 0;
    while ((item = lki_builder_next(&position, &length)) != NULL) {
        int found = choice_find(p->choices, item, length);
        if (found < 0) {
            return value_fail(ctx, method, p, text);
        }
        assert(found < 64);
        v->bits |= UINT64_C(1) << found;
    }
    lki_builder list = {0};
    lk_status status = lki_builder_add(ctx, &list, "");
    position = p->choices;
    for (int i = 0; status == LK_OK && (item = lki_builder_next(&position, &length)) != NULL; i++) {
        if (v->bits >> i & 1) {
            status = list.length > 0 ? lki_builder_add(ctx, &list, ",") : LK_OK;
            status = status == LK_OK ? lki_builder_add_bytes(ctx, &list, item, length) : status;
        }
    }
    if (status != LK_OK) {
        lki_release(ctx, list.text);
        return status;
    }
    v->text = list.text;
    return LK_OK;
}

static lk_status parse_number(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *v)
{
    const char *end = text + strlen(text);
    char number[LKI_NUMBER_BYTES];
    if (p->type == LK_PARAMETER_INTEGER) {
        if (parse_bounded(p, text, end, &v->integer) != end || text == end) {
            return value_fail(ctx, method, p, text);
        }
        v->real = (double)v->integer;
        lki_format_integer(v->integer, number);
    } else {
        if (lki_parse_double(text, end, &v->real) != end || text == end || isnan(v->real) || v->real < p->low ||
            v->real > p->high) {
            return value_fail(ctx, method, p, text);
        }
        v->real += 0.0; /* no minus zero */
        lki_format_double(v->real, number);
    }
    return lki_copy_text(ctx, number, &v->text);
}

static lk_status parse_flag(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *v)
{
    static const char *const words[2][4] = {{"false", "no", "off", "0"}, {"true", "yes", "on", "1"}};
    for (int i = 0; i < 8; i++) {
        if (strcmp(text, words[i / 4][i % 4]) == 0) {
            v->flag = i / 4 == 1;
            return lki_copy_text(ctx, words[i / 4][0], &v->text);
        }
    }
    return value_fail(ctx, method, p, text);
}

static void value_clear(const lki_memory *memory, value *v)
{
    lki_memory_release(memory, v->text);
    lki_memory_release(memory, v->list);
    *v = (value){0};
}

/* Replaces what a parameter holds by the value of `text`. */
static lk_status value_parse(lk_context *ctx, const lk_method *method, const lk_parameter *p, const char *text, value *out)
{
    value v = {.set = true};
    switch (p->type) {
    case LK_PARAMETER_FLAG:
        LKI_TRY(parse_flag(ctx, method, p, text, &v));
        break;
    case LK_PARAMETER_INTEGER:
    case LK_PARAMETER_REAL:
        LKI_TRY(parse_number(ctx, method, p, text, &v));
        break;
    case LK_PARAMETER_RANGE:
        LKI_TRY(parse_range(ctx, method, p, text, &v));
        break;
    case LK_PARAMETER_CHOICE:
        LKI_TRY(parse_choice(ctx, method, p, text, &v));
        break;
    case LK_PARAMETER_CHOICES:
        LKI_TRY(parse_choices(ctx, method, p, text, &v));
        break;
    case LK_PARAMETER_TEXT:
        LKI_TRY(lki_copy_text(ctx, text, &v.text));
        break;
    }
    lki_memory memory = lki_memory_of(ctx);
    value_clear(&memory, out);
    *out = v;
    return LK_OK;
}

static lk_status unknown_fail(lk_context *ctx, const lk_method *method, const char *name)
{
    lki_builder list = {0};
    lk_status status = LK_OK;
    const char *nearest = NULL;
    int least = 0;
    for (int64_t i = 0; i < method->parameter_count && status == LK_OK; i++) {
        const char *candidate = method->parameters[i].name;
        int distance = lki_builder_distance(name, candidate);
        if (nearest == NULL || distance < least) {
            nearest = candidate;
            least = distance;
        }
        status = lki_builder_add_item(ctx, &list, candidate);
    }
    if (status == LK_OK && nearest == NULL) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "%s has no parameter \"%.100s\": it has none", method->name, name);
    } else if (status == LK_OK) {
        bool near = least <= 2 || 3 * least <= (int)strlen(nearest);
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "%s has no parameter \"%.100s\"%s%s%s; it has %s", method->name, name,
                          near ? ": did you mean " : "", near ? nearest : "", near ? "?" : "", list.text);
    }
    lki_release(ctx, list.text);
    return status;
}

static lk_status values_set(lk_context *ctx, lki_values *v, const char *name, const char *text)
{
    size_t length = strlen(name);
    for (int64_t i = 0; i < v->method->parameter_count; i++) {
        const lk_parameter *p = &v->method->parameters[i];
        if (same_name(p->name, name, length)) {
            if (text == NULL) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "parameter %s of %s has no value", p->name, v->method->name);
            }
            LKI_TRY(value_parse(ctx, v->method, p, text, &v->values[i]));
            v->values[i].given = true;
            return LK_OK;
        }
    }
    return unknown_fail(ctx, v->method, name);
}

/* All defaults. */
static lk_status values_start(lk_context *ctx, const lk_method *method, lki_values **out)
{
    lk_status status = LK_OK;
    lki_values *v = NULL;
    LKI_GOTO(status, failed, lki_zeros(ctx, 1, sizeof *v, &v));
    v->method = method;
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)method->parameter_count, sizeof *v->values, &v->values));
    for (int64_t i = 0; i < method->parameter_count; i++) {
        const lk_parameter *p = &method->parameters[i];
        if (p->value != NULL) {
            LKI_GOTO(status, failed, value_parse(ctx, method, p, p->value, &v->values[i]));
        }
    }
    *out = v;
    return LK_OK;
failed:;
    lki_memory memory = lki_memory_of(ctx);
    lki_values_free(&memory, v);
    return status;
}

lk_status lki_values_new(lk_context *ctx, const lk_method *method, const lk_setting *settings, lki_values **out)
{
    lki_values *v;
    LKI_TRY(values_start(ctx, method, &v));
    for (const lk_setting *s = settings; s != NULL && s->name != NULL; s++) {
        lk_status status = values_set(ctx, v, s->name, s->value);
        if (status != LK_OK) {
            lki_memory memory = lki_memory_of(ctx);
            lki_values_free(&memory, v);
            return status;
        }
    }
    *out = v;
    return LK_OK;
}

lk_status lki_values_parse(lk_context *ctx, const lk_method *method, const json_t *object, lki_values **out)
{
    lki_values *v;
    LKI_TRY(values_start(ctx, method, &v));
    lk_status status = LK_OK;
    const char *key;
    json_t *item;
    if (!json_is_object(object)) {
        status = lki_fail(ctx, LK_ERROR_FORMAT, "parameters is not a JSON object");
    }
    json_object_foreach((json_t *)object, key, item)
    {
        if (status == LK_OK && !json_is_string(item)) {
            status = lki_fail(ctx, LK_ERROR_FORMAT, "parameter %.100s is not a JSON string", key);
        }
        if (status == LK_OK) {
            status = values_set(ctx, v, key, json_string_value(item));
        }
    }
    if (status != LK_OK) {
        lki_memory memory = lki_memory_of(ctx);
        lki_values_free(&memory, v);
        return status;
    }
    *out = v;
    return LK_OK;
}

void lki_values_free(const lki_memory *memory, lki_values *v)
{
    if (v == NULL) {
        return;
    }
    if (v->values != NULL) {
        for (int64_t i = 0; i < v->method->parameter_count; i++) {
            value_clear(memory, &v->values[i]);
        }
    }
    lki_memory_release(memory, v->values);
    lki_memory_release(memory, v);
}

lk_status lki_values_json(lk_context *ctx, const lki_values *v, json_t **out)
{
    json_t *object = json_object();
    lk_status status = object != NULL ? LK_OK : lki_json_memory(ctx);
    for (int64_t i = 0; i < v->method->parameter_count && status == LK_OK; i++) {
        if (v->values[i].set) {
            status = lki_json_set(ctx, object, v->method->parameters[i].name, json_string(v->values[i].text));
        }
    }
    if (status != LK_OK) {
        json_decref(object);
        return status;
    }
    *out = object;
    return LK_OK;
}

const char *lki_values_text_at(const lki_values *v, int64_t index)
{
    return v->values[index].text;
}

/* A family asks only for parameters that its own descriptor declares. */
static const value *value_of(const lki_values *v, const char *name)
{
    for (int64_t i = 0; i < v->method->parameter_count; i++) {
        if (strcmp(v->method->parameters[i].name, name) == 0) {
            return &v->values[i];
        }
    }
    static const value none = {0};
    assert(name == NULL);
    return &none;
}

int64_t lki_value_integer(const lki_values *v, const char *name)
{
    return value_of(v, name)->integer;
}

double lki_value_real(const lki_values *v, const char *name)
{
    return value_of(v, name)->real;
}

bool lki_value_flag(const lki_values *v, const char *name)
{
    return value_of(v, name)->flag;
}

const char *lki_value_text(const lki_values *v, const char *name)
{
    return value_of(v, name)->text;
}

bool lki_value_is_set(const lki_values *v, const char *name)
{
    return value_of(v, name)->given;
}

const int64_t *lki_value_list(const lki_values *v, const char *name, int64_t *count)
{
    const value *found = value_of(v, name);
    *count = found->count;
    return found->list;
}

bool lki_value_has(const lki_values *v, const char *name, const char *choice)
{
    for (int64_t i = 0; i < v->method->parameter_count; i++) {
        if (strcmp(v->method->parameters[i].name, name) == 0 && v->values[i].set) {
            int found = choice_find(v->method->parameters[i].choices, choice, strlen(choice));
            return found >= 0 && (v->values[i].bits >> found & 1);
        }
    }
    return false;
}

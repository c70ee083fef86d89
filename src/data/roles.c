/* Turns the names in lk_roles into columns, and finds the features where none are named. */
#include "roles.h"

#include "table_impl.h"

#include <stdio.h>
#include <string.h>

enum { PART_FEATURE = 1, PART_LABEL, PART_WEIGHT, PART_ID, PART_IGNORE, PART_PARTITION };
static const char *const part_names[] = {"", "feature", "label", "weight", "id", "ignored", "partition"};

typedef struct resolution {
    const lk_table *table;
    int64_t columns;
    unsigned char *part; /* of each column, 0 = none */
    int64_t *list;       /* scratch, one entry a column */
    int64_t *features;
    int64_t d;
    int64_t label, weight, partition;
} resolution;

static const char *type_name(lk_type type)
{
    return type == LK_TYPE_CATEGORY ? "a category" : type == LK_TYPE_TEXT ? "text" : "numeric";
}

static bool numeric(const lk_table *table, int64_t column)
{
    lk_type type = lk_table_type(table, column);
    return type == LK_TYPE_REAL || type == LK_TYPE_INTEGER;
}

/* Gives the columns of a list their part; r->list and *count receive them. */
static lk_status take_part(lk_context *ctx, resolution *r, const char *names, int part, int64_t *count)
{
    *count = 0;
    if (names == NULL || names[0] == '\0') {
        return LK_OK;
    }
    LKI_TRY(lki_table_find_list(ctx, r->table, names, r->list, count));
    for (int64_t i = 0; i < *count; i++) {
        int64_t column = r->list[i];
        const char *name = lk_table_name(r->table, column);
        if (r->part[column] != 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "column '%s' cannot be both %s and %s", name,
                            part_names[r->part[column]], part_names[part]);
        }
        if ((part == PART_FEATURE || part == PART_WEIGHT) && !numeric(r->table, column)) {
            return lki_fail(ctx, LK_ERROR_DATA,
                            "column '%s' is %s: a %s is numeric (a column's type can be set: %s=real)", name,
                            type_name(lk_table_type(r->table, column)), part_names[part], name);
        }
        r->part[column] = (unsigned char)part;
    }
    return LK_OK;
}

/* The one column of a part, -1 = none. */
static lk_status take_single(lk_context *ctx, resolution *r, const char *name, int part, int64_t *out)
{
    int64_t count = 0;
    LKI_TRY(take_part(ctx, r, name, part, &count));
    if (count > 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "'%s' names %lld columns; there can be one %s", name, (long long)count,
                        part_names[part]);
    }
    *out = count == 1 ? r->list[0] : -1;
    return LK_OK;
}

/* Every numeric column without a part is a feature; the others are named in a remark. */
static lk_status default_features(lk_context *ctx, resolution *r)
{
    char names[400];
    size_t used = 0;
    int64_t left_out = 0, shown = 0;
    for (int64_t c = 0; c < r->columns; c++) {
        if (r->part[c] != 0) {
            continue;
        }
        if (numeric(r->table, c)) {
            r->features[r->d++] = c;
            continue;
        }
        const char *name = lk_table_name(r->table, c);
        left_out++;
        if (used + strlen(name) + 3 < sizeof names && shown + 1 == left_out) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", shown > 0 ? ", " : "", name);
            shown++;
        }
    }
    if (r->d == 0) {
        return lki_fail(
            ctx, LK_ERROR_DATA,
            "no column is left as a feature: of %lld columns %lld are not numeric and %lld play another part",
            (long long)r->columns, (long long)left_out, (long long)(r->columns - left_out));
    }
    if (left_out > 0) {
        lki_message(ctx, "%lld column%s left out, not numeric: %.*s%s", (long long)left_out, left_out == 1 ? "" : "s",
                    (int)used, used > 0 ? names : "", shown < left_out ? ", ..." : "");
    }
    return LK_OK;
}

static lk_status resolve(lk_context *ctx, resolution *r, const lk_roles *roles)
{
    static const lk_roles none = {sizeof(lk_roles), NULL, NULL, NULL, NULL, NULL, NULL};
    const lk_roles *given = roles != NULL ? roles : &none;
    int64_t count = 0;
    if (given->size != sizeof(lk_roles)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_roles.size is %zu, it must be sizeof(lk_roles) = %zu", given->size,
                        sizeof(lk_roles));
    }
    LKI_TRY(take_single(ctx, r, given->label, PART_LABEL, &r->label));
    LKI_TRY(take_single(ctx, r, given->weight, PART_WEIGHT, &r->weight));
    LKI_TRY(take_single(ctx, r, given->partition, PART_PARTITION, &r->partition));
    LKI_TRY(take_part(ctx, r, given->id, PART_ID, &count));
    LKI_TRY(take_part(ctx, r, given->ignore, PART_IGNORE, &count));
    LKI_TRY(take_part(ctx, r, given->features, PART_FEATURE, &count));
    if (count == 0) {
        return default_features(ctx, r);
    }
    memcpy(r->features, r->list, (size_t)count * sizeof *r->features);
    r->d = count;
    return LK_OK;
}

lk_status lki_roles_resolve(lk_context *ctx, const lk_table *table, const lk_roles *roles, int64_t **features,
                            int64_t *d, int64_t *label, int64_t *weight, int64_t *partition)
{
    resolution r = {.table = table, .columns = lk_table_columns(table), .label = -1, .weight = -1, .partition = -1};
    lk_status status;
    size_t columns = (size_t)r.columns;
    LKI_GOTO(status, done, lki_zeros(ctx, columns, 1, &r.part));
    LKI_GOTO(status, done, lki_zeros(ctx, columns, sizeof *r.list, &r.list));
    LKI_GOTO(status, done, lki_zeros(ctx, columns, sizeof *r.features, &r.features));
    LKI_GOTO(status, done, resolve(ctx, &r, roles));
    *features = r.features;
    *d = r.d;
    if (label != NULL) {
        *label = r.label;
    }
    if (weight != NULL) {
        *weight = r.weight;
    }
    if (partition != NULL) {
        *partition = r.partition;
    }
    r.features = NULL;
done:
    lki_release(ctx, r.part);
    lki_release(ctx, r.list);
    lki_release(ctx, r.features);
    return status;
}

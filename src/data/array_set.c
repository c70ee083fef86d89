/* Rows of several arrays, block by block, beside one another. */
#include "data/array_set.h"

#include "core/reduce.h"

#include <string.h>

/* Doubles of a block: 2 MB, in whole multiples of LKI_BLOCK_ROWS rows. */
enum { BLOCK_VALUES = 1 << 18 };

lk_status lki_array_set_new(lk_context *ctx, size_t count, lki_array_set **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lki_array_set *set = lki_memory_allocate(&memory, sizeof *set);
    if (set == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    size_t bytes = lki_product(count, sizeof(void *));
    *set = (lki_array_set){.memory = memory};
    set->arrays = lki_memory_allocate(&memory, bytes);
    set->names = lki_memory_allocate(&memory, bytes);
    if (set->arrays == NULL || set->names == NULL) {
        lki_array_set_free(set);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a reader");
    }
    *out = set;
    return LK_OK;
}

lk_status lki_array_set_add(lk_context *ctx, lki_array_set *set, lki_array *array, const char *name, size_t length)
{
    char *copy = NULL;
    if (name != NULL) {
        copy = lki_memory_allocate(&set->memory, length + 1);
        if (copy == NULL) {
            lki_array_free(array);
            return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a column's name of %zu bytes", length);
        }
        memcpy(copy, name, length);
        copy[length] = '\0';
    }
    set->arrays[set->count] = array;
    set->names[set->count] = copy;
    set->name = set->zip != NULL ? set->zip->name : array->file.name;
    set->rows = array->file.rows;
    set->columns += array->file.columns;
    set->count++;
    return LK_OK;
}

void lki_array_set_free(lki_array_set *set)
{
    if (set == NULL) {
        return;
    }
    lki_memory memory = set->memory;
    for (size_t i = 0; i < set->count; i++) {
        lki_array_free(set->arrays[i]);
        lki_memory_release(&memory, set->names[i]);
    }
    lki_memory_release(&memory, set->arrays);
    lki_memory_release(&memory, set->names);
    lki_zip_free(set->zip);
    lki_memory_release(&memory, set->raw);
    lki_memory_release(&memory, set->part);
    lki_memory_release(&memory, set);
}

lk_status lki_array_set_columns(lk_context *ctx, const lki_array_set *set, lk_table **out)
{
    lk_table *table = NULL;
    int64_t column = 0;
    lk_status status = LK_OK;
    LKI_TRY(lki_table_new(ctx, set->columns, &table));
    for (size_t i = 0; i < set->count; i++) {
        const char *name = set->names[i];
        table->named = table->named || name != NULL;
        for (int64_t c = 0; c < set->arrays[i]->file.columns; c++, column++) {
            LKI_GOTO(status, fail, lki_table_set_name(ctx, table, column, name, name == NULL ? 0 : strlen(name)));
        }
    }
    LKI_GOTO(status, fail, lki_table_check_names(ctx, table, set->name));
    *out = table;
    return LK_OK;
fail:
    lk_table_free(table);
    return status;
}

int64_t lki_array_set_step(const lki_array_set *set)
{
    int64_t blocks = BLOCK_VALUES / set->columns / LKI_BLOCK_ROWS, left = set->rows - set->next_row;
    int64_t step = (blocks < 1 ? 1 : blocks) * LKI_BLOCK_ROWS;
    return left < step ? left : step;
}

lk_status lki_array_set_fetch(lk_context *ctx, lki_array_set *set, int64_t rows)
{
    if (set->count > 1 || set->fetched > 0) {
        return LK_OK; /* of an archive, whose sizes are known */
    }
    LKI_TRY(lki_array_fetch(ctx, set->arrays[0], rows, &set->raw, &set->raw_capacity));
    set->fetched = rows;
    return LK_OK;
}

lk_status lki_array_set_next(lk_context *ctx, lki_array_set *set, int64_t rows, double *out)
{
    int64_t first = 0;
    if (set->count == 1) {
        LKI_TRY(lki_array_set_fetch(ctx, set, rows));
        LKI_TRY(lki_array_next(ctx, set->arrays[0], rows, set->raw, out));
    }
    for (size_t i = 0; i < set->count && set->count > 1; i++) {
        int64_t columns = set->arrays[i]->file.columns;
        size_t values = lki_product((size_t)rows, (size_t)columns);
        LKI_TRY(lki_extend(ctx, &set->memory, &set->part, &set->part_capacity, values, sizeof *set->part));
        LKI_TRY(lki_array_fetch(ctx, set->arrays[i], rows, &set->raw, &set->raw_capacity));
        LKI_TRY(lki_array_next(ctx, set->arrays[i], rows, set->raw, set->part));
        for (int64_t r = 0; r < rows; r++) {
            memcpy(out + r * set->columns + first, set->part + r * columns, (size_t)columns * sizeof *out);
        }
        first += columns;
    }
    set->fetched = 0;
    set->next_row += rows;
    return LK_OK;
}

lk_status lki_array_set_end(lk_context *ctx, lki_array_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        LKI_TRY(lki_array_end(ctx, set->arrays[i]));
    }
    return LK_OK;
}

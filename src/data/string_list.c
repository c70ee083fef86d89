/* Strings in one growing block of bytes, found by an open-addressing hash of their numbers. */
#include "data/string_list.h"

#include <string.h>

/* Workers pass no context: their failures are told by the calling thread. */
static lk_status fail_memory(lk_context *ctx, size_t count, size_t size)
{
    if (ctx == NULL) {
        return LK_ERROR_MEMORY;
    }
    return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: %zu elements of %zu bytes were asked for", count, size);
}

lk_status lki_extend(lk_context *ctx, const lki_memory *memory, void *block, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity) {
        return LK_OK;
    }
    size_t wanted = *capacity > SIZE_MAX / 2 ? SIZE_MAX : *capacity * 2;
    wanted = wanted < count ? count : wanted;
    wanted = wanted < 16 ? 16 : wanted;
    size_t bytes = lki_product(wanted, size);
    void *fresh = bytes == SIZE_MAX ? NULL : lki_memory_allocate(memory, bytes);
    if (fresh == NULL) {
        return fail_memory(ctx, wanted, size);
    }
    void *old;
    memcpy(&old, block, sizeof old);
    if (*capacity > 0) {
        memcpy(fresh, old, *capacity * size);
    }
    lki_memory_release(memory, old);
    memcpy(block, &fresh, sizeof fresh);
    *capacity = wanted;
    return LK_OK;
}

lk_status lki_string_list_add(lk_context *ctx, const lki_memory *memory, lki_string_list *list, const char *text, size_t length)
{
    if (length >= SIZE_MAX - 1 - list->used) {
        return fail_memory(ctx, length, 1);
    }
    LKI_TRY(lki_extend(ctx, memory, &list->bytes, &list->capacity, list->used + length + 1, 1));
    LKI_TRY(lki_extend(ctx, memory, &list->starts, &list->starts_capacity, list->count + 1, sizeof *list->starts));
    if (length > 0) {
        memcpy(list->bytes + list->used, text, length);
    }
    list->bytes[list->used + length] = '\0';
    list->starts[list->count++] = list->used;
    list->used += length + 1;
    return LK_OK;
}

size_t lki_string_list_length(const lki_string_list *list, size_t number)
{
    size_t end = number + 1 < list->count ? list->starts[number + 1] : list->used;
    return end - list->starts[number] - 1;
}

const char *lki_string_list_at(const lki_string_list *list, size_t number)
{
    return number < list->count ? list->bytes + list->starts[number] : NULL;
}

/* FNV-1a (Fowler, Noll, Vo), folded so that the low bits, which choose the slot, see all of it. */
static size_t hash_of(const char *text, size_t length)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < length; i++) {
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    }
    return (size_t)(h ^ (h >> 29));
}

/* The slot that holds the string, or the empty one where it belongs. */
static size_t slot_of(const lki_string_list *list, const char *text, size_t length)
{
    size_t slot = hash_of(text, length) & (list->slot_count - 1);
    while (list->slots[slot] != 0) {
        size_t number = list->slots[slot] - 1;
        if (lki_string_list_length(list, number) == length &&
            (length == 0 || memcmp(list->bytes + list->starts[number], text, length) == 0)) {
            break;
        }
        slot = (slot + 1) & (list->slot_count - 1);
    }
    return slot;
}

size_t lki_string_list_find(const lki_string_list *list, const char *text, size_t length)
{
    if (list->slot_count == 0) {
        return SIZE_MAX;
    }
    uint32_t found = list->slots[slot_of(list, text, length)];
    return found == 0 ? SIZE_MAX : found - 1;
}

static lk_status grow_slots(lk_context *ctx, const lki_memory *memory, lki_string_list *list)
{
    size_t count = list->slot_count == 0 ? 16 : list->slot_count * 2;
    size_t bytes = lki_product(count, sizeof *list->slots);
    uint32_t *fresh = bytes == SIZE_MAX ? NULL : lki_memory_allocate(memory, bytes);
    if (fresh == NULL) {
        return fail_memory(ctx, count, sizeof *list->slots);
    }
    memset(fresh, 0, bytes);
    lki_memory_release(memory, list->slots);
    list->slots = fresh;
    list->slot_count = count;
    for (size_t i = 0; i < list->count; i++) {
        list->slots[slot_of(list, lki_string_list_at(list, i), lki_string_list_length(list, i))] = (uint32_t)(i + 1);
    }
    return LK_OK;
}

lk_status lki_string_list_intern(lk_context *ctx, const lki_memory *memory, lki_string_list *list, const char *text, size_t length,
                                 size_t *number)
{
    size_t found = lki_string_list_find(list, text, length);
    if (found == SIZE_MAX) {
        if (list->count >= UINT32_MAX - 1) {
            return fail_memory(ctx, list->count, sizeof *list->slots);
        }
        if (2 * (list->count + 1) > list->slot_count) {
            LKI_TRY(grow_slots(ctx, memory, list));
        }
        size_t slot = slot_of(list, text, length);
        found = list->count;
        LKI_TRY(lki_string_list_add(ctx, memory, list, text, length));
        list->slots[slot] = (uint32_t)(found + 1);
    }
    *number = found;
    return LK_OK;
}

void lki_string_list_drop(lki_string_list *list, size_t first)
{
    if (first >= list->count) {
        list->count = 0;
        list->used = 0;
        return;
    }
    if (first == 0) {
        return;
    }
    size_t offset = list->starts[first];
    memmove(list->bytes, list->bytes + offset, list->used - offset);
    list->used -= offset;
    list->count -= first;
    for (size_t i = 0; i < list->count; i++) {
        list->starts[i] = list->starts[i + first] - offset;
    }
}

void lki_string_list_clear(lki_string_list *list)
{
    list->count = 0;
    list->used = 0;
    if (list->slot_count > 0) {
        memset(list->slots, 0, list->slot_count * sizeof *list->slots);
    }
}

void lki_string_list_free(const lki_memory *memory, lki_string_list *list)
{
    lki_memory_release(memory, list->bytes);
    lki_memory_release(memory, list->starts);
    lki_memory_release(memory, list->slots);
    *list = (lki_string_list){0};
}

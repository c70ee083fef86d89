/* Numbered strings of one column: the levels of a category, each once, or the texts of a text column in order. */
#ifndef LIKELY_STRING_LIST_H
#define LIKELY_STRING_LIST_H

#include "core/core.h"

/* Zeroed = empty. Every string is followed by a NUL in `bytes`; pointers are good until the next addition. */
typedef struct lki_string_list {
    char *bytes;
    size_t used, capacity;
    size_t *starts;
    size_t count, starts_capacity;
    uint32_t *slots; /* open addressing, number + 1; NULL until the first lki_string_list_intern() */
    size_t slot_count;
} lki_string_list;

/* Grows *block (a pointer to elements of `size` bytes, may point to NULL) to at least `count` elements by an object's own
 * memory, doubling *capacity; old content is kept. Here and below ctx may be NULL: then no error text is set. */
lk_status lki_extend(lk_context *ctx, const lki_memory *memory, void *block, size_t *capacity, size_t count,
                     size_t size) LK_NODISCARD;

/* Appends a string whether or not it is there already. */
lk_status lki_string_list_add(lk_context *ctx, const lki_memory *memory, lki_string_list *list, const char *text,
                              size_t length) LK_NODISCARD;
/* The number of a string in a list built by lki_string_list_intern(); SIZE_MAX if it is not there. Thread-safe. */
size_t lki_string_list_find(const lki_string_list *list, const char *text, size_t length);
/* The number of a string, appended if it is new. A list is built by this or by lki_string_list_add(), not by both. */
lk_status lki_string_list_intern(lk_context *ctx, const lki_memory *memory, lki_string_list *list, const char *text,
                                 size_t length, size_t *number) LK_NODISCARD;
/* NULL beyond the last. */
const char *lki_string_list_at(const lki_string_list *list, size_t number);
size_t lki_string_list_length(const lki_string_list *list, size_t number);
/* Keeps the memory, drops the strings before `first`; not for a list built by lki_string_list_intern(). */
void lki_string_list_drop(lki_string_list *list, size_t first);
void lki_string_list_clear(lki_string_list *list);
void lki_string_list_free(const lki_memory *memory, lki_string_list *list);

#endif

/* 64-byte aligned memory on top of the caller's allocator, with checked sizes. */
#include "context_impl.h"
#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 64 };

/* Stands directly before each block: what the allocator gave, and how many bytes the block has. */
typedef struct header {
    void *base;
    size_t bytes;
} header;

enum { OVERHEAD = ALIGNMENT - 1 + (int)sizeof(header) };

static header *header_of(void *block)
{
    return (header *)((char *)block - sizeof(header));
}

/* The first aligned address that leaves room for the header. */
static char *aligned_within(void *base)
{
    uintptr_t first = (uintptr_t)base + sizeof(header);
    return (char *)base + ((first + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - (uintptr_t)base);
}

static void *block_finish(void *base, size_t bytes)
{
    char *block = aligned_within(base);
    *header_of(block) = (header){base, bytes};
    return block;
}

lki_memory lki_memory_of(const lk_context *ctx)
{
    return ctx->memory;
}

void *lki_memory_allocate(const lki_memory *memory, size_t bytes)
{
    bytes = bytes > 0 ? bytes : 1;
    if (bytes > PTRDIFF_MAX - OVERHEAD) {
        return NULL;
    }
    void *base = memory->allocator.allocate(memory->allocator.state, bytes + OVERHEAD);
    return base != NULL ? block_finish(base, bytes) : NULL;
}

void lki_memory_release(const lki_memory *memory, void *block)
{
    if (block != NULL) {
        memory->allocator.release(memory->allocator.state, header_of(block)->base);
    }
}

/* Like realloc. The allocator may move the block to another remainder of 64: then the content moves once more. */
static void *memory_reallocate(const lki_memory *memory, void *block, size_t bytes)
{
    if (block == NULL) {
        return lki_memory_allocate(memory, bytes);
    }
    if (bytes > PTRDIFF_MAX - OVERHEAD) {
        return NULL;
    }
    header old = *header_of(block);
    size_t offset = (size_t)((char *)block - (char *)old.base);
    char *base = memory->allocator.reallocate(memory->allocator.state, old.base, bytes + OVERHEAD);
    if (base == NULL) {
        return NULL;
    }
    char *target = aligned_within(base);
    if (target != base + offset) {
        memmove(target, base + offset, old.bytes < bytes ? old.bytes : bytes);
    }
    return block_finish(base, bytes);
}

size_t lki_product(size_t a, size_t b)
{
    return a != 0 && b > SIZE_MAX / a ? SIZE_MAX : a * b;
}

static lk_status memory_fail(lk_context *ctx, size_t count, size_t size)
{
    return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: %zu elements of %zu bytes could not be allocated", count,
                    size);
}

/* Outputs are void * because C has no pointer to any pointer; the address is copied, so no aliasing rule is broken. */
static void pointer_store(void *out, void *block)
{
    memcpy(out, &block, sizeof block);
}

lk_status lki_allocate(lk_context *ctx, size_t count, size_t size, void *out)
{
    void *block = lki_memory_allocate(&ctx->memory, lki_product(count, size));
    if (block == NULL) {
        return memory_fail(ctx, count, size);
    }
    pointer_store(out, block);
    return LK_OK;
}

lk_status lki_zeros(lk_context *ctx, size_t count, size_t size, void *out)
{
    void *block = lki_memory_allocate(&ctx->memory, lki_product(count, size));
    if (block == NULL) {
        return memory_fail(ctx, count, size);
    }
    memset(block, 0, count * size);
    pointer_store(out, block);
    return LK_OK;
}

lk_status lki_grow(lk_context *ctx, void *block, size_t *capacity, size_t count, size_t size)
{
    void *old;
    memcpy(&old, block, sizeof old);
    if (old != NULL && count <= *capacity) {
        return LK_OK;
    }
    size_t doubled = lki_product(*capacity, 2);
    size_t next = count > doubled || doubled == SIZE_MAX ? count : doubled;
    next = next > 0 ? next : 1;
    void *grown = memory_reallocate(&ctx->memory, old, lki_product(next, size));
    if (grown == NULL && next > count && count > 0) {
        next = count; /* doubling does not fit, what is needed may */
        grown = memory_reallocate(&ctx->memory, old, lki_product(next, size));
    }
    if (grown == NULL) {
        return memory_fail(ctx, count, size);
    }
    pointer_store(block, grown);
    *capacity = next;
    return LK_OK;
}

lk_status lki_copy_text(lk_context *ctx, const char *text, char **out)
{
    if (text == NULL) {
        *out = NULL;
        return LK_OK;
    }
    size_t bytes = strlen(text) + 1;
    char *copy = NULL;
    LKI_TRY(lki_allocate(ctx, bytes, 1, &copy));
    memcpy(copy, text, bytes);
    *out = copy;
    return LK_OK;
}

lk_status lki_format_text(lk_context *ctx, char **out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a text could not be formatted: it would exceed 2 GB");
    }
    char *text = NULL;
    LKI_TRY(lki_allocate(ctx, (size_t)length + 1, 1, &text));
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    *out = text;
    return LK_OK;
}

void lki_release(lk_context *ctx, void *block)
{
    lki_memory_release(&ctx->memory, block);
}

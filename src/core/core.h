/* Floor 0, for the library's own use: errors, memory, threads, progress and cancelling through a context. */
#ifndef LIKELY_CORE_H
#define LIKELY_CORE_H

#include <likely/context.h>
#include <stdarg.h>
#include <stdbool.h>

struct lki_communicator;

/* Returns from the enclosing function, or goes to its exit label, when a call fails. */
#define LKI_TRY(call)                   \
    do {                                \
        lk_status lki_status_ = (call); \
        if (lki_status_ != LK_OK)       \
            return lki_status_;         \
    } while (0)
#define LKI_GOTO(status, label, call) \
    do {                              \
        (status) = (call);            \
        if ((status) != LK_OK)        \
            goto label;               \
    } while (0)

/* Sets the context's error text and returns `status`. The first error of a call wins; within a parallel loop, the
 * one of the lowest block or task. */
lk_status lki_fail(lk_context *ctx, lk_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Forgets the error text: every public call that can fail begins with it. */
void lki_begin(lk_context *ctx);
/* A remark for the user through the message callback; no error. */
void lki_message(lk_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory by the context's allocator, 64-byte aligned; count * size is checked. Objects that outlive a context keep a
 * copy of its allocator: lki_memory_of() gives it, the lki_memory_ calls use it. */
typedef struct lki_memory {
    lk_allocator allocator;
} lki_memory;
lki_memory lki_memory_of(const lk_context *ctx);
void *lki_memory_allocate(const lki_memory *memory, size_t bytes); /* NULL on failure; 64-byte aligned */
void lki_memory_release(const lki_memory *memory, void *block);

/* *out = count * size bytes (uninitialized; zeroed by lki_zeros; at least one byte is always given). */
lk_status lki_allocate(lk_context *ctx, size_t count, size_t size, void *out) LK_NODISCARD;
lk_status lki_zeros(lk_context *ctx, size_t count, size_t size, void *out) LK_NODISCARD;
/* Grows *block (may be NULL) to at least `count` elements of `size`, doubling *capacity (in elements); old content
 * is kept. */
lk_status lki_grow(lk_context *ctx, void *block, size_t *capacity, size_t count, size_t size) LK_NODISCARD;
lk_status lki_copy_text(lk_context *ctx, const char *text, char **out) LK_NODISCARD; /* NULL stays NULL */
lk_status lki_format_text(lk_context *ctx, char **out, const char *format, ...)
    __attribute__((format(printf, 3, 4))) LK_NODISCARD;
void lki_release(lk_context *ctx, void *block);
/* The product of two sizes, SIZE_MAX on overflow. */
size_t lki_product(size_t a, size_t b);

int lki_threads(const lk_context *ctx);
int64_t lki_memory_limit(const lk_context *ctx);
const struct lki_communicator *lki_communicator_of(const lk_context *ctx);
/* Joins the context to the ranks of a communicator (borrowed; NULL = alone again). */
void lki_communicator_set(lk_context *ctx, const struct lki_communicator *communicator);

/* Progress, cheap to call from any thread: only the calling thread of the context reports, at most 10 times a
 * second. */
void lki_progress(lk_context *ctx, const char *stage, double done, double total, const char *detail);
/* A context for one worker of a parallel loop whose tasks are whole calls: one thread, the memory and the cancelling of ctx, no progress,
 * no remarks, and an error text of its own, which lki_pass_on() tells to ctx. Free it by lk_context_free(). */
lk_status lki_context_worker(lk_context *ctx, lk_context **out) LK_NODISCARD;
lk_status lki_pass_on(lk_context *ctx, const lk_context *worker, lk_status status);

/* LK_OK or LK_ERROR_CANCELLED (text set). Polled at block boundaries, from any thread. */
lk_status lki_cancelled(lk_context *ctx) LK_NODISCARD;

#endif

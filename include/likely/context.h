/* Status codes, the context that every call carries, and its hooks: memory, threads, progress, cancelling. */
#ifndef LIKELY_CONTEXT_H
#define LIKELY_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LK_API __attribute__((visibility("default")))
#define LK_NODISCARD __attribute__((warn_unused_result))
#else
#define LK_API
#define LK_NODISCARD
#endif

/** The library's version as text, compared with lk_version() to find a header that does not match its library. */
#define LK_VERSION "0.1.0"

/** Every status: name, value, short text. A value never changes its meaning; new ones are added at the end. */
#define LK_STATUS_LIST(X)                                                         \
    X(LK_OK, 0, "success")                                                        \
    X(LK_ERROR_ARGUMENT, 1, "an argument is out of its range")                    \
    X(LK_ERROR_MEMORY, 2, "out of memory")                                        \
    X(LK_ERROR_IO, 3, "a file could not be read or written")                      \
    X(LK_ERROR_FORMAT, 4, "a file does not follow its format")                    \
    X(LK_ERROR_DATA, 5, "the data cannot be used as asked")                       \
    X(LK_ERROR_CANCELLED, 6, "cancelled by the caller")                           \
    X(LK_ERROR_UNSUPPORTED, 7, "the model does not offer this operation")         \
    X(LK_ERROR_NUMERIC, 8, "a computation left the range of numbers")             \
    X(LK_ERROR_UNAVAILABLE, 9, "an optional part is not present in this build")

/** What a call that can fail returns: LK_OK (0) or one of LK_STATUS_LIST. On failure outputs are untouched. */
typedef enum lk_status {
#define LK_STATUS_ENUM(name, value, text) name = value,
    LK_STATUS_LIST(LK_STATUS_ENUM)
#undef LK_STATUS_ENUM
} lk_status;

/** Carries error text, threads, memory, progress and cancelling. One context a thread; it may not be shared while a
 * call runs. Objects made with one context (tables, models) may be used with another. */
typedef struct lk_context lk_context;

/** Where memory comes from. All three functions must be thread-safe; `state` is handed to each. */
typedef struct lk_allocator {
    void *(*allocate)(void *state, size_t bytes);                /**< like malloc; NULL on failure */
    void *(*reallocate)(void *state, void *block, size_t bytes); /**< like realloc; NULL on failure, block kept */
    void (*release)(void *state, void *block);                   /**< like free; NULL is fine */
    void *state;                                                 /**< borrowed; must outlive all objects made */
} lk_allocator;

/** Called from time to time (at most some 10 times a second) on the calling thread while long work runs.
 * `stage` names the work ("em", "read"), `done` of `total` units are finished (total 0 = unknown), `detail` is a short
 * text such as the current log-likelihood ("" if none). Both texts are borrowed for the call. */
typedef void (*lk_progress_fn)(void *state, const char *stage, double done, double total, const char *detail);

/** Polled between blocks of work from any worker thread; non-zero stops the work with LK_ERROR_CANCELLED. */
typedef int (*lk_cancel_fn)(void *state);

/** Receives remarks that are no errors ("2 text columns left out: id, name"), one line without a newline. */
typedef void (*lk_message_fn)(void *state, const char *text);

/** How a context is made. Set `size` to sizeof(lk_context_options); zero elsewhere means the default. */
typedef struct lk_context_options {
    size_t size;                   /**< sizeof(lk_context_options) */
    const lk_allocator *allocator; /**< copied; NULL = malloc, realloc, free */
    int threads;                   /**< worker threads, 1..1024; 0 = all processors this process may use */
    int64_t memory;                /**< bytes that data may occupy before it is streamed; 0 = half of what is free */
    lk_progress_fn progress;       /**< NULL = none */
    void *progress_state;          /**< handed to progress */
    lk_cancel_fn cancel;           /**< NULL = never cancelled */
    void *cancel_state;            /**< handed to cancel */
    lk_message_fn message;         /**< NULL = remarks are dropped */
    void *message_state;           /**< handed to message */
} lk_context_options;

/** A version text such as "0.1.0" of the library that is loaded.
 * @return static text. */
LK_API const char *lk_version(void);

/** The name of a status, such as "LK_ERROR_IO".
 * @param status any value.
 * @return static text; "LK_ERROR_UNKNOWN" for a value that is not listed. */
LK_API const char *lk_status_name(lk_status status);

/** The short text of a status, such as "out of memory".
 * @param status any value.
 * @return static text. */
LK_API const char *lk_status_text(lk_status status);

/** Makes a context.
 * @param out receives the context; the caller frees it by lk_context_free().
 * @param options NULL for all defaults.
 * Errors: LK_ERROR_ARGUMENT (threads or memory out of range), LK_ERROR_MEMORY.
 * Cost: constant. */
LK_API LK_NODISCARD lk_status lk_context_new(lk_context **out, const lk_context_options *options);

/** Frees a context.
 * @param context NULL is fine. Objects made with it live on. */
LK_API void lk_context_free(lk_context *context);

/** Asks the call that runs with a context to stop with LK_ERROR_CANCELLED, as a cancel callback does, or takes that back. Calls that
 * begin while it is asked for stop at once. May be called from any thread, and from a signal handler.
 * @param context a context.
 * @param stop 1 = stop; 0 = go on: needed before the context is used again. */
LK_API void lk_context_cancel(lk_context *context, int stop);

/** The text of the last error in this context: the offending value, its place, and what would be right.
 * @param context the context of the call that failed; NULL gives a fixed text.
 * @return borrowed text, valid until the next call with this context; "" after none. */
LK_API const char *lk_error_message(const lk_context *context);

/** The number of worker threads of a context.
 * @param context a context.
 * @return 1..1024. */
LK_API int lk_context_threads(const lk_context *context);

/** The bytes that data may occupy before it is streamed.
 * @param context a context.
 * @return a positive number of bytes. */
LK_API int64_t lk_context_memory(const lk_context *context);

/** Gives back memory that a function of this library handed out as text, by the allocator of the context it came from.
 * @param context the context of that call.
 * @param block NULL is fine. */
LK_API void lk_free(lk_context *context, void *block);

#ifdef __cplusplus
}
#endif
#endif

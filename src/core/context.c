/* The context: options and their defaults, the error text, remarks and cancelling. */
#include "communicator.h"
#include "context_impl.h"
#include "machine.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *system_allocate(void *state, size_t bytes)
{
    (void)state;
    return malloc(bytes);
}

static void *system_reallocate(void *state, void *block, size_t bytes)
{
    (void)state;
    return realloc(block, bytes);
}

static void system_release(void *state, void *block)
{
    (void)state;
    free(block);
}

/* Options from a caller whose header may be older (shorter struct) or newer (longer one, which must then be zero beyond
 * what is known here). */
static lk_status options_read(lk_context_options *out, const lk_context_options *options)
{
    memset(out, 0, sizeof *out);
    if (options == NULL) {
        return LK_OK;
    }
    if (options->size < sizeof options->size) {
        return LK_ERROR_ARGUMENT;
    }
    for (size_t i = sizeof *out; i < options->size; i++) {
        if (((const unsigned char *)options)[i] != 0) {
            return LK_ERROR_ARGUMENT;
        }
    }
    memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
    if (out->threads < 0 || out->threads > LKI_THREADS_MAX || out->memory < 0) {
        return LK_ERROR_ARGUMENT;
    }
    const lk_allocator *a = out->allocator;
    if (a != NULL && (a->allocate == NULL || a->reallocate == NULL || a->release == NULL)) {
        return LK_ERROR_ARGUMENT;
    }
    return LK_OK;
}

lk_status lk_context_new(lk_context **out, const lk_context_options *options)
{
    lk_context_options o;
    if (out == NULL || options_read(&o, options) != LK_OK) {
        return LK_ERROR_ARGUMENT;
    }
    lki_memory memory = {{system_allocate, system_reallocate, system_release, NULL}};
    if (o.allocator != NULL) {
        memory.allocator = *o.allocator;
    }
    lk_context *ctx = lki_memory_allocate(&memory, sizeof *ctx);
    if (ctx == NULL) {
        return LK_ERROR_MEMORY;
    }
    memset(ctx, 0, sizeof *ctx);
    if (pthread_mutex_init(&ctx->guard, NULL) != 0) {
        lki_memory_release(&memory, ctx);
        return LK_ERROR_MEMORY;
    }
    ctx->memory = memory;
    ctx->threads = o.threads > 0 ? o.threads : lki_machine_threads();
    ctx->threads = ctx->threads < LKI_THREADS_MAX ? ctx->threads : LKI_THREADS_MAX;
    ctx->memory_limit = o.memory > 0 ? o.memory : lki_machine_memory("") / 2;
    ctx->progress = o.progress;
    ctx->progress_state = o.progress_state;
    ctx->cancel = o.cancel;
    ctx->cancel_state = o.cancel_state;
    atomic_init(&ctx->stop, 0);
    ctx->stopped = &ctx->stop;
    ctx->message = o.message;
    ctx->message_state = o.message_state;
    ctx->communicator = &lki_communicator_self;
    ctx->caller = pthread_self();
    ctx->progress_time = -1;
    *out = ctx;
    return LK_OK;
}

void lk_context_free(lk_context *context)
{
    if (context != NULL) {
        lki_memory memory = context->memory;
        pthread_mutex_destroy(&context->guard);
        lki_memory_release(&memory, context);
    }
}

void lk_context_cancel(lk_context *context, int stop)
{
    atomic_store_explicit(&context->stop, stop != 0, memory_order_relaxed);
}

const char *lk_error_message(const lk_context *context)
{
    return context != NULL ? context->error : "no context, so no error text";
}

int lk_context_threads(const lk_context *context)
{
    return context->threads;
}

int64_t lk_context_memory(const lk_context *context)
{
    return context->memory_limit;
}

void lk_free(lk_context *context, void *block)
{
    lki_release(context, block);
}

/* The index that the calling worker of the running loop is at; INT64_MAX outside of one. Out of memory and cancelled
 * are nobody's index: they stop the loop at once. */
static int64_t place_of_error(const lk_context *ctx, lk_status status)
{
    if (ctx->place_level > 0 && (status == LK_ERROR_MEMORY || status == LK_ERROR_CANCELLED)) {
        return -1;
    }
    int worker = ctx->place_level > 0 ? omp_get_ancestor_thread_num(ctx->place_level) : -1;
    return worker >= 0 && worker < LKI_THREADS_MAX ? ctx->places[worker] : INT64_MAX;
}

lk_status lki_fail(lk_context *ctx, lk_status status, const char *format, ...)
{
    if (ctx == NULL) {
        return status;
    }
    int64_t place = place_of_error(ctx, status);
    pthread_mutex_lock(&ctx->guard);
    if (!ctx->error_set || place < ctx->error_place) {
        va_list args;
        va_start(args, format);
        int length = vsnprintf(ctx->error, sizeof ctx->error, format, args);
        va_end(args);
        if (length < 0) {
            snprintf(ctx->error, sizeof ctx->error, "%s", lk_status_text(status));
        } else if ((size_t)length >= sizeof ctx->error) {
            memcpy(ctx->error + sizeof ctx->error - 4, "...", 4);
        }
        ctx->error_set = true;
        ctx->error_place = place;
    }
    pthread_mutex_unlock(&ctx->guard);
    return status;
}

void lki_begin(lk_context *ctx)
{
    pthread_mutex_lock(&ctx->guard);
    ctx->error_set = false;
    ctx->error[0] = '\0';
    ctx->caller = pthread_self();
    pthread_mutex_unlock(&ctx->guard);
}

void lki_message(lk_context *ctx, const char *format, ...)
{
    if (ctx->message == NULL) {
        return;
    }
    char text[LKI_ERROR_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length >= (int)sizeof text) {
        memcpy(text + sizeof text - 4, "...", 4);
    }
    if (length >= 0) {
        ctx->message(ctx->message_state, text);
    }
}

int lki_threads(const lk_context *ctx)
{
    return ctx->threads;
}

int64_t lki_memory_limit(const lk_context *ctx)
{
    return ctx->memory_limit;
}

const struct lki_communicator *lki_communicator_of(const lk_context *ctx)
{
    return ctx->communicator;
}

void lki_communicator_set(lk_context *ctx, const struct lki_communicator *communicator)
{
    ctx->communicator = communicator != NULL ? communicator : &lki_communicator_self;
}

lk_status lki_context_worker(lk_context *ctx, lk_context **out)
{
    const lk_context_options options = {.size = sizeof options, .allocator = &ctx->memory.allocator, .threads = 1,
                                        .memory = ctx->memory_limit, .cancel = ctx->cancel, .cancel_state = ctx->cancel_state};
    if (lk_context_new(out, &options) != LK_OK) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory for the context of a worker");
    }
    (*out)->stopped = ctx->stopped;
    return LK_OK;
}

lk_status lki_pass_on(lk_context *ctx, const lk_context *worker, lk_status status)
{
    return status == LK_OK ? LK_OK : lki_fail(ctx, status, "%s", lk_error_message(worker));
}

lk_status lki_cancelled(lk_context *ctx)
{
    if (atomic_load_explicit(ctx->stopped, memory_order_relaxed) != 0 || (ctx->cancel != NULL && ctx->cancel(ctx->cancel_state) != 0)) {
        return lki_fail(ctx, LK_ERROR_CANCELLED, "cancelled by the caller before the work was finished");
    }
    return LK_OK;
}

/* What a context holds; only the files of this room look inside. */
#ifndef LIKELY_CONTEXT_IMPL_H
#define LIKELY_CONTEXT_IMPL_H

#include "core.h"
#include <pthread.h>
#include <stdatomic.h>

/* Longer error texts end in "...". A fixed buffer, so that "out of memory" can always be said. */
enum { LKI_ERROR_BYTES = 2048, LKI_THREADS_MAX = 1024 };

struct lk_context {
    lki_memory memory;
    int threads;
    int64_t memory_limit;
    lk_progress_fn progress;
    void *progress_state;
    lk_cancel_fn cancel;
    void *cancel_state;
    atomic_int stop;           /* asked for by lk_context_cancel() */
    const atomic_int *stopped; /* where to look: a worker's context looks at the one it works for */
    lk_message_fn message;
    void *message_state;
    const struct lki_communicator *communicator;
    pthread_t caller;     /* the thread that made the running call: the only one that reports progress */
    double progress_time; /* seconds of the monotonic clock at the last report; negative = never */
    /* While a parallel loop runs: its OpenMP nesting level (else 0), and the index that each worker is at. Of
     * several workers that fail, the one at the lowest index is heard, so that the error text does not depend on the
     * number of threads. */
    int place_level;
    int64_t places[LKI_THREADS_MAX];
    pthread_mutex_t guard; /* over what follows: workers may fail at the same moment */
    bool error_set;
    int64_t error_place;
    char error[LKI_ERROR_BYTES];
};

#endif

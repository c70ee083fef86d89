/* Progress reports: from the calling thread only, at most ten a second. */
#include "context_impl.h"
#include <time.h>

static const double REPORT_SECONDS = 0.1;

void lki_progress(lk_context *ctx, const char *stage, double done, double total, const char *detail)
{
    if (ctx->progress == NULL || !pthread_equal(ctx->caller, pthread_self())) {
        return;
    }
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return;
    }
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (ctx->progress_time >= 0 && seconds - ctx->progress_time < REPORT_SECONDS) {
        return;
    }
    ctx->progress_time = seconds;
    ctx->progress(ctx->progress_state, stage, done, total, detail != NULL ? detail : "");
}

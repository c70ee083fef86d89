/* The guard that keeps BLAS on one thread while our own parallel regions run, and gives the host its thread count
 * back. */
#include "blas.h"
#include <pthread.h>

/* Weak, so that any other BLAS links too; there is nothing to guard in one that has no threads of its own. */
extern void openblas_set_num_threads(int threads) __attribute__((weak));
extern int openblas_get_num_threads(void) __attribute__((weak));

/* The thread count of BLAS is one for the whole process, and so is the count of those who hold it down. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int64_t holders;
static int host_threads;

static bool has_threads(void)
{
    return openblas_set_num_threads != NULL && openblas_get_num_threads != NULL;
}

void lki_blas_enter(void)
{
    pthread_mutex_lock(&guard);
    if (holders++ == 0 && has_threads()) {
        host_threads = openblas_get_num_threads();
        if (host_threads != 1) {
            openblas_set_num_threads(1);
        }
    }
    pthread_mutex_unlock(&guard);
}

void lki_blas_leave(void)
{
    pthread_mutex_lock(&guard);
    if (--holders == 0 && has_threads() && host_threads != 1) {
        openblas_set_num_threads(host_threads);
    }
    pthread_mutex_unlock(&guard);
}

/* Faces of BLAS and LAPACK, and the guard that keeps BLAS on one thread inside our own parallel regions. */
#ifndef LIKELY_BLAS_H
#define LIKELY_BLAS_H

#include "core/core.h"

/* Every public call that uses BLAS stands between these two; nested and concurrent use is counted, and the thread count
 * that the host had set is restored when the last one leaves. */
void lki_blas_enter(void);
void lki_blas_leave(void);

#endif

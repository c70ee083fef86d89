/* The communicator table: how ranks find one another. The self communicator is the only one built in. */
#ifndef LIKELY_COMMUNICATOR_H
#define LIKELY_COMMUNICATOR_H

#include "core.h"

typedef struct lki_communicator {
    int (*rank)(void *state);
    int (*size)(void *state);
    lk_status (*send)(lk_context *ctx, void *state, int to, const double *values, size_t count);
    lk_status (*receive)(lk_context *ctx, void *state, int from, double *values, size_t count);
    lk_status (*broadcast)(lk_context *ctx, void *state, int root, double *values, size_t count);
    void *state;
} lki_communicator;

extern const lki_communicator lki_communicator_self;

#endif

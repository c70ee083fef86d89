/* The self communicator: one rank that has nobody to talk to. */
#include "communicator.h"

static int self_rank(void *state)
{
    (void)state;
    return 0;
}

static int self_size(void *state)
{
    (void)state;
    return 1;
}

static lk_status self_send(lk_context *ctx, void *state, int to, const double *values, size_t count)
{
    (void)state;
    (void)values;
    (void)count;
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "send to rank %d: there is one rank only", to);
}

static lk_status self_receive(lk_context *ctx, void *state, int from, double *values, size_t count)
{
    (void)state;
    (void)values;
    (void)count;
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "receive from rank %d: there is one rank only", from);
}

static lk_status self_broadcast(lk_context *ctx, void *state, int root, double *values, size_t count)
{
    (void)state;
    (void)values;
    (void)count;
    return root == 0 ? LK_OK : lki_fail(ctx, LK_ERROR_ARGUMENT, "broadcast from rank %d: there is one rank only", root);
}

const lki_communicator lki_communicator_self = {
    .rank = self_rank,
    .size = self_size,
    .send = self_send,
    .receive = self_receive,
    .broadcast = self_broadcast,
    .state = NULL,
};

/* Reductions over row blocks in one fixed binary tree over block numbers, on the threads and ranks of a context.
 *
 * A worker takes an aligned run of 2^s blocks (a chunk) and folds it by a carry stack of its own. The nodes that
 * remain are handed to one table, where a node that meets its sibling merges with it at once, whichever of the two
 * came first. So the tree, and with it every bit of the result, depends on the number of blocks alone. Chunks are
 * handed out in order, so the finished ones form at most threads + 1 runs, and the table holds O(threads *
 * log(blocks)) nodes. */
#include "reduce.h"
#include "communicator.h"
#include "context_impl.h"
#include "reduce_impl.h"
#include <omp.h>
#include <pthread.h>
#include <string.h>

/* Chunks for each worker at least, so that a slow one is made up for by the others; and the largest chunk. */
enum { CHUNKS_A_THREAD = 16, CHUNK_LEVEL_MAX = 6 };
/* Granules of 2^g blocks for each rank at least: ranks differ by one granule. */
enum { GRANULES_A_RANK = 8 };

/* Below so many flops, a fraction of a millisecond, waking the other threads may take longer than the work: much
 * longer where other programs keep the processors busy. */
static const double WORK_LEAST = 1e6;

/* The sums of blocks [index 2^level, (index + 1) 2^level). */
typedef struct node {
    struct node *next;
    int level;
    int64_t index;
    _Alignas(64) double sums[];
} node;

/* The nodes of one reduction that wait for their siblings, and spare ones. */
typedef struct tree {
    lk_context *ctx;
    const lki_reduction *reduction;
    pthread_mutex_t guard; /* over both lists */
    node *waiting;
    node *spare;
} tree;

/* The failure at the lowest index of a parallel loop. Work below that index goes on, work above it stops: so the
 * failure that is told is the same on any number of threads. */
typedef struct failure {
    int64_t index; /* INT64_MAX = none; atomic */
    lk_status status;
} failure;

/* What the workers of one parallel region share. */
typedef struct region {
    tree *tree;
    int64_t first, last; /* the blocks of this rank */
    int64_t chunk;       /* blocks in a chunk */
    int64_t done;        /* finished blocks (atomic), for progress */
    failure *failed;
    bool placed; /* workers say where they are */
} region;

/* Whether work at this index is no longer wanted. */
static bool failure_before(const failure *f, int64_t index)
{
    return __atomic_load_n(&f->index, __ATOMIC_RELAXED) < index;
}

/* Out of memory and cancelled are nobody's index: they stop everything at once. */
static void failure_note(failure *f, int64_t index, lk_status status)
{
    index = status == LK_ERROR_MEMORY || status == LK_ERROR_CANCELLED ? -1 : index;
#pragma omp critical(lki_failure)
    if (index < f->index) {
        f->status = status;
        __atomic_store_n(&f->index, index, __ATOMIC_RELAXED);
    }
}

/* Opens a loop whose workers say where they are, for lki_fail(). A loop within a loop leaves that to the outer one. */
static bool places_open(lk_context *ctx)
{
    if (ctx->place_level > 0) {
        return false;
    }
    ctx->place_level = omp_get_level() + 1;
    return true;
}

static void places_close(lk_context *ctx, bool opened)
{
    if (opened) {
        ctx->place_level = 0;
    }
}

static lk_status node_take(tree *t, node **out)
{
    pthread_mutex_lock(&t->guard);
    node *n = t->spare;
    if (n != NULL) {
        t->spare = n->next;
    }
    pthread_mutex_unlock(&t->guard);
    if (n == NULL) {
        size_t length = t->reduction->length;
        size_t bytes =
            length <= (PTRDIFF_MAX - sizeof(node)) / sizeof(double) ? sizeof(node) + length * sizeof(double) : SIZE_MAX;
        LKI_TRY(lki_allocate(t->ctx, bytes, 1, &n));
    }
    n->next = NULL;
    *out = n;
    return LK_OK;
}

static void node_give(tree *t, node *n)
{
    pthread_mutex_lock(&t->guard);
    n->next = t->spare;
    t->spare = n;
    pthread_mutex_unlock(&t->guard);
}

static void nodes_free(tree *t, node *list)
{
    while (list != NULL) {
        node *next = list->next;
        lki_release(t->ctx, list);
        list = next;
    }
}

/* left += right; right becomes spare. */
static void node_combine(tree *t, node *left, node *right)
{
    const lki_reduction *r = t->reduction;
    if (r->combine != NULL) {
        r->combine(r->state, left->sums, right->sums);
    } else {
        for (size_t i = 0; i < r->length; i++) {
            left->sums[i] += right->sums[i];
        }
    }
    node_give(t, right);
}

/* Two siblings, in either order, become their parent, which is returned. */
static node *node_merge(tree *t, node *a, node *b)
{
    node *left = a->index < b->index ? a : b;
    node *right = left == a ? b : a;
    node_combine(t, left, right);
    left->level++;
    left->index /= 2;
    return left;
}

/* Puts a complete node into the table, merging upward as long as its sibling waits there. The sums themselves are
 * added outside the lock: a node that was taken out belongs to this worker alone. */
static void node_deposit(tree *t, node *n)
{
    for (;;) {
        pthread_mutex_lock(&t->guard);
        node **link = &t->waiting;
        while (*link != NULL && !((*link)->level == n->level && (*link)->index == (n->index ^ 1))) {
            link = &(*link)->next;
        }
        node *sibling = *link;
        if (sibling == NULL) {
            n->next = t->waiting;
            t->waiting = n;
            pthread_mutex_unlock(&t->guard);
            return;
        }
        *link = sibling->next;
        pthread_mutex_unlock(&t->guard);
        n = node_merge(t, n, sibling);
    }
}

static lk_status block_run(tree *t, int thread, int64_t block, node **out)
{
    const lki_reduction *r = t->reduction;
    node *n = NULL;
    LKI_TRY(lki_cancelled(t->ctx));
    LKI_TRY(node_take(t, &n));
    n->level = 0;
    n->index = block;
    memset(n->sums, 0, r->length * sizeof(double));
    lk_status status = r->block(t->ctx, r->state, thread, block, n->sums);
    if (status != LK_OK) {
        node_give(t, n);
        return status;
    }
    *out = n;
    return LK_OK;
}

/* One block, unless a failure before it makes it unwanted: *out is NULL then, and where it fails itself. */
static void block_try(region *g, int thread, int64_t block, node **out)
{
    *out = NULL;
    if (failure_before(g->failed, block)) {
        return;
    }
    if (g->placed) {
        g->tree->ctx->places[thread] = block;
    }
    lk_status status = block_run(g->tree, thread, block, out);
    if (status != LK_OK) {
        failure_note(g->failed, block, status);
    }
}

/* Folds the blocks [first, last) of one chunk by a carry stack and hands what remains to the table. */
static void chunk_run(region *g, int thread, int64_t first, int64_t last)
{
    tree *t = g->tree;
    node *stack = NULL;
    for (int64_t block = first; block < last; block++) {
        node *n = NULL;
        block_try(g, thread, block, &n);
        if (n == NULL) {
            break;
        }
        while (stack != NULL && stack->level == n->level && stack->index == (n->index ^ 1)) {
            node *left = stack;
            stack = left->next;
            n = node_merge(t, left, n);
        }
        n->next = stack;
        stack = n;
        int64_t done = __atomic_add_fetch(&g->done, 1, __ATOMIC_RELAXED);
        if (t->reduction->stage != NULL && thread == 0) {
            lki_progress(t->ctx, t->reduction->stage, (double)done, (double)(g->last - g->first), NULL);
        }
    }
    while (stack != NULL) {
        node *n = stack;
        stack = n->next;
        node_deposit(t, n);
    }
}

/* All chunks of [first, last) over the threads; the nodes that remain wait in the table. */
static lk_status region_run(tree *t, int64_t first, int64_t last, int chunk_level)
{
    failure failed = {INT64_MAX, LK_OK};
    region g = {.tree = t, .first = first, .last = last, .chunk = INT64_C(1) << chunk_level, .failed = &failed};
    int64_t from = first / g.chunk;
    int64_t to = last / g.chunk + (last % g.chunk != 0);
    double work = t->reduction->work;
    bool alone = to - from <= 1 || (work > 0 && work * (double)(last - first) < WORK_LEAST);
    g.placed = places_open(t->ctx);
#pragma omp parallel for schedule(dynamic, 1) num_threads(lki_threads(t->ctx)) if (!alone)
    for (int64_t c = from; c < to; c++) {
        int64_t low = c * g.chunk > g.first ? c * g.chunk : g.first;
        int64_t high = g.last - c * g.chunk > g.chunk ? (c + 1) * g.chunk : g.last;
        chunk_run(&g, omp_get_thread_num(), low, high);
    }
    places_close(t->ctx, g.placed);
    return failed.status;
}

static int chunk_level_of(const lk_context *ctx, int64_t blocks)
{
    int level = 0;
    while (level < CHUNK_LEVEL_MAX && (blocks >> (level + 1)) >= (int64_t)CHUNKS_A_THREAD * lki_threads(ctx)) {
        level++;
    }
    return level;
}

/* The waiting node that starts furthest right; it is taken out of the table. */
static node *rightmost_take(tree *t)
{
    node **best = &t->waiting;
    for (node **link = &t->waiting; *link != NULL; link = &(*link)->next) {
        if ((*link)->index << (*link)->level > (*best)->index << (*best)->level) {
            best = link;
        }
    }
    node *n = *best;
    if (n != NULL) {
        *best = n->next;
    }
    return n;
}

/* What has no sibling folds from right to left: ((c1 + (c2 + c3)) for nodes c1 > c2 > c3 in size. */
static void tree_fold(tree *t, double *out)
{
    node *right = rightmost_take(t);
    if (right == NULL) {
        memset(out, 0, t->reduction->length * sizeof(double));
        return;
    }
    for (node *left = rightmost_take(t); left != NULL; left = rightmost_take(t)) {
        node_combine(t, left, right);
        right = left;
    }
    memcpy(out, right->sums, t->reduction->length * sizeof(double));
    node_give(t, right);
}

/* The blocks of a rank: a contiguous run of granules, each an aligned subtree of 2^g blocks. */
static void rank_blocks(int64_t blocks, int rank, int size, int64_t *first, int64_t *last)
{
    int level = 0;
    while ((blocks >> (level + 1)) >= (int64_t)GRANULES_A_RANK * size) {
        level++;
    }
    int64_t granules = (blocks >> level) + ((blocks & ((INT64_C(1) << level) - 1)) != 0);
    int64_t low = granules / size * rank + granules % size * rank / size;
    int64_t high = granules / size * (rank + 1) + granules % size * (rank + 1) / size;
    *first = low << level < blocks ? low << level : blocks;
    *last = high << level < blocks ? high << level : blocks;
}

/* The nodes of this rank go to rank 0: {status, how many}, then, once rank 0 says that it has room, {level, index}
 * and the sums of each. */
static lk_status nodes_send(tree *t, const lki_communicator *c, lk_status status)
{
    double count = 0;
    for (const node *n = t->waiting; n != NULL; n = n->next) {
        count++;
    }
    double head[2] = {(double)status, status == LK_OK ? count : 0};
    double room;
    LKI_TRY(c->send(t->ctx, c->state, 0, head, 2));
    LKI_TRY(c->receive(t->ctx, c->state, 0, &room, 1));
    for (const node *n = t->waiting; n != NULL && status == LK_OK && room > 0; n = n->next) {
        double place[2] = {(double)n->level, (double)n->index};
        LKI_TRY(c->send(t->ctx, c->state, 0, place, 2));
        LKI_TRY(c->send(t->ctx, c->state, 0, n->sums, t->reduction->length));
    }
    return LK_OK;
}

/* A chain of `count` nodes for what another rank sends. */
static lk_status nodes_take(tree *t, int64_t count, node **out)
{
    node *chain = NULL;
    for (int64_t i = 0; i < count; i++) {
        node *n = NULL;
        lk_status status = node_take(t, &n);
        if (status != LK_OK) {
            nodes_free(t, chain);
            return status;
        }
        n->next = chain;
        chain = n;
    }
    *out = chain;
    return LK_OK;
}

/* Rank 0 merges the nodes of another rank into its own table. *status becomes the first failure of any rank. */
static lk_status nodes_receive(tree *t, const lki_communicator *c, int from, lk_status *status)
{
    double head[2];
    LKI_TRY(c->receive(t->ctx, c->state, from, head, 2));
    if (head[0] != (double)LK_OK && *status == LK_OK) {
        *status = lki_fail(t->ctx, (lk_status)head[0], "rank %d: %s", from, lk_status_text((lk_status)head[0]));
    }
    node *chain = NULL;
    if (*status == LK_OK) {
        *status = nodes_take(t, (int64_t)head[1], &chain);
    }
    double room = *status == LK_OK;
    lk_status sent = c->send(t->ctx, c->state, from, &room, 1);
    while (chain != NULL && sent == LK_OK) {
        node *n = chain;
        chain = n->next;
        double place[2] = {0, 0};
        sent = c->receive(t->ctx, c->state, from, place, 2);
        if (sent == LK_OK) {
            sent = c->receive(t->ctx, c->state, from, n->sums, t->reduction->length);
        }
        n->level = (int)place[0];
        n->index = (int64_t)place[1];
        if (sent == LK_OK) {
            node_deposit(t, n);
        } else {
            node_give(t, n);
        }
    }
    nodes_free(t, chain);
    return sent;
}

/* Gathers all ranks' nodes at rank 0, folds them there and tells everybody the outcome. `status` is this rank's own. */
static lk_status ranks_join(tree *t, const lki_communicator *c, lk_status status, double *result)
{
    int rank = c->rank(c->state);
    if (rank == 0) {
        for (int from = 1; from < c->size(c->state); from++) {
            LKI_TRY(nodes_receive(t, c, from, &status));
        }
        if (status == LK_OK) {
            tree_fold(t, result);
        }
    } else {
        LKI_TRY(nodes_send(t, c, status));
    }
    double outcome = (double)status;
    LKI_TRY(c->broadcast(t->ctx, c->state, 0, &outcome, 1));
    if (outcome != (double)LK_OK) {
        lk_status failed = (lk_status)outcome;
        return status != LK_OK ? status : lki_fail(t->ctx, failed, "another rank: %s", lk_status_text(failed));
    }
    return c->broadcast(t->ctx, c->state, 0, result, t->reduction->length);
}

lk_status lki_reduce_chunked(lk_context *ctx, const lki_reduction *reduction, int chunk_level, double *out)
{
    const lki_communicator *c = lki_communicator_of(ctx);
    int size = c->size(c->state);
    int64_t first = 0;
    int64_t last = reduction->blocks;
    node *result = NULL;
    tree t = {.ctx = ctx, .reduction = reduction};
    if (pthread_mutex_init(&t.guard, NULL) != 0) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a lock could not be made");
    }
    if (size > 1) {
        rank_blocks(reduction->blocks, c->rank(c->state), size, &first, &last);
    }
    lk_status status = region_run(&t, first, last, chunk_level >= 0 ? chunk_level : chunk_level_of(ctx, last - first));
    if (size == 1 && status == LK_OK) {
        tree_fold(&t, out);
    } else if (size > 1) {
        /* The ranks wait for one another, so a rank that failed still takes part. Outputs stay untouched on failure. */
        status = status == LK_OK ? node_take(&t, &result) : status;
        status = ranks_join(&t, c, status, result != NULL ? result->sums : NULL);
        if (status == LK_OK) {
            memcpy(out, result->sums, reduction->length * sizeof(double));
        }
        lki_release(ctx, result);
    }
    nodes_free(&t, t.waiting);
    nodes_free(&t, t.spare);
    pthread_mutex_destroy(&t.guard);
    return status;
}

lk_status lki_reduce(lk_context *ctx, const lki_reduction *reduction, double *out)
{
    return lki_reduce_chunked(ctx, reduction, -1, out);
}

lk_status lki_parallel(lk_context *ctx, int64_t tasks,
                       lk_status (*task)(lk_context *ctx, void *state, int thread, int64_t index), void *state)
{
    failure failed = {INT64_MAX, LK_OK};
    bool placed = places_open(ctx);
#pragma omp parallel for schedule(dynamic, 1) num_threads(lki_threads(ctx)) if (tasks > 1)
    for (int64_t i = 0; i < tasks; i++) {
        if (!failure_before(&failed, i)) {
            int thread = omp_get_thread_num();
            if (placed) {
                ctx->places[thread] = i;
            }
            lk_status status = lki_cancelled(ctx);
            if (status == LK_OK) {
                status = task(ctx, state, thread, i);
            }
            if (status != LK_OK) {
                failure_note(&failed, i, status);
            }
        }
    }
    places_close(ctx, placed);
    return failed.status;
}

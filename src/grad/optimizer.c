/* Steps that train parameters: AdamW and momentum, a schedule of the rate, clipping, a moving average, gradients taken uphill. */
#include "core/reduce.h"
#include "grad/graph.h"
#include "grad/tensor_kernel.h"

#include <math.h>
#include <string.h>

/* Parameters that one task changes; sums of squares are added up piece by piece in their order. */
enum { PIECE = 16384 };

typedef struct piece {
    int tensor;
    int64_t first, count;
} piece;

struct lk_optimizer {
    lki_memory memory;
    lk_graph *graph;
    lk_optimizer_options options;
    int count;
    lk_node *parameters, *gradients;
    int64_t *starts;                  /* of each tensor in the arrays below */
    char *first, *second, *average;   /* one number a parameter; NULL where the rule has no use for them */
    char *left;                       /* the parameters that lk_optimizer_climb() left; NULL without sharpness */
    bool uphill;                      /* the parameters stand where it put them */
    double climb;                     /* what the running climb multiplies the gradients by */
    piece *pieces;
    int64_t piece_count;
    double *squares;                  /* a sum a piece */
    int64_t steps;
    lki_update_rates rates;           /* of the running step */
};

static lk_status options_check(lk_context *ctx, const lk_optimizer_options *given, lk_optimizer_options *o)
{
    if (given != NULL) {
        if (given->size != sizeof *o) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_optimizer_options.size is %zu; set it to sizeof(lk_optimizer_options)",
                            given->size);
        }
        *o = *given;
    }
    o->rate = o->rate == 0.0 ? 1e-3 : o->rate;
    o->beta1 = o->beta1 == 0.0 ? 0.9 : o->beta1;
    o->beta2 = o->beta2 == 0.0 ? 0.999 : o->beta2;
    o->epsilon = o->epsilon == 0.0 ? 1e-8 : o->epsilon;
    bool good = (o->rule == LK_RULE_ADAMW || o->rule == LK_RULE_MOMENTUM) && o->rate > 0.0 && isfinite(o->rate) && o->decay >= 0.0 &&
                isfinite(o->decay) && o->beta1 > 0.0 && o->beta1 < 1.0 && o->beta2 > 0.0 && o->beta2 < 1.0 && o->epsilon > 0.0 &&
                isfinite(o->epsilon) && o->clip >= 0.0 && o->sharpness >= 0.0 &&
                isfinite(o->sharpness) && o->average >= 0.0 && o->average < 1.0 && o->warmup >= 0 && o->steps >= 0;
    if (!good) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "optimizer: rate %g and epsilon %g must be above 0, decay %g, clip %g and sharpness %g at least 0, "
                        "beta1 %g and beta2 %g within (0, 1), average %g within [0, 1), warmup %lld and steps %lld at least 0",
                        o->rate, o->epsilon, o->decay, o->clip, o->sharpness, o->beta1, o->beta2, o->average, (long long)o->warmup,
                        (long long)o->steps);
    }
    return LK_OK;
}

static lk_status tensors_check(lk_context *ctx, const lk_graph *g, const lk_node *parameters, const lk_node *gradients, int count)
{
    if (count < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "optimizer: there are %d parameters; there must be at least one", count);
    }
    for (int i = 0; i < count; i++) {
        if (lk_graph_values(g, parameters[i]) == NULL || lk_graph_values(g, gradients[i]) == NULL ||
            g->nodes[parameters[i]].op != LKI_OP_PARAMETER || !lki_same_shape(&g->nodes[parameters[i]], &g->nodes[gradients[i]])) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "optimizer: pair %d is no parameter of a planned graph with an output of its shape", i);
        }
    }
    return LK_OK;
}

static lk_status pieces_make(lk_context *ctx, lk_optimizer *o)
{
    int64_t count = 0, start = 0;
    for (int i = 0; i < o->count; i++) {
        int64_t n = lki_node_count(&o->graph->nodes[o->parameters[i]]);
        o->starts[i] = start;
        start += n;
        count += (n + PIECE - 1) / PIECE;
    }
    o->starts[o->count] = start;
    LKI_TRY(lki_allocate(ctx, (size_t)count, sizeof *o->pieces, &o->pieces));
    LKI_TRY(lki_allocate(ctx, (size_t)count, sizeof *o->squares, &o->squares));
    for (int i = 0; i < o->count; i++) {
        int64_t n = o->starts[i + 1] - o->starts[i];
        for (int64_t at = 0; at < n; at += PIECE) {
            o->pieces[o->piece_count++] = (piece){i, at, n - at < PIECE ? n - at : PIECE};
        }
    }
    return LK_OK;
}

/* The average begins at the parameters as they stand. */
static lk_status state_make(lk_context *ctx, lk_optimizer *o)
{
    size_t total = (size_t)o->starts[o->count], bytes = o->graph->bytes;
    LKI_TRY(lki_zeros(ctx, total, bytes, &o->first));
    if (o->options.rule == LK_RULE_ADAMW) {
        LKI_TRY(lki_zeros(ctx, total, bytes, &o->second));
    }
    if (o->options.sharpness > 0.0) {
        LKI_TRY(lki_allocate(ctx, total, bytes, &o->left));
    }
    if (o->options.average > 0.0) {
        LKI_TRY(lki_allocate(ctx, total, bytes, &o->average));
        for (int i = 0; i < o->count; i++) {
            memcpy(o->average + (size_t)o->starts[i] * bytes, lk_graph_values(o->graph, o->parameters[i]),
                   (size_t)(o->starts[i + 1] - o->starts[i]) * bytes);
        }
    }
    return LK_OK;
}

lk_status lk_optimizer_new(lk_context *ctx, lk_graph *g, const lk_node *parameters, const lk_node *gradients, int count,
                           const lk_optimizer_options *options, lk_optimizer **out)
{
    lk_optimizer *o = NULL;
    lk_optimizer_options checked = {.size = sizeof checked};
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(options_check(ctx, options, &checked));
    LKI_TRY(tensors_check(ctx, g, parameters, gradients, count));
    LKI_TRY(lki_zeros(ctx, 1, sizeof *o, &o));
    o->memory = lki_memory_of(ctx);
    o->graph = g;
    o->options = checked;
    o->count = count;
    size_t n = (size_t)count;
    LKI_GOTO(status, done, lki_allocate(ctx, n, sizeof *o->parameters, &o->parameters));
    LKI_GOTO(status, done, lki_allocate(ctx, n, sizeof *o->gradients, &o->gradients));
    LKI_GOTO(status, done, lki_allocate(ctx, n + 1, sizeof *o->starts, &o->starts));
    memcpy(o->parameters, parameters, n * sizeof *parameters);
    memcpy(o->gradients, gradients, n * sizeof *gradients);
    LKI_GOTO(status, done, pieces_make(ctx, o));
    LKI_GOTO(status, done, state_make(ctx, o));
    *out = o;
    o = NULL;
done:
    lk_optimizer_free(o);
    return status;
}

void lk_optimizer_free(lk_optimizer *o)
{
    if (o == NULL) {
        return;
    }
    lki_memory memory = o->memory;
    void *const blocks[] = {o->parameters, o->gradients, o->starts, o->first, o->second, o->average, o->left, o->pieces, o->squares, o};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        lki_memory_release(&memory, blocks[i]);
    }
}

const void *lk_optimizer_average(const lk_optimizer *o, int index)
{
    return o->average == NULL || index < 0 || index >= o->count ? NULL : o->average + (size_t)o->starts[index] * o->graph->bytes;
}

/* ---- a step ---- */

static char *piece_at(const lk_optimizer *o, const piece *p, const lk_node *tensors)
{
    return (char *)lk_graph_values(o->graph, tensors[p->tensor]) + (size_t)p->first * o->graph->bytes;
}

static lk_status square_piece(lk_context *ctx, void *state, int thread, int64_t index)
{
    lk_optimizer *o = state;
    const piece *p = &o->pieces[index];
    (void)ctx, (void)thread;
    o->squares[index] = lki_tensor_kernels_of(o->graph->precision)->square_sum(p->count, piece_at(o, p, o->gradients));
    return LK_OK;
}

static lk_status update_piece(lk_context *ctx, void *state, int thread, int64_t index)
{
    lk_optimizer *o = state;
    const piece *p = &o->pieces[index];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(o->graph->precision);
    const size_t at = (size_t)(o->starts[p->tensor] + p->first) * o->graph->bytes;
    lki_update_rates rates = o->rates;
    char *parameter = piece_at(o, p, o->parameters), *gradient = piece_at(o, p, o->gradients);
    (void)ctx, (void)thread;
    if (o->uphill) {
        memcpy(parameter, o->left + at, (size_t)p->count * o->graph->bytes);
    }
    rates.decay = o->graph->nodes[o->parameters[p->tensor]].axes >= 2 ? rates.decay : 0.0;
    if (o->options.rule == LK_RULE_ADAMW) {
        k->adamw(p->count, &rates, gradient, o->first + at, o->second + at, parameter);
    } else {
        k->momentum(p->count, &rates, gradient, o->first + at, parameter);
    }
    if (o->average != NULL) {
        k->average(p->count, o->options.average, parameter, o->average + at);
    }
    return LK_OK;
}

/* The factor of the learning rate at a step, counted from 0. */
static double schedule(const lk_optimizer_options *o, int64_t step)
{
    if (step < o->warmup) {
        return (double)(step + 1) / (double)o->warmup;
    }
    if (o->steps <= o->warmup) {
        return 1.0;
    }
    double done = (double)(step - o->warmup) / (double)(o->steps - o->warmup);
    return done >= 1.0 ? 0.0 : 0.5 * (1.0 + cos(M_PI * done));
}

/* Few parameters are not worth another thread. */
static lk_status each_piece(lk_context *ctx, lk_optimizer *o, lk_status (*task)(lk_context *, void *, int, int64_t))
{
    if (o->starts[o->count] > 4 * PIECE) {
        return lki_parallel(ctx, o->piece_count, task, o);
    }
    for (int64_t i = 0; i < o->piece_count; i++) {
        LKI_TRY(task(ctx, o, 0, i));
    }
    return LK_OK;
}

/* Of all gradients together. */
static lk_status gradient_norm(lk_context *ctx, lk_optimizer *o, double *out)
{
    double sum = 0.0;
    LKI_TRY(each_piece(ctx, o, square_piece));
    for (int64_t i = 0; i < o->piece_count; i++) {
        sum += o->squares[i];
    }
    if (!isfinite(sum)) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "step %lld: the norm of the gradients is not finite", (long long)o->steps);
    }
    *out = sqrt(sum);
    return LK_OK;
}

static lk_status clip_factor(lk_context *ctx, lk_optimizer *o, double *out)
{
    double norm = 0.0;
    if (o->options.clip > 0.0) {
        LKI_TRY(gradient_norm(ctx, o, &norm));
    }
    *out = norm > o->options.clip ? o->options.clip / norm : 1.0;
    return LK_OK;
}

/* w + climb g, with w kept. */
static lk_status climb_piece(lk_context *ctx, void *state, int thread, int64_t index)
{
    lk_optimizer *o = state;
    const piece *p = &o->pieces[index];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(o->graph->precision);
    char *parameter = piece_at(o, p, o->parameters), *left = o->left + (size_t)(o->starts[p->tensor] + p->first) * o->graph->bytes;
    (void)ctx, (void)thread;
    memcpy(left, parameter, (size_t)p->count * o->graph->bytes);
    k->affine(p->count, piece_at(o, p, o->gradients), 1, o->climb, 0.0, parameter);
    k->add(p->count, left, parameter);
    return LK_OK;
}

lk_status lk_optimizer_climb(lk_context *ctx, lk_optimizer *o)
{
    double norm;
    lki_begin(ctx);
    if (o->left == NULL || o->uphill) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "optimizer: a climb wants options with a sharpness above 0, and a step before the next climb");
    }
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(gradient_norm(ctx, o, &norm));
    o->climb = norm > 0.0 ? o->options.sharpness / norm : 0.0;
    LKI_TRY(each_piece(ctx, o, climb_piece));
    o->uphill = true;
    return LK_OK;
}

lk_status lk_optimizer_step(lk_context *ctx, lk_optimizer *o)
{
    const lk_optimizer_options *options = &o->options;
    double clip;
    lki_begin(ctx);
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(clip_factor(ctx, o, &clip));
    double rate = options->rate * schedule(options, o->steps);
    o->rates = (lki_update_rates){.rate = rate, .decay = rate * options->decay, .clip = clip, .beta1 = options->beta1,
                                  .beta2 = options->beta2, .epsilon = options->epsilon};
    o->rates.bias1 = 1.0 - pow(options->beta1, (double)(o->steps + 1));
    o->rates.bias2 = 1.0 - pow(options->beta2, (double)(o->steps + 1));
    LKI_TRY(each_piece(ctx, o, update_piece));
    o->uphill = false;
    o->steps++;
    return LK_OK;
}

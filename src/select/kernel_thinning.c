/* Kernel thinning: halves that are balanced in a kernel, and the exchange of points that refines them. */
#include "select/thinning.h"
#include "core/reduce.h"

#include <math.h>
#include <string.h>

/* Points that are looked at together: their sums over all earlier ones are one call of the pair engine, whatever is decided within. */
enum { BLOCK = 64 };
/* How often the exchange goes over the coreset, unless nothing moves before. */
enum { PASSES = 4 };
/* Members whose kernel values with the whole set are read together: as many as a vector has lanes, or fewer. */
enum { AHEAD = 8, D_LOCAL = 32 };
/* Points of a piece of the set. */
enum { PIECE = 8192 };

static void gather(const lki_thinning *t, const int64_t *rows, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * t->d, t->x + rows[i] * t->d, (size_t)t->d * sizeof *out);
    }
}

/* out_i = sum_j k(x_i, y_j) v_j (v = NULL: ones), or out_ij = k(x_i, y_j). */
static lk_status answer(lk_context *ctx, const lki_thin_kernel *kernel, lki_pair_reduction what, const double *x, int64_t rows,
                        const double *y, int64_t m, int64_t d, const double *v, double *out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair *pair = NULL;
    LKI_TRY(lki_pair_new(ctx, kernel->terms, kernel->count, y, m, d, &pair));
    const lki_pair_request request = {.reduction = what, .x = x, .rows = rows, .v = v, .out = out};
    const lk_status status = lki_pair_run(ctx, pair, &request);
    lki_pair_free(&memory, pair);
    return status;
}

lk_status lki_thin_sums(lk_context *ctx, const lki_thinning *t, const int64_t *rows, int64_t count, const int64_t *set, int64_t size,
                        const double *w, double *out)
{
    double *x = NULL, *y = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)size, (size_t)t->d), sizeof *y, &y));
    gather(t, set, size, y);
    if (rows != NULL) {
        LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)count, (size_t)t->d), sizeof *x, &x));
        gather(t, rows, count, x);
    }
    status = answer(ctx, &t->target, LKI_PAIR_SUM, rows != NULL ? x : t->x, count, y, size, t->d, w, out);
done:
    lki_release(ctx, x);
    lki_release(ctx, y);
    return status;
}

/* ---- halving ---- */

typedef struct walk {
    double *points;                /* n x d */
    double *sign;                  /* n: 1 = in the second half, -1 = in the first, 0 = not yet decided */
    double before[BLOCK];          /* of the block's points: signed sums over all earlier blocks */
    double gram[BLOCK * BLOCK];    /* of the block */
    double variance;               /* sigma^2 of the walk */
    double log_term;               /* 2 log(2 / delta) */
} walk;

static lk_status look_at(lk_context *ctx, const lki_thinning *t, walk *w, int64_t start, int64_t count)
{
    const double *block = w->points + start * t->d;
    memset(w->before, 0, sizeof w->before);
    if (start > 0) {
        LKI_TRY(answer(ctx, &t->split, LKI_PAIR_SUM, block, count, w->points, start, t->d, w->sign, w->before));
    }
    return answer(ctx, &t->split, LKI_PAIR_VALUES, block, count, block, count, t->d, NULL, w->gram);
}

/* The walk's step at a pair (x, x'): whether they change places. a is the threshold beyond which a swap is certain, and the variance grows with
 * b^2 = |k(x, .) - k(x', .)|^2 (get_swap_params of algorithm 1a). alpha = <k(x, .) - k(x', .), signed sum so far>. */
static bool swaps(walk *w, double b2, double alpha, lki_stream *stream)
{
    const double u = lki_random_uniform(stream);
    if (!(b2 > 0.0)) {
        return u < 0.5;
    }
    const double a = fmax(sqrt(b2 * w->variance * w->log_term), b2);
    w->variance += b2 * fmax(0.0, 1.0 + (b2 - 2.0 * a) * w->variance / (a * a));
    return u < fmin(1.0, 0.5 * fmax(0.0, 1.0 - alpha / a));
}

static void decide(walk *w, double at_zero, int64_t start, int64_t count, lki_stream *stream)
{
    for (int64_t i = 0; i < count; i += 2) {
        const double *one = w->gram + i * count, *two = one + count;
        double alpha = w->before[i] - w->before[i + 1];
        for (int64_t j = 0; j < i; j++) {
            alpha += w->sign[start + j] * (one[j] - two[j]);
        }
        const bool swap = swaps(w, 2.0 * (at_zero - one[i + 1]), alpha, stream);
        w->sign[start + i] = swap ? 1.0 : -1.0;
        w->sign[start + i + 1] = -w->sign[start + i];
    }
}

lk_status lki_kernel_halve(lk_context *ctx, const lki_thinning *t, const int64_t *rows, int64_t n, double delta, uint64_t stream,
                           int64_t *first, int64_t *second)
{
    walk *w = NULL;
    lk_status status = LK_OK;
    lki_stream random = lki_stream_new(t->seed, stream, 0);
    LKI_TRY(lki_zeros(ctx, 1, sizeof *w, &w));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)n, (size_t)t->d), sizeof(double), &w->points));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)n, sizeof(double), &w->sign));
    gather(t, rows, n, w->points);
    w->log_term = 2.0 * log(2.0 / delta);
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t count = n - start < BLOCK ? n - start : BLOCK;
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, look_at(ctx, t, w, start, count));
        decide(w, t->split.at_zero, start, count, &random);
    }
    for (int64_t i = 0; i < n; i++) {
        *(w->sign[i] < 0.0 ? first++ : second++) = rows[i];
    }
done:
    lki_release(ctx, w->points);
    lki_release(ctx, w->sign);
    lki_release(ctx, w);
    return status;
}

/* ---- split and swap ---- */

/* In place: `rows` (n = size 2^rounds) becomes 2^rounds coresets, one after the other. Halving is applied to each half again, which is the same as
 * all rounds at once, since each round sees the points of a half in their order. */
static lk_status split(lk_context *ctx, const lki_thinning *t, int64_t *rows, int64_t n, int rounds, uint64_t stream)
{
    int64_t *halves = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)n, sizeof *halves, &halves));
    for (int round = 0; round < rounds; round++) {
        const int64_t parts = (int64_t)1 << round, part = n / parts;
        const double delta = t->delta / (double)n * (double)parts / rounds;
        for (int64_t p = 0; p < parts; p++) {
            LKI_GOTO(status, done, lki_kernel_halve(ctx, t, rows + p * part, part, delta, stream + (uint64_t)(parts + p), halves,
                                                    halves + part / 2));
            memcpy(rows + p * part, halves, (size_t)part * sizeof *rows);
        }
    }
done:
    lki_release(ctx, halves);
    return status;
}

/* A coreset of a set of points, by positions within the set, and what exchanging its members needs. The set is cut into pieces of PIECE points,
 * which threads share. */
typedef struct exchange {
    const lki_thinning *t;
    const double *mean;   /* of k between each member of the set and what the coreset shall stand for */
    double *points;       /* n x d, of the set */
    lki_pair **pieces;    /* the same, ready to be paired */
    int64_t piece_count;
    double *sums;         /* n: sum of k between each member of the set and the coreset */
    double *columns;      /* AHEAD x n: k between some members of the coreset and the set */
    double *column;       /* n */
    bool *taken;          /* n */
    int64_t n, size;
    int64_t *coreset;     /* size positions */
    /* One step over all pieces: first sums += sign * what; what is `from`, or else is read from `members` into `to`. Then, on
     * request, each piece's best free member. */
    const int64_t *members;
    int64_t count;
    const double *from;
    double *to, sign;
    bool seek;
    int64_t *best; /* piece_count */
} exchange;

/* What depends on the coreset in its squared discrepancy: the mean of k over its pairs less twice its mean of `mean`. */
static lk_status discrepancy(lk_context *ctx, exchange *e, const int64_t *coreset, double *out)
{
    const int64_t d = e->t->d;
    double total = 0.0;
    lk_status status = LK_OK;
    double *own = NULL;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)e->size, (size_t)d), sizeof *own, &own));
    for (int64_t i = 0; i < e->size; i++) {
        memcpy(own + i * d, e->points + coreset[i] * d, (size_t)d * sizeof *own);
    }
    status = answer(ctx, &e->t->target, LKI_PAIR_SUM, own, e->size, own, e->size, d, NULL, e->column);
    for (int64_t i = 0; status == LK_OK && i < e->size; i++) {
        total += e->column[i] / (double)e->size - 2.0 * e->mean[coreset[i]];
    }
    *out = total / (double)e->size;
    lki_release(ctx, own);
    return status;
}

/* The free member of a piece that lowers the squared discrepancy most: 2 (sum of k over the coreset) / size^2 - 2 mean / size decides, k(x, x)
 * being the same for all. */
static double excess(const exchange *e, int64_t i)
{
    return e->sums[i] / (double)e->size - e->mean[i];
}

static int64_t best_of_piece(const exchange *e, int64_t first, int64_t count)
{
    int64_t best = -1;
    double least = (double)INFINITY;
    for (int64_t i = first; i < first + count; i++) {
        const double value = excess(e, i);
        if (value < least && !e->taken[i]) {
            least = value;
            best = i;
        }
    }
    return best;
}

/* k between the members and a piece, into their columns. */
static lk_status read_piece(lk_context *ctx, const exchange *e, int64_t piece, int64_t first, int64_t count)
{
    double points[AHEAD * D_LOCAL], *x = points, *values = NULL;
    const int64_t d = e->t->d;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)(e->count * count), sizeof *values, &values));
    if (d > D_LOCAL) {
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(e->count * d), sizeof *x, &x));
    }
    for (int64_t i = 0; i < e->count; i++) {
        memcpy(x + i * d, e->points + e->members[i] * d, (size_t)d * sizeof *x);
    }
    const lki_pair_request request = {.reduction = LKI_PAIR_VALUES, .x = x, .rows = e->count, .out = values};
    LKI_GOTO(status, done, lki_pair_run(ctx, e->pieces[piece], &request));
    for (int64_t i = 0; i < e->count; i++) {
        memcpy(e->to + i * e->n + first, values + i * count, (size_t)count * sizeof *values);
    }
done:
    if (x != points) {
        lki_release(ctx, x);
    }
    lki_release(ctx, values);
    return status;
}

static lk_status step_piece(lk_context *ctx, void *state, int thread, int64_t piece)
{
    exchange *e = state;
    const int64_t first = piece * PIECE, count = e->n - first < PIECE ? e->n - first : PIECE;
    const double *column = e->from;
    (void)thread;
    if (column == NULL) {
        LKI_TRY(read_piece(ctx, e, piece, first, count));
        column = e->to;
    }
    for (int64_t i = first; i < first + count && e->sign != 0.0; i++) {
        e->sums[i] += e->sign * column[i];
    }
    if (e->seek) {
        e->best[piece] = best_of_piece(e, first, count);
    }
    return LK_OK;
}

/* Reads the columns of some members (AHEAD at most), and adds the first of them times `sign`. */
static lk_status read_columns(lk_context *ctx, exchange *e, const int64_t *members, int64_t count, double *columns, double sign)
{
    e->members = members;
    e->count = count;
    e->from = NULL;
    e->to = columns;
    e->sign = sign;
    e->seek = false;
    return lki_parallel(ctx, e->piece_count, step_piece, e);
}

static lk_status add_column(lk_context *ctx, exchange *e, double sign, const double *column, bool seek)
{
    e->from = column;
    e->sign = sign;
    e->seek = seek;
    return lki_parallel(ctx, e->piece_count, step_piece, e);
}

static int64_t best_member(const exchange *e)
{
    int64_t best = -1;
    for (int64_t p = 0; p < e->piece_count; p++) {
        if (e->best[p] >= 0 && (best < 0 || excess(e, e->best[p]) < excess(e, best))) {
            best = e->best[p];
        }
    }
    return best;
}

/* One member after the other; the columns of AHEAD of them are read together, which costs the engine hardly more than one. */
static lk_status exchange_pass(lk_context *ctx, exchange *e, int64_t *moved)
{
    *moved = 0;
    for (int64_t i = 0; i < e->size; i++) {
        const int64_t old = e->coreset[i], left = e->size - i;
        LKI_TRY(lki_cancelled(ctx));
        if (i % AHEAD == 0) {
            LKI_TRY(read_columns(ctx, e, e->coreset + i, left < AHEAD ? left : AHEAD, e->columns, 0.0));
        }
        const double *column = e->columns + i % AHEAD * e->n;
        e->taken[old] = false;
        LKI_TRY(add_column(ctx, e, -1.0, column, true));
        e->coreset[i] = best_member(e);
        e->taken[e->coreset[i]] = true;
        if (e->coreset[i] != old) {
            LKI_TRY(read_columns(ctx, e, e->coreset + i, 1, e->column, 1.0));
            ++*moved;
        } else {
            LKI_TRY(add_column(ctx, e, 1.0, column, false));
        }
    }
    return LK_OK;
}

static lk_status exchange_members(lk_context *ctx, exchange *e)
{
    int64_t moved = 1;
    for (int64_t i = 0; i < e->size; i += AHEAD) {
        const int64_t count = e->size - i < AHEAD ? e->size - i : AHEAD;
        LKI_TRY(read_columns(ctx, e, e->coreset + i, count, e->columns, 0.0));
        for (int64_t j = 0; j < count; j++) {
            e->taken[e->coreset[i + j]] = true;
            LKI_TRY(add_column(ctx, e, 1.0, e->columns + j * e->n, false));
        }
    }
    for (int pass = 0; pass < PASSES && moved > 0; pass++) {
        lki_progress(ctx, "exchange", (double)pass, (double)PASSES, "");
        LKI_TRY(exchange_pass(ctx, e, &moved));
    }
    return LK_OK;
}

lk_status lki_kernel_thin(lk_context *ctx, const lki_thinning *t, const int64_t *set, int64_t n, const double *mean, int rounds,
                          int64_t size, uint64_t stream, int64_t *out)
{
    const int64_t parts = (int64_t)1 << rounds, used = size * parts;
    exchange e = {.t = t, .mean = mean, .n = n, .size = size, .coreset = out};
    const lki_memory memory = lki_memory_of(ctx);
    int64_t *members = NULL, *candidate = NULL;
    lk_status status = LK_OK;
    double best = (double)INFINITY, value;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)used, sizeof *members, &members));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)size, sizeof *candidate, &candidate));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)n, (size_t)t->d), sizeof *e.points, &e.points));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)n, sizeof *e.sums, &e.sums));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)n, sizeof *e.column, &e.column));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(AHEAD, (size_t)n), sizeof *e.columns, &e.columns));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)n, sizeof *e.taken, &e.taken));
    gather(t, set, n, e.points);
    e.piece_count = (n + PIECE - 1) / PIECE;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)e.piece_count, sizeof(lki_pair *), &e.pieces));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)e.piece_count, sizeof *e.best, &e.best));
    for (int64_t p = 0; p < e.piece_count; p++) {
        const int64_t count = n - p * PIECE < PIECE ? n - p * PIECE : PIECE;
        LKI_GOTO(status, done, lki_pair_new(ctx, t->target.terms, t->target.count, e.points + p * PIECE * t->d, count, t->d, &e.pieces[p]));
    }
    for (int64_t i = 0; i < used; i++) {
        members[i] = i;
    }
    const lki_thinning within = {.x = e.points, .rows = n, .d = t->d, .split = t->split, .target = t->target, .delta = t->delta, .seed = t->seed};
    LKI_GOTO(status, done, split(ctx, &within, members, used, rounds, stream));
    for (int64_t p = 0; p <= parts; p++) {
        for (int64_t i = 0; i < size; i++) { /* the last is every 2^rounds-th member: standard thinning */
            candidate[i] = p < parts ? members[p * size + i] : (i + 1) * (n / size) - 1;
        }
        LKI_GOTO(status, done, discrepancy(ctx, &e, candidate, &value));
        if (value < best) {
            best = value;
            memcpy(out, candidate, (size_t)size * sizeof *out);
        }
    }
    LKI_GOTO(status, done, exchange_members(ctx, &e));
    for (int64_t i = 0; i < size; i++) {
        out[i] = set[out[i]];
    }
done:
    lki_release(ctx, members);
    lki_release(ctx, candidate);
    for (int64_t p = 0; e.pieces != NULL && p < e.piece_count; p++) {
        lki_pair_free(&memory, e.pieces[p]);
    }
    lki_release(ctx, e.pieces);
    lki_release(ctx, e.best);
    lki_release(ctx, e.points);
    lki_release(ctx, e.sums);
    lki_release(ctx, e.column);
    lki_release(ctx, e.columns);
    lki_release(ctx, e.taken);
    return status;
}

/* Split-and-merge moves: which components to merge and to split, where the parts begin, and whether EM then ends higher. */
#include "moves.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Combinations tried on the sample in one round, and how many of these are run to their end. */
enum { CANDIDATES = 12, FINISHED = 3, SHORT_ITERATIONS = 60, POWER_STEPS = 60 };
#define SHORT_TOL 1e-5
/* Responsibilities below this have no part in the ranking. */
#define NEGLIGIBLE 1e-4

typedef struct move {
    int64_t i, j, k; /* i and j become i; k becomes k and j */
    int64_t rank;    /* of the pair plus of the one that is split */
} move;

typedef struct scored {
    int64_t a, b;
    double score;
} scored;

/* What a round knows of the present mixture. */
typedef struct moving {
    lk_context *ctx;
    const lki_sample *sample;
    const lki_mixture *m;
    lki_mixture_plan plan;
    double *scratch, *r, *log_density;
    lki_block block;
    double *shared;  /* K x K, i <= j: sum of w r_i r_j */
    double *density; /* K x 2: sums of w r_k and of w r_k log p */
    move moves[CANDIDATES];
    int count;
    int64_t splits[CANDIDATES]; /* the components to split, each once */
    int split_count;
    double *axes;    /* CANDIDATES x (1 + 2 d + d d): weight, mean, axis (times its standard deviation), scatter */
} moving;

static void moving_free(moving *w)
{
    lki_block_free(w->ctx, &w->block);
    lki_release(w->ctx, w->plan.packed);
    lki_release(w->ctx, w->scratch);
    lki_release(w->ctx, w->r);
    lki_release(w->ctx, w->log_density);
    lki_release(w->ctx, w->shared);
    lki_release(w->ctx, w->density);
    lki_release(w->ctx, w->axes);
}

static lk_status moving_new(lk_context *ctx, const lki_sample *sample, const lki_mixture *m, moving *w)
{
    const lki_mixture_kernel *kernel = lki_mixture_kernel_best();
    const size_t K = (size_t)m->K, d = (size_t)m->d, groups = (size_t)lki_mixture_groups(m);
    lk_status status = LK_OK;
    *w = (moving){.ctx = ctx, .sample = sample, .m = m, .plan = lki_mixture_factored_plan(m)};
    LKI_GOTO(status, fail, lki_allocate(ctx, kernel->packed_length(&w->plan), sizeof(double), &w->plan.packed));
    LKI_GOTO(status, fail, lki_allocate(ctx, kernel->scratch_length(&w->plan, 0), sizeof(double), &w->scratch));
    LKI_GOTO(status, fail, lki_allocate(ctx, LKI_BLOCK_ROWS, groups * sizeof(double), &w->r));
    LKI_GOTO(status, fail, lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof(double), &w->log_density));
    LKI_GOTO(status, fail, lki_zeros(ctx, K, lki_product(K, sizeof(double)), &w->shared));
    LKI_GOTO(status, fail, lki_zeros(ctx, K, 2 * sizeof(double), &w->density));
    LKI_GOTO(status, fail, lki_zeros(ctx, CANDIDATES, lki_product(1 + 2 * d + d * d, sizeof(double)), &w->axes));
    kernel->pack(&w->plan);
    return LK_OK;
fail:
    moving_free(w);
    return status;
}

/* ---- the ranking ---- */

/* Calls `row` for each row of the sample (missing values at the mean) with its weight, responsibilities and log density. */
static lk_status visit(moving *w, void (*row)(moving *w, const double *x, double weight, const double *r, double log_density))
{
    const lki_dataset *rows = &w->sample->plain.rows;
    const int64_t d = w->m->d, groups = lki_mixture_groups(w->m);
    for (int64_t b = 0; b < rows->blocks; b++) {
        LKI_TRY(lki_cancelled(w->ctx));
        LKI_TRY(lki_dataset_block(w->ctx, rows, b, &w->block));
        lki_mixture_kernel_best()->block(&w->plan, w->block.x, NULL, w->block.rows, w->scratch, NULL, w->log_density, w->r);
        for (int64_t i = 0; i < w->block.rows; i++) {
            row(w, w->block.x + i * d, w->block.w == NULL ? 1.0 : w->block.w[i], w->r + i * groups, w->log_density[i]);
        }
    }
    return LK_OK;
}

static void rank_row(moving *w, const double *x, double weight, const double *r, double log_density)
{
    const int64_t K = w->m->K;
    (void)x;
    for (int64_t i = 0; i < K; i++) {
        if (r[i] < NEGLIGIBLE) {
            continue;
        }
        w->density[2 * i] += weight * r[i];
        w->density[2 * i + 1] += weight * r[i] * log_density;
        for (int64_t j = i; j < K; j++) {
            w->shared[i * K + j] += r[j] < NEGLIGIBLE ? 0.0 : weight * r[i] * r[j];
        }
    }
}

/* By descending score, then by number. */
static int compare_scored(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return x->a != y->a ? (x->a > y->a) - (x->a < y->a) : (x->b > y->b) - (x->b < y->b);
}

/* Keeps the moves of least rank; of equal ones the earlier. */
static void keep_move(moving *w, move fresh)
{
    int at = w->count;
    while (at > 0 && fresh.rank < w->moves[at - 1].rank) {
        at--;
    }
    if (at == CANDIDATES) {
        return;
    }
    w->count += w->count < CANDIDATES;
    memmove(w->moves + at + 1, w->moves + at, (size_t)(w->count - 1 - at) * sizeof *w->moves);
    w->moves[at] = fresh;
}

/* A component that is degenerate has to go: then only pairs with it are ranked. */
static lk_status choose_moves(moving *w, int64_t defect)
{
    const int64_t K = w->m->K;
    scored *pairs, *ones;
    int64_t count = 0;
    LKI_TRY(lki_allocate(w->ctx, lki_product((size_t)K, (size_t)(K - 1)) / 2 + (size_t)K, sizeof *pairs, &pairs));
    ones = pairs + K * (K - 1) / 2;
    for (int64_t i = 0; i < K; i++) {
        const double n = w->density[2 * i];
        ones[i] = (scored){i, 0, n > 0.0 ? -w->density[2 * i + 1] / n : -__builtin_inf()};
        for (int64_t j = i + 1; j < K; j++) {
            if (defect >= 0 && i != defect && j != defect) {
                continue;
            }
            const double norm = sqrt(w->shared[i * (K + 1)] * w->shared[j * (K + 1)]);
            pairs[count++] = (scored){i, j, norm > 0.0 ? w->shared[i * K + j] / norm : 0.0};
        }
    }
    qsort(pairs, (size_t)count, sizeof *pairs, compare_scored);
    qsort(ones, (size_t)K, sizeof *ones, compare_scored);
    for (int64_t p = 0; p < count && p < CANDIDATES; p++) {
        for (int64_t s = 0; s < K && p + s < CANDIDATES; s++) {
            if (ones[s].a != pairs[p].a && ones[s].a != pairs[p].b) {
                keep_move(w, (move){pairs[p].a, pairs[p].b, ones[s].a, p + s});
            }
        }
    }
    lki_release(w->ctx, pairs);
    for (int i = 0; i < w->count; i++) {
        int at = 0;
        while (at < w->split_count && w->splits[at] != w->moves[i].k) {
            at++;
        }
        if (at == w->split_count) {
            w->splits[w->split_count++] = w->moves[i].k;
        }
    }
    return LK_OK;
}

/* ---- where a component is split ---- */

static double *axis_of(const moving *w, int at)
{
    return w->axes + at * (1 + w->m->d * (2 + w->m->d));
}

/* Sums of w r, w r (x - mean_k) and w r (x - mean_k)(x - mean_k)', the latter in full. */
static void scatter_row(moving *w, const double *x, double weight, const double *r, double log_density)
{
    const int64_t d = w->m->d;
    (void)log_density;
    for (int at = 0; at < w->split_count; at++) {
        const int64_t k = w->splits[at];
        const double *mean = w->m->means + k * d, share = weight * r[k];
        double *sums = axis_of(w, at), *scatter = sums + 1 + 2 * d;
        if (r[k] < NEGLIGIBLE) {
            continue;
        }
        sums[0] += share;
        for (int64_t a = 0; a < d; a++) {
            const double c = share * (x[a] - mean[a]);
            sums[1 + a] += c;
            for (int64_t b = 0; b < d; b++) {
                scatter[a * d + b] += c * (x[b] - mean[b]);
            }
        }
    }
}

/* The longest axis of the scatter by power iteration from the feature of greatest variance; its length is the standard deviation along. */
static void find_axis(int64_t d, double *sums)
{
    const double n = sums[0] > 0.0 ? sums[0] : 1.0;
    double *axis = sums + 1 + d, *C = axis + d, *next = sums + 1, length = 0.0;
    int64_t top = 0;
    for (int64_t a = 0; a < d; a++) {
        axis[a] = 0.0;
        top = C[a * (d + 1)] > C[top * (d + 1)] ? a : top;
    }
    axis[top] = 1.0;
    for (int step = 0; step < POWER_STEPS; step++) {
        double square = 0.0;
        for (int64_t a = 0; a < d; a++) {
            next[a] = 0.0;
            for (int64_t b = 0; b < d; b++) {
                next[a] += C[a * d + b] * axis[b];
            }
            square += next[a] * next[a];
        }
        length = sqrt(square);
        for (int64_t a = 0; length > 0.0 && a < d; a++) {
            axis[a] = next[a] / length;
        }
    }
    for (int64_t a = 0; a < d; a++) {
        axis[a] *= sqrt(length / n);
    }
}

/* ---- the move ---- */

static void copy_covariance(lki_mixture *m, int64_t from, int64_t to)
{
    if (m->covariance->form != LKI_FORM_TIED) { /* what the family's members share, a copy shares too */
        const int64_t size = m->covariance->length(m->K, m->d) / m->K;
        memcpy(m->covariances + to * size, m->covariances + from * size, (size_t)size * sizeof(double));
    }
}

static void apply(const moving *w, const move *v, lki_mixture *m)
{
    const int64_t d = m->d, heavier = m->weights[v->i] >= m->weights[v->j] ? v->i : v->j;
    const double total = m->weights[v->i] + m->weights[v->j];
    const double share = total > 0.0 ? m->weights[v->i] / total : 0.5;
    int at = 0;
    while (w->splits[at] != v->k) {
        at++;
    }
    const double *axis = axis_of(w, at) + 1 + d;
    for (int64_t a = 0; a < d; a++) {
        m->means[v->i * d + a] = share * m->means[v->i * d + a] + (1.0 - share) * m->means[v->j * d + a];
        m->means[v->j * d + a] = m->means[v->k * d + a] - axis[a];
        m->means[v->k * d + a] += axis[a];
    }
    if (heavier != v->i) {
        copy_covariance(m, heavier, v->i);
    }
    copy_covariance(m, v->k, v->j);
    m->weights[v->i] = total;
    m->weights[v->j] = m->weights[v->k] = 0.5 * m->weights[v->k];
}

/* ---- rounds ---- */

typedef struct trial {
    lki_mixture *mixture;
    lki_em_result result;
} trial;

/* EM after a move: some iterations on the sample, or with tol = 0 all of them on all rows. */
static lk_status try_move(const moving *w, const lki_em_data *data, const lki_search *s, const move *v, trial *out)
{
    lki_em_options em = s->em;
    LKI_TRY(lki_mixture_new(w->ctx, w->m->K, w->m->d, w->m->covariance, &out->mixture));
    lki_mixture_copy(out->mixture, w->m);
    apply(w, v, out->mixture);
    if (em.tol > 0.0) {
        em.tol = fmax(em.tol, SHORT_TOL);
        em.max_iter = em.max_iter < SHORT_ITERATIONS ? em.max_iter : SHORT_ITERATIONS;
        data = &w->sample->exact.data;
    }
    return lki_em_run(w->ctx, data, &em, out->mixture, &out->result);
}

/* Whether a is better than b by more than the tolerance of both; a degenerate one never is. */
static int higher(const lki_em_result *a, const lki_em_result *b, double tol)
{
    return a->defect < 0 && (b->defect >= 0 || a->objective - 2.0 * tol * (1.0 + fabs(a->objective)) > b->objective);
}

static int better_trial(const trial *a, const trial *b)
{
    return (a->result.defect < 0) != (b->result.defect < 0) ? a->result.defect < 0 : a->result.objective > b->result.objective;
}

/* Runs the best trials to their end, one after the other, until one is accepted. */
static lk_status settle(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s, trial *list, int count,
                        lki_mixture **best, lki_em_result *result, lki_tally *tally, int *accepted)
{
    for (int i = 0; i < count && i < FINISHED && !*accepted; i++) {
        int top = i;
        for (int t = i + 1; t < count; t++) {
            top = better_trial(&list[t], &list[top]) ? t : top;
        }
        const trial swap = list[i];
        list[i] = list[top];
        list[top] = swap;
        int64_t iterations = result->iterations;
        if (s->em.tol > 0.0) {
            iterations += sample->whole ? list[i].result.iterations : 0;
            LKI_TRY(lki_em_run(ctx, data, &s->em, list[i].mixture, &list[i].result));
        }
        tally->moves_tried++;
        if (higher(&list[i].result, result, s->em.tol)) {
            list[i].result.iterations += iterations;
            lki_mixture_free(*best);
            *best = list[i].mixture;
            *result = list[i].result;
            list[i].mixture = NULL;
            tally->moves_accepted++;
            *accepted = 1;
        }
    }
    return LK_OK;
}

static lk_status round_of_moves(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s,
                                lki_mixture **best, lki_em_result *result, lki_tally *tally, int *accepted)
{
    moving w;
    trial list[CANDIDATES] = {{NULL, {0}}};
    lk_status status = LK_OK;
    LKI_TRY(moving_new(ctx, sample, *best, &w));
    LKI_GOTO(status, done, visit(&w, rank_row));
    LKI_GOTO(status, done, choose_moves(&w, result->defect));
    LKI_GOTO(status, done, visit(&w, scatter_row));
    for (int at = 0; at < w.split_count; at++) {
        find_axis(w.m->d, axis_of(&w, at));
    }
    for (int i = 0; i < w.count; i++) {
        LKI_GOTO(status, done, try_move(&w, data, s, &w.moves[i], &list[i]));
    }
    status = settle(ctx, data, sample, s, list, w.count, best, result, tally, accepted);
done:
    for (int i = 0; i < CANDIDATES; i++) {
        lki_mixture_free(list[i].mixture);
    }
    moving_free(&w);
    return status;
}

lk_status lki_moves_run(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s, lki_mixture **best,
                        lki_em_result *result, lki_tally *tally)
{
    int accepted = 1;
    for (int64_t i = 0; i < s->moves && accepted && s->K >= 3; i++) {
        accepted = 0;
        LKI_TRY(round_of_moves(ctx, data, sample, s, best, result, tally, &accepted));
    }
    return LK_OK;
}

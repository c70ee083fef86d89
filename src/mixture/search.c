/* The search over starts: many short runs on a sample of the rows, the best of them finished on all rows. */
#include "search.h"
#include "centres.h"
#include "hierarchical.h"
#include "moves.h"
#include <math.h>
#include <string.h>

/* Short runs are stopped early, since they only rank the starts (Biernacki, Celeux and Govaert 2003, "em-EM"). */
enum { SHORT_ITERATIONS = 60, LLOYD_PASSES = 50 };
/* Every fifth start is from random rows: on overlapping groups a partition can be the wrong beginning. */
enum { RANDOM_EVERY = 5 };
/* Share of noise that a start of all rows begins with. */
#define NOISE_SHARE 0.05
#define SHORT_TOL 1e-5

typedef struct workspace {
    double *centres; /* K x d */
    int32_t *labels; /* one a row of the sample */
    int32_t *links;  /* the same, for cutting trees */
    double *ends;    /* objectives of the runs that were finished; -inf for a degenerate one */
    int64_t starts, finished;
} workspace;

typedef struct candidate {
    lki_mixture *mixture;
    lki_em_result result;
} candidate;

/* Non-degenerate before degenerate, then by objective. */
static int better(const lki_em_result *a, const lki_em_result *b)
{
    if ((a->defect < 0) != (b->defect < 0)) {
        return a->defect < 0;
    }
    return a->objective > b->objective;
}

/* Trees that can be cut into K groups of two rows or more on average. */
static int trees_in(const lki_search *s, const struct lki_hierarchy *h)
{
    return h != NULL && s->K > 1 && 2 * s->K <= h->rows ? h->trees : 0;
}

/* Those of the rows that do not look like noise come first. */
static int trees_of(const lki_search *s)
{
    return trees_in(s, s->clean_hierarchy) + trees_in(s, s->hierarchy);
}

static int64_t restarts_of(const lki_search *s, const lki_em_data *data)
{
    if (s->K == 1 || s->labels != NULL) {
        return 1;
    }
    if (s->trees_only && trees_of(s) > 0) {
        return s->em.tol == 0.0 ? 1 : s->restarts > 0 && s->restarts < trees_of(s) ? s->restarts : trees_of(s);
    }
    if (s->restarts > 0) {
        return s->restarts;
    }
    return s->em.tol == 0.0 ? 1 : data->positive <= 2000.0 ? 20 : 10;
}

/* Random rows as means, the total covariance for all. */
static lk_status random_start(const lki_sample *sample, const lki_search *s, lki_stream *stream, lki_mixture *m)
{
    const int64_t d = m->d, K = m->K, dd = d * d;
    const double *values = sample->plain.values, total = sample->plain.data.total, *T = sample->plain.data.scatter;
    double trace = 0.0;
    for (int64_t j = 0; j < d; j++) {
        trace += T[j * d + j] / total;
    }
    for (int64_t k = 0; k < K; k++) {
        const int64_t row = lki_random_below(stream, sample->plain.rows.rows);
        memcpy(m->means + k * d, values + row * (d + 1), (size_t)d * sizeof(double));
        m->weights[k] = 1.0 / (double)K;
    }
    for (int64_t i = 0; i < s->covariance->length(K, d); i++) {
        switch (s->covariance->form) {
        case LKI_FORM_FULL:
        case LKI_FORM_TIED:
            m->covariances[i] = T[i % dd] / total;
            break;
        case LKI_FORM_DIAG:
            m->covariances[i] = T[i % d * (d + 1)] / total;
            break;
        default:
            m->covariances[i] = trace / (double)d;
            break;
        }
    }
    return LK_OK;
}

/* k-means++ and Lloyd, every second time in whitened coordinates, then the M-step from that partition. */
static lk_status kmeans_start(lk_context *ctx, const lki_sample *sample, const lki_search *s, int64_t number, lki_stream *stream,
                              workspace *work, lki_mixture *m, int64_t *distinct)
{
    const int64_t d = m->d, K = m->K, rows = sample->plain.rows.rows;
    const int white = sample->white.table != NULL && d > 1 && number % 2 == 1;
    const lki_view *view = white ? &sample->white : &sample->plain;
    double inertia;
    LKI_TRY(lki_kmeans_seed(ctx, view->values, rows, d, K, stream, work->centres, distinct));
    if (*distinct < K) {
        return LK_OK;
    }
    LKI_TRY(lki_centres_refine(ctx, view->values, rows, d, K, LLOYD_PASSES, K > 9 ? 2 * K : 0, stream, work->centres, &inertia));
    LKI_TRY(lki_kmeans_assign(ctx, view->values, d + 1, rows, d, K, work->centres, work->labels));
    return lki_em_from_partition(ctx, &sample->plain.data, sample->plain.values, work->labels, rows, &s->em.prior, m);
}

/* The M-step from a tree's partition of the rows that it joins; *from receives the sample that these are of. */
static lk_status tree_start(lk_context *ctx, const lki_sample *sample, const lki_search *s, int tree, workspace *work, lki_mixture *m,
                            const lki_sample **from)
{
    const int clean = trees_in(s, s->clean_hierarchy);
    const struct lki_hierarchy *h = tree < clean ? s->clean_hierarchy : s->hierarchy;
    *from = tree < clean ? s->clean : sample;
    tree -= tree < clean ? 0 : clean;
    lki_em_data data = (*from)->plain.data;
    data.total = h->total;
    lki_hierarchy_cut(h, tree, s->K, work->links, work->labels);
    return lki_em_from_partition(ctx, &data, h->values, work->labels, h->rows, &s->em.prior, m);
}

/* Keeps the best `most` candidates, best first. */
static void keep(candidate *list, int64_t *count, int64_t most, candidate *fresh)
{
    int64_t at = *count;
    while (at > 0 && better(&fresh->result, &list[at - 1].result)) {
        at--;
    }
    if (at >= most) {
        lki_mixture_free(fresh->mixture);
        return;
    }
    if (*count == most) {
        lki_mixture_free(list[most - 1].mixture);
        (*count)--;
    }
    memmove(list + at + 1, list + at, (size_t)(*count - at) * sizeof *list);
    list[at] = *fresh;
    (*count)++;
}

/* Start `number` by k-means or from random rows of a sample. */
static lk_status start_from(lk_context *ctx, const lki_sample *from, const lki_search *s, int64_t number, workspace *work,
                            lki_mixture *m, int64_t *distinct)
{
    lki_stream stream = lki_stream_new(s->seed, LKI_STREAM_START, ((uint64_t)1 << 40) + (uint64_t)number);
    if (s->K > 1 && (s->random || number % RANDOM_EVERY == RANDOM_EVERY - 1)) {
        return random_start(from, s, &stream, m);
    }
    return kmeans_start(ctx, from, s, number, &stream, work, m, distinct);
}

/* With noise, starts take turns two by two: from the rows that do not look like it, and from all rows, where the guess may be wrong. */
static const lki_sample *sample_of(const lki_em_data *data, const lki_sample *sample, const lki_search *s, int64_t number)
{
    const int clean = data->box != NULL && s->clean != NULL && s->clean->plain.rows.rows > s->K * (data->d + 1) && number / 2 % 2 == 0;
    return clean ? s->clean : sample;
}

/* Rows without a group begin as noise. */
static double unlabelled_share(const lki_search *s, const lki_sample *sample)
{
    const int64_t d = sample->plain.rows.d;
    double without = 0.0;
    for (int64_t i = 0; i < sample->plain.rows.rows; i++) {
        without += s->labels[i] < 0 ? sample->plain.values[i * (d + 1) + d] : 0.0;
    }
    return without / sample->plain.data.total;
}

static void add_noise(const lki_em_data *data, double share, lki_mixture *m)
{
    share = share > 0.0 ? share : NOISE_SHARE;
    for (int64_t k = 0; k < m->K; k++) {
        m->weights[k] *= 1.0 - share;
    }
    lki_mixture_set_noise(m, share, data->box + 2 * data->d, data->box + 3 * data->d);
}

static void note_end(workspace *work, const lki_em_result *result)
{
    work->ends[work->finished++] = result->defect < 0 ? result->objective : -__builtin_inf();
}

/* Start `number`, or with tree >= 0 the one from that tree. */
static lk_status start_one(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s, int64_t number,
                           int tree, workspace *work, candidate *out, int64_t *distinct)
{
    lki_em_options em = s->em;
    LKI_TRY(lki_mixture_new(ctx, s->K, data->d, s->covariance, &out->mixture));
    const lki_sample *from = s->labels != NULL ? sample : sample_of(data, sample, s, number);
    lk_status status = s->labels != NULL ? lki_em_from_partition(ctx, &sample->plain.data, sample->plain.values, s->labels,
                                                                 sample->plain.rows.rows, &s->em.prior, out->mixture)
                       : tree >= 0 ? tree_start(ctx, sample, s, tree, work, out->mixture, &from)
                                 : start_from(ctx, from, s, number, work, out->mixture, distinct);
    if (status == LK_OK && *distinct < s->K && from != sample) { /* the rows left out may be needed */
        *distinct = s->K;
        from = sample;
        status = start_from(ctx, from, s, number, work, out->mixture, distinct);
    }
    if (status == LK_OK && data->box != NULL) {
        add_noise(data, s->labels != NULL ? unlabelled_share(s, sample) : from->noise, out->mixture);
    }
    if (status == LK_OK && *distinct >= s->K) {
        work->starts++;
        if (em.tol > 0.0) {
            em.tol = fmax(em.tol, SHORT_TOL);
            em.max_iter = em.max_iter < SHORT_ITERATIONS ? em.max_iter : SHORT_ITERATIONS;
            status = lki_em_run(ctx, &sample->exact.data, &em, out->mixture, &out->result);
        } else {
            status = lki_em_run(ctx, data, &em, out->mixture, &out->result);
            note_end(work, &out->result);
        }
    }
    if (status != LK_OK) {
        lki_mixture_free(out->mixture);
        out->mixture = NULL;
    }
    return status;
}

/* The rest of a run that was cut short, on all rows. */
static lk_status finish(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s, workspace *work,
                        candidate *c)
{
    const int64_t before = sample->whole ? c->result.iterations : 0; /* a short run on all rows counts */
    lki_em_options em = s->em;
    em.max_iter -= before;
    LKI_TRY(lki_em_run(ctx, data, &em, c->mixture, &c->result));
    c->result.iterations += before;
    note_end(work, &c->result);
    return LK_OK;
}

/* The best start from a tree, run to the end; replaces the one in `best` where that has less by more than the tolerance of both. */
static lk_status try_trees(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s, workspace *work,
                           candidate *best, int64_t *distinct)
{
    candidate top = {NULL, {0}};
    lk_status status = LK_OK;
    for (int tree = 0; tree < trees_of(s); tree++) {
        candidate fresh = {NULL, {0}};
        LKI_GOTO(status, done, start_one(ctx, data, sample, s, 0, tree, work, &fresh, distinct));
        if (top.mixture == NULL || better(&fresh.result, &top.result)) {
            lki_mixture_free(top.mixture);
            top = fresh;
        } else {
            lki_mixture_free(fresh.mixture);
        }
    }
    if (top.mixture != NULL) {
        LKI_GOTO(status, done, finish(ctx, data, sample, s, work, &top));
        lki_em_result less = top.result;
        less.objective -= 2.0 * s->em.tol * (1.0 + fabs(less.objective));
        if (better(&less, &best->result)) {
            lki_mixture_free(best->mixture);
            *best = top;
            top.mixture = NULL;
        }
    }
done:
    lki_mixture_free(top.mixture);
    return status;
}

static void count(const workspace *work, const lki_em_result *best, lki_tally *tally)
{
    tally->starts = work->starts;
    tally->finished = work->finished;
    for (int64_t i = 0; best->defect < 0 && i < work->finished; i++) {
        tally->reached += work->ends[i] >= best->objective - LKI_REACHED_TOL * (1.0 + fabs(best->objective));
    }
}

lk_status lki_search_run(lk_context *ctx, const lki_em_data *data, const lki_sample *sample, const lki_search *s,
                         lki_mixture **out, lki_em_result *result, lki_tally *tally, int64_t *distinct)
{
    const int64_t restarts = restarts_of(s, data);
    const int only_trees = s->trees_only && trees_of(s) > 0;
    const int64_t finishers = s->em.tol == 0.0 || !sample->whole ? 1 : only_trees ? restarts : (restarts + 3) / 4;
    candidate *list = NULL;
    workspace work = {.starts = 0};
    int64_t kept = 0;
    lk_status status = LK_OK;
    *distinct = s->K;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)finishers + 1, sizeof *list, &list));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)restarts + 1, sizeof(double), &work.ends));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->K, (size_t)data->d * sizeof(double), &work.centres));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)sample->plain.rows.rows, sizeof(int32_t), &work.labels));
    const int64_t linked = trees_in(s, s->hierarchy) > 0 ? s->hierarchy->rows : trees_in(s, s->clean_hierarchy) > 0 ? s->clean_hierarchy->rows : 0;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)linked, sizeof(int32_t), &work.links));
    if ((s->random || only_trees) && s->K > 1) { /* random rows and trees do not show how many rows differ */
        lki_stream stream = lki_stream_new(s->seed, LKI_STREAM_START, ((uint64_t)1 << 40) - 1);
        LKI_GOTO(status, done, lki_kmeans_seed(ctx, sample->plain.values, sample->plain.rows.rows, data->d, s->K, &stream,
                                                work.centres, distinct));
    }
    for (int64_t i = 0; i < restarts; i++) {
        candidate fresh = {NULL, {0}};
        if (*distinct >= s->K) {
            LKI_GOTO(status, done, start_one(ctx, data, sample, s, i, only_trees ? (int)i : -1, &work, &fresh, distinct));
        }
        if (*distinct < s->K) {
            lki_mixture_free(fresh.mixture);
            status = lki_fail(ctx, LK_ERROR_DATA, "components = %lld, but the rows have only %lld distinct values; ask for at most that many",
                              (long long)s->K, (long long)*distinct);
            goto done;
        }
        keep(list, &kept, finishers, &fresh);
    }
    for (int64_t i = 0; s->em.tol > 0.0 && i < kept; i++) {
        LKI_GOTO(status, done, finish(ctx, data, sample, s, &work, &list[i]));
    }
    int64_t best = 0;
    for (int64_t i = 1; i < kept; i++) {
        best = better(&list[i].result, &list[best].result) ? i : best;
    }
    if (!only_trees && s->em.tol > 0.0) {
        LKI_GOTO(status, done, try_trees(ctx, data, sample, s, &work, &list[best], distinct));
    }
    *tally = (lki_tally){0};
    LKI_GOTO(status, done, lki_moves_run(ctx, data, sample, s, &list[best].mixture, &list[best].result, tally));
    *out = list[best].mixture;
    *result = list[best].result;
    count(&work, result, tally);
    list[best].mixture = NULL;
done:
    for (int64_t i = 0; i < kept; i++) {
        lki_mixture_free(list[i].mixture);
    }
    lki_release(ctx, list);
    lki_release(ctx, work.ends);
    lki_release(ctx, work.centres);
    lki_release(ctx, work.labels);
    lki_release(ctx, work.links);
    return status;
}

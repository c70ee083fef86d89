/* The classifier two-sample test: can nearest neighbours tell which sample a held-out row is of. */
#include "judge/testing.h"
#include "data/json_text.h"

#include <math.h>
#include <string.h>

/* log C(n, k). */
static double log_choose(int64_t n, int64_t k)
{
    return lgamma((double)n + 1.0) - lgamma((double)k + 1.0) - lgamma((double)(n - k) + 1.0);
}

/* P(X >= hits) of the hypergeometric law: of `rows` of which n are of A, `called` are called A by chance; X of them are. It is the law over all
 * permutations of the held-out labels, the calls as they are (Fisher's exact test). */
static double fisher(int64_t rows, int64_t n, int64_t called, int64_t hits)
{
    double p = 0.0;
    const int64_t most = n < called ? n : called;
    for (int64_t k = hits; k <= most; k++) {
        p += called - k <= rows - n ? exp(log_choose(n, k) + log_choose(rows - n, called - k) - log_choose(rows, called)) : 0.0;
    }
    return fmin(p, 1.0);
}

/* Half of each sample, chosen at random, learns: rows order[0..n/2) and order[N-m/2..N) of labels A and B; the others are told. */
typedef struct halves {
    int64_t n, m, learning, k;
    int64_t *order;   /* N: learning rows first, of A then B, then held-out ones of A then B */
    double *x;        /* N x d in this order */
    int64_t *nearest; /* held-out x k */
    double *distances;
} halves;

static lk_status split(lki_testing *t, halves *h)
{
    lk_context *ctx = t->ctx;
    const lki_samples *s = &t->samples;
    int64_t *shuffled = NULL;
    h->n = s->n / 2;
    h->m = s->m / 2;
    h->learning = h->n + h->m;
    h->k = (int64_t)sqrt((double)h->learning);
    h->k += h->k % 2 == 0;
    h->k = h->k < h->learning ? h->k : h->learning;
    LKI_TRY(lki_allocate(ctx, (size_t)s->N, sizeof *h->order, &h->order));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)s->N, (size_t)s->d), sizeof *h->x, &h->x));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)(s->N - h->learning), (size_t)h->k), sizeof *h->nearest, &h->nearest));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)(s->N - h->learning), (size_t)h->k), sizeof *h->distances, &h->distances));
    LKI_TRY(lki_allocate(ctx, (size_t)s->N, sizeof *shuffled, &shuffled));
    lki_stream stream = lki_stream_new((uint64_t)t->options.seed, LKI_STREAM_SPLIT, 0);
    lki_random_permutation(&stream, shuffled, s->n);
    lki_random_permutation(&stream, shuffled + s->n, s->m);
    for (int64_t i = 0; i < s->N; i++) {
        const bool first = i < s->n;
        const int64_t place = first ? i : i - s->n, learns = first ? h->n : h->m;
        const int64_t to = place < learns ? (first ? 0 : h->n) + place : h->learning + (first ? 0 : s->n - h->n) + place - learns;
        h->order[to] = shuffled[i] + (first ? 0 : s->n);
    }
    lki_release(ctx, shuffled);
    for (int64_t i = 0; i < s->N; i++) {
        memcpy(h->x + i * s->d, s->z + h->order[i] * s->d, (size_t)s->d * sizeof *h->x);
    }
    return LK_OK;
}

static lk_status neighbours(lki_testing *t, const halves *h)
{
    const lki_samples *s = &t->samples;
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian};
    const lki_pair_term term = {1.0, &factor, 1};
    const lki_memory memory = lki_memory_of(t->ctx);
    const lki_pair_request request = {.reduction = LKI_PAIR_NEAREST, .x = h->x + h->learning * s->d, .rows = s->N - h->learning,
                                      .nearest = h->k, .out = h->distances, .index = h->nearest};
    lki_pair *pair = NULL;
    LKI_TRY(lki_pair_new(t->ctx, &term, 1, h->x, h->learning, s->d, &pair));
    const lk_status status = lki_pair_run(t->ctx, pair, &request);
    lki_pair_free(&memory, pair);
    return status;
}

/* A held-out row is called A where the share of A among its neighbours is above that among all learning rows. */
static lk_status call_rows(lki_testing *t, const halves *h)
{
    const lki_samples *s = &t->samples;
    const int64_t held = s->N - h->learning, of_a = s->n - h->n;
    const double prior = (double)h->n / (double)h->learning;
    int64_t called = 0, hits = 0, right = 0;
    for (int64_t i = 0; i < s->N; i++) {
        t->witness[i] = (double)NAN;
    }
    for (int64_t i = 0; i < held; i++) {
        double share = 0.0;
        for (int64_t k = 0; k < h->k; k++) {
            share += h->nearest[i * h->k + k] < h->n ? 1.0 / (double)h->k : 0.0;
        }
        const bool a = share > prior, truth = i < of_a;
        t->witness[h->order[h->learning + i]] = share - prior;
        called += a;
        hits += a && truth;
        right += a == truth;
    }
    /* Balanced: the mean of the shares that are right within each sample, 1/2 by chance whatever the sizes. */
    const double in_a = (double)hits / (double)of_a, in_b = (double)(right - hits) / (double)(held - of_a), balanced = 0.5 * (in_a + in_b);
    LKI_TRY(lki_tell(t, "statistic", lki_json_number(balanced)));
    LKI_TRY(lki_tell(t, "effect", lki_json_number(2.0 * balanced - 1.0)));
    LKI_TRY(lki_tell(t, "p", lki_json_number(fisher(held, of_a, called, hits))));
    LKI_TRY(lki_tell(t, "law", json_string("exact")));
    LKI_TRY(lki_tell(t, "held_out", json_integer(held)));
    LKI_TRY(lki_tell(t, "right", json_integer(right)));
    return lki_tell(t, "neighbours", json_integer(h->k));
}

lk_status lki_test_c2st(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    halves h = {0};
    lk_status status = LK_OK;
    if (s->n < 4 || s->m < 4) {
        return lki_fail(t->ctx, LK_ERROR_DATA, "c2st halves both tables: it needs four complete rows of each, not %lld and %lld", (long long)s->n,
                        (long long)s->m);
    }
    LKI_GOTO(status, done, split(t, &h));
    LKI_GOTO(status, done, neighbours(t, &h));
    status = call_rows(t, &h);
done:
    lki_release(t->ctx, h.order);
    lki_release(t->ctx, h.x);
    lki_release(t->ctx, h.nearest);
    lki_release(t->ctx, h.distances);
    return status;
}

/* Sums of a kernel within and between samples, for many ways to label the rows, without the kernel's matrix: strips of it times the labels. */
#include "judge/testing.h"
#include "core/reduce.h"

#include <cblas.h>
#include <string.h>

/* Rows of a strip, and labellings that are asked at a time. */
enum { STRIP = 64, AT_ONCE = 256 };

typedef struct worker {
    lk_context *ctx;  /* of one thread */
    double *values;   /* STRIP x N */
    double *products; /* STRIP x labels */
} worker;

typedef struct forms {
    const lki_samples *samples;
    const lki_pair *pair;
    const double *labels; /* N x count */
    int64_t count;
    double *diagonal, *rows, *towards; /* N: k_ii; sums over all j; over the j of labelling 0. Each strip writes its own part */
    worker *workers;
} forms;

static lk_status worker_open(lk_context *ctx, const forms *f, worker *w)
{
    const size_t N = (size_t)f->samples->N;
    if (w->ctx == NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product(STRIP, N), sizeof *w->values, &w->values));
        LKI_TRY(lki_allocate(ctx, (size_t)STRIP * AT_ONCE, sizeof *w->products, &w->products));
        LKI_TRY(lki_context_worker(ctx, &w->ctx));
    }
    return LK_OK;
}

/* Part of a'K a: sums[b] = sum over the i of a strip of a_ib (K a_b)_i. */
static lk_status strip(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const forms *f = state;
    const lki_samples *s = f->samples;
    worker *w = &f->workers[thread];
    const int64_t first = index * STRIP, count = f->count;
    const int64_t rows = s->N - first < STRIP ? s->N - first : STRIP;
    LKI_TRY(worker_open(ctx, f, w));
    const lki_pair_request request = {.reduction = LKI_PAIR_VALUES, .x = s->z + first * s->d, .rows = rows, .out = w->values};
    LKI_TRY(lki_pass_on(ctx, w->ctx, lki_pair_run(w->ctx, f->pair, &request)));
    for (int64_t i = 0; i < rows; i++) {
        const double *row = w->values + i * s->N;
        double sum = 0.0;
        for (int64_t j = 0; j < s->N; j++) {
            sum += row[j];
        }
        f->rows[first + i] = sum;
        f->diagonal[first + i] = row[first + i];
    }
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)count, (int)s->N, 1.0, w->values, (int)s->N, f->labels, (int)count,
                0.0, w->products, (int)count);
    for (int64_t i = 0; i < rows; i++) {
        const double *label = f->labels + (first + i) * count, *product = w->products + i * count;
        for (int64_t b = 0; b < count; b++) {
            sums[b] += label[b] * product[b];
        }
        if (f->towards != NULL) {
            f->towards[first + i] = product[0];
        }
    }
    return LK_OK;
}

/* From q = a'K a, with r = K 1 and the diagonal D: sums within A, between, and within B, without i = j. */
static lki_label_sums sums_of(const forms *f, int64_t b, double q)
{
    const int64_t N = f->samples->N;
    double to_all = 0.0, own = 0.0, all = 0.0, trace = 0.0;
    for (int64_t i = 0; i < N; i++) {
        const double a = f->labels[i * f->count + b];
        to_all += a * f->rows[i];
        own += a * f->diagonal[i];
        all += f->rows[i];
        trace += f->diagonal[i];
    }
    const double cross = to_all - q;
    return (lki_label_sums){q - own, all - to_all - cross - (trace - own), cross};
}

/* Labellings first..first + f->count. */
static lk_status some(lki_testing *t, forms *f, int64_t first, double *labels, int64_t *scratch, double *q, lki_label_sums *out)
{
    const lki_samples *s = &t->samples;
    for (int64_t b = 0; b < f->count; b++) {
        lki_labelling((uint64_t)t->options.seed, first + b, s->N, s->n, scratch, labels + b, f->count);
    }
    const lki_reduction reduction = {.blocks = (s->N + STRIP - 1) / STRIP, .length = (size_t)f->count, .block = strip, .state = f,
                                     .stage = "kernel", .work = (double)STRIP * (double)s->N * (20.0 + 2.0 * (double)f->count)};
    LKI_TRY(lki_reduce(t->ctx, &reduction, q));
    for (int64_t b = 0; b < f->count; b++) {
        out[first + b] = sums_of(f, b, q[b]);
    }
    return LK_OK;
}

lk_status lki_label_sums_of(lki_testing *t, const lki_pair_term *terms, int64_t count, int64_t permutations, lki_label_sums *out,
                            double *towards_a, double *to_all)
{
    lk_context *ctx = t->ctx;
    const lki_samples *s = &t->samples;
    const size_t N = (size_t)s->N;
    const int threads = lki_threads(ctx);
    lki_pair *pair = NULL;
    double *labels = NULL, *buffer = NULL;
    int64_t *scratch = NULL;
    forms f = {.samples = s};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_pair_new(ctx, terms, count, s->z, s->N, s->d, &pair));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(N, (size_t)(permutations + 1 < AT_ONCE ? permutations + 1 : AT_ONCE)), sizeof *labels, &labels));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * N + AT_ONCE, sizeof *buffer, &buffer));
    LKI_GOTO(status, done, lki_allocate(ctx, N, sizeof *scratch, &scratch));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)threads, sizeof *f.workers, &f.workers));
    f.pair = pair;
    f.labels = labels;
    f.diagonal = buffer;
    f.rows = buffer + N;
    for (int64_t first = 0; first <= permutations; first += AT_ONCE) {
        f.count = permutations + 1 - first < AT_ONCE ? permutations + 1 - first : AT_ONCE;
        f.towards = first == 0 ? towards_a : NULL;
        LKI_GOTO(status, done, some(t, &f, first, labels, scratch, buffer + 2 * N, out));
    }
    for (int64_t i = 0; i < s->N && towards_a != NULL; i++) {
        towards_a[i] -= i < s->n ? f.diagonal[i] : 0.0;
    }
    for (int64_t i = 0; i < s->N && to_all != NULL; i++) {
        to_all[i] = f.rows[i] - f.diagonal[i];
    }
done:
    for (int i = 0; f.workers != NULL && i < threads; i++) {
        lki_release(ctx, f.workers[i].values);
        lki_release(ctx, f.workers[i].products);
        lk_context_free(f.workers[i].ctx);
    }
    lki_release(ctx, f.workers);
    lki_release(ctx, labels);
    lki_release(ctx, buffer);
    lki_release(ctx, scratch);
    if (pair != NULL) {
        const lki_memory memory = lki_memory_of(ctx);
        lki_pair_free(&memory, pair);
    }
    return status;
}

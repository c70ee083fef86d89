/* The energy distance by sorting: along random directions, and of each feature by itself. */
#include "judge/testing.h"
#include "core/reduce.h"
#include "data/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Labellings that are counted at a time. */
enum { AT_ONCE = 64 };

typedef struct place {
    double value;
    int64_t row;
} place;

static int compare(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return x->value != y->value ? (x->value > y->value) - (x->value < y->value) : (x->row > y->row) - (x->row < y->row);
}

typedef struct lines {
    lki_testing *t;
    const unsigned char *labels; /* N x count: 1 = of the first sample */
    int64_t count;               /* permutations + 1 */
    bool features;               /* line j is feature j, else a random direction */
    double *observed, *between;  /* of each line, as the rows stand: the distance, and the mean of |x - y| between the samples */
    double *permuted;            /* lines x count, of features; NULL = not kept */
    place **places;              /* one a thread: N */
    double **witnesses;          /* one a thread: N, then the labels' counts */
} lines;

/* Values of all rows along a line. */
static void project(const lines *l, int64_t line, place *places)
{
    const lki_samples *s = &l->t->samples;
    double direction[1], *unit = direction;
    const int64_t d = s->d;
    if (l->features) {
        for (int64_t i = 0; i < s->N; i++) {
            places[i] = (place){s->z[i * d + line], i};
        }
        return;
    }
    /* The direction's normal coordinates are drawn twice, so that they need no memory: once for their length. */
    double length = 0.0;
    lki_stream stream = lki_stream_new((uint64_t)l->t->options.seed, LKI_STREAM_SLICES, (uint64_t)line);
    for (int64_t j = 0; j < d; j++) {
        *unit = lki_random_normal(&stream);
        length += *unit * *unit;
    }
    for (int64_t i = 0; i < s->N; i++) {
        places[i] = (place){0.0, i};
    }
    stream = lki_stream_new((uint64_t)l->t->options.seed, LKI_STREAM_SLICES, (uint64_t)line);
    for (int64_t j = 0; j < d; j++) {
        *unit = lki_random_normal(&stream) / sqrt(length);
        for (int64_t i = 0; i < s->N; i++) {
            places[i].value += *unit * s->z[i * d + j];
        }
    }
}

/* Distances of labellings first..first + some along one sorted line. With c_k of the first k + 1 rows in A: sum over i, j in A of |x_i - x_j| =
 * 2 sum_k gap_k c_k (n - c_k); of B and of all in the same way; the rest is between. */
static void distances(const lines *l, const place *places, int64_t first, int64_t some, double *out, double *between)
{
    const lki_samples *s = &l->t->samples;
    const double n = (double)s->n, m = (double)s->m;
    double counts[AT_ONCE] = {0}, a[AT_ONCE] = {0}, b[AT_ONCE] = {0}, all = 0.0;
    for (int64_t k = 0; k + 1 < s->N; k++) {
        const unsigned char *label = l->labels + places[k].row * l->count + first;
        const double gap = places[k + 1].value - places[k].value, before = (double)(k + 1);
        all += gap * before * (double)(s->N - k - 1);
        for (int64_t i = 0; i < some; i++) {
            counts[i] += (double)label[i];
            a[i] += gap * counts[i] * (n - counts[i]);
            b[i] += gap * (before - counts[i]) * (m - before + counts[i]);
        }
    }
    for (int64_t i = 0; i < some; i++) {
        const double cross = all - a[i] - b[i];
        out[i] = 2.0 * (cross / (n * m) - a[i] / (n * (n - 1.0)) - b[i] / (m * (m - 1.0)));
        if (between != NULL && i == 0) {
            *between = cross / (n * m);
        }
    }
}

/* Adds to the witness E|x_i - Y| - E|x_i - X| along the line, the row itself left out. */
static void add_witness(const lines *l, const place *places, double *witness)
{
    const lki_samples *s = &l->t->samples;
    double sum[2] = {0}, before[2] = {0}, seen[2] = {0};
    const double size[2] = {(double)s->m, (double)s->n};
    for (int64_t k = 0; k < s->N; k++) {
        sum[places[k].row < s->n] += places[k].value;
    }
    for (int64_t k = 0; k < s->N; k++) {
        const int own = places[k].row < s->n;
        const double v = places[k].value;
        double mean[2];
        for (int which = 0; which < 2; which++) { /* sum of |v - x| = v seen - before + (sum - before) - v (size - seen) */
            const double total = v * (2.0 * seen[which] - size[which]) + sum[which] - 2.0 * before[which];
            mean[which] = total / (size[which] - (which == own ? 1.0 : 0.0));
        }
        witness[places[k].row] += mean[0] - mean[1];
        seen[own] += 1.0;
        before[own] += v;
    }
}

/* sums: the distances of all labellings; then the witness of all rows, if there is one. */
static lk_status line_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    lines *l = state;
    const lki_samples *s = &l->t->samples;
    LKI_TRY(lki_cancelled(ctx));
    if (l->places[thread] == NULL) {
        LKI_TRY(lki_allocate(ctx, (size_t)s->N, sizeof(place), &l->places[thread]));
    }
    place *places = l->places[thread];
    project(l, index, places);
    qsort(places, (size_t)s->N, sizeof *places, compare);
    for (int64_t first = 0; first < l->count; first += AT_ONCE) {
        double values[AT_ONCE];
        const int64_t some = l->count - first < AT_ONCE ? l->count - first : AT_ONCE;
        distances(l, places, first, some, values, first == 0 ? &l->between[index] : NULL);
        for (int64_t i = 0; i < some; i++) {
            sums[first + i] += values[i];
            if (l->permuted != NULL) {
                l->permuted[index * l->count + first + i] = values[i];
            }
        }
        l->observed[index] = first == 0 ? values[0] : l->observed[index];
    }
    if (!l->features) {
        add_witness(l, places, sums + l->count);
    }
    return LK_OK;
}

static lk_status make_labels(lki_testing *t, int64_t count, unsigned char **out)
{
    const lki_samples *s = &t->samples;
    double *label = NULL;
    int64_t *scratch = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)s->N, (size_t)count), 1, out));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)s->N, sizeof *label, &label));
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)s->N, sizeof *scratch, &scratch));
    for (int64_t b = 0; b < count; b++) {
        lki_labelling((uint64_t)t->options.seed, b, s->N, s->n, scratch, label, 1);
        for (int64_t i = 0; i < s->N; i++) {
            (*out)[i * count + b] = label[i] > 0.0;
        }
    }
done:
    lki_release(t->ctx, label);
    lki_release(t->ctx, scratch);
    return status;
}

/* All lines, `sums` as line_block() gives them. */
static lk_status run_lines(lines *l, int64_t count, double *sums)
{
    lk_context *ctx = l->t->ctx;
    const lki_samples *s = &l->t->samples;
    const size_t threads = (size_t)lki_threads(ctx), length = (size_t)l->count + (l->features ? 0 : (size_t)s->N);
    unsigned char *labels = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, make_labels(l->t, l->count, &labels));
    l->labels = labels;
    LKI_GOTO(status, done, lki_zeros(ctx, threads, sizeof *l->places, &l->places));
    const lki_reduction reduction = {.blocks = count, .length = length, .block = line_block, .state = l, .stage = "lines",
                                     .work = (double)s->N * (40.0 + 8.0 * (double)l->count)};
    status = lki_reduce(ctx, &reduction, sums);
done:
    for (size_t i = 0; l->places != NULL && i < threads; i++) {
        lki_release(ctx, l->places[i]);
    }
    lki_release(ctx, l->places);
    lki_release(ctx, labels);
    return status;
}

/* |x| = c E|<theta, x>| over directions theta: c = sqrt(pi) Gamma((d + 1) / 2) / Gamma(d / 2) (Hertrich et al. 2024, theorem 1). */
static double slice_constant(int64_t d)
{
    return d == 1 ? 1.0 : sqrt(3.14159265358979323846) * exp(lgamma(0.5 * (double)(d + 1)) - lgamma(0.5 * (double)d));
}

lk_status lki_test_sliced_energy(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    const int64_t slices = s->d == 1 ? 1 : t->options.slices;
    lines l = {.t = t, .count = t->options.permutations + 1};
    double *sums = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)l.count + (size_t)s->N, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_zeros(t->ctx, 2 * (size_t)slices, sizeof *l.observed, &l.observed));
    l.between = l.observed + slices;
    LKI_GOTO(status, done, run_lines(&l, slices, sums));
    const double c = slice_constant(s->d), scale = c / (double)slices;
    double mean = 0.0, square = 0.0, between = 0.0;
    for (int64_t k = 0; k < slices; k++) {
        mean += l.observed[k] / (double)slices;
        between += l.between[k] / (double)slices;
    }
    for (int64_t k = 0; k < slices; k++) {
        square += (l.observed[k] - mean) * (l.observed[k] - mean);
    }
    for (int64_t i = 0; i < s->N; i++) {
        t->witness[i] = scale * sums[l.count + i];
    }
    const double error = slices > 1 ? c * sqrt(square / (double)(slices - 1) / (double)slices) : 0.0;
    LKI_GOTO(status, done, lki_tell(t, "statistic", lki_json_number(scale * sums[0])));
    LKI_GOTO(status, done, lki_tell(t, "slice_error", lki_json_number(error)));
    LKI_GOTO(status, done, lki_tell(t, "slices", json_integer(slices)));
    LKI_GOTO(status, done, lki_tell(t, "effect", lki_json_number(between > 0.0 ? mean / (2.0 * between) : 0.0)));
    LKI_GOTO(status, done, lki_tell(t, "p", lki_json_number(lki_permutation_p(sums, t->options.permutations, 1e-12 * between * (double)slices))));
    LKI_GOTO(status, done, lki_tell(t, "law", json_string("permutations")));
    status = lki_tell(t, "permutations", json_integer(t->options.permutations));
done:
    lki_release(t->ctx, sums);
    lki_release(t->ctx, l.observed);
    return status;
}

/* ---- feature by feature ---- */

static lk_status tell_feature(lki_testing *t, const lines *l, int64_t j, json_t *list)
{
    const lki_samples *s = &t->samples;
    double mean[2] = {0}, square[2] = {0};
    for (int64_t i = 0; i < s->N; i++) {
        const double v = s->z[i * s->d + j], size = (double)(i < s->n ? s->n : s->m);
        mean[i >= s->n] += v / size;
        square[i >= s->n] += v * v / size;
    }
    const double first = sqrt(fmax(square[0] - mean[0] * mean[0], 0.0)), second = sqrt(fmax(square[1] - mean[1] * mean[1], 0.0));
    const double pooled = sqrt(((double)s->n * first * first + (double)s->m * second * second) / (double)s->N);
    json_t *entry = json_object();
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "feature", json_string(s->names[j])));
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "difference", lki_json_number(pooled > 0.0 ? (mean[1] - mean[0]) / pooled : 0.0)));
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "sd_ratio", lki_json_number(first > 0.0 ? second / first : (double)NAN)));
    LKI_GOTO(status, done, lki_json_set(t->ctx, entry, "energy", lki_json_number(l->between[j] > 0.0 ? l->observed[j] / (2.0 * l->between[j]) : 0.0)));
    status = lki_json_set(t->ctx, entry, "p", lki_json_number(lki_permutation_p(l->permuted + j * l->count, l->count - 1, 1e-12 * l->between[j])));
done:
    if (status != LK_OK) {
        json_decref(entry);
        return status;
    }
    return lki_json_append(t->ctx, list, entry);
}

lk_status lki_tell_features(lki_testing *t)
{
    const lki_samples *s = &t->samples;
    lines l = {.t = t, .count = t->options.permutations + 1, .features = true};
    double *sums = NULL;
    json_t *list = json_array();
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(t->ctx, (size_t)l.count, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_zeros(t->ctx, 2 * (size_t)s->d, sizeof *l.observed, &l.observed));
    LKI_GOTO(status, done, lki_allocate(t->ctx, lki_product((size_t)s->d, (size_t)l.count), sizeof *l.permuted, &l.permuted));
    l.between = l.observed + s->d;
    LKI_GOTO(status, done, run_lines(&l, s->d, sums));
    for (int64_t j = 0; j < s->d; j++) {
        LKI_GOTO(status, done, tell_feature(t, &l, j, list));
    }
    status = lki_tell(t, "by_feature", list);
    list = NULL;
done:
    json_decref(list);
    lki_release(t->ctx, sums);
    lki_release(t->ctx, l.observed);
    lki_release(t->ctx, l.permuted);
    return status;
}

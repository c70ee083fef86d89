/* All modes of a model that ascents find: from the centres of its groups and from given rows, duplicates merged, each
 * with a certificate and the share of the ascents that end there (Carreira-Perpinan 2000, IEEE Trans. Pattern Anal.
 * Mach. Intell. 22, 1318-1323). */
#include "math/blas.h"
#include "math/cholesky.h"
#include "model/ascent.h"

#include <likely/derived.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Two ends are one mode where they lie closer than this, in standard deviations of the normal that fits the mode. */
#define SAME_MODE 1e-3

/* One run. Starts: the groups' centres, then the rows. */
typedef struct search {
    const lk_model *model;
    lki_landscape landscape;
    int64_t d, groups, starts;
    double *ends;        /* starts x d */
    lki_summit *summits; /* starts */
    int64_t *mode;       /* starts: which mode it became, -1 = none */
    double *hessians;    /* modes x d x d */
    int64_t *first;      /* modes: the start that stands for it */
    int64_t modes;
    size_t capacity, hessian_capacity;
} search;

/* Starts that one task takes. */
enum { TASK_STARTS = 8 };

static lk_status ascend_some(lk_context *ctx, void *state, int thread, int64_t index)
{
    search *s = state;
    int64_t d = s->d, first = index * TASK_STARTS,
            last = first + TASK_STARTS < s->starts ? first + TASK_STARTS : s->starts;
    double *H;
    lk_status status = LK_OK;
    (void)thread;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)d, (size_t)d) + lki_ascent_work(d), sizeof *H, &H));
    for (int64_t i = first; i < last && status == LK_OK; i++) {
        status = lki_cancelled(ctx);
        bool finite = true;
        for (int64_t j = 0; j < d; j++) {
            finite = finite && isfinite(s->ends[i * d + j]);
        }
        if (status == LK_OK && finite) {
            status = lki_ascend(ctx, &s->landscape, s->ends + i * d, H, H + d * d, &s->summits[i]);
        }
    }
    lki_release(ctx, H);
    lki_progress(ctx, "modes", (double)last, (double)s->starts, "");
    return status;
}

/* (a - b)' (-H) (a - b) */
static double distance(const search *s, const double *a, const double *b, const double *H)
{
    double sum = 0.0;
    for (int64_t i = 0; i < s->d; i++) {
        for (int64_t j = 0; j < s->d; j++) {
            sum -= (a[i] - b[i]) * H[i * s->d + j] * (a[j] - b[j]);
        }
    }
    return sum;
}

/* Joins ends to modes, in the order of the starts. */
static lk_status merge(lk_context *ctx, search *s)
{
    int64_t d = s->d;
    for (int64_t i = 0; i < s->starts; i++) {
        const double *z = s->ends + i * d;
        s->mode[i] = -1;
        for (int64_t m = 0; s->summits[i].certified && s->mode[i] < 0 && m < s->modes; m++) {
            if (distance(s, z, s->ends + s->first[m] * d, s->hessians + m * d * d) <= SAME_MODE * SAME_MODE) {
                s->mode[i] = m;
            }
        }
        if (!s->summits[i].certified || s->mode[i] >= 0) {
            continue;
        }
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(lki_grow(ctx, &s->first, &s->capacity, (size_t)s->modes + 1, sizeof *s->first));
        LKI_TRY(lki_grow(ctx, &s->hessians, &s->hessian_capacity, lki_product((size_t)s->modes + 1, (size_t)(d * d)),
                         sizeof(double)));
        LKI_TRY(lki_landscape_hessian(ctx, &s->landscape, z, s->hessians + s->modes * d * d));
        s->first[s->modes] = i;
        s->mode[i] = s->modes++;
    }
    return LK_OK;
}

/* ---- the order of the modes ---- */

typedef struct ranked {
    double log_density; /* rounded, so that equal heights are ordered by place */
    const double *z;
    int64_t d, mode;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->log_density != y->log_density) {
        return x->log_density > y->log_density ? -1 : 1;
    }
    for (int64_t j = 0; j < x->d; j++) {
        if (x->z[j] != y->z[j]) {
            return x->z[j] < y->z[j] ? -1 : 1;
        }
    }
    return 0;
}

/* Numbers modes from the highest down. */
static lk_status rank(lk_context *ctx, search *s, int64_t *order)
{
    ranked *list;
    int64_t *place;
    LKI_TRY(lki_allocate(ctx, (size_t)s->modes, sizeof *list, &list));
    lk_status status = lki_allocate(ctx, (size_t)s->modes, sizeof *place, &place);
    if (status == LK_OK) {
        for (int64_t m = 0; m < s->modes; m++) {
            double height = s->summits[s->first[m]].log_density;
            list[m] = (ranked){nearbyint(height * 1e9) * 1e-9, s->ends + s->first[m] * s->d, s->d, m};
        }
        qsort(list, (size_t)s->modes, sizeof *list, compare_ranked);
        for (int64_t m = 0; m < s->modes; m++) {
            order[m] = s->first[list[m].mode];
            place[list[m].mode] = m;
        }
        for (int64_t i = 0; i < s->starts; i++) {
            s->mode[i] = s->mode[i] >= 0 ? place[s->mode[i]] : -1;
        }
        lki_release(ctx, place);
    }
    lki_release(ctx, list);
    return status;
}

/* ---- the answer ---- */

/* What the caller gets a part of. */
typedef struct owned_modes {
    lk_modes modes; /* first */
    lki_memory memory;
} owned_modes;

void lk_modes_free(lk_modes *modes)
{
    if (modes != NULL) {
        lki_memory memory = ((owned_modes *)modes)->memory;
        void *const arrays[] = {modes->x,         modes->log_density, modes->mass,    modes->mass_error,
                                modes->decrement, modes->curvature,   modes->of_rows, modes->of_groups};
        for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
            lki_memory_release(&memory, arrays[i]);
        }
        lki_memory_release(&memory, modes);
    }
}

static lk_status modes_new(lk_context *ctx, const search *s, lk_modes **out)
{
    size_t modes = (size_t)s->modes;
    owned_modes *owned;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *owned, &owned));
    owned->memory = lki_memory_of(ctx);
    lk_modes *a = &owned->modes;
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product(modes, (size_t)s->d), sizeof *a->x, &a->x));
    LKI_GOTO(status, failed, lki_zeros(ctx, modes, sizeof(double), &a->log_density));
    LKI_GOTO(status, failed, lki_zeros(ctx, modes, sizeof(double), &a->mass));
    LKI_GOTO(status, failed, lki_zeros(ctx, modes, sizeof(double), &a->mass_error));
    LKI_GOTO(status, failed, lki_zeros(ctx, modes, sizeof(double), &a->decrement));
    LKI_GOTO(status, failed, lki_zeros(ctx, modes, sizeof(double), &a->curvature));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)(s->starts - s->groups), sizeof(int64_t), &a->of_rows));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)s->groups, sizeof(int64_t), &a->of_groups));
    a->count = s->modes;
    a->rows = s->starts - s->groups;
    a->groups = s->groups;
    *out = a;
    return LK_OK;
failed:
    lk_modes_free(a);
    return status;
}

static lk_status describe(lk_context *ctx, const search *s, const int64_t *order, lk_modes *a)
{
    int64_t d = s->d;
    double rows = 0.0;
    for (int64_t i = 0; i < s->starts; i++) {
        *(i < s->groups ? &a->of_groups[i] : &a->of_rows[i - s->groups]) = s->mode[i];
        a->lost += s->mode[i] < 0 ? 1 : 0;
        if (i >= s->groups) {
            rows += 1.0;
            if (s->mode[i] >= 0) {
                a->mass[s->mode[i]] += 1.0;
            }
        }
    }
    for (int64_t m = 0; m < s->modes; m++) {
        const lki_summit *summit = &s->summits[order[m]];
        memcpy(a->x + m * d, s->ends + order[m] * d, (size_t)d * sizeof *a->x);
        a->decrement[m] = summit->decrement;
        a->curvature[m] = summit->curvature;
        /* (h + 1) / (n + 2) in the error: no share, not even 0 or 1, is known exactly. */
        double share = (a->mass[m] + 1.0) / (rows + 2.0);
        a->mass[m] = rows > 0.0 ? a->mass[m] / rows : (double)NAN;
        a->mass_error[m] = rows > 0.0 ? sqrt(share * (1.0 - share) / (rows + 2.0)) : (double)NAN;
    }
    if (s->model->transform != NULL) {
        lki_transform_invert(s->model->transform, a->x, a->count, a->x);
    }
    lki_question q = {0};
    lki_scratch scratch = {0};
    lk_status status = lki_question_open(ctx, s->model, LK_OPERATION_LOG_DENSITY, &q);
    for (int64_t first = 0; status == LK_OK && first < a->count; first += LKI_BLOCK_ROWS) {
        int64_t count = a->count - first < LKI_BLOCK_ROWS ? a->count - first : LKI_BLOCK_ROWS;
        status = lki_question_block(ctx, &q, &scratch, a->x + first * d, count, a->log_density + first);
    }
    lki_scratch_free(ctx, &scratch);
    lki_question_close(ctx, &q);
    return status;
}

/* ---- the search ---- */

/* Spread of each feature over the model's own draws, or over the starts; never 0. */
static lk_status scales(lk_context *ctx, const search *s, double *out)
{
    int64_t d = s->d;
    lki_question q = {.model = s->model, .operation = LK_OPERATION_SCORE};
    LKI_TRY(lki_derive_prepare(ctx, &q));
    for (int64_t j = 0; j < d; j++) {
        double sum = 0.0, squares = 0.0, n = 0.0;
        out[j] = q.scale != NULL ? q.scale[j] : 0.0;
        for (int64_t i = 0; !(out[j] > 0.0) && i < s->starts; i++) {
            double v = s->ends[i * d + j];
            n += isfinite(v) ? 1.0 : 0.0;
            sum += isfinite(v) ? v : 0.0;
        }
        for (int64_t i = 0; n > 1.0 && i < s->starts; i++) {
            double v = s->ends[i * d + j];
            squares += isfinite(v) ? (v - sum / n) * (v - sum / n) / (n - 1.0) : 0.0;
        }
        out[j] = out[j] > 0.0 ? out[j] : squares > 0.0 ? sqrt(squares) : 1.0;
    }
    lki_question_close(ctx, &q);
    return LK_OK;
}

/* Where ascents begin, in transformed units. */
static void place_starts(search *s, const double *x)
{
    const lki_operations *ops = &s->model->operations;
    int64_t d = s->d, rows = s->starts - s->groups;
    if (s->groups > 0) {
        ops->centres(s->model->state, s->ends);
    }
    if (s->model->transform != NULL) {
        lki_transform_apply(s->model->transform, x, rows, s->ends + s->groups * d, NULL, NULL);
    } else {
        memcpy(s->ends + s->groups * d, x, (size_t)(rows * d) * sizeof *x);
    }
}

static lk_status run_search(lk_context *ctx, search *s, const double *x, lk_modes **out)
{
    lk_status status = LK_OK;
    lk_modes *answer = NULL;
    double *scale = NULL;
    int64_t *order = NULL;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)s->starts, (size_t)s->d), sizeof *s->ends, &s->ends));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)s->starts, sizeof *s->summits, &s->summits));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->starts, sizeof *s->mode, &s->mode));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->d, sizeof *scale, &scale));
    place_starts(s, x);
    LKI_GOTO(status, done, scales(ctx, s, scale));
    LKI_GOTO(status, done, lki_landscape_open(ctx, s->model, scale, &s->landscape));
    LKI_GOTO(status, done, lki_parallel(ctx, (s->starts + TASK_STARTS - 1) / TASK_STARTS, ascend_some, s));
    LKI_GOTO(status, done, merge(ctx, s));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->modes, sizeof *order, &order));
    LKI_GOTO(status, done, rank(ctx, s, order));
    LKI_GOTO(status, done, modes_new(ctx, s, &answer));
    LKI_GOTO(status, done, describe(ctx, s, order, answer));
    *out = answer;
    answer = NULL;
done:
    lk_modes_free(answer);
    lki_release(ctx, order);
    lki_release(ctx, scale);
    return status;
}

lk_status lk_model_modes(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, lk_modes **out)
{
    search s = {.model = model, .d = model->d};
    lki_begin(ctx);
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_LOG_DENSITY));
    s.groups = model->operations.centres != NULL ? lk_model_groups(model) - (lk_model_noise_group(model) >= 0)
                                                 : 0; /* noise is flat */
    if (rows < 0 || rows > INT64_MAX / 2 || rows + s.groups < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld rows to begin from; there must be at least %d", (long long)rows,
                        s.groups > 0 ? 0 : 1);
    }
    if (model->d > LKI_EIGEN_MAX) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "modes takes at most %d features; the model has %lld",
                        (int)LKI_EIGEN_MAX, (long long)model->d);
    }
    s.starts = rows + s.groups;
    lki_blas_enter();
    lk_status status = run_search(ctx, &s, x, out);
    lki_blas_leave();
    lki_landscape_close(ctx, &s.landscape);
    lki_release(ctx, s.ends);
    lki_release(ctx, s.summits);
    lki_release(ctx, s.mode);
    lki_release(ctx, s.hessians);
    lki_release(ctx, s.first);
    return status;
}

lk_status lk_model_peak(lk_context *ctx, const lk_model *model, int64_t dimensions, int64_t seed, double *x)
{
    lki_begin(ctx);
    if (model->operations.peak == NULL) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "the highest mode by projection is sought of kernel densities without classes; this is a %s model%s",
                        model->method->public.name, model->classes != NULL ? " with classes" : "");
    }
    if (dimensions < 1 || seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld dimensions, seed %lld: there must be at least 1 and 0", (long long)dimensions, (long long)seed);
    }
    lki_blas_enter();
    const lk_status status = model->operations.peak(ctx, model->state, dimensions, (uint64_t)seed, x);
    lki_blas_leave();
    if (status == LK_OK && model->transform != NULL) {
        lki_transform_invert(model->transform, x, 1, x);
    }
    return status;
}

/* Missing values drawn by the score (inpainting; Song et al. 2021, arXiv:2011.13456, section 5 and appendix I). Noise is put onto the missing
 * features alone: the score of p(x_there, x_missing + sigma n) by the missing features is that of p(x_missing | x_there) with noise, whatever
 * p(x_there) is, so that the flow of those features ends at the exact conditional distribution, and the others stay where they are. */
#include "math/blas.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

/* A model under noise on some features: a field whose score is 0 along the others. */
typedef struct part {
    const lk_model *model;
    bool *noisy; /* d */
} part;

static lk_status part_level(lk_context *ctx, const lki_field *f, double sigma, void **state)
{
    const part *p = f->state;
    return lki_oracle_level(ctx, p->model, f, sigma, p->noisy, state);
}

static lk_status part_ask(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *log_density, double *score,
                          double *divergence)
{
    const lki_field *f = level->field;
    const part *p = f->state;
    double *z;
    (void)log_density;
    (void)divergence;
    if (score == NULL) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)f->d), sizeof *z, &z));
    for (int64_t i = 0; i < rows * f->d; i++) {
        z[i] = f->centre[i % f->d] + f->scale[i % f->d] * u[i];
    }
    lk_status status = lki_oracle_score(ctx, level->state, z, rows, score);
    for (int64_t i = 0; status == LK_OK && i < rows * f->d; i++) {
        score[i] = p->noisy[i % f->d] ? score[i] * f->scale[i % f->d] : 0.0;
    }
    lki_release(ctx, z);
    return status;
}

static void part_free(const lki_memory *memory, void *state)
{
    lki_memory_release(memory, ((part *)state)->noisy);
    lki_memory_release(memory, state);
}

static lk_status part_field(lk_context *ctx, const lk_sampler *s, const double *row, lki_field **out)
{
    static const lki_field_operations operations = {part_level, part_ask, lki_oracle_level_free, part_free};
    lki_field *f;
    part *p = NULL;
    LKI_TRY(lki_field_new(ctx, &operations, s->d, s->field->centre, s->field->scale, &f));
    lk_status status = lki_zeros(ctx, 1, sizeof *p, &p);
    if (status == LK_OK) {
        p->model = s->model;
        f->state = p;
        f->noisy = f->clean = true;
        status = lki_allocate(ctx, (size_t)s->d, sizeof *p->noisy, &p->noisy);
    }
    if (status != LK_OK) {
        lki_field_free(ctx, f);
        return status;
    }
    for (int64_t j = 0; j < s->d; j++) {
        p->noisy[j] = isnan(row[j]);
    }
    *out = f;
    return LK_OK;
}

/* Rows as they came and as they stand in the field's units. */
typedef struct filling {
    lk_sampler *sampler;
    const lki_stepper *stepper;
    const double *x; /* rows x d, NaN = missing */
    int64_t rows, first_row, draws;
    double *z;       /* rows x d: NaN = missing */
    bool *done;      /* rows */
    double *out;     /* rows x draws x d */
} filling;

static bool same_pattern(const double *a, const double *b, int64_t d)
{
    for (int64_t j = 0; j < d; j++) {
        if (isnan(a[j]) != isnan(b[j])) {
            return false;
        }
    }
    return true;
}

/* Values that are there, and normal noise where there are none. */
static void begin(const filling *f, const int64_t *members, int64_t count, double *y)
{
    const lk_sampler *s = f->sampler;
    const int64_t d = s->d;
    const double wide = sqrt(1.0 + s->sigma_max * s->sigma_max);
    for (int64_t i = 0; i < count * f->draws; i++) {
        const int64_t row = members[i / f->draws];
        const uint64_t number = (uint64_t)((f->first_row + row) * f->draws + i % f->draws);
        lki_stream stream = lki_stream_new(s->seed, LKI_STREAM_IMPUTE | (uint64_t)1 << 32, number);
        for (int64_t j = 0; j < d; j++) {
            const double there = (f->z[row * d + j] - s->field->centre[j]) / s->field->scale[j];
            y[i * d + j] = isnan(there) ? wide * lki_random_normal(&stream) : there;
        }
    }
}

/* Draws to the units of the data; values that were there stay as they came. */
static void end(const filling *f, const int64_t *members, int64_t count, double *y)
{
    const lk_sampler *s = f->sampler;
    const int64_t d = s->d;
    for (int64_t i = 0; i < count * f->draws * d; i++) {
        y[i] = s->field->centre[i % d] + s->field->scale[i % d] * y[i];
    }
    if (s->model->transform != NULL) {
        lki_transform_invert(s->model->transform, y, count * f->draws, y);
    }
    for (int64_t i = 0; i < count * f->draws; i++) {
        const int64_t row = members[i / f->draws];
        for (int64_t j = 0; j < d; j++) {
            const double there = f->x[row * d + j];
            f->out[(row * f->draws + i % f->draws) * d + j] = isnan(there) ? y[i * d + j] : there;
        }
    }
}

/* All rows that miss what row `first` misses. */
static lk_status fill_pattern(lk_context *ctx, filling *f, int64_t first, int64_t *members)
{
    const int64_t d = f->sampler->d;
    lk_sampler part_sampler = *f->sampler;
    lki_node *nodes = NULL;
    double *y = NULL;
    int64_t count = 0;
    for (int64_t i = first; i < f->rows; i++) {
        if (!f->done[i] && same_pattern(f->z + first * d, f->z + i * d, d)) {
            f->done[i] = true;
            members[count++] = i;
        }
    }
    lk_status status = part_field(ctx, f->sampler, f->z + first * d, &part_sampler.field);
    if (status != LK_OK) {
        return status;
    }
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)count, (size_t)f->draws), (size_t)d * sizeof *y, &y));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)part_sampler.steps + 1, sizeof *nodes, &nodes));
    lki_schedule_grid(&part_sampler.schedule, part_sampler.steps, nodes);
    begin(f, members, count, y);
    LKI_GOTO(status, done, lki_walk(ctx, &part_sampler, f->stepper, nodes, part_sampler.steps, 0, count * f->draws, y, "impute"));
    end(f, members, count, y);
done:
    lki_field_free(ctx, part_sampler.field);
    lki_release(ctx, nodes);
    lki_release(ctx, y);
    return status;
}

/* Rows in transformed units; what misses nothing, and what lies outside the support, is done at once. */
static void sort_rows(filling *f)
{
    const lk_sampler *s = f->sampler;
    const int64_t d = s->d;
    for (int64_t i = 0; i < f->rows; i++) {
        double *z = f->z + i * d;
        bool missing = false, outside = false;
        if (s->model->transform != NULL) {
            lki_transform_apply(s->model->transform, f->x + i * d, 1, z, NULL, NULL);
        } else {
            memcpy(z, f->x + i * d, (size_t)d * sizeof *z);
        }
        for (int64_t j = 0; j < d; j++) {
            missing = missing || isnan(f->x[i * d + j]);
            outside = outside || isinf(z[j]) || (isnan(z[j]) && !isnan(f->x[i * d + j]));
        }
        f->done[i] = outside || !missing;
        for (int64_t k = 0; f->done[i] && k < f->draws; k++) { /* a gap beside a value outside the support stays */
            memcpy(f->out + (i * f->draws + k) * d, f->x + i * d, (size_t)d * sizeof *z);
        }
    }
}

static lk_status fill(lk_context *ctx, filling *f)
{
    int64_t *members = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)f->rows, (size_t)f->sampler->d), sizeof *f->z, &f->z));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)f->rows, sizeof *f->done, &f->done));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)f->rows, sizeof *members, &members));
    sort_rows(f);
    for (int64_t i = 0; i < f->rows; i++) {
        if (!f->done[i]) {
            LKI_GOTO(status, done, fill_pattern(ctx, f, i, members));
        }
    }
done:
    lki_release(ctx, f->z);
    lki_release(ctx, f->done);
    lki_release(ctx, members);
    return status;
}

/* The stepper of a method that leaves a coordinate without a score where it is. */
static lk_status find_stepper(lk_context *ctx, const lk_sampler *s, const lki_stepper **out)
{
    static const struct {
        const char *name;
        const lki_stepper *stepper;
    } fit[] = {{"heun", &lki_stepper_heun}, {"euler", &lki_stepper_euler}, {"ddim", &lki_stepper_ddim}, {"dpm", &lki_stepper_dpm}};
    for (size_t i = 0; i < sizeof fit / sizeof fit[0]; i++) {
        if (strcmp(fit[i].name, s->kind->public.name) == 0) {
            *out = fit[i].stepper;
        }
    }
    if (*out == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "missing values are drawn by heun, euler, ddim and dpm; %s moves those that are there",
                        s->kind->public.name);
    }
    if (lki_schedule_at(&s->schedule, 0.5).alpha != 1.0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "missing values are drawn on the schedules edm and ve; in %s values that are there fade",
                        s->schedule.kind->public.name);
    }
    return LK_OK;
}

lk_status lk_model_impute_by_score(lk_context *ctx, const lk_model *model, const lk_sampler_options *options, const double *x, int64_t rows,
                                   int64_t first_row, int64_t draws, double *out)
{
    lk_sampler *s = NULL;
    if (rows < 0 || first_row < 0 || draws < 1) {
        lki_begin(ctx);
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "first row %lld, %lld rows, %lld draws: at least 0, 0 and 1", (long long)first_row,
                        (long long)rows, (long long)draws);
    }
    lk_sampler_options o = options != NULL ? *options : (lk_sampler_options){.size = sizeof o};
    o.method = o.method != NULL ? o.method : "dpm";
    LKI_TRY(lk_sampler_new(ctx, model, &o, &s));
    filling f = {.sampler = s, .x = x, .rows = rows, .first_row = first_row, .draws = draws, .out = out};
    lki_blas_enter();
    lk_status status = find_stepper(ctx, s, &f.stepper);
    status = status == LK_OK && rows > 0 ? fill(ctx, &f) : status;
    lki_blas_leave();
    lk_sampler_free(s);
    return status;
}

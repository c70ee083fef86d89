/* Rows from noise to data, step by step: the outer loop over steps opens the levels that a step asks, the inner one goes over
 * blocks of rows on all threads. */
#include "core/reduce.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

/* How many rows tell the error of the steps, and levels that one step may ask. */
enum { CHECKED_ROWS = 1000, LEVELS_MOST = 8 };

typedef struct walk {
    const lki_stepper *stepper; /* NULL = the last piece */
    lki_step step;
    int64_t rows;
} walk;

lki_stream lki_step_stream(const lki_step *step, int64_t row)
{
    const uint64_t stream = LKI_STREAM_FLOW | ((uint64_t)step->number + 1) << 32;
    return lki_stream_new(step->sampler->seed, stream, (uint64_t)(step->first_row + row));
}

/* From sigma to none: dy/dsigma = -sigma score, whose score hardly changes where sigma is small. */
static lk_status last_piece(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *scratch)
{
    const int64_t d = step->sampler->d;
    double *y = step->y + first * d;
    const double half = 0.5 * step->from->ratio * step->from->ratio;
    LKI_TRY(lki_level_ask(ctx, &step->levels[0], y, rows, NULL, scratch, NULL));
    for (int64_t i = 0; i < rows * d; i++) {
        y[i] += half * scratch[i];
    }
    return LK_OK;
}

static lk_status walk_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const walk *w = state;
    const int64_t d = w->step.sampler->d, first = index * LKI_BLOCK_ROWS,
                  rows = w->rows - first < LKI_BLOCK_ROWS ? w->rows - first : LKI_BLOCK_ROWS;
    const size_t values = lki_product((size_t)rows, (size_t)d);
    double *scratch;
    (void)thread;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_allocate(ctx, values, (size_t)(w->stepper != NULL ? w->stepper->scratch : 1) * sizeof *scratch, &scratch));
    lk_status status = w->stepper != NULL ? w->stepper->block(ctx, &w->step, first, rows, scratch)
                                          : last_piece(ctx, &w->step, first, rows, scratch);
    lki_release(ctx, scratch);
    for (int64_t i = first * d; status == LK_OK && i < (first + rows) * d; i++) {
        if (!isfinite(w->step.y[i])) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "%s left the range of numbers at noise %g; more steps may help",
                            w->step.sampler->kind->public.name, w->step.to->ratio);
        }
    }
    return status;
}

static lk_status one_step(lk_context *ctx, walk *w, lki_level *levels)
{
    const lk_sampler *s = w->step.sampler;
    const int count = w->stepper != NULL ? w->stepper->levels : 1;
    lk_status status = LK_OK;
    int opened = 0;
    for (; opened < count && status == LK_OK; opened++) {
        bool weak = false;
        const double noise = w->stepper != NULL && w->stepper->noise != NULL
                                 ? w->stepper->noise(s, w->step.from, w->step.to, opened, &weak)
                                 : w->step.from->ratio;
        status = lki_level_open(ctx, weak ? s->weak : s->field, noise, &levels[opened]);
    }
    if (status == LK_OK) {
        w->step.levels = levels;
        status = lki_parallel(ctx, (w->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, walk_block, w);
    }
    for (int i = 0; i < opened; i++) {
        if (levels[i].field != NULL) {
            lki_level_close(ctx, &levels[i]);
        }
    }
    return status;
}

lk_status lki_walk(lk_context *ctx, const lk_sampler *s, const lki_stepper *stepper, const lki_node *nodes, int64_t steps,
                   int64_t first_row, int64_t rows, double *y, const char *stage)
{
    lki_level levels[LEVELS_MOST] = {{0}};
    walk w = {.rows = rows, .step = {.sampler = s, .first_row = first_row, .y = y}};
    lk_status status = LK_OK;
    if (stepper->memory > 0) {
        LKI_TRY(lki_zeros(ctx, lki_product((size_t)rows, (size_t)s->d), (size_t)stepper->memory * sizeof *y, &w.step.memory));
    }
    for (int64_t i = 0; i < steps && status == LK_OK; i++) {
        w.step.number = i;
        w.step.from = &nodes[i];
        w.step.to = &nodes[i + 1];
        w.stepper = nodes[i + 1].ratio > 0.0 ? stepper : NULL;
        status = one_step(ctx, &w, levels);
        lki_progress(ctx, stage, (double)(i + 1), (double)steps, "");
    }
    lki_release(ctx, w.step.memory);
    return status;
}

void lki_walk_start(const lk_sampler *s, double sigma, uint64_t stream, int64_t first_row, int64_t rows, double *y)
{
    const double wide = sqrt(1.0 + sigma * sigma);
    for (int64_t i = 0; i < rows; i++) {
        lki_stream from = lki_stream_new(s->seed, stream, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < s->d; j++) {
            y[i * s->d + j] = wide * lki_random_normal(&from);
        }
    }
}

/* Nodes of the schedule's grid, or every `stride`-th of those that were found. */
static lk_status nodes_of(lk_context *ctx, const lk_sampler *s, const lki_schedule *schedule, int64_t *steps, int64_t stride, lki_node **out)
{
    if (s->nodes == NULL) {
        LKI_TRY(lki_allocate(ctx, (size_t)*steps + 1, sizeof **out, out));
        lki_schedule_grid(schedule, *steps, *out);
        return LK_OK;
    }
    const int64_t last = s->nodes_steps; /* the node without noise */
    LKI_TRY(lki_allocate(ctx, (size_t)last + 2, sizeof **out, out));
    int64_t count = 0;
    for (int64_t i = 0; i < last; i += stride) {
        (*out)[count++] = s->nodes[i];
    }
    if ((last - 1) % stride != 0) {
        (*out)[count++] = s->nodes[last - 1];
    }
    (*out)[count] = s->nodes[last];
    *steps = count;
    return LK_OK;
}

static lk_status down(lk_context *ctx, const lk_sampler *s, const lki_stepper *stepper, const lki_schedule *schedule, int64_t steps,
                      int64_t stride, int64_t first_row, int64_t rows, double *y)
{
    lki_node *nodes;
    LKI_TRY(nodes_of(ctx, s, schedule, &steps, stride, &nodes));
    lki_walk_start(s, schedule->sigma_max, LKI_STREAM_FLOW, first_row, rows, y);
    lk_status status = lki_walk(ctx, s, stepper, nodes, steps, first_row, rows, y, s->kind->public.name);
    lki_release(ctx, nodes);
    return status;
}

lk_status lki_walk_down(lk_context *ctx, lk_sampler *s, const lki_stepper *stepper, int64_t first_row, int64_t rows, double *y)
{
    s->steps = s->nodes != NULL ? s->nodes_steps : s->steps;
    s->evaluations = stepper->evaluations * (double)(s->steps - 1) + 1.0;
    return down(ctx, s, stepper, &s->schedule, s->steps, 1, first_row, rows, y);
}

/* The same starts with half the steps and twice the least noise: how far the first rows move tells what the steps are worth. */
lk_status lki_flow_down(lk_context *ctx, lk_sampler *s, const lki_stepper *stepper, int64_t first_row, int64_t rows, double *y)
{
    const int64_t d = s->d, left = first_row >= CHECKED_ROWS ? 0 : CHECKED_ROWS - first_row, count = left < rows ? left : rows;
    lki_schedule rough = s->schedule;
    double *coarse;
    LKI_TRY(lki_walk_down(ctx, s, stepper, first_row, rows, y));
    if (count == 0) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *coarse, &coarse));
    rough.sigma_min = fmin(2.0 * s->sigma_min, 0.9 * s->sigma_max);
    lk_status status = down(ctx, s, stepper, &rough, s->steps / 2, 2, first_row, count, coarse);
    for (int64_t i = 0; status == LK_OK && i < count * d; i++) {
        const double moved = fabs(coarse[i] - y[i]);
        s->error_squares += moved * moved;
        s->error_count += 1.0;
        s->error_most = fmax(s->error_most, moved);
    }
    lki_release(ctx, coarse);
    return status;
}

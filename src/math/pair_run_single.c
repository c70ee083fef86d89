/* The pair engine's sums in single precision: rows in strips over threads, points turned to floats a tile at a time. */
#include "core/reduce.h"
#include "elementary.h"
#include "pair_impl.h"

enum { STRIPS = 4 };

typedef struct single_run {
    const lki_pair *pair;
    const lki_pair_single_isa *isa;
    const double *x, *v;
    int64_t rows;
    double *out;
} single_run;

static const lki_pair_single_isa *best(void)
{
#if defined(__x86_64__)
    static const lki_pair_single_isa *const tables[] = {&lki_pair_single_portable, &lki_pair_single_avx2, &lki_pair_single_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_pair_single_portable;
#endif
}

/* Points first, first + 1, ... of a tile as floats, with their v; what lies behind the last point has v = 0. */
static int64_t fill_tile(const single_run *run, int64_t first, float *points, float *v)
{
    const lki_pair_part *part = &run->pair->part[0];
    const int64_t group = run->isa->group, block = lki_pair_best()->columns, left = run->pair->m - first;
    const int64_t count = left < LKI_PAIR_TILE ? left : LKI_PAIR_TILE, groups = (count + group - 1) / group;
    for (int64_t j = 0; j < groups * group; j++) {
        const int64_t place = first + (j < count ? j : count - 1);
        v[j] = j < count ? (float)(run->v != NULL ? run->v[first + j] : 1.0) : 0.0f;
        for (int64_t c = 0; c < part->width; c++) {
            const double y = part->points[(place / block * part->width + c) * block + place % block];
            points[(j / group * part->width + c) * group + j % group] = (float)((y - part->centre[c]) * part->inverse[c]);
        }
    }
    return groups;
}

static lk_status single_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const single_run *run = state;
    const lki_pair_part *part = &run->pair->part[0];
    const int64_t lanes = run->isa->rows, first = index * STRIPS * lanes, width = part->width;
    const int64_t rows = run->rows - first < STRIPS * lanes ? run->rows - first : STRIPS * lanes, strips = (rows + lanes - 1) / lanes;
    float *x = NULL, *points = NULL, v[LKI_PAIR_TILE];
    double *sums = NULL;
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(STRIPS * lanes), (size_t)width * sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_PAIR_TILE, (size_t)width * sizeof *points, &points));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)(STRIPS * lanes), sizeof *sums, &sums));
    for (int64_t i = 0; i < strips * lanes; i++) {
        const double *row = run->x + (first + (i < rows ? i : rows - 1)) * run->pair->d;
        for (int64_t c = 0; c < width; c++) {
            x[(i / lanes * width + c) * lanes + i % lanes] = (float)((row[part->columns[c]] - part->centre[c]) * part->inverse[c]);
        }
    }
    for (int64_t j = 0; j < run->pair->m; j += LKI_PAIR_TILE) {
        if (j % (64 * LKI_PAIR_TILE) == 0) {
            LKI_GOTO(status, done, lki_cancelled(ctx));
        }
        const int64_t groups = fill_tile(run, j, points, v);
        for (int64_t s = 0; s < strips; s++) {
            run->isa->tile(part, x + s * width * lanes, points, v, groups, sums + s * lanes);
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        run->out[first + i] = run->pair->coefficients[0] * sums[i];
    }
done:
    lki_release(ctx, x);
    lki_release(ctx, points);
    lki_release(ctx, sums);
    return status;
}

lk_status lki_pair_sum_single(lk_context *ctx, const lki_pair *pair, const double *x, int64_t rows, const double *v, double *out)
{
    const lki_pair_part *part = &pair->part[0];
    single_run run = {.pair = pair, .isa = best(), .x = x, .v = v, .rows = rows, .out = out};
    const int64_t task_rows = STRIPS * run.isa->rows;
    if (pair->parts != 1 || part->metric != NULL || lki_kernels[part->kernel].argument > LKI_ARGUMENT_ABSOLUTE) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "single precision takes one kernel of squares or absolute values, with bandwidths");
    }
    return lki_parallel(ctx, (rows + task_rows - 1) / task_rows, single_task, &run);
}

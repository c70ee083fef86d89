/* The pair engine's requests: rows in strips over threads, and what is made of their sums. */
#include "core/reduce.h"
#include "pair_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Strips of a task: they share a tile of points while it is in the cache. */
enum { STRIPS = 4 };
/* Points of a task that writes values. */
enum { RANGE = 256 * LKI_PAIR_TILE };

typedef struct pair_run {
    lki_pair_job job;
    const lki_pair_isa *isa;
    int64_t task_rows;
    int64_t ranges, range; /* of points, whole tiles: VALUES alone divides them over tasks too, since it adds nothing up */
} pair_run;

/* ---- checks ---- */

static lk_status check_derivative(lk_context *ctx, const lki_pair *pair, const lki_pair_request *r)
{
    if (r->reduction != LKI_PAIR_LOG_SUM && (r->reduction != LKI_PAIR_SUM || r->sides > 1)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "only sums with one right-hand side and logarithms of sums have derivatives");
    }
    for (int64_t k = 0; k < pair->terms; k++) {
        for (int64_t f = pair->starts[k]; f < pair->starts[k + 1]; f++) {
            const lki_pair_part *part = &pair->part[f];
            const lki_kernel *kernel = &lki_kernels[part->kernel];
            if (kernel->has_sign && pair->starts[k + 1] - pair->starts[k] > 1) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "a product with kernel %s has no derivatives here", kernel->name);
            }
            if (kernel->argument == LKI_ARGUMENT_DIRECTION && r->derivative != LKI_PAIR_GRADIENT) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s has a gradient only", kernel->name);
            }
            if (part->metric != NULL && r->derivative == LKI_PAIR_BANDWIDTH) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "a metric has no bandwidths to differentiate by");
            }
        }
    }
    return LK_OK;
}

lk_status lki_pair_check(lk_context *ctx, const lki_pair *pair, const lki_pair_request *r)
{
    const bool logs = r->reduction == LKI_PAIR_LOG_SUM || r->reduction == LKI_PAIR_MEAN;
    for (int64_t f = 0; f < pair->parts && logs; f++) {
        if (lki_kernels[pair->part[f].kernel].has_sign) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s has no logarithm", lki_kernels[pair->part[f].kernel].name);
        }
    }
    for (int64_t k = 0; k < pair->terms && logs; k++) {
        if (pair->coefficients[k] < 0.0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "coefficient %lld is %g; under a logarithm it must be at least 0", (long long)k + 1,
                            pair->coefficients[k]);
        }
    }
    for (int64_t j = 0; j < pair->m && logs && r->weights != NULL; j++) {
        if (!(r->weights[j] >= 0.0 && r->weights[j] <= DBL_MAX)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "weight %lld is %g; it must be at least 0", (long long)j + 1, r->weights[j]);
        }
    }
    if (r->reduction == LKI_PAIR_NEAREST &&
        (pair->parts != 1 || lki_kernels[pair->part[0].kernel].argument != LKI_ARGUMENT_SQUARE || r->nearest < 1 ||
         r->nearest > pair->m - (r->own != NULL))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld nearest of %lld points were asked of %lld kernels; one kernel of the square and "
                        "fewer than the points are possible", (long long)r->nearest, (long long)pair->m, (long long)pair->parts);
    }
    return r->derivative == LKI_PAIR_VALUE ? LK_OK : check_derivative(ctx, pair, r);
}

/* ---- strips ---- */

/* Room for a strip of `lanes` rows in one block. */
static lk_status strip_new(lk_context *ctx, const pair_run *run, int64_t lanes, lki_pair_strip *s)
{
    const lki_pair *pair = run->job.pair;
    const lki_pair_request *r = run->job.request;
    const int64_t best = r->reduction == LKI_PAIR_NEAREST ? r->nearest : r->reduction == LKI_PAIR_MAX ? 1 : 0;
    const size_t lines = (size_t)(5 * pair->width + 4 * pair->parts + 3 + run->job.sides);
    double *p;
    LKI_TRY(lki_zeros(ctx, lki_product(lines + 2 * (size_t)best, (size_t)lanes), sizeof *p, &p));
    s->x = p;
    s->scaled = s->x + pair->width * lanes;
    s->t = s->scaled + pair->width * lanes;
    s->slope = s->t + pair->width * lanes;
    s->curve = s->slope + pair->width * lanes;
    s->squares = s->curve + pair->width * lanes;
    s->direct = s->squares + pair->parts * lanes;
    s->first_sum = s->direct + pair->parts * lanes;
    s->direct_count = (int64_t *)(s->first_sum + pair->parts * lanes);
    s->largest = s->first_sum + 2 * pair->parts * lanes;
    s->sum = s->largest + lanes;
    s->threshold = s->sum + lanes;
    s->values = s->threshold + lanes;
    s->best = s->values + run->job.sides * lanes;
    s->best_index = (int64_t *)(s->best + best * lanes);
    return LK_OK;
}

/* How much an error of |x|^2 + |y|^2 - 2 x.y may cost a sum. Each of the width products and sums is off by at most eps / 2 of
 * (|x| + |y|)^2. */
static bool wants_differences(const lki_pair_part *part, double square)
{
    const double reach = sqrt(square) + part->greatest;
    return !(part->slope * ((double)part->width + 4.0) * DBL_EPSILON * reach * reach <= 1e-9);
}

/* One row's place in the parts; lanes without a row repeat the last one. */
static void strip_lane(const pair_run *run, lki_pair_strip *s, int64_t lane)
{
    const lki_pair *pair = run->job.pair;
    const lki_pair_request *r = run->job.request;
    const int64_t row = s->first_row + (lane < s->rows ? lane : s->rows - 1), lanes = s->lanes;
    for (int64_t f = 0; f < pair->parts; f++) {
        const lki_pair_part *part = &pair->part[f];
        double *x = s->x + part->first * lanes + lane, *scaled = s->scaled + part->first * lanes + lane, square = 0.0;
        lki_pair_row(part, r->x + row * pair->d, x, part->products != NULL ? scaled : NULL, lanes);
        for (int64_t c = 0; c < part->width && part->products != NULL; c++) {
            square += scaled[c * lanes] * scaled[c * lanes];
        }
        s->squares[f * lanes + lane] = square;
        /* First derivatives of matern32 go with r = sqrt(s) near 0, where a small error of s is a large one of r. */
        const bool exact = r->reduction == LKI_PAIR_NEAREST || (r->derivative != LKI_PAIR_VALUE && part->kernel == LKI_KERNEL_matern32);
        const bool direct = part->products == NULL || exact || wants_differences(part, square);
        s->direct[f * lanes + lane] = direct ? 1.0 : 0.0;
        s->direct_count[f] += direct;
        for (int64_t c = 0; c < part->width && lki_kernels[part->kernel].argument == LKI_ARGUMENT_PRODUCT; c++) {
            x[c * lanes] *= part->inverse[c] * part->inverse[c];
        }
    }
}

/* The direction t as it meets the derivative of s: 2 t / h^2, 2 M t, t / h (absolute) or t / h^2 (products). */
static void strip_direction(const pair_run *run, lki_pair_strip *s, int64_t lane)
{
    const lki_pair *pair = run->job.pair;
    const double *row = run->job.request->direction + (s->first_row + (lane < s->rows ? lane : s->rows - 1)) * pair->d;
    for (int64_t f = 0; f < pair->parts; f++) {
        const lki_pair_part *part = &pair->part[f];
        const lki_kernel_argument argument = lki_kernels[part->kernel].argument;
        for (int64_t c = 0; c < part->width; c++) {
            double t = row[part->columns[c]] * part->inverse[c];
            if (part->metric != NULL) {
                t = 0.0;
                for (int64_t k = 0; k < part->width; k++) {
                    t += part->metric[c * part->width + k] * row[part->columns[k]];
                }
            }
            t *= argument == LKI_ARGUMENT_ABSOLUTE || part->metric != NULL ? 1.0 : part->inverse[c];
            s->t[(part->first + c) * s->lanes + lane] = argument == LKI_ARGUMENT_SQUARE ? 2.0 * t : t;
        }
    }
}

static void strip_load(const pair_run *run, lki_pair_strip *s, int64_t first_row, int64_t rows)
{
    s->first_row = first_row;
    s->rows = rows < s->lanes ? rows : s->lanes;
    for (int64_t lane = 0; lane < s->lanes; lane++) {
        strip_lane(run, s, lane);
        s->largest[lane] = -(double)INFINITY;
        s->threshold[lane] = (double)INFINITY;
        if (run->job.request->derivative == LKI_PAIR_CURVATURE) {
            strip_direction(run, s, lane);
        }
    }
    const int64_t nearest = run->job.request->reduction == LKI_PAIR_NEAREST ? run->job.request->nearest : 0;
    for (int64_t i = 0; i < nearest * s->lanes; i++) {
        s->best[i] = (double)INFINITY;
    }
}

/* ---- results ---- */

/* A strip's sums over the columns of a part as derivatives by the columns of x, added to out (d). */
static void unscale(const lki_pair_part *part, const lki_pair_strip *s, int64_t lane, const double *sums, const double *row,
                    lki_pair_derivative derivative, double *out)
{
    const lki_kernel_argument argument = lki_kernels[part->kernel].argument;
    double along = 0.0, length = 0.0;
    for (int64_t c = 0; c < part->width && argument == LKI_ARGUMENT_DIRECTION; c++) {
        const int64_t place = (part->first + c) * s->lanes + lane;
        along += sums[place] * s->x[place];
        length = hypot(length, row[part->columns[c]]);
    }
    for (int64_t c = 0; c < part->width; c++) {
        const int64_t place = (part->first + c) * s->lanes + lane;
        const double h = part->inverse[c];
        double sum = sums[place];
        if (derivative == LKI_PAIR_BANDWIDTH) {
            out[part->columns[c]] += argument == LKI_ARGUMENT_SQUARE     ? -2.0 * h * h * h * sum
                                     : argument == LKI_ARGUMENT_ABSOLUTE ? -h * h * sum
                                                                         : -2.0 * h * sum; /* x came times 1/h^2 */
        } else if (part->metric != NULL) {
            for (int64_t k = 0; k < part->width; k++) {
                out[part->columns[k]] += 2.0 * part->metric[c * part->width + k] * sum;
            }
        } else if (argument == LKI_ARGUMENT_DIRECTION) {
            out[part->columns[c]] += length > 0.0 ? (sum - s->x[place] * along) / length : 0.0;
        } else {
            out[part->columns[c]] += argument == LKI_ARGUMENT_SQUARE ? 2.0 * h * h * sum : argument == LKI_ARGUMENT_ABSOLUTE ? h * sum : h * h * sum;
        }
    }
}

/* What squares curve by themselves: the sum of first derivatives by s times the second derivative of s along t. */
static void add_own_curvature(const lki_pair_part *part, const lki_pair_strip *s, int64_t lane, double first_sum, double *out)
{
    for (int64_t c = 0; c < part->width && lki_kernels[part->kernel].argument == LKI_ARGUMENT_SQUARE; c++) {
        const double t = s->t[(part->first + c) * s->lanes + lane];
        if (part->metric == NULL) {
            out[part->columns[c]] += first_sum * t;
        }
        for (int64_t k = 0; k < part->width && part->metric != NULL; k++) {
            out[part->columns[k]] += part->metric[c * part->width + k] * first_sum * t;
        }
    }
}

/* Derivatives of one row; `gradient` is room for d. */
static void finish_derivative(const pair_run *run, const lki_pair_strip *s, int64_t lane, double *gradient)
{
    const lki_pair *pair = run->job.pair;
    const lki_pair_request *r = run->job.request;
    const int64_t row = s->first_row + lane, d = pair->d;
    const bool curved = r->derivative == LKI_PAIR_CURVATURE;
    double *out = r->slope + row * d;
    memset(out, 0, (size_t)d * sizeof *out);
    memset(gradient, 0, (size_t)d * sizeof *gradient);
    for (int64_t f = 0; f < pair->parts; f++) {
        const lki_pair_part *part = &pair->part[f];
        unscale(part, s, lane, s->slope, r->x + row * d, curved ? LKI_PAIR_GRADIENT : r->derivative, gradient);
        if (curved) {
            unscale(part, s, lane, s->curve, r->x + row * d, LKI_PAIR_GRADIENT, out);
            add_own_curvature(part, s, lane, s->first_sum[f * s->lanes + lane], out);
        }
    }
    const double sum = r->reduction == LKI_PAIR_LOG_SUM ? s->sum[lane] : 1.0;
    double along = 0.0;
    for (int64_t c = 0; c < d && curved; c++) {
        along += gradient[c] / sum * r->direction[row * d + c];
    }
    for (int64_t c = 0; c < d; c++) {
        const double product = r->reduction == LKI_PAIR_LOG_SUM ? gradient[c] / sum * along : 0.0;
        out[c] = curved ? out[c] / sum - product : gradient[c] / sum;
    }
}

static void strip_finish(const pair_run *run, const lki_pair_strip *s, double *gradient)
{
    const lki_pair_request *r = run->job.request;
    for (int64_t i = 0; i < s->rows; i++) {
        const int64_t row = s->first_row + i;
        const double log_total = s->largest[i] > -(double)INFINITY ? s->largest[i] + log(s->sum[i]) : -(double)INFINITY;
        switch (r->reduction) {
        case LKI_PAIR_LOG_SUM:
            r->out[row] = log_total;
            break;
        case LKI_PAIR_MAX:
            r->out[row] = s->largest[i];
            if (r->index != NULL) {
                r->index[row] = s->best_index[i];
            }
            break;
        case LKI_PAIR_VALUES:
            break; /* written tile by tile */
        case LKI_PAIR_NEAREST:
            memcpy(r->out + row * r->nearest, s->best + i * r->nearest, (size_t)r->nearest * sizeof(double));
            if (r->index != NULL) {
                memcpy(r->index + row * r->nearest, s->best_index + i * r->nearest, (size_t)r->nearest * sizeof(int64_t));
            }
            break;
        default:
            for (int64_t k = 0; k < run->job.sides; k++) {
                const double value = s->values[k * s->lanes + i];
                r->out[row * run->job.sides + k] = r->reduction == LKI_PAIR_MEAN ? value / s->sum[i] : value;
            }
            if (r->reduction == LKI_PAIR_MEAN && r->log_sum != NULL) {
                r->log_sum[row] = log_total;
            }
            break;
        }
        if (r->derivative != LKI_PAIR_VALUE) {
            finish_derivative(run, s, i, gradient);
        }
    }
}

/* ---- tasks ---- */

static lk_status tiles_new(lk_context *ctx, const pair_run *run, lki_pair_tiles *tiles)
{
    const size_t size = (size_t)LKI_PAIR_TILE * (size_t)(3 * run->isa->lanes);
    const bool derivatives = run->job.request->derivative != LKI_PAIR_VALUE;
    const size_t factors = derivatives ? (size_t)run->job.pair->factors_most : 0;
    double *p;
    LKI_TRY(lki_allocate(ctx, lki_product(5 + 3 * factors, size), sizeof *p, &p));
    *tiles = (lki_pair_tiles){.total = p, .argument = p + size, .other = p + 2 * size, .along = p + 3 * size, .weight = p + 4 * size,
                              .first = p + 5 * size, .second = p + (5 + factors) * size, .ahead = p + (5 + 2 * factors) * size};
    return LK_OK;
}

static lk_status pair_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const pair_run *run = state;
    const int64_t first = index / run->ranges * run->task_rows, left = run->job.request->rows - first;
    const int64_t rows = left < run->task_rows ? left : run->task_rows, wide = 3 * run->isa->lanes;
    lki_pair_strip strips[STRIPS] = {0};
    lki_pair_tiles tiles = {0};
    double *gradient = NULL;
    int count = 0;
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, tiles_new(ctx, run, &tiles));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)run->job.pair->d, sizeof *gradient, &gradient));
    for (int64_t done_rows = 0; done_rows < rows;) {
        lki_pair_strip *s = &strips[count];
        s->vectors = rows - done_rows > run->isa->lanes ? 3 : 1;
        s->lanes = s->vectors * run->isa->lanes;
        LKI_GOTO(status, done, strip_new(ctx, run, s->lanes, s));
        count++;
        strip_load(run, s, first + done_rows, rows - done_rows);
        done_rows += s->vectors == 3 ? wide : run->isa->lanes;
    }
    const int64_t begin = index % run->ranges * run->range, end = begin + run->range;
    for (int64_t j = begin; j < run->job.pair->padded && j < end; j += LKI_PAIR_TILE) {
        if (j % (64 * LKI_PAIR_TILE) == 0) {
            LKI_GOTO(status, done, lki_cancelled(ctx));
        }
        for (int i = 0; i < count; i++) {
            run->isa->tile(&run->job, &strips[i], &tiles, j);
        }
    }
    for (int i = 0; i < count; i++) {
        strip_finish(run, &strips[i], gradient);
    }
done:
    for (int i = 0; i < STRIPS; i++) {
        lki_release(ctx, strips[i].x);
    }
    lki_release(ctx, tiles.total);
    lki_release(ctx, gradient);
    return status;
}

/* Right-hand sides and logarithms of weights as the tiles read them. */
static lk_status lay_out(lk_context *ctx, pair_run *run, double **v, double **log_weight)
{
    const lki_pair *pair = run->job.pair;
    const lki_pair_request *r = run->job.request;
    const bool logs = r->reduction == LKI_PAIR_LOG_SUM || r->reduction == LKI_PAIR_MEAN;
    const int64_t sides = r->v != NULL && r->sides > 1 ? r->sides : 1;
    run->job.sides = sides;
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)sides, (size_t)pair->padded), sizeof **v, v));
    for (int64_t j = 0; j < pair->m; j++) {
        for (int64_t k = 0; k < sides; k++) {
            (*v)[k * pair->padded + j] = r->v != NULL ? r->v[j * sides + k] : 1.0;
        }
    }
    if (logs) {
        LKI_TRY(lki_allocate(ctx, (size_t)pair->padded, sizeof **log_weight, log_weight));
        for (int64_t j = 0; j < pair->padded; j++) {
            (*log_weight)[j] = j >= pair->m ? -(double)INFINITY : r->weights != NULL ? log(r->weights[j]) : 0.0;
        }
    }
    run->job.v = *v;
    run->job.log_weight = *log_weight;
    return LK_OK;
}

lk_status lki_pair_run(lk_context *ctx, const lki_pair *pair, const lki_pair_request *request)
{
    pair_run run = {.job = {.pair = pair, .request = request}, .isa = lki_pair_best()};
    double *v = NULL, *log_weight = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_pair_check(ctx, pair, request));
    run.task_rows = STRIPS * 3 * run.isa->lanes;
    LKI_GOTO(status, done, lay_out(ctx, &run, &v, &log_weight));
    run.range = request->reduction == LKI_PAIR_VALUES ? RANGE : pair->padded;
    run.ranges = (pair->padded + run.range - 1) / run.range;
    LKI_GOTO(status, done, lki_parallel(ctx, (request->rows + run.task_rows - 1) / run.task_rows * run.ranges, pair_task, &run));
done:
    lki_release(ctx, v);
    lki_release(ctx, log_weight);
    return status;
}

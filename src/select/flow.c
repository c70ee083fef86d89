/* Particles that flow to a data set: gradient steps of the energy distance, whose kernel -|x - y| is a mean over directions of the same in one
 * dimension, where sums over all pairs are ranks (Hertrich, Wald, Altekrueger and Hagemann 2024); and, with observations held fixed, to posteriors
 * of linear inverse problems (Hagemann et al. 2024). */
#include "core/philox.h"
#include "core/reduce.h"
#include "data/order_statistics.h"
#include "select/slices.h"
#include <likely/select.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

enum { STEPS = 300, DIRECTIONS = 24, PARTICLES = 1000, MEASURED_DIRECTIONS = 200, BESIDE = 1000 };
/* Random streams of this file. */
enum { STREAM_DIRECTIONS = 1 << 19, STREAM_START, STREAM_NOISE, STREAM_ROWS, STREAM_MEASURE };
/* The first step, in standard deviations for a force of one, and what each velocity keeps of the last. Steps shrink to 0 along a line. */
#define FIRST_STEP 3.0
#define MOMENTUM 0.9

/* Where y is observed, both data and particles are pairs (x, y) of `width` numbers, of which the first d move. Particles up to `crowd` repel one
 * another; those behind are moved by the same field without a weight of their own, all with the y that is observed. */
typedef struct flow {
    lk_flow_options options;
    int64_t n, d, width, crowd, count, directions, steps;
    double *data, *particles, *velocity; /* n x width, count x width, count x d, in units of the scales */
    double *scale, *location;            /* width */
    double *direction;                   /* directions x width */
    double *force;                       /* directions x count */
    uint64_t seed;
} flow;

static lk_status check(lk_context *ctx, const lk_flow_options *given, int64_t rows, int64_t d, flow *f)
{
    lk_flow_options *o = &f->options;
    if (given != NULL) {
        if (given->size < offsetof(lk_flow_options, seed) + sizeof given->seed) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_flow_options.size is %zu; set it to sizeof(lk_flow_options)", given->size);
        }
        memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    }
    if (rows < 2 || d < 1) {
        return lki_fail(ctx, LK_ERROR_DATA, "%lld rows of %lld features; a flow needs at least two rows and one feature", (long long)rows, (long long)d);
    }
    if (o->particles < 0 || o->steps < 0 || o->directions < 0 || o->seed < 0 || o->particles > INT64_C(1) << 40) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "particles %lld, steps %lld, directions %lld, seed %lld: each must be at least 0",
                        (long long)o->particles, (long long)o->steps, (long long)o->directions, (long long)o->seed);
    }
    if ((o->observations > 0) != (o->matrix != NULL) || (o->observations > 0) != (o->observed != NULL) || o->observations < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld observations; they, their matrix and their values are given together", (long long)o->observations);
    }
    if (o->observations > 0 && !(o->noise > 0.0 && isfinite(o->noise))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the noise of the observations is %g; it must be above 0", o->noise);
    }
    for (int64_t i = 0; i < o->observations * d; i++) {
        if (!isfinite(o->matrix[i])) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "the matrix of the observations holds %g at row %lld, column %lld; it must be finite", o->matrix[i],
                            (long long)(i / d) + 1, (long long)(i % d) + 1);
        }
    }
    for (int64_t i = 0; i < o->observations; i++) {
        if (!isfinite(o->observed[i])) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "observation %lld is %g; it must be finite", (long long)i + 1, o->observed[i]);
        }
    }
    f->n = rows;
    f->d = d;
    f->width = d + o->observations;
    f->count = o->particles > 0 ? o->particles : rows < PARTICLES ? rows : PARTICLES;
    f->crowd = f->count;
    if (o->observations > 0) {
        f->crowd = rows > 2 * BESIDE ? 2 * BESIDE : rows;
        f->count += f->crowd;
    }
    f->steps = o->steps > 0 ? o->steps : STEPS;
    f->directions = o->directions > 0 ? o->directions : f->width > DIRECTIONS ? f->width : DIRECTIONS;
    f->seed = (uint64_t)o->seed;
    return LK_OK;
}

static lk_status make_room(lk_context *ctx, flow *f)
{
    const size_t width = (size_t)f->width, count = (size_t)f->count;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)f->n, width), sizeof(double), &f->data));
    LKI_TRY(lki_allocate(ctx, lki_product(count, width), sizeof(double), &f->particles));
    LKI_TRY(lki_zeros(ctx, lki_product(count, (size_t)f->d), sizeof(double), &f->velocity));
    LKI_TRY(lki_allocate(ctx, 2 * width, sizeof(double), &f->scale));
    f->location = f->scale + width;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)f->directions, width), sizeof(double), &f->direction));
    return lki_allocate(ctx, lki_product((size_t)f->directions, count), sizeof(double), &f->force);
}

/* The data with their simulated observations y = A x + noise, each coordinate in units of its standard deviation. */
static lk_status place_data(lk_context *ctx, flow *f, const double *x)
{
    const lk_flow_options *o = &f->options;
    for (int64_t i = 0; i < f->n; i++) {
        double *row = f->data + i * f->width;
        lki_stream s = lki_stream_new(f->seed, STREAM_NOISE, (uint64_t)i);
        for (int64_t j = 0; j < f->d; j++) {
            row[j] = x[i * f->d + j];
            if (!isfinite(row[j])) {
                return lki_fail(ctx, LK_ERROR_DATA, "row %lld, feature %lld is %s; a flow needs complete rows", (long long)i + 1, (long long)j + 1,
                                isnan(row[j]) ? "missing" : "infinite");
            }
        }
        for (int64_t r = 0; r < o->observations; r++) {
            double y = o->noise * lki_random_normal(&s);
            for (int64_t j = 0; j < f->d; j++) {
                y += o->matrix[r * f->d + j] * row[j];
            }
            row[f->d + r] = y;
        }
    }
    for (int64_t j = 0; j < f->width; j++) {
        double mean = 0.0, squares = 0.0;
        for (int64_t i = 0; i < f->n; i++) {
            mean += f->data[i * f->width + j] / (double)f->n;
        }
        for (int64_t i = 0; i < f->n; i++) {
            const double u = f->data[i * f->width + j] - mean;
            squares += u * u / (double)f->n;
        }
        f->location[j] = mean;
        f->scale[j] = squares > 0.0 && isfinite(squares) ? sqrt(squares) : 1.0;
        for (int64_t i = 0; i < f->n; i++) {
            f->data[i * f->width + j] = (f->data[i * f->width + j] - mean) / f->scale[j];
        }
    }
    return LK_OK;
}

/* Standard normal starts, or the caller's. The crowd's observations are those of rows chosen at random without repetition. */
static lk_status place_particles(lk_context *ctx, flow *f)
{
    const lk_flow_options *o = &f->options;
    int64_t *order;
    LKI_TRY(lki_allocate(ctx, (size_t)f->n, sizeof *order, &order));
    lki_stream shuffle = lki_stream_new(f->seed, STREAM_ROWS, 0);
    lki_random_permutation(&shuffle, order, f->n);
    for (int64_t i = 0; i < f->count; i++) {
        double *row = f->particles + i * f->width;
        const int64_t own = o->observations > 0 ? i - f->crowd : i;
        lki_stream s = lki_stream_new(f->seed, STREAM_START, (uint64_t)i);
        for (int64_t j = 0; j < f->d; j++) {
            row[j] = o->start != NULL && own >= 0 ? (o->start[own * f->d + j] - f->location[j]) / f->scale[j] : lki_random_normal(&s);
        }
        for (int64_t j = f->d; j < f->width; j++) {
            row[j] = own < 0 ? f->data[order[i] * f->width + j] : (o->observed[j - f->d] - f->location[j]) / f->scale[j];
        }
    }
    lki_release(ctx, order);
    for (int64_t i = 0; i < f->count * f->width; i++) {
        if (!isfinite(f->particles[i])) {
            return lki_fail(ctx, LK_ERROR_DATA, "particle %lld begins at a value that is missing or infinite", (long long)(i / f->width) + 1);
        }
    }
    return LK_OK;
}

static lk_status force_along(lk_context *ctx, void *state, int thread, int64_t p)
{
    const flow *f = state;
    (void)thread;
    return lki_sliced_force(ctx, f->direction + p * f->width, f->width, f->data, f->n, f->particles, f->crowd, f->count, f->force + p * f->count);
}

static lk_status step(lk_context *ctx, flow *f, int64_t t)
{
    const double length = FIRST_STEP * (1.0 - (double)t / (double)f->steps), share = lki_slice_constant(f->width) / (double)f->directions;
    for (int64_t p = 0; p < f->directions; p++) {
        lki_stream s = lki_stream_new(f->seed, STREAM_DIRECTIONS, (uint64_t)(t * f->directions + p));
        lki_slice_direction(&s, f->width, f->direction + p * f->width);
    }
    LKI_TRY(lki_parallel(ctx, f->directions, force_along, f));
    for (int64_t i = 0; i < f->count; i++) {
        double *v = f->velocity + i * f->d, *x = f->particles + i * f->width;
        for (int64_t j = 0; j < f->d; j++) {
            double sum = 0.0;
            for (int64_t p = 0; p < f->directions; p++) {
                sum += f->direction[p * f->width + j] * f->force[p * f->count + i];
            }
            v[j] = MOMENTUM * v[j] + (1.0 - MOMENTUM) * share * sum;
            x[j] -= length * v[j];
        }
    }
    return LK_OK;
}

/* Between the crowd and the data, and what as many independent rows would have on average: (1 / N + 1 / n) E |x - x'| about, of which the data's own part
 * is left out: they are the target as they stand. */
static lk_status measure(lk_context *ctx, const flow *f, double *energy, double *within)
{
    *energy = *within = 0.0;
    for (int64_t p = 0; p < MEASURED_DIRECTIONS; p++) {
        double value, own;
        double direction[LKI_SLICE_WIDTH], *xi = direction;
        lki_stream s = lki_stream_new(f->seed, STREAM_MEASURE, (uint64_t)p);
        if (f->width > LKI_SLICE_WIDTH) {
            LKI_TRY(lki_allocate(ctx, (size_t)f->width, sizeof *xi, &xi));
        }
        lki_slice_direction(&s, f->width, xi);
        const lk_status status = lki_sliced_energy(ctx, xi, f->width, f->data, f->n, f->particles, f->crowd, &value, &own);
        if (xi != direction) {
            lki_release(ctx, xi);
        }
        LKI_TRY(status);
        *energy += lki_slice_constant(f->width) * value / MEASURED_DIRECTIONS;
        *within += lki_slice_constant(f->width) * own / MEASURED_DIRECTIONS;
    }
    return LK_OK;
}

static lk_status run(lk_context *ctx, flow *f, const double *x, double *out, lk_flow_report *report)
{
    double within;
    lk_flow_report told = {0};
    LKI_TRY(make_room(ctx, f));
    LKI_TRY(place_data(ctx, f, x));
    LKI_TRY(place_particles(ctx, f));
    LKI_TRY(measure(ctx, f, &told.energy_start, &within));
    for (int64_t t = 0; t < f->steps; t++) {
        LKI_TRY(lki_cancelled(ctx));
        lki_progress(ctx, "flow", (double)t, (double)f->steps, "");
        LKI_TRY(step(ctx, f, t));
    }
    LKI_TRY(measure(ctx, f, &told.energy, &within));
    told.energy_independent = within / (double)f->crowd;
    const int64_t first = f->options.observations > 0 ? f->crowd : 0;
    for (int64_t i = first; i < f->count; i++) {
        for (int64_t j = 0; j < f->d; j++) {
            out[(i - first) * f->d + j] = f->location[j] + f->scale[j] * f->particles[i * f->width + j];
        }
    }
    if (report != NULL) {
        *report = told;
    }
    return LK_OK;
}

int64_t lk_flow_particles(const lk_flow_options *options, int64_t rows)
{
    return options != NULL && options->particles > 0 ? options->particles : rows < PARTICLES ? rows : PARTICLES;
}

lk_status lk_flow(lk_context *context, const double *x, int64_t rows, int64_t d, const lk_flow_options *options, double *out, lk_flow_report *report)
{
    flow f = {0};
    lki_begin(context);
    LKI_TRY(check(context, options, rows, d, &f));
    const lk_status status = run(context, &f, x, out, report);
    lki_release(context, f.data);
    lki_release(context, f.particles);
    lki_release(context, f.velocity);
    lki_release(context, f.scale);
    lki_release(context, f.direction);
    lki_release(context, f.force);
    return status;
}

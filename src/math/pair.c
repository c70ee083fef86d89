/* The pair engine's preparation of points and kernels: checks, centring, scaling, blocks. */
#include "elementary.h"
#include "pair_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

const lki_pair_isa *lki_pair_best(void)
{
#if defined(__x86_64__)
    static const lki_pair_isa *const tables[] = {&lki_pair_portable, &lki_pair_avx2, &lki_pair_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_pair_portable;
#endif
}

static lk_status check_factor(lk_context *ctx, const lki_pair_factor *f, int64_t d)
{
    const lki_kernel *kernel = &lki_kernels[f->kernel];
    const int64_t count = f->columns != NULL ? f->count : d;
    const double p = f->parameter != 0.0 ? f->parameter : kernel->usual;
    if (kernel->parameter != NULL && !(p >= kernel->low && p <= kernel->high && (f->kernel != LKI_KERNEL_polynomial || p == floor(p)))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s: %s is %g; it must be within [%g, %g]%s", kernel->name, kernel->parameter, p,
                        kernel->low, kernel->high, f->kernel == LKI_KERNEL_polynomial ? " and whole" : "");
    }
    for (int64_t c = 0; c < count; c++) {
        if (f->columns != NULL && (f->columns[c] < 0 || f->columns[c] >= d)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s: column %lld of %lld", kernel->name, (long long)f->columns[c], (long long)d);
        }
        if (f->bandwidth != NULL && !(f->bandwidth[c] > 0.0 && f->bandwidth[c] <= DBL_MAX)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s: bandwidth %lld is %g; it must be a positive number", kernel->name,
                            (long long)c + 1, f->bandwidth[c]);
        }
    }
    if (count < 1 || (f->bandwidth != NULL && f->metric != NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s: %s", kernel->name, count < 1 ? "no columns" : "a bandwidth beside a metric");
    }
    if ((f->bandwidth != NULL && kernel->argument == LKI_ARGUMENT_DIRECTION) ||
        (f->metric != NULL && kernel->argument != LKI_ARGUMENT_SQUARE)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel %s takes no %s", kernel->name, f->metric != NULL ? "metric" : "bandwidth");
    }
    return LK_OK;
}

/* |d log k / ds| at most; -1 = unbounded. */
static double slope_bound(const lki_pair_part *part)
{
    return part->kernel == LKI_KERNEL_student ? (part->p + 1.0) / (2.0 * part->p) : lki_kernels[part->kernel].slope;
}

static bool uses_products(const lki_pair_part *part)
{
    return lki_kernels[part->kernel].argument == LKI_ARGUMENT_SQUARE && part->width >= LKI_PAIR_PRODUCTS && part->slope >= 0.0;
}

static lk_status part_allocate(lk_context *ctx, const lki_pair *pair, lki_pair_part *part, const lki_pair_factor *f)
{
    const size_t width = (size_t)part->width, entries = lki_product((size_t)pair->padded, width);
    LKI_TRY(lki_allocate(ctx, width, sizeof(int64_t), &part->columns));
    LKI_TRY(lki_allocate(ctx, width, sizeof(double), &part->inverse));
    LKI_TRY(lki_allocate(ctx, width, sizeof(double), &part->centre));
    LKI_TRY(lki_zeros(ctx, entries, sizeof(double), &part->points));
    if (f->metric != NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product(width, width), sizeof(double), &part->metric));
        memcpy(part->metric, f->metric, width * width * sizeof(double));
    } else {
        LKI_TRY(lki_allocate(ctx, width, sizeof(double), &part->bandwidth));
    }
    if (uses_products(part)) {
        LKI_TRY(lki_zeros(ctx, entries, sizeof(double), &part->products));
        LKI_TRY(lki_zeros(ctx, (size_t)pair->padded, sizeof(double), &part->squares));
    }
    return LK_OK;
}

/* Columns, bandwidths and the centre of the points. */
static void part_describe(const lki_pair *pair, lki_pair_part *part, const lki_pair_factor *f, const double *y)
{
    part->uniform = true;
    for (int64_t c = 0; c < part->width; c++) {
        part->columns[c] = f->columns != NULL ? f->columns[c] : c;
        const double h = f->bandwidth != NULL ? f->bandwidth[c] : 1.0;
        if (part->bandwidth != NULL) {
            part->bandwidth[c] = h;
            part->uniform = part->uniform && h == part->bandwidth[0];
        }
        part->inverse[c] = 1.0 / h;
        double sum = 0.0;
        for (int64_t j = 0; j < pair->m; j++) {
            sum += y[j * pair->d + part->columns[c]] / (double)pair->m;
        }
        part->centre[c] = sum;
    }
    const lki_kernel_argument argument = lki_kernels[part->kernel].argument;
    if (argument == LKI_ARGUMENT_PRODUCT) {
        part->uniform = true; /* scaled once, on the side of the rows */
    }
    part->scale = argument == LKI_ARGUMENT_SQUARE     ? part->inverse[0] * part->inverse[0]
                  : argument == LKI_ARGUMENT_ABSOLUTE ? part->inverse[0]
                                                      : 1.0;
}

/* A row as the part's points stand, and, where `scaled` is not NULL, as its products stand. Both with stride. */
void lki_pair_row(const lki_pair_part *part, const double *row, double *as_points, double *scaled, int64_t stride)
{
    double length = 0.0;
    for (int64_t c = 0; c < part->width; c++) {
        length = hypot(length, row[part->columns[c]]);
    }
    for (int64_t c = 0; c < part->width; c++) {
        const double value = row[part->columns[c]];
        as_points[c * stride] = value;
        if (lki_kernels[part->kernel].argument == LKI_ARGUMENT_DIRECTION) {
            as_points[c * stride] = length > 0.0 ? value / length : 0.0;
        }
        if (part->metric != NULL) {
            double sum = 0.0;
            for (int64_t k = 0; k < part->width; k++) {
                sum += part->metric[c * part->width + k] * (row[part->columns[k]] - part->centre[k]);
            }
            as_points[c * stride] = sum;
        }
        if (scaled != NULL) {
            scaled[c * stride] = part->metric != NULL ? as_points[c * stride] : (value - part->centre[c]) * part->inverse[c];
        }
    }
}

static void part_points(const lki_pair *pair, lki_pair_part *part, const double *y)
{
    const int64_t block = lki_pair_best()->columns;
    for (int64_t j = 0; j < pair->m; j++) {
        const int64_t place = j / block * part->width * block + j % block;
        lki_pair_row(part, y + j * pair->d, part->points + place, part->products != NULL ? part->products + place : NULL, block);
        for (int64_t c = 0; c < part->width && part->products != NULL; c++) {
            const double u = part->products[place + c * block];
            part->squares[j] += u * u;
        }
        if (part->products != NULL && sqrt(part->squares[j]) > part->greatest) {
            part->greatest = sqrt(part->squares[j]);
        }
    }
}

static lk_status part_new(lk_context *ctx, lki_pair *pair, const lki_pair_factor *f, const double *y)
{
    LKI_TRY(check_factor(ctx, f, pair->d));
    const lki_kernel *kernel = &lki_kernels[f->kernel];
    lki_pair_part *part = &pair->part[pair->parts];
    part->kernel = f->kernel;
    part->p = kernel->parameter == NULL ? 0.0 : f->parameter != 0.0 ? f->parameter : kernel->usual;
    part->offset = f->offset;
    part->width = f->columns != NULL ? f->count : pair->d;
    part->first = pair->width;
    part->slope = slope_bound(part);
    pair->parts++;
    pair->width += part->width;
    LKI_TRY(part_allocate(ctx, pair, part, f));
    part_describe(pair, part, f, y);
    part_points(pair, part, y);
    return LK_OK;
}

void lki_pair_free(const lki_memory *memory, lki_pair *pair)
{
    if (pair == NULL) {
        return;
    }
    for (int64_t f = 0; f < pair->parts; f++) {
        lki_pair_part *p = &pair->part[f];
        void *const blocks[] = {p->columns, p->bandwidth, p->inverse, p->centre, p->metric, p->points, p->products, p->squares};
        for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
            lki_memory_release(memory, blocks[i]);
        }
    }
    lki_memory_release(memory, pair->part);
    lki_memory_release(memory, pair->starts);
    lki_memory_release(memory, pair->coefficients);
    lki_memory_release(memory, pair);
}

lk_status lki_pair_new(lk_context *ctx, const lki_pair_term *terms, int64_t count, const double *y, int64_t m, int64_t d,
                       lki_pair **out)
{
    lki_pair *pair = NULL;
    const lki_memory memory = lki_memory_of(ctx);
    const int64_t block = lki_pair_best()->columns;
    size_t parts = 0;
    lk_status status = LK_OK;
    for (int64_t k = 0; k < count; k++) {
        parts += (size_t)terms[k].count;
        if (terms[k].count < 1 || !isfinite(terms[k].coefficient)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "term %lld of a kernel has %s", (long long)k + 1,
                            terms[k].count < 1 ? "no factors" : "a coefficient that is not finite");
        }
    }
    if (count < 1 || m < 1 || d < 1) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s", count < 1 ? "a kernel without terms" : "no points to pair rows with");
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *pair, &pair));
    pair->memory = memory;
    pair->d = d;
    pair->m = m;
    pair->padded = (m + block - 1) / block * block;
    LKI_GOTO(status, done, lki_zeros(ctx, parts, sizeof *pair->part, &pair->part));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count + 1, sizeof(int64_t), &pair->starts));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)count, sizeof(double), &pair->coefficients));
    for (int64_t k = 0; k < count; k++) {
        pair->starts[k] = pair->parts;
        pair->coefficients[k] = terms[k].coefficient;
        pair->factors_most = terms[k].count > pair->factors_most ? terms[k].count : pair->factors_most;
        for (int64_t f = 0; f < terms[k].count; f++) {
            LKI_GOTO(status, done, part_new(ctx, pair, &terms[k].factors[f], y));
        }
        pair->terms++;
        pair->starts[k + 1] = pair->parts;
    }
    *out = pair;
    pair = NULL;
done:
    lki_pair_free(&memory, pair);
    return status;
}

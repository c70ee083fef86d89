/* Lloyd's iterations: passes over blocks of rows with Hamerly's bounds, and what becomes of empty centres. */
#include "elementary.h"
#include "lloyd.h"
#include <math.h>
#include <string.h>

/* Gaps between centres cost K^2 d a pass: up to so many. */
enum { GAPS_MOST = 4096 };

struct lki_kmeans {
    const lki_kmeans_rows *rows;
    const lki_kmeans_kernel *kernel;
    int64_t K;
    int threads;
    lki_kmeans_plan plan;
    double *memory;              /* what follows */
    double *theta, *origin, *shift, *half_gap, *before, *kept, *sums;
    double *scratch;             /* one a thread */
    size_t scratch_size;
    int32_t *labels;             /* a label a row, or LKI_BLOCK_ROWS a thread */
    double *upper, *lower;       /* rows; NULL = no bounds */
};

static const lki_kmeans_kernel *kernel_best(void)
{
#if defined(__x86_64__)
    static const lki_kmeans_kernel *const tables[] = {&lki_kmeans_kernel_portable, &lki_kmeans_kernel_avx2, &lki_kmeans_kernel_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_kmeans_kernel_portable;
#endif
}

lk_status lki_kmeans_new(lk_context *ctx, const lki_kmeans_rows *rows, int64_t K, bool bounds, lki_kmeans **out)
{
    const size_t k = (size_t)K, d = (size_t)rows->d, centres = lki_product(k, d + 1);
    lki_kmeans *km = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *km, &km));
    km->rows = rows;
    km->kernel = kernel_best();
    km->K = K;
    km->threads = lki_threads(ctx);
    LKI_GOTO(status, fail, lki_zeros(ctx, lki_product(6, centres) + d + 1, sizeof(double), &km->memory));
    km->theta = km->memory;
    km->before = km->theta + centres;
    km->kept = km->before + centres;
    km->sums = km->kept + centres; /* 1 + K (d + 1) */
    km->shift = km->sums + centres + 1;
    km->half_gap = km->shift + k;
    km->origin = km->shift + centres;
    km->scratch_size = km->kernel->scratch(rows->d);
    LKI_GOTO(status, fail, lki_allocate(ctx, lki_product(km->scratch_size, (size_t)km->threads), sizeof(double), &km->scratch));
    const int64_t padded = rows->blocks * LKI_BLOCK_ROWS;
    if (bounds && 20 * padded <= lki_memory_limit(ctx) / 4) {
        LKI_GOTO(status, fail, lki_allocate(ctx, (size_t)padded, 2 * sizeof(double), &km->upper));
        km->lower = km->upper + padded;
    }
    const int64_t labels = km->upper != NULL ? padded : (int64_t)km->threads * LKI_BLOCK_ROWS;
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)labels, sizeof(int32_t), &km->labels));
    km->plan = (lki_kmeans_plan){.K = K, .d = rows->d, .theta = km->theta, .origin = km->origin, .shift = km->shift,
                                 .half_gap = km->half_gap, .fresh = true};
    *out = km;
    return LK_OK;
fail:
    lki_kmeans_free(ctx, km);
    return status;
}

void lki_kmeans_free(lk_context *ctx, lki_kmeans *km)
{
    if (km != NULL) {
        lki_release(ctx, km->memory);
        lki_release(ctx, km->scratch);
        lki_release(ctx, km->labels);
        lki_release(ctx, km->upper);
        lki_release(ctx, km);
    }
}

static double square_distance(const double *a, const double *b, int64_t d)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    }
    return sum;
}

/* theta about the origin, which is the mean of the first centres that came in. */
static void prepare_theta(lki_kmeans *km, const double *centres)
{
    const int64_t K = km->K, d = km->rows->d;
    double reach = 0.0;
    for (int64_t k = 0; km->plan.fresh && k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            km->origin[j] = (k == 0 ? 0.0 : km->origin[j]) + centres[k * d + j] / (double)K;
        }
    }
    for (int64_t k = 0; k < K; k++) {
        double *theta = km->theta + k * (d + 1), square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            theta[j] = centres[k * d + j] - km->origin[j];
            square += theta[j] * theta[j];
        }
        theta[d] = 0.5 * square;
        reach = fmax(reach, sqrt(square));
    }
    km->plan.reach = reach * (1.0 + 1e-12);
    km->plan.centres = centres;
}

/* What the bounds need to know of the centres' moves and of how far apart they are. */
static void prepare_bounds(lki_kmeans *km, const double *centres)
{
    const int64_t K = km->K, d = km->rows->d;
    const double more = 1.0 + (double)(d + 8) * 0x1p-52;
    lki_kmeans_plan *p = &km->plan;
    p->most = p->next = 0.0;
    p->mover = -1;
    for (int64_t k = 0; k < K; k++) {
        const double shift = sqrt(square_distance(centres + k * d, km->before + k * d, d)) * more;
        km->shift[k] = shift;
        if (shift > p->most) {
            p->next = p->most;
            p->most = shift;
            p->mover = k;
        } else {
            p->next = fmax(p->next, shift);
        }
        km->half_gap[k] = K == 1 ? (double)INFINITY : 0.0;
    }
    if (K == 1 || K > GAPS_MOST) {
        return;
    }
    for (int64_t k = 0; k < K; k++) {
        km->half_gap[k] = (double)INFINITY;
        for (int64_t l = 0; l < K; l++) {
            const double square = l == k ? (double)INFINITY : square_distance(centres + k * d, centres + l * d, d);
            km->half_gap[k] = square < km->half_gap[k] ? square : km->half_gap[k];
        }
        km->half_gap[k] = 0.5 * sqrt(km->half_gap[k]) / more;
    }
}

static lk_status pass_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const lki_kmeans *km = state;
    const int64_t first = km->upper != NULL ? index * LKI_BLOCK_ROWS : thread * LKI_BLOCK_ROWS;
    lki_kmeans_block block;
    LKI_TRY(km->rows->block(ctx, km->rows->state, thread, index, &block));
    km->kernel->block(&km->plan, &block, km->labels + first, km->upper != NULL ? km->upper + first : NULL,
                      km->upper != NULL ? km->lower + first : NULL, km->scratch + (size_t)thread * km->scratch_size, sums);
    return LK_OK;
}

/* Labels of all rows to these centres, and the sums that are wanted. */
static lk_status label_rows(lk_context *ctx, lki_kmeans *km, const double *centres, bool inertia, bool means)
{
    const int64_t K = km->K, d = km->rows->d;
    prepare_theta(km, centres);
    if (km->upper != NULL && !km->plan.fresh) {
        prepare_bounds(km, centres);
    }
    km->plan.inertia = inertia;
    km->plan.sums = means;
    const lki_reduction pass = {.blocks = km->rows->blocks, .length = 1 + (size_t)(K * (d + 1)), .block = pass_block, .state = km,
                                .work = LKI_BLOCK_ROWS * (double)(K * d)};
    LKI_TRY(lki_reduce(ctx, &pass, km->sums));
    memcpy(km->before, centres, (size_t)(K * d) * sizeof(double));
    km->plan.fresh = false;
    return LK_OK;
}

lk_status lki_kmeans_pass(lk_context *ctx, lki_kmeans *km, double *centres, double *inertia, double *sizes)
{
    const int64_t K = km->K, d = km->rows->d;
    LKI_TRY(label_rows(ctx, km, centres, inertia != NULL, true));
    for (int64_t k = 0; k < K; k++) {
        const double *s = km->sums + 1 + k * (d + 1);
        sizes[k] = s[0];
        for (int64_t j = 0; s[0] > 0.0 && j < d; j++) {
            centres[k * d + j] = s[1 + j] / s[0];
        }
    }
    if (inertia != NULL) {
        *inertia = km->sums[0];
    }
    return LK_OK;
}

/* ---- the mean variance of a feature ---- */

typedef struct spread {
    const lki_kmeans_rows *rows;
    const double *origin;
} spread;

/* Sums: w, then w (x - o) and w (x - o)^2 of each feature. */
static lk_status spread_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const spread *s = state;
    const int64_t d = s->rows->d;
    lki_kmeans_block b;
    LKI_TRY(s->rows->block(ctx, s->rows->state, thread, index, &b));
    for (int64_t i = 0; i < b.rows; i++) {
        const double w = b.w != NULL ? b.w[i * b.weight_stride] : 1.0;
        sums[0] += w;
        for (int64_t j = 0; w > 0.0 && j < d; j++) {
            const double u = b.x[i * b.stride + j] - s->origin[j];
            sums[1 + j] += w * u;
            sums[1 + d + j] += w * u * u;
        }
    }
    return LK_OK;
}

static lk_status mean_variance(lk_context *ctx, const lki_kmeans_rows *rows, const double *origin, double *out)
{
    const int64_t d = rows->d;
    spread s = {rows, origin};
    double *sums;
    LKI_TRY(lki_allocate(ctx, (size_t)(1 + 2 * d), sizeof(double), &sums));
    const lki_reduction r = {.blocks = rows->blocks, .length = (size_t)(1 + 2 * d), .block = spread_block, .state = &s};
    const lk_status status = lki_reduce(ctx, &r, sums);
    *out = 0.0;
    for (int64_t j = 0; status == LK_OK && sums[0] > 0.0 && j < d; j++) {
        const double mean = sums[1 + j] / sums[0];
        *out += fmax(0.0, sums[1 + d + j] / sums[0] - mean * mean) / (double)d;
    }
    lki_release(ctx, sums);
    return status;
}

/* ---- empty centres ---- */

typedef struct farthest {
    const lki_kmeans *km;
    const double *centres;
} farthest;

/* Sums: the greatest square of a row's distance to its nearest centre, and 1 + the row's number. */
static lk_status farthest_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const farthest *f = state;
    const int64_t d = f->km->rows->d;
    lki_kmeans_block b;
    LKI_TRY(f->km->rows->block(ctx, f->km->rows->state, thread, index, &b));
    for (int64_t i = 0; i < b.rows; i++) {
        double least = (double)INFINITY;
        for (int64_t k = 0; k < f->km->K; k++) {
            least = fmin(least, square_distance(b.x + i * b.stride, f->centres + k * d, d));
        }
        if ((b.w == NULL || b.w[i * b.weight_stride] > 0.0) && least > sums[0]) {
            sums[0] = least;
            sums[1] = (double)(index * LKI_BLOCK_ROWS + i + 1);
        }
    }
    return LK_OK;
}

static void farther(void *state, double *left, const double *right)
{
    (void)state;
    if (right[0] > left[0]) {
        left[0] = right[0];
        left[1] = right[1];
    }
}

/* Each empty centre, one after the other, to the row that is then farthest from all; it stays where every row stands on a centre. */
static lk_status fill_empty(lk_context *ctx, lki_kmeans *km, double *centres, const double *sizes, int64_t *moved)
{
    const int64_t d = km->rows->d;
    for (int64_t k = 0; k < km->K; k++) {
        double found[2];
        lki_kmeans_block b;
        if (sizes[k] > 0.0) {
            continue;
        }
        farthest f = {km, centres};
        const lki_reduction r = {.blocks = km->rows->blocks, .length = 2, .block = farthest_block, .combine = farther, .state = &f};
        LKI_TRY(lki_reduce(ctx, &r, found));
        if (!(found[0] > 0.0)) {
            break;
        }
        const int64_t row = (int64_t)found[1] - 1;
        LKI_TRY(km->rows->block(ctx, km->rows->state, 0, row / LKI_BLOCK_ROWS, &b));
        memcpy(centres + k * d, b.x + row % LKI_BLOCK_ROWS * b.stride, (size_t)d * sizeof(double));
        ++*moved;
    }
    return LK_OK;
}

/* ---- until it converges ---- */

lk_status lki_kmeans_lloyd(lk_context *ctx, lki_kmeans *km, lki_kmeans_run *run, double *centres, double *sizes)
{
    const int64_t K = km->K, d = km->rows->d;
    double variance;
    LKI_TRY(mean_variance(ctx, km->rows, centres, &variance));
    run->converged = false;
    run->moved = 0;
    for (run->iterations = 0; run->iterations < run->max_iter && !run->converged; run->iterations++) {
        LKI_TRY(lki_cancelled(ctx));
        lki_progress(ctx, "k-means", (double)run->iterations, (double)run->max_iter, "");
        memcpy(km->kept, centres, (size_t)(K * d) * sizeof(double));
        LKI_TRY(lki_kmeans_pass(ctx, km, centres, NULL, sizes));
        LKI_TRY(fill_empty(ctx, km, centres, sizes, &run->moved));
        double moves = 0.0;
        for (int64_t k = 0; k < K; k++) {
            moves += square_distance(centres + k * d, km->kept + k * d, d);
        }
        run->converged = moves <= run->tol * variance;
    }
    LKI_TRY(label_rows(ctx, km, centres, true, false));
    for (int64_t k = 0; k < K; k++) {
        sizes[k] = km->sums[1 + k * (d + 1)];
    }
    run->inertia = km->sums[0];
    return LK_OK;
}

/* ---- mini-batches ---- */

/* The rows of one epoch's blocks first..., as rows of their own. */
typedef struct batch {
    const lki_kmeans_rows *rows;
    const int64_t *order;
} batch;

static lk_status batch_block(lk_context *ctx, void *state, int thread, int64_t b, lki_kmeans_block *out)
{
    const batch *s = state;
    return s->rows->block(ctx, s->rows->state, thread, s->order[b], out);
}

lk_status lki_kmeans_batches(lk_context *ctx, const lki_kmeans_rows *rows, int64_t K, int64_t size, uint64_t seed, lki_kmeans_run *run,
                             double *centres, double *sizes)
{
    const int64_t d = rows->d, blocks = rows->blocks, step = (size + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS;
    batch state = {rows, NULL};
    lki_kmeans_rows some = {.rows = rows->rows, .blocks = step < blocks ? step : blocks, .d = d, .block = batch_block, .state = &state};
    lki_kmeans *km = NULL, *all = NULL;
    int64_t *order = NULL;
    double *given = NULL, *before = NULL, variance;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_kmeans_new(ctx, &some, K, false, &km));
    LKI_GOTO(status, done, lki_kmeans_new(ctx, rows, K, false, &all));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)blocks, sizeof *order, &order));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)K, sizeof(double), &given));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)K, (size_t)d * sizeof(double), &before));
    LKI_GOTO(status, done, mean_variance(ctx, rows, centres, &variance));
    run->converged = false;
    run->moved = 0;
    for (run->iterations = 0; run->iterations < run->max_iter && !run->converged; run->iterations++) {
        lki_stream stream = lki_stream_new(seed, LKI_STREAM_START, ((uint64_t)1 << 41) + (uint64_t)run->iterations);
        lki_random_permutation(&stream, order, blocks);
        memcpy(before, centres, (size_t)(K * d) * sizeof(double));
        for (int64_t b = 0; b < blocks; b += step) {
            LKI_GOTO(status, done, lki_cancelled(ctx));
            some.blocks = step < blocks - b ? step : blocks - b;
            state.order = order + b;
            LKI_GOTO(status, done, label_rows(ctx, km, centres, false, true));
            for (int64_t k = 0; k < K; k++) { /* c += (sum of x - n c) / all it was given */
                const double *s = km->sums + 1 + k * (d + 1);
                given[k] += s[0];
                for (int64_t j = 0; s[0] > 0.0 && j < d; j++) {
                    centres[k * d + j] += (s[1 + j] - s[0] * centres[k * d + j]) / given[k];
                }
            }
        }
        double moves = 0.0;
        for (int64_t k = 0; k < K; k++) {
            moves += square_distance(centres + k * d, before + k * d, d);
        }
        run->converged = moves <= run->tol * variance;
    }
    LKI_GOTO(status, done, label_rows(ctx, all, centres, true, false));
    for (int64_t k = 0; k < K; k++) {
        sizes[k] = all->sums[1 + k * (d + 1)];
    }
    run->inertia = all->sums[0];
done:
    lki_kmeans_free(ctx, km);
    lki_kmeans_free(ctx, all);
    lki_release(ctx, order);
    lki_release(ctx, given);
    lki_release(ctx, before);
    return status;
}

/* The fused E-step and M-step of a Gaussian mixture over one block of rows; compiled once for each instruction set.
 *
 * Rows are laid out in strips of TR = 3 vectors, one feature a line, so that every lane is a row: forming phi, the products, exp and
 * the sums over components then never cross lanes, and a row's result cannot depend on its neighbours. The E-step is the product
 * logits = Theta phi (register tiles of KT components x 3 vectors), the M-step the product R phi' (tiles of MK components x MP
 * terms, summed over the lanes at the end of each group of strips). The group's phi and R stay in the second-level cache.
 * Against the same two products through DGEMM on separately formed phi: see bench/bench_em.c. */
#include "gaps.h"
#include "kernel.h"
#include "math/vector.h"
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define VL LKI_VL
#define TRV 3
#define TR (TRV * VL) /* rows of a strip */
#if VL == 8
enum { KT = 8, MK = 4, MP = 6 }; /* register tiles for 32 vector registers */
#else
enum { KT = 4, MK = 2, MP = 4 }; /* and for 16 */
#endif
/* Bytes of phi and responsibilities of one group of strips: about half of a second-level cache of 1 MB. */
enum { GROUP_BYTES = 640 * 1024 };

static int64_t round_up(int64_t n, int64_t step)
{
    return (n + step - 1) / step * step;
}

/* ---- sums over lanes ---- */

/* The lane sums of VL vectors as one vector: each step adds neighbours and halves the vectors. */
INLINE lki_vd transpose_sum(const lki_vd *a)
{
#if VL == 8
    lki_vd t[4], u[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        u[i] = __builtin_shufflevector(t[2 * i], t[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               __builtin_shufflevector(t[2 * i], t[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    return __builtin_shufflevector(u[0], u[1], 0, 1, 2, 3, 8, 9, 10, 11) +
           __builtin_shufflevector(u[0], u[1], 4, 5, 6, 7, 12, 13, 14, 15);
#elif VL == 4
    lki_vd t[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        t[i] = __builtin_shufflevector(a[2 * i], a[2 * i + 1], 0, 4, 2, 6) +
               __builtin_shufflevector(a[2 * i], a[2 * i + 1], 1, 5, 3, 7);
    }
    return __builtin_shufflevector(t[0], t[1], 0, 1, 4, 5) + __builtin_shufflevector(t[0], t[1], 2, 3, 6, 7);
#else
    return __builtin_shufflevector(a[0], a[1], 0, 2) + __builtin_shufflevector(a[0], a[1], 1, 3);
#endif
}

/* ---- register tiles ---- */

/* out[k] (+)= sum_p theta[p][k] phi[p], k < kt: kt x 3 accumulators. */
INLINE void tile_product(const int kt, int64_t terms, const double *restrict theta, const double *restrict phi, lki_vd acc[KT][TRV])
{
#pragma GCC unroll 8
    for (int k = 0; k < kt; k++) {
#pragma GCC unroll 3
        for (int v = 0; v < TRV; v++) {
            acc[k][v] = lki_vset1(0.0);
        }
    }
    for (int64_t p = 0; p < terms; p++) { /* hot: kt x 3 multiply-adds for kt + 3 loads */
        const lki_vd f0 = lki_vload(phi + p * TR), f1 = lki_vload(phi + p * TR + VL), f2 = lki_vload(phi + p * TR + 2 * VL);
#pragma GCC unroll 8
        for (int k = 0; k < kt; k++) {
            const lki_vd t = lki_vset1(theta[p * kt + k]);
            acc[k][0] = lki_vfma(t, f0, acc[k][0]);
            acc[k][1] = lki_vfma(t, f1, acc[k][1]);
            acc[k][2] = lki_vfma(t, f2, acc[k][2]);
        }
    }
}

INLINE void product_store(const int kt, int64_t terms, const double *theta, const double *phi, double *out)
{
    lki_vd acc[KT][TRV];
    tile_product(kt, terms, theta, phi, acc);
#pragma GCC unroll 8
    for (int k = 0; k < kt; k++) {
#pragma GCC unroll 3
        for (int v = 0; v < TRV; v++) {
            lki_vstore(out + k * TR + v * VL, acc[k][v]);
        }
    }
}

/* q += |theta phi|^2 over kt outputs. */
INLINE void product_square(const int kt, int64_t terms, const double *theta, const double *phi, lki_vd q[TRV])
{
    lki_vd acc[KT][TRV];
    tile_product(kt, terms, theta, phi, acc);
#pragma GCC unroll 8
    for (int k = 0; k < kt; k++) {
#pragma GCC unroll 3
        for (int v = 0; v < TRV; v++) {
            q[v] = lki_vfma(acc[k][v], acc[k][v], q[v]);
        }
    }
}

/* The largest tile width that fits into what is left: KT, then 4, 2, 1. */
static int tile_width(int64_t left)
{
    return left >= KT ? KT : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* out (mk x MP sums, added to target[k * target_stride + p] for p < width) = sum over strips and lanes of a[k] b[p]. */
INLINE void tile_dot(const int mk, int64_t strips, const double *restrict a, int64_t a_step, const double *restrict b,
                     int64_t b_step, int64_t width, double *restrict target, int64_t target_stride)
{
    lki_vd acc[MK * MP];
#pragma GCC unroll 24
    for (int i = 0; i < mk * MP; i++) {
        acc[i] = lki_vset1(0.0);
    }
    for (int64_t s = 0; s < strips; s++) { /* hot: mk x MP multiply-adds for mk + MP loads */
        const double *as = a + s * a_step, *bs = b + s * b_step;
#pragma GCC unroll 3
        for (int v = 0; v < TRV; v++) {
            lki_vd av[MK];
#pragma GCC unroll 4
            for (int k = 0; k < mk; k++) {
                av[k] = lki_vload(as + k * TR + v * VL);
            }
#pragma GCC unroll 6
            for (int p = 0; p < MP; p++) {
                const lki_vd bv = lki_vload(bs + p * TR + v * VL);
#pragma GCC unroll 4
                for (int k = 0; k < mk; k++) {
                    acc[k * MP + p] = lki_vfma(av[k], bv, acc[k * MP + p]);
                }
            }
        }
    }
    double sums[MK * MP];
#pragma GCC unroll 24
    for (int i = 0; i + VL <= mk * MP; i += VL) {
        lki_vstore(sums + i, transpose_sum(acc + i));
    }
#pragma GCC unroll 8
    for (int i = mk * MP / VL * VL; i < mk * MP; i++) {
        sums[i] = lki_vsum(acc[i]);
    }
    for (int k = 0; k < mk; k++) {
        for (int64_t p = 0; p < width; p++) {
            target[k * target_stride + p] += sums[k * MP + p];
        }
    }
}

static void dot(int mk, int64_t strips, const double *a, int64_t a_step, const double *b, int64_t b_step, int64_t width,
                double *target, int64_t target_stride)
{
    switch (mk) {
#if VL == 8
    case 4:
        tile_dot(4, strips, a, a_step, b, b_step, width, target, target_stride);
        break;
#endif
    case 2:
        tile_dot(2, strips, a, a_step, b, b_step, width, target, target_stride);
        break;
    default:
        tile_dot(1, strips, a, a_step, b, b_step, width, target, target_stride);
        break;
    }
}

static int dot_width(int64_t left)
{
    return left >= MK ? MK : left >= 2 ? 2 : 1;
}

/* ---- packing ---- */

static int64_t groups_of(const lki_mixture_plan *plan)
{
    return plan->K + plan->noise;
}

static int uses_triangle(const lki_mixture_plan *plan)
{
    return plan->form == LKI_FORM_TIED || (plan->form == LKI_FORM_FULL && plan->factored);
}

static int64_t triangles(const lki_mixture_plan *plan)
{
    return plan->form == LKI_FORM_TIED ? 1 : plan->K;
}

/* Doubles of one packed lower triangle: each tile of rows i0 .. i0 + kt - 1 holds columns 0 .. i0 + kt - 1. */
static int64_t triangle_length(int64_t d)
{
    int64_t length = 0;
    for (int64_t i = 0; i < d;) {
        const int kt = tile_width(d - i);
        length += (i + kt) * kt;
        i += kt;
    }
    return length;
}

/* Dense covariances and gaps: the components side by side, behind the triangles. */
static int64_t gaps_table_length(const lki_mixture_plan *plan)
{
    return plan->gaps && uses_triangle(plan) ? (plan->d + 1) * plan->d * lki_gaps_width(plan->K) : 0;
}

static double *gaps_table(const lki_mixture_plan *plan)
{
    return plan->packed + round_up(triangles(plan) * triangle_length(plan->d), LKI_GAPS_LANES);
}

static size_t packed_length(const lki_mixture_plan *plan)
{
    int64_t length = uses_triangle(plan) ? triangles(plan) * triangle_length(plan->d) : 0;
    if (!plan->factored) {
        length += plan->K * plan->terms;
    }
    return (size_t)(round_up(length, LKI_GAPS_LANES) + gaps_table_length(plan)) + 8;
}

/* rows x columns (row-major, `stride`) into tiles: within a tile, column by column. */
static double *pack_tile(int kt, int64_t columns, const double *rows, int64_t stride, double *out)
{
    for (int64_t p = 0; p < columns; p++) {
        for (int k = 0; k < kt; k++) {
            *out++ = rows[k * stride + p];
        }
    }
    return out;
}

static void pack(lki_mixture_plan *plan)
{
    double *out = plan->packed;
    if (!plan->factored) {
        for (int64_t k = 0; k < plan->K;) {
            const int kt = tile_width(plan->K - k);
            out = pack_tile(kt, plan->terms, plan->theta + k * plan->terms, plan->terms, out);
            k += kt;
        }
    }
    if (uses_triangle(plan)) {
        const int64_t d = plan->d;
        for (int64_t t = 0; t < triangles(plan); t++) {
            for (int64_t i = 0; i < d;) {
                const int kt = tile_width(d - i);
                out = pack_tile(kt, i + kt, plan->W + (t * d + i) * d, d, out);
                i += kt;
            }
        }
    }
    if (gaps_table_length(plan) > 0) {
        LKI_ISA_NAME(lki_gaps_pack)(plan, gaps_table(plan));
    }
}

/* ---- scratch of a thread ---- */

typedef struct layout {
    int64_t strips;   /* of a group */
    int64_t phi_step; /* doubles between the phi (or centred rows) of two strips */
    int64_t r_step;   /* doubles between the responsibilities of two strips */
    double *z;        /* factored: strips x d x TR standardized rows */
    double *phi;      /* expanded: strips x terms; factored: centred rows of one component */
    double *r;        /* strips x groups x TR logits, then responsibilities */
    double *a;        /* factored: weighted centred rows of one component */
    double *fill;     /* gaps: strips x K x (TR d) conditional means */
    double *term;     /* gaps: K x TR */
    double *pairs;    /* gaps: d (d + 1) / 2 x width sums of conditional covariances */
    double *work;     /* gaps: lki_gaps_work(d) */
    int32_t *gaps;    /* gaps: strips x TR (1 + d) counts and indices */
} layout;

/* Bytes of the conditional means of one group of strips. */
enum { FILL_BYTES = 1024 * 1024 };

static int64_t group_strips(const lki_mixture_plan *plan, int64_t line)
{
    const int64_t strip_bytes = line * TR * (int64_t)sizeof(double), whole = (1024 + TR - 1) / TR;
    const int64_t fill = plan->gaps ? FILL_BYTES / (plan->K * plan->d * TR * (int64_t)sizeof(double)) : whole;
    const int64_t fit = fill < GROUP_BYTES / strip_bytes ? fill : GROUP_BYTES / strip_bytes;
    if (fit >= whole) {
        return whole;
    }
    return fit < 4 ? 4 : whole / ((whole + fit - 1) / fit) + (whole % ((whole + fit - 1) / fit) != 0);
}

/* For the sums of blocks of so many rows; without sums (0) each strip is done with at once. */
static layout layout_of(const lki_mixture_plan *plan, int64_t rows, double *scratch)
{
    layout l;
    const int64_t lines = round_up(plan->factored ? plan->d : plan->terms, MP) + MP;
    l.phi_step = lines * TR;
    l.r_step = groups_of(plan) * TR;
    l.strips = group_strips(plan, plan->factored ? 3 * lines + groups_of(plan) : lines + groups_of(plan));
    if (l.strips * TR > rows) {
        l.strips = rows <= TR ? 1 : (rows + TR - 1) / TR;
    }
    l.phi = scratch;
    l.r = l.phi + l.strips * l.phi_step;
    l.z = l.r + l.strips * l.r_step;
    l.a = l.z + l.strips * l.phi_step;
    l.fill = l.a + l.strips * l.phi_step;
    l.term = l.fill + l.strips * plan->K * TR * plan->d;
    l.pairs = l.term + plan->K * TR;
    l.work = l.pairs + plan->d * (plan->d + 1) / 2 * lki_gaps_width(plan->K);
    l.gaps = (int32_t *)(void *)(l.work + lki_gaps_work(plan->d));
    return l;
}

static lki_gaps gaps_of(const lki_mixture_plan *plan, const layout *l, int64_t strip)
{
    int32_t *counts = l->gaps + strip * TR * (1 + plan->d);
    lki_gaps gaps = {.count = counts, .index = counts + TR, .lanes = TR};
    for (int i = 0; plan->gaps && i < TR; i++) {
        gaps.total += counts[i];
    }
    return gaps;
}

static size_t scratch_length(const lki_mixture_plan *plan, int64_t rows)
{
    const layout l = layout_of(plan, rows, NULL);
    const int64_t d = plan->d;
    const int64_t gaps = !plan->gaps ? 0
                                     : lki_gaps_work(d) + plan->K * TR + d * (d + 1) / 2 * lki_gaps_width(plan->K) +
                                           l.strips * TR * (plan->K * d + (1 + d)); /* an int32 takes less than a double */
    return (size_t)(l.strips * (l.r_step + l.phi_step * (plan->factored ? 3 : 2)) + gaps);
}

/* ---- rows to strips ---- */

/* z (d x TR) = standardized rows of one strip; lanes beyond `rows` are zero, so that no overflow there meets their weight 0. */
static void load_strip(const lki_mixture_plan *plan, const double *x, int64_t rows, double *z)
{
    const int64_t d = plan->d;
    for (int64_t j = 0; rows < TR && j < d; j++) {
        for (int64_t i = rows; i < TR; i++) {
            z[j * TR + i] = plan->centre == NULL ? 0.0 : plan->centre[j];
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t j = 0; j < d; j++) {
            z[j * TR + i] = x[i * d + j];
        }
    }
    if (plan->centre == NULL) {
        return;
    }
    for (int64_t j = 0; j < d; j++) {
        const lki_vd c = lki_vset1(plan->centre[j]), s = lki_vset1(plan->scale[j]);
        for (int v = 0; v < TRV; v++) {
            lki_vstore(z + j * TR + v * VL, (lki_vload(z + j * TR + v * VL) - c) * s);
        }
    }
}

/* q = |W z|^2 with a packed triangle. */
static void triangle_square(int64_t d, const double *packed, const double *z, double *q)
{
    lki_vd sum[TRV] = {lki_vset1(0.0), lki_vset1(0.0), lki_vset1(0.0)};
    for (int64_t i = 0; i < d;) {
        const int kt = tile_width(d - i);
        switch (kt) {
#if VL == 8
        case 8:
            product_square(8, i + 8, packed, z, sum);
            break;
#endif
        case 4:
            product_square(4, i + 4, packed, z, sum);
            break;
        case 2:
            product_square(2, i + 2, packed, z, sum);
            break;
        default:
            product_square(1, i + 1, packed, z, sum);
            break;
        }
        packed += (i + kt) * kt;
        i += kt;
    }
    for (int v = 0; v < TRV; v++) {
        lki_vstore(q + v * VL, sum[v]);
    }
}

/* phi from the strip of rows that stands at its lines 1 .. d. Lines beyond the last term, up to a multiple of MP, are zero. */
static void form_phi(const lki_mixture_plan *plan, double *phi)
{
    const int64_t d = plan->d, terms = plan->terms;
    const double *z = phi + TR;
    double *out = phi + (1 + d) * TR;
    for (int i = 0; i < TR; i++) {
        phi[i] = 1.0;
    }
    if (plan->form == LKI_FORM_FULL) {
        for (int64_t i = 0; i < d; i++) {
            const lki_vd a0 = lki_vload(z + i * TR), a1 = lki_vload(z + i * TR + VL), a2 = lki_vload(z + i * TR + 2 * VL);
            for (int64_t j = i; j < d; j++, out += TR) {
                lki_vstore(out, a0 * lki_vload(z + j * TR));
                lki_vstore(out + VL, a1 * lki_vload(z + j * TR + VL));
                lki_vstore(out + 2 * VL, a2 * lki_vload(z + j * TR + 2 * VL));
            }
        }
    } else if (plan->form == LKI_FORM_DIAG) {
        for (int64_t j = 0; j < d * TR; j += VL) {
            const lki_vd a = lki_vload(z + j);
            lki_vstore(out + j, a * a);
        }
    } else if (plan->form == LKI_FORM_SPHERICAL) {
        for (int v = 0; v < TRV; v++) {
            lki_vd q = lki_vset1(0.0);
            for (int64_t j = 0; j < d; j++) {
                const lki_vd a = lki_vload(z + j * TR + v * VL);
                q = lki_vfma(a, a, q);
            }
            lki_vstore(out + v * VL, q);
        }
    } else if (plan->form == LKI_FORM_TIED) {
        triangle_square(d, plan->packed + plan->K * terms, z, out);
    }
    memset(phi + terms * TR, 0, (size_t)((round_up(terms, MP) - terms) * TR) * sizeof(double));
}

/* ---- logits of one strip ---- */

static void expanded_logits(const lki_mixture_plan *plan, const double *phi, double *logits)
{
    const double *theta = plan->packed;
    for (int64_t k = 0; k < plan->K;) {
        const int kt = tile_width(plan->K - k);
        switch (kt) {
#if VL == 8
        case 8:
            product_store(8, plan->terms, theta, phi, logits + k * TR);
            break;
#endif
        case 4:
            product_store(4, plan->terms, theta, phi, logits + k * TR);
            break;
        case 2:
            product_store(2, plan->terms, theta, phi, logits + k * TR);
            break;
        default:
            product_store(1, plan->terms, theta, phi, logits + k * TR);
            break;
        }
        theta += plan->terms * kt;
        k += kt;
    }
}

/* out = z - mean, d lines. */
static void centre_strip(int64_t d, const double *z, const double *mean, double *out)
{
    for (int64_t j = 0; j < d; j++) {
        const lki_vd m = lki_vset1(mean[j]);
        for (int v = 0; v < TRV; v++) {
            lki_vstore(out + j * TR + v * VL, lki_vload(z + j * TR + v * VL) - m);
        }
    }
}

/* |W x|^2 of centred rows with a diagonal W. */
static void diagonal_square(const lki_mixture_plan *plan, int64_t k, const double *centred, double *q)
{
    const int64_t d = plan->d;
    for (int v = 0; v < TRV; v++) {
        lki_vd sum = lki_vset1(0.0);
        for (int64_t j = 0; j < d; j++) {
            const double w = plan->form == LKI_FORM_DIAG ? plan->W[k * d + j] : plan->W[k];
            const lki_vd a = lki_vload(centred + j * TR + v * VL) * lki_vset1(w);
            sum = lki_vfma(a, a, sum);
        }
        lki_vstore(q + v * VL, sum);
    }
}

static void factored_logits(const lki_mixture_plan *plan, const layout *l, int64_t strip, double *logits)
{
    const int64_t d = plan->d, K = plan->K;
    const int64_t triangle = uses_triangle(plan) ? triangle_length(d) : 0;
    const lki_gaps gaps = gaps_of(plan, l, strip);
    const double *z = l->z + strip * l->phi_step;
    double *centred = l->phi;
    for (int64_t k = 0; k < K; k++) {
        double *q = logits + k * TR;
        centre_strip(d, z, plan->means + k * d, centred);
        if (gaps.total > 0) {
            lki_gaps_clear(&gaps, d, centred);
        }
        if (uses_triangle(plan)) {
            triangle_square(d, plan->packed + (plan->form == LKI_FORM_TIED ? 0 : k * triangle), centred, q);
        } else {
            diagonal_square(plan, k, centred, q);
        }
    }
    if (plan->gaps) {
        memset(l->term, 0, (size_t)(K * TR) * sizeof(double));
    }
    if (gaps.total > 0 && uses_triangle(plan)) {
        LKI_ISA_NAME(lki_gaps_close)(&gaps, plan, gaps_table(plan), z, logits, l->term, l->fill + strip * K * TR * d, TR * d, l->work);
    } else if (gaps.total > 0) {
        for (int64_t k = 0; k < K; k++) {
            lki_gaps_close_diagonal(&gaps, plan, k, l->term + k * TR);
        }
    }
    for (int64_t k = 0; k < K; k++) {
        for (int v = 0; v < TRV; v++) { /* overflow in W (x - mean) can leave inf - inf: the maximum takes it for infinitely far */
            double *q = logits + k * TR + v * VL;
            const lki_vd term = plan->gaps ? lki_vload(l->term + k * TR + v * VL) : lki_vset1(0.0);
            const lki_vd logit = lki_vfma(lki_vset1(-0.5), lki_vload(q), lki_vset1(plan->log_c[k]) + term);
            lki_vstore(q, lki_vmax(logit, lki_vset1(-1e300)));
        }
    }
}

/* log weight - sum_j log range_j over the features that a row has, where all of these lie within the box. gaps NULL = none. */
static void noise_logits(const lki_mixture_plan *plan, const lki_gaps *gaps, const double *z, double *logits)
{
    double volume = plan->log_noise;
    for (int64_t j = 0; j < plan->d; j++) {
        volume -= plan->log_range[j];
    }
    for (int i = 0; i < TR; i++) {
        logits[i] = volume;
    }
    for (int64_t j = 0; j < plan->d; j++) {
        const double low = plan->low[j], high = plan->high[j], *line = z + j * TR;
        for (int i = 0; i < TR; i++) {
            logits[i] = line[i] >= low && line[i] <= high ? logits[i] : -1e300;
        }
    }
    for (int i = 0; gaps != NULL && gaps->total > 0 && i < TR; i++) {
        const int32_t *missing = gaps->index + i * plan->d;
        double log_density = plan->log_noise;
        int64_t a = 0;
        for (int64_t j = 0; gaps->count[i] > 0 && j < plan->d; j++) {
            if (a < gaps->count[i] && missing[a] == j) {
                a++;
                continue;
            }
            const int inside = z[j * TR + i] >= plan->low[j] && z[j * TR + i] <= plan->high[j];
            log_density = inside ? log_density - plan->log_range[j] : -__builtin_inf();
        }
        logits[i] = gaps->count[i] > 0 ? log_density : logits[i];
    }
    for (int i = 0; i < TR; i++) { /* a weight of 0 is as far as can be, but a number */
        logits[i] = logits[i] >= -1e300 ? logits[i] : -1e300;
    }
}

/* ---- responsibilities ---- */

/* logits (K x TR) become responsibilities times the row weights; log_density (TR) and, if asked, the sums of the strip. */
static void soften(int64_t K, double *logits, const double *w, double *log_density, double *sums)
{
    for (int v = 0; v < TRV; v++) {
        double *l = logits + v * VL;
        lki_vd top = lki_vload(l), total = lki_vset1(0.0), spread = lki_vset1(0.0);
        for (int64_t k = 1; k < K; k++) {
            top = lki_vmax(top, lki_vload(l + k * TR));
        }
        /* A row whose every logit is -inf (its squares overflow) keeps a finite reference and equal responsibilities, so that no NaN
         * arises; its density comes out at -1e300 or below, which the model turns into -inf. */
        top = lki_vmax(top, lki_vset1(-1e300));
        for (int64_t k = 0; k < K; k++) { /* hot: one exp a row and component */
            const lki_vd e = lki_vmax(lki_vload(l + k * TR) - top, lki_vset1(-700.0)), r = lki_vexp_lanes(e);
            lki_vstore(l + k * TR, r);
            total = total + r;
            spread = lki_vfma(r, e, spread);
        }
        const lki_vd log_total = lki_vlog_lanes(total), weight = lki_vload(w + v * VL), inverse = lki_vset1(1.0) / total;
        const lki_vd density = top + log_total;
        lki_vstore(log_density + v * VL, density);
        if (sums != NULL) {
            const lki_vd entropy = lki_vfma(-spread, inverse, log_total), factor = weight * inverse;
            for (int64_t k = 0; k < K; k++) {
                lki_vstore(l + k * TR, lki_vload(l + k * TR) * factor);
            }
            sums[LKI_SUM_OBJECTIVE] += lki_vsum(weight * density);
            sums[LKI_SUM_ENTROPY] += lki_vsum(weight * entropy);
            sums[LKI_SUM_WEIGHT] += lki_vsum(weight);
        } else {
            for (int64_t k = 0; k < K; k++) {
                lki_vstore(l + k * TR, lki_vload(l + k * TR) * inverse);
            }
        }
    }
}

/* ---- sums of a group of strips ---- */

static void expanded_sums(const lki_mixture_plan *plan, const layout *l, int64_t strips, double *out)
{
    const int64_t S = plan->statistics, K = plan->K;
    for (int64_t p = 0; p < S; p += MP) { /* the group's lines p .. p + MP - 1 of phi stay in the first-level cache */
        const int64_t width = S - p < MP ? S - p : MP;
        for (int64_t k = 0; k < K;) {
            const int mk = dot_width(K - k);
            dot(mk, strips, l->r + k * TR, l->r_step, l->phi + p * TR, l->phi_step, width, out + k * S + p, S);
            k += mk;
        }
    }
}

/* Sums of one component's squares: diag keeps each, spherical their total. */
static void factored_squares(const lki_mixture_plan *plan, const layout *l, int64_t strips, int64_t k, double *out)
{
    const int64_t d = plan->d;
    for (int64_t j = 0; j < d; j++) {
        lki_vd square = lki_vset1(0.0);
        for (int64_t s = 0; s < strips; s++) {
            for (int v = 0; v < TRV; v++) {
                const int64_t at = s * l->phi_step + j * TR + v * VL;
                square = lki_vfma(lki_vload(l->a + at), lki_vload(l->phi + at), square);
            }
        }
        out[1 + d + (plan->form == LKI_FORM_DIAG ? j : 0)] += lki_vsum(square);
    }
    (void)k;
}

/* Pairs (i, j), i <= j, of one component: tiles of the symmetric product that touch the upper triangle. */
static void factored_pairs(int64_t d, const layout *l, int64_t strips, double *out)
{
    double tile[MK * MP];
    for (int64_t i = 0; i < d;) {
        const int mk = dot_width(d - i);
        for (int64_t j = i / MP * MP; j < d; j += MP) {
            memset(tile, 0, sizeof tile);
            dot(mk, strips, l->a + i * TR, l->phi_step, l->phi + j * TR, l->phi_step, MP, tile, MP);
            for (int64_t k = i; k < i + mk; k++) {
                const int64_t row = 1 + d + k * d - k * (k - 1) / 2; /* pair (k, k) */
                for (int64_t c = k > j ? k : j; c < (j + MP < d ? j + MP : d); c++) {
                    out[row + c - k] += tile[(k - i) * MP + c - j];
                }
            }
        }
        i += mk;
    }
}

/* Conditional means into the centred rows of component k; along the axes, conditional variances into its sums. */
static void fill_strip(const lki_mixture_plan *plan, const layout *l, int64_t strip, int64_t k, const lki_gaps *gaps, double *centred,
                       double *sums)
{
    const int64_t d = plan->d;
    if (uses_triangle(plan)) {
        lki_gaps_fill(gaps, d, l->fill + (strip * plan->K + k) * TR * d, centred);
    } else {
        lki_gaps_clear(gaps, d, centred);
        lki_gaps_variances(gaps, plan, k, l->r + strip * l->r_step + k * TR, sums);
    }
}

/* Conditional covariances of all strips into the pairs of all components. */
static void gaps_sums(const lki_mixture_plan *plan, const layout *l, int64_t strips, double *out)
{
    const int64_t d = plan->d, pairs = d * (d + 1) / 2, width = lki_gaps_width(plan->K);
    memset(l->pairs, 0, (size_t)(pairs * width) * sizeof(double));
    for (int64_t s = 0; s < strips; s++) {
        const lki_gaps gaps = gaps_of(plan, l, s);
        if (gaps.total > 0) {
            LKI_ISA_NAME(lki_gaps_covariances)(&gaps, plan, gaps_table(plan), l->r + s * l->r_step, l->pairs, l->work);
        }
    }
    for (int64_t k = 0; k < plan->K; k++) {
        for (int64_t p = 0; p < pairs; p++) {
            out[k * plan->statistics + 1 + d + p] += l->pairs[p * width + k];
        }
    }
}

static void factored_sums(const lki_mixture_plan *plan, const layout *l, int64_t strips, double *out)
{
    const int64_t d = plan->d, K = plan->K, S = plan->statistics;
    const int64_t lines = round_up(d, MP) + MP;
    if (plan->gaps && uses_triangle(plan)) {
        gaps_sums(plan, l, strips, out);
    }
    for (int64_t k = 0; k < K; k++, out += S) {
        lki_vd n = lki_vset1(0.0);
        for (int64_t s = 0; s < strips; s++) {
            double *c = l->phi + s * l->phi_step, *a = l->a + s * l->phi_step;
            const double *r = l->r + s * l->r_step + k * TR;
            centre_strip(d, l->z + s * l->phi_step, plan->means + k * d, c);
            const lki_gaps gaps = gaps_of(plan, l, s);
            if (gaps.total > 0) {
                fill_strip(plan, l, s, k, &gaps, c, out);
            }
            memset(c + d * TR, 0, (size_t)((lines - d) * TR) * sizeof(double));
            for (int v = 0; v < TRV; v++) {
                const lki_vd rv = lki_vload(r + v * VL);
                n = n + rv;
                for (int64_t j = 0; j < d; j++) {
                    lki_vstore(a + j * TR + v * VL, rv * lki_vload(c + j * TR + v * VL));
                }
            }
        }
        out[0] += lki_vsum(n);
        for (int64_t j = 0; j < d; j++) {
            lki_vd m = lki_vset1(0.0);
            for (int64_t s = 0; s < strips; s++) {
                for (int v = 0; v < TRV; v++) {
                    m = m + lki_vload(l->a + s * l->phi_step + j * TR + v * VL);
                }
            }
            out[1 + j] += lki_vsum(m);
        }
        if (uses_triangle(plan)) {
            factored_pairs(d, l, strips, out);
        } else {
            factored_squares(plan, l, strips, k, out);
        }
    }
}

/* ---- one block ---- */

static void block(const lki_mixture_plan *plan, const double *x, const double *w, int64_t rows, double *scratch, double *sums,
                  double *log_density, double *responsibilities)
{
    const layout l = layout_of(plan, sums != NULL ? rows : 0, scratch);
    const int64_t d = plan->d, K = plan->K, groups = groups_of(plan);
    const int64_t most = l.strips * TR;
    for (int64_t first = 0; first < rows; first += most) {
        const int64_t group = rows - first < most ? rows - first : most;
        const int64_t strips = (group + TR - 1) / TR;
        for (int64_t s = 0; s < strips; s++) {
            const int64_t start = first + s * TR, count = rows - start < TR ? rows - start : TR;
            double weight[TR], density[TR];
            double *logits = l.r + s * l.r_step, *z;
            for (int64_t i = 0; i < TR; i++) {
                weight[i] = i >= count ? 0.0 : w == NULL ? 1.0 : w[start + i];
            }
            if (plan->factored) {
                z = l.z + s * l.phi_step;
                load_strip(plan, x + start * d, count, z);
                if (plan->gaps) {
                    lki_gaps gaps = gaps_of(plan, &l, s);
                    lki_gaps_find(&gaps, d, z);
                    for (int64_t i = 0; i < count; i++) { /* a row without any value says nothing */
                        weight[i] = gaps.count[i] == d ? 0.0 : weight[i];
                    }
                }
                factored_logits(plan, &l, s, logits);
            } else {
                double *phi = l.phi + s * l.phi_step;
                z = phi + TR;
                load_strip(plan, x + start * d, count, z);
                form_phi(plan, phi);
                expanded_logits(plan, phi, logits);
            }
            if (plan->noise) {
                const lki_gaps gaps = gaps_of(plan, &l, s);
                noise_logits(plan, plan->gaps ? &gaps : NULL, z, logits + K * TR);
            }
            soften(groups, logits, weight, density, sums);
            for (int64_t i = 0; sums != NULL && plan->noise && i < TR; i++) {
                sums[LKI_SUM_NOISE] += logits[K * TR + i];
            }
            if (log_density != NULL) {
                memcpy(log_density + start, density, (size_t)count * sizeof(double));
            }
            if (responsibilities != NULL) {
                for (int64_t i = 0; i < count; i++) {
                    for (int64_t k = 0; k < groups; k++) {
                        responsibilities[(start + i) * groups + k] = logits[k * TR + i];
                    }
                }
            }
        }
        if (sums != NULL) {
            if (plan->factored) {
                factored_sums(plan, &l, strips, sums + LKI_SUM_HEAD);
            } else {
                expanded_sums(plan, &l, strips, sums + LKI_SUM_HEAD);
            }
        }
    }
}

const lki_mixture_kernel LKI_ISA_NAME(lki_mixture_kernel) = {packed_length, pack, scratch_length, block};

/* The pair engine's sums in single precision: twice the lanes, differences and exponentials in float, sums in double; compiled once for each
 * instruction set. Every lane is a row, points come one after the other. */
#include "pair_impl.h"
#include "pair_jet.h"
#include <string.h>

enum { LANES = 2 * LKI_VL, VECTORS = 3, ROWS = VECTORS * LANES, GROUP = 8, TILE = LKI_PAIR_TILE };

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef float vhalf __attribute__((vector_size(4 * LKI_VL)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));

LKI_INLINE vf fset(float x)
{
#if LKI_ISA == 2
    return (vf)_mm512_set1_ps(x);
#elif LKI_ISA == 1
    return (vf)_mm256_set1_ps(x);
#else
    return (vf){x, x, x, x};
#endif
}

LKI_INLINE vf ffma(vf a, vf b, vf c)
{
#if LKI_ISA == 2
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif LKI_ISA == 1
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

LKI_INLINE vf fload(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

LKI_INLINE vf fabsolute(vf a)
{
    return (vf)((vi)a & 0x7fffffff);
}

LKI_INLINE vf froot(vf a)
{
#if LKI_ISA == 2
    return (vf)_mm512_sqrt_ps((__m512)a);
#elif LKI_ISA == 1
    return (vf)_mm256_sqrt_ps((__m256)a);
#else
    return (vf){__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
#endif
}

LKI_INLINE vf fmost(vf a, vf b)
{
#if LKI_ISA == 2
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif LKI_ISA == 1
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    const vi greater = (vi)(a > b);
    return (vf)(((vi)a & greater) | ((vi)b & ~greater));
#endif
}

/* exp(x) for x <= 0, at most 2 ulp off; 0 below -87, where float has no more normal numbers. x = n log 2 + r, Taylor to r^6 / 6! (the
 * rest is below 2^-23). */
LKI_INLINE vf fexp_below(vf x)
{
    const vf whole = fset(0x1.8p23f);
    const vf least = fset(-87.0f), kept = fmost(x, least);
    const vf shifted = ffma(kept, fset(0x1.715476p+0f), whole), n = shifted - whole;
    const vf r = ffma(n, fset(0x1.05c610p-29f), ffma(n, fset(-0x1.62e430p-1f), kept));
    vf p = ffma(r, fset(1.0f / 720.0f), fset(1.0f / 120.0f));
    p = ffma(p, r, fset(1.0f / 24.0f));
    p = ffma(p, r, fset(1.0f / 6.0f));
    p = ffma(p, r, fset(0.5f));
    p = ffma(p, r * r, r) + fset(1.0f);
    const vf scaled = p * (vf)(((vi)shifted << 23) + 0x3f800000);
    return (vf)((vi)scaled & ~(vi)(x < least));
}

/* The two halves as doubles. */
LKI_INLINE void widen(vf a, lki_vd out[2])
{
    vhalf half[2];
    memcpy(half, &a, sizeof a);
    out[0] = __builtin_convertvector(half[0], lki_vd);
    out[1] = __builtin_convertvector(half[1], lki_vd);
}

/* Kernels that are exponentials of s or r: all in float. */
LKI_INLINE vf exponential(const lki_kernel_id id, vf s)
{
    const vf r = id == LKI_KERNEL_gaussian || id == LKI_KERNEL_laplace ? s : froot(s);
    const vf a3 = fset(1.7320508f) * r, a5 = fset(2.2360680f) * r, one = fset(1.0f);
    switch (id) {
    case LKI_KERNEL_gaussian:
        return fexp_below(fset(-0.5f) * s);
    case LKI_KERNEL_matern32:
        return (one + a3) * fexp_below(-a3);
    case LKI_KERNEL_matern52:
        return (one + a5 + fset(5.0f / 3.0f) * s) * fexp_below(-a5);
    default:
        return fexp_below(-r); /* laplace, matern12 */
    }
}

/* s of GROUP points and all rows of a strip. */
LKI_INLINE void arguments(const int absolute, int64_t width, const float *x, const float *y, vf acc[GROUP][VECTORS])
{
    for (int k = 0; k < GROUP; k++) {
        for (int v = 0; v < VECTORS; v++) {
            acc[k][v] = fset(0.0f);
        }
    }
    for (int64_t c = 0; c < width; c++) { /* hot */
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; k++) {
            const vf point = fset(y[c * GROUP + k]);
#pragma GCC unroll 3
            for (int v = 0; v < VECTORS; v++) {
                const vf u = fload(x + (c * VECTORS + v) * LANES) - point;
                acc[k][v] = absolute ? acc[k][v] + fabsolute(u) : ffma(u, u, acc[k][v]);
            }
        }
    }
}

/* sums[lane] += sum over GROUP points of kernel times v, the group's own sum in float. */
LKI_INLINE void add_exponentials(const lki_kernel_id id, const vf s[GROUP][VECTORS], const float *v, double *sums)
{
#pragma GCC unroll 3
    for (int i = 0; i < VECTORS; i++) {
        vf sum = fset(0.0f);
        lki_vd wide[2];
#pragma GCC unroll 8
        for (int k = 0; k < GROUP; k++) {
            sum = ffma(exponential(id, s[k][i]), fset(v[k]), sum);
        }
        widen(sum, wide);
        double *o = sums + i * LANES;
        lki_vstore(o, lki_vload(o) + wide[0]);
        lki_vstore(o + LKI_VL, lki_vload(o + LKI_VL) + wide[1]);
    }
}

/* The same for any kernel of s, in double from there on. */
LKI_INLINE void add_others(const lki_kernel_id id, double p, const vf s[GROUP][VECTORS], const float *v, double *sums)
{
    for (int i = 0; i < VECTORS; i++) {
        for (int k = 0; k < GROUP; k++) {
            lki_vd wide[2];
            widen(s[k][i], wide);
            for (int half = 0; half < 2; half++) {
                double *o = sums + i * LANES + half * LKI_VL;
                const lki_pair_jet jet = lki_jet(id, wide[half], p, 0.0, LKI_WANT_VALUE);
                lki_vstore(o, lki_vfma(jet.value, lki_vset1((double)v[k]), lki_vload(o)));
            }
        }
    }
}

/* Groups of a tile: points [group][column][GROUP], v zero behind the last. */
LKI_INLINE void single_groups(const lki_kernel_id id, const lki_pair_part *part, const float *x, const float *points, const float *v,
                              int64_t groups, double *sums)
{
    const int exponentials = id == LKI_KERNEL_gaussian || id == LKI_KERNEL_laplace || id == LKI_KERNEL_matern12 ||
                             id == LKI_KERNEL_matern32 || id == LKI_KERNEL_matern52;
    for (int64_t g = 0; g < groups; g++) {
        vf s[GROUP][VECTORS];
        arguments(id == LKI_KERNEL_laplace, part->width, x, points + g * part->width * GROUP, s);
        if (exponentials) {
            add_exponentials(id, s, v + g * GROUP, sums);
        } else {
            add_others(id, part->p, s, v + g * GROUP, sums);
        }
    }
}

static void single_tile(const lki_pair_part *part, const float *x, const float *points, const float *v, int64_t groups, double *sums)
{
    switch (part->kernel) {
#define SINGLE_CASE(name, ...)                                                           \
    case LKI_KERNEL_##name:                                                              \
        single_groups(LKI_KERNEL_##name, part, x, points, v, groups, sums);              \
        break;
        LKI_KERNEL_LIST(SINGLE_CASE)
#undef SINGLE_CASE
    default:
        break;
    }
}

const lki_pair_single_isa LKI_ISA_NAME(lki_pair_single) = {.rows = ROWS, .group = GROUP, .tile = single_tile};

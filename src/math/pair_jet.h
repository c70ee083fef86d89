/* The kernels of the pair engine on vectors: value, logarithm and derivatives by the argument. For kernel files (vector.h). */
#ifndef LIKELY_PAIR_JET_H
#define LIKELY_PAIR_JET_H

#include "pair_kernels.h"
#include "vector.h"

/* As lki_kernel_value (pair_kernels.h). What is not asked for is not computed. */
typedef struct lki_pair_jet {
    lki_vd value, log, first, second;
} lki_pair_jet;
enum { LKI_WANT_VALUE = 1, LKI_WANT_LOG = 2, LKI_WANT_FIRST = 4, LKI_WANT_SECOND = 8 };

/* exp(x) for x <= 0 (a positive x of less than 1 does no harm), at most 2 ulp off: the value is a sum's term. With AVX-512 x = n log(2) /
 * 16 + r: a table of 2^(i/16) in two registers, and r + r^2 P(r) with P of degree 4 through the Chebyshev nodes, off by at most 3e-17. */
LKI_INLINE lki_vd lki_vexp_below(lki_vd x)
{
#if LKI_ISA == 2
    const __m512d low = _mm512_set_pd(0x1.5ab07dd485429p+0, 0x1.4bfdad5362a27p+0, 0x1.3dea64c123422p+0, 0x1.306fe0a31b715p+0,
                                      0x1.2387a6e756238p+0, 0x1.172b83c7d517bp+0, 0x1.0b5586cf9890fp+0, 0x1p+0);
    const __m512d high = _mm512_set_pd(0x1.ea4afa2a490dap+0, 0x1.d5818dcfba487p+0, 0x1.c199bdd85529cp+0, 0x1.ae89f995ad3adp+0,
                                       0x1.9c49182a3f09p+0, 0x1.8ace5422aa0dbp+0, 0x1.7a11473eb0187p+0, 0x1.6a09e667f3bcdp+0);
    const lki_vd whole = lki_vset1(0x1.8p52);
    x = lki_vmax(x, lki_vset1(-746.0));
    const lki_vd shifted = lki_vfma(x, lki_vset1(16 * 0x1.71547652b82fep0), whole);
    const lki_vd n = shifted - whole;
    /* log(2) / 16 in two parts, the high one of 38 bits: its product with n, below 2^14, is exact. */
    lki_vd r = lki_vfma(n, lki_vset1(-0x1.62e42fefap-5), x);
    r = lki_vfma(n, lki_vset1(-0x1.cf79abc9e3b39p-44), r);
    const lki_vd table = (lki_vd)_mm512_permutex2var_pd(low, (__m512i)shifted, high);
    lki_vd p = lki_vfma(r, lki_vset1(0x1.6c17bb51f236dp-10), lki_vset1(0x1.11120af701debp-7));
    p = lki_vfma(p, r, lki_vset1(0x1.55555555194d2p-5));
    p = lki_vfma(p, r, lki_vset1(0x1.55555554dd44dp-3));
    p = lki_vfma(p, r, lki_vset1(0x1p-1));
    p = lki_vfma(p, r * r, r);
    p = lki_vfma(table, p, table);
    return (lki_vd)_mm512_scalef_pd((__m512d)p, (__m512d)(n * lki_vset1(0.0625)));
#else
    return lki_vexp_lanes(x);
#endif
}

/* (1 + s / c)^-a: logarithm first. */
LKI_INLINE lki_pair_jet lki_jet_power(lki_vd s, double c, double a, int want)
{
    lki_pair_jet jet = {0};
    const lki_vd base = lki_vset1(1.0) + s * lki_vset1(1.0 / c);
    if (want & (LKI_WANT_VALUE | LKI_WANT_LOG)) {
        jet.log = lki_vset1(-a) * lki_vlog_lanes(base);
        if (want & LKI_WANT_VALUE) {
            jet.value = lki_vexp_below(jet.log);
        }
    }
    if (want & (LKI_WANT_FIRST | LKI_WANT_SECOND)) {
        const lki_vd inverse = lki_vset1(1.0) / base;
        jet.first = lki_vset1(-a / c) * inverse;
        jet.second = lki_vset1(a * (a + 1.0) / (c * c)) * inverse * inverse;
    }
    return jet;
}

/* Relative derivatives and logarithm of a kernel that is `value` where s < 1 and 0 elsewhere. */
LKI_INLINE lki_pair_jet lki_jet_compact(lki_vd s, lki_vd value, lki_vd first, lki_vd second, int want)
{
    const lki_vd zero = lki_vset1(0.0), one = lki_vset1(1.0);
    value = lki_vselect(lki_vlt(s, one), value, zero);
    const lki_vm inside = lki_vgt(value, zero);
    lki_pair_jet jet = {.value = value};
    if (want & LKI_WANT_LOG) {
        jet.log = lki_vlog_lanes(value);
    }
    if (want & (LKI_WANT_FIRST | LKI_WANT_SECOND)) {
        const lki_vd inverse = one / lki_vselect(inside, value, one);
        jet.first = lki_vselect(inside, first * inverse, zero);
        jet.second = lki_vselect(inside, second * inverse, zero);
    }
    return jet;
}

/* sum_k (-1)^k (pi/2)^2k+1 x^k / (2k + 1)!, which is sin(pi/2 sqrt(x)) / sqrt(x), to x^11 within [0, 1]: the rest is below 1e-19. Its
 * derivative by x where asked. */
LKI_INLINE lki_vd lki_vsine_series(lki_vd x, int derivative)
{
    static const double c[12] = {0x1.921fb54442d18p+0, -0x1.4abbce625be53p-1, 0x1.466bc6775aae2p-4, -0x1.32d2cce62bd86p-8,
                                0x1.50783487ee782p-13, -0x1.e3074fde8871fp-19, 0x1.e8f434d018d63p-25, -0x1.6fadb9f155744p-31,
                                0x1.aaec32af93359p-38, -0x1.8a404211f9547p-45, 0x1.2877020d52cf0p-52, -0x1.7215f879e1ac9p-60};
    lki_vd sum = lki_vset1(derivative ? 11.0 * c[11] : c[11]);
    for (int k = 10; k >= derivative; k--) {
        sum = lki_vfma(sum, x, lki_vset1(derivative ? k * c[k] : c[k]));
    }
    return sum;
}

LKI_INLINE lki_pair_jet lki_jet_bump(const lki_kernel_id id, lki_vd s, int want)
{
    const lki_vd one = lki_vset1(1.0), zero = lki_vset1(0.0), q = one - s;
    switch (id) {
    case LKI_KERNEL_epanechnikov:
        return lki_jet_compact(s, q, lki_vset1(-1.0), zero, want);
    case LKI_KERNEL_biweight:
        return lki_jet_compact(s, q * q, lki_vset1(-2.0) * q, lki_vset1(2.0), want);
    case LKI_KERNEL_triweight:
        return lki_jet_compact(s, q * q * q, lki_vset1(-3.0) * q * q, lki_vset1(6.0) * q, want);
    case LKI_KERNEL_box:
        return lki_jet_compact(s, one, zero, zero, want);
    default:
        break;
    }
    const lki_vd r = lki_vsqrt(s), inside = lki_vmin(s, one);
    const lki_vd inverse = lki_vselect(lki_vgt(r, zero), one / r, zero);
    switch (id) {
    case LKI_KERNEL_triangle:
        return lki_jet_compact(s, one - r, lki_vset1(-0.5) * inverse, lki_vset1(0.25) * inverse * inverse * inverse, want);
    case LKI_KERNEL_tricube: {
        const lki_vd t = one - s * r;
        return lki_jet_compact(s, t * t * t, lki_vset1(-4.5) * r * t * t,
                               lki_vset1(13.5) * s * t - lki_vset1(2.25) * t * t * inverse, want);
    }
    default: { /* cosine: cos(pi r/2) = sin(pi t/2) with t = 1 - r, so that small values keep their digits */
        const lki_vd t = one - lki_vmin(r, one), half_pi = lki_vset1(0x1.921fb54442d18p+0);
        const lki_vd scale = lki_vset1(-0.5) * half_pi;
        return lki_jet_compact(s, t * lki_vsine_series(t * t, 0), scale * lki_vsine_series(inside, 0),
                               scale * lki_vsine_series(inside, 1), want);
    }
    }
}

LKI_INLINE lki_vd lki_vpower(lki_vd x, int n)
{
    lki_vd out = lki_vset1(1.0);
    for (int i = 0; i < n; i++) {
        out = out * x;
    }
    return out;
}

/* exp(-a) times q: logarithm and value. */
LKI_INLINE void lki_jet_damped(lki_pair_jet *jet, lki_vd q, lki_vd a, int want)
{
    if (want & LKI_WANT_VALUE) {
        jet->value = q * lki_vexp_below(-a);
    }
    if (want & LKI_WANT_LOG) {
        jet->log = lki_vlog_lanes(q) - a;
    }
}

LKI_INLINE lki_pair_jet lki_jet_matern(const lki_kernel_id id, lki_vd s, int want)
{
    const lki_vd one = lki_vset1(1.0), zero = lki_vset1(0.0), r = lki_vsqrt(s);
    const lki_vd inverse = lki_vselect(lki_vgt(r, zero), one / r, zero);
    lki_pair_jet jet = {0};
    if (id == LKI_KERNEL_matern12) {
        if (want & LKI_WANT_VALUE) {
            jet.value = lki_vexp_below(-r);
        }
        jet.log = -r;
        jet.first = lki_vset1(-0.5) * inverse;
        jet.second = lki_vset1(0.25) * inverse * inverse * (one + inverse);
    } else if (id == LKI_KERNEL_matern32) {
        const lki_vd a = lki_vset1(0x1.bb67ae8584caap+0) * r, q = one + a;
        lki_jet_damped(&jet, q, a, want);
        jet.first = lki_vset1(-1.5) / q;
        jet.second = lki_vset1(0.75 * 0x1.bb67ae8584caap+0) * inverse / q;
    } else {
        const lki_vd a = lki_vset1(0x1.1e3779b97f4a8p+1) * r, q = one + a + lki_vset1(5.0 / 3.0) * s;
        lki_jet_damped(&jet, q, a, want);
        jet.first = lki_vset1(-5.0 / 6.0) * (one + a) / q;
        jet.second = lki_vset1(25.0 / 12.0) / q;
    }
    return jet;
}

/* One kernel; `id` and `want` are constants where this is inlined. */
LKI_INLINE lki_pair_jet lki_jet(const lki_kernel_id id, lki_vd s, double p, double offset, const int want)
{
    const lki_vd zero = lki_vset1(0.0), one = lki_vset1(1.0);
    switch (id) {
    case LKI_KERNEL_gaussian: {
        const lki_vd log = s * lki_vset1(-0.5);
        return (lki_pair_jet){want & LKI_WANT_VALUE ? lki_vexp_below(log) : log, log, lki_vset1(-0.5), lki_vset1(0.25)};
    }
    case LKI_KERNEL_laplace:
        return (lki_pair_jet){want & LKI_WANT_VALUE ? lki_vexp_below(-s) : s, -s, lki_vset1(-1.0), one};
    case LKI_KERNEL_matern12:
    case LKI_KERNEL_matern32:
    case LKI_KERNEL_matern52:
        return lki_jet_matern(id, s, want);
    case LKI_KERNEL_rational_quadratic:
        return lki_jet_power(s, 2.0 * p, p, want);
    case LKI_KERNEL_student:
        return lki_jet_power(s, p, 0.5 * (p + 1.0), want);
    case LKI_KERNEL_cauchy: {
        lki_pair_jet jet = lki_jet_power(s, 1.0, 1.0, want & ~LKI_WANT_VALUE);
        jet.value = one / (one + s);
        return jet;
    }
    case LKI_KERNEL_inverse_multiquadric: {
        lki_pair_jet jet = lki_jet_power(s, 1.0, 0.5, want & ~LKI_WANT_VALUE);
        jet.value = one / lki_vsqrt(one + s);
        return jet;
    }
    case LKI_KERNEL_polynomial: {
        const lki_vd base = s + lki_vset1(offset);
        const int n = (int)p;
        return (lki_pair_jet){lki_vpower(base, n), lki_vset1(__builtin_nan("")), lki_vset1(p) * lki_vpower(base, n - 1),
                              n > 1 ? lki_vset1(p * (p - 1.0)) * lki_vpower(base, n - 2) : zero};
    }
    case LKI_KERNEL_cosine_similarity:
        return (lki_pair_jet){s, lki_vset1(__builtin_nan("")), one, zero};
    case LKI_KERNEL_energy: {
        const lki_vd r = lki_vsqrt(s), inverse = lki_vselect(lki_vgt(r, zero), one / r, zero);
        return (lki_pair_jet){-r, lki_vset1(__builtin_nan("")), lki_vset1(-0.5) * inverse,
                              lki_vset1(0.25) * inverse * inverse * inverse};
    }
    case LKI_KERNEL_sobolev: { /* c = 2 pi^2 */
        const lki_vd r = lki_vsqrt(s), inverse = lki_vselect(lki_vgt(r, zero), one / r, zero), c = lki_vset1(0x1.3bd3cc9be45dep+4);
        return (lki_pair_jet){one + c * (s - r + lki_vset1(1.0 / 6.0)), lki_vset1(__builtin_nan("")),
                              c * (one - lki_vset1(0.5) * inverse), lki_vset1(0.25) * c * inverse * inverse * inverse};
    }
    case LKI_KERNEL_von_mises_fisher: {
        const lki_vd log = lki_vset1(p) * (s - one);
        return (lki_pair_jet){want & LKI_WANT_VALUE ? lki_vexp_below(log) : log, log, lki_vset1(p), lki_vset1(p * p)};
    }
    default:
        return lki_jet_bump(id, s, want);
    }
}

#endif

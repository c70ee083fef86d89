/* Vectors of doubles with inlined exp and log, for kernels that are compiled once for each instruction set.
 *
 * A kernel file includes this header, names its outer functions LKI_ISA_NAME(f) and is compiled with each entry of
 * isa_flags (src/math/meson.build); lki_isa_level() says at run time which one to call. A file compiled without
 * those flags gets the portable vectors. Every lane is computed alone: a value does not depend on its neighbours. */
#ifndef LIKELY_VECTOR_H
#define LIKELY_VECTOR_H

#include <stdint.h>
#include <string.h>

/* 0 = portable, 1 = AVX2 and FMA, 2 = AVX-512 F, DQ and VL. */
#ifndef LKI_ISA
#define LKI_ISA 0
#endif

#define LKI_ISA_JOIN(a, b) a##b
#if LKI_ISA == 2
#include <immintrin.h>
#define LKI_VL 8
#define LKI_ISA_NAME(f) LKI_ISA_JOIN(f, _avx512)
#elif LKI_ISA == 1
#include <immintrin.h>
#define LKI_VL 4
#define LKI_ISA_NAME(f) LKI_ISA_JOIN(f, _avx2)
#else
#define LKI_VL 2
#define LKI_ISA_NAME(f) LKI_ISA_JOIN(f, _portable)
#endif

#define LKI_INLINE static inline __attribute__((always_inline, unused))

typedef double lki_vd __attribute__((vector_size(8 * LKI_VL)));
typedef uint64_t lki_vu __attribute__((vector_size(8 * LKI_VL)));
/* One truth value a lane, as the comparisons give it. */
#if LKI_ISA == 2
typedef __mmask8 lki_vm;
#else
typedef int64_t lki_vm __attribute__((vector_size(8 * LKI_VL)));
#endif

LKI_INLINE lki_vd lki_vload(const double *p)
{
    lki_vd v;
    memcpy(&v, p, sizeof v);
    return v;
}

LKI_INLINE void lki_vstore(double *p, lki_vd v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n lanes (0 <= n <= LKI_VL), the others `fill`. */
LKI_INLINE lki_vd lki_vload_part(const double *p, int64_t n, double fill)
{
    double lanes[LKI_VL];
    for (int i = 0; i < LKI_VL; i++) {
        lanes[i] = i < n ? p[i] : fill;
    }
    return lki_vload(lanes);
}

LKI_INLINE void lki_vstore_part(double *p, lki_vd v, int64_t n)
{
    double lanes[LKI_VL];
    lki_vstore(lanes, v);
    for (int i = 0; i < LKI_VL && i < n; i++) {
        p[i] = lanes[i];
    }
}

LKI_INLINE lki_vd lki_vset1(double x)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_set1_pd(x);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_set1_pd(x);
#else
    return (lki_vd){x, x};
#endif
}

LKI_INLINE lki_vu lki_vset1_bits(uint64_t x)
{
#if LKI_ISA == 2
    return (lki_vu){x, x, x, x, x, x, x, x};
#elif LKI_ISA == 1
    return (lki_vu){x, x, x, x};
#else
    return (lki_vu){x, x};
#endif
}

/* a * b + c: one rounding with AVX2 and AVX-512, two in portable code. */
LKI_INLINE lki_vd lki_vfma(lki_vd a, lki_vd b, lki_vd c)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    return a * b + c;
#endif
}

/* Comparisons are false where a lane is NaN. */
LKI_INLINE lki_vm lki_vlt(lki_vd a, lki_vd b)
{
#if LKI_ISA == 2
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_LT_OQ);
#else
    return (lki_vm)(a < b);
#endif
}

/* Whether any lane is true. */
LKI_INLINE int lki_vany(lki_vm m)
{
#if LKI_ISA == 2
    return m != 0;
#elif LKI_ISA == 1
    return _mm256_movemask_pd((__m256d)m) != 0;
#else
    return (m[0] | m[1]) != 0;
#endif
}

LKI_INLINE lki_vm lki_vgt(lki_vd a, lki_vd b)
{
    return lki_vlt(b, a);
}

LKI_INLINE lki_vm lki_veq(lki_vd a, lki_vd b)
{
#if LKI_ISA == 2
    return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_EQ_OQ);
#else
    return (lki_vm)(a == b);
#endif
}

/* m ? a : b, lane by lane. */
LKI_INLINE lki_vd lki_vselect(lki_vm m, lki_vd a, lki_vd b)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_mask_blend_pd(m, (__m512d)b, (__m512d)a);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m);
#else
    return (lki_vd)(((lki_vu)m & (lki_vu)a) | (~(lki_vu)m & (lki_vu)b));
#endif
}

/* The larger; b where either is NaN. */
LKI_INLINE lki_vd lki_vmax(lki_vd a, lki_vd b)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_max_pd((__m512d)a, (__m512d)b);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_max_pd((__m256d)a, (__m256d)b);
#else
    return lki_vselect(lki_vgt(a, b), a, b);
#endif
}

/* The smaller; b where either is NaN. */
LKI_INLINE lki_vd lki_vmin(lki_vd a, lki_vd b)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_min_pd((__m512d)a, (__m512d)b);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_min_pd((__m256d)a, (__m256d)b);
#else
    return lki_vselect(lki_vlt(a, b), a, b);
#endif
}

/* |a|. */
LKI_INLINE lki_vd lki_vabs(lki_vd a)
{
    return (lki_vd)((lki_vu)a & lki_vset1_bits(UINT64_C(0x7fffffffffffffff)));
}

/* The square root, correctly rounded. */
LKI_INLINE lki_vd lki_vsqrt(lki_vd a)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_sqrt_pd((__m512d)a);
#elif LKI_ISA == 1
    return (lki_vd)_mm256_sqrt_pd((__m256d)a);
#else
    return (lki_vd){__builtin_sqrt(a[0]), __builtin_sqrt(a[1])};
#endif
}

/* The lanes' sum, as a fixed tree. */
LKI_INLINE double lki_vsum(lki_vd v)
{
    double s[LKI_VL];
    lki_vstore(s, v);
    for (int half = LKI_VL / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            s[i] += s[i + half];
        }
    }
    return s[0];
}

/* The largest lane. */
LKI_INLINE double lki_vmax_lane(lki_vd v)
{
    double s[LKI_VL];
    lki_vstore(s, v);
    double largest = s[0];
    for (int i = 1; i < LKI_VL; i++) {
        largest = s[i] > largest ? s[i] : largest;
    }
    return largest;
}

/* p 2^n for whole n within [-1077, 1025], rounded once: n is split in two so that both factors are normal numbers.
 * `n` comes as a double; adding 1.5 2^52 leaves it as an integer in the low bits. */
LKI_INLINE lki_vd lki_vscale(lki_vd p, lki_vd n)
{
#if LKI_ISA == 2
    return (lki_vd)_mm512_scalef_pd((__m512d)p, (__m512d)n);
#else
    const lki_vd whole = lki_vset1(0x1.8p52);
    const lki_vu one = lki_vset1_bits(UINT64_C(1023) << 52);
    lki_vd first = n * lki_vset1(0.5) + whole;
    lki_vd second = (n - (first - whole)) + whole;
    lki_vd scale1 = (lki_vd)(((lki_vu)first << 52) + one);
    lki_vd scale2 = (lki_vd)(((lki_vu)second << 52) + one);
    return p * scale1 * scale2;
#endif
}

/* exp(x), at most 1 ulp off: x = n log 2 + r with |r| <= log(2) / 2 in two parts (Cody and Waite 1980), then exp(r)
 * = 1 + (r + (r^2 P(r) + c)), where c is what rounding r lost and P the Taylor polynomial to r^13 / 13! (its
 * remainder, r^14 / 14!, is below 2^-57). Beyond the clamps the result is 0 or inf by the arithmetic itself; NaN
 * passes through. */
LKI_INLINE lki_vd lki_vexp_lanes(lki_vd x)
{
    const lki_vd whole = lki_vset1(0x1.8p52);
    x = lki_vmin(lki_vset1(710.0), x);
    x = lki_vmax(lki_vset1(-746.0), x);
    lki_vd n = (x * lki_vset1(0x1.71547652b82fep0) + whole) - whole;
    /* The high part of log 2 has 32 bits: its product with n is exact, with and without a fused operation. */
    lki_vd high = x - n * lki_vset1(0x1.62e42feep-1);
    lki_vd low = n * lki_vset1(0x1.a39ef35793c76p-33);
    lki_vd r = high - low;
    lki_vd c = (high - r) - low;
    lki_vd r2 = r * r;
    lki_vd r4 = r2 * r2;
    lki_vd a = lki_vfma(r, lki_vset1(1.0 / 6), lki_vset1(1.0 / 2));
    lki_vd b = lki_vfma(r, lki_vset1(1.0 / 120), lki_vset1(1.0 / 24));
    lki_vd d = lki_vfma(r, lki_vset1(1.0 / 5040), lki_vset1(1.0 / 720));
    lki_vd e = lki_vfma(r, lki_vset1(1.0 / 362880), lki_vset1(1.0 / 40320));
    lki_vd f = lki_vfma(r, lki_vset1(1.0 / 39916800), lki_vset1(1.0 / 3628800));
    lki_vd g = lki_vfma(r, lki_vset1(1.0 / 6227020800), lki_vset1(1.0 / 479001600));
    lki_vd ab = lki_vfma(b, r2, a);
    lki_vd de = lki_vfma(e, r2, d);
    lki_vd fg = lki_vfma(g, r2, f);
    lki_vd p = lki_vfma(lki_vfma(fg, r4, de), r4, ab);
    return lki_vscale(lki_vset1(1.0) + (r + lki_vfma(r2, p, c)), n);
}

/* log(x), at most 1 ulp off: x = 2^k m with m within [sqrt(1/2), sqrt(2)), f = m - 1, s = f / (2 + f), and
 * log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)) with the minimax R of FreeBSD's msun (e_log.c). */
LKI_INLINE lki_vd lki_vlog_lanes(lki_vd x)
{
    const lki_vd zero = lki_vset1(0.0);
    const lki_vd infinity = lki_vset1(__builtin_inf());
    const lki_vu root_half = lki_vset1_bits(UINT64_C(0x3fe6a09e667f3bcd));
    lki_vm tiny = lki_vlt(x, lki_vset1(0x1p-1022));
    lki_vd y = lki_vselect(tiny, x * lki_vset1(0x1p54), x);
    lki_vu bits = (lki_vu)y + (lki_vset1_bits(UINT64_C(0x3ff0000000000000)) - root_half);
    /* The biased exponent in the low bits of 2^52 is the number 2^52 + exponent. */
    lki_vd k = (lki_vd)((bits >> 52) | lki_vset1_bits(UINT64_C(0x4330000000000000))) - lki_vset1(0x1p52 + 1023);
    k = lki_vselect(tiny, k - lki_vset1(54.0), k);
    lki_vd m = (lki_vd)((bits & lki_vset1_bits(UINT64_C(0x000fffffffffffff))) + root_half);
    lki_vd f = m - lki_vset1(1.0);
    lki_vd half_square = lki_vset1(0.5) * f * f;
    lki_vd s = f / (lki_vset1(2.0) + f);
    lki_vd z = s * s;
    lki_vd w = z * z;
    lki_vd even = lki_vfma(w, lki_vfma(w, lki_vset1(1.531383769920937332e-01), lki_vset1(2.222219843214978396e-01)),
                           lki_vset1(3.999999999940941908e-01)) *
                  w;
    lki_vd odd =
        lki_vfma(w,
                 lki_vfma(w, lki_vfma(w, lki_vset1(1.479819860511658591e-01), lki_vset1(1.818357216161805012e-01)),
                          lki_vset1(2.857142874366239149e-01)),
                 lki_vset1(6.666666666666735130e-01)) *
        z;
    lki_vd tail = lki_vfma(k, lki_vset1(1.90821492927058770002e-10), s * (half_square + (even + odd)));
    lki_vd result = k * lki_vset1(6.93147180369123816490e-01) - ((half_square - tail) - f);
    result = lki_vselect(lki_veq(x, infinity), infinity, result);
    result = lki_vselect(lki_veq(x, zero), -infinity, result);
    return lki_vselect(lki_vlt(x, zero), lki_vset1(__builtin_nan("")), lki_vselect(lki_veq(x, x), result, x));
}

#endif

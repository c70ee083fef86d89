/* The inner loops over tensors in both precisions; compiled once for each instruction set, with no product fused into a sum, so that
 * all sets give the same bits. */
#include "grad/tensor_kernel.h"

#include "grad/elementwise_list.h"
#include <math.h>
#include <string.h>

#ifndef LKI_ISA
#define LKI_ISA 0
#endif
#if LKI_ISA == 2
#define KERNELS lki_tensor_kernels_avx512
#elif LKI_ISA == 1
#define KERNELS lki_tensor_kernels_avx2
#else
#define KERNELS lki_tensor_kernels_portable
#endif

#define INLINE static inline __attribute__((always_inline, unused))

/* 2^e for -252 <= e <= 254 as two factors, so that both ends of the range are reached. */
INLINE float scale_f32(float y, int32_t e)
{
    int32_t half = e >> 1, rest = e - half;
    uint32_t a = (uint32_t)(half + 127) << 23, b = (uint32_t)(rest + 127) << 23;
    float fa, fb;
    memcpy(&fa, &a, sizeof fa);
    memcpy(&fb, &b, sizeof fb);
    return y * fa * fb;
}

/* exp by x = n log 2 + r and a polynomial of degree 7 in r (coefficients of Moshier's Cephes, expf): within 2 ulp. Adding
 * 1.5 2^23 rounds to the whole number n, which then stands in the low bits. */
INLINE float exp_f32(float x)
{
    float v = x < -104.0f ? -104.0f : x;
    v = v > 89.0f ? 89.0f : v;
    float shifted = v * 1.44269504088896341f + 12582912.0f;
    float n = shifted - 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    float r = v - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    float y = p * (r * r) + r + 1.0f;
    /* A NaN has no n: any exponent will do. */
    int32_t e = v == v ? bits - 0x4b400000 : 0;
    return scale_f32(y, e);
}

/* log by x = 2^e m, m within [sqrt(1/2), sqrt(2)), and a polynomial of degree 9 (Cephes, logf): within 2 ulp. */
INLINE float log_f32(float x)
{
    float tiny = x < 1.17549435e-38f ? 8388608.0f : 1.0f;
    float v = x * tiny;
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    int32_t e = (int32_t)(bits >> 23 & 0xff) - 126 - (x < 1.17549435e-38f ? 23 : 0);
    bits = (bits & 0x007fffff) | 0x3f000000;
    float m;
    memcpy(&m, &bits, sizeof m);
    int32_t low = m < 0.707106781186547524f;
    float n = (float)(e - low);
    float f = (low != 0 ? m + m : m) - 1.0f;
    float z = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float y = f * z * p;
    y = y + n * -2.12194440e-4f;
    y = y - 0.5f * z;
    y = (f + y) + n * 0.693359375f;
    y = x == 0.0f ? -__builtin_inff() : y;
    y = x > 3.40282347e38f ? x : y;
    return x < 0.0f || x != x ? __builtin_nanf("") : y;
}

/* log(1 + x) = x log(u) / (u - 1) with u = 1 + x as rounded: the error of u cancels (Higham 2002, section 1.14.1). */
INLINE float log1p_f32(float x)
{
    float u = 1.0f + x, d = u - 1.0f;
    float y = log_f32(u) * (x / (d == 0.0f ? 1.0f : d));
    y = u > 3.40282347e38f ? u : y;
    return d == 0.0f ? x : y;
}

/* tanh: a polynomial near 0 (Cephes, tanhf), else 1 - 2 / (exp(2 |x|) + 1). */
INLINE float tanh_f32(float x)
{
    float z = x * x, size = x < 0.0f ? -x : x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float near = p * z * x + x;
    float far = 1.0f - 2.0f / (exp_f32(2.0f * size) + 1.0f);
    return size < 0.625f ? near : x < 0.0f ? -far : far;
}

/* erf: a polynomial below 1 (Cephes, ndtrf), else formula 7.1.26 of Abramowitz and Stegun, within 1.5e-7. */
INLINE float erf_f32(float x)
{
    float z = x * x, size = x < 0.0f ? -x : x;
    float p = 7.853861353153693e-5f;
    p = p * z - 8.010193625184903e-4f;
    p = p * z + 5.188327685732524e-3f;
    p = p * z - 2.685381193529856e-2f;
    p = p * z + 1.128358514861418e-1f;
    p = p * z - 3.761262582423300e-1f;
    p = p * z + 1.128379165726710f;
    float t = 1.0f / (1.0f + 0.3275911f * size);
    float q = 1.061405429f;
    q = q * t - 1.453152027f;
    q = q * t + 1.421413741f;
    q = q * t - 0.284496736f;
    q = q * t + 0.254829592f;
    float far = 1.0f - q * t * exp_f32(-z);
    return size < 1.0f ? p * x : x < 0.0f ? -far : far;
}

#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)

#define REAL float
#define K(name) NAME(name, _f32)
#define R_EXP exp_f32
#define R_LOG log_f32
#define R_LOG1P log1p_f32
#define R_TANH tanh_f32
#define R_ERF erf_f32
#define R_SQRT sqrtf
#define R_SIN sinf
#define R_COS cosf
#define R_POW powf
#include "grad/tensor_kernel_body.h"
#undef REAL
#undef K
#undef R_EXP
#undef R_LOG
#undef R_LOG1P
#undef R_TANH
#undef R_ERF
#undef R_SQRT
#undef R_SIN
#undef R_COS
#undef R_POW

#define REAL double
#define K(name) NAME(name, _f64)
#define R_EXP exp
#define R_LOG log
#define R_LOG1P log1p
#define R_TANH tanh
#define R_ERF erf
#define R_SQRT sqrt
#define R_SIN sin
#define R_COS cos
#define R_POW pow
#include "grad/tensor_kernel_body.h"

#define TABLE(p)                                                                                                       \
    {                                                                                                                  \
        .unary = {LKI_UNARY_FUNCTIONS(UNARY_##p)}, .binary = {LKI_BINARY_FUNCTIONS(BINARY_##p)}, .affine = affine_##p, \
        .select = select_##p, .copy = copy_##p, .row_sum = row_sum_##p, .row_max = row_max_##p,                        \
        .column_sum = column_sum_##p, .column_max = column_max_##p, .add = add_##p, .adamw = adamw_##p,                \
        .most = most_##p, .multiply_add = multiply_add_##p, .exp_row = exp_row_##p,                                    \
        .channel_sums = channel_sums_##p, .channel_affine = channel_affine_##p,                                        \
        .momentum = momentum_##p, .average = average_##p, .square_sum = square_sum_##p,                                \
    }
#define UNARY_f32(name, value, slope) [name] = unary_##name##_f32,
#define UNARY_f64(name, value, slope) [name] = unary_##name##_f64,
#define BINARY_f32(name, value, slope_a, slope_b) [name] = binary_##name##_f32,
#define BINARY_f64(name, value, slope_a, slope_b) [name] = binary_##name##_f64,

const lki_tensor_kernels KERNELS[2] = {TABLE(f32), TABLE(f64)};

/* Chooses the kernels of exp, log and log-sum-exp by what the processor offers; holds their scalar references. */
#include "elementary.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {"portable", "avx2", "avx512"};

static int level_of_processor(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return 0;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return 2;
    }
    return 1;
#else
    return 0;
#endif
}

/* Found once and kept; two threads that find it at the same moment store the same value. */
int lki_isa_level(void)
{
    static int known = -1;
    int level = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (level < 0) {
        level = level_of_processor();
        const char *wanted = getenv("LIKELY_ISA");
        for (int i = 0; wanted != NULL && i < level; i++) {
            if (strcmp(wanted, names[i]) == 0) {
                level = i;
            }
        }
        __atomic_store_n(&known, level, __ATOMIC_RELAXED);
    }
    return level;
}

const char *lki_isa(void)
{
    return names[lki_isa_level()];
}

static const lki_elementary *kernels(void)
{
#if defined(__x86_64__)
    static const lki_elementary *const tables[] = {&lki_elementary_portable, &lki_elementary_avx2,
                                                   &lki_elementary_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_elementary_portable;
#endif
}

void lki_vexp(int64_t n, const double *x, double *y)
{
    kernels()->exp(n, x, y);
}

void lki_vlog(int64_t n, const double *x, double *y)
{
    kernels()->log(n, x, y);
}

double lki_log_sum_exp(int64_t n, const double *x)
{
    return kernels()->log_sum_exp(n, x);
}

/* The formulas of lki_vexp_lanes() (vector.h), with the same order of operations as the portable vectors. */
double lki_exp_reference(double x)
{
    if (isnan(x)) {
        return x;
    }
    x = x > 710 ? 710 : x;
    x = x < -746 ? -746 : x;
    double n = (x * 0x1.71547652b82fep0 + 0x1.8p52) - 0x1.8p52;
    double high = x - n * 0x1.62e42feep-1;
    double low = n * 0x1.a39ef35793c76p-33;
    double r = high - low;
    double c = (high - r) - low;
    double r2 = r * r;
    double r4 = r2 * r2;
    double a = r * (1.0 / 6) + 1.0 / 2;
    double b = r * (1.0 / 120) + 1.0 / 24;
    double d = r * (1.0 / 5040) + 1.0 / 720;
    double e = r * (1.0 / 362880) + 1.0 / 40320;
    double f = r * (1.0 / 39916800) + 1.0 / 3628800;
    double g = r * (1.0 / 6227020800) + 1.0 / 479001600;
    double p = ((g * r2 + f) * r4 + (e * r2 + d)) * r4 + (b * r2 + a);
    return ldexp(1 + (r + (r2 * p + c)), (int)n);
}

/* The formulas of lki_vlog_lanes(). */
double lki_log_reference(double x)
{
    if (isnan(x) || x == (double)INFINITY) {
        return x;
    }
    if (x <= 0) {
        return x == 0 ? -(double)INFINITY : (double)NAN;
    }
    int exponent;
    double m = frexp(x, &exponent); /* within [1/2, 1) */
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        exponent--;
    }
    double k = exponent;
    double f = m - 1;
    double half_square = 0.5 * f * f;
    double s = f / (2 + f);
    double z = s * s;
    double w = z * z;
    double even = (w * (w * 1.531383769920937332e-01 + 2.222219843214978396e-01) + 3.999999999940941908e-01) * w;
    double odd = (w * (w * (w * 1.479819860511658591e-01 + 1.818357216161805012e-01) + 2.857142874366239149e-01) +
                  6.666666666666735130e-01) *
                 z;
    double tail = k * 1.90821492927058770002e-10 + s * (half_square + (even + odd));
    return k * 6.93147180369123816490e-01 - ((half_square - tail) - f);
}

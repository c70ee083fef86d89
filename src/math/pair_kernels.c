/* The kernels' table, and each kernel with its derivatives in plain scalar arithmetic. */
#include "pair_kernels.h"
#include <math.h>
#include <string.h>

const lki_kernel lki_kernels[LKI_KERNELS] = {
#define LKI_KERNEL_ROW(name, argument, compact, sign, slope, parameter, low, usual, high, formula) \
    {#name, LKI_ARGUMENT_##argument, compact, sign, slope, parameter, low, usual, high, formula},
    LKI_KERNEL_LIST(LKI_KERNEL_ROW)
#undef LKI_KERNEL_ROW
};

int lki_kernel_find(const char *name)
{
    for (int i = 0; i < LKI_KERNELS; i++) {
        if (strcmp(lki_kernels[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* From value and absolute derivatives. */
static lki_kernel_value of(double value, double first, double second)
{
    if (!(value > 0.0)) {
        return (lki_kernel_value){0.0, -(double)INFINITY, 0.0, 0.0};
    }
    return (lki_kernel_value){value, log(value), first / value, second / value};
}

/* (1 + s / c)^-a. */
static lki_kernel_value power(double s, double c, double a)
{
    const double base = 1.0 + s / c;
    return (lki_kernel_value){pow(base, -a), -a * log1p(s / c), -a / (c * base), a * (a + 1.0) / (c * c * base * base)};
}

static lki_kernel_value bump(lki_kernel_id id, double s)
{
    const double r = sqrt(s), half_pi = M_PI / 2.0, t = 1.0 - s * r;
    if (!(s < 1.0)) {
        return of(0.0, 0.0, 0.0);
    }
    switch (id) {
    case LKI_KERNEL_epanechnikov:
        return of(1.0 - s, -1.0, 0.0);
    case LKI_KERNEL_biweight:
        return of((1.0 - s) * (1.0 - s), -2.0 * (1.0 - s), 2.0);
    case LKI_KERNEL_triweight:
        return of(pow(1.0 - s, 3.0), -3.0 * (1.0 - s) * (1.0 - s), 6.0 * (1.0 - s));
    case LKI_KERNEL_tricube:
        return of(t * t * t, -4.5 * r * t * t, r > 0.0 ? 13.5 * s * t - 2.25 * t * t / r : 0.0);
    case LKI_KERNEL_cosine:
        return r < 1e-4 ? of(1.0 - half_pi * half_pi * s / 2.0, -half_pi * half_pi / 2.0, pow(half_pi, 4.0) / 12.0)
                        : of(sin(half_pi * (1.0 - r)), -half_pi * sin(half_pi * r) / (2.0 * r),
                             (half_pi * sin(half_pi * r) / r - half_pi * half_pi * cos(half_pi * r)) / (4.0 * s));
    case LKI_KERNEL_triangle:
        return of(1.0 - r, r > 0.0 ? -0.5 / r : 0.0, r > 0.0 ? 0.25 / (s * r) : 0.0);
    default:
        return of(1.0, 0.0, 0.0); /* box */
    }
}

lki_kernel_value lki_kernel_reference(lki_kernel_id id, double s, double p, double offset)
{
    const double r = sqrt(s), a3 = sqrt(3.0) * r, a5 = sqrt(5.0) * r;
    const double inverse = r > 0.0 ? 1.0 / r : 0.0;
    switch (id) {
    case LKI_KERNEL_gaussian:
        return (lki_kernel_value){exp(-s / 2.0), -s / 2.0, -0.5, 0.25};
    case LKI_KERNEL_laplace:
        return (lki_kernel_value){exp(-s), -s, -1.0, 1.0};
    case LKI_KERNEL_matern12:
        return (lki_kernel_value){exp(-r), -r, -0.5 * inverse, 0.25 * inverse * inverse * (1.0 + inverse)};
    case LKI_KERNEL_matern32:
        return (lki_kernel_value){(1.0 + a3) * exp(-a3), log1p(a3) - a3, -1.5 / (1.0 + a3),
                                  0.75 * sqrt(3.0) * inverse / (1.0 + a3)};
    case LKI_KERNEL_matern52: {
        const double q = 1.0 + a5 + 5.0 * s / 3.0;
        return (lki_kernel_value){q * exp(-a5), log(q) - a5, -5.0 / 6.0 * (1.0 + a5) / q, 25.0 / 12.0 / q};
    }
    case LKI_KERNEL_rational_quadratic:
        return power(s, 2.0 * p, p);
    case LKI_KERNEL_cauchy:
        return power(s, 1.0, 1.0);
    case LKI_KERNEL_student:
        return power(s, p, (p + 1.0) / 2.0);
    case LKI_KERNEL_inverse_multiquadric:
        return power(s, 1.0, 0.5);
    case LKI_KERNEL_polynomial:
        return (lki_kernel_value){pow(s + offset, p), (double)NAN, p * pow(s + offset, p - 1.0),
                                  p > 1.0 ? p * (p - 1.0) * pow(s + offset, p - 2.0) : 0.0};
    case LKI_KERNEL_cosine_similarity:
        return (lki_kernel_value){s, (double)NAN, 1.0, 0.0};
    case LKI_KERNEL_energy:
        return (lki_kernel_value){-r, (double)NAN, -0.5 * inverse, 0.25 * inverse * inverse * inverse};
    case LKI_KERNEL_sobolev:
        return (lki_kernel_value){1.0 + 2.0 * M_PI * M_PI * (s - r + 1.0 / 6.0), (double)NAN, 2.0 * M_PI * M_PI * (1.0 - 0.5 * inverse),
                                  0.5 * M_PI * M_PI * inverse * inverse * inverse};
    case LKI_KERNEL_von_mises_fisher:
        return (lki_kernel_value){exp(p * (s - 1.0)), p * (s - 1.0), p, p * p};
    default:
        return bump(id, s);
    }
}

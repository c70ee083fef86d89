/* The one-dimensional kernels' integrals, distribution functions and samplers. */
#include "kernel_law.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

#define ROOT3 1.7320508075688772935
#define ROOT5 2.2360679774997896964

/* Integrals by hand: with a = sqrt(3) or sqrt(5) the Matern kernels are mixtures of gamma densities of |u| with rate a. */
static const lki_kernel_law laws[] = {
    {LKI_KERNEL_gaussian, 2.5066282746310005024, 1.0, 0.28209479177387814347, (double)INFINITY, 8.6},
    {LKI_KERNEL_laplace, 2.0, 2.0, 0.25, (double)INFINITY, 40.0},
    {LKI_KERNEL_matern32, 4.0 / ROOT3, 4.0 / 3.0, 5.0 * ROOT3 / 32.0, (double)INFINITY, 25.0},
    {LKI_KERNEL_matern52, 16.0 / (3.0 * ROOT5), 6.0 / 5.0, 63.0 * ROOT5 / 512.0, (double)INFINITY, 20.0},
    {LKI_KERNEL_cauchy, M_PI, (double)INFINITY, 0.5 / M_PI, (double)INFINITY, (double)INFINITY},
    {LKI_KERNEL_epanechnikov, 4.0 / 3.0, 1.0 / 5.0, 3.0 / 5.0, 1.0, 1.0},
    {LKI_KERNEL_biweight, 16.0 / 15.0, 1.0 / 7.0, 5.0 / 7.0, 1.0, 1.0},
    {LKI_KERNEL_triweight, 32.0 / 35.0, 1.0 / 9.0, 350.0 / 429.0, 1.0, 1.0},
    {LKI_KERNEL_tricube, 81.0 / 70.0, 35.0 / 243.0, 175.0 / 247.0, 1.0, 1.0},
    {LKI_KERNEL_cosine, 4.0 / M_PI, 1.0 - 8.0 / (M_PI * M_PI), M_PI * M_PI / 16.0, 1.0, 1.0},
    {LKI_KERNEL_box, 2.0, 1.0 / 3.0, 0.5, 1.0, 1.0},
    {LKI_KERNEL_triangle, 1.0, 1.0 / 6.0, 2.0 / 3.0, 1.0, 1.0},
};

const lki_kernel_law *lki_kernel_law_find(const char *name)
{
    for (size_t i = 0; i < sizeof laws / sizeof laws[0]; i++) {
        if (strcmp(lki_kernels[laws[i].kernel].name, name) == 0) {
            return &laws[i];
        }
    }
    return NULL;
}

double lki_kernel_law_canonical(const lki_kernel_law *law)
{
    return isfinite(law->variance) ? pow(law->roughness / (law->variance * law->variance), 0.2) : (double)NAN;
}

/* P(U <= -t), t >= 0. */
static double tail(lki_kernel_id id, double t)
{
    const double t2 = t * t, a3 = ROOT3 * t, a5 = ROOT5 * t;
    switch (id) {
    case LKI_KERNEL_gaussian:
        return lki_normal_cdf(-t);
    case LKI_KERNEL_laplace:
        return 0.5 * exp(-t);
    case LKI_KERNEL_matern32:
        return 0.5 * exp(-a3) * (1.0 + a3 / 2.0);
    case LKI_KERNEL_matern52:
        return 0.5 * exp(-a5) * (1.0 + 5.0 * a5 / 8.0 + a5 * a5 / 8.0);
    case LKI_KERNEL_cauchy:
        return t > 1.0 ? atan(1.0 / t) / M_PI : 0.5 - atan(t) / M_PI;
    default:
        break;
    }
    if (!(t < 1.0)) {
        return 0.0;
    }
    switch (id) {
    case LKI_KERNEL_epanechnikov:
        return 0.25 * (1.0 - t) * (1.0 - t) * (2.0 + t);
    case LKI_KERNEL_biweight:
        return 0.5 - 15.0 / 16.0 * t * (1.0 - t2 * (2.0 / 3.0 - t2 / 5.0));
    case LKI_KERNEL_triweight:
        return 0.5 - 35.0 / 32.0 * t * (1.0 - t2 * (1.0 - t2 * (3.0 / 5.0 - t2 / 7.0)));
    case LKI_KERNEL_tricube: {
        const double t3 = t2 * t;
        return 0.5 - 70.0 / 81.0 * t * (1.0 - t3 * (3.0 / 4.0 - t3 * (3.0 / 7.0 - t3 / 10.0)));
    }
    case LKI_KERNEL_cosine:
        return 0.5 * (1.0 - sin(M_PI_2 * t));
    case LKI_KERNEL_box:
        return 0.5 * (1.0 - t);
    default:
        return 0.5 * (1.0 - t) * (1.0 - t); /* triangle */
    }
}

double lki_kernel_law_cdf(const lki_kernel_law *law, double u)
{
    return u <= 0.0 ? tail(law->kernel, -u) : 1.0 - tail(law->kernel, u);
}

/* |u| of a Matern kernel: a gamma variable whose shape is 1, 2 or 3 with these probabilities. */
static double matern_draw(lki_stream *s, double second, double third, double rate)
{
    const double pick = lki_random_uniform(s), shape = pick < third ? 3.0 : pick < third + second ? 2.0 : 1.0;
    const double size = lki_random_gamma(s, shape) / rate;
    return lki_random_uniform(s) < 0.5 ? -size : size;
}

double lki_kernel_law_draw(const lki_kernel_law *law, lki_stream *s)
{
    switch (law->kernel) {
    case LKI_KERNEL_gaussian:
        return lki_random_normal(s);
    case LKI_KERNEL_laplace:
        return matern_draw(s, 0.0, 0.0, 1.0);
    case LKI_KERNEL_matern32:
        return matern_draw(s, 0.5, 0.0, ROOT3);
    case LKI_KERNEL_matern52:
        return matern_draw(s, 0.375, 0.25, ROOT5);
    case LKI_KERNEL_cauchy:
        return tan(M_PI * (lki_random_uniform(s) - 0.5));
    case LKI_KERNEL_epanechnikov:
        return 2.0 * lki_random_beta(s, 2.0, 2.0) - 1.0;
    case LKI_KERNEL_biweight:
        return 2.0 * lki_random_beta(s, 3.0, 3.0) - 1.0;
    case LKI_KERNEL_triweight:
        return 2.0 * lki_random_beta(s, 4.0, 4.0) - 1.0;
    case LKI_KERNEL_cosine:
        return M_2_PI * asin(2.0 * lki_random_uniform(s) - 1.0);
    case LKI_KERNEL_triangle:
        return lki_random_uniform(s) - lki_random_uniform(s);
    case LKI_KERNEL_tricube:
        for (;;) { /* accepted in 58 of 100 cases */
            const double u = 2.0 * lki_random_uniform(s) - 1.0, r = fabs(u), t = 1.0 - r * r * r;
            if (lki_random_uniform(s) < t * t * t) {
                return u;
            }
        }
    default:
        return 2.0 * lki_random_uniform(s) - 1.0; /* box */
    }
}

/* The kernels of the pair engine: one table, and a scalar reference for each. */
#ifndef LIKELY_PAIR_KERNELS_H
#define LIKELY_PAIR_KERNELS_H

#include <stdbool.h>

/* What a kernel is a function of. u = (x - y) / h column by column, or M (x - y) for a metric M. */
typedef enum lki_kernel_argument {
    LKI_ARGUMENT_SQUARE,   /* s = sum u^2 */
    LKI_ARGUMENT_ABSOLUTE, /* s = sum |u| */
    LKI_ARGUMENT_PRODUCT,  /* s = sum x y / h^2 */
    LKI_ARGUMENT_DIRECTION /* s = x.y / (|x| |y|), 0 where either is 0 */
} lki_kernel_argument;

/* Each kernel once: name, argument, whether it is 0 beyond argument 1, whether it has values of both signs (or only
 * negative ones), bound of |d log k / ds| (what an error of s costs at most; -1 = none), name of its parameter (NULL =
 * none) with its least, default and greatest value, and its formula with r = sqrt(s). */
#define LKI_KERNEL_LIST(X)                                                                                                              \
    X(gaussian, SQUARE, false, false, 0.5, NULL, 0, 0, 0, "exp(-s/2)")                                                                  \
    X(laplace, ABSOLUTE, false, false, 1.0, NULL, 0, 0, 0, "exp(-s)")                                                                   \
    X(matern12, SQUARE, false, false, -1.0, NULL, 0, 0, 0, "exp(-r)")                                                                   \
    X(matern32, SQUARE, false, false, 1.5, NULL, 0, 0, 0, "(1 + sqrt(3) r) exp(-sqrt(3) r)")                                            \
    X(matern52, SQUARE, false, false, 0.9, NULL, 0, 0, 0, "(1 + sqrt(5) r + 5 s/3) exp(-sqrt(5) r)")                                    \
    X(rational_quadratic, SQUARE, false, false, 0.5, "alpha", 1e-3, 1, 1e6, "(1 + s/(2 alpha))^-alpha")                                 \
    X(cauchy, SQUARE, false, false, 1.0, NULL, 0, 0, 0, "1/(1 + s)")                                                                    \
    X(student, SQUARE, false, false, -1.0, "nu", 1e-3, 3, 1e6, "(1 + s/nu)^(-(nu + 1)/2)")                                             \
    X(inverse_multiquadric, SQUARE, false, false, 0.5, NULL, 0, 0, 0, "(1 + s)^(-1/2)")                                                 \
    X(epanechnikov, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "1 - s, s < 1")                                                           \
    X(biweight, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "(1 - s)^2, s < 1")                                                           \
    X(triweight, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "(1 - s)^3, s < 1")                                                          \
    X(tricube, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "(1 - r^3)^3, s < 1")                                                          \
    X(cosine, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "cos(pi r/2), s < 1")                                                           \
    X(box, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "1, s < 1")                                                                        \
    X(triangle, SQUARE, true, false, -1.0, NULL, 0, 0, 0, "1 - r, s < 1")                                                               \
    X(polynomial, PRODUCT, false, true, -1.0, "degree", 1, 2, 16, "(s + offset)^degree, a whole degree")                                \
    X(cosine_similarity, DIRECTION, false, true, -1.0, NULL, 0, 0, 0, "s")                                                              \
    X(energy, SQUARE, false, true, -1.0, NULL, 0, 0, 0, "-r")                                                                           \
    X(sobolev, SQUARE, false, true, -1.0, NULL, 0, 0, 0, "1 + 2 pi^2 (s - r + 1/6), s <= 1: of one column, periodic")                   \
    X(von_mises_fisher, DIRECTION, false, false, -1.0, "kappa", 1e-6, 1, 1e6, "exp(kappa (s - 1))")

typedef enum lki_kernel_id {
#define LKI_KERNEL_ENUM(name, ...) LKI_KERNEL_##name,
    LKI_KERNEL_LIST(LKI_KERNEL_ENUM)
#undef LKI_KERNEL_ENUM
        LKI_KERNELS
} lki_kernel_id;

typedef struct lki_kernel {
    const char *name;
    lki_kernel_argument argument;
    bool compact, has_sign;
    double slope; /* -1 = no bound */
    const char *parameter;
    double low, usual, high;
    const char *formula;
} lki_kernel;
extern const lki_kernel lki_kernels[LKI_KERNELS];

/* The kernel of a name, or -1. */
int lki_kernel_find(const char *name);

/* A kernel at one argument. The derivatives by s are relative, k'/k and k''/k, but of kernels that have a sign, where they are k'
 * and k'' themselves. They are 0 where k is 0, and at s = 0 where they do not exist. */
typedef struct lki_kernel_value {
    double value, log, first, second;
} lki_kernel_value;
lki_kernel_value lki_kernel_reference(lki_kernel_id id, double s, double parameter, double offset);

#endif

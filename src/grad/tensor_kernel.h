/* The inner loops over tensors, one table for each instruction set and precision; each element is computed alone. */
#ifndef LIKELY_TENSOR_KERNEL_H
#define LIKELY_TENSOR_KERNEL_H

#include <likely/grad.h>

enum { LKI_UNARY_COUNT = LK_COS + 1, LKI_BINARY_COUNT = LK_POWER + 1 };

typedef struct lki_update_rates {
    double rate, decay; /* learning rate; share of a parameter that decays in a step */
    double clip;        /* factor of every gradient */
    double beta1, beta2, epsilon;
    double bias1, bias2; /* 1 - beta^step */
} lki_update_rates;

/* Strides are in elements; `out` is contiguous and overlaps no argument. */
typedef struct lki_tensor_kernels {
    void (*unary[LKI_UNARY_COUNT])(int64_t n, const void *x, int64_t stride, void *out);
    void (*binary[LKI_BINARY_COUNT])(int64_t n, const void *a, int64_t stride_a, const void *b, int64_t stride_b, void *out);
    void (*affine)(int64_t n, const void *x, int64_t stride, double scale, double shift, void *out);
    void (*select)(int64_t n, const void *c, int64_t stride_c, const void *a, int64_t stride_a, const void *b, int64_t stride_b,
                   void *out);
    void (*copy)(int64_t n, const void *x, int64_t stride, void *out);
    /* One result from n contiguous values, summed in 16 lanes of double. */
    void (*row_sum)(int64_t n, const void *x, void *out);
    void (*row_max)(int64_t n, const void *x, void *out);
    /* `columns` results from `rows` rows that are `stride` apart. */
    void (*column_sum)(int64_t rows, int64_t stride, int64_t columns, const void *x, void *out);
    void (*column_max)(int64_t rows, int64_t stride, int64_t columns, const void *x, void *out);
    void (*add)(int64_t n, const void *x, void *sum); /* sum += x */
    void (*most)(int64_t n, const void *x, void *largest); /* largest = max(largest, x) */
    void (*multiply_add)(int64_t n, const void *a, const void *b, void *sum); /* sum += a b */
    /* x = exp(x - shift) in place; the sum of it. */
    double (*exp_row)(int64_t n, double shift, void *x);
    /* Of n rows of some channels: sums over the rows of x, and of x z. */
    void (*channel_sums)(int64_t n, int64_t channels, const void *x, const void *z, double *sum, double *product);
    /* out = a x + b z + c, with a, b and c of each channel; z may be NULL. */
    void (*channel_affine)(int64_t n, int64_t channels, const void *x, const double *a, const void *z, const double *b, const double *c,
                           void *out);
    /* AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2) and stochastic gradient descent with momentum on n parameters;
     * rates as lki_update_rates. */
    void (*adamw)(int64_t n, const lki_update_rates *rates, const void *gradient, void *first, void *second, void *parameter);
    void (*momentum)(int64_t n, const lki_update_rates *rates, const void *gradient, void *velocity, void *parameter);
    void (*average)(int64_t n, double keep, const void *parameter, void *average); /* a = keep a + (1 - keep) p */
    double (*square_sum)(int64_t n, const void *x);
} lki_tensor_kernels;

/* The kernels of the machine in use. */
const lki_tensor_kernels *lki_tensor_kernels_of(lk_precision precision);

/* [0] float, [1] double. */
extern const lki_tensor_kernels lki_tensor_kernels_portable[2];
#if defined(__x86_64__)
extern const lki_tensor_kernels lki_tensor_kernels_avx2[2];
extern const lki_tensor_kernels lki_tensor_kernels_avx512[2];
#endif

#endif

/* The inner loops of a Gaussian mixture over a block of rows: one source (expand.c), compiled for each instruction set. */
#ifndef LIKELY_MIXTURE_KERNEL_H
#define LIKELY_MIXTURE_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* How a component's log density depends on x. */
typedef enum lki_form {
    LKI_FORM_SPHERICAL, /* phi = [1, x, |x|^2] */
    LKI_FORM_DIAG,      /* phi = [1, x, x^2] */
    LKI_FORM_TIED,      /* phi = [1, x, |Wx|^2]; the last is common to all components and carries no statistic */
    LKI_FORM_FULL       /* phi = [1, x, vech(x x')] with pairs (0,0) (0,1) .. (0,d-1) (1,1) .. */
} lki_form;

/* What the kernel needs to know of K components over d features. Two ways lead to the same log densities:
 * expanded: log density = theta_k . phi(x), one matrix product for all components;
 * factored: log_c_k - |W_k (x - mean_k)|^2 / 2, without cancellation whatever the conditioning.
 * Rows enter as z = (x - centre) * scale (NULL: 0 and 1). */
typedef struct lki_mixture_plan {
    lki_form form;
    int factored;
    int64_t K, d;
    const double *centre, *scale; /* d each */
    const double *theta;          /* expanded: K x terms */
    const double *W;              /* factored: full K x d x d, tied d x d (lower triangles), diag K x d, spherical K;
                                     expanded tied: d x d */
    const double *means;          /* factored: K x d */
    const double *log_c;          /* factored: K */
    const double *precision;      /* rows with missing values, full and tied: W'W, K x d x d or d x d */
    int gaps;                     /* 1 = NaN in a row is a missing value (factored only); 0 = there is none */
    int noise;                    /* 1 = one more group stands behind the K: uniform over the box, nothing outside */
    double log_noise;             /* its log weight */
    const double *low, *high;     /* d each: the box, in units of z; both ends belong to it */
    const double *log_range;      /* d: log (high - low) */
    int64_t terms;                /* length of phi */
    int64_t statistics;           /* sums kept of each component */
    double *packed;               /* theta or W in the kernel's own order, from pack() */
} lki_mixture_plan;

/* Leading sums of a block, before K x statistics; that of the noise is sum_i w_i r_i. Expanded statistics are sum_i w_i r_ik phi(z_i) (the tied form without its last
 * term); factored ones are the same sums of phi(z_i - mean_k), full pairs for tied too. */
enum { LKI_SUM_OBJECTIVE = 0, LKI_SUM_ENTROPY = 1, LKI_SUM_WEIGHT = 2, LKI_SUM_NOISE = 3, LKI_SUM_HEAD = 4 };

int64_t lki_terms(lki_form form, int64_t d);
int64_t lki_statistics(lki_form form, int factored, int64_t d);

typedef struct lki_mixture_kernel {
    size_t (*packed_length)(const lki_mixture_plan *plan); /* doubles in plan->packed */
    void (*pack)(lki_mixture_plan *plan);
    /* Doubles of scratch, one a thread and 64-byte aligned, for calls of block() with sums of at most so many rows; 0: for calls without sums. */
    size_t (*scratch_length)(const lki_mixture_plan *plan, int64_t rows);
    /* Goes over `rows` rows of x (row-major). With plan->gaps a row's density is the marginal of what it has, and the sums hold the
     * conditional moments of what it lacks. Any of the outputs may be NULL: sums (added to), log_density (rows),
     * responsibilities (rows x (K + noise), row-major). w NULL = all one. A row's outputs do not depend on its neighbours. */
    void (*block)(const lki_mixture_plan *plan, const double *x, const double *w, int64_t rows, double *scratch, double *sums,
                  double *log_density, double *responsibilities);
} lki_mixture_kernel;

/* One for each instruction set (math/vector.h), and the one for this machine's. */
extern const lki_mixture_kernel lki_mixture_kernel_portable;
#if defined(__x86_64__)
extern const lki_mixture_kernel lki_mixture_kernel_avx2;
extern const lki_mixture_kernel lki_mixture_kernel_avx512;
#endif
const lki_mixture_kernel *lki_mixture_kernel_best(void);

#endif

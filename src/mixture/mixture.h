/* Parameters of a Gaussian mixture with the factors that its density needs, and the seam where covariance families enter. */
#ifndef LIKELY_MIXTURE_H
#define LIKELY_MIXTURE_H

#include "core/core.h"
#include "kernel.h"

struct lki_mixture;

/* What an M-step knows once means are settled: for each component its weight n_k and scatter about its mean. `pairs` holds K
 * symmetric d x d matrices (row-major, full), or one pooled matrix (tied), or K x d squares (diag), or K totals (spherical). */
typedef struct lki_scatter {
    const double *n;
    double total;
    const double *pairs;
} lki_scatter;

/* Normal-inverse-Wishart prior against collapse, in standardized units with mean 0 (Fraley and Raftery 2007, section 4):
 * shrinkage kappa, degrees of freedom nu, scale matrix (d x d). kappa = 0 means no prior. */
typedef struct lki_prior {
    double kappa, nu;
    const double *scale;
} lki_prior;

/* A covariance family: how it is stored, how the M-step finds it. Three letters say how volume, shape and orientation behave (E equal,
 * V variable over the components, I round or along the axes). A new family is one entry in covariance.c. */
typedef struct lki_covariance {
    const char *name;    /* what users see */
    const char *letters;
    lki_form form;
    int common_scale;    /* the family does not survive a scale of its own for each feature */
    int closed;          /* marginals stay in the family */
    int64_t (*length)(int64_t K, int64_t d); /* doubles of `covariances` (and of W and L) */
    /* covariances = argmax of the expected complete log-likelihood (plus log prior); the scatter already holds the prior's share of
     * the means. Before, `covariances` holds those of the last step, zeros where there are none: a family that iterates begins there. */
    lk_status (*solve)(lk_context *ctx, const lki_scatter *scatter, const lki_prior *prior, int64_t K, int64_t d, double *covariances)
        LK_NODISCARD;
    /* Up to a constant; NULL: the family takes no prior, its posterior mode having no closed form. */
    double (*log_prior)(const struct lki_mixture *mixture, const lki_prior *prior);
} lki_covariance;

const lki_covariance *lki_covariance_find(const char *name); /* by name or letters */
const lki_covariance *lki_covariance_at(int index);          /* NULL beyond the last */
/* Free parameters of the covariances alone (Celeux and Govaert 1995, table 1). */
double lki_covariance_parameters(const lki_covariance *covariance, int64_t K, int64_t d);
/* The family of a mixture's marginals. */
const lki_covariance *lki_covariance_marginal(const lki_covariance *covariance);
/* The family of any matrices of a form: what families of one form share beyond it, a conditional or a smoothed mixture need not keep. */
const lki_covariance *lki_covariance_plain(lki_form form);
/* Whether covariances (laid out as the family's form says) share what the family shares, to a relative 1e-6: *out = 0 or 1. */
lk_status lki_covariance_conforms(lk_context *ctx, const lki_covariance *covariance, int64_t K, int64_t d, const double *covariances,
                                  int *out) LK_NODISCARD;

/* K Gaussians over d features, and where `noise` is set one more group that is uniform over a box: background that belongs to no
 * Gaussian (Banfield and Raftery 1993, section 2.3, with a box for their volume). `factor` fills what stands below `covariances`. One
 * allocation for all arrays. */
typedef struct lki_mixture {
    int64_t K, d;
    const lki_covariance *covariance;
    int noise;           /* 0 or 1; lki_mixture_set_noise() */
    double *uniform;     /* 1: the weight of the noise */
    double *low, *high;  /* d each: its box, both ends included */
    double *log_range;   /* d: log (high - low) */
    double *weights;     /* K; with that of the noise they sum to 1 */
    double *means;       /* K x d */
    double *covariances; /* full K x d x d, tied d x d, diag K x d, spherical K */
    double *W;           /* inverse factors in the same layout: |W (x - mean)|^2 is the Mahalanobis square */
    double *L;           /* factors: covariance = L L' */
    double *log_c;       /* K: log weight - (d log 2 pi + log det) / 2 */
    double *log_det;     /* K */
    double *smallest;    /* K: lower bound of the smallest eigenvalue, within a factor d */
    double *condition;   /* K: condition of the covariance as it stands */
    lki_memory memory;
} lki_mixture;

lk_status lki_mixture_new(lk_context *ctx, int64_t K, int64_t d, const lki_covariance *covariance, lki_mixture **out) LK_NODISCARD;
void lki_mixture_free(lki_mixture *m);
void lki_mixture_copy(lki_mixture *to, const lki_mixture *from); /* same shape */
/* Gives the mixture noise of this weight over the box low < high; the K weights are left as they are. */
void lki_mixture_set_noise(lki_mixture *m, double weight, const double *low, const double *high);
/* Number of groups: the K components, then the noise. */
int64_t lki_mixture_groups(const lki_mixture *m);
/* Factors component k (or the shared covariance, k = 0). Returns 0, or the leading minor that is not positive. work: 2 d d. */
int64_t lki_mixture_factor_one(lki_mixture *m, int64_t k, double *work);
/* The same where the covariance's condition is known to be at most `bound`: math/cholesky.h. */
int64_t lki_mixture_factor_within(lki_mixture *m, int64_t k, double bound, double *work);
/* log_c from weights and determinants. */
void lki_mixture_normalize(lki_mixture *m);
/* Index of the matrix behind component k: 0 for tied. */
int64_t lki_mixture_matrix(const lki_mixture *m, int64_t k);
/* Number of separate matrices: 1 for tied, else K. */
int64_t lki_mixture_matrices(const lki_mixture *m);
/* The covariance of component k as a d x d matrix. */
void lki_mixture_covariance(const lki_mixture *m, int64_t k, double *out);
/* The noise counts as one, its weight: the box is taken as known. */
double lki_mixture_free_parameters(const lki_mixture *m);
/* The plan for the kernel's factored way in the mixture's own units; plan.packed must still be allocated and packed. */
lki_mixture_plan lki_mixture_factored_plan(const lki_mixture *m);

#endif

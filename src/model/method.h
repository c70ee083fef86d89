/* What a family fills in: a method's descriptor with its fit, and the operations table of the model it makes. */
#ifndef LIKELY_METHOD_H
#define LIKELY_METHOD_H

#include "core/core.h"
#include "data/dataset.h"
#include <jansson.h>
#include <likely/export.h>

/* A method's parameters, parsed and checked against its descriptor. */
typedef struct lki_values lki_values;
int64_t lki_value_integer(const lki_values *v, const char *name);
double lki_value_real(const lki_values *v, const char *name);
bool lki_value_flag(const lki_values *v, const char *name);
const char *lki_value_text(const lki_values *v, const char *name);                   /* NULL if unset; for a choice too */
bool lki_value_is_set(const lki_values *v, const char *name);                        /* given by the user, not the default */
const int64_t *lki_value_list(const lki_values *v, const char *name, int64_t *count); /* of a range, ascending */
bool lki_value_has(const lki_values *v, const char *name, const char *choice);       /* of choices */

/* One tensor of a model file: float64, up to 3 dimensions. */
typedef struct lki_tensor {
    char name[64]; /* at most LKI_TENSOR_NAME bytes where a method gives it */
    int rank;
    int64_t shape[3];
    double *values; /* owned by the model's state on save (borrowed), by the file on load */
} lki_tensor;
enum { LKI_TENSORS_MAX = 16, LKI_TENSOR_NAME = 31 };

/* Noise beyond this is refused: its square would leave the range of numbers. */
#define LKI_SIGMA_MAX 1e150

/* How some features (`wanted`) depend on others (`given`, disjoint from them, possibly none), made ready once and asked for any
 * number of rows. The law of each wanted feature is a mixture of `terms` distributions: normal ones, but for the last `uniform` of them,
 * each uniform over mean -+ sqrt(3) sd. A conditional borrows the state. */
typedef struct lki_conditional_operations {
    int64_t (*terms)(const void *state);
    int64_t (*uniform)(const void *state); /* NULL = none */
    lk_status (*new)(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                     int64_t wanted_count, void **out);
    /* values: rows x given, finite. weights: rows x terms; means: rows x terms x wanted; sds: terms x wanted, with sds_by_row
     * rows x terms x wanted. NaN means and sds where a row has no answer. */
    lk_status (*laws)(lk_context *ctx, const void *conditional, const double *values, int64_t rows, double *weights, double *means,
                      double *sds);
    /* draws: rows x count x wanted, joint over the wanted features. Row i draws from the stream of its number. */
    lk_status (*draw)(lk_context *ctx, const void *conditional, const double *values, int64_t rows, uint64_t seed,
                      const int64_t *numbers, int64_t count, double *draws);
    void (*free)(const lki_memory *memory, void *conditional);
    bool sds_by_row;
    /* Whether the terms are laws of counts: negative binomial ones of these means and sds, Poisson ones where sd^2 = mean. NULL = no. */
    bool (*counts)(const void *state);
} lki_conditional_operations;

/* One of the numbers that a model is described by, such as entry (row, column) of the covariance of a group. */
typedef enum lki_scale { LKI_SCALE_REAL, LKI_SCALE_POSITIVE, LKI_SCALE_SHARE } lki_scale; /* where it lives: intervals stay there */
typedef struct lki_quantity {
    const char *name;    /* static */
    int64_t group;       /* -1 = of all groups */
    int64_t row, column; /* features, -1 = none */
    lki_scale scale;
} lki_quantity;

/* What the observed information tells. On entry standard_errors has room for one of each quantity. */
typedef struct lki_information {
    double *standard_errors;
    int64_t parameters; /* free ones */
    double condition;   /* of the information with its diagonal scaled to one */
    double distance;    /* sqrt(g' inverse(information) g): how far the maximum is, in standard errors */
} lki_information;
struct lki_builder;

/* A model for other programs. Either function may be NULL. */
typedef struct lki_export_operations {
    /* Appends C99 that defines, with names that begin with `prefix` (P below), in transformed units:
     *   static void P_joint(const double *z, double *terms): log (weight x density) of each term, at least -1e300;
     *   static void P_given(const double *z, const unsigned char *given, double *terms, double *means, double *sds, double *work): the same
     *       of the given features alone, and for each term (terms x d) mean and standard deviation of the others given those.
     * P_FEATURES and P_TERMS are defined before. math.h and float.h are included; no other call but those. The model layer adds
     * transform, Jacobian and the sum over terms. */
    lk_status (*code)(lk_context *ctx, const void *state, const char *prefix, struct lki_builder *text);
    /* The number of terms, and the doubles that P_given() needs as `work`. */
    void (*sizes)(const void *state, int64_t *terms, int64_t *work);
    /* Fills an object of numbers, texts and (nested) lists, of the distribution of x = location + scale z. */
    lk_status (*layout)(lk_context *ctx, const void *state, lk_export_format format, const double *location, const double *scale,
                        json_t *object);
} lki_export_operations;

/* A family's own part of a model: works in transformed units on rows x d arrays. Any function may be NULL but `free`, `save`
 * and `load`; what is missing is derived in model/derive.c or refused. `state` is the family's. All are thread-safe on a const state;
 * the model layer splits rows into blocks over threads and calls them with at most LKI_BLOCK_ROWS rows, all of them finite. What
 * a row gets must be the same bits whatever rows, and however many, stand beside it. */
typedef struct lki_operations {
    lk_status (*log_density)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    lk_status (*score)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    lk_status (*sample)(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out);
    lk_status (*responsibilities)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    lk_status (*cdf)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    /* A new state over some features. */
    lk_status (*marginal)(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out);
    int64_t (*groups)(const void *state);
    /* The group that is background rather than a cluster, the last; -1 (and NULL) = none. */
    int64_t (*noise_group)(const void *state);
    /* Probabilities of the groups before any feature is seen. */
    void (*prior)(const void *state, double *out);
    /* A point of each group but noise where its density is high: groups x d. */
    void (*centres)(const void *state, double *out);
    /* A new state over the features that are not given, in their order; `values` are finite. Stands together with `conditional`. */
    lk_status (*condition)(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count, void **out);
    const struct lki_conditional_operations *conditional;
    /* A new state over x + sigma_j z_j with z standard normal, of the same kind: all that the model can tell of x it then tells of
     * the noisy x. sigma: d values within [0, LKI_SIGMA_MAX]. */
    lk_status (*smooth)(lk_context *ctx, const void *state, const double *sigma, void **out);
    /* The mean of a kernel or of a distance between each row and the data that the model stands for, and its standard error (0 = exact): rows x 2. */
    lk_status (*similarity)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    /* A place near the highest mode, sought in a random projection to so many dimensions: d numbers. */
    lk_status (*peak)(lk_context *ctx, const void *state, int64_t dimensions, uint64_t seed, double *x);
    /* Second derivatives of the log density: rows x d x d, symmetric. */
    lk_status (*hessian)(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out);
    /* The numbers that intervals are asked for, and one of them, whichever state's; how many there are depends on the state's shape. */
    int64_t (*quantities)(const void *state, lki_quantity *out); /* NULL counts */
    double (*quantity)(const void *state, const lki_quantity *q);
    /* Their standard errors by the second derivatives of the rows' log-likelihood. LK_ERROR_NUMERIC where those give none. */
    lk_status (*information)(lk_context *ctx, const void *state, const lki_dataset *data, lki_information *out);
    const struct lki_export_operations *export;
    /* The state as a mixture of normal distributions: of how many (0 = it is none), and component k. mean: d, covariance: d x d. Both or
     * none. */
    int64_t (*normals)(const void *state);
    void (*normal)(const void *state, int64_t k, double *weight, double *mean, double *covariance);
    /* Adds the family's entries (components, ...) to the info object. */
    lk_status (*info)(lk_context *ctx, const void *state, json_t *info);
    /* Up to LKI_TENSORS_MAX tensors that hold the state whole; values borrowed from the state. */
    lk_status (*save)(lk_context *ctx, const void *state, lki_tensor *tensors, int *count);
    /* The state from tensors and parsed parameters of a file; everything is checked (shapes, finite, positive definite). */
    lk_status (*load)(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out);
    void (*free)(const lki_memory *memory, void *state);
} lki_operations;

/* What a fit tells beside its state; kept in the model file, shown by info. NaN and -1 mean not known. */
typedef struct lki_report {
    double n;               /* sum of weights */
    double log_likelihood;  /* nats, in the transformed units (the model layer adds the Jacobian) */
    double free_parameters;
    double entropy;         /* of the responsibilities, - sum_i w_i sum_k r_ik log r_ik >= 0: icl = bic - 2 entropy */
    int64_t iterations;
    int converged;          /* 1, 0, or -1 where nothing iterates */
    char degenerate[512];   /* which part is degenerate and how; "" = none */
    json_t *extra;          /* family entries kept with the report (the selection table, ...); owned, may be NULL */
} lki_report;

/* A fit of the shape of its `start` (number of groups, family), whatever the parameters leave to be chosen: begun there, or sought anew. */
typedef enum lki_refit { LKI_REFIT_NONE, LKI_REFIT_WARM, LKI_REFIT_SEARCH } lki_refit;

typedef struct lki_fit_task {
    const lki_dataset *data;
    const char *const *names;   /* d features */
    const lki_values *values;
    const void *start;          /* state to start from, NULL = none */
    lki_refit refit;            /* methods without a shape or a warm start need not look at it */
    int64_t partition;          /* 1 + column of the table with the groups to begin from, 0 = none; for roles with "partition" */
    uint64_t seed;
    const struct lki_labels *labels; /* for a discriminative fit: the last column of `data` has the label, `names` lacks it; else NULL */
    double log_jacobian;        /* sum_i w_i log |dz_i/dx_i| of the transform: add it to log-likelihoods that `extra` shows */
} lki_fit_task;

typedef struct lki_method {
    lk_method public;
    const lki_operations *operations;
    /* What a state is asked with that was fitted to a label: p(class | features) as responsibilities. NULL: a label gives each class a
     * state of its own (classes.h). */
    const lki_operations *discriminative;
    int gaps; /* 1 = a fit takes missing values (NaN) as such; 2 = they say what a row is for, and are no remark; 0 = they are refused before */
    bool guarded; /* nothing but the family's own state may tell of the rows: no transform, held-out rows, shares of classes, remarks */
    lk_status (*fit)(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report);
    /* From user JSON (lk_model_build); *d and *names (array of owned texts by ctx allocator, or NULL = x1..xd) are outputs. */
    lk_status (*build)(lk_context *ctx, const json_t *json, const lki_values *values, void **state, int64_t *d, char ***names);
} lki_method;

/* Declares a method where it is defined; the build collects every file that says so into the registry. The default method has
 * the lowest order number. Use: LKI_METHOD(gmm, 0) = { ... }; */
#define LKI_METHOD(name, order) const lki_method lki_method_##name

extern const lki_method *const lki_methods[]; /* generated, NULL-terminated */

#endif

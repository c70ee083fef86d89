/* A distribution over rows and a class: p(x, c) = p(c) p(x | c), a state of one method for each class. Operations over all classes
 * are made of that method's own, so that every method has them. Discriminant analysis by mixtures (Hastie and Tibshirani 1996;
 * Fraley and Raftery 2002, section 4) is this over Gaussian mixtures. */
#ifndef LIKELY_CLASSES_H
#define LIKELY_CLASSES_H

#include "data/labels.h"
#include "model/method.h"

struct lki_transform;

/* The state of a model with classes. */
typedef struct lki_classes {
    lki_memory memory;
    const lki_method *method;
    int64_t count, d;
    double *priors;      /* count, sum 1 */
    void **states;       /* count, the method's */
    lki_report *reports; /* count; log-likelihoods in the data's units */
} lki_classes;

/* All but the priors and states. */
lk_status lki_classes_new(lk_context *ctx, const lki_method *method, int64_t count, int64_t d, lki_classes **out) LK_NODISCARD;
void lki_classes_free(const lki_memory *memory, void *state); /* NULL is fine */
/* The operations over classes that a method's own give: groups are the classes, responsibilities their posterior probabilities.
 * `info`, `save` and `load` stay empty: the model layer shows and keeps classes one by one. */
lki_operations lki_classes_operations(const lki_method *method);
/* log_weights[c] += log prior: probabilities in place, which sum to 1; the priors where every class has density 0. */
void lki_classes_weigh(const lki_classes *classes, double *log_densities);

/* classes_conditional.c */
extern const lki_conditional_operations lki_classes_conditional;

/* Which class each draw of lki_operations.sample comes from. */
lk_status lki_classes_drawn(lk_context *ctx, const lki_classes *classes, uint64_t seed, int64_t first_row, int64_t rows,
                            int64_t *out) LK_NODISCARD;

/* classes_file.c: *out (lki_release) borrows its values from the state, and has room for one tensor more. */
lk_status lki_classes_save(lk_context *ctx, const lki_classes *classes, lki_tensor **out, int *count) LK_NODISCARD;
/* The state from the tensors of a file, sorted by name, with everything checked. */
lk_status lki_classes_load(lk_context *ctx, const lki_method *method, const lki_values *values, int64_t d, int64_t classes,
                           const lki_tensor *tensors, int count, lki_classes **out) LK_NODISCARD;

/* classes_fit.c */
typedef struct lki_classes_task {
    const lki_method *method;
    const lki_dataset *data;               /* untransformed; rows without a label take no part */
    const struct lki_transform *transform; /* NULL = none */
    const lki_labels *labels;
    const char *priors;                    /* "data" (or NULL), "equal", or a list of numbers or NAME=number */
    const char *const *names;              /* d features */
    const lki_values *values;
    const lki_classes *start;              /* NULL = none */
    uint64_t seed;
} lki_classes_task;

/* Fits the method to the rows of each class by themselves: the same bits as a fit of those rows alone. The report is that of
 * p(x, c); its log-likelihood is in the data's units. Errors as the method's, with the class named. */
lk_status lki_classes_fit(lk_context *ctx, const lki_classes_task *task, lki_classes **out, lki_report *report) LK_NODISCARD;
/* Refuses priors that are not understood, before anything is fitted. */
lk_status lki_classes_check_priors(lk_context *ctx, const char *text, const lki_labels *labels) LK_NODISCARD;

#endif

/* The Gaussian mixture as a model: its state, and the parts of the family that stand in files of their own. */
#ifndef LIKELY_GMM_H
#define LIKELY_GMM_H

#include "mixture.h"
#include "model/method.h"

/* A mixture in the units that the model layer asks in, with the kernel's plan ready. */
typedef struct lki_gmm {
    lki_mixture *mixture;
    lki_mixture_plan plan;
    lki_memory memory;
} lki_gmm;

/* Takes the mixture (also on failure), factors it and prepares the plan. Errors: LK_ERROR_DATA naming the component that is not
 * positive definite. */
lk_status lki_gmm_new(lk_context *ctx, lki_mixture *mixture, lki_gmm **out) LK_NODISCARD;
void lki_gmm_free(const lki_memory *memory, void *state);

extern const lki_operations lki_gmm_operations;
extern const lki_method lki_method_gmm; /* gmm.c */

/* lki_operations.save and .load of the gmm: gmm_file.c. */
lk_status lki_gmm_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count) LK_NODISCARD;
lk_status lki_gmm_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out) LK_NODISCARD;

/* The method kmeans has the gmm's operations but these: kmeans_model.c. */
extern const lki_operations lki_kmeans_operations;
lk_status lki_kmeans_responsibilities(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out) LK_NODISCARD;
lk_status lki_kmeans_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out) LK_NODISCARD;

/* lki_method.build of the gmm: gmm_build.c. */
lk_status lki_gmm_build(lk_context *ctx, const json_t *json, const lki_values *values, void **state, int64_t *d,
                        char ***names) LK_NODISCARD;

#endif

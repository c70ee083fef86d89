/* Models for other programs: C source, and the parameter layouts of other libraries. */
#ifndef LIKELY_EXPORT_H
#define LIKELY_EXPORT_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a model is written as. */
typedef enum lk_export_format {
    LK_EXPORT_C = 0,            /**< a C99 file that needs libm alone: log density, responsibilities, conditional mean */
    LK_EXPORT_JSON = 1,         /**< parameters in the data's units, as lk_model_build() reads them */
    LK_EXPORT_SKLEARN_JSON = 2, /**< the attributes of scikit-learn's GaussianMixture as JSON */
    LK_EXPORT_SKLEARN_NPZ = 3,  /**< the same as a NumPy archive */
    LK_EXPORT_MCLUST_JSON = 4,  /**< modelName, parameters (pro, mean, variance) of R's mclust as JSON */
    LK_EXPORT_MCLUST_R = 5      /**< the same as text for R's dget() */
} lk_export_format;

/** Writes a model for another program, to a file that appears whole or not at all.
 * The C file opens with its functions' declarations and says how to call and compile them. It takes rows in the data's units, transforms
 * included, and gives log densities that agree with lk_model_log_density() to rounding: 1e-12 nats, and 1e-15 of the value in far tails.
 * The other layouts hold means and covariances in the data's units. They have no place for a transform other than standardize, which
 * is undone: where a family's shared form does not survive that, a wider one is named.
 * @param context a context.
 * @param model a model.
 * @param format what to write.
 * @param prefix for LK_EXPORT_C: what the names in the file begin with, an identifier of at most 63 characters; NULL = "model".
 * @param path a file; "-" is standard output.
 * Errors: LK_ERROR_UNSUPPORTED (the method has no such layout, or the transform stands in the way), LK_ERROR_ARGUMENT (prefix),
 * LK_ERROR_MEMORY, LK_ERROR_IO.
 * Cost: linear in the model's size; one sync. */
LK_API LK_NODISCARD lk_status lk_model_export(lk_context *context, const lk_model *model, lk_export_format format,
                                              const char *prefix, const char *path);

#ifdef __cplusplus
}
#endif
#endif

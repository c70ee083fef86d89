/* Log densities of rows held out at a fit and kept with the model: what rows are ranked among. */
#ifndef LIKELY_CALIBRATION_H
#define LIKELY_CALIBRATION_H

#include "data/dataset.h"
#include "model/method.h"

typedef struct lki_calibration {
    double share;    /* of the rows that was held out */
    int64_t outside; /* held-out rows of density 0 */
    int64_t count;   /* the others that have all features */
    double values[]; /* count log densities, ascending, data units */
} lki_calibration;

/* From the rows of an untransformed dataset of the model's features; `moments` receives LKI_POOLED of their log densities.
 * LK_ERROR_DATA where no such row has a density. */
lk_status lki_calibration_new(lk_context *ctx, const lk_model *model, const lki_dataset *held, lki_calibration **out,
                              double *moments) LK_NODISCARD;

/* As JSON, and as the tensor of a model file; its values are borrowed. */
#define LKI_CALIBRATION_TENSOR "calibration"
json_t *lki_calibration_json(const lki_calibration *c);
lki_tensor lki_calibration_tensor(const lki_calibration *c);
/* From a file; false where the two do not belong together. */
bool lki_calibration_right(const json_t *json, const lki_tensor *tensor);
lk_status lki_calibration_read(lk_context *ctx, const json_t *json, const lki_tensor *tensor, lki_calibration **out) LK_NODISCARD;

#endif

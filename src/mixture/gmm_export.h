/* A Gaussian mixture for other programs. */
#ifndef LIKELY_GMM_EXPORT_H
#define LIKELY_GMM_EXPORT_H

#include "gmm.h"

extern const lki_export_operations lki_gmm_export;

/* Texts of export_full.c.in and export_diag.c.in. */
extern const char lki_export_full[], lki_export_diag[];

/* gmm_mclust.c: the entries of mclust's variance list for a mixture in the data's units. Uses BLAS. */
lk_status lki_gmm_mclust(lk_context *ctx, const lki_mixture *m, json_t *variance) LK_NODISCARD;
/* Rows of a matrix as nested lists; NULL if out of memory. */
json_t *lki_json_matrix(const double *values, int64_t rows, int64_t columns);

#endif

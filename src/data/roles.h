/* Which columns of a table play which part. */
#ifndef LIKELY_ROLES_H
#define LIKELY_ROLES_H

#include "core/core.h"
#include <likely/table.h>

/* Finds the columns that `roles` (NULL = all defaults) names. *features receives d 0-based positions (release by
 * lki_release()), *label, *weight and *partition a position or -1; the last three may be
 * NULL. Without named features they are the
 * real and integer columns that play no other part, and a remark names the others. Errors: LK_ERROR_ARGUMENT (a
 * column that is not there, or plays two parts), LK_ERROR_DATA (a feature or weight that is not numeric, no feature
 * at all). */
lk_status lki_roles_resolve(lk_context *ctx, const lk_table *table, const lk_roles *roles, int64_t **features,
                            int64_t *d, int64_t *label, int64_t *weight, int64_t *partition) LK_NODISCARD;

#endif

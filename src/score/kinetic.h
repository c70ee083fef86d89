/* The schedule of least kinetic energy for given data: what the schedule of that name is built of. */
#ifndef LIKELY_KINETIC_H
#define LIKELY_KINETIC_H

#include "score/field.h"
#include "score/schedule.h"

typedef struct lki_kinetic lki_kinetic;

/* For a field of mean 0 and spread 1 in each feature, by `rows` draws of it (rows x d, field's units); the first 2048 are used. Cost: 95
 * scores a draw. Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
lk_status lki_kinetic_new(lk_context *ctx, const lki_field *field, const double *draws, int64_t rows, lki_kinetic **out) LK_NODISCARD;
/* The same from the data separation lambda(theta) itself, alpha / sigma = tan(theta). */
lk_status lki_kinetic_of(lk_context *ctx, double (*lambda)(void *state, double theta), void *state, lki_kinetic **out) LK_NODISCARD;
/* For a model with draws of its own, in the units of its field. */
lk_status lki_kinetic_of_model(lk_context *ctx, const lk_model *model, const lki_field *field, lki_kinetic **out) LK_NODISCARD;
void lki_kinetic_free(const lki_memory *memory, lki_kinetic *k); /* NULL is fine */

lki_path_point lki_kinetic_at(const lki_kinetic *k, double t);
double lki_kinetic_time(const lki_kinetic *k, double ratio);
/* E |E[x0 | x]|^2 / d at a ratio sigma / alpha: 1 = the noisy row tells its data whole. */
double lki_kinetic_separation(const lki_kinetic *k, double ratio);
/* The least energy a feature, and that of a schedule between its noises, in time from 0 to 1. */
double lki_kinetic_energy(const lki_kinetic *k);
double lki_kinetic_energy_of(const lki_kinetic *k, const lki_schedule *s);

#endif

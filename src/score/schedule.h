/* Noise schedules: the paths x_t = alpha(t) x0 + sigma(t) n on which data and noise are mixed, t from 0 (data) to 1
 * (noise), n standard normal. Up to the factor alpha a path is a field at noise ratio(t) = sigma / alpha, so that every
 * schedule asks the same oracle. */
#ifndef LIKELY_SCHEDULE_H
#define LIKELY_SCHEDULE_H

#include "core/core.h"

#include <likely/score.h>

/* A path at one time, with derivatives by t. */
typedef struct lki_path_point {
    double alpha, sigma, alpha_rate, sigma_rate;
} lki_path_point;

/* A schedule over noise from sigma_min to sigma_max in units of the data's spread: what ve and edm are built of, and
 * where the others are cut. */
typedef struct lki_schedule {
    const struct lki_schedule_kind *kind;
    double sigma_min, sigma_max;
    const struct lki_kinetic *kinetic; /* of the kind that follows from data (kinetic.h), borrowed; NULL else */
} lki_schedule;

typedef struct lki_schedule_kind {
    lk_schedule_kind public;
    lki_path_point (*at)(const lki_schedule *s, double t);
    double (*time)(const lki_schedule *s, double ratio); /* the t at which sigma / alpha is this, above 0 */
    bool from_data;                                      /* wants lki_schedule.kinetic */
} lki_schedule_kind;

/* Every schedule that there is; NULL beyond the last. */
const lki_schedule_kind *lki_schedule_kind_at(int index);
/* LK_ERROR_ARGUMENT naming those there are; name NULL = edm. */
lk_status lki_schedule_find(lk_context *ctx, const char *name, const lki_schedule_kind **out) LK_NODISCARD;

lki_path_point lki_schedule_at(const lki_schedule *s, double t);
double lki_schedule_time(const lki_schedule *s, double ratio);

/* Where a step begins or ends. */
typedef struct lki_node {
    double t, ratio; /* sigma / alpha */
    lki_path_point point;
} lki_node;
lki_node lki_schedule_node(const lki_schedule *s, double t);
/* nodes[0 .. steps]: even steps in t from ratio sigma_max to ratio sigma_min, the last step from there to the data (ratio 0, alpha 1; t
 * NaN, since ve and edm have no time for it). steps at least 2. */
void lki_schedule_grid(const lki_schedule *s, int64_t steps, lki_node *nodes);

/* What a net may be trained to predict at a point x of a path; each follows from each (see prediction.c). */
typedef enum lki_prediction {
    LKI_PREDICT_NOISE,    /* E[n | x] */
    LKI_PREDICT_DATA,     /* E[x0 | x] */
    LKI_PREDICT_SCORE,    /* grad log p_t(x) = -E[n | x] / sigma */
    LKI_PREDICT_VELOCITY, /* E[dx/dt | x] = alpha' E[x0 | x] + sigma' E[n | x] */
    LKI_PREDICT_V,        /* alpha E[n | x] - sigma E[x0 | x] (Salimans and Ho 2022, arXiv:2202.00512) */
    LKI_PREDICT_EDM,      /* F with E[x0 | x] = c_skip x / alpha + c_out F, data of spread 1 (Karras et al. 2022, table 1) */
    LKI_PREDICTIONS
} lki_prediction;
extern const char *const lki_prediction_names[LKI_PREDICTIONS];
/* to = what `kind` predicts where `from_kind` predicts `from`, at x; values: any number of coordinates; may overlap
 * exactly. LK_ERROR_ARGUMENT where the conversion has no answer (noise of none, data of nothing but noise). */
lk_status lki_predict_as(lk_context *ctx, lki_path_point p, lki_prediction from_kind, lki_prediction kind, const double *x,
                         const double *from, int64_t values, double *to) LK_NODISCARD;

#endif

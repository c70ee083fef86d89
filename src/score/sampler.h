/* The inside of a sampler: what its methods share. All of them work in the units of the field. */
#ifndef LIKELY_SAMPLER_H
#define LIKELY_SAMPLER_H

#include "core/philox.h"
#include "model/pooled.h"
#include "score/field.h"
#include "score/schedule.h"

/* Noise levels of annealed chains, the last being 0. */
enum { LKI_LEVELS = 20 };

struct lki_chains_plan;

struct lk_sampler {
    lki_memory memory;
    const lk_model *model; /* NULL = of a caller's function */
    const struct lki_sampler_kind *kind;
    lki_field *field; /* NULL: exact draws */
    lki_field *weak;  /* reflection */
    lki_schedule schedule;
    struct lki_kinetic *kinetic; /* of the schedule of that name; NULL else */
    uint64_t seed;
    int64_t d, steps, rows; /* rows: drawn so far */
    int64_t order;
    double sigma_max, sigma_min; /* in spreads */
    double step_size, churn, tolerance;
    double evaluations;          /* scores by a row */
    /* dopri5, gaussian-start: where steps begin and end; NULL = the schedule's grid. */
    lki_node *nodes;
    int64_t nodes_steps;
    /* gaussian-start: mean (d), axes (d x d rows) and variances (d) in the field's units; steps it saves, noise it starts at. */
    double *gaussian;
    int64_t steps_saved;
    double start;
    /* Chains: noise and squared step of each level, in spreads; the last is the model itself. */
    int levels;
    double noise[LKI_LEVELS + 1], squares[LKI_LEVELS + 1];
    double accepted, proposed; /* proposed 0 = none can be refused */
    double *halves, *chains;   /* d x LKI_POOLED: means of half chains, of chains */
    double *within;            /* d: sum of the variances within half chains */
    /* Flows: differences from draws with half the steps, in spreads. */
    double error_squares, error_count, error_most;
};

/* One way to draw. `prepare` may be NULL; `rows` fills rows x d (units of the field) for these row numbers. */
typedef struct lki_sampler_kind {
    lk_sampler_method public;
    double sigma_max, sigma_min; /* where none are given */
    lk_status (*prepare)(lk_context *ctx, lk_sampler *s);
    lk_status (*rows)(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *u);
} lki_sampler_kind;
const lki_sampler_kind *lki_sampler_kind_at(int index);

/* ---- steps down the noise, walk.c ---- */

/* A step of all rows from one node to the next. Rows are held as y = x / alpha, where every schedule is a field at noise `ratio`. */
typedef struct lki_step {
    const lk_sampler *sampler;
    int64_t number;                   /* 0, 1, ... */
    const lki_node *from, *to;        /* neighbours in an array of nodes: `number` others stand before */
    const lki_level *levels;          /* those that the method asked for, in its order */
    int64_t first_row;                /* number of the first row of y */
    double *y;                        /* rows x d */
    double *memory;                   /* rows x memory x d: what the method keeps; zeros at first */
} lki_step;

/* What a method does in a step. */
typedef struct lki_stepper {
    int levels;          /* fields at noise that a step asks */
    int memory;          /* values that it keeps of each coordinate */
    int scratch;         /* doubles of each coordinate that a block needs */
    double evaluations;  /* scores of each row and step */
    /* Noise of a level, and whether it is the weak field's; NULL = the one level is that of `from`. */
    double (*noise)(const lk_sampler *s, const lki_node *from, const lki_node *to, int level, bool *weak);
    /* Moves rows [first, first + rows) of step->y. */
    lk_status (*block)(lk_context *ctx, const lki_step *step, int64_t first, int64_t rows, double *scratch);
} lki_stepper;

/* Carries rows from nodes[0] over `steps` steps; where the last node has no noise (ratio 0) the flow's last piece is taken as one: y +
 * sigma^2 score / 2. `stage` names the progress. */
lk_status lki_walk(lk_context *ctx, const lk_sampler *s, const lki_stepper *stepper, const lki_node *nodes, int64_t steps,
                   int64_t first_row, int64_t rows, double *y, const char *stage) LK_NODISCARD;
/* Starts from independent normal values of variance 1 + sigma_max^2, walks the schedule's grid (or s->nodes). */
lk_status lki_walk_down(lk_context *ctx, lk_sampler *s, const lki_stepper *stepper, int64_t first_row, int64_t rows,
                        double *y) LK_NODISCARD;
/* The same for a flow, and tells its error by half the steps. */
lk_status lki_flow_down(lk_context *ctx, lk_sampler *s, const lki_stepper *stepper, int64_t first_row, int64_t rows,
                        double *y) LK_NODISCARD;
void lki_walk_start(const lk_sampler *s, double sigma, uint64_t stream, int64_t first_row, int64_t rows, double *y);
/* The stream of a row in a step. */
lki_stream lki_step_stream(const lki_step *step, int64_t row);

extern const lki_stepper lki_stepper_euler, lki_stepper_heun, lki_stepper_ddim, lki_stepper_dpm, lki_stepper_dopri5, lki_stepper_sde,
    lki_stepper_predictor_corrector, lki_stepper_reflection;

/* ---- methods with more to them ---- */

/* dopri5.c: the nodes that a tolerance demands, found on rows of a fixed seed. */
lk_status lki_dopri5_prepare(lk_context *ctx, lk_sampler *s) LK_NODISCARD;

/* gaussian_start.c */
lk_status lki_gaussian_start_prepare(lk_context *ctx, lk_sampler *s) LK_NODISCARD;
lk_status lki_gaussian_start_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *u) LK_NODISCARD;
/* Of a model in a field's units: mean (d), variances along the axes of its covariance (d), those axes (d x d): (d + 2) d doubles. Exact for
 * normal distributions, else of 16384 draws. */
lk_status lki_gaussian_moments(lk_context *ctx, const lk_model *model, const lki_field *f, double *gaussian) LK_NODISCARD;

/* chained.c */
lk_status lki_chained_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *u) LK_NODISCARD;

/* sampler.c: mean and standard deviation of each feature over draws; 0 and 1 where the model has none of its own. */
lk_status lki_sampler_units(lk_context *ctx, const lk_model *model, double *centre, double *scale) LK_NODISCARD;

/* langevin.c: finds step sizes; then chains of these row numbers. */
lk_status lki_langevin_prepare(lk_context *ctx, lk_sampler *s) LK_NODISCARD;
lk_status lki_langevin_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *u) LK_NODISCARD;

#endif

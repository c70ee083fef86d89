/* The inside of a model, and how its rows are asked in blocks; for the files of this room and of the floors that judge models. */
#ifndef LIKELY_MODEL_IMPL_H
#define LIKELY_MODEL_IMPL_H

#include "data/transform.h"
#include "model/calibration.h"
#include "model/classes.h"
#include "model/method.h"

struct lk_model {
    lki_memory memory;
    const lki_method *method;
    lki_operations operations; /* what the state is asked with: the method's own, or those with classes */
    lki_values *values;
    int64_t d;
    char **names;             /* d */
    lki_transform *transform; /* NULL = none */
    int64_t seed;             /* -1 = built, not fitted */
    lki_report report;        /* log_likelihood in the data's units */
    json_t *label;            /* {"name", "levels"} of the label column, levels in the order of the classes; NULL = none */
    lk_table *classes;        /* no rows, one category whose levels are the classes; NULL = the state is the method's own */
    json_t *held_out;         /* NULL = none */
    lki_calibration *calibration; /* NULL = none */
    json_t *remarks;          /* an array of texts */
    void *state;              /* the family's */
};

/* Whether the state is an lki_classes. */
static inline bool lki_model_by_class(const lk_model *model)
{
    return model->classes != NULL && model->method->discriminative == NULL;
}

/* Every report starts as this: nothing known. */
lki_report lki_report_unknown(void);

/* A model without values, transform and state, with its names (NULL = x1, x2, ...) copied and no report. */
lk_status lki_model_new(lk_context *ctx, const lki_method *method, int64_t d, const char *const *names,
                        lk_model **out) LK_NODISCARD;
/* A model of the same method over d features as far as questions need it: without names, report, transform and state. */
lk_status lki_model_shadow(lk_context *ctx, const lk_model *model, int64_t d, lk_model **out) LK_NODISCARD;
/* Adds a remark to the model, and says it by the message callback. */
lk_status lki_model_remark(lk_context *ctx, lk_model *model, const char *text) LK_NODISCARD;
/* Makes a model that has no state yet one with the classes of its label: its state is to be an lki_classes, or the discriminative
 * method's own. */
lk_status lki_model_take_classes(lk_context *ctx, lk_model *model) LK_NODISCARD;
/* The method of that name (NULL = the first); LK_ERROR_ARGUMENT naming those there are. */
lk_status lki_method_get(lk_context *ctx, const char *name, const lki_method **out) LK_NODISCARD;

/* LK_ERROR_FORMAT for an empty name and for one that stands twice. */
lk_status lki_names_check(lk_context *ctx, const char *const *names, int64_t d) LK_NODISCARD;
/* lk_model_columns() inside another call. */
lk_status lki_model_match(lk_context *ctx, const lk_model *model, const lk_table *table, int64_t *out) LK_NODISCARD;

/* Where an operation of a model comes from. */
typedef enum lki_origin { LKI_ORIGIN_NONE = 0, LKI_ORIGIN_OWN, LKI_ORIGIN_DERIVED } lki_origin;
lki_origin lki_model_origin(const lk_model *model, lk_operation operation);
/* LK_OK, or LK_ERROR_UNSUPPORTED with what the model offers. */
lk_status lki_model_supports(lk_context *ctx, const lk_model *model, lk_operation operation) LK_NODISCARD;

/* An operation on rows, made ready: what its derivation needs is computed once. Start from all zeros. */
typedef struct lki_question {
    const lk_model *model;
    lk_operation operation;
    int64_t columns; /* values a row */
    bool marginals;  /* incomplete rows are answered from the marginal of what is there */
    double *inner;   /* d: a point inside the domain of the transform; NULL = none needed */
    double *scale;   /* d: typical spread of each feature, for differences; NULL = not known */
    double *draws;   /* d x LKI_DERIVED_DRAWS: sorted draws of each feature, for derived distribution functions */
} lki_question;

/* What a row is: inside the support of the transform, with a missing value, or outside (an infinity, the log of -1). */
enum { LKI_ROW_PLAIN, LKI_ROW_MISSING, LKI_ROW_OUTSIDE };

/* Scratch of one thread; all zeros at first. */
typedef struct lki_scratch {
    double *z; /* LKI_BLOCK_ROWS x d */
    double *log_jacobian;
    unsigned char *kind;                /* LKI_ROW_ of each row */
    struct lki_incomplete *incomplete;  /* marginals of the patterns of missing values met so far; NULL = none yet */
    int64_t rows; /* how many fit */
} lki_scratch;

/* Checks that the model can answer and prepares. May run threads of its own. */
lk_status lki_question_open(lk_context *ctx, const lk_model *model, lk_operation operation, lki_question *q) LK_NODISCARD;
void lki_question_close(lk_context *ctx, lki_question *q);
/* Answers for at most LKI_BLOCK_ROWS rows in data units, on the calling thread: rows x q->columns values. */
lk_status lki_question_block(lk_context *ctx, const lki_question *q, lki_scratch *scratch, const double *x, int64_t rows,
                             double *out) LK_NODISCARD;
void lki_scratch_free(lk_context *ctx, lki_scratch *scratch);

/* incomplete.c: answers for the rows of s->kind LKI_ROW_MISSING. */
lk_status lki_incomplete_block(lk_context *ctx, const lki_question *q, lki_scratch *s, const double *x, int64_t rows,
                               double *out) LK_NODISCARD;
void lki_incomplete_free(lk_context *ctx, struct lki_incomplete *incomplete); /* NULL is fine */

/* features.c: LK_ERROR_ARGUMENT unless the features are from 1 to `most` distinct ones of the model. */
lk_status lki_features_check(lk_context *ctx, const lk_model *model, const int64_t *features, int64_t count, int64_t most) LK_NODISCARD;
/* A model over some features, without its state, that tells of the fit what stays true: how much data, and whether to trust it. */
lk_status lki_model_part(lk_context *ctx, const lk_model *model, const int64_t *features, int64_t count, lk_model **out) LK_NODISCARD;

/* Draws in transformed units, over threads. */
lk_status lki_model_draw(lk_context *ctx, const lk_model *model, uint64_t seed, int64_t first_row, int64_t rows,
                         double *out) LK_NODISCARD;

/* Draws in data units on the calling thread: at most LKI_BLOCK_ROWS of them. */
lk_status lki_model_draw_block(lk_context *ctx, const lk_model *model, uint64_t seed, int64_t first_row, int64_t rows,
                               double *out) LK_NODISCARD;

/* derive.c: operations from other operations, in transformed units, for at most LKI_BLOCK_ROWS finite rows. */
enum { LKI_DERIVED_DRAWS = 10000 };
lk_status lki_derive_prepare(lk_context *ctx, lki_question *q) LK_NODISCARD;
lk_status lki_derive_score(lk_context *ctx, const lki_question *q, const double *z, int64_t rows, double *out) LK_NODISCARD;
/* Gradients of the log density at rows, in transformed units. */
typedef lk_status (*lki_gradient)(lk_context *ctx, void *state, const double *z, int64_t rows, double *out);
/* Second derivatives (rows x d x d, symmetric) from differences of a gradient; q is prepared for LK_OPERATION_SCORE. */
lk_status lki_derive_hessian(lk_context *ctx, const lki_question *q, lki_gradient gradient, void *state, const double *z, int64_t rows,
                             double *out) LK_NODISCARD;
void lki_derive_cdf(const lki_question *q, const double *z, int64_t rows, double *out);

#endif

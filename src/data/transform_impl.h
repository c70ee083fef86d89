/* The inside of a transform, for the files that make one or write it down. */
#ifndef LIKELY_TRANSFORM_IMPL_H
#define LIKELY_TRANSFORM_IMPL_H

#include "transform.h"

/* Every step: name, the word for it, what it takes. */
#define LKI_STEP_LIST(X)                                                                       \
    X(LKI_STEP_IDENTITY, "identity", "a value is a finite number")                             \
    X(LKI_STEP_STANDARDIZE, "standardize", "standardize takes finite values")                  \
    X(LKI_STEP_LOG, "log", "log takes values above 0")                                         \
    X(LKI_STEP_LOGIT, "logit", "logit takes values between 0 and 1, without the two")          \
    X(LKI_STEP_SQRT, "sqrt", "sqrt takes values other than 0, where its density has no bound") \
    X(LKI_STEP_ASINH, "asinh", "asinh takes finite values")

typedef enum lki_step_kind {
#define LKI_STEP_ENUM(name, text, domain) name,
    LKI_STEP_LIST(LKI_STEP_ENUM)
#undef LKI_STEP_ENUM
} lki_step_kind;

typedef struct lki_step {
    lki_step_kind kind;
    double a, b; /* of standardize: (x - a) / b, b > 0 */
} lki_step;

typedef struct lki_chain {
    int count;
    lki_step steps[LKI_TRANSFORM_STEPS];
} lki_chain;

struct lki_transform {
    lki_memory memory;
    int64_t d;
    lki_chain *chains; /* d */
};

/* The kind of step that has this name, -1 if none has. */
int lki_step_find(const char *name, size_t length);
/* d empty chains. */
lk_status lki_transform_identity(lk_context *ctx, int64_t d, lki_transform **out) LK_NODISCARD;

/* The value whose image under the first `count` steps is z. */
double lki_chain_invert(const lki_chain *c, int count, double z);

#endif

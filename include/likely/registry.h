/* The registry: every method's descriptor, from which flags, help, manual pages and other faces are made. */
#ifndef LIKELY_REGISTRY_H
#define LIKELY_REGISTRY_H

#include <likely/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What kind of value a parameter takes. */
typedef enum lk_parameter_type {
    LK_PARAMETER_FLAG = 0,    /**< present or not: "true" or "false" */
    LK_PARAMETER_INTEGER = 1, /**< a whole number within [low, high] */
    LK_PARAMETER_REAL = 2,    /**< a number within [low, high] */
    LK_PARAMETER_RANGE = 3,   /**< a whole number "3", a range "1..9" or a list "1,2,5", each within [low, high] */
    LK_PARAMETER_CHOICE = 4,  /**< one of `choices` */
    LK_PARAMETER_CHOICES = 5, /**< a comma-separated list of `choices` */
    LK_PARAMETER_TEXT = 6     /**< anything; `placeholder` says what */
} lk_parameter_type;

/** One parameter of a method or option of a verb. All texts are static. */
typedef struct lk_parameter {
    const char *name;          /**< as in --name and in name=value; words are joined by _ here, - is accepted too */
    lk_parameter_type type;    /**< what it takes */
    const char *value;         /**< its default as text; NULL = none */
    double low, high;          /**< range of numbers, both ends included */
    const char *choices;       /**< comma-separated, for the choice types; NULL otherwise */
    const char *placeholder;   /**< what stands for its value in help, such as FILE; NULL = by type */
    const char *summary;       /**< one line: what it does, with its unit */
} lk_parameter;

/** Operations that a model can offer; a set is the sum of its members. */
#define LK_OPERATION_LIST(X)                                                                     \
    X(LK_OPERATION_LOG_DENSITY, 1u, "log_density")                                               \
    X(LK_OPERATION_SCORE, 2u, "score")                                                           \
    X(LK_OPERATION_SAMPLE, 4u, "sample")                                                         \
    X(LK_OPERATION_RESPONSIBILITIES, 8u, "responsibilities")                                     \
    X(LK_OPERATION_MARGINAL, 16u, "marginal")                                                    \
    X(LK_OPERATION_CDF, 32u, "cdf")                                                              \
    X(LK_OPERATION_CONDITION, 64u, "condition")                                                  \
    X(LK_OPERATION_SMOOTH, 128u, "smooth")                                                       \
    X(LK_OPERATION_EXPORT, 256u, "export")

/** One operation of a model. */
typedef enum lk_operation {
#define LK_OPERATION_ENUM(name, value, text) name = value,
    LK_OPERATION_LIST(LK_OPERATION_ENUM)
#undef LK_OPERATION_ENUM
} lk_operation;

/** A method's public descriptor. All texts are static. */
typedef struct lk_method {
    const char *name;                /**< as in --model */
    const char *summary;             /**< one line */
    const char *citation;            /**< the paper it follows */
    const lk_parameter *parameters;  /**< in the order of the help */
    int64_t parameter_count;         /**< how many of them */
    const char *roles;               /**< the data roles it takes, comma-separated: "features,weight" */
    unsigned operations;             /**< sum of lk_operation that it offers itself; others may be derived */
} lk_method;

/** How many methods there are.
 * @return at least 1. */
LK_API int64_t lk_method_count(void);

/** A method by number.
 * @param index 0-based; the first is the default method.
 * @return static descriptor; NULL beyond the last. */
LK_API const lk_method *lk_method_at(int64_t index);

/** A method by name.
 * @param name as in lk_method.name.
 * @return static descriptor; NULL if there is none of that name. */
LK_API const lk_method *lk_method_find(const char *name);

/** A method's descriptor as JSON, for faces in other languages: name, summary, citation, roles (a list with commas), operations (an
 * array of words), missing_values (whether a fit takes rows with missing values), and parameters, an array in the order of the help, each
 * with name, type (flag, integer, real, range, choice, choices or text), default (its text, or null), summary, low and high of numbers
 * (null = no bound), choices and placeholder where it has them.
 * @param context a context.
 * @param method a descriptor of the registry.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_ARGUMENT (not of the registry), LK_ERROR_MEMORY.
 * Cost: linear in the number of parameters. */
LK_API LK_NODISCARD lk_status lk_method_info(lk_context *context, const lk_method *method, char **out);

/** The word for an operation, such as "log_density".
 * @param operation one lk_operation.
 * @return static text; NULL if it is none. */
LK_API const char *lk_operation_name(unsigned operation);

#ifdef __cplusplus
}
#endif
#endif

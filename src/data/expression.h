/* Expressions of columns as text, such as "exp(-x^2) * (y > 1)": parsed once, evaluated with derivatives at any number of rows. */
#ifndef LIKELY_EXPRESSION_H
#define LIKELY_EXPRESSION_H

#include "core/core.h"

/* Numbers; columns by name ("in quotes" where it is no plain word); pi; + - * / ^ and brackets; exp log sin cos tanh sqrt abs of one
 * argument, min max of two; < <= > >= == != and or not, which are 1 where they hold, else 0. Power binds tighter than a sign and to the
 * right; not binds tighter than and, and than or. Immutable. */
typedef struct lki_expression lki_expression;

/* What an expression may be: text of at most so many bytes, so many steps, brackets so deep. */
enum { LKI_EXPRESSION_BYTES = 65536, LKI_EXPRESSION_STEPS = 8192, LKI_EXPRESSION_DEPTH = 100 };

/* names: count of them. Errors: LK_ERROR_ARGUMENT with the place in the text and what would be right. */
lk_status lki_expression_new(lk_context *ctx, const char *text, const char *const *names, int64_t count, lki_expression **out) LK_NODISCARD;
void lki_expression_free(const lki_memory *memory, lki_expression *e); /* NULL is fine */

/* Doubles of scratch that the two calls below need, one scratch a thread. */
int64_t lki_expression_work(const lki_expression *e);
/* The value at one row of `count` values: NaN or infinite where the arithmetic is. */
double lki_expression_value(const lki_expression *e, const double *x, double *work);
/* The value, and its derivatives by the columns (forward mode): 0 by comparisons, and where abs, min and max have their kinks. */
double lki_expression_gradient(const lki_expression *e, const double *x, double *gradient, double *work);

/* Whether the expression is a polynomial of degree at most 2: then constant + linear' x + x' square x / 2, square symmetric (count x
 * count). */
lk_status lki_expression_quadratic(lk_context *ctx, const lki_expression *e, bool *is, double *constant, double *linear,
                                   double *square) LK_NODISCARD;

/* A field over columns: text of lines "NAME' = EXPRESSION", one for each of the first `d` names, in any order; "NAME = EXPRESSION"
 * before it defines a constant; # begins a remark. Names d.. are known to expressions and have no line (such as t or sigma).
 * out: d expressions. */
lk_status lki_rates_new(lk_context *ctx, const char *text, const char *const *names, int64_t d, int64_t count, lki_expression **out) LK_NODISCARD;

#endif

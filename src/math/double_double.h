/* Double-double arithmetic: a number is the unevaluated sum of two doubles, some 32 digits (Dekker 1971; Hida, Li,
 * Bailey 2001). */
#ifndef LIKELY_DOUBLE_DOUBLE_H
#define LIKELY_DOUBLE_DOUBLE_H

#include <math.h>

typedef struct lki_dd {
    double high, low; /* |low| <= ulp(high) / 2 */
} lki_dd;

/* a + b exactly, for |a| >= |b|. */
static inline lki_dd lki_dd_quick(double a, double b)
{
    double sum = a + b;
    return (lki_dd){sum, b - (sum - a)};
}

/* a + b exactly (Knuth). */
static inline lki_dd lki_dd_sum(double a, double b)
{
    double sum = a + b;
    double part = sum - a;
    return (lki_dd){sum, (a - (sum - part)) + (b - part)};
}

static inline lki_dd lki_dd_add(lki_dd a, lki_dd b)
{
    lki_dd high = lki_dd_sum(a.high, b.high);
    lki_dd low = lki_dd_sum(a.low, b.low);
    high = lki_dd_quick(high.high, high.low + low.high);
    return lki_dd_quick(high.high, high.low + low.low);
}

static inline lki_dd lki_dd_subtract(lki_dd a, lki_dd b)
{
    return lki_dd_add(a, (lki_dd){-b.high, -b.low});
}

static inline lki_dd lki_dd_multiply(lki_dd a, lki_dd b)
{
    double product = a.high * b.high;
    double error = fma(a.high, b.high, -product);
    return lki_dd_quick(product, error + (a.high * b.low + a.low * b.high));
}

/* Long division with three quotient digits. */
static inline lki_dd lki_dd_divide(lki_dd a, lki_dd b)
{
    double q1 = a.high / b.high;
    lki_dd rest = lki_dd_subtract(a, lki_dd_multiply((lki_dd){q1, 0}, b));
    double q2 = rest.high / b.high;
    rest = lki_dd_subtract(rest, lki_dd_multiply((lki_dd){q2, 0}, b));
    lki_dd q = lki_dd_quick(q1, q2);
    return lki_dd_add(q, (lki_dd){rest.high / b.high, 0});
}

/* The square root of a > 0: one Newton step from the rounded root. */
static inline lki_dd lki_dd_root(lki_dd a)
{
    double root = sqrt(a.high);
    lki_dd rest = lki_dd_subtract(a, lki_dd_multiply((lki_dd){root, 0}, (lki_dd){root, 0}));
    return lki_dd_quick(root, rest.high / (2 * root));
}

#endif

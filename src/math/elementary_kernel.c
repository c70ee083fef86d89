/* The loops of exp, log and log-sum-exp over arrays; compiled once for each instruction set. */
#include "elementary.h"
#include "vector.h"

static void exp_loop(int64_t n, const double *x, double *y)
{
    int64_t i = 0;
    for (; i + LKI_VL <= n; i += LKI_VL) {
        lki_vstore(y + i, lki_vexp_lanes(lki_vload(x + i)));
    }
    if (i < n) {
        lki_vstore_part(y + i, lki_vexp_lanes(lki_vload_part(x + i, n - i, 0)), n - i);
    }
}

static void log_loop(int64_t n, const double *x, double *y)
{
    int64_t i = 0;
    for (; i + LKI_VL <= n; i += LKI_VL) {
        lki_vstore(y + i, lki_vlog_lanes(lki_vload(x + i)));
    }
    if (i < n) {
        lki_vstore_part(y + i, lki_vlog_lanes(lki_vload_part(x + i, n - i, 1)), n - i);
    }
}

/* m + log sum exp(x_i - m) with the largest m: no term overflows and one of them is 1. */
static double log_sum_exp(int64_t n, const double *x)
{
    const double infinity = __builtin_inf();
    double largest = -infinity;
    for (int64_t i = 0; i < n; i++) {
        largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
        if (largest != largest) {
            return largest;
        }
    }
    if (largest == -infinity || largest == infinity) {
        return largest;
    }
    lki_vd sum = lki_vset1(0);
    lki_vd shift = lki_vset1(largest);
    int64_t i = 0;
    for (; i + LKI_VL <= n; i += LKI_VL) {
        sum = sum + lki_vexp_lanes(lki_vload(x + i) - shift);
    }
    if (i < n) {
        sum = sum + lki_vexp_lanes(lki_vload_part(x + i, n - i, -infinity) - shift);
    }
    double lanes[LKI_VL];
    lki_vstore(lanes, lki_vlog_lanes(lki_vset1(lki_vsum(sum))));
    return largest + lanes[0];
}

const lki_elementary LKI_ISA_NAME(lki_elementary) = {.exp = exp_loop, .log = log_loop, .log_sum_exp = log_sum_exp};

/* Agreement of two partitions. */
#include "model/agreement.h"

#include <math.h>

static double pairs(double n)
{
    return 0.5 * n * (n - 1.0);
}

double lki_adjusted_rand(const double *table, int64_t K, int64_t L)
{
    double both = 0.0, rows = 0.0, columns = 0.0, total = 0.0;
    for (int64_t k = 0; k < K; k++) {
        double size = 0.0;
        for (int64_t l = 0; l < L; l++) {
            both += pairs(table[k * L + l]);
            size += table[k * L + l];
        }
        rows += pairs(size);
        total += size;
    }
    for (int64_t l = 0; l < L; l++) {
        double size = 0.0;
        for (int64_t k = 0; k < K; k++) {
            size += table[k * L + l];
        }
        columns += pairs(size);
    }
    const double expected = rows * columns / pairs(total), most = 0.5 * (rows + columns);
    return most - expected > 0.0 ? (both - expected) / (most - expected) : 1.0;
}

void lki_jaccard(const double *table, int64_t K, int64_t L, double *out)
{
    for (int64_t k = 0; k < K; k++) {
        double size = 0.0, best = 0.0;
        for (int64_t l = 0; l < L; l++) {
            size += table[k * L + l];
        }
        for (int64_t l = 0; l < L; l++) {
            double other = 0.0;
            for (int64_t g = 0; g < K; g++) {
                other += table[g * L + l];
            }
            const double either = size + other - table[k * L + l];
            best = fmax(best, either > 0.0 ? table[k * L + l] / either : 0.0);
        }
        out[k] = size > 0.0 ? best : (double)NAN;
    }
}

/* The median rule for the bandwidths of a kernel. */
#include "median_bandwidth.h"
#include "number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void lki_column_scales(const double *x, int64_t n, int64_t d, double *scale)
{
    for (int64_t j = 0; j < d; j++) {
        double mean = 0.0, square = 0.0;
        for (int64_t i = 0; i < n; i++) {
            mean += x[i * d + j] / (double)n;
        }
        for (int64_t i = 0; i < n; i++) {
            const double u = x[i * d + j] - mean;
            square += u * u / (double)n;
        }
        scale[j] = square > 0.0 ? sqrt(square) : 1.0;
    }
}

lk_status lki_pair_distances(lk_context *ctx, const double *x, int64_t n, int64_t d, const double *scale, const int64_t *order,
                             double **squares, size_t *count)
{
    const int64_t m = n < LKI_MEDIAN_ROWS ? n : LKI_MEDIAN_ROWS;
    double *distances = NULL;
    *count = 0;
    LKI_TRY(lki_allocate(ctx, (size_t)(m * (m - 1) / 2), sizeof *distances, &distances));
    for (int64_t a = 0; a < m; a++) {
        for (int64_t b = 0; b < a; b++) {
            double square = 0.0;
            for (int64_t j = 0; j < d; j++) {
                const double u = (x[order[a] * d + j] - x[order[b] * d + j]) / (scale != NULL ? scale[j] : 1.0);
                square += u * u;
            }
            distances[(*count)++] = square;
        }
    }
    qsort(distances, *count, sizeof *distances, compare);
    *squares = distances;
    return LK_OK;
}

lk_status lki_median_bandwidth(lk_context *ctx, const double *x, int64_t n, int64_t d, const int64_t *order, double *bandwidth)
{
    double *squares = NULL;
    size_t count = 0;
    lki_column_scales(x, n, d, bandwidth);
    if (n < 2) {
        return LK_OK;
    }
    LKI_TRY(lki_pair_distances(ctx, x, n, d, bandwidth, order, &squares, &count));
    const double median = sqrt(squares[count / 2]);
    for (int64_t j = 0; j < d && median > 0.0; j++) {
        bandwidth[j] *= median;
    }
    lki_release(ctx, squares);
    return LK_OK;
}

lk_status lki_bandwidth_read(lk_context *ctx, const char *text, const char *rule, int64_t d, double *bandwidth)
{
    const char *p = text, *end = text + strlen(text);
    int64_t count = 0;
    for (;; count++, p++) {
        double value;
        const char *next = lki_parse_double(p, end, &value);
        if (next == NULL || (next != end && *next != ',') || !(value > 0.0) || !isfinite(value) || count >= d) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth is '%.100s'; it must be %s, or numbers above 0: one, or %lld of them", text,
                            rule, (long long)d);
        }
        bandwidth[count] = value;
        if ((p = next) == end) {
            break;
        }
    }
    if (count + 1 != d && count > 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth has %lld numbers; one, or one for each of the %lld features, is right",
                        (long long)count + 1, (long long)d);
    }
    for (int64_t j = 1; count == 0 && j < d; j++) {
        bandwidth[j] = bandwidth[0];
    }
    return LK_OK;
}

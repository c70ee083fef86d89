/* Energy distance and its gradient in one dimension by ranks. */
#include "select/slices.h"
#include "data/order_statistics.h"

#include <math.h>

double lki_slice_constant(int64_t d)
{
    return sqrt(M_PI) * exp(lgamma(0.5 * (double)(d + 1)) - lgamma(0.5 * (double)d));
}

void lki_slice_direction(lki_stream *s, int64_t d, double *out)
{
    double square = 0.0;
    for (int64_t j = 0; j < d; j++) {
        out[j] = lki_random_normal(s);
        square += out[j] * out[j];
    }
    for (int64_t j = 0; j < d; j++) {
        out[j] /= sqrt(square);
    }
}

static double along(const double *direction, const double *row, int64_t d)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += direction[j] * row[j];
    }
    return sum;
}

/* Projections in ascending order; keys: 2 n. */
static void project(const double *direction, int64_t d, const double *rows, int64_t n, uint64_t *keys, double *sorted)
{
    for (int64_t i = 0; i < n; i++) {
        keys[i] = lki_order_key(along(direction, rows + i * d, d));
    }
    lki_order_sort(keys, keys + n, n);
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = lki_order_value(keys[i]);
    }
}

/* Sum over the sorted values of sign(x - value): those below less those above. */
static double signs(const double *sorted, int64_t n, double x)
{
    int64_t low = 0, high = n, below;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (sorted[middle] < x) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    below = low;
    while (low < n && sorted[low] == x) {
        low++;
    }
    return (double)below - (double)(n - low);
}

lk_status lki_sliced_force(lk_context *ctx, const double *direction, int64_t d, const double *data, int64_t n, const double *particles, int64_t crowd,
                           int64_t count, double *out)
{
    const int64_t most = n > crowd ? n : crowd;
    double *sorted = NULL;
    uint64_t *keys = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(n + crowd), sizeof *sorted, &sorted));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * (size_t)most, sizeof *keys, &keys));
    project(direction, d, data, n, keys, sorted);
    project(direction, d, particles, crowd, keys, sorted + n);
    for (int64_t i = 0; i < count; i++) {
        const double x = along(direction, particles + i * d, d);
        out[i] = signs(sorted, n, x) / (double)n - signs(sorted + n, crowd, x) / (double)crowd;
    }
done:
    lki_release(ctx, sorted);
    lki_release(ctx, keys);
    return status;
}

/* E |y - y'| = 2 / n^2 sum_i (2 i + 1 - n) y_(i), i from 0. */
static double spread(const double *sorted, int64_t n)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += (2.0 * (double)i + 1.0 - (double)n) / (double)n * sorted[i];
    }
    return 2.0 * sum / (double)n;
}

lk_status lki_sliced_energy(lk_context *ctx, const double *direction, int64_t d, const double *data, int64_t n, const double *particles, int64_t count,
                            double *out, double *within)
{
    const int64_t most = n > count ? n : count;
    double *sorted = NULL, sum = 0.0;
    uint64_t *keys = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(n + count), sizeof *sorted, &sorted));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * (size_t)most, sizeof *keys, &keys));
    const double *y = sorted, *x = sorted + n;
    project(direction, d, data, n, keys, sorted);
    project(direction, d, particles, count, keys, sorted + n);
    double last = fmin(y[0], x[0]);
    for (int64_t a = 0, b = 0; a < n || b < count;) { /* both staircases, step by step */
        const double next = b == count || (a < n && y[a] <= x[b]) ? y[a] : x[b], gap = (double)a / (double)n - (double)b / (double)count;
        sum += gap * gap * (next - last);
        last = next;
        if (b == count || (a < n && y[a] <= x[b])) {
            a++;
        } else {
            b++;
        }
    }
    *out = 2.0 * sum;
    *within = spread(y, n);
done:
    lki_release(ctx, sorted);
    lki_release(ctx, keys);
    return status;
}

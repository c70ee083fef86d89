/* Kernels that are no plain product: normal ones with a full covariance matrix, and ends of features at which they are reflected. */
#include "data/number.h"
#include "kde.h"
#include "math/cholesky.h"

#include <math.h>
#include <string.h>

/* ---- a full matrix ---- */

/* Inverse factor W and factor L of a covariance, in one allocation: W, L, then room for the factorization. */
lk_status lki_kde_factor(lk_context *ctx, const double *matrix, int64_t d, double **inverse, double **root, double *log_determinant)
{
    const size_t cells = lki_product((size_t)d, (size_t)d);
    double *W;
    lki_spd spd;
    LKI_TRY(lki_allocate(ctx, lki_product(4, cells), sizeof *W, &W));
    if (lki_spd_factor(d, matrix, W, W + cells, &spd, W + 2 * cells) != 0) {
        lki_release(ctx, W);
        return lki_fail(ctx, LK_ERROR_DATA, "the matrix of the bandwidth is not positive definite: features depend on one another, or a column is constant");
    }
    *inverse = W;
    *root = W + cells;
    *log_determinant = spd.log_determinant;
    return LK_OK;
}

/* The covariance of the rows times n^(-2 / (d + 4)): Scott's rule in all directions. */
static void scott_matrix(const lki_kde_rows *r, double *mean, double *H)
{
    const int64_t d = r->d;
    const double shrink = pow(r->total, -2.0 / ((double)d + 4.0));
    memset(mean, 0, (size_t)d * sizeof *mean);
    memset(H, 0, (size_t)(d * d) * sizeof *H);
    for (int64_t i = 0; i < r->n; i++) {
        for (int64_t j = 0; j < d; j++) {
            mean[j] += r->w[i] / r->total * r->x[i * d + j];
        }
    }
    for (int64_t i = 0; i < r->n; i++) {
        for (int64_t a = 0; a < d; a++) {
            for (int64_t b = 0; b <= a; b++) {
                H[a * d + b] += r->w[i] / (r->total - 1.0) * (r->x[i * d + a] - mean[a]) * (r->x[i * d + b] - mean[b]);
            }
        }
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b <= a; b++) {
            H[a * d + b] = H[b * d + a] = shrink * H[a * d + b];
        }
    }
}

static lk_status read_matrix(lk_context *ctx, const char *text, int64_t d, double *H)
{
    const char *at = text, *end = text + strlen(text);
    for (int64_t i = 0; i < d * d; i++) {
        const char *next = lki_parse_double(at, end, &H[i]);
        if (next == NULL || (i + 1 < d * d ? *next != ',' : next != end)) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%.200s\": a matrix is %lld numbers, row by row, separated by commas", text, (long long)(d * d));
        }
        at = next + 1;
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b < a; b++) {
            if (H[a * d + b] != H[b * d + a]) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%.200s\": a matrix is symmetric, and row %lld, column %lld is %g and %g the other way round", text,
                                (long long)a + 1, (long long)b + 1, H[a * d + b], H[b * d + a]);
            }
        }
    }
    return LK_OK;
}

lk_status lki_kde_matrix(lk_context *ctx, const lki_kernel_law *law, const char *text, const lki_kde_rows *rows, double **out)
{
    const int64_t d = rows->d;
    double *H = NULL, *W, *L, ignored;
    int64_t numbers = 1;
    lk_status status = LK_OK;
    for (const char *p = text; *p != '\0'; p++) {
        numbers += *p == ',';
    }
    const bool rule = strcmp(text, "full") == 0;
    if (!rule && (d < 2 || numbers != d * d)) {
        return LK_OK;
    }
    if (law->kernel != LKI_KERNEL_gaussian) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a bandwidth that is a matrix goes with kernel gaussian, not with %s", lki_kernels[law->kernel].name);
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)d, (size_t)d + 1), sizeof *H, &H));
    if (rule) {
        scott_matrix(rows, H + d * d, H);
    } else {
        LKI_GOTO(status, failed, read_matrix(ctx, text, d, H));
    }
    for (int64_t i = 0; i < d * d && status == LK_OK; i++) {
        if (!isfinite(H[i])) {
            status = lki_fail(ctx, LK_ERROR_DATA, "the matrix of the bandwidth is beyond numbers: too few rows, or a spread too wide");
        }
    }
    LKI_GOTO(status, failed, status);
    LKI_GOTO(status, failed, lki_kde_factor(ctx, H, d, &W, &L, &ignored));
    lki_release(ctx, W);
    *out = H;
    return LK_OK;
failed:
    lki_release(ctx, H);
    return status;
}

/* ---- ends ---- */

bool lki_kde_inside(const lki_kde *k, const double *x)
{
    for (int64_t j = 0; k->low != NULL && j < k->d; j++) {
        if (x[j] < k->low[j] || x[j] > k->high[j]) {
            return false;
        }
    }
    return true;
}

/* Back into the range of a feature, as light between mirrors. */
double lki_kde_fold(const lki_kde *k, int64_t j, double x)
{
    const double low = k->low[j], high = k->high[j];
    if (isfinite(low) && isfinite(high)) {
        const double period = 2.0 * (high - low), u = x - low - period * floor((x - low) / period);
        x = low + (u > 0.5 * period ? period - u : u);
        return x < low ? low : x > high ? high : x;
    }
    return isfinite(low) ? low + fabs(x - low) : isfinite(high) ? high - fabs(high - x) : x;
}

/* A point in one feature and its mirror images whose kernel reaches into the range. */
int64_t lki_kde_images(const lki_kde *k, int64_t j, double y, double *out)
{
    const double reach = k->law->far * k->bandwidth[j], low = k->low != NULL ? k->low[j] : -(double)INFINITY, high = k->low != NULL ? k->high[j] : (double)INFINITY;
    int64_t count = 0;
    out[count++] = y;
    if (isfinite(low) && isfinite(high)) {
        const double period = 2.0 * (high - low);
        for (int s = -LKI_KDE_MIRRORS; s <= LKI_KDE_MIRRORS; s++) {
            const double both[2] = {y + s * period, 2.0 * low - y + s * period};
            for (int c = s == 0 ? 1 : 0; c < 2; c++) {
                if (both[c] > low - reach && both[c] < high + reach) {
                    out[count++] = both[c];
                }
            }
        }
        return count;
    }
    if (isfinite(low) && y - low < reach) {
        out[count++] = 2.0 * low - y;
    }
    if (isfinite(high) && high - y < reach) {
        out[count++] = 2.0 * high - y;
    }
    return count;
}

/* All points with all their images: the product over features. */
lk_status lki_kde_reflect(lk_context *ctx, const lki_kde *k, double **points, double **weights, int64_t *count)
{
    const int64_t d = k->d;
    double image[LKI_KDE_IMAGES], *x = NULL, *w = NULL;
    size_t x_capacity = 0, w_capacity = 0;
    int64_t n = 0;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < k->n; i++) {
        int64_t made = 1;
        LKI_GOTO(status, failed, lki_grow(ctx, &x, &x_capacity, (size_t)((n + 1) * d), sizeof *x));
        memcpy(x + n * d, k->points + i * d, (size_t)d * sizeof *x);
        for (int64_t j = 0; j < d; j++) { /* each of those made so far, once for every image in this feature */
            const int64_t images = lki_kde_images(k, j, k->points[i * d + j], image), before = made;
            made *= images;
            LKI_GOTO(status, failed, lki_grow(ctx, &x, &x_capacity, lki_product((size_t)(n + made), (size_t)d), sizeof *x));
            for (int64_t c = 1; c < images; c++) {
                memcpy(x + (n + c * before) * d, x + n * d, (size_t)(before * d) * sizeof *x);
                for (int64_t b = 0; b < before; b++) {
                    x[(n + c * before + b) * d + j] = image[c];
                }
            }
        }
        LKI_GOTO(status, failed, lki_grow(ctx, &w, &w_capacity, (size_t)(n + made), sizeof *w));
        for (int64_t c = 0; c < made; c++) {
            w[n + c] = k->weights[i];
        }
        n += made;
    }
    *points = x;
    *weights = w;
    *count = n;
    return LK_OK;
failed:
    lki_release(ctx, x);
    lki_release(ctx, w);
    return status;
}

lk_status lki_kde_check_bounds(lk_context *ctx, const lki_kernel_law *law, const double *bandwidth, const double *low, const double *high, const char *const *names,
                               int64_t d)
{
    for (int64_t j = 0; j < d; j++) {
        if (isfinite(low[j]) && isfinite(high[j]) && !(law->far * bandwidth[j] <= (2 * LKI_KDE_MIRRORS - 2) * (high[j] - low[j]))) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "feature %s: a %s kernel of bandwidth %g is too wide to be reflected between %g and %g; take a smaller bandwidth, or a "
                            "kernel without heavy tails", names != NULL ? names[j] : "of the file", lki_kernels[law->kernel].name, bandwidth[j], low[j], high[j]);
        }
    }
    return LK_OK;
}

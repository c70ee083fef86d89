/* The bandwidth as numbers or by a rule: normal references, plug-in, cross-validation. */
#include "data/number.h"
#include "data/order_statistics.h"
#include "kde.h"

#include <math.h>
#include <string.h>

/* Spread of one column. Weights count rows, so that a weight of 2 is two rows. */
typedef struct spread {
    double sd, iqr;
} spread;

/* The value of the (unbounded) rank `at` among rows in order, each as often as its weight says; between ranks, interpolated (type 7). */
static double at_rank(const double *sorted, const double *weights, int64_t n, double at)
{
    const double whole = floor(at);
    double passed = 0.0, low = sorted[n - 1], high = sorted[n - 1];
    bool found = false;
    for (int64_t i = 0; i < n; i++) {
        passed += weights[i];
        if (!found && passed > whole) {
            low = sorted[i];
            found = true;
        }
        if (passed > whole + 1.0) {
            high = sorted[i];
            break;
        }
    }
    return low + (at - whole) * (high - low);
}

static lk_status measure(lk_context *ctx, const lki_kde_rows *r, int64_t j, spread *out)
{
    const size_t n = (size_t)r->n;
    uint64_t *keys = NULL;
    double *sorted = NULL, mean = 0.0, sum = 0.0;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < r->n; i++) {
        mean += r->w[i] / r->total * r->x[i * r->d + j];
    }
    for (int64_t i = 0; i < r->n; i++) {
        const double u = r->x[i * r->d + j] - mean;
        sum += r->w[i] * u * u;
    }
    out->sd = sqrt(sum / (r->total - 1.0));
    LKI_GOTO(status, done, lki_allocate(ctx, n, 2 * sizeof *keys, &keys));
    LKI_GOTO(status, done, lki_allocate(ctx, n, 2 * sizeof *sorted, &sorted));
    for (int64_t i = 0; i < r->n; i++) {
        keys[i] = lki_order_key(r->x[i * r->d + j]);
    }
    lki_order_sort(keys, keys + n, r->n);
    for (int64_t i = 0; i < r->n; i++) {
        sorted[i] = lki_order_value(keys[i]);
        sorted[r->n + i] = 1.0;
    }
    bool plain = true;
    for (int64_t i = 0; i < r->n; i++) {
        plain = plain && r->w[i] == 1.0;
    }
    if (!plain) { /* weights of equal values are added up, in the order of the rows */
        memset(sorted + n, 0, n * sizeof *sorted);
        for (int64_t i = 0; i < r->n; i++) {
            int64_t low = 0, high = r->n - 1;
            while (low < high) {
                const int64_t middle = low + (high - low) / 2;
                if (sorted[middle] >= r->x[i * r->d + j]) {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            sorted[r->n + low] += r->w[i];
        }
    }
    out->iqr = at_rank(sorted, sorted + n, r->n, 0.75 * (r->total - 1.0)) - at_rank(sorted, sorted + n, r->n, 0.25 * (r->total - 1.0));
done:
    lki_release(ctx, keys);
    lki_release(ctx, sorted);
    return status;
}

/* Numbers alone, as many as columns or one for all; `count` 0 = the text is something else. */
static lk_status read_numbers(lk_context *ctx, const char *text, int64_t d, double *out, int64_t *count)
{
    const char *p = text, *end = text + strlen(text);
    double value;
    *count = 0;
    if (lki_parse_double(p, end, &value) == NULL) {
        return LK_OK;
    }
    while (p < end) {
        const char *next = lki_parse_double(p, end, &value);
        if (next == NULL || (next < end && (*next != ',' || next + 1 == end)) || !(value > 0.0 && value <= 1e150 && value >= 1e-150) || *count >= d) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%s\": %s", text,
                            *count >= d ? "there are more numbers than features"
                                        : "it must be positive numbers, separated by commas, or one of " LKI_BANDWIDTH_RULES);
        }
        out[(*count)++] = value;
        p = next < end ? next + 1 : next;
    }
    if (*count != 1 && *count != d) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%s\" has %lld numbers for %lld features; give one for all, or one for each", text,
                        (long long)*count, (long long)d);
    }
    for (int64_t j = *count; j < d; j++) {
        out[j] = out[0];
    }
    return LK_OK;
}

/* The reference bandwidth of one column for the normal kernel. */
static lk_status reference(lk_context *ctx, const char *rule, const lki_kde_rows *r, int64_t j, double *work, double *out)
{
    const double d = (double)r->d, shrink = pow(r->total, -1.0 / (d + 4.0));
    spread s;
    LKI_TRY(measure(ctx, r, j, &s));
    if (!(s.sd > 0.0 && isfinite(s.sd))) {
        return lki_fail(ctx, LK_ERROR_DATA, "column %s has %s, so that a rule finds no bandwidth; give --bandwidth numbers%s", r->names[j],
                        s.sd == 0.0 ? "one value only" : "too few rows (by their weights) or a spread beyond numbers",
                        s.sd == 0.0 ? ", or leave the column out" : "");
    }
    const double robust = s.iqr > 0.0 ? fmin(s.sd, s.iqr / 1.34) : s.sd;
    if (strcmp(rule, "silverman") == 0) {
        *out = s.sd * pow(4.0 / (d + 2.0), 1.0 / (d + 4.0)) * shrink;
    } else if (strcmp(rule, "nrd0") == 0) {
        *out = 0.9 * robust * shrink;
    } else if (strcmp(rule, "sheather_jones") == 0) {
        const double scale = s.iqr > 0.0 ? fmin(s.sd, s.iqr / 1.349) : s.sd;
        *out = lki_sheather_jones(r->x + j, r->d, r->w, r->n, r->total, scale, work) * pow(r->total, 0.2) * shrink;
        if (!(*out > 0.0)) {
            return lki_fail(ctx, LK_ERROR_DATA, "column %s: the bandwidth of sheather_jones is below the resolution of %d bins over the range: "
                            "values far out, or few distinct ones; use lcv, or give numbers", r->names[j], LKI_SHEATHER_JONES_BINS);
        }
    } else if (strcmp(rule, "kl") == 0) {
        *out = s.sd;
    } else {
        *out = s.sd * shrink; /* scott, and where cross-validation starts */
    }
    return LK_OK;
}

lk_status lki_kde_bandwidth(lk_context *ctx, const lki_kernel_law *law, const char *text, const lki_kde_rows *rows, lki_kde_choice *out)
{
    static const char *const rules[] = {"scott", "silverman", "nrd0", "sheather_jones", "lcv", "lscv", "kl"};
    const double canonical = lki_kernel_law_canonical(law) / lki_kernel_law_canonical(lki_kernel_law_find("gaussian"));
    int64_t count;
    size_t rule = 0;
    double *work = NULL;
    lk_status status = LK_OK;
    out->leave_one_out = (double)NAN;
    LKI_TRY(read_numbers(ctx, text, rows->d, out->bandwidth, &count));
    if (count > 0) {
        return LK_OK;
    }
    while (rule < sizeof rules / sizeof rules[0] && strcmp(rules[rule], text) != 0) {
        rule++;
    }
    if (rule == sizeof rules / sizeof rules[0]) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth \"%s\": it must be positive numbers, separated by commas, or one of "
                        LKI_BANDWIDTH_RULES, text);
    }
    if (rule < 4 && isnan(canonical)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth %s: the rule wants a kernel with a variance; for %s use lcv, or give numbers", text,
                        lki_kernels[law->kernel].name);
    }
    if (rule >= 5 && law->kernel != LKI_KERNEL_gaussian) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "bandwidth %s goes with kernel gaussian; for %s use lcv", text, lki_kernels[law->kernel].name);
    }
    LKI_TRY(lki_allocate(ctx, 2 * LKI_SHEATHER_JONES_BINS, sizeof *work, &work));
    for (int64_t j = 0; j < rows->d; j++) {
        LKI_GOTO(status, done, reference(ctx, text, rows, j, work, &out->bandwidth[j]));
        out->bandwidth[j] *= isnan(canonical) ? 0.5 : canonical;
    }
    if (rule == 6) {
        LKI_GOTO(status, done, lki_kde_kl_bandwidth(ctx, rows, out->bandwidth));
    } else if (rule >= 4) {
        LKI_GOTO(status, done, lki_kde_cross_validate(ctx, law, rule == 5, rows, out));
    }
done:
    lki_release(ctx, work);
    return status;
}

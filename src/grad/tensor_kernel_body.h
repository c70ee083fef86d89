/* The loops of tensor_kernel.c for one precision: REAL, K(name) and the R_ functions are set by who includes this. */

#define R_ZERO ((REAL)0)
#define R_ONE ((REAL)1)
#define R_HALF ((REAL)0.5)
#define R_ROOT_HALF ((REAL)0.70710678118654752440)

#define UNARY_LOOP(name, value, slope)                                                                                 \
    static void K(unary_##name)(int64_t n, const void *xs, int64_t stride, void *outs)                                 \
    {                                                                                                                  \
        const REAL *restrict p = xs;                                                                                   \
        REAL *restrict out = outs;                                                                                     \
        if (stride == 1) {                                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                REAL x = p[i];                                                                                         \
                out[i] = value;                                                                                        \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            REAL x = p[i * stride];                                                                                    \
            out[i] = value;                                                                                            \
        }                                                                                                              \
    }
LKI_UNARY_FUNCTIONS(UNARY_LOOP)
#undef UNARY_LOOP

/* The usual strides have loops of their own. */
#define BINARY_BODY(at_a, at_b, value)                                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        REAL a = pa[at_a];                                                                                             \
        REAL b = pb[at_b];                                                                                             \
        out[i] = value;                                                                                                \
    }
#define BINARY_LOOP(name, value, slope_a, slope_b)                                                                     \
    static void K(binary_##name)(int64_t n, const void *as, int64_t sa, const void *bs, int64_t sb, void *outs)        \
    {                                                                                                                  \
        const REAL *pa = as;                                                                                           \
        const REAL *pb = bs;                                                                                           \
        REAL *restrict out = outs;                                                                                     \
        if (sa == 1 && sb == 1) {                                                                                      \
            BINARY_BODY(i, i, value)                                                                                   \
        } else if (sa == 1 && sb == 0) {                                                                               \
            BINARY_BODY(i, 0, value)                                                                                   \
        } else if (sa == 0 && sb == 1) {                                                                               \
            BINARY_BODY(0, i, value)                                                                                   \
        } else {                                                                                                       \
            BINARY_BODY(i *sa, i *sb, value)                                                                           \
        }                                                                                                              \
    }
LKI_BINARY_FUNCTIONS(BINARY_LOOP)
#undef BINARY_LOOP
#undef BINARY_BODY

static void K(affine)(int64_t n, const void *xs, int64_t stride, double scale, double shift, void *outs)
{
    const REAL *restrict x = xs;
    REAL *restrict out = outs;
    const REAL a = (REAL)scale, b = (REAL)shift;
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) {
            out[i] = a * x[i] + b;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = a * x[i * stride] + b;
    }
}

static void K(select)(int64_t n, const void *cs, int64_t sc, const void *as, int64_t sa, const void *bs, int64_t sb, void *outs)
{
    const REAL *c = cs, *a = as, *b = bs;
    REAL *restrict out = outs;
    for (int64_t i = 0; i < n; i++) {
        out[i] = c[i * sc] > R_ZERO ? a[i * sa] : b[i * sb];
    }
}

static void K(copy)(int64_t n, const void *xs, int64_t stride, void *outs)
{
    const REAL *restrict x = xs;
    REAL *restrict out = outs;
    if (stride == 1) {
        memcpy(out, x, (size_t)n * sizeof *out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        out[i] = x[i * stride];
    }
}

/* ---- reductions: 16 lanes, which a fixed tree joins ---- */

enum { K(LANES) = 16, K(COLUMNS) = 64 };

static double K(lane_sum)(int64_t n, const REAL *x, int square)
{
    double lane[K(LANES)] = {0};
    int64_t i = 0;
    for (; i + K(LANES) <= n; i += K(LANES)) {
        for (int l = 0; l < K(LANES); l++) {
            double v = (double)x[i + l];
            lane[l] += square ? v * v : v;
        }
    }
    for (int l = 0; i < n; i++, l++) {
        double v = (double)x[i];
        lane[l] += square ? v * v : v;
    }
    for (int half = K(LANES) / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) {
            lane[l] += lane[l + half];
        }
    }
    return lane[0];
}

static void K(row_sum)(int64_t n, const void *x, void *out)
{
    *(REAL *)out = (REAL)K(lane_sum)(n, x, 0);
}

static double K(square_sum)(int64_t n, const void *x)
{
    return K(lane_sum)(n, x, 1);
}

/* NaN, where there is one, is the largest. */
static void K(row_max)(int64_t n, const void *xs, void *out)
{
    const REAL *x = xs;
    REAL most = x[0];
    for (int64_t i = 1; i < n; i++) {
        most = x[i] > most || x[i] != x[i] ? x[i] : most;
    }
    *(REAL *)out = most;
}

static void K(column_sum)(int64_t rows, int64_t stride, int64_t columns, const void *xs, void *outs)
{
    const REAL *x = xs;
    REAL *out = outs;
    for (int64_t from = 0; from < columns; from += K(COLUMNS)) {
        double sum[K(COLUMNS)] = {0};
        int64_t width = columns - from < K(COLUMNS) ? columns - from : K(COLUMNS);
        for (int64_t i = 0; i < rows; i++) {
            const REAL *restrict row = x + i * stride + from;
            for (int64_t j = 0; j < width; j++) {
                sum[j] += (double)row[j];
            }
        }
        for (int64_t j = 0; j < width; j++) {
            out[from + j] = (REAL)sum[j];
        }
    }
}

static void K(column_max)(int64_t rows, int64_t stride, int64_t columns, const void *xs, void *outs)
{
    const REAL *x = xs;
    REAL *restrict out = outs;
    memcpy(out, x, (size_t)columns * sizeof *out);
    for (int64_t i = 1; i < rows; i++) {
        const REAL *restrict row = x + i * stride;
        for (int64_t j = 0; j < columns; j++) {
            out[j] = row[j] > out[j] || row[j] != row[j] ? row[j] : out[j];
        }
    }
}

static void K(add)(int64_t n, const void *xs, void *sums)
{
    const REAL *restrict x = xs;
    REAL *restrict sum = sums;
    for (int64_t i = 0; i < n; i++) {
        sum[i] += x[i];
    }
}

static void K(most)(int64_t n, const void *xs, void *largests)
{
    const REAL *restrict x = xs;
    REAL *restrict largest = largests;
    for (int64_t i = 0; i < n; i++) {
        largest[i] = x[i] > largest[i] || x[i] != x[i] ? x[i] : largest[i];
    }
}

static void K(multiply_add)(int64_t n, const void *as, const void *bs, void *sums)
{
    const REAL *restrict a = as;
    const REAL *restrict b = bs;
    REAL *restrict sum = sums;
    for (int64_t i = 0; i < n; i++) {
        sum[i] += a[i] * b[i];
    }
}

static double K(exp_row)(int64_t n, double shift, void *xs)
{
    REAL *x = xs;
    const REAL m = (REAL)shift;
    for (int64_t i = 0; i < n; i++) {
        x[i] = R_EXP(x[i] - m);
    }
    return K(lane_sum)(n, x, 0);
}

static void K(channel_sums)(int64_t n, int64_t channels, const void *xs, const void *zs, double *sums, double *products)
{
    for (int64_t from = 0; from < channels; from += K(COLUMNS)) {
        double sum[K(COLUMNS)] = {0}, product[K(COLUMNS)] = {0};
        int64_t width = channels - from < K(COLUMNS) ? channels - from : K(COLUMNS);
        for (int64_t i = 0; i < n; i++) {
            const REAL *restrict x = (const REAL *)xs + i * channels + from;
            const REAL *restrict z = (const REAL *)zs + i * channels + from;
            for (int64_t c = 0; c < width; c++) {
                sum[c] += (double)x[c];
                product[c] += (double)x[c] * (double)z[c];
            }
        }
        memcpy(sums + from, sum, (size_t)width * sizeof *sum);
        memcpy(products + from, product, (size_t)width * sizeof *product);
    }
}

static void K(channel_affine)(int64_t n, int64_t channels, const void *xs, const double *as, const void *zs, const double *bs, const double *cs,
                              void *outs)
{
    for (int64_t from = 0; from < channels; from += K(COLUMNS)) {
        REAL a[K(COLUMNS)], b[K(COLUMNS)], shift[K(COLUMNS)];
        int64_t width = channels - from < K(COLUMNS) ? channels - from : K(COLUMNS);
        for (int64_t c = 0; c < width; c++) {
            a[c] = (REAL)as[from + c];
            b[c] = zs != NULL ? (REAL)bs[from + c] : R_ZERO;
            shift[c] = (REAL)cs[from + c];
        }
        for (int64_t i = 0; i < n; i++) {
            const REAL *restrict x = (const REAL *)xs + i * channels + from;
            REAL *restrict out = (REAL *)outs + i * channels + from;
            if (zs == NULL) {
                for (int64_t c = 0; c < width; c++) {
                    out[c] = a[c] * x[c] + shift[c];
                }
                continue;
            }
            const REAL *restrict z = (const REAL *)zs + i * channels + from;
            for (int64_t c = 0; c < width; c++) {
                out[c] = a[c] * x[c] + b[c] * z[c] + shift[c];
            }
        }
    }
}

/* ---- steps of training ---- */

static void K(adamw)(int64_t n, const lki_update_rates *r, const void *gs, void *firsts, void *seconds, void *parameters)
{
    const REAL *restrict gradient = gs;
    REAL *restrict first = firsts;
    REAL *restrict second = seconds;
    REAL *restrict p = parameters;
    const REAL clip = (REAL)r->clip, beta1 = (REAL)r->beta1, beta2 = (REAL)r->beta2, decay = (REAL)r->decay;
    const REAL rest1 = (REAL)(1 - r->beta1), rest2 = (REAL)(1 - r->beta2);
    const REAL rate = (REAL)(r->rate / r->bias1), scale = (REAL)(1 / r->bias2), epsilon = (REAL)r->epsilon;
    for (int64_t i = 0; i < n; i++) {
        REAL g = clip * gradient[i];
        REAL m = beta1 * first[i] + rest1 * g;
        REAL v = beta2 * second[i] + rest2 * (g * g);
        first[i] = m;
        second[i] = v;
        p[i] = p[i] - decay * p[i] - rate * m / (R_SQRT(v * scale) + epsilon);
    }
}

static void K(momentum)(int64_t n, const lki_update_rates *r, const void *gs, void *velocities, void *parameters)
{
    const REAL *restrict gradient = gs;
    REAL *restrict velocity = velocities;
    REAL *restrict p = parameters;
    const REAL clip = (REAL)r->clip, beta = (REAL)r->beta1, decay = (REAL)r->decay, rate = (REAL)r->rate;
    for (int64_t i = 0; i < n; i++) {
        REAL v = beta * velocity[i] + clip * gradient[i];
        velocity[i] = v;
        p[i] = p[i] - decay * p[i] - rate * v;
    }
}

static void K(average)(int64_t n, double keep, const void *parameters, void *averages)
{
    const REAL *restrict p = parameters;
    REAL *restrict a = averages;
    const REAL old = (REAL)keep, rest = (REAL)(1 - keep);
    for (int64_t i = 0; i < n; i++) {
        a[i] = old * a[i] + rest * p[i];
    }
}

#undef R_ZERO
#undef R_ONE
#undef R_HALF
#undef R_ROOT_HALF

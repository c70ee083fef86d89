/* Which rows stand for all: options, bandwidth, the choice of method, and how far the chosen rows are from the table. */
#include "select/thinning.h"
#include "data/json_text.h"
#include "data/median_bandwidth.h"
#include "data/roles.h"
#include <likely/select.h>

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* auto thins directly up to THIN_ROWS; compress keeps OVERSAMPLING times as many rows as are wanted before the last thinning (2^g with
 * g = 4, as the authors' implementation has it). */
enum { THIN_ROWS = 20000, OVERSAMPLING_LOG = 4, EXCHANGE = 16 };
static const double DELTA = 0.5;

typedef enum method { AUTO, KERNEL_THINNING, COMPRESS, HERDING, STEIN, RANDOM, STANDARD, STRATIFIED, SENSITIVITY, METHODS } method;
static const char *const method_names[METHODS] = {"auto", "kernel-thinning", "compress", "herding", "stein", "random", "standard", "stratified", "sensitivity"};
static const lki_kernel_id kernels[] = {LKI_KERNEL_gaussian,    LKI_KERNEL_laplace,  LKI_KERNEL_matern12,
                                        LKI_KERNEL_matern32,    LKI_KERNEL_matern52, LKI_KERNEL_inverse_multiquadric,
                                        LKI_KERNEL_cauchy,      LKI_KERNEL_rational_quadratic, LKI_KERNEL_sobolev};

struct lk_selection {
    method method;
    lki_kernel_id kernel;
    const char *split;
    int64_t count, of, d;
    int64_t *rows;
    double *weights;
    double *bandwidth;
    char **names; /* d */
    double mmd, mmd_independent, ksd;
    double *draw_weights; /* of every row, where they are not alike: what one draw of it counts */
};

/* What the choice needs while it is made. Bandwidths of the split kernel follow those of the target. */
typedef struct selecting {
    lk_context *ctx;
    lk_select_options options;
    lk_selection *out;
    lki_thinning thinning;
    double *x;
    lki_pair_factor *factors;  /* of the target, then of its power */
    lki_pair_term target, split[2];
    int64_t *columns;          /* 0..d-1: a factor of one column names its own */
    double *rough;             /* bandwidths of the power */
    const lk_table *table;
    int64_t *order;            /* a random permutation of the rows */
    double *mean;              /* of the target kernel between each row and all; NULL until it is needed */
} selecting;

/* ---- options ---- */

static lk_status find_name(lk_context *ctx, const char *what, const char *name, const char *const *names, int count, int *out)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = i;
            return LK_OK;
        }
    }
    char all[256] = "";
    for (int i = 0; i < count; i++) {
        strcat(strcat(all, i > 0 ? ", " : ""), names[i]);
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "%s is '%.60s'; it must be one of %s", what, name, all);
}

static lk_status take_options(selecting *s, const lk_select_options *given, const lk_table *table)
{
    lk_context *ctx = s->ctx;
    if (given != NULL) {
        if (given->size < offsetof(lk_select_options, seed) + sizeof given->seed) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_select_options.size is %zu; set it to sizeof(lk_select_options)", given->size);
        }
        memcpy(&s->options, given, given->size < sizeof s->options ? given->size : sizeof s->options);
    }
    lk_selection *out = s->out;
    const char *kernel_names[sizeof kernels / sizeof *kernels];
    static const char *const splits[] = {"target", "power", "sum"};
    int kernel = 0, chosen = AUTO, split = 0;
    const int kernel_count = (int)(sizeof kernels / sizeof *kernels);
    for (int i = 0; i < kernel_count; i++) {
        kernel_names[i] = lki_kernels[kernels[i]].name;
    }
    if (s->options.method != NULL) {
        LKI_TRY(find_name(ctx, "method", s->options.method, method_names, METHODS, &chosen));
    }
    if (s->options.kernel != NULL) {
        LKI_TRY(find_name(ctx, "kernel", s->options.kernel, kernel_names, kernel_count, &kernel));
    }
    if (s->options.split != NULL) {
        LKI_TRY(find_name(ctx, "split", s->options.split, splits, 3, &split));
    }
    out->of = lk_table_rows(table);
    out->kernel = kernels[kernel];
    out->split = splits[split];
    out->count = s->options.count > 0 ? s->options.count : (int64_t)ceil(sqrt((double)out->of));
    out->method = chosen != AUTO ? (method)chosen : out->of <= THIN_ROWS ? KERNEL_THINNING : COMPRESS;
    if (s->options.count < 0 || out->count > out->of) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld rows cannot be chosen out of %lld; count must be 1 to the number of rows",
                        (long long)s->options.count, (long long)out->of);
    }
    if ((out->method == STEIN) != (s->options.model != NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, out->method == STEIN ? "method stein thins towards a model: name one"
                                                                     : "only method stein thins towards a model");
    }
    const bool halves = out->method == KERNEL_THINNING || out->method == COMPRESS;
    if ((s->options.loss != NULL || s->options.lambda != 0.0) && out->method != SENSITIVITY) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a loss and its lambda are for method sensitivity, not for %s", method_names[out->method]);
    }
    if (s->options.clusters != 0 && out->method != SENSITIVITY && out->method != STRATIFIED) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "clusters are for the methods sensitivity and stratified, not for %s", method_names[out->method]);
    }
    if (s->options.clusters < 0 || s->options.clusters > out->of || !(s->options.lambda >= 0.0 && isfinite(s->options.lambda))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "clusters is %lld, lambda %g; they must be 1 to the number of rows, and at least 0",
                        (long long)s->options.clusters, s->options.lambda);
    }
    if (split > 0 && !halves) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "split is '%s', but method %s does not halve", splits[split], method_names[out->method]);
    }
    if (split > 0 && out->kernel != LKI_KERNEL_gaussian && out->kernel != LKI_KERNEL_matern32 && out->kernel != LKI_KERNEL_matern52) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "split is '%s', but kernel %s has no rougher power here; gaussian, matern32 and matern52 have",
                        splits[split], lki_kernels[out->kernel].name);
    }
    if (s->options.uniform && (out->kernel != LKI_KERNEL_sobolev || (!halves && out->method != HERDING))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "only kernel sobolev knows its mean under the uniform law, and only kernel-thinning, compress "
                                                "and herding use it");
    }
    if (out->kernel == LKI_KERNEL_sobolev && s->options.bandwidth != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "kernel sobolev has no bandwidth: its features lie within [0, 1]");
    }
    return LK_OK;
}

/* ---- data ---- */

static lk_status read_points(selecting *s, const lk_table *table)
{
    lk_context *ctx = s->ctx;
    lk_selection *out = s->out;
    int64_t *features = NULL;
    const lk_roles roles = {.size = sizeof roles, .features = s->options.features, .ignore = s->options.features == NULL ? s->options.loss : NULL};
    lk_status status = LK_OK;
    if (s->options.model != NULL) {
        out->d = lk_model_dimension(s->options.model);
        LKI_GOTO(status, done, lki_allocate(ctx, (size_t)out->d, sizeof *features, &features));
        LKI_GOTO(status, done, lk_model_columns(ctx, s->options.model, table, features));
    } else {
        LKI_GOTO(status, done, lki_roles_resolve(ctx, table, &roles, &features, &out->d, NULL, NULL, NULL));
    }
    const size_t cells = lki_product((size_t)out->of, (size_t)out->d), bytes = lki_product(cells, sizeof(double));
    if (bytes > (size_t)lki_memory_limit(ctx)) {
        status = lki_fail(ctx, LK_ERROR_MEMORY, "%lld rows of %lld features occupy %zu bytes, more than the memory limit of %lld; raise it",
                          (long long)out->of, (long long)out->d, bytes, (long long)lki_memory_limit(ctx));
        goto done;
    }
    LKI_GOTO(status, done, lki_allocate(ctx, cells, sizeof *s->x, &s->x));
    LKI_GOTO(status, done, lk_table_gather(ctx, table, 0, out->of, features, out->d, s->x));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)out->d, sizeof *out->names, &out->names));
    for (int64_t j = 0; j < out->d; j++) {
        LKI_GOTO(status, done, lki_copy_text(ctx, lk_table_name(table, features[j]), &out->names[j]));
    }
    for (size_t i = 0; i < cells; i++) {
        const long long row = (long long)(i / (size_t)out->d) + 1;
        const char *name = out->names[i % (size_t)out->d];
        if (isnan(s->x[i])) {
            status = lki_fail(ctx, LK_ERROR_DATA, "row %lld, column '%s': the value is missing; select needs complete rows (impute fills them)",
                              row, name);
            goto done;
        }
        if (out->kernel == LKI_KERNEL_sobolev && !(s->x[i] >= 0.0 && s->x[i] <= 1.0)) {
            status = lki_fail(ctx, LK_ERROR_DATA, "row %lld, column '%s': the value %g is outside [0, 1], where kernel sobolev lives", row, name,
                              s->x[i]);
            goto done;
        }
    }
done:
    lki_release(ctx, features);
    return status;
}

/* ---- bandwidth ---- */

static lk_status take_bandwidth(selecting *s)
{
    lk_selection *out = s->out;
    LKI_TRY(lki_allocate(s->ctx, (size_t)out->d, sizeof *out->bandwidth, &out->bandwidth));
    for (int64_t j = 0; j < out->d; j++) {
        out->bandwidth[j] = 1.0;
    }
    if (out->kernel == LKI_KERNEL_sobolev && out->method != STEIN) {
        return LK_OK;
    }
    if (s->options.bandwidth == NULL || strcmp(s->options.bandwidth, "median") == 0) {
        return lki_median_bandwidth(s->ctx, s->x, out->of, out->d, s->order, out->bandwidth);
    }
    return lki_bandwidth_read(s->ctx, s->options.bandwidth, "median", out->d, out->bandwidth);
}

/* ---- kernels ---- */

/* The target: one factor of all columns, or of sobolev a factor a column. Its power, whose spectral density is that of the target to a power
 * within [1/2, 1] (Dwivedi and Mackey 2022, section 2.3 and table 1): of the Gaussian, the square root has 1 / sqrt(2) of the bandwidth; of Matern nu,
 * Matern nu - 1 at the same length sqrt(2 nu) / h. */
static lk_status make_kernels(selecting *s)
{
    lk_selection *out = s->out;
    const int64_t d = out->d;
    const bool product = out->kernel == LKI_KERNEL_sobolev, sum = strcmp(out->split, "sum") == 0, power = strcmp(out->split, "power") == 0;
    LKI_TRY(lki_zeros(s->ctx, (size_t)d + 1, sizeof *s->factors, &s->factors));
    LKI_TRY(lki_allocate(s->ctx, (size_t)d, sizeof *s->columns, &s->columns));
    LKI_TRY(lki_allocate(s->ctx, (size_t)d, sizeof *s->rough, &s->rough));
    lki_kernel_id rougher = LKI_KERNEL_gaussian;
    double shrink = sqrt(0.5);
    if (out->kernel == LKI_KERNEL_matern32) {
        rougher = LKI_KERNEL_matern12;
        shrink = sqrt(1.0 / 3.0);
    } else if (out->kernel == LKI_KERNEL_matern52) {
        rougher = LKI_KERNEL_matern32;
        shrink = sqrt(3.0 / 5.0);
    }
    for (int64_t j = 0; j < d; j++) {
        s->columns[j] = j;
        s->rough[j] = shrink * out->bandwidth[j];
        s->factors[j] = (lki_pair_factor){.kernel = out->kernel, .columns = &s->columns[j], .count = 1};
    }
    if (!product) {
        s->factors[0] = (lki_pair_factor){.kernel = out->kernel, .bandwidth = out->bandwidth};
    }
    s->factors[d] = (lki_pair_factor){.kernel = rougher, .bandwidth = s->rough};
    s->target = (lki_pair_term){1.0, s->factors, product ? d : 1};
    s->split[0] = power ? (lki_pair_term){1.0, s->factors + d, 1} : s->target;
    s->split[1] = (lki_pair_term){1.0, s->factors + d, 1};
    const double at_zero = product ? pow(lki_kernel_reference(LKI_KERNEL_sobolev, 0.0, 0.0, 0.0).value, (double)d) : 1.0;
    s->thinning = (lki_thinning){.x = s->x,
                                 .rows = out->of,
                                 .d = d,
                                 .split = {s->split, sum ? 2 : 1, sum ? 2.0 : at_zero},
                                 .target = {&s->target, 1, at_zero},
                                 .delta = DELTA,
                                 .seed = (uint64_t)s->options.seed};
    return LK_OK;
}

/* ---- the choice ---- */

/* mean[i] = mean of k between the i-th of `set` (n of them; NULL = all rows) and all rows, or under the uniform law: 1, for
 * the integral of s - r + 1/6 over a period is 0. */
static bool means_are_cheap(const selecting *s)
{
    return s->options.uniform || (s->out->kernel == LKI_KERNEL_sobolev && s->out->d <= 2);
}

static lk_status means_by_sorting(selecting *s, const int64_t *set, int64_t n, double *mean)
{
    double *all = NULL;
    LKI_TRY(lki_allocate(s->ctx, (size_t)s->out->of, sizeof *all, &all));
    const lk_status status = lki_sobolev_means(s->ctx, &s->thinning, all);
    for (int64_t i = 0; status == LK_OK && i < n; i++) {
        mean[i] = all[set != NULL ? set[i] : i];
    }
    lki_release(s->ctx, all);
    return status;
}

static lk_status means_of(selecting *s, const int64_t *set, int64_t n, double **mean)
{
    LKI_TRY(lki_allocate(s->ctx, (size_t)n, sizeof **mean, mean));
    if (means_are_cheap(s) && !s->options.uniform) {
        return means_by_sorting(s, set, n, *mean);
    }
    if (!s->options.uniform) {
        LKI_TRY(lki_thin_sums(s->ctx, &s->thinning, set, n, s->order, s->out->of, NULL, *mean));
    }
    for (int64_t i = 0; i < n; i++) {
        (*mean)[i] = s->options.uniform ? 1.0 : (*mean)[i] / (double)s->out->of;
    }
    return LK_OK;
}

static int log_of_ratio(int64_t n, int64_t size)
{
    int rounds = 0;
    while (rounds < 40 && size <= n >> (rounds + 1)) {
        rounds++;
    }
    return rounds;
}

/* Thins the first `split` members of a set, measured against all rows; the exchange looks at all its members. */
static lk_status thin(selecting *s, const int64_t *set, int64_t size, int64_t split)
{
    double *mean = NULL;
    lk_status status = means_of(s, set, size, &mean);
    if (status == LK_OK) {
        status = lki_kernel_thin(s->ctx, &s->thinning, set, size, mean, log_of_ratio(split, s->out->count), s->out->count, LKI_STREAM_SELECT,
                                 s->out->rows);
    }
    lki_release(s->ctx, mean);
    return status;
}

/* Appends to the first `kept` of `set` other rows, in their random order, up to `size`. */
static lk_status append_others(selecting *s, int64_t *set, int64_t kept, int64_t size)
{
    bool *there = NULL;
    LKI_TRY(lki_zeros(s->ctx, (size_t)s->out->of, sizeof *there, &there));
    for (int64_t i = 0; i < kept; i++) {
        there[set[i]] = true;
    }
    for (int64_t i = 0; i < s->out->of && kept < size; i++) {
        if (!there[s->order[i]]) {
            set[kept++] = s->order[i];
        }
    }
    lki_release(s->ctx, there);
    return LK_OK;
}

/* Compress++: compress to 2^g times the wanted number, and thin that. Its mean between one row and all costs as many kernel values as there are rows, so
 * that only the compressed rows are looked at for exchange; many more, where the mean is known or cheap. Where there are too few rows to compress, they
 * are thinned as they are. */
static lk_status compress_and_thin(selecting *s)
{
    const int64_t n = s->out->of, wanted = s->out->count << OVERSAMPLING_LOG;
    int64_t base = 0, *set = NULL;
    int levels = log_of_ratio(n, wanted);
    for (; levels > 0; levels--) {
        base = (wanted + ((int64_t)1 << levels) - 1) >> levels;
        if (base <= n >> (2 * levels)) {
            break;
        }
    }
    if (levels == 0) {
        return thin(s, s->order, n, n);
    }
    lk_status status = LK_OK;
    const int64_t size = base << levels, more = size < n / EXCHANGE ? EXCHANGE * size : n;
    LKI_TRY(lki_allocate(s->ctx, (size_t)n, sizeof *set, &set));
    LKI_GOTO(status, done, lki_compress(s->ctx, &s->thinning, s->order, base, levels, set));
    if (means_are_cheap(s)) {
        LKI_GOTO(status, done, append_others(s, set, size, more));
    }
    status = thin(s, set, means_are_cheap(s) ? more : size, size);
done:
    lki_release(s->ctx, set);
    return status;
}

static lk_status stein(selecting *s)
{
    lk_selection *out = s->out;
    double *score = NULL;
    LKI_TRY(lki_allocate(s->ctx, lki_product((size_t)out->of, (size_t)out->d), sizeof *score, &score));
    lk_status status = lk_model_score(s->ctx, s->options.model, s->x, out->of, score);
    for (int64_t i = 0; status == LK_OK && i < out->of * out->d; i++) {
        if (!isfinite(score[i])) {
            status = lki_fail(s->ctx, LK_ERROR_DATA, "row %lld: the model has no score there, its density being 0 or undefined",
                              (long long)(i / out->d) + 1);
        }
    }
    if (status == LK_OK) {
        status = lki_stein_thin(s->ctx, s->x, score, out->of, out->d, out->bandwidth, out->count, out->rows, &out->ksd);
    }
    lki_release(s->ctx, score);
    return status;
}

/* A cluster's loss is that of the row nearest to its centre, the only one that is asked; without losses, the mean squared distance of all rows (a
 * lightweight coreset, Bachem, Lucic and Krause 2018). */
static lk_status losses(selecting *s, const int64_t *cluster, const double *square, int64_t count, double *loss)
{
    const lk_table *table = s->table;
    double *values = NULL, total = 0.0;
    int64_t column, *nearest = NULL;
    lk_status status = LK_OK;
    for (int64_t i = 0; i < s->out->of; i++) {
        total += square[i];
    }
    for (int64_t c = 0; c < count; c++) {
        loss[c] = total / (double)s->out->of;
    }
    if (s->options.loss == NULL) {
        return LK_OK;
    }
    LKI_TRY(lk_table_find(s->ctx, table, s->options.loss, &column));
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)count, sizeof *nearest, &nearest));
    for (int64_t c = 0; c < count; c++) {
        nearest[c] = -1;
        loss[c] = 0.0;
    }
    for (int64_t i = 0; i < s->out->of; i++) {
        int64_t *at = &nearest[cluster[i]];
        *at = *at < 0 || square[i] < square[*at] ? i : *at;
    }
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)s->out->of, sizeof *values, &values));
    LKI_GOTO(status, done, lk_table_gather(s->ctx, table, 0, s->out->of, &column, 1, values));
    for (int64_t c = 0; c < count && status == LK_OK; c++) {
        loss[c] = nearest[c] >= 0 ? values[nearest[c]] : 0.0;
        if (!(loss[c] >= 0.0 && isfinite(loss[c]))) {
            status = lki_fail(s->ctx, LK_ERROR_DATA, "row %lld, column '%s': the loss is %g; at the row nearest to the centre of a cluster it must be at least 0",
                              (long long)nearest[c] + 1, s->options.loss, loss[c]);
        }
    }
done:
    lki_release(s->ctx, values);
    lki_release(s->ctx, nearest);
    return status;
}

static lk_status by_clusters(selecting *s)
{
    lk_selection *out = s->out;
    const int64_t n = out->of, rows = out->count, count = s->options.clusters > 0 ? s->options.clusters : (int64_t)ceil(sqrt((double)rows));
    const uint64_t random_seed = (uint64_t)s->options.seed;
    int64_t *cluster = NULL;
    double *square = NULL, *loss = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)n, sizeof *cluster, &cluster));
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)n, sizeof *square, &square));
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)count, sizeof *loss, &loss));
    LKI_GOTO(status, done, lki_select_clusters(s->ctx, s->x, n, out->d, out->bandwidth, count, random_seed, cluster, square));
    if (out->method == STRATIFIED) {
        LKI_GOTO(status, done, lki_stratified_draw(s->ctx, cluster, s->order, n, count, rows, random_seed, out->rows));
        goto done;
    }
    LKI_GOTO(status, done, losses(s, cluster, square, count, loss));
    LKI_GOTO(status, done, lki_allocate(s->ctx, (size_t)n, sizeof *out->draw_weights, &out->draw_weights));
    LKI_GOTO(status, done, lki_sensitivity_draw(s->ctx, cluster, square, loss, s->options.lambda > 0.0 ? s->options.lambda : 1.0, n, rows, random_seed, out->rows,
                                                out->draw_weights));
    for (int64_t i = 0; i < n; i++) {
        out->draw_weights[i] = 1.0 / ((double)rows * (double)n * out->draw_weights[i]);
    }
done:
    lki_release(s->ctx, cluster);
    lki_release(s->ctx, square);
    lki_release(s->ctx, loss);
    return status;
}

static lk_status choose(selecting *s)
{
    lk_selection *out = s->out;
    const int64_t n = out->of, count = out->count;
    switch (out->method) {
    case KERNEL_THINNING:
        return thin(s, s->order, n, n);
    case COMPRESS:
        return compress_and_thin(s);
    case HERDING:
        LKI_TRY(means_of(s, NULL, n, &s->mean));
        return lki_herd(s->ctx, &s->thinning, s->mean, count, out->rows);
    case STEIN:
        return stein(s);
    case STRATIFIED:
    case SENSITIVITY:
        return by_clusters(s);
    case STANDARD:
        for (int64_t i = 0; i < count; i++) {
            out->rows[i] = (int64_t)((double)n / (double)count * ((double)i + 1.0)) - 1;
            out->rows[i] = out->rows[i] < n ? out->rows[i] : n - 1;
        }
        return LK_OK;
    default:
        memcpy(out->rows, s->order, (size_t)count * sizeof *out->rows);
        return LK_OK;
    }
}

static int compare_rows(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Ascending and distinct; the weight of a row that was chosen more than once says so. */
static void merge(lk_selection *out)
{
    int64_t kept = 0;
    qsort(out->rows, (size_t)out->count, sizeof *out->rows, compare_rows);
    const double equal = 1.0 / (double)out->count;
    for (int64_t i = 0; i < out->count; i++) {
        const double share = out->draw_weights != NULL ? out->draw_weights[out->rows[i]] : equal;
        if (kept > 0 && out->rows[kept - 1] == out->rows[i]) {
            out->weights[kept - 1] += share;
        } else {
            out->rows[kept] = out->rows[i];
            out->weights[kept++] = share;
        }
    }
    out->count = kept;
}

/* The discrepancy between the chosen rows and all, and its root mean square for as many independent rows of these weights,
 * sqrt((k(0) - mean k) sum w^2). Left out on request where it costs more than the choice did. */
static lk_status measure(selecting *s)
{
    lk_selection *out = s->out;
    const double n = (double)out->of;
    double *sums = NULL, all = 0.0, cross = 0.0, within = 0.0, squares = 0.0;
    lk_status status = LK_OK;
    out->mmd = out->mmd_independent = (double)NAN;
    if (s->options.discrepancy < 0 || (s->options.discrepancy == 0 && s->mean == NULL && out->of > THIN_ROWS && !means_are_cheap(s))) {
        return LK_OK;
    }
    if (s->mean == NULL) {
        LKI_TRY(means_of(s, NULL, out->of, &s->mean));
    }
    for (int64_t i = 0; i < out->of; i++) {
        all += s->mean[i] / n;
    }
    LKI_TRY(lki_allocate(s->ctx, (size_t)out->count, sizeof *sums, &sums));
    LKI_GOTO(status, done, lki_thin_sums(s->ctx, &s->thinning, out->rows, out->count, out->rows, out->count, out->weights, sums));
    for (int64_t i = 0; i < out->count; i++) {
        within += out->weights[i] * sums[i];
        cross += out->weights[i] * s->mean[out->rows[i]];
        squares += out->weights[i] * out->weights[i];
    }
    out->mmd = sqrt(fmax(within - 2.0 * cross + all, 0.0));
    out->mmd_independent = sqrt(fmax(s->thinning.target.at_zero - all, 0.0) * squares);
done:
    lki_release(s->ctx, sums);
    return status;
}

static lk_status run(selecting *s, const lk_select_options *options, const lk_table *table)
{
    lk_context *ctx = s->ctx;
    lk_selection *out = s->out;
    LKI_TRY(take_options(s, options, table));
    LKI_TRY(read_points(s, table));
    LKI_TRY(lki_allocate(ctx, (size_t)out->of, sizeof *s->order, &s->order));
    lki_stream stream = lki_stream_new((uint64_t)s->options.seed, LKI_STREAM_SELECT, 0);
    lki_random_permutation(&stream, s->order, out->of);
    LKI_TRY(take_bandwidth(s));
    LKI_TRY(make_kernels(s));
    LKI_TRY(lki_zeros(ctx, (size_t)out->count, sizeof *out->rows, &out->rows));
    LKI_TRY(lki_zeros(ctx, (size_t)out->count, sizeof *out->weights, &out->weights));
    LKI_TRY(choose(s));
    merge(out);
    return measure(s);
}

lk_status lk_select(lk_context *context, const lk_table *table, const lk_select_options *options, lk_selection **out)
{
    lki_begin(context);
    if (table == NULL || out == NULL) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "table and out must not be NULL");
    }
    selecting s = {.ctx = context, .table = table};
    LKI_TRY(lki_zeros(context, 1, sizeof *s.out, &s.out));
    s.out->ksd = (double)NAN;
    const lk_status status = run(&s, options, table);
    lki_release(context, s.x);
    lki_release(context, s.factors);
    lki_release(context, s.columns);
    lki_release(context, s.rough);
    lki_release(context, s.order);
    lki_release(context, s.mean);
    if (status != LK_OK) {
        lk_selection_free(context, s.out);
        return status;
    }
    *out = s.out;
    return LK_OK;
}

/* ---- what a selection tells ---- */

int64_t lk_selection_rows(const lk_selection *selection, const int64_t **rows, const double **weights)
{
    if (rows != NULL) {
        *rows = selection->rows;
    }
    if (weights != NULL) {
        *weights = selection->weights;
    }
    return selection->count;
}

lk_status lk_selection_info(lk_context *context, const lk_selection *selection, char **out)
{
    const lk_selection *s = selection;
    lki_begin(context);
    json_t *info = json_object(), *names = json_array();
    lk_status status = LK_OK;
    for (int64_t j = 0; j < s->d && status == LK_OK; j++) {
        status = lki_json_append(context, names, json_string(s->names[j]));
    }
    if (status != LK_OK) {
        json_decref(names);
        json_decref(info);
        return status;
    }
    LKI_GOTO(status, done, lki_json_set(context, info, "features", names));
    LKI_GOTO(status, done, lki_json_set(context, info, "method", json_string(method_names[s->method])));
    LKI_GOTO(status, done, lki_json_set(context, info, "rows", json_integer(s->of)));
    LKI_GOTO(status, done, lki_json_set(context, info, "selected", json_integer(s->count)));
    LKI_GOTO(status, done, lki_json_set(context, info, "kernel", json_string(lki_kernels[s->kernel].name)));
    LKI_GOTO(status, done, lki_json_set(context, info, "formula", json_string(lki_kernels[s->kernel].formula)));
    LKI_GOTO(status, done, lki_json_set(context, info, "split", json_string(s->split)));
    LKI_GOTO(status, done, lki_json_set(context, info, "bandwidth", lki_json_numbers(s->bandwidth, s->d)));
    LKI_GOTO(status, done, lki_json_set(context, info, "mmd", lki_json_number(s->mmd)));
    LKI_GOTO(status, done, lki_json_set(context, info, "mmd_independent", lki_json_number(s->mmd_independent)));
    if (s->method == STEIN) {
        LKI_GOTO(status, done, lki_json_set(context, info, "ksd", lki_json_number(s->ksd)));
    }
    status = lki_json_write(context, info, false, out);
done:
    json_decref(info);
    return status;
}

void lk_selection_free(lk_context *context, lk_selection *selection)
{
    if (selection == NULL) {
        return;
    }
    for (int64_t j = 0; selection->names != NULL && j < selection->d; j++) {
        lki_release(context, selection->names[j]);
    }
    lki_release(context, selection->names);
    lki_release(context, selection->rows);
    lki_release(context, selection->weights);
    lki_release(context, selection->draw_weights);
    lki_release(context, selection->bandwidth);
    lki_release(context, selection);
}

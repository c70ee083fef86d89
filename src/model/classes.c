/* Operations of a distribution with classes, from those of the method that gave each class its own. */
#include "model/classes.h"

#include "core/philox.h"

#include <math.h>
#include <string.h>

/* ---- the state ---- */

lk_status lki_classes_new(lk_context *ctx, const lki_method *method, int64_t count, int64_t d, lki_classes **out)
{
    lki_classes *c = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_zeros(ctx, 1, sizeof *c, &c));
    c->memory = lki_memory_of(ctx);
    c->method = method;
    c->d = d;
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)count, sizeof *c->priors, &c->priors));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)count, sizeof *c->states, &c->states));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)count, sizeof *c->reports, &c->reports));
    c->count = count;
    for (int64_t k = 0; k < count; k++) {
        c->reports[k] = (lki_report){.n = (double)NAN, .log_likelihood = (double)NAN, .free_parameters = (double)NAN,
                                     .entropy = (double)NAN, .iterations = -1, .converged = -1};
    }
    *out = c;
    return LK_OK;
failed:
    if (c != NULL) {
        lki_classes_free(&c->memory, c);
    }
    return status;
}

void lki_classes_free(const lki_memory *memory, void *state)
{
    lki_classes *c = state;
    if (c == NULL) {
        return;
    }
    lki_memory own = *memory;
    for (int64_t k = 0; k < c->count; k++) {
        if (c->states[k] != NULL) {
            c->method->operations->free(&own, c->states[k]);
        }
        json_decref(c->reports[k].extra);
    }
    lki_memory_release(&own, c->priors);
    lki_memory_release(&own, c->states);
    lki_memory_release(&own, c->reports);
    lki_memory_release(&own, c);
}

/* A state over other features with the same classes. Of the reports stays what is still true. */
static lk_status new_part(lk_context *ctx, const lki_classes *c, int64_t d, bool rows_stay, lki_classes **out)
{
    LKI_TRY(lki_classes_new(ctx, c->method, c->count, d, out));
    for (int64_t k = 0; k < c->count; k++) {
        lki_report *to = &(*out)->reports[k];
        const lki_report *from = &c->reports[k];
        to->n = rows_stay ? from->n : (double)NAN;
        to->iterations = from->iterations;
        to->converged = from->converged;
        memcpy(to->degenerate, from->degenerate, sizeof to->degenerate);
        (*out)->priors[k] = c->priors[k];
    }
    return LK_OK;
}

/* ---- densities ---- */

void lki_classes_weigh(const lki_classes *c, double *v)
{
    double most = -(double)INFINITY, total = 0.0;
    for (int64_t k = 0; k < c->count; k++) {
        v[k] = c->priors[k] > 0.0 ? v[k] + log(c->priors[k]) : -(double)INFINITY;
        most = v[k] > most ? v[k] : most;
    }
    if (!(fabs(most) < (double)INFINITY)) {
        memcpy(v, c->priors, (size_t)c->count * sizeof *v);
        return;
    }
    for (int64_t k = 0; k < c->count; k++) {
        v[k] = exp(v[k] - most);
        total += v[k];
    }
    for (int64_t k = 0; k < c->count; k++) {
        v[k] /= total;
    }
}

/* Log density of each row in each class, rows x classes; column is scratch of `rows`. */
static lk_status class_densities(lk_context *ctx, const lki_classes *c, const double *x, int64_t rows, double *column, double *out)
{
    for (int64_t k = 0; k < c->count; k++) {
        LKI_TRY(c->method->operations->log_density(ctx, c->states[k], x, rows, column));
        for (int64_t i = 0; i < rows; i++) {
            out[i * c->count + k] = column[i];
        }
    }
    return LK_OK;
}

static lk_status classes_log_density(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_classes *c = state;
    double *v;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)c->count), sizeof *v, &v));
    lk_status status = class_densities(ctx, c, x, rows, out, v);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        double *row = v + i * c->count, most = -(double)INFINITY, sum = 0.0;
        for (int64_t k = 0; k < c->count; k++) {
            row[k] = c->priors[k] > 0.0 ? row[k] + log(c->priors[k]) : -(double)INFINITY;
            most = row[k] > most ? row[k] : most;
        }
        for (int64_t k = 0; k < c->count && fabs(most) < (double)INFINITY; k++) {
            sum += exp(row[k] - most);
        }
        out[i] = sum > 0.0 ? most + log(sum) : most;
    }
    lki_release(ctx, v);
    return status;
}

static lk_status classes_responsibilities(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_classes *c = state;
    double *column;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *column, &column));
    lk_status status = class_densities(ctx, c, x, rows, column, out);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        lki_classes_weigh(c, out + i * c->count);
    }
    lki_release(ctx, column);
    return status;
}

/* grad log p(x) = sum_c p(c | x) grad log p(x | c). */
static lk_status classes_score(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_classes *c = state;
    const int64_t d = c->d;
    double *posterior = NULL, *score = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)c->count), sizeof *posterior, &posterior));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *score, &score));
    LKI_GOTO(status, done, classes_responsibilities(ctx, c, x, rows, posterior));
    memset(out, 0, (size_t)(rows * d) * sizeof *out);
    for (int64_t k = 0; k < c->count; k++) {
        LKI_GOTO(status, done, c->method->operations->score(ctx, c->states[k], x, rows, score));
        for (int64_t i = 0; i < rows * d; i++) {
            double p = posterior[i / d * c->count + k];
            out[i] += p > 0.0 ? p * score[i] : 0.0; /* a class without a share may have a score without bound */
        }
    }
done:
    lki_release(ctx, posterior);
    lki_release(ctx, score);
    return status;
}

static lk_status classes_cdf(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_classes *c = state;
    double *part;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)c->d), sizeof *part, &part));
    lk_status status = LK_OK;
    memset(out, 0, (size_t)(rows * c->d) * sizeof *out);
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        status = c->method->operations->cdf(ctx, c->states[k], x, rows, part);
        for (int64_t i = 0; status == LK_OK && i < rows * c->d; i++) {
            out[i] = fmin(out[i] + c->priors[k] * part[i], 1.0);
        }
    }
    lki_release(ctx, part);
    return status;
}

/* The Hessian of log p is sum_c p(c | x) (H_c + s_c s_c') - s s', with s_c and s the scores. */
static lk_status classes_hessian(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_classes *c = state;
    const lki_operations *own = c->method->operations;
    const int64_t d = c->d, dd = d * d;
    double *posterior = NULL, *score = NULL, *total = NULL, *part = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)c->count), sizeof *posterior, &posterior));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *score, &score));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *total, &total));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)dd), sizeof *part, &part));
    LKI_GOTO(status, done, classes_responsibilities(ctx, c, x, rows, posterior));
    LKI_GOTO(status, done, classes_score(ctx, c, x, rows, total));
    for (int64_t i = 0; i < rows * dd; i++) {
        out[i] = -total[i / dd * d + i % dd / d] * total[i / dd * d + i % d];
    }
    for (int64_t k = 0; k < c->count; k++) {
        LKI_GOTO(status, done, own->score(ctx, c->states[k], x, rows, score));
        LKI_GOTO(status, done, own->hessian(ctx, c->states[k], x, rows, part));
        for (int64_t i = 0; i < rows * dd; i++) {
            double p = posterior[i / dd * c->count + k];
            out[i] += p > 0.0 ? p * (part[i] + score[i / dd * d + i % dd / d] * score[i / dd * d + i % d]) : 0.0;
        }
    }
done:
    lki_release(ctx, posterior);
    lki_release(ctx, score);
    lki_release(ctx, total);
    lki_release(ctx, part);
    return status;
}

static int64_t classes_groups(const void *state)
{
    return ((const lki_classes *)state)->count;
}

static void classes_prior(const void *state, double *out)
{
    const lki_classes *c = state;
    memcpy(out, c->priors, (size_t)c->count * sizeof *out);
}

/* ---- draws: the class of a row comes from a stream of its own, then the row from its class ---- */

lk_status lki_classes_drawn(lk_context *ctx, const lki_classes *c, uint64_t seed, int64_t first_row, int64_t rows, int64_t *out)
{
    double *cumulative, total = 0.0;
    LKI_TRY(lki_allocate(ctx, (size_t)c->count, sizeof *cumulative, &cumulative));
    for (int64_t k = 0; k < c->count; k++) {
        total += c->priors[k];
        cumulative[k] = total;
    }
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_CLASS, (uint64_t)(first_row + i));
        out[i] = lki_random_categorical(&s, cumulative, c->count);
    }
    lki_release(ctx, cumulative);
    return LK_OK;
}

static lk_status classes_sample(lk_context *ctx, const void *state, uint64_t seed, int64_t first_row, int64_t rows, double *out)
{
    const lki_classes *c = state;
    int64_t *class;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *class, &class));
    lk_status status = lki_classes_drawn(ctx, c, seed, first_row, rows, class);
    for (int64_t i = 0, run = 1; status == LK_OK && i < rows; i += run, run = 1) {
        while (i + run < rows && class[i + run] == class[i]) {
            run++;
        }
        status = c->method->operations->sample(ctx, c->states[class[i]], seed, first_row + i, run, out + i * c->d);
    }
    lki_release(ctx, class);
    return status;
}

/* ---- some of the features ---- */

static lk_status classes_marginal(lk_context *ctx, const void *state, const int64_t *features, int64_t count, void **out)
{
    const lki_classes *c = state;
    lki_classes *part;
    LKI_TRY(new_part(ctx, c, count, true, &part));
    lk_status status = LK_OK;
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        status = c->method->operations->marginal(ctx, c->states[k], features, count, &part->states[k]);
    }
    if (status != LK_OK) {
        lki_classes_free(&part->memory, part);
        return status;
    }
    *out = part;
    return LK_OK;
}

/* What the given values say about the classes: log density of each class's marginal. */
static lk_status class_evidence(lk_context *ctx, const lki_classes *c, const int64_t *given, const double *values, int64_t count,
                                double *out)
{
    const lki_operations *ops = c->method->operations;
    const lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        void *marginal = NULL;
        LKI_TRY(ops->marginal(ctx, c->states[k], given, count, &marginal));
        status = ops->log_density(ctx, marginal, values, 1, &out[k]);
        ops->free(&memory, marginal);
    }
    return status;
}

/* p(x', c | given) = p(c | given) p(x' | given, c). */
static lk_status classes_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count,
                                   void **out)
{
    const lki_classes *c = state;
    lki_classes *part;
    LKI_TRY(new_part(ctx, c, c->d - count, false, &part));
    lk_status status = class_evidence(ctx, c, given, values, count, part->priors);
    lki_classes_weigh(c, part->priors);
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        status = c->method->operations->condition(ctx, c->states[k], given, values, count, &part->states[k]);
    }
    if (status != LK_OK) {
        lki_classes_free(&part->memory, part);
        return status;
    }
    *out = part;
    return LK_OK;
}

/* Noise is the same in every class, so that the classes keep their probabilities. */
static lk_status classes_smooth(lk_context *ctx, const void *state, const double *sigma, void **out)
{
    const lki_classes *c = state;
    lki_classes *part;
    LKI_TRY(new_part(ctx, c, c->d, false, &part));
    lk_status status = LK_OK;
    for (int64_t k = 0; k < c->count && status == LK_OK; k++) {
        status = c->method->operations->smooth(ctx, c->states[k], sigma, &part->states[k]);
    }
    if (status != LK_OK) {
        lki_classes_free(&part->memory, part);
        return status;
    }
    *out = part;
    return LK_OK;
}

/* ---- normal distributions: those of the first class, then those of the second, ... ---- */

static int64_t classes_normals(const void *state)
{
    const lki_classes *c = state;
    int64_t sum = 0;
    for (int64_t k = 0; k < c->count; k++) {
        int64_t count = c->method->operations->normals(c->states[k]);
        if (count == 0) {
            return 0;
        }
        sum += count;
    }
    return sum;
}

static void classes_normal(const void *state, int64_t index, double *weight, double *mean, double *covariance)
{
    const lki_classes *c = state;
    const lki_operations *own = c->method->operations;
    int64_t k = 0;
    for (int64_t count = own->normals(c->states[k]); index >= count; count = own->normals(c->states[k])) {
        index -= count;
        k++;
    }
    own->normal(c->states[k], index, weight, mean, covariance);
    *weight *= c->priors[k];
}

/* ---- which of them a method gives ---- */

lki_operations lki_classes_operations(const lki_method *method)
{
    const lki_operations *own = method->operations;
    const bool density = own->log_density != NULL, marginal = own->marginal != NULL;
    const bool condition = density && marginal && own->condition != NULL && own->conditional != NULL;
    return (lki_operations){
        .log_density = density ? classes_log_density : NULL,
        .score = density && own->score != NULL ? classes_score : NULL,
        .hessian = density && own->score != NULL && own->hessian != NULL ? classes_hessian : NULL,
        .smooth = own->smooth != NULL ? classes_smooth : NULL,
        .sample = own->sample != NULL ? classes_sample : NULL,
        .responsibilities = density ? classes_responsibilities : NULL,
        .cdf = own->cdf != NULL ? classes_cdf : NULL,
        .marginal = marginal ? classes_marginal : NULL,
        .groups = classes_groups,
        .prior = classes_prior,
        .condition = condition ? classes_condition : NULL,
        .conditional = condition ? &lki_classes_conditional : NULL,
        .normals = own->normals != NULL ? classes_normals : NULL,
        .normal = own->normals != NULL ? classes_normal : NULL,
        .free = lki_classes_free,
    };
}

/* Flows that begin where the model stops being normal. At much noise a model's score is that of the normal distribution with its
 * mean and covariance, whose flow is known: along axis e_j of variance l_j a row moves by sqrt((l_j + s'^2) / (l_j + s^2)), so that
 * a row may start at noise s' from N(mean, C + s'^2 I) at once (Wang and Vastola 2024, arXiv:2412.09726, analytical teleportation).
 * How far down is told by the divergence between the noisy model and that normal distribution, which the scores give: both diffuse
 * alike, so that d KL / d sigma = -sigma E |score - normal score|^2 (de Bruijn's identity). */
#include "math/cholesky.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

enum { MOMENT_DRAWS = 16384, SCORE_ROWS = 1024, DRAW_SEED = 0x67617573 };

/* Mean and covariance in the field's units: exact for normal distributions, else of draws. */
static void exact_moments(const lk_model *model, const lki_field *f, double *mean, double *C, double *one_mean, double *one_C)
{
    const int64_t d = f->d, count = model->operations.normals(model->state);
    double total = 0.0, weight;
    memset(mean, 0, (size_t)d * sizeof *mean);
    memset(C, 0, (size_t)(d * d) * sizeof *C);
    for (int64_t k = 0; k < count; k++) {
        model->operations.normal(model->state, k, &weight, one_mean, one_C);
        total += weight;
        for (int64_t a = 0; a < d; a++) {
            mean[a] += weight * one_mean[a];
            for (int64_t b = 0; b < d; b++) {
                C[a * d + b] += weight * (one_C[a * d + b] + one_mean[a] * one_mean[b]);
            }
        }
    }
    for (int64_t a = 0; a < d; a++) {
        mean[a] /= total;
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b < d; b++) {
            C[a * d + b] = (C[a * d + b] / total - mean[a] * mean[b]) / (f->scale[a] * f->scale[b]);
        }
    }
    for (int64_t a = 0; a < d; a++) {
        mean[a] = (mean[a] - f->centre[a]) / f->scale[a];
    }
}

static void draw_moments(const double *u, int64_t rows, int64_t d, double *mean, double *C)
{
    memset(mean, 0, (size_t)d * sizeof *mean);
    memset(C, 0, (size_t)(d * d) * sizeof *C);
    for (int64_t i = 0; i < rows * d; i++) {
        mean[i % d] += u[i] / (double)rows;
    }
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t a = 0; a < d; a++) {
            for (int64_t b = 0; b < d; b++) {
                C[a * d + b] += (u[i * d + a] - mean[a]) * (u[i * d + b] - mean[b]) / (double)(rows - 1);
            }
        }
    }
}

lk_status lki_gaussian_moments(lk_context *ctx, const lk_model *model, const lki_field *f, double *gaussian)
{
    const int64_t d = f->d;
    double *mean = gaussian, *variances = gaussian + d, *C = gaussian + 2 * d, *work;
    const bool normal = model->operations.normals != NULL && model->operations.normals(model->state) > 0;
    const int64_t rows = MOMENT_DRAWS;
    LKI_TRY(lki_allocate(ctx, lki_product(normal ? (size_t)d + 1 : (size_t)rows, (size_t)d), sizeof *work, &work));
    lk_status status = LK_OK;
    if (normal) {
        exact_moments(model, f, mean, C, work, work + d);
    } else {
        status = lki_model_draw(ctx, model, DRAW_SEED, 0, rows, work);
        for (int64_t i = 0; status == LK_OK && i < rows * d; i++) {
            work[i] = (work[i] - f->centre[i % d]) / f->scale[i % d];
        }
        draw_moments(work, status == LK_OK ? rows : 2, d, mean, C);
    }
    if (status == LK_OK && lki_symmetric_eigen(d, C, variances, 1) != 0) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "the eigenvalues of the model's covariance were not found");
    }
    for (int64_t j = 0; j < d; j++) {
        variances[j] = fmax(variances[j], 0.0);
    }
    lki_release(ctx, work);
    return status;
}

/* score -= that of N(mean, C + sigma^2 I) at y; the sum of squares. */
static double score_excess(const double *gaussian, int64_t d, double sigma, const double *y, const double *score)
{
    const double *mean = gaussian, *variances = gaussian + d, *axes = gaussian + 2 * d;
    double sum = 0.0;
    for (int64_t a = 0; a < d; a++) { /* in the eigenbasis, where lengths are the same */
        double along = 0.0, slope = 0.0;
        for (int64_t j = 0; j < d; j++) {
            along += axes[a * d + j] * (y[j] - mean[j]);
            slope += axes[a * d + j] * score[j];
        }
        slope += along / (variances[a] + sigma * sigma);
        sum += slope * slope;
    }
    return sum;
}

/* sigma E |score - normal score|^2 over noisy draws u + sigma n. */
static lk_status divergence_rate(lk_context *ctx, const lk_sampler *s, double sigma, const double *u, const double *n, double *y, double *score,
                                 double *out)
{
    const int64_t d = s->d;
    lki_level level = {0};
    double sum = 0.0;
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_level_open(ctx, s->field, sigma, &level));
    for (int64_t i = 0; i < SCORE_ROWS * d; i++) {
        y[i] = u[i] + sigma * n[i];
    }
    lk_status status = lki_level_ask(ctx, &level, y, SCORE_ROWS, NULL, score, NULL);
    for (int64_t i = 0; status == LK_OK && i < SCORE_ROWS; i++) {
        sum += score_excess(s->gaussian, d, sigma, y + i * d, score + i * d) / SCORE_ROWS;
    }
    lki_level_close(ctx, &level);
    *out = sigma * sum;
    return status;
}

/* The last node of the grid at which the divergence is within the tolerance. */
static lk_status find_start(lk_context *ctx, lk_sampler *s, const lki_node *nodes, double *work, int64_t *out)
{
    const int64_t values = SCORE_ROWS * s->d;
    double *u = work, *n = u + values, *y = n + values, *score = y + values, divergence = 0.0, before = 0.0, rate;
    LKI_TRY(lki_model_draw(ctx, s->model, DRAW_SEED, MOMENT_DRAWS, SCORE_ROWS, u));
    lki_walk_start(s, 0.0, LKI_STREAM_PILOT, 0, SCORE_ROWS, n);
    for (int64_t i = 0; i < values; i++) {
        u[i] = (u[i] - s->field->centre[i % s->d]) / s->field->scale[i % s->d];
    }
    *out = 0;
    for (int64_t k = 0; k + 2 < s->steps; k++) {
        LKI_TRY(divergence_rate(ctx, s, nodes[k].ratio, u, n, y, score, &rate));
        /* by the trapezoid rule; above the first noise the rate falls at least as fast as 1 / sigma^5 */
        divergence += k == 0 ? rate * nodes[0].ratio / 4.0 : 0.5 * (rate + before) * (nodes[k - 1].ratio - nodes[k].ratio);
        before = rate;
        if (divergence > s->tolerance) {
            break;
        }
        *out = k;
    }
    return LK_OK;
}

lk_status lki_gaussian_start_prepare(lk_context *ctx, lk_sampler *s)
{
    const size_t d = (size_t)s->d;
    double *work = NULL;
    lki_node *nodes = NULL;
    int64_t first = 0;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, d + 2, d * sizeof(double), &s->gaussian));
    LKI_GOTO(status, done, lki_gaussian_moments(ctx, s->model, s->field, s->gaussian));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(SCORE_ROWS, d), 4 * sizeof *work, &work));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)s->steps + 1, sizeof *nodes, &nodes));
    lki_schedule_grid(&s->schedule, s->steps, nodes);
    LKI_GOTO(status, done, find_start(ctx, s, nodes, work, &first));
    s->steps_saved = first;
    s->start = nodes[first].ratio;
    s->nodes_steps = s->steps - first;
    memmove(nodes, nodes + first, (size_t)(s->nodes_steps + 1) * sizeof *nodes);
    s->nodes = nodes;
    nodes = NULL;
done:
    lki_release(ctx, nodes);
    lki_release(ctx, work);
    return status;
}

lk_status lki_gaussian_start_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *y)
{
    const int64_t d = s->d;
    const double *mean = s->gaussian, *variances = mean + d, *axes = mean + 2 * d;
    for (int64_t i = 0; i < rows; i++) {
        lki_stream stream = lki_stream_new(s->seed, LKI_STREAM_FLOW, (uint64_t)(first_row + i));
        memcpy(y + i * d, mean, (size_t)d * sizeof *y);
        for (int64_t a = 0; a < d; a++) {
            const double along = sqrt(variances[a] + s->start * s->start) * lki_random_normal(&stream);
            for (int64_t j = 0; j < d; j++) {
                y[i * d + j] += along * axes[a * d + j];
            }
        }
    }
    s->evaluations = (double)s->nodes_steps;
    return lki_walk(ctx, s, &lki_stepper_dpm, s->nodes, s->nodes_steps, first_row, rows, y, "gaussian-start");
}

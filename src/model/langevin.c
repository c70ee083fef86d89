/* Draws by Langevin dynamics: each row is the end of a chain of its own. A chain begins wide, follows the model through
 * falling noise where it has a noisy version (Song and Ermon 2019, arXiv:1907.05600), and ends at the model itself.
 * Where the log density is known each move may be refused, so that the model is the chain's own law
 * (Metropolis-adjusted; Roberts and Tweedie 1996, Bernoulli 2, 341-363); else steps are a little off. */
#include "core/philox.h"
#include "model/sampler.h"

#include <math.h>
#include <string.h>

/* Chains and steps at each level that find its step size; the acceptance that is best in many dimensions (Roberts and
 * Rosenthal 1998, J. R. Stat. Soc. B 60, 255-268). */
enum { PILOT_CHAINS = 64, PILOT_STEPS = 12, PILOT_TARGET_STEPS = 100 };
#define BEST_ACCEPTANCE 0.574
/* Squared step without acceptance, in spreads^2: its stationary variance is off by a share of about a quarter of it. */
#define UNADJUSTED_SQUARE 0.01

/* Chains in memory at one level. */
typedef struct chains {
    const lk_sampler *sampler;
    lki_oracle oracle;
    double square; /* h: z' = z + h/2 S^2 score + sqrt(h) S normal */
    int64_t rows, steps;
    bool adjusted;
    double *z;           /* rows x d */
    lki_stream *streams; /* rows */
    double *sums;        /* rows x 4 x d: mean and squares of the first half, of the second; NULL = not wanted */
    double *accepted;    /* rows: added to */
} chains;

/* Scratch of one block. */
typedef struct buffers {
    double *score, *trial, *trial_score, *density, *trial_density;
    bool *usable;
} buffers;

static void propose(const chains *c, int64_t first, int64_t rows, const buffers *b)
{
    const lk_sampler *s = c->sampler;
    int64_t d = s->d;
    double root = sqrt(c->square);
    for (int64_t i = 0; i < rows; i++) {
        const double *z = c->z + (first + i) * d;
        double *trial = b->trial + i * d;
        bool finite = true;
        for (int64_t j = 0; j < d; j++) {
            double scale = s->scale[j], drift = 0.5 * c->square * scale * scale * b->score[i * d + j];
            trial[j] = z[j] + drift + root * scale * lki_random_normal(&c->streams[first + i]);
            finite = finite && isfinite(trial[j]);
        }
        b->usable[i] = finite;
        if (!finite) { /* the model sees finite rows only */
            memcpy(trial, z, (size_t)d * sizeof *trial);
        }
    }
}

/* log of q(z | z') / q(z' | z) */
static double log_proposal_ratio(const chains *c, const double *z, const double *score, const double *trial,
                                 const double *trial_score)
{
    const lk_sampler *s = c->sampler;
    double sum = 0.0;
    for (int64_t j = 0; j < s->d; j++) {
        double scale = s->scale[j], half = 0.5 * c->square * scale;
        double forth = (trial[j] - z[j]) / scale - half * score[j],
               back = (z[j] - trial[j]) / scale - half * trial_score[j];
        sum += forth * forth - back * back;
    }
    return sum / (2.0 * c->square);
}

static lk_status decide(lk_context *ctx, const chains *c, int64_t first, int64_t rows, buffers *b)
{
    int64_t d = c->sampler->d;
    for (int64_t i = 0; i < rows; i++) {
        double *z = c->z + (first + i) * d;
        bool taken = b->usable[i];
        if (c->adjusted) {
            double ratio = b->trial_density[i] - b->density[i] +
                           log_proposal_ratio(c, z, b->score + i * d, b->trial + i * d, b->trial_score + i * d);
            double u = log(lki_random_uniform(&c->streams[first + i]));
            taken = taken && u < ratio; /* a NaN refuses */
        } else if (!taken) {
            return lki_fail(ctx, LK_ERROR_NUMERIC,
                            "a Langevin chain left the range of numbers; a step size below %g may help",
                            sqrt(c->square));
        }
        if (taken) {
            memcpy(z, b->trial + i * d, (size_t)d * sizeof *z);
            memcpy(b->score + i * d, b->trial_score + i * d, (size_t)d * sizeof *z);
            b->density[i] = b->trial_density[i];
            c->accepted[first + i] += 1.0;
        }
    }
    return LK_OK;
}

/* Running means and squares (Welford) of the half that step belongs to. */
static void record(const chains *c, int64_t first, int64_t rows, int64_t step)
{
    int64_t d = c->sampler->d, half = c->steps / 2, within = step < half ? step : step - half;
    if (c->sums == NULL || step >= 2 * half) {
        return;
    }
    for (int64_t i = first; i < first + rows; i++) {
        double *mean = c->sums + (i * 4 + (step < half ? 0 : 2)) * d, *squares = mean + d;
        for (int64_t j = 0; j < d; j++) {
            double shift = c->z[i * d + j] - mean[j];
            mean[j] += shift / (double)(within + 1);
            squares[j] += shift * (c->z[i * d + j] - mean[j]);
        }
    }
}

/* Score and, where it is known, log density. Outside the support, where there is no score, nothing draws the chain. */
static lk_status ask(lk_context *ctx, const chains *c, const double *z, int64_t rows, double *score, double *density)
{
    LKI_TRY(lki_oracle_score(ctx, &c->oracle, z, rows, score));
    for (int64_t i = 0; c->adjusted && i < rows * c->sampler->d; i++) {
        score[i] = isfinite(score[i]) ? score[i] : 0.0;
    }
    return c->adjusted ? lki_oracle_log_density(ctx, &c->oracle, z, rows, density) : LK_OK;
}

static lk_status chains_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const chains *c = state;
    int64_t d = c->sampler->d, first = index * LKI_BLOCK_ROWS, rows = c->rows - first;
    rows = rows < LKI_BLOCK_ROWS ? rows : LKI_BLOCK_ROWS;
    size_t values = lki_product((size_t)rows, (size_t)d);
    buffers b = {0};
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof(double), &b.score));
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof(double), &b.trial));
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof(double), &b.trial_score));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)rows, sizeof(double), &b.density));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)rows, sizeof(double), &b.trial_density));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof(bool), &b.usable));
    LKI_GOTO(status, done, ask(ctx, c, c->z + first * d, rows, b.score, b.density));
    for (int64_t step = 0; step < c->steps; step++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        propose(c, first, rows, &b);
        LKI_GOTO(status, done, ask(ctx, c, b.trial, rows, b.trial_score, b.trial_density));
        LKI_GOTO(status, done, decide(ctx, c, first, rows, &b));
        record(c, first, rows, step);
    }
    for (int64_t i = 0; c->sums != NULL && i < rows; i++) {
        if (!isfinite(b.density[i])) {
            status =
                lki_fail(ctx, LK_ERROR_NUMERIC, "a Langevin chain found no place of positive density in %lld steps",
                         (long long)c->sampler->steps);
            break;
        }
    }
done:
    lki_release(ctx, b.score);
    lki_release(ctx, b.trial);
    lki_release(ctx, b.trial_score);
    lki_release(ctx, b.density);
    lki_release(ctx, b.trial_density);
    lki_release(ctx, b.usable);
    return status;
}

static lk_status run_chains(lk_context *ctx, chains *c)
{
    return lki_parallel(ctx, (c->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, chains_block, c);
}

/* Chains at their starts: normal about the model's mean, wider than it by the first noise. */
static lk_status chains_new(lk_context *ctx, const lk_sampler *s, uint64_t stream, int64_t first_row, int64_t rows,
                            double *z, chains *out)
{
    chains c = {.sampler = s, .rows = rows, .z = z, .adjusted = s->model->operations.log_density != NULL};
    double wide = sqrt(1.0 + s->noise[0] * s->noise[0]);
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *c.streams, &c.streams));
    lk_status status = lki_zeros(ctx, (size_t)rows, sizeof *c.accepted, &c.accepted);
    if (status != LK_OK) {
        lki_release(ctx, c.streams);
        return status;
    }
    for (int64_t i = 0; i < rows; i++) {
        c.streams[i] = lki_stream_new(s->seed, stream, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < s->d; j++) {
            z[i * s->d + j] = s->centre[j] + s->scale[j] * wide * lki_random_normal(&c.streams[i]);
        }
    }
    *out = c;
    return LK_OK;
}

static void chains_free(lk_context *ctx, chains *c)
{
    lki_oracle_close(ctx, &c->oracle);
    lki_release(ctx, c->streams);
    lki_release(ctx, c->accepted);
    lki_release(ctx, c->sums);
}

/* Steps at one level of the pilot, after each of which the step size follows the acceptance (Robbins and Monro 1951).
 */
static lk_status pilot_level(lk_context *ctx, chains *c, int steps)
{
    c->steps = 1;
    for (int k = 0; k < steps; k++) {
        double accepted = 0.0;
        memset(c->accepted, 0, PILOT_CHAINS * sizeof *c->accepted);
        LKI_TRY(run_chains(ctx, c));
        for (int64_t i = 0; i < PILOT_CHAINS; i++) {
            accepted += c->accepted[i] / PILOT_CHAINS;
        }
        c->square *= exp(2.0 * (accepted - BEST_ACCEPTANCE) / sqrt(1.0 + k));
    }
    return LK_OK;
}

static lk_status pilot(lk_context *ctx, lk_sampler *s)
{
    chains c = {0};
    double *z = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(PILOT_CHAINS, (size_t)s->d), sizeof *z, &z));
    LKI_GOTO(status, done, chains_new(ctx, s, LKI_STREAM_PILOT, 0, PILOT_CHAINS, z, &c));
    c.square = (1.0 + s->noise[0] * s->noise[0]) * pow((double)s->d, -1.0 / 3.0);
    for (int level = 0; level < s->levels; level++) {
        lki_oracle_close(ctx, &c.oracle);
        LKI_GOTO(status, done, lki_sampler_oracle(ctx, s, s->noise[level], &c.oracle));
        LKI_GOTO(status, done, pilot_level(ctx, &c, level == s->levels - 1 ? PILOT_TARGET_STEPS : PILOT_STEPS));
        s->squares[level] = c.square;
        lki_progress(ctx, "step sizes", (double)(level + 1), (double)s->levels, "");
    }
done:
    chains_free(ctx, &c);
    lki_release(ctx, z);
    return status;
}

/* Whether this very model has noisy versions: a family may have them for some of its models only. */
static lk_status has_noise(lk_context *ctx, const lk_sampler *s, bool *out)
{
    lki_oracle noisy = {0};
    *out = false;
    if (lki_model_origin(s->model, LK_OPERATION_SMOOTH) == LKI_ORIGIN_NONE) {
        return LK_OK;
    }
    lk_status status = lki_sampler_oracle(ctx, s, s->sigma_max, &noisy);
    lki_oracle_close(ctx, &noisy);
    *out = status == LK_OK;
    if (status == LK_ERROR_UNSUPPORTED) {
        lki_begin(ctx); /* not the caller's error */
        status = LK_OK;
    }
    return status;
}

lk_status lki_langevin_prepare(lk_context *ctx, lk_sampler *s, double step_size)
{
    bool noisy;
    LKI_TRY(has_noise(ctx, s, &noisy));
    s->levels = noisy ? LKI_LEVELS + 1 : 1;
    for (int level = 0; level + 1 < s->levels; level++) { /* in even ratios */
        s->noise[level] = s->sigma_max * pow(s->sigma_min / s->sigma_max, (double)level / (LKI_LEVELS - 1));
    }
    s->noise[s->levels - 1] = 0.0;
    if (step_size == 0.0 && s->model->operations.log_density != NULL) {
        return pilot(ctx, s);
    }
    for (int level = 0; level < s->levels; level++) { /* as wide as the noise allows */
        double square = step_size > 0.0 ? step_size * step_size : UNADJUSTED_SQUARE;
        s->squares[level] = square + 0.1 * s->noise[level] * s->noise[level];
    }
    return LK_OK;
}

/* What the chains tell of their mixing, row after row. */
static void gather_moments(lk_sampler *s, const chains *c)
{
    int64_t d = s->d, half = c->steps / 2;
    for (int64_t i = 0; i < c->rows; i++) {
        const double *sums = c->sums + i * 4 * d;
        for (int64_t j = 0; j < d; j++) {
            const double first[LKI_POOLED] = {1.0, sums[j], 0.0}, second[LKI_POOLED] = {1.0, sums[2 * d + j], 0.0};
            const double both[LKI_POOLED] = {1.0, 0.5 * (sums[j] + sums[2 * d + j]), 0.0};
            lki_pooled_merge(s->halves + j * LKI_POOLED, first);
            lki_pooled_merge(s->halves + j * LKI_POOLED, second);
            lki_pooled_merge(s->chains + j * LKI_POOLED, both);
            s->within[j] += (sums[d + j] + sums[3 * d + j]) / (double)(half - 1);
        }
        if (c->adjusted) {
            s->accepted += c->accepted[i];
            s->proposed += (double)c->steps;
        }
    }
}

/* Half of the steps fall through the noise, the rest stay at the model; without a noisy version the first half only
 * forgets the start. */
lk_status lki_langevin_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *z)
{
    chains c = {0};
    int64_t falling = s->steps / 2;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, chains_new(ctx, s, LKI_STREAM_LANGEVIN, first_row, rows, z, &c));
    for (int level = 0; level < s->levels; level++) {
        bool last = level == s->levels - 1;
        int64_t upper = last ? 0 : falling * (level + 1) / (s->levels - 1),
                lower = last ? 0 : falling * level / (s->levels - 1);
        lki_oracle_close(ctx, &c.oracle);
        LKI_GOTO(status, done, lki_sampler_oracle(ctx, s, s->noise[level], &c.oracle));
        c.square = s->squares[level];
        c.steps = s->levels == 1 ? falling : upper - lower;
        if (c.steps > 0) {
            LKI_GOTO(status, done, run_chains(ctx, &c));
        }
        lki_progress(ctx, "langevin", (double)(level + 1), 2.0 * s->levels, "");
    }
    memset(c.accepted, 0, (size_t)rows * sizeof *c.accepted);
    LKI_GOTO(status, done, lki_zeros(ctx, lki_product((size_t)rows, 4), (size_t)s->d * sizeof *c.sums, &c.sums));
    c.steps = s->steps - falling;
    LKI_GOTO(status, done, run_chains(ctx, &c));
    lki_progress(ctx, "langevin", 1.0, 1.0, "");
    gather_moments(s, &c);
done:
    chains_free(ctx, &c);
    return status;
}

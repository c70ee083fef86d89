/* Draws by Langevin dynamics: each row is the end of a chain of its own. A chain begins wide, follows the model through
 * falling noise where it has a noisy version (Song and Ermon 2019, arXiv:1907.05600), and ends at the model itself.
 * Where a move may be refused, the model is the chain's own law (Metropolis-adjusted; Roberts and Tweedie 1996, Bernoulli
 * 2, 341-363); else steps are a little off. Underdamped chains have a velocity, which is partly renewed and then carries the
 * chain one leapfrog step; a refusal turns it round (Horowitz 1991, Phys. Lett. B 268, 247-252). */
#include "core/reduce.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

/* Chains and steps at each level that find its step size; the acceptance that is best in many dimensions (Roberts and
 * Rosenthal 1998, J. R. Stat. Soc. B 60, 255-268). */
enum { PILOT_CHAINS = 64, PILOT_STEPS = 12, PILOT_TARGET_STEPS = 100 };
#define BEST_ACCEPTANCE 0.574
/* Of underdamped chains, which a refusal sends back. */
#define INERTIA_ACCEPTANCE 0.95
/* Squared step without acceptance, in spreads^2: its stationary variance is off by a share of about a quarter of it. */
#define UNADJUSTED_SQUARE 0.005

/* Chains in memory at one level. */
typedef struct chains {
    const lk_sampler *sampler;
    lki_level level;
    double square; /* h: z' = z + h/2 score + sqrt(h) normal; underdamped: steps of sqrt(h) */
    int64_t rows, steps;
    bool adjusted, inertia;
    double *z;           /* rows x d */
    double *velocity;    /* rows x d, of underdamped chains */
    lki_stream *streams; /* rows */
    double *sums;        /* rows x 4 x d: mean and squares of the first half, of the second; NULL = not wanted */
    double *accepted;    /* rows: added to */
} chains;

/* Scratch of one block. */
typedef struct buffers {
    double *score, *trial, *trial_score, *density, *trial_density;
    double *forward; /* rows x d: velocity in the middle of a leapfrog step */
    bool *usable;
} buffers;

/* The velocity renewed, exp(-h) of it kept, then half of the step's push. */
static void renew(const chains *c, int64_t row, const double *score, double *forward)
{
    const int64_t d = c->sampler->d;
    const double step = sqrt(c->square), keep = exp(-step), fresh = sqrt(-expm1(-2.0 * step));
    double *v = c->velocity + row * d;
    for (int64_t j = 0; j < d; j++) {
        v[j] = keep * v[j] + fresh * lki_random_normal(&c->streams[row]);
        forward[j] = v[j] + 0.5 * step * score[j];
    }
}

static void propose(const chains *c, int64_t first, int64_t rows, const buffers *b)
{
    const int64_t d = c->sampler->d;
    const double root = sqrt(c->square);
    for (int64_t i = 0; i < rows; i++) {
        const double *z = c->z + (first + i) * d, *score = b->score + i * d;
        double *trial = b->trial + i * d, *forward = b->forward + i * d;
        bool finite = true;
        if (c->inertia) {
            renew(c, first + i, score, forward);
        }
        for (int64_t j = 0; j < d; j++) {
            trial[j] = c->inertia ? z[j] + root * forward[j]
                                  : z[j] + 0.5 * c->square * score[j] + root * lki_random_normal(&c->streams[first + i]);
            finite = finite && isfinite(trial[j]);
        }
        b->usable[i] = finite;
        if (!finite) { /* the model sees finite rows only */
            memcpy(trial, z, (size_t)d * sizeof *trial);
        }
    }
}

/* log of q(z | z') / q(z' | z) */
static double log_proposal_ratio(const chains *c, const double *z, const double *score, const double *trial, const double *trial_score)
{
    double sum = 0.0;
    for (int64_t j = 0; j < c->sampler->d; j++) {
        const double half = 0.5 * c->square, forth = trial[j] - z[j] - half * score[j],
                     back = z[j] - trial[j] - half * trial_score[j];
        sum += forth * forth - back * back;
    }
    return sum / (2.0 * c->square);
}

/* Half the difference of the squares of the velocity before a leapfrog step and after it, which `forward` becomes. */
static double kinetic_drop(const chains *c, int64_t row, const double *trial_score, double *forward)
{
    const int64_t d = c->sampler->d;
    const double *v = c->velocity + row * d;
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        forward[j] += 0.5 * sqrt(c->square) * trial_score[j];
        sum += 0.5 * (v[j] * v[j] - forward[j] * forward[j]);
    }
    return sum;
}

static void turn(const chains *c, int64_t row, bool taken, const double *forward)
{
    double *v = c->velocity + row * c->sampler->d;
    for (int64_t j = 0; j < c->sampler->d; j++) {
        v[j] = taken ? forward[j] : -v[j];
    }
}

static lk_status decide(lk_context *ctx, const chains *c, int64_t first, int64_t rows, buffers *b)
{
    int64_t d = c->sampler->d;
    for (int64_t i = 0; i < rows; i++) {
        double *z = c->z + (first + i) * d, *forward = b->forward + i * d;
        bool taken = b->usable[i];
        const double drop = c->inertia ? kinetic_drop(c, first + i, b->trial_score + i * d, forward) : 0.0;
        if (c->adjusted) {
            const double ratio =
                b->trial_density[i] - b->density[i] +
                (c->inertia ? drop : log_proposal_ratio(c, z, b->score + i * d, b->trial + i * d, b->trial_score + i * d));
            double u = log(lki_random_uniform(&c->streams[first + i]));
            taken = taken && u < ratio; /* a NaN refuses */
        } else if (!taken) {
            return lki_fail(ctx, LK_ERROR_NUMERIC,
                            "a Langevin chain left the range of numbers; a step size below %g may help",
                            sqrt(c->square));
        }
        if (c->inertia) {
            turn(c, first + i, taken, forward);
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
    LKI_TRY(lki_level_ask(ctx, &c->level, z, rows, c->adjusted ? density : NULL, score, NULL));
    for (int64_t i = 0; c->adjusted && i < rows * c->sampler->d; i++) {
        score[i] = isfinite(score[i]) ? score[i] : 0.0;
    }
    return LK_OK;
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
    LKI_GOTO(status, done, lki_allocate(ctx, values, sizeof(double), &b.forward));
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
    lki_release(ctx, b.forward);
    lki_release(ctx, b.density);
    lki_release(ctx, b.trial_density);
    lki_release(ctx, b.usable);
    return status;
}

static lk_status run_chains(lk_context *ctx, chains *c)
{
    return lki_parallel(ctx, (c->rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, chains_block, c);
}

static bool is_named(const lk_sampler *s, const char *name)
{
    return strcmp(s->kind->public.name, name) == 0;
}

static bool is_adjusted(const lk_sampler *s)
{
    return s->field->density && !is_named(s, "langevin");
}

static void chains_free(lk_context *ctx, chains *c)
{
    if (c->level.field != NULL) {
        lki_level_close(ctx, &c->level);
    }
    lki_release(ctx, c->streams);
    lki_release(ctx, c->accepted);
    lki_release(ctx, c->velocity);
    lki_release(ctx, c->sums);
}

/* Chains at their starts: normal about the model's mean, wider than it by the first noise. */
static lk_status chains_new(lk_context *ctx, const lk_sampler *s, uint64_t stream, int64_t first_row, int64_t rows,
                            double *z, chains *out)
{
    chains c = {.sampler = s, .rows = rows, .z = z, .adjusted = is_adjusted(s), .inertia = is_named(s, "underdamped")};
    const double wide = sqrt(1.0 + s->noise[0] * s->noise[0]);
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)rows, sizeof *c.streams, &c.streams));
    LKI_GOTO(status, failed, lki_zeros(ctx, (size_t)rows, sizeof *c.accepted, &c.accepted));
    LKI_GOTO(status, failed, lki_zeros(ctx, lki_product((size_t)rows, (size_t)s->d), sizeof *c.velocity, &c.velocity));
    for (int64_t i = 0; i < rows; i++) {
        c.streams[i] = lki_stream_new(s->seed, stream, (uint64_t)(first_row + i));
        for (int64_t j = 0; j < s->d; j++) {
            z[i * s->d + j] = wide * lki_random_normal(&c.streams[i]);
        }
        for (int64_t j = 0; c.inertia && j < s->d; j++) {
            c.velocity[i * s->d + j] = lki_random_normal(&c.streams[i]);
        }
    }
    *out = c;
    return LK_OK;
failed:
    chains_free(ctx, &c);
    return status;
}

static lk_status chains_at(lk_context *ctx, chains *c, int level)
{
    if (c->level.field != NULL) {
        lki_level_close(ctx, &c->level);
    }
    c->square = c->sampler->squares[level];
    return lki_level_open(ctx, c->sampler->field, c->sampler->noise[level], &c->level);
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
        c->square *= exp(2.0 * (accepted - (c->inertia ? INERTIA_ACCEPTANCE : BEST_ACCEPTANCE)) / sqrt(1.0 + k));
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
    s->squares[0] = (1.0 + s->noise[0] * s->noise[0]) * pow((double)s->d, -1.0 / 3.0);
    for (int level = 0; level < s->levels; level++) {
        s->squares[level] = level > 0 ? s->squares[level - 1] : s->squares[0];
        LKI_GOTO(status, done, chains_at(ctx, &c, level));
        LKI_GOTO(status, done, pilot_level(ctx, &c, level == s->levels - 1 ? PILOT_TARGET_STEPS : PILOT_STEPS));
        s->squares[level] = c.square;
        lki_progress(ctx, "step sizes", (double)(level + 1), (double)s->levels, "");
    }
done:
    chains_free(ctx, &c);
    lki_release(ctx, z);
    return status;
}

lk_status lki_langevin_prepare(lk_context *ctx, lk_sampler *s)
{
    s->levels = s->field->noisy ? LKI_LEVELS + 1 : 1;
    for (int level = 0; level + 1 < s->levels; level++) { /* in even ratios */
        s->noise[level] = s->sigma_max * pow(s->sigma_min / s->sigma_max, (double)level / (LKI_LEVELS - 1));
    }
    s->noise[s->levels - 1] = 0.0;
    if (s->step_size == 0.0 && is_adjusted(s)) {
        return pilot(ctx, s);
    }
    for (int level = 0; level < s->levels; level++) { /* as wide as the noise allows */
        const double square = s->step_size > 0.0 ? s->step_size * s->step_size : UNADJUSTED_SQUARE;
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
    s->evaluations = (double)s->steps;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, chains_new(ctx, s, LKI_STREAM_LANGEVIN, first_row, rows, z, &c));
    for (int level = 0; level < s->levels; level++) {
        bool last = level == s->levels - 1;
        int64_t upper = last ? 0 : falling * (level + 1) / (s->levels - 1),
                lower = last ? 0 : falling * level / (s->levels - 1);
        LKI_GOTO(status, done, chains_at(ctx, &c, level));
        c.steps = s->levels == 1 ? falling : upper - lower;
        if (c.steps > 0) {
            LKI_GOTO(status, done, run_chains(ctx, &c));
        }
        lki_progress(ctx, s->kind->public.name, (double)(level + 1), 2.0 * s->levels, "");
    }
    memset(c.accepted, 0, (size_t)rows * sizeof *c.accepted);
    LKI_GOTO(status, done, lki_zeros(ctx, lki_product((size_t)rows, 4), (size_t)s->d * sizeof *c.sums, &c.sums));
    c.steps = s->steps - falling;
    LKI_GOTO(status, done, run_chains(ctx, &c));
    lki_progress(ctx, s->kind->public.name, 1.0, 1.0, "");
    gather_moments(s, &c);
done:
    chains_free(ctx, &c);
    return status;
}

/* Chained draws: a Markov chain over (x, level of noise), from whose states short flows lead down to the data (Kim and Ye 2022, Denoising
 * MCMC for Accelerating Diffusion-Based Generative Models, arXiv:2209.14593). A chain never goes back to pure noise, so that a draw costs a few scores.
 * Its law is p_sigma(x) at levels that are all as likely: a move in x is one of Metropolis-adjusted Langevin dynamics at the level's noise, a move of the
 * level to a neighbour is accepted by the ratio of the two noisy densities at x. Draws of one chain are not independent. */
#include "core/reduce.h"
#include "score/sampler.h"

#include <math.h>
#include <string.h>

/* Draws of one chain; levels; the noise they span, in spreads; squared Langevin step in units of the noise's variance, times d^-1/3. */
enum { LINKS = 32, LEVELS_MOST = 48 };
#define CHAIN_MOST 8.0
#define CHAIN_LEAST 0.2
#define CHAIN_SQUARE 1.0

typedef struct chaining {
    const lk_sampler *sampler;
    int64_t chains, first_chain, moves, last_link; /* moves a link; links 0 .. last_link are made */
    int levels;
    lki_level level[LEVELS_MOST];
    double *x;       /* chains x LINKS x d: the states at each link */
    int32_t *at;     /* chains x LINKS: their levels */
} chaining;

/* One block of chains as it moves. */
typedef struct block {
    int64_t rows;
    lki_stream *streams;
    int32_t *at, *wanted;               /* levels now and proposed */
    double *x, *score, *density;        /* now */
    double *trial, *trial_score, *trial_density;
    double *gathered, *gathered_score;  /* rows of one level, one behind the other */
    double *gathered_density;
    int64_t *places;
} block;

static int level_count(int64_t d)
{
    const double n = 2.0 + log(CHAIN_MOST / CHAIN_LEAST) * sqrt(2.0 * (double)d) / 1.5;
    return n > LEVELS_MOST ? LEVELS_MOST : (int)n;
}

static double level_noise(int levels, int i)
{
    return CHAIN_MOST * pow(CHAIN_LEAST / CHAIN_MOST, (double)i / (levels - 1));
}

/* Density and score of each row at the level that `levels` names, level by level. */
static lk_status ask(lk_context *ctx, const chaining *c, block *b, const int32_t *levels, const double *x, double *density, double *score)
{
    const int64_t d = c->sampler->d;
    for (int l = 0; l < c->levels; l++) {
        int64_t count = 0;
        for (int64_t i = 0; i < b->rows; i++) {
            if (levels[i] == l) {
                memcpy(b->gathered + count * d, x + i * d, (size_t)d * sizeof *x);
                b->places[count++] = i;
            }
        }
        if (count > 0) {
            LKI_TRY(lki_level_ask(ctx, &c->level[l], b->gathered, count, b->gathered_density, b->gathered_score, NULL));
        }
        for (int64_t i = 0; i < count; i++) {
            density[b->places[i]] = b->gathered_density[i];
            memcpy(score + b->places[i] * d, b->gathered_score + i * d, (size_t)d * sizeof *score);
        }
    }
    return LK_OK;
}

static double square_at(const chaining *c, int level)
{
    const double sigma = c->level[level].sigma;
    return CHAIN_SQUARE * sigma * sigma * pow((double)c->sampler->d, -1.0 / 3.0) * (level == 0 ? 1.0 : 1.0);
}

static lk_status move_rows(lk_context *ctx, const chaining *c, block *b)
{
    const int64_t d = c->sampler->d;
    for (int64_t i = 0; i < b->rows * d; i++) {
        const double h = square_at(c, b->at[i / d]);
        b->trial[i] = b->x[i] + 0.5 * h * b->score[i] + sqrt(h) * lki_random_normal(&b->streams[i / d]);
    }
    LKI_TRY(ask(ctx, c, b, b->at, b->trial, b->trial_density, b->trial_score));
    for (int64_t i = 0; i < b->rows; i++) {
        const double h = square_at(c, b->at[i]);
        double ratio = 0.0;
        for (int64_t j = i * d; j < (i + 1) * d; j++) {
            const double forth = b->trial[j] - b->x[j] - 0.5 * h * b->score[j], back = b->x[j] - b->trial[j] - 0.5 * h * b->trial_score[j];
            ratio += (forth * forth - back * back) / (2.0 * h);
        }
        if (log(lki_random_uniform(&b->streams[i])) < ratio + b->trial_density[i] - b->density[i]) {
            memcpy(b->x + i * d, b->trial + i * d, (size_t)d * sizeof *b->x);
            memcpy(b->score + i * d, b->trial_score + i * d, (size_t)d * sizeof *b->x);
            b->density[i] = b->trial_density[i];
        }
    }
    return LK_OK;
}

static lk_status move_levels(lk_context *ctx, const chaining *c, block *b)
{
    const int64_t d = c->sampler->d;
    for (int64_t i = 0; i < b->rows; i++) {
        const int32_t to = b->at[i] + (lki_random_uniform(&b->streams[i]) < 0.5 ? -1 : 1);
        b->wanted[i] = to < 0 || to >= c->levels ? b->at[i] : to;
    }
    LKI_TRY(ask(ctx, c, b, b->wanted, b->x, b->trial_density, b->trial_score));
    for (int64_t i = 0; i < b->rows; i++) {
        if (log(lki_random_uniform(&b->streams[i])) < b->trial_density[i] - b->density[i]) {
            b->at[i] = b->wanted[i];
            b->density[i] = b->trial_density[i];
            memcpy(b->score + i * d, b->trial_score + i * d, (size_t)d * sizeof *b->score);
        }
    }
    return LK_OK;
}

static lk_status run_block(lk_context *ctx, const chaining *c, int64_t first, block *b)
{
    const int64_t d = c->sampler->d;
    const double wide = sqrt(1.0 + CHAIN_MOST * CHAIN_MOST);
    for (int64_t i = 0; i < b->rows; i++) {
        b->streams[i] = lki_stream_new(c->sampler->seed, LKI_STREAM_LANGEVIN, (uint64_t)(c->first_chain + first + i));
        b->at[i] = 0;
        for (int64_t j = 0; j < d; j++) {
            b->x[i * d + j] = wide * lki_random_normal(&b->streams[i]);
        }
    }
    LKI_TRY(ask(ctx, c, b, b->at, b->x, b->density, b->score));
    for (int64_t link = 0; link <= c->last_link; link++) {
        const int64_t moves = link == 0 ? c->moves + 4 * c->levels : c->moves; /* the first forget the start */
        for (int64_t k = 0; k < moves; k++) {
            LKI_TRY(lki_cancelled(ctx));
            LKI_TRY(move_rows(ctx, c, b));
            LKI_TRY(move_levels(ctx, c, b));
        }
        for (int64_t i = 0; i < b->rows; i++) {
            memcpy(c->x + ((first + i) * LINKS + link) * d, b->x + i * d, (size_t)d * sizeof *b->x);
            c->at[(first + i) * LINKS + link] = b->at[i];
        }
    }
    return LK_OK;
}

static lk_status chain_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const chaining *c = state;
    const int64_t d = c->sampler->d, first = index * LKI_BLOCK_ROWS;
    block b = {.rows = c->chains - first < LKI_BLOCK_ROWS ? c->chains - first : LKI_BLOCK_ROWS};
    const size_t rows = (size_t)b.rows, values = lki_product(rows, (size_t)d);
    double *work = NULL;
    lk_status status = LK_OK;
    (void)thread;
    LKI_GOTO(status, done, lki_allocate(ctx, rows, sizeof *b.streams, &b.streams));
    LKI_GOTO(status, done, lki_allocate(ctx, rows, 2 * sizeof *b.at, &b.at));
    LKI_GOTO(status, done, lki_allocate(ctx, rows, sizeof *b.places, &b.places));
    LKI_GOTO(status, done, lki_allocate(ctx, 6 * values + 3 * rows, sizeof *work, &work));
    b.wanted = b.at + rows;
    b.x = work;
    b.score = b.x + values;
    b.trial = b.score + values;
    b.trial_score = b.trial + values;
    b.gathered = b.trial_score + values;
    b.gathered_score = b.gathered + values;
    b.density = b.gathered_score + values;
    b.trial_density = b.density + rows;
    b.gathered_density = b.trial_density + rows;
    status = run_block(ctx, c, first, &b);
done:
    lki_release(ctx, b.streams);
    lki_release(ctx, b.at);
    lki_release(ctx, b.places);
    lki_release(ctx, work);
    return status;
}

/* Flows from the states of rows [first_row, first_row + rows) at their levels to the data. */
static lk_status descend(lk_context *ctx, const lk_sampler *s, const chaining *c, int64_t first_row, int64_t rows, double *u)
{
    const int64_t d = s->d, steps = s->steps / 2;
    lki_node *nodes = NULL;
    double *y = NULL;
    int64_t *places = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)steps + 1, sizeof *nodes, &nodes));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), sizeof *y, &y));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *places, &places));
    for (int l = 0; l < c->levels; l++) {
        lki_schedule from = s->schedule;
        int64_t count = 0;
        for (int64_t i = 0; i < rows; i++) {
            const int64_t state = first_row + i - c->first_chain * LINKS;
            if (c->at[state] == l) {
                memcpy(y + count * d, c->x + state * d, (size_t)d * sizeof *y);
                places[count++] = i;
            }
        }
        from.sigma_max = c->level[l].sigma;
        lki_schedule_grid(&from, steps, nodes);
        LKI_GOTO(status, done, lki_walk(ctx, s, &lki_stepper_dpm, nodes, count > 0 ? steps : 0, 0, count, y, "chained"));
        for (int64_t i = 0; i < count; i++) {
            memcpy(u + places[i] * d, y + i * d, (size_t)d * sizeof *u);
        }
    }
done:
    lki_release(ctx, nodes);
    lki_release(ctx, y);
    lki_release(ctx, places);
    return status;
}

lk_status lki_chained_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *u)
{
    chaining c = {.sampler = s, .first_chain = first_row / LINKS, .levels = level_count(s->d), .moves = (s->steps - s->steps / 2 + 1) / 2};
    lk_status status = LK_OK;
    if (rows == 0) {
        return LK_OK;
    }
    c.chains = (first_row + rows - 1) / LINKS - c.first_chain + 1;
    c.last_link = c.chains == 1 ? (first_row + rows - 1) % LINKS : LINKS - 1;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)c.chains, LINKS), (size_t)s->d * sizeof *c.x, &c.x));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)c.chains, LINKS), sizeof *c.at, &c.at));
    for (int l = 0; l < c.levels; l++) {
        LKI_GOTO(status, done, lki_level_open(ctx, s->field, level_noise(c.levels, l), &c.level[l]));
    }
    LKI_GOTO(status, done, lki_parallel(ctx, (c.chains + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, chain_block, &c));
    LKI_GOTO(status, done, descend(ctx, s, &c, first_row, rows, u));
    s->evaluations = (double)(2 * c.moves + s->steps / 2) + 8.0 * c.levels / LINKS;
done:
    for (int l = 0; l < c.levels; l++) {
        if (c.level[l].field != NULL) {
            lki_level_close(ctx, &c.level[l]);
        }
    }
    lki_release(ctx, c.x);
    lki_release(ctx, c.at);
    return status;
}

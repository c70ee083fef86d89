/* Fits nets by maximum likelihood: minibatches in a random order, AdamW, an early stop by rows that take no part. Several members answer
 * together (deep ensembles: Lakshminarayanan, Pritzel and Blundell 2017, arXiv:1612.01474). */
#include "net/net.h"

#include "core/philox.h"
#include "core/reduce.h"
#include "data/json_text.h"
#include "data/labels.h"
#include "data/number.h"
#include <likely/grad.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps between two looks at the validation rows. */
enum { LOOK = 100 };

/* A float holds every whole number up to this one. */
#define COUNT_MOST 16777216.0

/* The rows that take part, standardized: inputs and target (a class by its number) side by side. */
typedef struct rows {
    int64_t n, columns;
    double *values;  /* n x columns */
    double *weights; /* n, of mean 1 over the training rows */
    int64_t *train, *held;
    int64_t train_count, held_count;
    double total; /* sum of the weights as they were given */
    double target_mean; /* of counts */
} rows;

typedef struct training {
    lk_context *ctx;
    const lki_fit_task *task;
    lki_net *net;
    rows data;
    int64_t batch, steps, patience, member;
    double rate, decay, sharpness;
    /* The graph of a step. */
    lk_graph *graph;
    lk_optimizer *optimizer;
    lk_node x, y, w, *parameters, *gradients;
    int parameter_count;
    int64_t *order; /* a permutation of the training rows, used up from `next` on */
    int64_t next, epoch;
    double *weights, *best; /* of the member: as they are, and as they were when the validation rows liked them best */
    double best_loss;
    int64_t best_step, last_step;
} training;

/* ---- rows ---- */

/* The target as the net takes it: the number of a class, a checked count, or as it is. */
static lk_status read_target(lk_context *ctx, const training *t, int64_t row, double *y)
{
    const lki_fit_task *task = t->task;
    const lki_net_law law = t->net->shape.law;
    if (law == LKI_NET_CLASSES) {
        *y = (double)lki_labels_class(task->labels, *y);
    } else if (law != LKI_NET_NORMAL && !(*y >= 0.0 && *y == floor(*y) && *y <= COUNT_MOST)) {
        char number[LKI_NUMBER_BYTES];
        lki_format_double(*y, number);
        return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %s: %s is no count: a law of counts wants whole numbers from 0 to %.0f", (long long)row + 1,
                        task->names[task->data->d - 1], number, COUNT_MOST);
    }
    return LK_OK;
}

static lk_status read_rows(lk_context *ctx, const training *t, rows *r)
{
    const lki_dataset *data = t->task->data;
    lki_block block = {0};
    lk_status status = LK_OK;
    r->columns = data->d;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)data->rows, (size_t)data->d), sizeof(double), &r->values));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)data->rows, sizeof(double), &r->weights));
    for (int64_t b = 0; b < data->blocks; b++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, data, b, &block));
        for (int64_t i = 0; i < block.rows; i++) {
            double w = block.w != NULL ? block.w[i] : 1.0;
            if (w > 0.0) {
                double *v = r->values + r->n * r->columns;
                memcpy(v, block.x + i * r->columns, (size_t)r->columns * sizeof(double));
                LKI_GOTO(status, done, read_target(ctx, t, block.first_row + i, &v[r->columns - 1]));
                r->weights[r->n++] = w;
                r->total += w;
            }
        }
    }
    if (r->n < 10) {
        status = lki_fail(ctx, LK_ERROR_DATA, "there are %lld rows to learn from; a net needs at least 10", (long long)r->n);
    }
done:
    lki_block_free(ctx, &block);
    return status;
}

/* Which rows are held back to see when to stop: each by its own draw. */
static lk_status split_rows(lk_context *ctx, const lki_fit_task *task, double share, rows *r)
{
    LKI_TRY(lki_allocate(ctx, (size_t)r->n, sizeof *r->train, &r->train));
    LKI_TRY(lki_allocate(ctx, (size_t)r->n, sizeof *r->held, &r->held));
    for (int64_t i = 0; i < r->n; i++) {
        lki_stream s = lki_stream_new(task->seed, LKI_STREAM_NET_SPLIT, (uint64_t)i);
        bool held = lki_random_uniform(&s) < share;
        *(held ? &r->held[r->held_count++] : &r->train[r->train_count++]) = i;
    }
    if (r->train_count == 0 || (share > 0.0 && r->held_count == 0)) {
        return lki_fail(ctx, LK_ERROR_DATA, "of %lld rows %lld are held back to see when to stop: both parts need some; change "
                        "validation, which is %g", (long long)r->n, (long long)r->held_count, share);
    }
    return LK_OK;
}

/* Weighted mean and standard deviation of each column over the training rows; a constant column keeps its unit, as do counts and classes. */
static void standardize(rows *r, lki_net *net)
{
    double total = 0.0;
    for (int64_t i = 0; i < r->train_count; i++) {
        total += r->weights[r->train[i]];
    }
    for (int64_t i = 0; i < r->n; i++) {
        r->weights[i] *= (double)r->train_count / total;
    }
    for (int64_t j = 0; j < r->columns; j++) {
        double mean = 0.0, variance = 0.0;
        for (int64_t i = 0; i < r->train_count; i++) {
            mean += r->weights[r->train[i]] / (double)r->train_count * r->values[r->train[i] * r->columns + j];
        }
        for (int64_t i = 0; i < r->train_count; i++) {
            double v = r->values[r->train[i] * r->columns + j] - mean;
            variance += r->weights[r->train[i]] / (double)r->train_count * v * v;
        }
        if (j == net->shape.inputs && net->shape.law != LKI_NET_NORMAL) {
            r->target_mean = mean;
            continue;
        }
        net->shift[j] = mean;
        net->scale[j] = sqrt(variance) > 1e-12 * fabs(mean) ? sqrt(variance) : 1.0;
        for (int64_t i = 0; i < r->n; i++) {
            r->values[i * r->columns + j] = (r->values[i * r->columns + j] - net->shift[j]) / net->scale[j];
        }
    }
}

/* ---- the graph of a step ---- */

static lk_node parameter(training *t, int axes, int64_t from, int64_t to)
{
    const int64_t shape[2] = {axes == 2 ? from : to, to};
    return t->parameters[t->parameter_count++] = lk_graph_parameter(t->graph, axes, shape);
}

static lk_node dense(training *t, lk_node x, int64_t from, int64_t to)
{
    lk_node w = parameter(t, 2, from, to), b = parameter(t, 1, from, to);
    return lk_graph_binary(t->graph, LK_ADD, lk_graph_matmul(t->graph, x, w), b);
}

static lk_node activate(lk_graph *g, lki_activation f, lk_node x)
{
    static const lk_unary functions[] = {LK_SILU, LK_RELU, LK_TANH, LK_GELU};
    return f == LKI_NET_IDENTITY ? x : lk_graph_unary(g, functions[f], x);
}

static lk_node add(lk_graph *g, lk_node a, lk_node b)
{
    return lk_graph_binary(g, LK_ADD, a, b);
}

static lk_node subtract(lk_graph *g, lk_node a, lk_node b)
{
    return lk_graph_binary(g, LK_SUBTRACT, a, b);
}

static lk_node multiply(lk_graph *g, lk_node a, lk_node b)
{
    return lk_graph_binary(g, LK_MULTIPLY, a, b);
}

static lk_node divide(lk_graph *g, lk_node a, lk_node b)
{
    return lk_graph_binary(g, LK_DIVIDE, a, b);
}

/* z^2 / 2 + log sd, z = (y - mean) / sd. */
static lk_node normal_loss(lk_graph *g, lk_node y, lk_node mean, lk_node sd)
{
    lk_node z = divide(g, subtract(g, y, mean), sd);
    return add(g, lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, z), 0.5, 0), lk_graph_unary(g, LK_LOG, sd));
}

/* Stirling's series of log Gamma, behind its leading terms: 1 / (12 x) - 1 / (360 x^3). */
static lk_node stirling(lk_graph *g, lk_node x)
{
    lk_node u = lk_graph_unary(g, LK_RECIPROCAL, x);
    return multiply(g, u, lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, u), -1.0 / 360.0, 1.0 / 12.0));
}

/* Minus the log probability of a negative binomial law of mean m = exp(eta) and variance m + a m^2 (math/count_law.c), without log y!. With
 * r = 1 / a and s = r + 8 it is written in differences that keep their digits for small a:
 * log Gamma(r + y) - log Gamma(r) = (s - 1/2) log1p(y / s) - y + S(s + y) - S(s) + y log(s + y) - sum_{i < 8} log1p(y / (r + i)). */
static lk_node negative_binomial_loss(lk_graph *g, lk_node y, lk_node eta, lk_node a)
{
    enum { SHIFT = 8 };
    lk_node r = lk_graph_unary(g, LK_RECIPROCAL, a), m = lk_graph_unary(g, LK_EXP, eta), s = lk_graph_affine(g, r, 1, SHIFT);
    lk_node ratio = divide(g, subtract(g, lk_graph_affine(g, y, 1, SHIFT), m), add(g, r, m));
    lk_node sum = multiply(g, lk_graph_affine(g, s, 1, -0.5), lk_graph_unary(g, LK_LOG1P, divide(g, y, s)));
    sum = add(g, sum, multiply(g, y, lk_graph_affine(g, add(g, lk_graph_unary(g, LK_LOG1P, ratio), eta), 1, -1)));
    sum = add(g, sum, subtract(g, stirling(g, add(g, s, y)), stirling(g, s)));
    for (int i = 0; i < SHIFT; i++) {
        sum = subtract(g, sum, lk_graph_unary(g, LK_LOG1P, divide(g, y, lk_graph_affine(g, r, 1, i))));
    }
    return subtract(g, multiply(g, r, lk_graph_unary(g, LK_LOG1P, multiply(g, a, m))), sum);
}

/* The mean over the batch of w times minus the log-likelihood, but for what does not depend on the weights. */
static lk_node loss_of(training *t)
{
    lk_graph *g = t->graph;
    const lki_net_shape *s = &t->net->shape;
    lk_node h = t->x;
    int64_t from = s->inputs;
    for (int64_t l = 0; l < s->layers; l++) {
        lk_node next = activate(g, s->activation, dense(t, h, from, s->width));
        h = s->residual && l > 0 ? lk_graph_binary(g, LK_ADD, h, next) : next;
        from = s->width;
    }
    lk_node out = dense(t, h, from, lki_net_outputs(s)), each;
    if (s->law == LKI_NET_CLASSES) {
        each = subtract(g, lk_graph_log_sum_exp(g, out, 2), lk_graph_sum(g, multiply(g, out, t->y), 2));
        return lk_graph_mean(g, multiply(g, t->w, each), -1);
    }
    const bool spread = lki_net_raw(s) == 2;
    lk_node first = spread && !s->constant ? lk_graph_slice(g, out, 1, 0, 1, 1) : out;
    if (!spread) {
        each = subtract(g, lk_graph_unary(g, LK_EXP, first), multiply(g, t->y, first));
        return lk_graph_mean(g, multiply(g, t->w, each), -1);
    }
    lk_node raw = s->constant ? parameter(t, 1, 0, 1) : lk_graph_slice(g, out, 1, 1, 1, 1);
    lk_node width = lk_graph_affine(g, lk_graph_unary(g, LK_SOFTPLUS, raw), 1, LKI_NET_LEAST_SPREAD);
    each = s->law == LKI_NET_NORMAL ? normal_loss(g, t->y, first, width) : negative_binomial_loss(g, t->y, first, width);
    return lk_graph_mean(g, multiply(g, t->w, each), -1);
}

static lk_status graph_make(training *t)
{
    const int64_t in[2] = {t->batch, t->net->shape.inputs}, one[2] = {t->batch, 1};
    const int64_t told[2] = {t->batch, t->net->shape.law == LKI_NET_CLASSES ? t->net->shape.classes : 1}; /* a class as 1 among zeros */
    size_t most = (size_t)(2 * t->net->shape.layers + 3);
    LKI_TRY(lki_allocate(t->ctx, most, sizeof *t->parameters, &t->parameters));
    LKI_TRY(lki_allocate(t->ctx, most, sizeof *t->gradients, &t->gradients));
    LKI_TRY(lk_graph_new(t->ctx, LK_FLOAT32, &t->graph));
    t->x = lk_graph_rows(t->graph, 2, in);
    t->y = lk_graph_rows(t->graph, 2, told);
    t->w = lk_graph_rows(t->graph, 2, one);
    lk_node loss = loss_of(t);
    lk_graph_gradient(t->graph, loss, t->parameters, t->parameter_count, t->gradients);
    for (int i = 0; i < t->parameter_count; i++) {
        t->gradients[i] = lk_graph_output(t->graph, t->gradients[i]);
    }
    return lk_graph_plan(t->ctx, t->graph);
}

static int64_t parameter_size(const training *t, int i)
{
    int64_t shape[LK_AXES_MAX];
    int axes = lk_graph_shape(t->graph, t->parameters[i], shape);
    return axes == 2 ? shape[0] * shape[1] : shape[0];
}

/* He's start (He et al. 2015, arXiv:1502.01852) for layers, a tenth of it for the outputs, so that a net begins near what holds for all
 * rows: mean and spread of a normal law, the mean of counts (with spread 1), equal classes. Other biases are 0. */
static void parameters_start(training *t)
{
    lki_stream s = lki_stream_new(t->task->seed, LKI_STREAM_NET_START, (uint64_t)t->member);
    const double one = log(exp(1.0 - LKI_NET_LEAST_SPREAD) - 1.0);
    const lki_net_shape *shape_of = &t->net->shape;
    const bool apart = lki_net_raw(shape_of) > lki_net_outputs(shape_of); /* a constant spread is a parameter behind the outputs */
    const int last = t->parameter_count - (apart ? 3 : 2);
    for (int i = 0; i < t->parameter_count; i++) {
        int64_t shape[LK_AXES_MAX];
        int axes = lk_graph_shape(t->graph, t->parameters[i], shape);
        float *p = lk_graph_values(t->graph, t->parameters[i]);
        double size = axes == 2 ? sqrt((shape_of->activation == LKI_NET_IDENTITY ? 1.0 : 2.0) / (double)shape[0]) * (i == last ? 0.1 : 1.0) : 0.0;
        for (int64_t j = 0; j < parameter_size(t, i); j++) {
            p[j] = (float)(size * lki_random_normal(&s));
        }
    }
    float *bias = lk_graph_values(t->graph, t->parameters[last + 1]), *spread = lk_graph_values(t->graph, t->parameters[t->parameter_count - 1]);
    if (shape_of->law != LKI_NET_CLASSES && lki_net_raw(shape_of) == 2) {
        spread[apart ? 0 : 1] = (float)one;
    }
    if (shape_of->law == LKI_NET_POISSON || shape_of->law == LKI_NET_NEGATIVE_BINOMIAL) {
        bias[0] = (float)log(fmax(t->data.target_mean, 1e-3));
    }
}

static void parameters_read(const training *t, double *weights)
{
    for (int i = 0; i < t->parameter_count; i++) {
        const float *p = lk_graph_values(t->graph, t->parameters[i]);
        for (int64_t j = 0; j < parameter_size(t, i); j++) {
            *weights++ = (double)p[j];
        }
    }
}

/* ---- training ---- */

/* The next rows of a random order that is drawn anew each time it is used up; a batch always has rows enough. */
static void batch_fill(training *t)
{
    const rows *r = &t->data;
    float *x = lk_graph_values(t->graph, t->x), *y = lk_graph_values(t->graph, t->y), *w = lk_graph_values(t->graph, t->w);
    const int64_t inputs = r->columns - 1, classes = t->net->shape.classes;
    for (int64_t i = 0; i < t->batch; i++) {
        if (t->next == r->train_count) {
            uint64_t row = ((uint64_t)t->member << 40) + (uint64_t)t->epoch++;
            lki_stream s = lki_stream_new(t->task->seed, LKI_STREAM_NET_ORDER, row);
            lki_random_permutation(&s, t->order, r->train_count);
            t->next = 0;
        }
        int64_t from = r->train[t->order[t->next++]];
        const double *v = r->values + from * r->columns;
        for (int64_t j = 0; j < inputs; j++) {
            x[i * inputs + j] = (float)v[j];
        }
        if (classes > 0) {
            memset(y + i * classes, 0, (size_t)classes * sizeof *y);
            y[i * classes + (int64_t)v[inputs]] = 1.0f;
        } else {
            y[i] = (float)v[inputs];
        }
        w[i] = (float)r->weights[from];
    }
}

static lki_net_rows part_of(const rows *r, bool held)
{
    return (lki_net_rows){.values = r->values, .weights = r->weights, .columns = r->columns, .list = held ? r->held : r->train,
                          .count = held ? r->held_count : r->train_count};
}

static lk_status remember(training *t, int64_t step, bool *stop)
{
    char detail[64];
    double loss = 0.0;
    bool watched = t->data.held_count > 0;
    const lki_net_rows seen = part_of(&t->data, watched);
    parameters_read(t, t->weights);
    LKI_TRY(lki_net_mean_log(t->ctx, t->net, t->weights, 1, 1.0, &seen, &loss));
    loss = -loss;
    if (!isfinite(loss)) {
        return lki_fail(t->ctx, LK_ERROR_NUMERIC, "step %lld: the loss is not finite; a smaller rate than %g may help", (long long)step,
                        t->rate);
    }
    if (loss < t->best_loss || !watched) {
        t->best_loss = loss;
        t->best_step = step;
        memcpy(t->best, t->weights, (size_t)lki_net_size(&t->net->shape) * sizeof(double));
    }
    *stop = watched && t->patience > 0 && step - t->best_step >= t->patience;
    snprintf(detail, sizeof detail, "member %lld, loss %.4f", (long long)t->member + 1, loss);
    lki_progress(t->ctx, "train", (double)(t->member * t->steps + step), (double)(t->net->shape.members * t->steps), detail);
    return LK_OK;
}

static lk_status train_member(training *t)
{
    bool stop = false;
    lk_optimizer_options options = {.size = sizeof options, .rate = t->rate, .decay = t->decay, .clip = 5, .warmup = t->steps / 50,
                                    .steps = t->steps, .sharpness = t->sharpness};
    parameters_start(t);
    LKI_TRY(lk_optimizer_new(t->ctx, t->graph, t->parameters, t->gradients, t->parameter_count, &options, &t->optimizer));
    t->next = t->data.train_count;
    t->epoch = 0;
    t->best_loss = (double)INFINITY;
    for (int64_t step = 1; step <= t->steps && !stop; step++) {
        batch_fill(t);
        LKI_TRY(lk_graph_run(t->ctx, t->graph));
        if (t->sharpness > 0.0) {
            LKI_TRY(lk_optimizer_climb(t->ctx, t->optimizer));
            LKI_TRY(lk_graph_run(t->ctx, t->graph));
        }
        LKI_TRY(lk_optimizer_step(t->ctx, t->optimizer));
        t->last_step = step;
        if (step % LOOK == 0 || step == t->steps) {
            LKI_TRY(remember(t, step, &stop));
        }
    }
    memcpy(t->net->weights + t->member * lki_net_size(&t->net->shape), t->best, (size_t)lki_net_size(&t->net->shape) * sizeof(double));
    return LK_OK;
}

static lk_status training_make(lk_context *ctx, const lki_fit_task *task, training *t)
{
    const lki_net_shape shape = lki_net_shape_of(task->values, task->data->d - 1, task->labels != NULL ? task->labels->count : 0);
    int64_t size = lki_net_size(&shape);
    *t = (training){.ctx = ctx, .task = task};
    if (task->start != NULL && task->refit == LKI_REFIT_NONE) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a net begins from weights drawn at random: leave out the model to start from");
    }
    if (shape.inputs == 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "there is no feature to predict %s from", task->names[0]);
    }
    if (shape.law == LKI_NET_CLASSES && shape.classes < 2) {
        return lki_fail(ctx, LK_ERROR_DATA, "the label has one class, %.100s, only: there is nothing to tell", task->labels->names[0]);
    }
    if (shape.law == LKI_NET_CLASSES && lki_value_is_set(task->values, "law") && strcmp(lki_value_text(task->values, "law"), "normal") != 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "law is %s, which is one of a number: leave it out where a class is told",
                        lki_value_text(task->values, "law"));
    }
    LKI_TRY(lki_net_new(ctx, &shape, &t->net));
    LKI_TRY(read_rows(ctx, t, &t->data));
    LKI_TRY(split_rows(ctx, task, lki_value_real(task->values, "validation"), &t->data));
    standardize(&t->data, t->net);
    t->batch = lki_value_integer(task->values, "batch");
    t->batch = t->batch < t->data.train_count ? t->batch : t->data.train_count;
    t->steps = lki_value_integer(task->values, "steps");
    t->patience = lki_value_integer(task->values, "patience");
    t->rate = lki_value_real(task->values, "rate");
    t->decay = lki_value_real(task->values, "decay");
    t->sharpness = lki_value_real(task->values, "sharpness");
    LKI_TRY(lki_allocate(ctx, (size_t)t->data.train_count, sizeof *t->order, &t->order));
    LKI_TRY(lki_zeros(ctx, (size_t)size, sizeof(double), &t->weights));
    LKI_TRY(lki_zeros(ctx, (size_t)size, sizeof(double), &t->best));
    return graph_make(t);
}

static void training_free(training *t)
{
    lki_memory memory = lki_memory_of(t->ctx);
    lk_optimizer_free(t->optimizer);
    lk_graph_free(t->graph);
    void *const blocks[] = {t->data.values, t->data.weights, t->data.train, t->data.held, t->parameters, t->gradients, t->order,
                            t->weights, t->best};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        lki_release(t->ctx, blocks[i]);
    }
    lki_net_free(&memory, t->net);
}

/* log of the unit that a density is in: 0 for counts and classes. */
static double log_unit(const lki_net *net)
{
    return net->shape.law == LKI_NET_NORMAL ? log(net->scale[net->shape.inputs]) : 0.0;
}

/* What the report keeps of a member's training; losses in the target's units, per row. */
static lk_status note_member(training *t, json_t *list)
{
    json_t *entry = json_object();
    lk_status status = entry != NULL ? LK_OK : lki_json_memory(t->ctx);
    double loss = t->best_loss + log_unit(t->net);
    status = status == LK_OK ? lki_json_set(t->ctx, entry, "steps", json_integer((json_int_t)t->last_step)) : status;
    status = status == LK_OK ? lki_json_set(t->ctx, entry, "best_step", json_integer((json_int_t)t->best_step)) : status;
    status = status == LK_OK ? lki_json_set(t->ctx, entry, "mean_log_density", lki_json_number(-loss)) : status;
    if (status != LK_OK) {
        json_decref(entry);
        return status;
    }
    return lki_json_append(t->ctx, list, entry);
}

/* The log-likelihood of all rows of the fit by the mixture of the members, in the target's units. */
static lk_status total_likelihood(training *t, lki_report *report)
{
    const lki_net *net = t->net;
    double parts[2] = {0}, weights[2] = {0};
    for (int held = 0; held < 2; held++) {
        const lki_net_rows r = part_of(&t->data, held == 1);
        for (int64_t i = 0; i < r.count; i++) {
            weights[held] += r.weights[r.list[i]];
        }
        if (r.count > 0) {
            LKI_TRY(lki_net_mean_log(t->ctx, net, net->weights, net->shape.members, net->temperature, &r, &parts[held]));
        }
    }
    const double mean = (parts[0] * weights[0] + parts[1] * weights[1]) / (weights[0] + weights[1]);
    report->log_likelihood = (mean - log_unit(net)) * report->n;
    return LK_OK;
}

static lk_status report_fill(training *t, json_t *members, lki_report *report)
{
    json_t *extra = json_object();
    lk_status status = extra != NULL ? LK_OK : lki_json_memory(t->ctx);
    LKI_GOTO(status, failed, status);
    LKI_GOTO(status, failed, lki_json_set(t->ctx, extra, "training_rows", json_integer((json_int_t)t->data.train_count)));
    LKI_GOTO(status, failed, lki_json_set(t->ctx, extra, "validation_rows", json_integer((json_int_t)t->data.held_count)));
    LKI_GOTO(status, failed, lki_json_set(t->ctx, extra, "members", json_incref(members)));
    report->n = t->data.total;
    report->converged = 1;
    report->iterations = t->last_step;
    LKI_GOTO(status, failed, total_likelihood(t, report));
    report->extra = extra;
    return LK_OK;
failed:
    json_decref(extra);
    return status;
}

lk_status lki_net_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    training t;
    json_t *members = json_array();
    lk_status status = members != NULL ? LK_OK : lki_json_memory(ctx);
    if (status != LK_OK) {
        return status;
    }
    LKI_GOTO(status, done, training_make(ctx, task, &t));
    for (t.member = 0; t.member < t.net->shape.members; t.member++) {
        LKI_GOTO(status, done, train_member(&t));
        lk_optimizer_free(t.optimizer);
        t.optimizer = NULL;
        LKI_GOTO(status, done, note_member(&t, members));
    }
    const lki_net_rows held = part_of(&t.data, true);
    if (held.count > 0 && lki_value_flag(task->values, "calibrated") &&
        (t.net->shape.law == LKI_NET_NORMAL || t.net->shape.law == LKI_NET_CLASSES)) {
        LKI_GOTO(status, done, lki_net_fit_temperature(ctx, t.net, &held));
    }
    LKI_GOTO(status, done, report_fill(&t, members, report));
    *state = t.net;
    t.net = NULL;
done:
    json_decref(members);
    training_free(&t);
    return status;
}

/* Fits nets by maximum likelihood: minibatches in a random order, AdamW, an early stop by rows that take no part. Several members answer
 * together (deep ensembles: Lakshminarayanan, Pritzel and Blundell 2017, arXiv:1612.01474). */
#include "net/net.h"

#include "core/philox.h"
#include "core/reduce.h"
#include "data/json_text.h"
#include <likely/grad.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Steps between two looks at the validation rows. */
enum { LOOK = 100 };

/* The rows that take part, standardized: inputs and target side by side. */
typedef struct rows {
    int64_t n, columns;
    double *values;  /* n x columns */
    double *weights; /* n, of mean 1 over the training rows */
    int64_t *train, *held;
    int64_t train_count, held_count;
    double total; /* sum of the weights as they were given */
} rows;

typedef struct training {
    lk_context *ctx;
    const lki_fit_task *task;
    lki_net *net;
    rows data;
    int64_t batch, steps, patience, member;
    double rate, decay;
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

static lk_status read_rows(lk_context *ctx, const lki_dataset *data, const char *const *names, rows *r)
{
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
                memcpy(r->values + r->n * r->columns, block.x + i * r->columns, (size_t)r->columns * sizeof(double));
                r->weights[r->n++] = w;
                r->total += w;
            }
        }
    }
    if (r->n < 10) {
        status = lki_fail(ctx, LK_ERROR_DATA, "there are %lld rows to learn %s from; a net needs at least 10", (long long)r->n,
                          names[data->d - 1]);
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

/* Weighted mean and standard deviation of each column over the training rows; a constant column keeps its unit. */
static void standardize(rows *r, lki_net *net)
{
    double total = 0.0;
    for (int64_t i = 0; i < r->train_count; i++) {
        total += r->weights[r->train[i]];
    }
    for (int64_t j = 0; j < r->columns; j++) {
        double mean = 0.0, variance = 0.0;
        for (int64_t i = 0; i < r->train_count; i++) {
            mean += r->weights[r->train[i]] / total * r->values[r->train[i] * r->columns + j];
        }
        for (int64_t i = 0; i < r->train_count; i++) {
            double v = r->values[r->train[i] * r->columns + j] - mean;
            variance += r->weights[r->train[i]] / total * v * v;
        }
        net->shift[j] = mean;
        net->scale[j] = sqrt(variance) > 1e-12 * fabs(mean) ? sqrt(variance) : 1.0;
        for (int64_t i = 0; i < r->n; i++) {
            r->values[i * r->columns + j] = (r->values[i * r->columns + j] - net->shift[j]) / net->scale[j];
        }
    }
    for (int64_t i = 0; i < r->n; i++) {
        r->weights[i] *= (double)r->train_count / total;
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

/* The mean over the batch of w (z^2 / 2 + log sd), z = (y - mean) / sd: minus the log-likelihood but for a constant. */
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
    lk_node out = dense(t, h, from, lki_net_outputs(s));
    lk_node mean = s->constant ? out : lk_graph_slice(g, out, 1, 0, 1, 1);
    lk_node raw = s->constant ? parameter(t, 1, 0, 1) : lk_graph_slice(g, out, 1, 1, 1, 1);
    lk_node sd = lk_graph_affine(g, lk_graph_unary(g, LK_SOFTPLUS, raw), 1, LKI_NET_LEAST_SD);
    lk_node z = lk_graph_binary(g, LK_DIVIDE, lk_graph_binary(g, LK_SUBTRACT, t->y, mean), sd);
    lk_node each = lk_graph_binary(g, LK_ADD, lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, z), 0.5, 0), lk_graph_unary(g, LK_LOG, sd));
    return lk_graph_mean(g, lk_graph_binary(g, LK_MULTIPLY, t->w, each), -1);
}

static lk_status graph_make(training *t)
{
    const int64_t in[2] = {t->batch, t->net->shape.inputs}, one[2] = {t->batch, 1};
    size_t most = (size_t)(2 * t->net->shape.layers + 3);
    LKI_TRY(lki_allocate(t->ctx, most, sizeof *t->parameters, &t->parameters));
    LKI_TRY(lki_allocate(t->ctx, most, sizeof *t->gradients, &t->gradients));
    LKI_TRY(lk_graph_new(t->ctx, LK_FLOAT32, &t->graph));
    t->x = lk_graph_rows(t->graph, 2, in);
    t->y = lk_graph_rows(t->graph, 2, one);
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

/* He's start (He et al. 2015, arXiv:1502.01852) for layers, a tenth of it for the outputs, so that a net begins near the mean and the
 * spread of all rows. Biases are 0, but that of the spread, whose softplus is 1. */
static void parameters_start(training *t)
{
    lki_stream s = lki_stream_new(t->task->seed, LKI_STREAM_NET_START, (uint64_t)t->member);
    const double one = log(exp(1.0 - LKI_NET_LEAST_SD) - 1.0);
    const bool constant = t->net->shape.constant;
    const int last = t->parameter_count - (constant ? 3 : 2);
    for (int i = 0; i < t->parameter_count; i++) {
        int64_t shape[LK_AXES_MAX];
        int axes = lk_graph_shape(t->graph, t->parameters[i], shape);
        float *p = lk_graph_values(t->graph, t->parameters[i]);
        double size = axes == 2 ? sqrt((t->net->shape.activation == LKI_NET_IDENTITY ? 1.0 : 2.0) / (double)shape[0]) * (i == last ? 0.1 : 1.0) : 0.0;
        for (int64_t j = 0; j < parameter_size(t, i); j++) {
            p[j] = (float)(size * lki_random_normal(&s));
        }
    }
    float *spread = lk_graph_values(t->graph, t->parameters[t->parameter_count - 1]);
    spread[constant ? 0 : 1] = (float)one;
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
    const int64_t inputs = r->columns - 1;
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
        y[i] = (float)v[inputs];
        w[i] = (float)r->weights[from];
    }
}

typedef struct looking {
    const training *t;
    const int64_t *list;
    int64_t count;
    double *work; /* 2 x width a thread */
} looking;

static lk_status look_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const looking *k = state;
    const rows *r = &k->t->data;
    const lki_net_shape *s = &k->t->net->shape;
    double *work = k->work + (int64_t)thread * 2 * s->width;
    (void)ctx;
    for (int64_t i = index * LKI_BLOCK_ROWS; i < k->count && i < (index + 1) * LKI_BLOCK_ROWS; i++) {
        const double *v = r->values + k->list[i] * r->columns;
        const double w = r->weights[k->list[i]];
        double mean, sd;
        lki_net_forward(s, k->t->weights, v, work, &mean, &sd);
        sums[0] += w;
        sums[1] -= w * lki_net_log_density(v[s->inputs], mean, sd);
    }
    return LK_OK;
}

/* The mean negative log-likelihood of some rows by the weights as they are, in standardized units. */
static lk_status look(training *t, const int64_t *list, int64_t count, double *loss)
{
    looking k = {.t = t, .list = list, .count = count};
    double sums[2];
    parameters_read(t, t->weights);
    LKI_TRY(lki_allocate(t->ctx, lki_product((size_t)lki_threads(t->ctx), 2 * (size_t)t->net->shape.width), sizeof(double), &k.work));
    lki_reduction reduction = {.blocks = (count + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .length = 2, .block = look_block, .state = &k};
    lk_status status = lki_reduce(t->ctx, &reduction, sums);
    lki_release(t->ctx, k.work);
    if (status == LK_OK) {
        *loss = sums[1] / sums[0];
    }
    return status;
}

static lk_status remember(training *t, int64_t step, bool *stop)
{
    char detail[64];
    double loss = 0.0;
    bool watched = t->data.held_count > 0;
    LKI_TRY(look(t, watched ? t->data.held : t->data.train, watched ? t->data.held_count : t->data.train_count, &loss));
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
                                    .steps = t->steps};
    parameters_start(t);
    LKI_TRY(lk_optimizer_new(t->ctx, t->graph, t->parameters, t->gradients, t->parameter_count, &options, &t->optimizer));
    t->next = t->data.train_count;
    t->epoch = 0;
    t->best_loss = (double)INFINITY;
    for (int64_t step = 1; step <= t->steps && !stop; step++) {
        batch_fill(t);
        LKI_TRY(lk_graph_run(t->ctx, t->graph));
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
    const lki_net_shape shape = lki_net_shape_of(task->values, task->data->d - 1);
    int64_t size = lki_net_size(&shape);
    *t = (training){.ctx = ctx, .task = task};
    if (task->start != NULL && task->refit == LKI_REFIT_NONE) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "a net begins from weights drawn at random: leave out the model to start from");
    }
    if (shape.inputs == 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "there is no feature to predict %s from", task->names[0]);
    }
    LKI_TRY(lki_net_new(ctx, &shape, &t->net));
    LKI_TRY(read_rows(ctx, task->data, task->names, &t->data));
    LKI_TRY(split_rows(ctx, task, lki_value_real(task->values, "validation"), &t->data));
    standardize(&t->data, t->net);
    t->batch = lki_value_integer(task->values, "batch");
    t->batch = t->batch < t->data.train_count ? t->batch : t->data.train_count;
    t->steps = lki_value_integer(task->values, "steps");
    t->patience = lki_value_integer(task->values, "patience");
    t->rate = lki_value_real(task->values, "rate");
    t->decay = lki_value_real(task->values, "decay");
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

/* What the report keeps of a member's training; losses in the target's units, per row. */
static lk_status note_member(training *t, json_t *list)
{
    json_t *entry = json_object();
    lk_status status = entry != NULL ? LK_OK : lki_json_memory(t->ctx);
    double loss = t->best_loss + log(t->net->scale[t->net->shape.inputs]);
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
    const lki_net_shape *s = &t->net->shape;
    const int64_t size = lki_net_size(s);
    double *work = NULL, sum = 0.0, weight = 0.0;
    LKI_TRY(lki_allocate(t->ctx, 2 * (size_t)s->width + (size_t)s->members, sizeof *work, &work));
    double *terms = work + 2 * s->width, scale = log(t->net->scale[s->inputs]);
    for (int64_t i = 0; i < t->data.n; i++) {
        const double *v = t->data.values + i * t->data.columns;
        double most = -(double)INFINITY, total = 0.0;
        for (int64_t m = 0; m < s->members; m++) {
            double mean, sd;
            lki_net_forward(s, t->net->weights + m * size, v, work, &mean, &sd);
            terms[m] = lki_net_log_density(v[s->inputs], mean, sd);
            most = fmax(most, terms[m]);
        }
        for (int64_t m = 0; m < s->members; m++) {
            total += exp(terms[m] - most) / (double)s->members;
        }
        sum += t->data.weights[i] * (most + log(total) - scale);
        weight += t->data.weights[i];
    }
    report->log_likelihood = sum / weight * report->n;
    lki_release(t->ctx, work);
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
    LKI_GOTO(status, done, report_fill(&t, members, report));
    *state = t.net;
    t.net = NULL;
done:
    json_decref(members);
    training_free(&t);
    return status;
}

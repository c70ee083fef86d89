/* Attention with streaming softmax: tiles of scores are made, used and forgotten; and its gradient in one sweep. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <math.h>
#include <string.h>

/* out_i = sum_j p_ij v_j with p_ij = softmax_j(scale q_i . k_j), tile by tile with a running maximum (Milakov and Gimelshein 2018,
 * arXiv:1805.02867; Rabe and Staats 2021, arXiv:2112.05682; Dao et al. 2022, arXiv:2205.14135). q (n, queries, heads, width), k and v
 * (n, keys, heads, width). Queries and keys of a tile: */
enum { QUERIES = 64, KEYS = 256 };
enum { CAUSAL = 0, MASKED = 1 };

/* One head of one row of the batch. */
typedef struct head {
    lk_precision precision;
    const lki_tensor_kernels *k;
    size_t bytes;
    int64_t queries, keys, width, pitch; /* pitch: from one query or key to the next, in numbers */
    double scale;
    bool causal;
    const char *q, *key, *v;
    const char *mask; /* keys numbers, or NULL */
} head;

static double number_at(const head *h, const char *p, int64_t i)
{
    return h->precision == LK_FLOAT32 ? (double)((const float *)(const void *)p)[i] : ((const double *)(const void *)p)[i];
}

static void number_put(const head *h, char *p, int64_t i, double v)
{
    if (h->precision == LK_FLOAT32) {
        ((float *)(void *)p)[i] = (float)v;
    } else {
        ((double *)(void *)p)[i] = v;
    }
}

/* Keys 0..limit-1 may be seen by query i. */
static int64_t seen_by(const head *h, int64_t i)
{
    int64_t limit = i + 1 + h->keys - h->queries;
    return !h->causal || limit > h->keys ? h->keys : limit < 0 ? 0 : limit;
}

/* scale q k' of some queries and keys, -inf where a key is not seen. */
static void scores(const head *h, int64_t i, int64_t m, int64_t j, int64_t n, char *out)
{
    const size_t row = (size_t)h->pitch * h->bytes;
    lki_product_run(h->precision, m, n, h->width, h->scale, (lki_factor){h->q + (size_t)i * row, h->pitch, false},
                    (lki_factor){h->key + (size_t)j * row, h->pitch, true}, 0, out, n);
    for (int64_t a = 0; a < m && (h->causal || h->mask != NULL); a++) {
        int64_t limit = seen_by(h, i + a);
        for (int64_t b = 0; b < n; b++) {
            if (j + b >= limit || (h->mask != NULL && !(number_at(h, h->mask, j + b) > 0))) {
                number_put(h, out, a * n + b, -(double)INFINITY);
            }
        }
    }
}

/* One step of the running softmax for a row of n scores, which become exp(score - new maximum); gives the factor of what was before. */
static double stream_row(const head *h, int64_t n, char *s, double *most, double *sum)
{
    double here, factor = 0;
    char largest[8];
    h->k->row_max(n, s, largest);
    here = number_at(h, largest, 0);
    here = here > *most || here != here ? here : *most;
    if (here == -(double)INFINITY) {
        memset(s, 0, (size_t)n * h->bytes);
        return 1;
    }
    factor = *most == -(double)INFINITY ? 0 : exp(*most - here);
    *sum = *sum * factor + h->k->exp_row(n, here, s);
    *most = here;
    return factor;
}

static void scale_row(const head *h, int64_t n, double factor, char *x)
{
    if (h->precision == LK_FLOAT32) {
        float *p = (float *)(void *)x, f = (float)factor;
        for (int64_t i = 0; i < n; i++) {
            p[i] *= f;
        }
    } else {
        double *p = (double *)(void *)x;
        for (int64_t i = 0; i < n; i++) {
            p[i] *= factor;
        }
    }
}

/* Outputs of queries i..i+m-1, in place; `s` holds a tile of scores. A query that sees no key gets 0. */
static void attend(const head *h, int64_t i, int64_t m, char *out, char *s)
{
    double most[QUERIES], sum[QUERIES];
    const size_t row = (size_t)h->pitch * h->bytes;
    for (int64_t a = 0; a < m; a++) {
        most[a] = -(double)INFINITY;
        sum[a] = 0;
        memset(out + (size_t)(i + a) * row, 0, (size_t)h->width * h->bytes);
    }
    int64_t last = seen_by(h, i + m - 1);
    for (int64_t j = 0; j < last; j += KEYS) {
        int64_t n = j + KEYS < last ? KEYS : last - j;
        scores(h, i, m, j, n, s);
        for (int64_t a = 0; a < m; a++) {
            double factor = stream_row(h, n, s + (size_t)(a * n) * h->bytes, &most[a], &sum[a]);
            if (j > 0 && factor != 1) {
                scale_row(h, h->width, factor, out + (size_t)(i + a) * row);
            }
        }
        lki_product_run(h->precision, m, h->width, n, 1, (lki_factor){s, n, false}, (lki_factor){h->v + (size_t)j * row, h->pitch, false}, j > 0,
                        out + (size_t)i * row, h->pitch);
    }
    for (int64_t a = 0; a < m; a++) {
        if (sum[a] > 0) {
            scale_row(h, h->width, 1 / sum[a], out + (size_t)(i + a) * row);
        }
    }
}

static head head_of(const lki_work *w, int64_t n, int64_t which)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node, *q = &g->nodes[node->in[0]], *k = &g->nodes[node->in[1]], *v = &g->nodes[node->in[2]];
    const int mask = node->op == LKI_OP_ATTENTION ? 3 : 4;
    const size_t column = (size_t)(which * q->shape[3]);
    return (head){.precision = g->precision, .k = lki_tensor_kernels_of(g->precision), .bytes = g->bytes, .queries = q->shape[1],
                  .keys = k->shape[1], .width = q->shape[3], .pitch = q->shape[2] * q->shape[3], .scale = node->real[0],
                  .causal = node->whole[CAUSAL] != 0, .q = q->data + ((size_t)(n * q->stride[0]) + column) * g->bytes,
                  .key = k->data + ((size_t)(n * k->stride[0]) + column) * g->bytes,
                  .v = v->data + ((size_t)(n * v->stride[0]) + column) * g->bytes,
                  .mask = node->whole[MASKED] ? lki_node_at(g, &g->nodes[node->in[mask]], n) : NULL};
}

static lk_status attention_run(const lki_work *w)
{
    const lki_node *node = w->node;
    for (int64_t n = w->first; n < w->last; n++) {
        for (int64_t which = 0; which < node->shape[2]; which++) {
            head h = head_of(w, n, which);
            char *out = node->data + (size_t)(n * node->stride[0] + which * h.width) * h.bytes;
            for (int64_t i = 0; i < h.queries; i += QUERIES) {
                attend(&h, i, i + QUERIES < h.queries ? QUERIES : h.queries - i, out, w->scratch);
            }
        }
    }
    return LK_OK;
}

static int64_t attention_scratch(const lk_graph *g, const lki_node *node)
{
    (void)node;
    return 2 * (int64_t)QUERIES * KEYS * (int64_t)g->bytes;
}

static double attention_work(const lk_graph *g, const lki_node *node)
{
    const lki_node *q = &g->nodes[node->in[0]], *k = &g->nodes[node->in[1]];
    return (node->op == LKI_OP_ATTENTION ? 4.0 : 10.0) * (double)lki_node_count(q) * (double)k->shape[1];
}

/* ---- the gradient ---- */

/* With g_i the gradient of out_i: r_ij = g_i . v_j, d_i = sum_j p_ij r_ij, t_ij = p_ij (r_ij - d_i); then dv_j = sum_i p_ij g_i,
 * dq_i = scale sum_j t_ij k_j and dk_j = scale sum_i t_ij q_i. */
typedef struct slopes {
    const char *g;
    char *q, *key, *v;
    char *p, *r; /* tiles */
} slopes;

static void products_with_v(const head *h, const slopes *o, int64_t i, int64_t m, int64_t j, int64_t n)
{
    const size_t row = (size_t)h->pitch * h->bytes;
    lki_product_run(h->precision, m, n, h->width, 1, (lki_factor){o->g + (size_t)i * row, h->pitch, false},
                    (lki_factor){h->v + (size_t)j * row, h->pitch, true}, 0, o->r, n);
}

static double dot(const head *h, int64_t n, const char *a, const char *b)
{
    double sum[4] = {0};
    if (h->precision == LK_FLOAT32) {
        const float *x = (const float *)(const void *)a, *y = (const float *)(const void *)b;
        float lane[16] = {0};
        int64_t i = 0;
        for (; i + 16 <= n; i += 16) {
            for (int l = 0; l < 16; l++) {
                lane[l] += x[i + l] * y[i + l];
            }
        }
        for (int l = 0; i < n; i++, l++) {
            lane[l] += x[i] * y[i];
        }
        for (int l = 0; l < 16; l++) {
            sum[l % 4] += (double)lane[l];
        }
    } else {
        const double *x = (const double *)(const void *)a, *y = (const double *)(const void *)b;
        for (int64_t i = 0; i < n; i++) {
            sum[i % 4] += x[i] * y[i];
        }
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* p and r of a tile to p and t; `whole` says that p holds exp(score - most) already. */
static void tile_slopes(const head *h, const slopes *o, int64_t m, int64_t n, const double *most, const double *sum, const double *d, bool whole)
{
    for (int64_t a = 0; a < m; a++) {
        char *p = o->p + (size_t)(a * n) * h->bytes, *r = o->r + (size_t)(a * n) * h->bytes;
        if (!(sum[a] > 0)) {
            memset(p, 0, (size_t)n * h->bytes);
            memset(r, 0, (size_t)n * h->bytes);
            continue;
        }
        if (!whole) {
            h->k->exp_row(n, most[a], p);
        }
        scale_row(h, n, 1 / sum[a], p);
        if (h->precision == LK_FLOAT32) {
            float *x = (float *)(void *)p, *y = (float *)(void *)r, c = (float)d[a];
            for (int64_t b = 0; b < n; b++) {
                y[b] = x[b] * (y[b] - c);
            }
        } else {
            double *x = (double *)(void *)p, *y = (double *)(void *)r;
            for (int64_t b = 0; b < n; b++) {
                y[b] = x[b] * (y[b] - d[a]);
            }
        }
    }
}

/* All that queries i..i+m-1 give; the slopes of keys and values are added to. Where one tile holds all keys it is made once. */
static void attend_back(const head *h, const slopes *o, int64_t i, int64_t m)
{
    double most[QUERIES], sum[QUERIES], d[QUERIES];
    const size_t row = (size_t)h->pitch * h->bytes;
    const int64_t last = seen_by(h, i + m - 1);
    const bool whole = last <= KEYS;
    for (int64_t a = 0; a < m; a++) {
        most[a] = -(double)INFINITY;
        sum[a] = d[a] = 0;
        memset(o->q + (size_t)(i + a) * row, 0, (size_t)h->width * h->bytes);
    }
    for (int64_t j = 0; j < last; j += KEYS) {
        int64_t n = j + KEYS < last ? KEYS : last - j;
        scores(h, i, m, j, n, o->p);
        products_with_v(h, o, i, m, j, n);
        for (int64_t a = 0; a < m; a++) {
            char *p = o->p + (size_t)(a * n) * h->bytes;
            double factor = stream_row(h, n, p, &most[a], &sum[a]);
            d[a] = d[a] * factor + dot(h, n, p, o->r + (size_t)(a * n) * h->bytes);
        }
    }
    for (int64_t a = 0; a < m; a++) {
        d[a] = sum[a] > 0 ? d[a] / sum[a] : 0;
    }
    for (int64_t j = 0; j < last; j += KEYS) {
        int64_t n = j + KEYS < last ? KEYS : last - j;
        if (!whole) {
            scores(h, i, m, j, n, o->p);
            products_with_v(h, o, i, m, j, n);
        }
        tile_slopes(h, o, m, n, most, sum, d, whole);
        lki_product_run(h->precision, n, h->width, m, 1, (lki_factor){o->p, n, true}, (lki_factor){o->g + (size_t)i * row, h->pitch, false}, 1,
                        o->v + (size_t)j * row, h->pitch);
        lki_product_run(h->precision, m, h->width, n, h->scale, (lki_factor){o->r, n, false}, (lki_factor){h->key + (size_t)j * row, h->pitch, false},
                        1, o->q + (size_t)i * row, h->pitch);
        lki_product_run(h->precision, n, h->width, m, h->scale, (lki_factor){o->r, n, true}, (lki_factor){h->q + (size_t)i * row, h->pitch, false},
                        1, o->key + (size_t)j * row, h->pitch);
    }
}

/* (n, queries + 2 keys, heads, width): slopes of q, k and v one behind the other. */
static lk_status attention_gradient_run(const lki_work *w)
{
    const lki_node *node = w->node, *gradient = &w->graph->nodes[node->in[3]];
    for (int64_t n = w->first; n < w->last; n++) {
        memset(node->data + (size_t)(n * node->stride[0]) * w->graph->bytes, 0, (size_t)node->stride[0] * w->graph->bytes);
        for (int64_t which = 0; which < node->shape[2]; which++) {
            head h = head_of(w, n, which);
            const size_t column = (size_t)(which * h.width) * h.bytes, row = (size_t)h.pitch * h.bytes;
            char *out = node->data + (size_t)(n * node->stride[0]) * h.bytes + column;
            slopes o = {.g = gradient->data + (size_t)(n * gradient->stride[0]) * h.bytes + column, .q = out,
                        .key = out + (size_t)h.queries * row, .v = out + (size_t)(h.queries + h.keys) * row, .p = w->scratch,
                        .r = w->scratch + (size_t)(QUERIES * KEYS) * h.bytes};
            for (int64_t i = 0; i < h.queries; i += QUERIES) {
                attend_back(&h, &o, i, i + QUERIES < h.queries ? QUERIES : h.queries - i);
            }
        }
    }
    return LK_OK;
}

/* ---- the definition, from which further derivatives come ---- */

static lk_node heads_first(lk_graph *g, lk_node x)
{
    return lk_graph_transpose(g, x, (const int[4]){0, 2, 1, 3});
}

/* 0 where query i sees key j, else so little that nothing is left of it, of shape (1, 1, queries, keys) or with the batch in front. */
static lk_node seen(lk_graph *g, const lki_node *node, int64_t queries, int64_t keys, lk_node mask)
{
    lk_node zero = lk_graph_constant(g, 0), never = lk_graph_constant(g, -1e30), bias = -1;
    if (node->whole[CAUSAL]) {
        lki_node shape = {.axes = 2, .shape = {queries, keys}};
        lk_node below = lki_graph_triangle(g, lki_graph_expand_to(g, lk_graph_constant(g, 1), &shape), keys - queries, 1);
        bias = lk_graph_select(g, below, zero, never);
    }
    if (node->whole[MASKED]) {
        const int64_t n = g->nodes[mask].shape[0];
        lk_node present = lk_graph_select(g, lk_graph_reshape(g, mask, 4, (const int64_t[4]){n, 1, 1, keys}), zero, never);
        bias = bias < 0 ? present : lk_graph_binary(g, LK_ADD, bias, present);
    }
    return bias;
}

static lk_node define(lk_graph *g, const lki_node *node, const lk_node *in)
{
    const int64_t queries = g->nodes[in[0]].shape[1], keys = g->nodes[in[1]].shape[1];
    lk_node s = lk_graph_matmul(g, heads_first(g, in[0]), lk_graph_transpose(g, heads_first(g, in[1]), NULL));
    s = lk_graph_affine(g, s, node->real[0], 0);
    lk_node bias = seen(g, node, queries, keys, in[3]);
    s = bias < 0 ? s : lk_graph_binary(g, LK_ADD, s, bias);
    return heads_first(g, lk_graph_matmul(g, lk_graph_softmax(g, s, 3), heads_first(g, in[2])));
}

static lk_node gradient_node(lk_graph *g, const lki_node *node, const lk_node *in, lk_node gradient)
{
    lki_node back = {.op = LKI_OP_ATTENTION_GRADIENT, .input_count = node->input_count + 1, .in = {in[0], in[1], in[2], gradient}, .axes = 4,
                     .real = {node->real[0]}};
    if (node->whole[MASKED]) {
        back.in[4] = in[3];
    }
    memcpy(back.whole, node->whole, sizeof back.whole);
    memcpy(back.shape, g->nodes[in[0]].shape, sizeof back.shape);
    back.shape[1] += 2 * g->nodes[in[1]].shape[1];
    return lki_graph_node(g, &back);
}

static lk_node part_of(lk_graph *g, lk_node all, int which, int64_t queries, int64_t keys)
{
    return all < 0 ? -1 : lk_graph_slice(g, all, 1, which == 0 ? 0 : queries + (which - 1) * keys, which == 0 ? queries : keys, 1);
}

static lk_node attention_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node node = g->nodes[y];
    gradient = input == 3 ? -1 : lki_graph_contiguous(g, gradient);
    if (gradient < 0) {
        return -1;
    }
    lk_node all = gradient_node(g, &node, node.in, gradient);
    return part_of(g, all, input, g->nodes[node.in[0]].shape[1], g->nodes[node.in[1]].shape[1]);
}

static lk_node attention_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_defined_forward(g, y, tangents, define);
}

/* The gradient by way of the definition. */
static lk_node define_gradient(lk_graph *g, const lki_node *node, const lk_node *in)
{
    const lk_node inputs[4] = {in[0], in[1], in[2], node->whole[MASKED] ? in[4] : -1};
    lk_node leaf[4], slope[3];
    for (int i = 0; i < 4; i++) {
        leaf[i] = inputs[i] < 0 ? -1 : lki_graph_alias(g, inputs[i]);
    }
    lk_node y = define(g, node, leaf);
    if (y < 0) {
        return -1;
    }
    lk_graph_vjp(g, y, in[3], leaf, 3, slope);
    return lk_graph_concat(g, lk_graph_concat(g, slope[0], slope[1], 1), slope[2], 1);
}

static lk_node attention_gradient_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    return input == 4 ? -1 : lki_defined_reverse(g, y, input, gradient, define_gradient);
}

static lk_node attention_gradient_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_defined_forward(g, y, tangents, define_gradient);
}

lk_node lk_graph_attention(lk_graph *g, lk_node q, lk_node k, lk_node v, lk_node mask, int causal)
{
    lk_node in[3] = {q, k, v};
    for (int i = 0; i < 3; i++) {
        in[i] = lki_graph_has(g, "attention", in[i]) ? lki_graph_contiguous(g, in[i]) : -1;
        if (in[i] < 0) {
            return -1;
        }
    }
    const lki_node *a = &g->nodes[in[0]], *b = &g->nodes[in[1]], *c = &g->nodes[in[2]];
    bool good = a->axes == 4 && b->axes == 4 && lki_same_shape(b, c) && a->shape[0] == b->shape[0] && a->shape[2] == b->shape[2] &&
                a->shape[3] == b->shape[3];
    if (good && mask >= 0) {
        mask = lki_graph_has(g, "attention", mask) ? lki_graph_contiguous(g, mask) : -1;
        good = mask >= 0 && g->nodes[mask].axes == 2 && g->nodes[mask].shape[0] == b->shape[0] && g->nodes[mask].shape[1] == b->shape[1];
    }
    if (!good) {
        char s[96], t[96];
        return lki_graph_mistake(g, "attention: queries %s and keys %s do not match; they are (rows, places, heads, width), values like "
                                 "keys, a mask (rows, keys)", lki_shape_text(a, s, sizeof s), lki_shape_text(b, t, sizeof t));
    }
    lki_node node = {.op = LKI_OP_ATTENTION, .input_count = mask >= 0 ? 4 : 3, .in = {in[0], in[1], in[2], mask}, .axes = 4,
                     .whole = {[CAUSAL] = causal != 0, [MASKED] = mask >= 0}, .real = {1 / sqrt((double)a->shape[3])}};
    memcpy(node.shape, a->shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

extern const lki_op lki_attention_op, lki_attention_gradient_op;
const lki_op lki_attention_op = {.name = "attention", .run = attention_run, .by_row = lki_by_place, .work = attention_work,
                                 .scratch = attention_scratch, .reverse = attention_reverse, .forward = attention_forward};
const lki_op lki_attention_gradient_op = {.name = "attention_gradient", .run = attention_gradient_run, .by_row = lki_by_place,
                                          .work = attention_work, .scratch = attention_scratch, .reverse = attention_gradient_reverse,
                                          .forward = attention_gradient_forward};

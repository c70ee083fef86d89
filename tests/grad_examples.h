/* The table that every operation of a graph is tested by: how it is built, its value by plain loops, its inputs. */
#ifndef LIKELY_GRAD_EXAMPLES_H
#define LIKELY_GRAD_EXAMPLES_H

#include <likely/grad.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- one case an operation ---- */

enum { SIZE = 24, MOST = 192, INPUTS_MAX = 4 };

typedef struct operand {
    int axes;
    int64_t shape[4];
    int kind; /* how it is drawn */
} operand;
/* AWAY keeps .2 from 0, where slopes jump; STRONG are matrices with a diagonal of 2 and more; the last three get no gradient. */
enum { NORMAL, POSITIVE, AWAY, STRONG, INDEX3, GROUPS3, FIXED_NORMAL };

typedef struct example {
    const char *name;
    int inputs;
    operand input[INPUTS_MAX];
    lk_node (*build)(lk_graph *g, const lk_node *x);
    void (*reference)(const double *const *x, double *out); /* NULL: the value is tested elsewhere */
    double float_error; /* relative, of the value in floats */
    bool flat;          /* the gradient is 0 by definition */
} example;

#define UNARY_CASE(id, expression)                                              \
    static lk_node build_##id(lk_graph *g, const lk_node *x)                    \
    {                                                                           \
        return lk_graph_unary(g, id, x[0]);                                     \
    }                                                                           \
    static void reference_##id(const double *const *x, double *out)             \
    {                                                                           \
        for (int i = 0; i < SIZE; i++) {                                        \
            double v = x[0][i];                                                 \
            out[i] = expression;                                                \
        }                                                                       \
    }
UNARY_CASE(LK_NEGATE, -v)
UNARY_CASE(LK_EXP, exp(v))
UNARY_CASE(LK_LOG, log(v))
UNARY_CASE(LK_LOG1P, log1p(v))
UNARY_CASE(LK_SQRT, sqrt(v))
UNARY_CASE(LK_SQUARE, v *v)
UNARY_CASE(LK_RECIPROCAL, 1 / v)
UNARY_CASE(LK_ABS, fabs(v))
UNARY_CASE(LK_SIGN, v > 0 ? 1.0 : -1.0)
UNARY_CASE(LK_STEP, v > 0 ? 1.0 : 0.0)
UNARY_CASE(LK_TANH, tanh(v))
UNARY_CASE(LK_SIGMOID, 1 / (1 + exp(-v)))
UNARY_CASE(LK_SOFTPLUS, log(1 + exp(v)))
UNARY_CASE(LK_RELU, fmax(v, 0))
UNARY_CASE(LK_SILU, v / (1 + exp(-v)))
UNARY_CASE(LK_GELU, v *erfc(-v / sqrt(2)) / 2)
UNARY_CASE(LK_ERF, erf(v))
UNARY_CASE(LK_SIN, sin(v))
UNARY_CASE(LK_COS, cos(v))

/* (2, 3, 4) with (3, 1): the second is repeated over the first and the last axis. */
#define BINARY_CASE(id, expression)                                             \
    static lk_node build_##id(lk_graph *g, const lk_node *x)                    \
    {                                                                           \
        return lk_graph_binary(g, id, x[0], x[1]);                              \
    }                                                                           \
    static void reference_##id(const double *const *x, double *out)             \
    {                                                                           \
        for (int i = 0; i < SIZE; i++) {                                        \
            double a = x[0][i], b = x[1][i / 4 % 3];                            \
            out[i] = expression;                                                \
        }                                                                       \
    }
BINARY_CASE(LK_ADD, a + b)
BINARY_CASE(LK_SUBTRACT, a - b)
BINARY_CASE(LK_MULTIPLY, a *b)
BINARY_CASE(LK_DIVIDE, a / b)
BINARY_CASE(LK_MAXIMUM, fmax(a, b))
BINARY_CASE(LK_MINIMUM, fmin(a, b))
BINARY_CASE(LK_GREATER, a > b ? 1.0 : 0.0)
BINARY_CASE(LK_EQUAL, a == b ? 1.0 : 0.0)
BINARY_CASE(LK_POWER, pow(a, b))

#define CASE(id, body)                                                          \
    static lk_node build_##id(lk_graph *g, const lk_node *x)                    \
    {                                                                           \
        return body;                                                            \
    }                                                                           \
    static void reference_##id(const double *const *x, double *out)

CASE(affine, lk_graph_affine(g, x[0], -1.5, 0.25))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = -1.5 * x[0][i] + 0.25;
    }
}
CASE(add_number, lk_graph_binary(g, LK_SUBTRACT, lk_graph_constant(g, 2), x[0]))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = 2 - x[0][i];
    }
}
CASE(select, lk_graph_select(g, x[0], x[1], x[2]))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = x[0][i] > 0 ? x[1][i / 4 % 3] : x[2][0];
    }
}
CASE(stop, lk_graph_stop(g, x[0]))
{
    memcpy(out, x[0], SIZE * sizeof *out);
}
CASE(sum_last, lk_graph_sum(g, x[0], 4))
{
    for (int i = 0; i < 6; i++) {
        out[i] = x[0][4 * i] + x[0][4 * i + 1] + x[0][4 * i + 2] + x[0][4 * i + 3];
    }
}
CASE(sum_first, lk_graph_sum(g, x[0], 1))
{
    for (int i = 0; i < 12; i++) {
        out[i] = x[0][i] + x[0][12 + i];
    }
}
CASE(sum_outer, lk_graph_sum(g, x[0], 5))
{
    for (int i = 0; i < 3; i++) {
        out[i] = 0;
        for (int j = 0; j < 8; j++) {
            out[i] += x[0][12 * (j / 4) + 4 * i + j % 4];
        }
    }
}
CASE(mean_all, lk_graph_mean(g, x[0], -1))
{
    *out = 0;
    for (int i = 0; i < SIZE; i++) {
        *out += x[0][i] / SIZE;
    }
}
CASE(max_middle, lk_graph_max(g, x[0], 2))
{
    for (int i = 0; i < 8; i++) {
        const double *v = x[0] + i / 4 * 12 + i % 4;
        out[i] = fmax(fmax(v[0], v[4]), v[8]);
    }
}
CASE(max_first, lk_graph_max(g, x[0], 1))
{
    for (int i = 0; i < 12; i++) {
        out[i] = fmax(x[0][i], x[0][12 + i]);
    }
}
CASE(log_sum_exp, lk_graph_log_sum_exp(g, x[0], 6))
{
    for (int i = 0; i < 2; i++) {
        double sum = 0;
        for (int j = 0; j < 12; j++) {
            sum += exp(x[0][12 * i + j]);
        }
        out[i] = log(sum);
    }
}
CASE(softmax, lk_graph_softmax(g, x[0], 1))
{
    for (int i = 0; i < SIZE; i++) {
        const double *v = x[0] + i / 12 * 12 + i % 4;
        out[i] = exp(x[0][i]) / (exp(v[0]) + exp(v[4]) + exp(v[8]));
    }
}
CASE(layer_norm, lk_graph_layer_norm(g, x[0], 0.01))
{
    for (int i = 0; i < 6; i++) {
        const double *v = x[0] + 4 * i;
        double mean = (v[0] + v[1] + v[2] + v[3]) / 4, variance = 0;
        for (int j = 0; j < 4; j++) {
            variance += (v[j] - mean) * (v[j] - mean) / 4;
        }
        for (int j = 0; j < 4; j++) {
            out[4 * i + j] = (v[j] - mean) / sqrt(variance + 0.01);
        }
    }
}
CASE(reshape, lk_graph_reshape(g, lk_graph_transpose(g, x[0], NULL), 2, ((const int64_t[2]){6, 4})))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = x[0][i / 12 * 12 + i % 3 * 4 + i % 12 / 3];
    }
}
CASE(transpose, lk_graph_transpose(g, x[0], ((const int[3]){2, 0, 1})))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = x[0][i % 6 * 4 + i / 6];
    }
}
CASE(expand, lk_graph_expand(g, x[0], 3, ((const int64_t[3]){2, 3, 4})))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = x[0][i / 4 % 3];
    }
}
CASE(slice, lk_graph_slice(g, x[0], 2, 1, 2, 2))
{
    for (int i = 0; i < 12; i++) {
        out[i] = x[0][i / 2 * 4 + 1 + i % 2 * 2];
    }
}
CASE(slice_first, lk_graph_slice(g, x[0], 0, 1, 1, 1))
{
    memcpy(out, x[0] + 12, 12 * sizeof *out);
}
CASE(concat, lk_graph_concat(g, x[0], x[1], 1))
{
    for (int i = 0; i < 2; i++) {
        memcpy(out + 5 * i, x[0] + 3 * i, 3 * sizeof *out);
        memcpy(out + 5 * i + 3, x[1] + 2 * i, 2 * sizeof *out);
    }
}
CASE(concat_first, lk_graph_concat(g, x[0], x[1], 0))
{
    memcpy(out, x[0], 6 * sizeof *out);
    memcpy(out + 6, x[1], 3 * sizeof *out);
}
CASE(matmul, lk_graph_matmul(g, x[0], x[1]))
{
    for (int i = 0; i < 8; i++) {
        out[i] = 0;
        for (int k = 0; k < 3; k++) {
            out[i] += x[0][i / 2 * 3 + k] * x[1][2 * k + i % 2];
        }
    }
}
/* A transposed, B transposed and every second column: no copy for the first two, one for the third. */
CASE(matmul_views, lk_graph_matmul(g, lk_graph_transpose(g, x[0], NULL),
                                   lk_graph_transpose(g, lk_graph_slice(g, x[1], 1, 0, 4, 2), NULL)))
{
    for (int i = 0; i < 6; i++) {
        out[i] = 0;
        for (int k = 0; k < 4; k++) {
            out[i] += x[0][3 * k + i / 2] * x[1][8 * (i % 2) + 2 * k];
        }
    }
}
CASE(matmul_batch, lk_graph_matmul(g, x[0], x[1]))
{
    for (int i = 0; i < 12; i++) {
        out[i] = 0;
        for (int k = 0; k < 4; k++) {
            out[i] += x[0][i / 2 * 4 + k] * x[1][i / 6 * 8 + 2 * k + i % 2];
        }
    }
}
CASE(matmul_shared, lk_graph_matmul(g, x[0], x[1]))
{
    for (int i = 0; i < 12; i++) {
        out[i] = 0;
        for (int k = 0; k < 4; k++) {
            out[i] += x[0][i / 2 * 4 + k] * x[1][2 * k + i % 2];
        }
    }
}
CASE(gather, lk_graph_gather(g, x[0], x[1]))
{
    for (int i = 0; i < 10; i++) {
        out[i] = x[0][2 * (int)x[1][i / 2] + i % 2];
    }
}
CASE(scatter_add, lk_graph_scatter_add(g, x[0], x[1], 3))
{
    memset(out, 0, 6 * sizeof *out);
    for (int i = 0; i < 10; i++) {
        out[2 * (int)x[1][i / 2] + i % 2] += x[0][i];
    }
}
/* Scalar loops over one image: stride, padding and groups as asked, channels last. */
static void convolve(const double *x, const double *w, double *y, const int64_t n[4], const int64_t k[4], int64_t stride, int64_t pad_y, int64_t pad_x,
                     int64_t groups)
{
    int64_t rows = (n[1] + 2 * pad_y - k[0]) / stride + 1, columns = (n[2] + 2 * pad_x - k[1]) / stride + 1, out_group = k[3] / groups;
    for (int64_t i = 0; i < n[0] * rows * columns * k[3]; i++) {
        int64_t o = i % k[3], c = i / k[3] % columns, r = i / k[3] / columns % rows, image = i / k[3] / columns / rows;
        y[i] = 0;
        for (int64_t t = 0; t < k[0] * k[1] * k[2]; t++) {
            int64_t channel = o / out_group * k[2] + t % k[2], u = c * stride + t / k[2] % k[1] - pad_x, v = r * stride + t / k[2] / k[1] - pad_y;
            if (u >= 0 && u < n[2] && v >= 0 && v < n[1]) {
                y[i] += x[((image * n[1] + v) * n[2] + u) * n[3] + channel] * w[t * k[3] + o];
            }
        }
    }
}
CASE(convolution, lk_graph_convolution(g, x[0], x[1], 1, 1, 1))
{
    convolve(x[0], x[1], out, (const int64_t[4]){2, 4, 3, 2}, (const int64_t[4]){3, 3, 2, 3}, 1, 1, 1, 1);
}
CASE(convolution_strided, lk_graph_convolution(g, x[0], x[1], 2, 1, 2))
{
    convolve(x[0], x[1], out, (const int64_t[4]){2, 5, 4, 4}, (const int64_t[4]){3, 2, 2, 2}, 2, 1, 1, 2);
}
CASE(convolution_depthwise, lk_graph_convolution(g, x[0], x[1], 1, 1, 3))
{
    convolve(x[0], x[1], out, (const int64_t[4]){2, 4, 4, 3}, (const int64_t[4]){3, 3, 1, 3}, 1, 1, 1, 3);
}
CASE(convolution_line, lk_graph_convolution(g, x[0], x[1], 2, 1, 1))
{
    convolve(x[0], x[1], out, (const int64_t[4]){2, 1, 6, 2}, (const int64_t[4]){1, 3, 2, 3}, 2, 0, 1, 1);
}
/* The adjoint by its definition: each output of the convolution gives back to the inputs that it came from. */
CASE(convolution_transposed, lk_graph_transposed_convolution(g, x[0], x[1], 2, 1, 1))
{
    memset(out, 0, 2 * 5 * 5 * 2 * sizeof *out);
    for (int i = 0; i < 2 * 3 * 3 * 3; i++) {
        int o = i % 3, c = i / 3 % 3, r = i / 9 % 3, image = i / 27;
        for (int t = 0; t < 18; t++) {
            int u = 2 * c + t / 2 % 3 - 1, v = 2 * r + t / 6 - 1;
            if (u >= 0 && u < 5 && v >= 0 && v < 5) {
                out[((image * 5 + v) * 5 + u) * 2 + t % 2] += x[0][i] * x[1][t * 3 + o];
            }
        }
    }
}
/* (rows, places, heads, width) = (2, queries, 2, 2) and (2, keys, 2, 2), in the order in which the formula stands. */
static void attend_plainly(const double *const *x, int queries, int keys, bool causal, bool masked, double *out)
{
    for (int i = 0; i < 2 * queries * 2; i++) {
        int head = i % 2, query = i / 2 % queries, row = i / 2 / queries;
        double p[8], sum = 0;
        for (int j = 0; j < keys; j++) {
            bool seen = (!causal || j <= query + keys - queries) && (!masked || x[3][row * keys + j] > 0);
            const double *a = x[0] + 2 * i, *b = x[1] + ((row * keys + j) * 2 + head) * 2;
            p[j] = seen ? exp((a[0] * b[0] + a[1] * b[1]) / sqrt(2)) : 0;
            sum += p[j];
        }
        for (int c = 0; c < 2; c++) {
            out[2 * i + c] = 0;
            for (int j = 0; j < keys; j++) {
                out[2 * i + c] += p[j] / sum * x[2][((row * keys + j) * 2 + head) * 2 + c];
            }
        }
    }
}
CASE(attention, lk_graph_attention(g, x[0], x[1], x[2], -1, 0))
{
    attend_plainly(x, 3, 4, false, false, out);
}
CASE(attention_causal, lk_graph_attention(g, x[0], x[1], x[2], -1, 1))
{
    attend_plainly(x, 3, 4, true, false, out);
}
CASE(attention_masked, lk_graph_attention(g, x[0], x[1], x[2], x[3], 0))
{
    attend_plainly(x, 3, 4, false, true, out);
}
CASE(grouped_matmul, lk_graph_grouped_matmul(g, x[0], x[1], x[2]))
{
    for (int i = 0; i < 12; i++) {
        const double *row = x[0] + i / 2 * 3, *w = x[1] + 6 * (int)x[2][i / 2] + i % 2;
        out[i] = row[0] * w[0] + row[1] * w[2] + row[2] * w[4];
    }
}
CASE(rms_norm, lk_graph_rms_norm(g, x[0], 0.01))
{
    for (int i = 0; i < SIZE; i++) {
        const double *v = x[0] + i / 4 * 4;
        out[i] = x[0][i] / sqrt((v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + v[3] * v[3]) / 4 + 0.01);
    }
}
CASE(group_norm, lk_graph_group_norm(g, x[0], 2, 0.01))
{
    for (int i = 0; i < SIZE; i++) { /* 2 rows of 3 places and 2 groups of 2 channels */
        const double *v = x[0] + i / 12 * 12 + i % 4 / 2 * 2;
        double mean = 0, variance = 0;
        for (int j = 0; j < 6; j++) {
            mean += v[j / 2 * 4 + j % 2] / 6;
        }
        for (int j = 0; j < 6; j++) {
            variance += (v[j / 2 * 4 + j % 2] - mean) * (v[j / 2 * 4 + j % 2] - mean) / 6;
        }
        out[i] = (x[0][i] - mean) / sqrt(variance + 0.01);
    }
}
CASE(halve, lk_graph_halve(g, x[0]))
{
    for (int i = 0; i < 2 * 2 * 2; i++) { /* 2 rows of 4 x 2 pixels and 2 channels, 1 column after */
        const double *v = x[0] + i / 4 * 16 + i / 2 % 2 * 8 + i % 2;
        out[i] = (v[0] + v[2] + v[4] + v[6]) / 4;
    }
}
CASE(double, lk_graph_double(g, x[0]))
{
    for (int i = 0; i < 2 * 4 * 6 * 2; i++) { /* 2 rows of 2 x 3 pixels and 2 channels */
        int c = i % 2, column = i / 2 % 6, row = i / 12 % 4, n = i / 48;
        out[i] = x[0][((n * 2 + row / 2) * 3 + column / 2) * 2 + c];
    }
}
CASE(segment_mean, lk_graph_segment_mean(g, x[0], x[1], 4))
{
    double count[4] = {0};
    memset(out, 0, 8 * sizeof *out);
    for (int i = 0; i < 5; i++) {
        count[(int)x[1][i]]++;
    }
    for (int i = 0; i < 10; i++) {
        out[2 * (int)x[1][i / 2] + i % 2] += x[0][i] / count[(int)x[1][i / 2]];
    }
}
CASE(segment_max, lk_graph_segment_max(g, x[0], x[1], 2))
{
    for (int i = 0; i < 4; i++) {
        out[i] = -(double)INFINITY;
    }
    for (int i = 0; i < 10; i++) {
        double *most = &out[2 * (int)x[1][i / 2] + i % 2];
        *most = fmax(*most, x[0][i]);
    }
}
CASE(segment_softmax, lk_graph_segment_softmax(g, x[0], x[1], 3))
{
    for (int i = 0; i < 10; i++) {
        double sum = 0;
        for (int j = i % 2; j < 10; j += 2) {
            sum += x[1][j / 2] == x[1][i / 2] ? exp(x[0][j]) : 0;
        }
        out[i] = exp(x[0][i]) / sum;
    }
}
CASE(sort, lk_graph_sort(g, x[0]))
{
    memcpy(out, x[0], 7 * sizeof *out);
    for (int i = 1; i < 7; i++) {
        for (int j = i; j > 0 && out[j - 1] > out[j]; j--) {
            double v = out[j];
            out[j] = out[j - 1];
            out[j - 1] = v;
        }
    }
}
CASE(cumulative_sum, lk_graph_cumulative_sum(g, x[0]))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = x[0][i] + (i % 4 > 0 ? out[i - 1] : 0);
    }
}
CASE(lower_triangle, lk_graph_lower_triangle(g, x[0]))
{
    for (int i = 0; i < SIZE; i++) {
        out[i] = i % 4 > i / 4 % 3 ? 0 : x[0][i];
    }
}
static void factor3(const double *a, double *l)
{
    memset(l, 0, 9 * sizeof *l);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j <= i; j++) {
            double v = a[3 * i + j];
            for (int k = 0; k < j; k++) {
                v -= l[3 * i + k] * l[3 * j + k];
            }
            l[3 * i + j] = i == j ? sqrt(v) : v / l[3 * j + j];
        }
    }
}
CASE(cholesky, lk_graph_cholesky(g, x[0]))
{
    factor3(x[0], out);
    factor3(x[0] + 9, out + 9);
}
static void solve3(const double *l, const double *b, bool transpose, double *out)
{
    for (int s = 0; s < 3; s++) {
        int i = transpose ? 2 - s : s;
        for (int c = 0; c < 2; c++) {
            double v = b[2 * i + c];
            for (int k = transpose ? i + 1 : 0; k < (transpose ? 3 : i); k++) {
                v -= (transpose ? l[3 * k + i] : l[3 * i + k]) * out[2 * k + c];
            }
            out[2 * i + c] = v / l[4 * i];
        }
    }
}
CASE(solve_triangular, lk_graph_solve_triangular(g, x[0], x[1], 0))
{
    solve3(x[0], x[1], false, out);
    solve3(x[0] + 9, x[1] + 6, false, out + 6);
}
CASE(solve_transposed, lk_graph_solve_triangular(g, x[0], x[1], 1))
{
    solve3(x[0], x[1], true, out);
    solve3(x[0] + 9, x[1] + 6, true, out + 6);
}
CASE(log_determinant, lk_graph_log_determinant(g, lk_graph_cholesky(g, x[0])))
{
    for (int m = 0; m < 2; m++) { /* Sarrus, of the lower triangle */
        const double *a = x[0] + 9 * m;
        out[m] = log(a[0] * a[4] * a[8] + 2 * a[3] * a[6] * a[7] - a[4] * a[6] * a[6] - a[0] * a[7] * a[7] - a[8] * a[3] * a[3]);
    }
}
CASE(eigenvalues, lk_graph_symmetric_eigen(g, x[0], NULL, NULL))
{
    for (int m = 0; m < 2; m++) { /* of a 2 x 2 matrix, by its trace and determinant */
        const double *a = x[0] + 4 * m, off = (a[1] + a[2]) / 2, middle = (a[0] + a[3]) / 2;
        double half = sqrt((a[0] - a[3]) * (a[0] - a[3]) / 4 + off * off);
        out[2 * m] = middle - half;
        out[2 * m + 1] = middle + half;
    }
}
static lk_node build_eigenvectors(lk_graph *g, const lk_node *x)
{
    lk_node vectors = -1;
    lk_graph_symmetric_eigen(g, x[0], &vectors, NULL);
    return vectors;
}
/* What a checkpoint holds: tanh(x w) w'. */
static lk_node two_layers(lk_graph *g, const lk_node *x, void *state)
{
    (void)state;
    return lk_graph_matmul(g, lk_graph_unary(g, LK_TANH, lk_graph_matmul(g, x[0], x[1])), lk_graph_transpose(g, x[1], NULL));
}
CASE(checkpoint, lk_graph_checkpoint(g, two_layers, NULL, x, 2))
{
    for (int i = 0; i < 12; i++) {
        out[i] = 0;
        for (int k = 0; k < 2; k++) {
            double sum = 0;
            for (int j = 0; j < 3; j++) {
                sum += x[0][i / 3 * 3 + j] * x[1][2 * j + k];
            }
            out[i] += tanh(sum) * x[1][2 * (i % 3) + k];
        }
    }
}
/* z = tanh(z / 2 + x) after many rounds. */
static lk_node contraction(lk_graph *g, const lk_node *z, void *state)
{
    (void)state;
    return lk_graph_unary(g, LK_TANH, lk_graph_binary(g, LK_ADD, lk_graph_affine(g, z[0], 0.5, 0), z[1]));
}
CASE(fixed_point, lk_graph_fixed_point(g, contraction, NULL, lk_graph_affine(g, x[0], 0, 0), x, 1, 60, 60))
{
    for (int i = 0; i < 6; i++) {
        out[i] = 0;
        for (int round = 0; round < 200; round++) {
            out[i] = tanh(out[i] / 2 + x[0][i]);
        }
    }
}
/* A loop that is unrolled: three steps of gradient descent on (z - x)^4 / 4 from 0. */
static lk_node build_unrolled(lk_graph *g, const lk_node *x)
{
    lk_node z = lk_graph_affine(g, x[0], 0, 0);
    for (int i = 0; i < 3; i++) {
        lk_node d = lk_graph_binary(g, LK_SUBTRACT, z, x[0]);
        z = lk_graph_binary(g, LK_SUBTRACT, z, lk_graph_affine(g, lk_graph_binary(g, LK_MULTIPLY, d, lk_graph_unary(g, LK_SQUARE, d)), 0.1, 0));
    }
    return z;
}
static void reference_unrolled(const double *const *x, double *out)
{
    for (int i = 0; i < 6; i++) {
        out[i] = 0;
        for (int round = 0; round < 3; round++) {
            out[i] -= 0.1 * pow(out[i] - x[0][i], 3);
        }
    }
}
/* Many at once: a net of two layers, whose loss is that of a normal distribution. */
static lk_node build_net(lk_graph *g, const lk_node *x)
{
    lk_node hidden = lk_graph_unary(g, LK_SILU, lk_graph_matmul(g, x[0], x[1]));
    lk_node out = lk_graph_matmul(g, hidden, x[2]);
    lk_node mean = lk_graph_slice(g, out, 1, 0, 1, 1), spread = lk_graph_affine(g, lk_graph_unary(g, LK_SOFTPLUS, lk_graph_slice(g, out, 1, 1, 1, 1)), 1, 1);
    lk_node z = lk_graph_binary(g, LK_DIVIDE, lk_graph_affine(g, mean, 1, -0.3), spread);
    lk_node loss = lk_graph_binary(g, LK_ADD, lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, z), 0.5, 0), lk_graph_unary(g, LK_LOG, spread));
    return lk_graph_mean(g, loss, -1);
}

#define CUBE 3, {2, 3, 4}
#define QUERIES {4, {2, 3, 2, 2}, NORMAL}
#define KEYS {4, {2, 4, 2, 2}, NORMAL}
#define UNARY(id, kind, error) {#id, 1, {{CUBE, kind}}, build_##id, reference_##id, error, false}
#define BINARY(id, kind) {#id, 2, {{CUBE, kind}, {2, {3, 1}, kind}}, build_##id, reference_##id, 1e-6, false}
#define ONE(id) {#id, 1, {{CUBE, NORMAL}}, build_##id, reference_##id, 4e-6, false}
static const example examples[] = {
    UNARY(LK_NEGATE, NORMAL, 0), UNARY(LK_EXP, NORMAL, 4e-7), UNARY(LK_LOG, POSITIVE, 1e-6), UNARY(LK_LOG1P, POSITIVE, 4e-7),
    UNARY(LK_SQRT, POSITIVE, 2e-7), UNARY(LK_SQUARE, NORMAL, 2e-7), UNARY(LK_RECIPROCAL, AWAY, 2e-7), UNARY(LK_ABS, AWAY, 1e-7),
    {"LK_SIGN", 1, {{CUBE, AWAY}}, build_LK_SIGN, reference_LK_SIGN, 0, true},
    {"LK_STEP", 1, {{CUBE, AWAY}}, build_LK_STEP, reference_LK_STEP, 0, true},
    UNARY(LK_TANH, NORMAL, 4e-7), UNARY(LK_SIGMOID, NORMAL, 4e-7), UNARY(LK_SOFTPLUS, NORMAL, 4e-7), UNARY(LK_RELU, AWAY, 1e-7),
    UNARY(LK_SILU, NORMAL, 4e-7), UNARY(LK_GELU, NORMAL, 1e-6), UNARY(LK_ERF, NORMAL, 1e-6), UNARY(LK_SIN, NORMAL, 2e-7),
    UNARY(LK_COS, NORMAL, 1e-6),
    BINARY(LK_ADD, NORMAL), BINARY(LK_SUBTRACT, NORMAL), BINARY(LK_MULTIPLY, NORMAL), BINARY(LK_DIVIDE, AWAY),
    BINARY(LK_MAXIMUM, NORMAL), BINARY(LK_MINIMUM, NORMAL), BINARY(LK_POWER, POSITIVE),
    {"LK_GREATER", 2, {{CUBE, NORMAL}, {2, {3, 1}, NORMAL}}, build_LK_GREATER, reference_LK_GREATER, 0, true},
    {"LK_EQUAL", 2, {{CUBE, NORMAL}, {2, {3, 1}, NORMAL}}, build_LK_EQUAL, reference_LK_EQUAL, 0, true},
    ONE(affine), ONE(add_number),
    {"select", 3, {{CUBE, FIXED_NORMAL}, {2, {3, 1}, NORMAL}, {0, {0}, NORMAL}}, build_select, reference_select, 1e-7, false},
    {"stop", 1, {{CUBE, NORMAL}}, build_stop, reference_stop, 1e-7, true},
    ONE(sum_last), ONE(sum_first), ONE(sum_outer), ONE(mean_all), ONE(max_middle), ONE(max_first), ONE(log_sum_exp), ONE(softmax),
    ONE(layer_norm), ONE(reshape), ONE(transpose), {"expand", 1, {{2, {3, 1}, NORMAL}}, build_expand, reference_expand, 1e-7, false},
    ONE(slice), ONE(slice_first),
    {"concat", 2, {{2, {2, 3}, NORMAL}, {2, {2, 2}, NORMAL}}, build_concat, reference_concat, 1e-7, false},
    {"concat_first", 2, {{2, {2, 3}, NORMAL}, {2, {1, 3}, NORMAL}}, build_concat_first, reference_concat_first, 1e-7, false},
    {"matmul", 2, {{2, {4, 3}, NORMAL}, {2, {3, 2}, NORMAL}}, build_matmul, reference_matmul, 4e-6, false},
    {"matmul_views", 2, {{2, {4, 3}, NORMAL}, {2, {2, 8}, NORMAL}}, build_matmul_views, reference_matmul_views, 4e-6, false},
    {"matmul_batch", 2, {{3, {2, 3, 4}, NORMAL}, {3, {2, 4, 2}, NORMAL}}, build_matmul_batch, reference_matmul_batch, 4e-6, false},
    {"matmul_shared", 2, {{3, {2, 3, 4}, NORMAL}, {2, {4, 2}, NORMAL}}, build_matmul_shared, reference_matmul_shared, 4e-6, false},
    {"gather", 2, {{2, {3, 2}, NORMAL}, {1, {5}, INDEX3}}, build_gather, reference_gather, 1e-7, false},
    {"scatter_add", 2, {{2, {5, 2}, NORMAL}, {1, {5}, INDEX3}}, build_scatter_add, reference_scatter_add, 1e-6, false},
    {"convolution", 2, {{4, {2, 4, 3, 2}, NORMAL}, {4, {3, 3, 2, 3}, NORMAL}}, build_convolution, reference_convolution, 1e-5, false},
    {"convolution_strided", 2, {{4, {2, 5, 4, 4}, NORMAL}, {4, {3, 2, 2, 2}, NORMAL}}, build_convolution_strided, reference_convolution_strided,
     1e-5, false},
    {"convolution_depthwise", 2, {{4, {2, 4, 4, 3}, NORMAL}, {4, {3, 3, 1, 3}, NORMAL}}, build_convolution_depthwise,
     reference_convolution_depthwise, 1e-5, false},
    {"convolution_line", 2, {{3, {2, 6, 2}, NORMAL}, {3, {3, 2, 3}, NORMAL}}, build_convolution_line, reference_convolution_line, 1e-5, false},
    {"convolution_transposed", 2, {{4, {2, 3, 3, 3}, NORMAL}, {4, {3, 3, 2, 3}, NORMAL}}, build_convolution_transposed,
     reference_convolution_transposed, 1e-5, false},
    {"attention", 3, {QUERIES, KEYS, KEYS}, build_attention, reference_attention, 1e-5, false},
    {"attention_causal", 3, {QUERIES, KEYS, KEYS}, build_attention_causal, reference_attention_causal, 1e-5, false},
    {"attention_masked", 4, {QUERIES, KEYS, KEYS, {2, {2, 4}, FIXED_NORMAL}}, build_attention_masked, reference_attention_masked, 1e-5, false},
    {"grouped_matmul", 3, {{2, {6, 3}, NORMAL}, {3, {3, 3, 2}, NORMAL}, {1, {6}, GROUPS3}}, build_grouped_matmul, reference_grouped_matmul, 4e-6,
     false},
    ONE(rms_norm), {"group_norm", 1, {{CUBE, NORMAL}}, build_group_norm, reference_group_norm, 2e-5, false},
    {"halve", 1, {{4, {2, 4, 2, 2}, NORMAL}}, build_halve, reference_halve, 1e-6, false},
    {"double", 1, {{4, {2, 2, 3, 2}, NORMAL}}, build_double, reference_double, 1e-7, false},
    {"segment_mean", 2, {{2, {5, 2}, NORMAL}, {1, {5}, INDEX3}}, build_segment_mean, reference_segment_mean, 1e-6, false},
    {"segment_max", 2, {{2, {5, 2}, NORMAL}, {1, {5}, INDEX3}}, build_segment_max, reference_segment_max, 1e-6, false},
    {"segment_softmax", 2, {{2, {5, 2}, NORMAL}, {1, {5}, INDEX3}}, build_segment_softmax, reference_segment_softmax, 2e-6, false},
    {"sort", 1, {{1, {7}, NORMAL}}, build_sort, reference_sort, 1e-7, false},
    ONE(cumulative_sum), ONE(lower_triangle),
    {"cholesky", 1, {{3, {2, 3, 3}, STRONG}}, build_cholesky, reference_cholesky, 4e-6, false},
    {"solve_triangular", 2, {{3, {2, 3, 3}, STRONG}, {3, {2, 3, 2}, NORMAL}}, build_solve_triangular, reference_solve_triangular, 4e-6, false},
    {"solve_transposed", 2, {{3, {2, 3, 3}, STRONG}, {3, {2, 3, 2}, NORMAL}}, build_solve_transposed, reference_solve_transposed, 4e-6, false},
    {"log_determinant", 1, {{3, {2, 3, 3}, STRONG}}, build_log_determinant, reference_log_determinant, 4e-6, false},
    {"eigenvalues", 1, {{3, {2, 2, 2}, STRONG}}, build_eigenvalues, reference_eigenvalues, 4e-6, false},
    {"eigenvectors", 1, {{3, {2, 3, 3}, STRONG}}, build_eigenvectors, NULL, 1e-5, false},
    {"checkpoint", 2, {{2, {4, 3}, NORMAL}, {2, {3, 2}, NORMAL}}, build_checkpoint, reference_checkpoint, 4e-6, false},
    {"fixed_point", 1, {{2, {2, 3}, NORMAL}}, build_fixed_point, reference_fixed_point, 4e-6, false},
    {"unrolled", 1, {{2, {2, 3}, NORMAL}}, build_unrolled, reference_unrolled, 4e-6, false},
    {"net", 3, {{2, {4, 3}, NORMAL}, {2, {3, 4}, NORMAL}, {2, {4, 2}, NORMAL}}, build_net, NULL, 1e-5, false},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

#endif

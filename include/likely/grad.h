/* Differentiable tensors: a graph of operations captured once, differentiated as a graph, planned once and run any number of times. */
#ifndef LIKELY_GRAD_H
#define LIKELY_GRAD_H

#include <likely/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental: everything in this header may still change. */

/** A graph of tensor operations. Build it, plan it, then run it as often as wanted: a run allocates nothing and its results are the
 * same bits on any number of threads. Building never fails at once: the first mistake is kept and told by lk_graph_plan(), so that
 * an expression can be written as one. A graph belongs to one thread at a time. */
typedef struct lk_graph lk_graph;

/** A tensor of a graph: row-major, up to 4 axes, each at least 1. A negative number stands for a tensor that could not be made. */
typedef int32_t lk_node;

/** What the numbers of a graph are. */
typedef enum lk_precision {
    LK_FLOAT32 = 0, /**< float: for nets */
    LK_FLOAT64 = 1  /**< double: for checks and small statistics */
} lk_precision;

/** Most axes of a tensor. */
#define LK_AXES_MAX 4

/** Functions of one tensor, elementwise: name, value, word. */
#define LK_UNARY_LIST(X)                       \
    X(LK_NEGATE, 0, "negate")                  \
    X(LK_EXP, 1, "exp")                        \
    X(LK_LOG, 2, "log")                        \
    X(LK_LOG1P, 3, "log1p")                    \
    X(LK_SQRT, 4, "sqrt")                      \
    X(LK_SQUARE, 5, "square")                  \
    X(LK_RECIPROCAL, 6, "reciprocal")          \
    X(LK_ABS, 7, "abs")                        \
    X(LK_SIGN, 8, "sign")                      \
    X(LK_STEP, 9, "step")                      \
    X(LK_TANH, 10, "tanh")                     \
    X(LK_SIGMOID, 11, "sigmoid")               \
    X(LK_SOFTPLUS, 12, "softplus")             \
    X(LK_RELU, 13, "relu")                     \
    X(LK_SILU, 14, "silu")                     \
    X(LK_GELU, 15, "gelu")                     \
    X(LK_ERF, 16, "erf")                       \
    X(LK_SIN, 17, "sin")                       \
    X(LK_COS, 18, "cos")

/** A function of one tensor. sign and step (1 above 0, else 0) have gradient 0; that of abs at 0 is 0. silu(x) = x sigmoid(x),
 * gelu(x) = x Phi(x) with the normal distribution function. */
typedef enum lk_unary {
#define LK_UNARY_ENUM(name, value, text) name = value,
    LK_UNARY_LIST(LK_UNARY_ENUM)
#undef LK_UNARY_ENUM
} lk_unary;

/** Functions of two tensors, elementwise: name, value, word. */
#define LK_BINARY_LIST(X)                      \
    X(LK_ADD, 0, "add")                        \
    X(LK_SUBTRACT, 1, "subtract")              \
    X(LK_MULTIPLY, 2, "multiply")              \
    X(LK_DIVIDE, 3, "divide")                  \
    X(LK_MAXIMUM, 4, "maximum")                \
    X(LK_MINIMUM, 5, "minimum")                \
    X(LK_GREATER, 6, "greater")                \
    X(LK_EQUAL, 7, "equal")                    \
    X(LK_POWER, 8, "power")

/** A function of two tensors. greater and equal give 1 or 0 and have gradient 0; where maximum and minimum are tied, the gradient goes
 * to the first. power wants a base above 0. */
typedef enum lk_binary {
#define LK_BINARY_ENUM(name, value, text) name = value,
    LK_BINARY_LIST(LK_BINARY_ENUM)
#undef LK_BINARY_ENUM
} lk_binary;

/** An expression that is built more than once: for a checkpoint or a fixed point. It builds the same nodes each time it is called.
 * @param graph the graph being built.
 * @param x its tensors.
 * @param state what was handed over with it; it must live until all derivatives are built.
 * @return a tensor. */
typedef lk_node (*lk_function)(lk_graph *graph, const lk_node *x, void *state);

/** Laws that lk_graph_random() draws from. */
typedef enum lk_law {
    LK_LAW_UNIFORM = 0, /**< within (0, 1) */
    LK_LAW_NORMAL = 1   /**< mean 0, standard deviation 1 */
} lk_law;

/** Makes an empty graph.
 * @param context a context; borrowed until lk_graph_plan().
 * @param precision of all its numbers.
 * @param out receives the graph; free it by lk_graph_free().
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_MEMORY.
 * Cost: constant. */
LK_API LK_NODISCARD lk_status lk_graph_new(lk_context *context, lk_precision precision, lk_graph **out);

/** Frees a graph with all its tensors.
 * @param graph NULL is fine. */
LK_API void lk_graph_free(lk_graph *graph);

/** Data that the caller writes before each run.
 * @param graph a graph being built.
 * @param axes 0..4.
 * @param shape `axes` lengths, each at least 1.
 * @return the tensor. */
LK_API lk_node lk_graph_input(lk_graph *graph, int axes, const int64_t *shape);

/** Data whose first axis are the rows of a minibatch. Work that treats each row by itself is run in blocks of rows, from the input
 * through all layers, so that what is between stays in the cache. All such inputs of a graph have the same number of rows.
 * @param graph a graph being built.
 * @param axes 1..4.
 * @param shape `axes` lengths, each at least 1; shape[0] are the rows.
 * @return the tensor. */
LK_API lk_node lk_graph_rows(lk_graph *graph, int axes, const int64_t *shape);

/** Values that stay from run to run, zero at first: what is learned.
 * @param graph a graph being built.
 * @param axes 0..4.
 * @param shape `axes` lengths, each at least 1.
 * @return the tensor. */
LK_API lk_node lk_graph_parameter(lk_graph *graph, int axes, const int64_t *shape);

/** A number, as a tensor of no axes; it broadcasts to any shape.
 * @param graph a graph being built.
 * @param value any number.
 * @return the tensor. */
LK_API lk_node lk_graph_constant(lk_graph *graph, double value);

/** f(x), elementwise.
 * @param graph a graph being built.
 * @param f one of lk_unary.
 * @param x any tensor.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_unary(lk_graph *graph, lk_unary f, lk_node x);

/** f(a, b), elementwise. Shapes are aligned at their last axes; an axis of length 1, or one that is not there, is repeated.
 * @param graph a graph being built.
 * @param f one of lk_binary.
 * @param a any tensor.
 * @param b any tensor of matching shape.
 * @return a tensor of the common shape. */
LK_API lk_node lk_graph_binary(lk_graph *graph, lk_binary f, lk_node a, lk_node b);

/** scale x + shift, elementwise.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param scale a number.
 * @param shift a number.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_affine(lk_graph *graph, lk_node x, double scale, double shift);

/** a where condition > 0, else b; shapes broadcast. What is not chosen may be inf or NaN and gets gradient 0.
 * @param graph a graph being built.
 * @param condition any tensor; it gets no gradient.
 * @param a any tensor of matching shape.
 * @param b any tensor of matching shape.
 * @return a tensor of the common shape. */
LK_API lk_node lk_graph_select(lk_graph *graph, lk_node condition, lk_node a, lk_node b);

/** x itself, whose derivative is taken as 0.
 * @param graph a graph being built.
 * @param x any tensor.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_stop(lk_graph *graph, lk_node x);

/** Sums over axes, in double precision inside.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes a set of axes, the sum of 1 << axis; -1 = all of them.
 * @return a tensor in which these axes have length 1, or of no axes where axes is -1. */
LK_API lk_node lk_graph_sum(lk_graph *graph, lk_node x, int axes);

/** Means over axes.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes as in lk_graph_sum().
 * @return as lk_graph_sum(). */
LK_API lk_node lk_graph_mean(lk_graph *graph, lk_node x, int axes);

/** Largest values over axes. Where several are the largest they share the gradient.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes as in lk_graph_sum().
 * @return as lk_graph_sum(). */
LK_API lk_node lk_graph_max(lk_graph *graph, lk_node x, int axes);

/** log sum exp(x) over axes, without overflow.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes as in lk_graph_sum().
 * @return as lk_graph_sum(). */
LK_API lk_node lk_graph_log_sum_exp(lk_graph *graph, lk_node x, int axes);

/** exp(x) / sum exp(x) over one axis.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axis 0-based.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_softmax(lk_graph *graph, lk_node x, int axis);

/** (x - mean) / sqrt(variance + epsilon) over the last axis (Ba, Kiros and Hinton 2016, arXiv:1607.06450), without gain and bias.
 * @param graph a graph being built.
 * @param x any tensor of at least one axis.
 * @param epsilon above 0, such as 1e-5.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_layer_norm(lk_graph *graph, lk_node x, double epsilon);

/** x / sqrt(mean of x^2 + epsilon) over the last axis (Zhang and Sennrich 2019, arXiv:1910.07467), without gain.
 * @param graph a graph being built.
 * @param x any tensor of at least one axis.
 * @param epsilon above 0, such as 1e-5.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_rms_norm(lk_graph *graph, lk_node x, double epsilon);

/** (x - mean) / sqrt(variance + epsilon) over all axes but the first, in groups of the last axis (Wu and He 2018, arXiv:1803.08494),
 * without gain and bias.
 * @param graph a graph being built.
 * @param x rows, any axes, channels.
 * @param groups that the channels are cut into, equally.
 * @param epsilon above 0, such as 1e-5.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_group_norm(lk_graph *graph, lk_node x, int64_t groups, double epsilon);

/** The same numbers in another shape.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes 0..4.
 * @param shape `axes` lengths of the same product.
 * @return the tensor. */
LK_API lk_node lk_graph_reshape(lk_graph *graph, lk_node x, int axes, const int64_t *shape);

/** Axes in another order; a view, nothing is copied.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param order for each axis of the result the axis of x; NULL exchanges the last two.
 * @return the tensor. */
LK_API lk_node lk_graph_transpose(lk_graph *graph, lk_node x, const int *order);

/** x repeated to a larger shape by the rules of lk_graph_binary(); a view, nothing is copied.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axes 0..4, at least those of x.
 * @param shape `axes` lengths.
 * @return the tensor. */
LK_API lk_node lk_graph_expand(lk_graph *graph, lk_node x, int axes, const int64_t *shape);

/** Every step-th entry along an axis; a view, nothing is copied.
 * @param graph a graph being built.
 * @param x any tensor.
 * @param axis 0-based.
 * @param start the first entry, 0-based.
 * @param length how many, at least 1.
 * @param step at least 1.
 * @return the tensor. */
LK_API lk_node lk_graph_slice(lk_graph *graph, lk_node x, int axis, int64_t start, int64_t length, int64_t step);

/** Two tensors one behind the other along an axis.
 * @param graph a graph being built.
 * @param a any tensor.
 * @param b a tensor of the same other lengths.
 * @param axis 0-based.
 * @return the tensor. */
LK_API lk_node lk_graph_concat(lk_graph *graph, lk_node a, lk_node b, int axis);

/** Matrix product over the last two axes, a (.., m, k) by b (.., k, n); axes in front broadcast.
 * @param graph a graph being built.
 * @param a a tensor of at least two axes.
 * @param b a tensor of at least two axes.
 * @return a tensor (.., m, n). */
LK_API lk_node lk_graph_matmul(lk_graph *graph, lk_node a, lk_node b);

/** Each row by the matrix of its group, where the rows of a group stand together: one product a group, without padding.
 * @param graph a graph being built.
 * @param x n x in.
 * @param weights groups x in x out.
 * @param index a tensor of one axis, n whole numbers from 0 to groups - 1, ascending; a run refuses others. It gets no gradient.
 * @return n x out. */
LK_API lk_node lk_graph_grouped_matmul(lk_graph *graph, lk_node x, lk_node weights, lk_node index);

/** Convolution over one or two axes, channels last: y[o] = sum_k x[o stride + k - padding] w[k], with zeros around x. As many groups as
 * channels make it depthwise.
 * @param graph a graph being built.
 * @param x (rows, length, channels) or (rows, height, width, channels).
 * @param w (taps, channels / groups, out) or (taps, taps, channels / groups, out); the outputs of a group stand together.
 * @param stride at least 1, of both axes.
 * @param padding zeros on each side, at least 0.
 * @param groups that channels and outputs are cut into, equally.
 * @return (rows, length, out) or (rows, height, width, out). */
LK_API lk_node lk_graph_convolution(lk_graph *graph, lk_node x, lk_node w, int64_t stride, int64_t padding, int64_t groups);

/** The adjoint of lk_graph_convolution() with the same w: from its outputs to its inputs, (length - 1) stride + taps - 2 padding long.
 * @param graph a graph being built.
 * @param x (rows, length, out) or (rows, height, width, out).
 * @param w (taps, channels / groups, out) or (taps, taps, channels / groups, out).
 * @param stride at least 1, of both axes.
 * @param padding at least 0.
 * @param groups that channels and outputs are cut into, equally.
 * @return (rows, length, channels) or (rows, height, width, channels). */
LK_API lk_node lk_graph_transposed_convolution(lk_graph *graph, lk_node x, lk_node w, int64_t stride, int64_t padding, int64_t groups);

/** The mean of each 2 x 2 pixels.
 * @param graph a graph being built.
 * @param x (rows, height, width, channels), height and width even.
 * @return (rows, height / 2, width / 2, channels). */
LK_API lk_node lk_graph_halve(lk_graph *graph, lk_node x);

/** Each pixel as 2 x 2.
 * @param graph a graph being built.
 * @param x (rows, height, width, channels).
 * @return (rows, 2 height, 2 width, channels). */
LK_API lk_node lk_graph_double(lk_graph *graph, lk_node x);

/** Attention: out_i = sum_j p_ij v_j, p_ij the softmax over j of q_i . k_j / sqrt(width), by tiles with a running maximum, so that the
 * matrix p is never held (Rabe and Staats 2021, arXiv:2112.05682; Dao et al. 2022, arXiv:2205.14135).
 * @param graph a graph being built.
 * @param q (rows, queries, heads, width).
 * @param k (rows, keys, heads, width).
 * @param v like k.
 * @param mask (rows, keys): keys that take part have a number above 0; -1 = all. A query that sees none gets 0.
 * @param causal not 0: the last query sees all keys, each one before it one less.
 * @return like q. */
LK_API lk_node lk_graph_attention(lk_graph *graph, lk_node q, lk_node k, lk_node v, lk_node mask, int causal);

/** Rows of a table by number: an embedding.
 * @param graph a graph being built.
 * @param table rows x width.
 * @param index a tensor of one axis, n whole numbers from 0 to rows - 1 (a float holds them up to 2^24); a run refuses others.
 * @return n x width. */
LK_API lk_node lk_graph_gather(lk_graph *graph, lk_node table, lk_node index);

/** Adds row i of x to row index[i] of a table of zeros, in the order of i: sums of segments.
 * @param graph a graph being built.
 * @param x n x width.
 * @param index a tensor of one axis, n whole numbers from 0 to rows - 1; a run refuses others.
 * @param rows at least 1.
 * @return rows x width. */
LK_API lk_node lk_graph_scatter_add(lk_graph *graph, lk_node x, lk_node index, int64_t rows);

/** Means of segments: as lk_graph_scatter_add(), by the number of rows; 0 of an empty one.
 * @param graph a graph being built.
 * @param x n x width.
 * @param index a tensor of one axis, n whole numbers from 0 to segments - 1.
 * @param segments at least 1.
 * @return segments x width. */
LK_API lk_node lk_graph_segment_mean(lk_graph *graph, lk_node x, lk_node index, int64_t segments);

/** Largest values of segments; -infinity of an empty one. Where several are the largest they share the gradient.
 * @param graph a graph being built.
 * @param x n x width.
 * @param index a tensor of one axis, n whole numbers from 0 to segments - 1.
 * @param segments at least 1.
 * @return segments x width. */
LK_API lk_node lk_graph_segment_max(lk_graph *graph, lk_node x, lk_node index, int64_t segments);

/** exp(x) / sum exp(x) over the rows of each segment.
 * @param graph a graph being built.
 * @param x n x width.
 * @param index a tensor of one axis, n whole numbers from 0 to segments - 1.
 * @param segments at least 1.
 * @return n x width. */
LK_API lk_node lk_graph_segment_softmax(lk_graph *graph, lk_node x, lk_node index, int64_t segments);

/** The permutation that sorts: x[order[0]] <= x[order[1]] ..., equal ones as they stood, NaN last.
 * @param graph a graph being built.
 * @param x a tensor of one axis.
 * @return whole numbers, an index for lk_graph_gather(); no gradient. */
LK_API lk_node lk_graph_order(lk_graph *graph, lk_node x);

/** x in ascending order; each entry's gradient goes to where it came from.
 * @param graph a graph being built.
 * @param x a tensor of one axis.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_sort(lk_graph *graph, lk_node x);

/** Running sums along the last axis.
 * @param graph a graph being built.
 * @param x any tensor.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_cumulative_sum(lk_graph *graph, lk_node x);

/** The lower triangle of the last two axes, its diagonal included, and zeros above.
 * @param graph a graph being built.
 * @param x a tensor of at least two axes.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_lower_triangle(lk_graph *graph, lk_node x);

/** The factor L of A = L L', lower triangular. Of A the lower triangle is read, and gets the gradient.
 * @param graph a graph being built.
 * @param a (.., d, d), positive definite; a run refuses others (LK_ERROR_NUMERIC).
 * @return (.., d, d). */
LK_API lk_node lk_graph_cholesky(lk_graph *graph, lk_node a);

/** L^-1 B, or L'^-1 B.
 * @param graph a graph being built.
 * @param l (.., d, d), of which the lower triangle is read.
 * @param b (.., d, n).
 * @param transpose not 0: by L'.
 * @return (.., d, n). */
LK_API lk_node lk_graph_solve_triangular(lk_graph *graph, lk_node l, lk_node b, int transpose);

/** log det (L L') = 2 sum_i log L_ii.
 * @param graph a graph being built.
 * @param l (.., d, d), a Cholesky factor.
 * @return (..). */
LK_API lk_node lk_graph_log_determinant(lk_graph *graph, lk_node l);

/** Eigenvalues of a symmetric matrix, ascending. Values nearer to each other than 1e-10 (floats: 1e-5) of the largest count as equal: the
 * parts of a gradient that would turn their vectors into each other, which are not defined, are taken as 0. What does not depend on the
 * choice of vectors within equal values, such as sums of functions of the values, has its right gradient.
 * @param graph a graph being built.
 * @param a (.., d, d); of its two triangles the mean is taken.
 * @param vectors receives (.., d, d), a unit vector a row, the largest entry of each above 0; may be NULL.
 * @param smallest_gap receives the smallest distance of two values by the largest of them, to see how near they are to being equal, with
 * axes of length 1 in place of the last two; may be NULL. It gets no gradient.
 * @return (.., d). */
LK_API lk_node lk_graph_symmetric_eigen(lk_graph *graph, lk_node a, lk_node *vectors, lk_node *smallest_gap);

/** Random numbers, new in each run: a draw depends on (seed, stream, run, row) alone, a row being what stands at one place of the
 * first axis.
 * @param graph a graph being built.
 * @param law one of lk_law.
 * @param axes 0..4.
 * @param shape `axes` lengths.
 * @param seed any number.
 * @param stream tells the random tensors of a seed apart.
 * @return the tensor; it gets no gradient. */
LK_API lk_node lk_graph_random(lk_graph *graph, lk_law law, int axes, const int64_t *shape, int64_t seed, int64_t stream);

/** Gradients of the sum of y with respect to some tensors, by reverse accumulation, as new nodes of the graph: they may be
 * differentiated again.
 * @param graph a graph being built.
 * @param y any tensor.
 * @param x `count` tensors that y may depend on.
 * @param count at least 1.
 * @param out receives `count` tensors of the shapes of x; zeros where y does not depend on it. */
LK_API void lk_graph_gradient(lk_graph *graph, lk_node y, const lk_node *x, int count, lk_node *out);

/** The directional derivative of y, sum_i (dy/dx_i) tangent_i, by forward accumulation (a Jacobian-vector product), as a new node.
 * @param graph a graph being built.
 * @param y any tensor.
 * @param x `count` tensors that y may depend on.
 * @param tangents `count` tensors of the shapes of x.
 * @param count at least 1.
 * @return a tensor of y's shape. */
LK_API lk_node lk_graph_jvp(lk_graph *graph, lk_node y, const lk_node *x, const lk_node *tangents, int count);

/** v' dy/dx, by reverse accumulation (a vector-Jacobian product), as new nodes.
 * @param graph a graph being built.
 * @param y any tensor.
 * @param v a tensor of y's shape; it is not differentiated.
 * @param x `count` tensors that y may depend on.
 * @param count at least 1.
 * @param out receives `count` tensors of the shapes of x. */
LK_API void lk_graph_vjp(lk_graph *graph, lk_node y, lk_node v, const lk_node *x, int count, lk_node *out);

/** H v with H the second derivatives of the sum of y: forward over reverse accumulation.
 * @param graph a graph being built.
 * @param y any tensor.
 * @param x a tensor that y depends on.
 * @param v a tensor of x's shape.
 * @return a tensor of x's shape. */
LK_API lk_node lk_graph_hessian_vector(lk_graph *graph, lk_node y, lk_node x, lk_node v);

/** The divergence sum_i d field_i / d x_i of each row, exact by d forward products, or estimated from one as v' J v (Hutchinson 1989,
 * Commun. Stat. Simul. 18, 1059-1076).
 * @param graph a graph being built.
 * @param field rows x d, each row a function of its row of x.
 * @param x rows x d.
 * @param probe v, rows x d, random of mean 0 and unit covariance; -1 = exact.
 * @return rows x 1. */
LK_API lk_node lk_graph_divergence(lk_graph *graph, lk_node field, lk_node x, lk_node probe);

/** The value of y with the gradient of x: straight through (Bengio, Leonard and Courville 2013, arXiv:1308.3432).
 * @param graph a graph being built.
 * @param x any tensor.
 * @param y a tensor of x's shape, such as x rounded.
 * @return the tensor. */
LK_API lk_node lk_graph_straight_through(lk_graph *graph, lk_node x, lk_node y);

/** f(x), whose inner tensors are computed again for the gradient and need no memory until then (Chen et al. 2016, arXiv:1604.06174).
 * @param graph a graph being built.
 * @param f an expression.
 * @param state handed to f.
 * @param x `count` tensors: all that f depends on and a gradient is wanted of, weights too.
 * @param count 1..5.
 * @return f(x). */
LK_API lk_node lk_graph_checkpoint(lk_graph *graph, lk_function f, void *state, const lk_node *x, int count);

/** z = f(z, x) by rounds from a start, with the derivatives of the solution and not of the rounds (Bai, Kolter and Koltun 2019,
 * arXiv:1909.01377): w = gradient + J' w by rounds, J = df/dz, and w' df/dx.
 * @param graph a graph being built.
 * @param f z and then the tensors x to a tensor of z's shape; a contraction of z.
 * @param state handed to f.
 * @param start any tensor of z's shape; it gets no gradient.
 * @param x `count` tensors: all else that f depends on and a gradient is wanted of.
 * @param count 0..5.
 * @param rounds of z = f(z, x), at least 1.
 * @param adjoint_rounds at least 1.
 * @return z. */
LK_API lk_node lk_graph_fixed_point(lk_graph *graph, lk_function f, void *state, lk_node start, const lk_node *x, int count, int64_t rounds,
                                    int64_t adjoint_rounds);

/** Keeps a tensor's values readable after each run.
 * @param graph a graph being built.
 * @param x any tensor.
 * @return x, or a copy of it where x is a view. */
LK_API lk_node lk_graph_output(lk_graph *graph, lk_node x);

/** Ends the building: orders the work, gives each tensor its place, allocates once.
 * @param context a context.
 * @param graph a graph with at least one output.
 * Errors: the first mistake of the building (LK_ERROR_ARGUMENT with the operation and the shapes), LK_ERROR_MEMORY.
 * Cost: about the square of the number of tensors; memory for the largest set that is needed at one moment. */
LK_API LK_NODISCARD lk_status lk_graph_plan(lk_context *context, lk_graph *graph);

/** Computes all outputs. Allocates nothing.
 * @param context a context; its threads share the work.
 * @param graph a planned graph.
 * Errors: LK_ERROR_ARGUMENT (not planned), LK_ERROR_DATA (an index out of its range), LK_ERROR_CANCELLED.
 * Cost: the operations of the graph. */
LK_API LK_NODISCARD lk_status lk_graph_run(lk_context *context, lk_graph *graph);

/** Sets the number of the next run, which random tensors depend on; each run adds 1 to it.
 * @param graph a graph.
 * @param run at least 0. */
LK_API void lk_graph_run_number(lk_graph *graph, int64_t run);

/** The values of an input, a parameter or an output, row-major: float * or double * by the graph's precision.
 * @param graph a planned graph.
 * @param x a tensor.
 * @return borrowed until the graph is freed; NULL where there are none to be had. */
LK_API void *lk_graph_values(const lk_graph *graph, lk_node x);

/** The shape of a tensor.
 * @param graph a graph.
 * @param x a tensor.
 * @param shape receives up to 4 lengths; may be NULL.
 * @return the number of axes; -1 for no tensor. */
LK_API int lk_graph_shape(const lk_graph *graph, lk_node x, int64_t *shape);

/** Bytes that a planned graph occupies for tensors.
 * @param graph a graph.
 * @return 0 before lk_graph_plan(). */
LK_API int64_t lk_graph_bytes(const lk_graph *graph);

/** Steps that train the parameters of a graph. */
typedef struct lk_optimizer lk_optimizer;

/** Rules of a step. */
typedef enum lk_rule {
    LK_RULE_ADAMW = 0,   /**< AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2) */
    LK_RULE_MOMENTUM = 1 /**< stochastic gradient descent with momentum beta1 */
} lk_rule;

/** How parameters are trained. Set `size` to sizeof(lk_optimizer_options); zero elsewhere means the default. */
typedef struct lk_optimizer_options {
    size_t size;     /**< sizeof(lk_optimizer_options) */
    lk_rule rule;    /**< AdamW if not set */
    double rate;     /**< learning rate, above 0; default 0.001 */
    double decay;    /**< weight decay a step and unit of the learning rate, apart from the gradient, of tensors of two axes or more;
                        default 0 */
    double beta1;    /**< of the mean gradient, within (0, 1); default 0.9. For momentum too */
    double beta2;    /**< of the mean squared gradient, within (0, 1); default 0.999 */
    double epsilon;  /**< beside the root of the mean square; default 1e-8 */
    double clip;     /**< largest norm of all gradients together, which are scaled down to it; 0 = none */
    double average;  /**< keeps an exponential moving average of the parameters, of this factor a step within (0, 1); 0 = none */
    int64_t warmup;  /**< steps in which the rate grows to its value, linearly; default 0 */
    int64_t steps;   /**< the rate falls to 0 at this step by half a cosine; 0 = it stays */
    double sharpness; /**< how far lk_optimizer_climb() goes; 0 = it is not asked for */
} lk_optimizer_options;

/** Makes an optimizer for parameters of a planned graph.
 * @param context a context.
 * @param graph a planned graph; borrowed as long as the optimizer lives.
 * @param parameters `count` parameters.
 * @param gradients `count` outputs of the graph of the same shapes.
 * @param count at least 1.
 * @param options NULL for all defaults.
 * @param out receives the optimizer; free it by lk_optimizer_free().
 * Errors: LK_ERROR_ARGUMENT (an option out of its range, a tensor that is no parameter or output), LK_ERROR_MEMORY.
 * Cost: up to four numbers of memory a parameter. */
LK_API LK_NODISCARD lk_status lk_optimizer_new(lk_context *context, lk_graph *graph, const lk_node *parameters,
                                               const lk_node *gradients, int count, const lk_optimizer_options *options,
                                               lk_optimizer **out);

/** Frees an optimizer.
 * @param optimizer NULL is fine. */
LK_API void lk_optimizer_free(lk_optimizer *optimizer);

/** Changes the parameters by one step along the gradients of the last run. Allocates nothing; the same bits on any number of threads.
 * @param context a context.
 * @param optimizer an optimizer.
 * Errors: LK_ERROR_NUMERIC (a gradient that is infinite or NaN while clip is set; nothing is changed), LK_ERROR_CANCELLED.
 * Cost: some flops a parameter. */
LK_API LK_NODISCARD lk_status lk_optimizer_step(lk_context *context, lk_optimizer *optimizer);

/** Moves the parameters uphill by `sharpness` along the gradients g of the last run, to w + sharpness g / |g|. The next run then has the gradients
 * of sharpness-aware minimization (Foret et al. 2021, arXiv:2010.01412), and the next step first takes the parameters back, so that
 * a step is run, climb, run, step. Where g is 0 nothing moves. Allocates nothing; the same bits on any number of threads.
 * @param context a context.
 * @param optimizer an optimizer whose options have a sharpness.
 * Errors: LK_ERROR_ARGUMENT (no sharpness, or two climbs without a step), LK_ERROR_NUMERIC (a gradient that is infinite or NaN), LK_ERROR_CANCELLED.
 * Cost: some flops a parameter. */
LK_API LK_NODISCARD lk_status lk_optimizer_climb(lk_context *context, lk_optimizer *optimizer);

/** The moving average of a parameter.
 * @param optimizer an optimizer.
 * @param index which of its parameters, 0-based.
 * @return borrowed values in the graph's precision; NULL where no average is kept. */
LK_API const void *lk_optimizer_average(const lk_optimizer *optimizer, int index);

#ifdef __cplusplus
}
#endif
#endif

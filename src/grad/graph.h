/* The inside of a graph: nodes, the table of operations, and what a run hands to each of them. */
#ifndef LIKELY_GRAPH_H
#define LIKELY_GRAPH_H

#include "core/core.h"
#include <likely/grad.h>

enum { LKI_INPUTS_MAX = 6, LKI_WHOLE_MAX = 8 };

/* The random streams of graphs: beside those of core/philox.h, and 256 apart. */
enum { LKI_STREAM_GRAPH = 160 };

typedef enum lki_op_code {
    LKI_OP_INPUT,
    LKI_OP_PARAMETER,
    LKI_OP_CONSTANT,
    LKI_OP_UNARY,
    LKI_OP_BINARY,
    LKI_OP_AFFINE,
    LKI_OP_SELECT,
    LKI_OP_COPY,
    LKI_OP_STOP,
    LKI_OP_SUM,
    LKI_OP_MAX,
    LKI_OP_RESHAPE,
    LKI_OP_TRANSPOSE,
    LKI_OP_EXPAND,
    LKI_OP_ALIAS,
    LKI_OP_FLIP,
    LKI_OP_SLICE,
    LKI_OP_PAD,
    LKI_OP_CONCAT,
    LKI_OP_MATMUL,
    LKI_OP_GROUPED,
    LKI_OP_GROUPED_WEIGHT,
    LKI_OP_CONVOLUTION,
    LKI_OP_CONVOLUTION_WEIGHT,
    LKI_OP_NORM,
    LKI_OP_NORM_GRADIENT,
    LKI_OP_RESIZE,
    LKI_OP_ATTENTION,
    LKI_OP_ATTENTION_GRADIENT,
    LKI_OP_GATHER,
    LKI_OP_SCATTER,
    LKI_OP_ORDER,
    LKI_OP_CUMULATE,
    LKI_OP_TRIANGLE,
    LKI_OP_CHOLESKY,
    LKI_OP_SOLVE,
    LKI_OP_EIGEN,
    LKI_OP_FIXED_POINT,
    LKI_OP_CHECKPOINT,
    LKI_OP_RANDOM,
    LKI_OP_COUNT
} lki_op_code;

typedef struct lki_node {
    lki_op_code op;
    int code; /* lk_unary, lk_binary or lk_law */
    int axes;
    int input_count;
    bool view;    /* shares the memory of `base`, a node that is no view */
    bool batched; /* holds one entry a row of the minibatch, and row i depends on row i alone */
    bool kept;    /* has memory of its own from run to run: leaves and outputs */
    lk_node in[LKI_INPUTS_MAX];
    lk_node base;
    int64_t shape[LK_AXES_MAX];
    int64_t stride[LK_AXES_MAX]; /* in elements; 0 = repeated */
    int64_t offset;              /* of a view within its base, in elements */
    int64_t whole[LKI_WHOLE_MAX]; /* axes, order, start, ... of the operation */
    double real[2];
    lk_function function; /* of a checkpoint or a fixed point: what is built again for its derivative */
    void *state;
    /* The plan. */
    int phase;          /* of a node that is no view: when it is computed; -1 = before the run, or not at all */
    bool needed;        /* for some output */
    bool alone;         /* is there within its batched phase only: each thread has it for the block it works on */
    int64_t alone_at;   /* where, in a thread's memory for that */
    int64_t first_task; /* of its phase, where that is not batched */
    char *data;
} lki_node;

/* A call of an operation's kernel: units first..last-1 of its output. A unit is one place of the first axis unless the operation
 * says otherwise. What a unit gets does not depend on how units are cut. */
typedef struct lki_work {
    lk_context *ctx;
    const lk_graph *graph;
    const lki_node *node;
    int64_t first, last;
    char *scratch; /* of the bytes that the operation asked for */
} lki_work;

/* All that is known of an operation, in one place. Derivatives are nodes of the same graph; a missing one (-1 in `tangents`, or
 * as a result) is zero. */
typedef struct lki_op {
    const char *name;
    lk_status (*run)(const lki_work *work); /* NULL: leaves and views */
    /* Whether row i of the output needs row i of that input alone. */
    bool (*by_row)(const lk_graph *graph, const lki_node *node, int input);
    int64_t (*units)(const lk_graph *graph, const lki_node *node); /* NULL: the first axis */
    double (*work)(const lk_graph *graph, const lki_node *node);   /* flops of all units; NULL: one an element */
    int64_t (*scratch)(const lk_graph *graph, const lki_node *node); /* bytes that a task needs for itself; NULL: none */
    /* Gradient of `input` where `g` is that of the node: a tensor of the input's shape. */
    lk_node (*reverse)(lk_graph *graph, lk_node y, int input, lk_node g);
    /* The node's tangent from its inputs' tangents. */
    lk_node (*forward)(lk_graph *graph, lk_node y, const lk_node *tangents);
} lki_op;
extern const lki_op *const lki_ops[LKI_OP_COUNT];

typedef struct lki_phase lki_phase;

struct lk_graph {
    lki_memory memory;
    lk_context *building; /* NULL once planned */
    lk_precision precision;
    size_t bytes;         /* of a number */
    lki_node *nodes;
    size_t capacity;
    int32_t count;
    int64_t rows;         /* of the minibatch, 0 = there is none */
    lk_status status;     /* the first mistake */
    char mistake[400];
    /* The plan: nodes in the order of their phases. */
    lki_phase *phases;
    int32_t phase_count;
    lk_node *order;
    char *arena;
    int64_t arena_bytes;
    char *scratch;        /* threads x scratch_bytes */
    int64_t scratch_bytes;
    int threads;          /* that were planned for */
    lk_graph *copies;     /* one a thread: the nodes with the data of `alone` ones in its own memory */
    char *alone;          /* threads x alone_bytes */
    int64_t alone_bytes;
    int64_t block_rows;   /* rows that go through a batched phase together */
    int64_t run_number;
};

/* graph.c. Every builder calls lki_graph_node(): it copies the operation, takes contiguous strides, and says whether rows are
 * batched. -1 where a mistake was made before. */
bool lki_graph_has(lk_graph *graph, const char *operation, lk_node x); /* x is a tensor of this graph, which is being built */
lk_node lki_graph_node(lk_graph *graph, const lki_node *node);
lk_node lki_graph_mistake(lk_graph *graph, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *lki_shape_text(const lki_node *node, char *buffer, size_t size); /* "(3, 4)" */
int64_t lki_node_count(const lki_node *node);                               /* of elements */
bool lki_node_contiguous(const lki_node *node);
bool lki_same_shape(const lki_node *a, const lki_node *b);
lk_node lki_graph_contiguous(lk_graph *graph, lk_node x); /* x or a copy of it */
lk_node lki_graph_sum_to(lk_graph *graph, lk_node x, const lki_node *shape); /* undoes broadcasting */
lk_node lki_graph_expand_to(lk_graph *graph, lk_node x, const lki_node *shape);
lk_node lki_graph_alias(lk_graph *graph, lk_node x); /* x under another name: a leaf of what is built on it */
/* x with zeros above diagonal `offset` and `diagonal` times what is on it. */
lk_node lki_graph_triangle(lk_graph *graph, lk_node x, int64_t offset, double diagonal);
lk_node lki_graph_flip(lk_graph *graph, lk_node x, int axis); /* a view with the axis backwards */
lk_node lki_graph_pad(lk_graph *graph, lk_node x, int axis, int64_t start, int64_t step, int64_t length);
bool lki_shape_broadcast(const lki_node *a, const lki_node *b, lki_node *out);
bool lki_by_row_aligned(const lk_graph *graph, const lki_node *node, int input);

/* A view of x, with x's strides and offset until the caller changes them. */
lki_node lki_view_of(const lk_graph *graph, lki_op_code op, lk_node x);
bool lki_by_place(const lk_graph *graph, const lki_node *node, int input); /* the first axis of any input that has it */
bool lki_by_first(const lk_graph *graph, const lki_node *node, int input); /* the first input by rows, the others whole */

/* The product C (m x n, row by row `ldc` apart) = scale A B + keep C, each factor as it lies or transposed, in the graph's precision. */
typedef struct lki_factor {
    const void *at;
    int64_t leading;
    bool transposed;
} lki_factor;
void lki_product_run(lk_precision precision, int64_t m, int64_t n, int64_t k, double scale, lki_factor a, lki_factor b, double keep,
                     void *c, int64_t ldc);

/* defined.c: derivatives of a fused operation from its definition by others. */
typedef lk_node (*lki_definition)(lk_graph *graph, const lki_node *node, const lk_node *inputs);
lk_node lki_defined_reverse(lk_graph *graph, lk_node y, int input, lk_node gradient, lki_definition define);
lk_node lki_defined_forward(lk_graph *graph, lk_node y, const lk_node *tangents, lki_definition define);

/* Number i of contiguous values of the graph's precision. */
static inline double lki_number_at(const lk_graph *graph, const char *x, int64_t i)
{
    return graph->precision == LK_FLOAT32 ? (double)((const float *)(const void *)x)[i] : ((const double *)(const void *)x)[i];
}

static inline void lki_number_put(const lk_graph *graph, char *x, int64_t i, double v)
{
    if (graph->precision == LK_FLOAT32) {
        ((float *)(void *)x)[i] = (float)v;
    } else {
        ((double *)(void *)x)[i] = v;
    }
}

/* Where unit `first` of a node begins, given that its units are places of the first axis. */
static inline const char *lki_node_at(const lk_graph *graph, const lki_node *node, int64_t first)
{
    return node->data + (size_t)(first * (node->axes > 0 ? node->stride[0] : 0)) * graph->bytes;
}

/* plan.c: nodes that are computed together. In a batched phase each task takes a block of rows through all of its nodes; in any
 * other, a task is some units of one node. */
struct lki_phase {
    bool batched;
    int32_t first, count; /* of `order` */
    int64_t tasks;
    double work; /* flops, roughly */
};
int64_t lki_node_units(const lk_graph *graph, const lki_node *node);
int64_t lki_node_grain(const lk_graph *graph, const lki_node *node); /* units of a task; depends on shapes alone */

#endif

/* Nets described as data: a JSON text says what a net is, and a graph gets it as nodes. */
#ifndef LIKELY_NETS_H
#define LIKELY_NETS_H

#include <likely/grad.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental: everything in this header may still change. */

/** A net: what it is made of, and the shapes of its parameters; no values. Immutable; it may be shared between contexts. */
typedef struct lk_net lk_net;

/** Reads a description such as {"net": "mlp", "inputs": 3, "outputs": 2, "width": 64}; docs/grad.md lists the nets and their options. What is
 * not said has its default.
 * @param context a context.
 * @param description a JSON object.
 * @param out receives the net; free it by lk_net_free().
 * Errors: LK_ERROR_FORMAT (no JSON), LK_ERROR_ARGUMENT (an unknown net or option, a value out of its range; sizes that do not go together),
 * LK_ERROR_MEMORY.
 * Cost: that of building its graph once. */
LK_API LK_NODISCARD lk_status lk_net_new(lk_context *context, const char *description, lk_net **out);

/** Frees a net.
 * @param net NULL is fine. */
LK_API void lk_net_free(lk_net *net);

/** The description with every option, keys sorted: what a model file keeps.
 * @param net a net.
 * @return borrowed JSON. */
LK_API const char *lk_net_description(const lk_net *net);

/** How many parameters (tensors) a net has.
 * @param net a net.
 * @return at least 1. */
LK_API int lk_net_parameter_count(const lk_net *net);

/** How many numbers all its parameters hold.
 * @param net a net.
 * @return at least 1. */
LK_API int64_t lk_net_size(const lk_net *net);

/** Adds the net's parameters to a graph.
 * @param net a net.
 * @param graph a graph being built.
 * @param parameters receives lk_net_parameter_count() tensors. */
LK_API void lk_net_parameters(const lk_net *net, lk_graph *graph, lk_node *parameters);

/** Adds an input of a net to a graph, as rows of a minibatch.
 * @param net a net.
 * @param graph a graph being built.
 * @param rows at least 1.
 * @param which 0 = what the net is a function of; 1 = the time (rows x 1) or the mask (rows x places), where it takes one.
 * @return the tensor. */
LK_API lk_node lk_net_input(const lk_net *net, lk_graph *graph, int64_t rows, int which);

/** The net's answer.
 * @param net a net.
 * @param graph a graph being built.
 * @param parameters of lk_net_parameters(), of the same graph.
 * @param x what the net is a function of: (rows, inputs), (rows, places, inputs) or (rows, height, width, channels).
 * @param second the time or the mask; -1 = none.
 * @param also receives what the net says beside its answer, or -1: of coupling, log |det dz/dx| (rows x 1); of experts, how uneven the
 * choice is (1 = even; Fedus, Zoph and Shazeer 2022, arXiv:2101.03961, equation 4). May be NULL.
 * @return the answer: docs/grad.md says of which shape. */
LK_API lk_node lk_net_apply(const lk_net *net, lk_graph *graph, const lk_node *parameters, lk_node x, lk_node second, lk_node *also);

/** The inverse of a coupling net, exact.
 * @param net a net of the kind coupling.
 * @param graph a graph being built.
 * @param parameters of lk_net_parameters(), of the same graph.
 * @param z rows x inputs.
 * @param also receives log |det dx/dz| (rows x 1); may be NULL.
 * @return x, rows x inputs. */
LK_API lk_node lk_net_invert(const lk_net *net, lk_graph *graph, const lk_node *parameters, lk_node z, lk_node *also);

/** Writes starting values into a net's parameters: He et al. 2015 (arXiv:1502.01852) and what each net's own start is.
 * @param net a net.
 * @param graph a planned graph.
 * @param parameters of lk_net_parameters(), of this graph.
 * @param seed any number. */
LK_API void lk_net_start(const lk_net *net, lk_graph *graph, const lk_node *parameters, int64_t seed);

#ifdef __cplusplus
}
#endif
#endif

/* Descriptions of nets: JSON to options to parameters and nodes. */
#include "grad/architecture.h"

#include "core/philox.h"
#include "data/json_text.h"
#include <string.h>

/* The stream of starting values, beside that of random tensors. */
enum { STREAM_START = LKI_STREAM_GRAPH + 1 };

static const lki_architecture *const kinds[] = {&lki_mlp,  &lki_residual, &lki_convex,   &lki_autoregressive,
                                                &lki_unet, &lki_attention, &lki_coupling, &lki_experts};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* ---- options ---- */

int64_t lki_net_value(const lk_net *net, const char *option)
{
    for (int i = 0; i < net->kind->option_count; i++) {
        if (strcmp(net->kind->options[i].name, option) == 0) {
            return net->values[i];
        }
    }
    return 0;
}

/* The n-th of some words, or the number of a word; -1 = there is none. */
static int64_t word_number(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (int64_t n = 0;; n++) {
        size_t here = strcspn(words, " ");
        if (here == length && memcmp(words, word, length) == 0) {
            return n;
        }
        if (words[here] == '\0') {
            return -1;
        }
        words += here + 1;
    }
}

static json_t *word_at(const char *words, int64_t n)
{
    for (; n > 0; n--) {
        words += strcspn(words, " ") + 1;
    }
    return json_stringn(words, strcspn(words, " "));
}

static lk_status option_read(lk_context *ctx, const lki_architecture *kind, const lki_net_option *o, const json_t *given, int64_t *value)
{
    if (o->words != NULL) {
        int64_t n = json_is_string(given) ? word_number(o->words, json_string_value(given)) : -1;
        if (n < 0) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "net %s: %s is one of: %s", kind->name, o->name, o->words);
        }
        *value = n;
        return LK_OK;
    }
    bool flag = json_is_boolean(given) && o->low == 0 && o->high == 1;
    if ((!flag && !json_is_integer(given)) || (!flag && (json_integer_value(given) < o->low || json_integer_value(given) > o->high))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "net %s: %s is a whole number from %lld to %lld", kind->name, o->name, (long long)o->low,
                        (long long)o->high);
    }
    *value = flag ? json_is_true(given) : json_integer_value(given);
    return LK_OK;
}

static lk_status kind_read(lk_context *ctx, const json_t *object, lk_net *net)
{
    const char *name = json_string_value(json_object_get(object, "net"));
    for (int i = 0; name != NULL && i < KINDS; i++) {
        net->kind = strcmp(kinds[i]->name, name) == 0 ? kinds[i] : net->kind;
    }
    if (net->kind == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "net: '%s' is none; there are mlp, residual, convex, autoregressive, unet, attention, coupling and "
                        "experts", name != NULL ? name : "");
    }
    const char *key;
    json_t *given;
    json_object_foreach((json_t *)(uintptr_t)object, key, given) {
        bool known = strcmp(key, "net") == 0;
        for (int i = 0; !known && i < net->kind->option_count; i++) {
            known = strcmp(net->kind->options[i].name, key) == 0;
        }
        if (!known) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "net %s: there is no option %s", net->kind->name, key);
        }
    }
    for (int i = 0; i < net->kind->option_count; i++) {
        const lki_net_option *o = &net->kind->options[i];
        net->values[i] = o->value;
        given = json_object_get(object, o->name);
        if (given != NULL) {
            LKI_TRY(option_read(ctx, net->kind, o, given, &net->values[i]));
        } else if (o->value < o->low) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "net %s: %s must be given", net->kind->name, o->name);
        }
    }
    return LK_OK;
}

/* All options, sorted. */
static lk_status describe(lk_context *ctx, lk_net *net)
{
    json_t *object = json_object();
    lk_status status = object == NULL ? lki_json_memory(ctx) : LK_OK;
    for (int i = 0; status == LK_OK && i < net->kind->option_count; i++) {
        const lki_net_option *o = &net->kind->options[i];
        status = lki_json_set(ctx, object, o->name, o->words != NULL ? word_at(o->words, net->values[i]) : json_integer(net->values[i]));
    }
    if (status == LK_OK) {
        status = lki_json_set(ctx, object, "net", json_string(net->kind->name));
    }
    if (status == LK_OK) {
        status = lki_json_write(ctx, object, true, &net->description);
    }
    json_decref(object);
    return status;
}

/* ---- the net ---- */

/* Builds it once, over two rows, to see its parameters and whether all goes together. */
static lk_status collect(lk_context *ctx, lk_net *net)
{
    lk_graph *g = NULL;
    LKI_TRY(lk_graph_new(ctx, LK_FLOAT32, &g));
    lki_builder b = {.g = g, .net = net, .collecting = net};
    lk_node x = lk_net_input(net, g, 2, 0), second = -1, also = -1;
    int64_t shape[LK_AXES_MAX];
    if (net->kind->shape(net, 1, shape) > 0) {
        second = lk_net_input(net, g, 2, 1);
    }
    lk_node y = net->kind->build(&b, x, second, &also);
    lk_status status = g->status != LK_OK ? lki_fail(ctx, g->status, "net %s: %s", net->kind->name, g->mistake) : LK_OK;
    if (status == LK_OK && y < 0) {
        status = lki_fail(ctx, LK_ERROR_ARGUMENT, "net %s: its options do not go together", net->kind->name);
    }
    lk_graph_free(g);
    return status;
}

lk_status lk_net_new(lk_context *ctx, const char *description, lk_net **out)
{
    json_t *object = NULL;
    lk_net *net = NULL;
    lki_begin(ctx);
    if (description == NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "net: there is no description");
    }
    LKI_TRY(lki_json_read(ctx, description, strlen(description), "net", &object));
    lk_status status = json_is_object(object) ? lki_zeros(ctx, 1, sizeof *net, &net)
                                              : lki_fail(ctx, LK_ERROR_ARGUMENT, "net: the description is no JSON object");
    if (status == LK_OK) {
        net->memory = lki_memory_of(ctx);
        status = kind_read(ctx, object, net);
    }
    status = status == LK_OK ? describe(ctx, net) : status;
    status = status == LK_OK ? collect(ctx, net) : status;
    json_decref(object);
    if (status != LK_OK) {
        lk_net_free(net);
        return status;
    }
    *out = net;
    return LK_OK;
}

void lk_net_free(lk_net *net)
{
    if (net == NULL) {
        return;
    }
    lki_memory memory = net->memory;
    lki_memory_release(&memory, net->leaves);
    lki_memory_release(&memory, net->description);
    lki_memory_release(&memory, net);
}

const char *lk_net_description(const lk_net *net)
{
    return net->description;
}

int lk_net_parameter_count(const lk_net *net)
{
    return net->count;
}

static int64_t leaf_size(const lki_net_leaf *leaf)
{
    int64_t size = 1;
    for (int i = 0; i < leaf->axes; i++) {
        size *= leaf->shape[i];
    }
    return size;
}

int64_t lk_net_size(const lk_net *net)
{
    int64_t size = 0;
    for (int i = 0; i < net->count; i++) {
        size += leaf_size(&net->leaves[i]);
    }
    return size;
}

void lk_net_parameters(const lk_net *net, lk_graph *g, lk_node *parameters)
{
    for (int i = 0; i < net->count; i++) {
        parameters[i] = lk_graph_parameter(g, net->leaves[i].axes, net->leaves[i].shape);
    }
}

lk_node lk_net_input(const lk_net *net, lk_graph *g, int64_t rows, int which)
{
    int64_t shape[LK_AXES_MAX] = {rows};
    int axes = which == 0 || which == 1 ? net->kind->shape(net, which, shape) : 0;
    return axes > 0 ? lk_graph_rows(g, axes, shape) : lki_graph_mistake(g, "net %s: it has no input %d", net->kind->name, which);
}

/* Whether x is what the net takes. */
static bool takes(lk_graph *g, const lk_net *net, lk_node x, int which)
{
    int64_t wanted[LK_AXES_MAX], shape[LK_AXES_MAX];
    if (!lki_graph_has(g, net->kind->name, x)) {
        return false;
    }
    int axes = net->kind->shape(net, which, wanted);
    bool same = lk_graph_shape(g, x, shape) == axes;
    for (int i = 1; same && i < axes; i++) {
        same = shape[i] == wanted[i];
    }
    if (!same) {
        char text[96];
        lki_graph_mistake(g, "net %s: input %d has shape %s, which is not what it takes", net->kind->name, which,
                          lki_shape_text(&g->nodes[x], text, sizeof text));
    }
    return same;
}

lk_node lk_net_apply(const lk_net *net, lk_graph *g, const lk_node *parameters, lk_node x, lk_node second, lk_node *also)
{
    lk_node beside = -1;
    lki_builder b = {.g = g, .net = net, .parameters = parameters};
    int64_t shape[LK_AXES_MAX];
    if (!takes(g, net, x, 0) || (second >= 0 && !takes(g, net, second, 1))) {
        return -1;
    }
    if (second < 0 && net->kind->shape(net, 1, shape) > 0) {
        return lki_graph_mistake(g, "net %s: its second input is missing", net->kind->name);
    }
    lk_node y = net->kind->build(&b, x, second, &beside);
    if (also != NULL) {
        *also = beside;
    }
    return y;
}

lk_node lk_net_invert(const lk_net *net, lk_graph *g, const lk_node *parameters, lk_node z, lk_node *also)
{
    lk_node beside = -1;
    lki_builder b = {.g = g, .net = net, .parameters = parameters};
    if (net->kind->invert == NULL) {
        return lki_graph_mistake(g, "net %s: it has no inverse", net->kind->name);
    }
    lk_node x = takes(g, net, z, 0) ? net->kind->invert(&b, z, &beside) : -1;
    if (also != NULL) {
        *also = beside;
    }
    return x;
}

void lk_net_start(const lk_net *net, lk_graph *g, const lk_node *parameters, int64_t seed)
{
    for (int i = 0; i < net->count; i++) {
        const lki_net_leaf *leaf = &net->leaves[i];
        lki_stream s = lki_stream_new((uint64_t)seed, STREAM_START, (uint64_t)i);
        void *values = lk_graph_values(g, parameters[i]);
        for (int64_t k = 0; values != NULL && k < leaf_size(leaf); k++) {
            double v = leaf->constant + (leaf->spread > 0 ? leaf->spread * lki_random_normal(&s) : 0);
            if (g->precision == LK_FLOAT32) {
                ((float *)values)[k] = (float)v;
            } else {
                ((double *)values)[k] = v;
            }
        }
    }
}

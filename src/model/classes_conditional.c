/* How some features depend on others where there are classes: each class's own law, weighed by the class's posterior probability given
 * the values that are there. */
#include "model/classes.h"

#include "core/philox.h"

#include <string.h>

/* One class. */
typedef struct part {
    void *conditional;
    void *evidence; /* the class's marginal over the given features; NULL where none is given */
    int64_t terms;
    int64_t uniform; /* of them uniform, the last */
} part;

typedef struct conditional {
    lki_memory memory;
    const lki_classes *classes;
    int64_t given, wanted, terms, uniform;
    part parts[]; /* a class each */
} conditional;

static int64_t all_terms(const void *state)
{
    const lki_classes *c = state;
    int64_t terms = 0;
    for (int64_t k = 0; k < c->count; k++) {
        terms += c->method->operations->conditional->terms(c->states[k]);
    }
    return terms;
}

static int64_t uniform_of(const lki_classes *c, int64_t k)
{
    const lki_conditional_operations *ops = c->method->operations->conditional;
    return ops->uniform != NULL ? ops->uniform(c->states[k]) : 0;
}

static int64_t all_uniform(const void *state)
{
    const lki_classes *c = state;
    int64_t uniform = 0;
    for (int64_t k = 0; k < c->count; k++) {
        uniform += uniform_of(c, k);
    }
    return uniform;
}

static void conditional_free(const lki_memory *memory, void *state)
{
    conditional *c = state;
    if (c == NULL) {
        return;
    }
    const lki_operations *ops = c->classes->method->operations;
    for (int64_t k = 0; k < c->classes->count; k++) {
        if (c->parts[k].conditional != NULL) {
            ops->conditional->free(memory, c->parts[k].conditional);
        }
        if (c->parts[k].evidence != NULL) {
            ops->free(memory, c->parts[k].evidence);
        }
    }
    lki_memory_release(memory, c);
}

static lk_status conditional_new(lk_context *ctx, const void *state, const int64_t *given, int64_t given_count, const int64_t *wanted,
                                 int64_t wanted_count, void **out)
{
    const lki_classes *classes = state;
    const lki_operations *ops = classes->method->operations;
    conditional *c;
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *c + (size_t)classes->count * sizeof c->parts[0], &c));
    c->memory = lki_memory_of(ctx);
    c->classes = classes;
    c->given = given_count;
    c->wanted = wanted_count;
    for (int64_t k = 0; k < classes->count; k++) {
        part *p = &c->parts[k];
        p->terms = ops->conditional->terms(classes->states[k]);
        p->uniform = uniform_of(classes, k);
        c->terms += p->terms;
        c->uniform += p->uniform;
        if (given_count > 0) {
            LKI_GOTO(status, failed, ops->marginal(ctx, classes->states[k], given, given_count, &p->evidence));
        }
        LKI_GOTO(status, failed, ops->conditional->new (ctx, classes->states[k], given, given_count, wanted, wanted_count, &p->conditional));
    }
    *out = c;
    return LK_OK;
failed:
    conditional_free(&c->memory, c);
    return status;
}

/* p(c | given values), rows x classes. */
static lk_status posteriors(lk_context *ctx, const conditional *c, const double *values, int64_t rows, double *out)
{
    const lki_classes *classes = c->classes;
    double *column;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *column, &column));
    lk_status status = LK_OK;
    for (int64_t k = 0; k < classes->count && status == LK_OK; k++) {
        if (c->given > 0) {
            status = classes->method->operations->log_density(ctx, c->parts[k].evidence, values, rows, column);
        } else {
            memset(column, 0, (size_t)rows * sizeof *column);
        }
        for (int64_t i = 0; status == LK_OK && i < rows; i++) {
            out[i * classes->count + k] = column[i];
        }
    }
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        lki_classes_weigh(classes, out + i * classes->count);
    }
    lki_release(ctx, column);
    return status;
}

/* Puts a class's laws at their places among all terms: from term `first` on, and the uniform ones from term `last` on. */
static void place_laws(const conditional *c, int64_t k, int64_t first, int64_t last, int64_t rows, const double *posterior,
                       const double *w, const double *m, double *weights, double *means)
{
    const int64_t terms = c->parts[k].terms, normal = terms - c->parts[k].uniform, wanted = c->wanted;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t t = 0; t < terms; t++) {
            const int64_t place = i * c->terms + (t < normal ? first + t : last + t - normal);
            weights[place] = posterior[i * c->classes->count + k] * w[i * terms + t];
            memcpy(means + place * wanted, m + (i * terms + t) * wanted, (size_t)wanted * sizeof *m);
        }
    }
}

static void place_sds(const conditional *c, int64_t k, int64_t first, int64_t last, const double *s, double *sds)
{
    const int64_t normal = c->parts[k].terms - c->parts[k].uniform, wanted = c->wanted;
    memcpy(sds + first * wanted, s, (size_t)(normal * wanted) * sizeof *s);
    memcpy(sds + last * wanted, s + normal * wanted, (size_t)(c->parts[k].uniform * wanted) * sizeof *s);
}

static lk_status conditional_laws(lk_context *ctx, const void *state, const double *values, int64_t rows, double *weights, double *means,
                                  double *sds)
{
    const conditional *c = state;
    const lki_classes *classes = c->classes;
    double *posterior = NULL, *w = NULL, *m = NULL, *s = NULL;
    lk_status status = LK_OK;
    int64_t first = 0, last = c->terms - c->uniform;
    size_t cells = lki_product((size_t)rows, (size_t)c->terms);
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)classes->count), sizeof *posterior, &posterior));
    LKI_GOTO(status, done, lki_allocate(ctx, cells, sizeof *w, &w));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(cells, (size_t)c->wanted), sizeof *m, &m));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)c->terms, (size_t)c->wanted), sizeof *s, &s));
    LKI_GOTO(status, done, posteriors(ctx, c, values, rows, posterior));
    for (int64_t k = 0; k < classes->count; k++) {
        LKI_GOTO(status, done, classes->method->operations->conditional->laws(ctx, c->parts[k].conditional, values, rows, w, m, s));
        place_laws(c, k, first, last, rows, posterior, w, m, weights, means);
        if (sds != NULL) {
            place_sds(c, k, first, last, s, sds);
        }
        first += c->parts[k].terms - c->parts[k].uniform;
        last += c->parts[k].uniform;
    }
done:
    lki_release(ctx, s);
    lki_release(ctx, posterior);
    lki_release(ctx, w);
    lki_release(ctx, m);
    return status;
}

/* The draws of a row are those that each class would give it; which class a draw takes comes from a stream of its own. */
typedef struct choice {
    int64_t *class;   /* rows x count */
    int64_t *row;     /* rows in which the class at hand was chosen */
    int64_t *number;
    double *values, *draws;
} choice;

static lk_status choose(lk_context *ctx, const conditional *c, const double *values, int64_t rows, uint64_t seed, const int64_t *numbers,
                        int64_t count, int64_t *class)
{
    const int64_t classes = c->classes->count;
    double *posterior;
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows, (size_t)classes), sizeof *posterior, &posterior));
    lk_status status = posteriors(ctx, c, values, rows, posterior);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_IMPUTE_CLASS, (uint64_t)numbers[i]);
        double *cumulative = posterior + i * classes;
        for (int64_t k = 1; k < classes; k++) {
            cumulative[k] += cumulative[k - 1];
        }
        for (int64_t m = 0; m < count; m++) {
            class[i * count + m] = lki_random_categorical(&s, cumulative, classes);
        }
    }
    lki_release(ctx, posterior);
    return status;
}

/* The rows that chose class k at least once, drawn from it. */
static lk_status draw_class(lk_context *ctx, const conditional *c, int64_t k, const choice *h, const double *values, int64_t rows,
                            uint64_t seed, const int64_t *numbers, int64_t count, double *draws)
{
    int64_t chosen = 0;
    for (int64_t i = 0; i < rows; i++) {
        bool any = false;
        for (int64_t m = 0; m < count; m++) {
            any = any || h->class[i * count + m] == k;
        }
        if (any) {
            memcpy(h->values + chosen * c->given, values + i * c->given, (size_t)c->given * sizeof *values);
            h->number[chosen] = numbers[i];
            h->row[chosen++] = i;
        }
    }
    if (chosen == 0) {
        return LK_OK;
    }
    LKI_TRY(c->classes->method->operations->conditional->draw(ctx, c->parts[k].conditional, h->values, chosen, seed, h->number, count,
                                                              h->draws));
    for (int64_t r = 0; r < chosen; r++) {
        for (int64_t m = 0; m < count; m++) {
            if (h->class[h->row[r] * count + m] == k) {
                memcpy(draws + (h->row[r] * count + m) * c->wanted, h->draws + (r * count + m) * c->wanted,
                       (size_t)c->wanted * sizeof *draws);
            }
        }
    }
    return LK_OK;
}

static lk_status conditional_draw(lk_context *ctx, const void *state, const double *values, int64_t rows, uint64_t seed,
                                  const int64_t *numbers, int64_t count, double *draws)
{
    const conditional *c = state;
    choice h = {0};
    lk_status status = LK_OK;
    size_t all = lki_product((size_t)rows, (size_t)count);
    LKI_GOTO(status, done, lki_allocate(ctx, all, sizeof *h.class, &h.class));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *h.row, &h.row));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *h.number, &h.number));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)c->given), sizeof *h.values, &h.values));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(all, (size_t)c->wanted), sizeof *h.draws, &h.draws));
    LKI_GOTO(status, done, choose(ctx, c, values, rows, seed, numbers, count, h.class));
    for (int64_t k = 0; k < c->classes->count; k++) {
        LKI_GOTO(status, done, draw_class(ctx, c, k, &h, values, rows, seed, numbers, count, draws));
    }
done:
    lki_release(ctx, h.class);
    lki_release(ctx, h.row);
    lki_release(ctx, h.number);
    lki_release(ctx, h.values);
    lki_release(ctx, h.draws);
    return status;
}

const lki_conditional_operations lki_classes_conditional = {
    .terms = all_terms,
    .uniform = all_uniform,
    .new = conditional_new,
    .laws = conditional_laws,
    .draw = conditional_draw,
    .free = conditional_free,
};

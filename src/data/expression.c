/* Expressions as text: a recursive descent parser writes steps for a stack, which are run on values and on values with derivatives. */
#include "data/expression.h"
#include "data/number.h"

#include <math.h>
#include <string.h>

typedef enum op {
    OP_NUMBER, OP_COLUMN, /* push */
    OP_MINUS, OP_NOT, OP_EXP, OP_LOG, OP_SIN, OP_COS, OP_TANH, OP_SQRT, OP_ABS, /* of one */
    OP_ADD, OP_SUBTRACT, OP_MULTIPLY, OP_DIVIDE, OP_POWER, OP_MIN, OP_MAX, /* of two */
    OP_LESS, OP_LESS_EQUAL, OP_GREATER, OP_GREATER_EQUAL, OP_EQUAL, OP_DIFFERENT, OP_AND, OP_OR
} op;

typedef struct step {
    op op;
    int64_t column;
    double value;
} step;

struct lki_expression {
    lki_memory memory;
    int64_t columns, count, depth; /* depth: most values on the stack */
    step *steps;
};

static const struct function {
    const char *name;
    op op;
    int arguments;
} functions[] = {{"exp", OP_EXP, 1}, {"log", OP_LOG, 1}, {"sin", OP_SIN, 1}, {"cos", OP_COS, 1}, {"tanh", OP_TANH, 1},
                 {"sqrt", OP_SQRT, 1}, {"abs", OP_ABS, 1}, {"min", OP_MIN, 2}, {"max", OP_MAX, 2}};

/* ---- the parser ---- */

/* A name that stands for a number. */
typedef struct named {
    const char *name;
    size_t length;
    double value;
} named;

typedef struct parser {
    lk_context *ctx;
    const char *text, *at, *end;
    const char *const *names;
    int64_t name_count;
    const named *constants;
    int64_t constant_count;
    step *steps;
    size_t capacity;
    int64_t count, height, depth; /* height: values on the stack now */
    int nesting;
} parser;

static lk_status refuse(const parser *p, const char *what)
{
    const int64_t left = p->end - p->at;
    return lki_fail(p->ctx, LK_ERROR_ARGUMENT, "expression \"%.80s\", character %lld%s%.*s%s: %s", p->text, (long long)(p->at - p->text) + 1,
                    left > 0 ? ", at \"" : "", (int)(left < 20 ? left : 20), p->at, left > 0 ? "\"" : "", what);
}

static void skip(parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' || *p->at == '\n')) {
        p->at++;
    }
}

static bool word_begin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool word_goes_on(char c)
{
    return word_begin(c) || (c >= '0' && c <= '9') || c == '.';
}

static size_t word_length(const parser *p)
{
    size_t n = 0;
    if (p->at < p->end && word_begin(*p->at)) {
        while (p->at + n < p->end && word_goes_on(p->at[n])) {
            n++;
        }
    }
    return n;
}

/* Takes the symbol or whole word if it comes next. */
static bool take(parser *p, const char *symbol)
{
    size_t n = strlen(symbol);
    skip(p);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, symbol, n) != 0 || (word_begin(symbol[0]) && word_length(p) != n)) {
        return false;
    }
    p->at += n;
    return true;
}

static lk_status emit(parser *p, op o, int64_t column, double value)
{
    if (p->count == LKI_EXPRESSION_STEPS) {
        return refuse(p, "the expression has too many parts");
    }
    LKI_TRY(lki_grow(p->ctx, &p->steps, &p->capacity, (size_t)p->count + 1, sizeof *p->steps));
    p->steps[p->count++] = (step){o, column, value};
    p->height += o <= OP_COLUMN ? 1 : o >= OP_ADD ? -1 : 0;
    p->depth = p->height > p->depth ? p->height : p->depth;
    return LK_OK;
}

static lk_status parse_or(parser *p);

static lk_status parse_call(parser *p, const struct function *f)
{
    if (!take(p, "(")) {
        return refuse(p, "a function wants its argument in brackets, as in exp(x)");
    }
    for (int i = 0; i < f->arguments; i++) {
        if (i > 0 && !take(p, ",")) {
            return refuse(p, "min and max take two arguments, as in min(x, y)");
        }
        LKI_TRY(parse_or(p));
    }
    if (!take(p, ")")) {
        return refuse(p, "a closing bracket belongs here");
    }
    return emit(p, f->op, 0, 0.0);
}

static bool same(const char *name, const char *word, size_t length)
{
    return strlen(name) == length && memcmp(name, word, length) == 0;
}

/* A column before a constant before pi. */
static lk_status parse_name(parser *p, const char *word, size_t length, const char *after)
{
    for (int64_t j = 0; j < p->name_count; j++) {
        if (same(p->names[j], word, length)) {
            p->at = after;
            return emit(p, OP_COLUMN, j, 0.0);
        }
    }
    for (int64_t j = 0; j < p->constant_count; j++) {
        if (p->constants[j].length == length && memcmp(p->constants[j].name, word, length) == 0) {
            p->at = after;
            return emit(p, OP_NUMBER, 0, p->constants[j].value);
        }
    }
    if (same("pi", word, length)) {
        p->at = after;
        return emit(p, OP_NUMBER, 0, 3.14159265358979323846);
    }
    return refuse(p, "there is no column or function of that name");
}

static lk_status parse_word(parser *p)
{
    const size_t length = word_length(p);
    const char *after = p->at + length;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        const char *next = after;
        while (next < p->end && *next == ' ') {
            next++;
        }
        if (same(functions[i].name, p->at, length) && next < p->end && *next == '(') {
            p->at = after;
            return parse_call(p, &functions[i]);
        }
    }
    return parse_name(p, p->at, length, after);
}

static lk_status parse_primary(parser *p)
{
    double value;
    skip(p);
    if (p->at == p->end) {
        return refuse(p, "a number, a column or a bracket belongs here");
    }
    if (take(p, "(")) {
        LKI_TRY(parse_or(p));
        return take(p, ")") ? LK_OK : refuse(p, "a closing bracket belongs here");
    }
    if (*p->at == '"') {
        const char *close = memchr(p->at + 1, '"', (size_t)(p->end - p->at - 1));
        return close == NULL ? refuse(p, "the quote does not end") : parse_name(p, p->at + 1, (size_t)(close - p->at - 1), close + 1);
    }
    if (word_begin(*p->at)) {
        return parse_word(p);
    }
    const bool digit = (*p->at >= '0' && *p->at <= '9') || *p->at == '.';
    const char *after = digit ? lki_parse_double(p->at, p->end, &value) : NULL;
    if (after == NULL || !isfinite(value)) {
        return refuse(p, digit ? "this is no number" : "a number, a column or a bracket belongs here");
    }
    p->at = after;
    return emit(p, OP_NUMBER, 0, value);
}

static lk_status parse_sign(parser *p);

static lk_status parse_power(parser *p)
{
    LKI_TRY(parse_primary(p));
    if (!take(p, "^")) {
        return LK_OK;
    }
    LKI_TRY(parse_sign(p)); /* to the right: 2^3^2 = 2^9, and 2^-1 */
    return emit(p, OP_POWER, 0, 0.0);
}

/* Every way deeper leads through here, so that it is the one that counts. */
static lk_status parse_sign(parser *p)
{
    if (++p->nesting > LKI_EXPRESSION_DEPTH) {
        return refuse(p, "the brackets are too deep");
    }
    if (take(p, "-")) {
        LKI_TRY(parse_sign(p));
        LKI_TRY(emit(p, OP_MINUS, 0, 0.0));
    } else if (take(p, "+")) {
        LKI_TRY(parse_sign(p));
    } else {
        LKI_TRY(parse_power(p));
    }
    p->nesting--;
    return LK_OK;
}

/* A row of operators of one strength, from the left: symbols and what they mean, ended by NULL. */
typedef struct binary {
    const char *symbol;
    op op;
} binary;

static lk_status parse_row(parser *p, const binary *operators, lk_status (*operand)(parser *p))
{
    LKI_TRY(operand(p));
    for (const binary *b = operators; b->symbol != NULL;) {
        if (take(p, b->symbol)) {
            LKI_TRY(operand(p));
            LKI_TRY(emit(p, b->op, 0, 0.0));
            b = operators;
        } else {
            b++;
        }
    }
    return LK_OK;
}

static lk_status parse_product(parser *p)
{
    static const binary operators[] = {{"*", OP_MULTIPLY}, {"/", OP_DIVIDE}, {NULL, OP_NUMBER}};
    return parse_row(p, operators, parse_sign);
}

static lk_status parse_sum(parser *p)
{
    static const binary operators[] = {{"+", OP_ADD}, {"-", OP_SUBTRACT}, {NULL, OP_NUMBER}};
    return parse_row(p, operators, parse_product);
}

static lk_status parse_comparison(parser *p)
{
    static const binary operators[] = {{"<=", OP_LESS_EQUAL}, {">=", OP_GREATER_EQUAL}, {"==", OP_EQUAL}, {"!=", OP_DIFFERENT},
                                       {"<", OP_LESS}, {">", OP_GREATER}, {NULL, OP_NUMBER}};
    return parse_row(p, operators, parse_sum);
}

static lk_status parse_not(parser *p)
{
    if (!take(p, "not")) {
        return parse_comparison(p);
    }
    if (++p->nesting > LKI_EXPRESSION_DEPTH) {
        return refuse(p, "the brackets are too deep");
    }
    LKI_TRY(parse_not(p));
    p->nesting--;
    return emit(p, OP_NOT, 0, 0.0);
}

static lk_status parse_and(parser *p)
{
    static const binary operators[] = {{"and", OP_AND}, {NULL, OP_NUMBER}};
    return parse_row(p, operators, parse_not);
}

static lk_status parse_or(parser *p)
{
    static const binary operators[] = {{"or", OP_OR}, {NULL, OP_NUMBER}};
    return parse_row(p, operators, parse_and);
}

static lk_status parse_all(parser *p, lki_expression **out)
{
    LKI_TRY(parse_or(p));
    skip(p);
    if (p->at < p->end) {
        return refuse(p, "the expression could end before this; nothing joins the two");
    }
    lki_expression *e;
    LKI_TRY(lki_allocate(p->ctx, 1, sizeof *e, &e));
    *e = (lki_expression){.memory = lki_memory_of(p->ctx), .columns = p->name_count, .count = p->count, .depth = p->depth, .steps = p->steps};
    p->steps = NULL;
    *out = e;
    return LK_OK;
}

/* text: what errors show; its part [at, end) is parsed. */
static lk_status parse(lk_context *ctx, const char *text, const char *at, const char *end, const char *const *names, int64_t count,
                       const named *constants, int64_t constant_count, lki_expression **out)
{
    parser p = {.ctx = ctx, .text = text, .at = at, .end = end, .names = names, .name_count = count, .constants = constants,
                .constant_count = constant_count};
    if (end - text > LKI_EXPRESSION_BYTES) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "an expression has at most %d bytes; this one has more", (int)LKI_EXPRESSION_BYTES);
    }
    lk_status status = parse_all(&p, out);
    lki_release(ctx, p.steps);
    return status;
}

lk_status lki_expression_new(lk_context *ctx, const char *text, const char *const *names, int64_t count, lki_expression **out)
{
    return parse(ctx, text, text, text + strlen(text), names, count, NULL, 0, out);
}

void lki_expression_free(const lki_memory *memory, lki_expression *e)
{
    if (e != NULL) {
        lki_memory_release(memory, e->steps);
        lki_memory_release(memory, e);
    }
}

/* ---- values ---- */

int64_t lki_expression_work(const lki_expression *e)
{
    return e->depth * (1 + e->columns);
}

/* The value of one step; a and b are its operands, b the later. */
static double value_of(op o, double a, double b)
{
    switch (o) {
    case OP_MINUS: return -a;
    case OP_NOT: return a != 0.0 ? 0.0 : 1.0;
    case OP_EXP: return exp(a);
    case OP_LOG: return log(a);
    case OP_SIN: return sin(a);
    case OP_COS: return cos(a);
    case OP_TANH: return tanh(a);
    case OP_SQRT: return sqrt(a);
    case OP_ABS: return fabs(a);
    case OP_ADD: return a + b;
    case OP_SUBTRACT: return a - b;
    case OP_MULTIPLY: return a * b;
    case OP_DIVIDE: return a / b;
    case OP_POWER: return pow(a, b);
    case OP_MIN: return b < a ? b : a;
    case OP_MAX: return b > a ? b : a;
    case OP_LESS: return a < b ? 1.0 : 0.0;
    case OP_LESS_EQUAL: return a <= b ? 1.0 : 0.0;
    case OP_GREATER: return a > b ? 1.0 : 0.0;
    case OP_GREATER_EQUAL: return a >= b ? 1.0 : 0.0;
    case OP_EQUAL: return a == b ? 1.0 : 0.0;
    case OP_DIFFERENT: return a != b ? 1.0 : 0.0;
    case OP_AND: return a != 0.0 && b != 0.0 ? 1.0 : 0.0;
    case OP_OR: return a != 0.0 || b != 0.0 ? 1.0 : 0.0;
    default: return 0.0;
    }
}

double lki_expression_value(const lki_expression *e, const double *x, double *work)
{
    double *top = work; /* one past the last */
    for (int64_t i = 0; i < e->count; i++) {
        const step *s = &e->steps[i];
        if (s->op <= OP_COLUMN) {
            *top++ = s->op == OP_NUMBER ? s->value : x[s->column];
        } else if (s->op < OP_ADD) {
            top[-1] = value_of(s->op, top[-1], 0.0);
        } else {
            top--;
            top[-1] = value_of(s->op, top[-1], top[0]);
        }
    }
    return work[0];
}

/* Derivatives of a step by its operands; `v` is its value. */
static void slopes_of(op o, double a, double b, double v, double *by_a, double *by_b)
{
    *by_a = *by_b = 0.0;
    switch (o) {
    case OP_MINUS: *by_a = -1.0; break;
    case OP_EXP: *by_a = v; break;
    case OP_LOG: *by_a = 1.0 / a; break;
    case OP_SIN: *by_a = cos(a); break;
    case OP_COS: *by_a = -sin(a); break;
    case OP_TANH: *by_a = 1.0 - v * v; break;
    case OP_SQRT: *by_a = 0.5 / v; break;
    case OP_ABS: *by_a = (double)(a > 0.0) - (double)(a < 0.0); break;
    case OP_ADD: *by_a = *by_b = 1.0; break;
    case OP_SUBTRACT: *by_a = 1.0; *by_b = -1.0; break;
    case OP_MULTIPLY: *by_a = b; *by_b = a; break;
    case OP_DIVIDE: *by_a = 1.0 / b; *by_b = -v / b; break;
    case OP_POWER: *by_a = b == 0.0 ? 0.0 : b * pow(a, b - 1.0); *by_b = v * log(a); break;
    case OP_MIN: *by_a = a < b ? 1.0 : 0.0; *by_b = b < a ? 1.0 : 0.0; break;
    case OP_MAX: *by_a = a > b ? 1.0 : 0.0; *by_b = b > a ? 1.0 : 0.0; break;
    default: break;
    }
}

/* to += slope * from, where what does not vary adds nothing, whatever the slope (log(a) of a constant exponent may be NaN). */
static void chain(double *to, double scale, double slope, const double *from, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        to[j] = (to[j] != 0.0 ? scale * to[j] : 0.0) + (from != NULL && from[j] != 0.0 ? slope * from[j] : 0.0);
    }
}

double lki_expression_gradient(const lki_expression *e, const double *x, double *gradient, double *work)
{
    const int64_t n = e->columns, width = 1 + n;
    double *top = work, by_a, by_b;
    for (int64_t i = 0; i < e->count; i++) {
        const step *s = &e->steps[i];
        if (s->op <= OP_COLUMN) {
            memset(top, 0, (size_t)width * sizeof *top);
            top[0] = s->op == OP_NUMBER ? s->value : x[s->column];
            if (s->op == OP_COLUMN) {
                top[1 + s->column] = 1.0;
            }
            top += width;
            continue;
        }
        const bool two = s->op >= OP_ADD;
        top -= two ? width : 0;
        double *a = top - width, b = two ? top[0] : 0.0, v = value_of(s->op, a[0], b);
        slopes_of(s->op, a[0], b, v, &by_a, &by_b);
        chain(a + 1, by_a, by_b, two ? top + 1 : NULL, n);
        a[0] = v;
    }
    memcpy(gradient, work + 1, (size_t)n * sizeof *gradient);
    return work[0];
}

/* ---- polynomials of degree 2 ---- */

/* Coefficients on the stack: [0] constant, [1..n] linear, then square, n x n and symmetric, x' square x / 2. */
static int degree_of(const double *p, int64_t n)
{
    int degree = 0;
    for (int64_t j = 1; j < 1 + n + n * n; j++) {
        degree = p[j] == 0.0 ? degree : j <= n ? (degree > 1 ? degree : 1) : 2;
    }
    return degree;
}

/* a *= b where degrees allow it. `old` is scratch of the same length. */
static bool multiply(double *a, const double *b, double *old, int64_t n)
{
    if (degree_of(a, n) + degree_of(b, n) > 2) {
        return false;
    }
    memcpy(old, a, (size_t)(1 + n + n * n) * sizeof *a);
    for (int64_t i = 0; i < 1 + n + n * n; i++) {
        a[i] = old[0] * b[i] + (i > 0 ? old[i] * b[0] : 0.0);
    }
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            a[1 + n + i * n + j] += old[1 + i] * b[1 + j] + old[1 + j] * b[1 + i];
        }
    }
    return true;
}

/* One step on polynomials a and b (of one operand: a alone); false where the result is none of degree 2. */
static bool combine(op o, double *a, double *b, double *old, int64_t n)
{
    const int64_t width = 1 + n + n * n;
    const bool plain = degree_of(a, n) == 0 && (o < OP_ADD || degree_of(b, n) == 0);
    if (plain) {
        a[0] = value_of(o, a[0], o >= OP_ADD ? b[0] : 0.0);
        return true;
    }
    if (o == OP_MINUS || o == OP_ADD || o == OP_SUBTRACT) {
        for (int64_t i = 0; i < width; i++) {
            a[i] = o == OP_MINUS ? -a[i] : o == OP_ADD ? a[i] + b[i] : a[i] - b[i];
        }
        return true;
    }
    if (o == OP_MULTIPLY) {
        return multiply(a, b, old, n);
    }
    if ((o != OP_DIVIDE && o != OP_POWER) || degree_of(b, n) > 0) {
        return false;
    }
    if (o == OP_POWER && b[0] == 2.0) {
        memcpy(b, a, (size_t)width * sizeof *a);
        return multiply(a, b, old, n);
    }
    for (int64_t i = 0; o == OP_DIVIDE && i < width; i++) {
        a[i] /= b[0];
    }
    return o == OP_DIVIDE || b[0] == 1.0;
}

lk_status lki_expression_quadratic(lk_context *ctx, const lki_expression *e, bool *is, double *constant, double *linear, double *square)
{
    const int64_t n = e->columns, width = 1 + n + n * n;
    double *stack;
    LKI_TRY(lki_zeros(ctx, lki_product((size_t)e->depth + 1, (size_t)width), sizeof *stack, &stack));
    double *top = stack, *old = stack + e->depth * width;
    bool fits = true;
    for (int64_t i = 0; fits && i < e->count; i++) {
        const step *s = &e->steps[i];
        if (s->op <= OP_COLUMN) {
            memset(top, 0, (size_t)width * sizeof *top);
            top[s->op == OP_NUMBER ? 0 : 1 + s->column] = s->op == OP_NUMBER ? s->value : 1.0;
            top += width;
        } else {
            top -= s->op >= OP_ADD ? width : 0;
            fits = combine(s->op, top - width, top, old, n);
        }
    }
    for (int64_t i = 0; fits && i < width; i++) {
        fits = isfinite(stack[i]);
    }
    if (fits) {
        *constant = stack[0];
        memcpy(linear, stack + 1, (size_t)n * sizeof *linear);
        memcpy(square, stack + 1 + n, (size_t)(n * n) * sizeof *square);
    }
    *is = fits;
    lki_release(ctx, stack);
    return LK_OK;
}

/* ---- fields ---- */

enum { CONSTANTS_MOST = 256 };

/* One line of a field without its remark: an equation or a constant. line: its number from 1. */
static lk_status field_line(lk_context *ctx, const char *begin, const char *end, int64_t line, const char *const *names, int64_t d,
                            int64_t count, named *constants, int64_t *constant_count, lki_expression **out)
{
    parser p = {.ctx = ctx, .text = begin, .at = begin, .end = end};
    skip(&p);
    if (p.at == end) {
        return LK_OK;
    }
    const char *name = p.at, *close = *name == '"' ? memchr(name + 1, '"', (size_t)(end - name - 1)) : NULL;
    size_t length = close != NULL ? (size_t)(close - name - 1) : word_length(&p);
    name += close != NULL ? 1 : 0;
    p.at = close != NULL ? close + 1 : name + length;
    const bool equation = take(&p, "'");
    if (length == 0 || !take(&p, "=")) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "line %lld: a line reads NAME' = EXPRESSION, or NAME = EXPRESSION for a constant", (long long)line);
    }
    int64_t j = 0;
    while (j < d && !same(names[j], name, length)) {
        j++;
    }
    if (equation && (j == d || out[j] != NULL)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "line %lld: %.*s' %s", (long long)line, (int)(length < 100 ? length : 100), name,
                        j == d ? "is the rate of no feature" : "is given twice");
    }
    if (!equation && *constant_count == CONSTANTS_MOST) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "line %lld: there are more than %d constants", (long long)line, (int)CONSTANTS_MOST);
    }
    lki_expression *e = NULL;
    LKI_TRY(parse(ctx, begin, p.at, end, names, equation ? count : 0, constants, *constant_count, &e));
    if (equation) {
        out[j] = e;
        return LK_OK;
    }
    double stack[LKI_EXPRESSION_DEPTH * 4 + 4], value = 0.0;
    const bool fits = e->depth <= (int64_t)(sizeof stack / sizeof stack[0]);
    value = fits ? lki_expression_value(e, NULL, stack) : (double)NAN;
    lki_memory memory = lki_memory_of(ctx);
    lki_expression_free(&memory, e);
    if (!isfinite(value)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "line %lld: the constant %.*s is no finite number", (long long)line,
                        (int)(length < 100 ? length : 100), name);
    }
    constants[(*constant_count)++] = (named){name, length, value};
    return LK_OK;
}

lk_status lki_rates_new(lk_context *ctx, const char *text, const char *const *names, int64_t d, int64_t count, lki_expression **out)
{
    named constants[CONSTANTS_MOST];
    int64_t constant_count = 0, line = 1;
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    memset(out, 0, (size_t)d * sizeof(lki_expression *));
    for (const char *at = text; status == LK_OK && *at != '\0'; line++) {
        const char *end = at + strcspn(at, "\n"), *remark = memchr(at, '#', (size_t)(end - at));
        status = field_line(ctx, at, remark != NULL ? remark : end, line, names, d, count, constants, &constant_count, out);
        at = *end == '\0' ? end : end + 1;
    }
    for (int64_t j = 0; status == LK_OK && j < d; j++) {
        if (out[j] == NULL) {
            status = lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no line %s' = ...: every feature wants one", names[j]);
        }
    }
    for (int64_t j = 0; status != LK_OK && j < d; j++) {
        lki_expression_free(&memory, out[j]);
        out[j] = NULL;
    }
    return status;
}

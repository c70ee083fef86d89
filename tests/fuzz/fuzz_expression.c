/* Any bytes as an expression: it is refused or evaluated, with derivatives or without to the same value, and the second derivatives of what counts as
 * quadratic are symmetric. */
#include "fuzz_text.h"
#include "data/expression.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void evaluate(lk_context *ctx, const lki_expression *e)
{
    const double x[3] = {0.75, -1.5, 2.25};
    double gradient[3], constant, linear[3], square[9], *work = malloc((size_t)lki_expression_work(e) * sizeof *work + 1);
    bool is = false;
    if (work == NULL) {
        return;
    }
    double value = lki_expression_value(e, x, work), again = lki_expression_gradient(e, x, gradient, work);
    require(value == again || (isnan(value) && isnan(again)));
    require(lki_expression_quadratic(ctx, e, &is, &constant, linear, square) == LK_OK);
    for (int i = 0; is && i < 9; i++) {
        require(isfinite(square[i]) && square[i] == square[i % 3 * 3 + i / 3]);
    }
    free(work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"x", "y", "a b"};
    lk_context *ctx = NULL;
    char *text = fuzz_text(data, size);
    if (text == NULL || lk_context_new(&ctx, NULL) != LK_OK) {
        free(text);
        return 0;
    }
    lki_memory memory = lki_memory_of(ctx);
    lki_expression *e = NULL, *field[2] = {NULL, NULL};
    if (lki_expression_new(ctx, text, names, 3, &e) == LK_OK) {
        evaluate(ctx, e);
        lki_expression_free(&memory, e);
    }
    if (lki_rates_new(ctx, text, names, 2, 3, field) == LK_OK) {
        require(field[0] != NULL && field[1] != NULL);
        lki_expression_free(&memory, field[0]);
        lki_expression_free(&memory, field[1]);
    }
    lk_context_free(ctx);
    free(text);
    return 0;
}

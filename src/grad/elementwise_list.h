/* Every elementwise function in one place: its value and the slopes of its arguments. */
#ifndef LIKELY_ELEMENTWISE_LIST_H
#define LIKELY_ELEMENTWISE_LIST_H

/* name, value of x (by the R_ functions of tensor_kernel_body.h), and t dy/dx as nodes (by the short words of elementwise.c; -1 is
 * zero). The same slope serves reverse and forward accumulation, and its own slope the next derivative. */
#define LKI_UNARY_FUNCTIONS(X)                                                                                         \
    X(LK_NEGATE, -x, AFFINE(t, -1, 0))                                                                                 \
    X(LK_EXP, R_EXP(x), MUL(t, y))                                                                                     \
    X(LK_LOG, R_LOG(x), DIV(t, x))                                                                                     \
    X(LK_LOG1P, R_LOG1P(x), DIV(t, AFFINE(x, 1, 1)))                                                                   \
    X(LK_SQRT, R_SQRT(x), AFFINE(DIV(t, y), 0.5, 0))                                                                   \
    X(LK_SQUARE, x *x, AFFINE(MUL(t, x), 2, 0))                                                                        \
    X(LK_RECIPROCAL, R_ONE / x, MUL(t, AFFINE(F(LK_SQUARE, y), -1, 0)))                                                \
    X(LK_ABS, x < R_ZERO ? -x : x, MUL(t, F(LK_SIGN, x)))                                                              \
    X(LK_SIGN, (x > R_ZERO ? R_ONE : R_ZERO) - (x < R_ZERO ? R_ONE : R_ZERO), -1)                                      \
    X(LK_STEP, x > R_ZERO ? R_ONE : R_ZERO, -1)                                                                        \
    X(LK_TANH, R_TANH(x), MUL(t, AFFINE(F(LK_SQUARE, y), -1, 1)))                                                      \
    X(LK_SIGMOID, R_ONE / (R_ONE + R_EXP(-x)), MUL(t, MUL(y, AFFINE(y, -1, 1))))                                       \
    X(LK_SOFTPLUS, (x > R_ZERO ? x : R_ZERO) + R_LOG1P(R_EXP(x > R_ZERO ? -x : x)), MUL(t, F(LK_SIGMOID, x)))          \
    X(LK_RELU, x > R_ZERO ? x : R_ZERO, MUL(t, F(LK_STEP, x)))                                                         \
    X(LK_SILU, x / (R_ONE + R_EXP(-x)), MUL(t, SILU_SLOPE(F(LK_SIGMOID, x))))                                          \
    X(LK_GELU, R_HALF *x *(R_ONE + R_ERF(R_ROOT_HALF * x)), MUL(t, GELU_SLOPE()))                                      \
    X(LK_ERF, R_ERF(x), AFFINE(MUL(t, F(LK_EXP, AFFINE(F(LK_SQUARE, x), -1, 0))), M_2_SQRTPI, 0))                      \
    X(LK_SIN, R_SIN(x), MUL(t, F(LK_COS, x)))                                                                          \
    X(LK_COS, R_COS(x), AFFINE(MUL(t, F(LK_SIN, x)), -1, 0))

/* name, value of a and b, t dy/da, t dy/db. */
#define LKI_BINARY_FUNCTIONS(X)                                                                                        \
    X(LK_ADD, a + b, t, t)                                                                                             \
    X(LK_SUBTRACT, a - b, t, AFFINE(t, -1, 0))                                                                         \
    X(LK_MULTIPLY, a *b, MUL(t, b), MUL(t, a))                                                                         \
    X(LK_DIVIDE, a / b, DIV(t, b), AFFINE(MUL(t, DIV(y, b)), -1, 0))                                                   \
    X(LK_MAXIMUM, a < b ? b : a, MUL(t, AFFINE(B(LK_GREATER, b, a), -1, 1)), MUL(t, B(LK_GREATER, b, a)))              \
    X(LK_MINIMUM, b < a ? b : a, MUL(t, AFFINE(B(LK_GREATER, a, b), -1, 1)), MUL(t, B(LK_GREATER, a, b)))              \
    X(LK_GREATER, a > b ? R_ONE : R_ZERO, -1, -1)                                                                      \
    X(LK_EQUAL, a == b ? R_ONE : R_ZERO, -1, -1)                                                                       \
    X(LK_POWER, R_POW(a, b), MUL(t, DIV(MUL(b, y), a)), MUL(t, MUL(y, F(LK_LOG, a))))

#endif

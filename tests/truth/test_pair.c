/* The pair engine against plain loops with compensated sums, for every kernel, reduction, derivative and instruction set, on easy and
 * hard inputs; the loops themselves against closed forms and differences. */
#include "check.h"
#include "core/philox.h"
#include "math/elementary.h"
#include "math/pair.h"
#include <sys/wait.h>

#define check_refused(ctx, call, wanted, text)        \
    do {                                              \
        check_status(ctx, wanted, call);              \
        check_contains(lk_error_message(ctx), text);  \
        lki_begin(ctx);                               \
    } while (0)

enum { N = 29, M = 131, D_MOST = 16 };

typedef struct inputs {
    double x[N * D_MOST], y[M * D_MOST], v[M * 3], w[M], t[N * D_MOST], h[D_MOST], metric[D_MOST * D_MOST];
    int64_t own[N];
} inputs;

/* kind 0: normal; 1: coincident points; 2: an offset of 1e8; 3: rows 1e3 away; 4: rows 1e155 away. */
static void fill(inputs *in, int64_t d, int kind, uint64_t seed)
{
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 0);
    const double offset = kind == 2 ? 1e8 : 0.0, away = kind == 3 ? 1e3 : kind == 4 ? 1e155 : 0.0;
    for (int64_t i = 0; i < M * d; i++) {
        in->y[i] = offset + lki_random_normal(&s);
    }
    for (int64_t i = 0; i < N * d; i++) {
        in->x[i] = kind == 1 ? in->y[i] : offset + away + lki_random_normal(&s);
        in->t[i] = lki_random_normal(&s);
    }
    for (int64_t j = 0; j < M; j++) {
        in->w[j] = j % 7 == 0 ? 0.0 : lki_random_uniform(&s);
    }
    for (int64_t j = 0; j < 3 * M; j++) {
        in->v[j] = lki_random_normal(&s);
    }
    for (int64_t i = 0; i < N; i++) {
        in->own[i] = i % 3 == 0 ? -1 : i * 2;
    }
    for (int64_t c = 0; c < d; c++) {
        in->h[c] = 1.0 + lki_random_uniform(&s);
        for (int64_t k = 0; k < d; k++) {
            in->metric[c * d + k] = (c == k) + 0.2 * lki_random_normal(&s);
        }
    }
}

/* The greatest |a - b| over the greatest |b| of the row (at least `least`), over all rows of `width` values; infinities must agree. */
static double distance(int64_t rows, int64_t width, double least, const double *a, const double *b)
{
    double worst = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        double scale = least;
        for (int64_t k = 0; k < width; k++) {
            scale = isfinite(b[i * width + k]) ? fmax(scale, fabs(b[i * width + k])) : scale;
        }
        for (int64_t k = 0; k < width; k++) {
            const double x = a[i * width + k], y = b[i * width + k];
            if (isfinite(y) || isfinite(x)) {
                worst = fmax(worst, isfinite(x) && isfinite(y) ? fabs(x - y) / scale : 1e300);
            } else {
                worst = fmax(worst, (isnan(x) && isnan(y)) || x == y ? 0.0 : 1e300);
            }
        }
    }
    return worst;
}

/* The engine and the loops on one request, and how far they are apart: value, then derivative. */
static void compare(lk_context *ctx, const lki_pair_term *terms, int64_t count, const inputs *in, int64_t d, lki_pair_request r,
                    double worst[2])
{
    static double out[2][N * M], slope[2][N * D_MOST], log_sum[2][N];
    static int64_t index[2][N * 8];
    const int64_t width = r.reduction == LKI_PAIR_NEAREST  ? r.nearest
                          : r.reduction == LKI_PAIR_VALUES ? M
                          : r.reduction == LKI_PAIR_MAX || r.sides == 0 ? 1 : r.sides;
    lki_pair *pair = NULL;
    const lki_memory memory = lki_memory_of(ctx);
    check_ok(ctx, lki_pair_new(ctx, terms, count, in->y, M, d, &pair));
    r.x = in->x;
    r.rows = N;
    for (int k = 0; k < 2; k++) {
        r.out = out[k];
        r.slope = slope[k];
        r.log_sum = log_sum[k];
        r.index = index[k];
        check_ok(ctx, k == 0 ? lki_pair_run(ctx, pair, &r) : lki_pair_reference(ctx, terms, count, in->y, M, d, &r));
    }
    worst[0] = fmax(worst[0], distance(N, width, r.reduction == LKI_PAIR_LOG_SUM ? 1.0 : 1e-3, out[0], out[1]));
    if (r.reduction == LKI_PAIR_MEAN) {
        worst[0] = fmax(worst[0], distance(N, 1, 1.0, log_sum[0], log_sum[1]));
    }
    if (r.derivative != LKI_PAIR_VALUE) {
        worst[1] = fmax(worst[1], distance(N, d, 1.0, slope[0], slope[1]));
    }
    if (r.reduction == LKI_PAIR_NEAREST || (r.reduction == LKI_PAIR_MAX && width == 0)) {
        assert_memory_equal(index[0], index[1], (size_t)(N * width) * sizeof(int64_t));
    }
    lki_pair_free(&memory, pair);
}

static double parameter_of(int kernel)
{
    return kernel == LKI_KERNEL_polynomial ? 3.0 : kernel == LKI_KERNEL_student ? 4.5 : 0.0;
}

/* Every kernel: sums (one and three sides), logarithms, means, largest; derivatives of the first two. */
static void all_requests(lk_context *ctx, int kernel, int64_t d, int kind, double worst[2])
{
    static inputs in;
    const lki_kernel *k = &lki_kernels[kernel];
    fill(&in, d, kind, (uint64_t)(kernel * 100 + kind * 10) + (uint64_t)d);
    for (int form = 0; form < 3; form++) { /* bandwidths, one bandwidth, a metric */
        double same[D_MOST];
        for (int64_t c = 0; c < d; c++) {
            same[c] = 1.7;
        }
        if (form > 0 && (k->argument == LKI_ARGUMENT_DIRECTION || (form == 2 && k->argument != LKI_ARGUMENT_SQUARE))) {
            continue;
        }
        if (form == 1 && kind > 1) {
            continue;
        }
        if (form == 2 && (kind == 2 || kind == 4)) { /* a metric works on centred values: these lose digits */
            continue;
        }
        const lki_pair_factor factor = {
            .kernel = (lki_kernel_id)kernel, .parameter = parameter_of(kernel), .offset = 0.5, .metric = form == 2 ? in.metric : NULL,
            .bandwidth = form == 2 || k->argument == LKI_ARGUMENT_DIRECTION ? NULL : form == 1 ? same : in.h};
        const lki_pair_term term = {1.0, &factor, 1};
        for (int derivative = 0; derivative <= LKI_PAIR_CURVATURE; derivative++) {
            if ((derivative > LKI_PAIR_GRADIENT && k->argument == LKI_ARGUMENT_DIRECTION) ||
                (derivative == LKI_PAIR_BANDWIDTH && form == 2) || (derivative > 0 && kind == 4)) {
                continue;
            }
            lki_pair_request r = {.reduction = LKI_PAIR_SUM, .derivative = (lki_pair_derivative)derivative, .direction = in.t, .own = in.own};
            compare(ctx, &term, 1, &in, d, r, worst);
            if (!k->has_sign) {
                r.reduction = LKI_PAIR_LOG_SUM;
                r.weights = in.w;
                compare(ctx, &term, 1, &in, d, r, worst);
            }
        }
        lki_pair_request r = {.reduction = LKI_PAIR_MAX};
        compare(ctx, &term, 1, &in, d, r, worst);
        r = (lki_pair_request){.reduction = LKI_PAIR_VALUES, .own = in.own};
        compare(ctx, &term, 1, &in, d, r, worst);
        if (!k->has_sign && kind != 4) {
            r = (lki_pair_request){.reduction = LKI_PAIR_MEAN, .v = in.v, .sides = 3, .weights = in.w, .own = in.own};
            compare(ctx, &term, 1, &in, d, r, worst);
        }
        if (k->argument == LKI_ARGUMENT_SQUARE) {
            r = (lki_pair_request){.reduction = LKI_PAIR_NEAREST, .nearest = 7, .own = in.own};
            compare(ctx, &term, 1, &in, d, r, worst);
        }
    }
}

/* What is allowed, relative to a row's values (logarithms and derivatives: to at least 1): 2e-13; 1e-12 for squares from products (16
 * columns), which promise 1e-9. Rows 1e3 away have s near 1e6: rounding s, here and in the loops, moves log k by s 2^-53, so that weights
 * of a mean move by 1e-10, and second derivatives, which are what is left of terms s^2 as large, by 1e-6. Near the edge of a compact kernel its logarithm
 * and what is relative to it magnify rounding by 1 / (1 - r). At less effort every third case, over kernels, inputs and columns alike. */
static void run_all(lk_context *ctx)
{
    const int64_t dimensions[] = {1, 3, 16};
    const int step = check_effort() < 1 ? 3 : 1;
    int number = 0;
    for (int kernel = 0; kernel < LKI_KERNELS; kernel++) {
        for (int kind = 0; kind < 5; kind++) {
            for (int i = 0; i < 3; i++) {
                double worst[2] = {0.0, 0.0};
                if (number++ / 2 % step != 0 || (dimensions[i] == 16 && (kind == 2 || kind == 4))) {
                    continue;
                }
                if (kind == 4 && lki_kernels[kernel].argument >= LKI_ARGUMENT_PRODUCT) {
                    continue; /* the product itself overflows */
                }
                all_requests(ctx, kernel, dimensions[i], kind, worst);
                const bool compact = lki_kernels[kernel].compact;
                const double value = kind == 3 ? 1e-10 : dimensions[i] == 16 || compact ? 1e-12 : 2e-13;
                const double slope = kind == 3 ? 1e-6 : compact ? 1e-9 : 1e-11;
                if (!(worst[0] <= value && worst[1] <= slope)) {
                    fail_msg("%s, %s, d = %d, inputs %d: value off by %g, derivative by %g", lki_isa(), lki_kernels[kernel].name,
                             (int)dimensions[i], kind, worst[0], worst[1]);
                }
            }
        }
    }
}

/* Sums in single precision: 1e-5 of the row's value, or of 1e-3 where kernels are small (|u| is up to some 5, values up to 5 bandwidths from
 * the centre: 25 times the rounding of float, of both). Kernels with a sign are left out: their terms grow, or cancel. */
static void single_precision(lk_context *ctx)
{
    static inputs in;
    static double out[2][N];
    const lki_memory memory = lki_memory_of(ctx);
    for (int kernel = 0; kernel < LKI_KERNELS; kernel++) {
        for (int kind = 0; kind < 3; kind++) {
            const int64_t d = kind == 1 ? 1 : 3;
            const lki_pair_factor factor = {.kernel = (lki_kernel_id)kernel, .parameter = parameter_of(kernel), .bandwidth = in.h};
            const lki_pair_term term = {0.5, &factor, 1};
            lki_pair *pair = NULL;
            fill(&in, d, kind, (uint64_t)(900 + kernel));
            if (lki_kernels[kernel].argument > LKI_ARGUMENT_ABSOLUTE || kernel == LKI_KERNEL_box || lki_kernels[kernel].has_sign) {
                continue; /* a box has jumps: whole terms */
            }
            const lki_pair_request r = {.x = in.x, .rows = N, .v = in.w, .out = out[1]};
            check_ok(ctx, lki_pair_new(ctx, &term, 1, in.y, M, d, &pair));
            check_ok(ctx, lki_pair_sum_single(ctx, pair, in.x, N, in.w, out[0]));
            check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, M, d, &r));
            const double worst = distance(N, 1, 1e-3, out[0], out[1]);
            if (!(worst < 1e-5)) {
                fail_msg("%s, %s in single precision, inputs %d: off by %g", lki_isa(), lki_kernels[kernel].name, kind, worst);
            }
            lki_pair_free(&memory, pair);
        }
    }
}

static void test_every_kernel(void **state)
{
    (void)state;
    lk_context *ctx = check_context(1);
    run_all(ctx);
    single_precision(ctx);
    lk_context_free(ctx);
}

/* The same under the other instruction sets, each in a process of its own. */
static void test_instruction_sets(void **state)
{
    (void)state;
    const char *const names[] = {"portable", "avx2"};
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        if (child == 0) {
            setenv("LIKELY_ISA", names[i], 1);
            lk_context *ctx = check_context(1);
            run_all(ctx);
            single_precision(ctx);
            lk_context_free(ctx);
            _exit(0);
        }
        int status = -1;
        assert_true(child > 0 && waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Sums of products of kernels over parts of the columns. */
static void test_sums_and_products(void **state)
{
    (void)state;
    static inputs in;
    lk_context *ctx = check_context(2);
    const int64_t d = 4, left[] = {0, 2}, right[] = {1, 3}, one[] = {2};
    const double h[] = {1.0, 2.0, 1.5, 0.7};
    const lki_pair_factor product[] = {{.kernel = LKI_KERNEL_gaussian, .columns = left, .count = 2, .bandwidth = h},
                                       {.kernel = LKI_KERNEL_matern32, .columns = right, .count = 2, .bandwidth = h + 2},
                                       {.kernel = LKI_KERNEL_laplace, .columns = one, .count = 1}};
    const lki_pair_factor lone[] = {{.kernel = LKI_KERNEL_student, .bandwidth = h}};
    const lki_pair_factor signed_one[] = {{.kernel = LKI_KERNEL_energy, .bandwidth = h}};
    const lki_pair_term terms[] = {{0.7, product, 3}, {1.3, lone, 1}, {0.2, signed_one, 1}};
    fill(&in, d, 0, 5);
    for (int derivative = 0; derivative <= LKI_PAIR_CURVATURE; derivative++) {
        double worst[2] = {0.0, 0.0};
        lki_pair_request r = {.reduction = LKI_PAIR_SUM, .derivative = (lki_pair_derivative)derivative, .direction = in.t, .v = in.w};
        compare(ctx, terms, 3, &in, d, r, worst);
        r.reduction = LKI_PAIR_LOG_SUM;
        r.weights = in.w;
        compare(ctx, terms, 2, &in, d, r, worst);
        if (!(worst[0] < 1e-13 && worst[1] < 1e-12)) {
            fail_msg("derivative %d: value off by %g, derivative by %g", derivative, worst[0], worst[1]);
        }
    }
    lk_context_free(ctx);
}

/* Derivatives of the loops against Richardson's differences of their values. */
static void test_derivatives_by_differences(void **state)
{
    (void)state;
    static inputs in;
    lk_context *ctx = check_context(1);
    const int64_t d = 3;
    for (int kernel = 0; kernel < LKI_KERNELS; kernel++) {
        const lki_kernel *k = &lki_kernels[kernel];
        const bool directed = k->argument == LKI_ARGUMENT_DIRECTION;
        double h[3] = {1.4, 2.0, 1.7}, out, slope[3], curve[3], ahead[3][2], gradient[3][2][3], wide[3][2];
        const lki_pair_factor factor = {.kernel = (lki_kernel_id)kernel, .parameter = parameter_of(kernel), .offset = 0.5,
                                        .bandwidth = directed ? NULL : h};
        const lki_pair_term term = {1.0, &factor, 1};
        fill(&in, d, 0, 77);
        lki_pair_request r = {.derivative = LKI_PAIR_GRADIENT, .x = in.x, .rows = 1, .v = in.v, .out = &out, .slope = slope, .direction = in.t};
        check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, 20, d, &r));
        for (int c = 0; c < 3; c++) {
            for (int side = 0; side < 2; side++) {
                const double step = side == 0 ? -1e-5 : 1e-5;
                in.x[c] += step;
                r.slope = gradient[c][side];
                r.out = &ahead[c][side];
                check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, 20, d, &r));
                in.x[c] -= step;
                h[c] += step;
                r.slope = curve;
                r.out = &wide[c][side];
                check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, 20, d, &r));
                h[c] -= step;
            }
            assert_true(fabs((ahead[c][1] - ahead[c][0]) / 2e-5 - slope[c]) < 1e-6 * (1.0 + fabs(slope[c])));
        }
        if (directed || kernel == LKI_KERNEL_triangle || kernel == LKI_KERNEL_epanechnikov) {
            continue; /* no more derivatives; or a kink at the edge */
        }
        double bandwidth[3];
        r.out = &out;
        r.slope = bandwidth;
        r.derivative = LKI_PAIR_BANDWIDTH;
        check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, 20, d, &r));
        r.slope = curve;
        r.derivative = LKI_PAIR_CURVATURE;
        check_ok(ctx, lki_pair_reference(ctx, &term, 1, in.y, 20, d, &r));
        for (int c = 0; c < 3; c++) {
            double along = 0.0;
            for (int b = 0; b < 3; b++) {
                along += (gradient[b][1][c] - gradient[b][0][c]) / 2e-5 * in.t[b];
            }
            assert_true(fabs((wide[c][1] - wide[c][0]) / 2e-5 - bandwidth[c]) < 1e-6 * (1.0 + fabs(bandwidth[c])));
            assert_true(fabs(along - curve[c]) < 1e-5 * (1.0 + fabs(curve[c])));
        }
    }
    lk_context_free(ctx);
}

/* Two points and the textbook's numbers. */
static void test_closed_forms(void **state)
{
    (void)state;
    lk_context *ctx = check_context(1);
    const lki_memory memory = lki_memory_of(ctx);
    const double y[] = {0.0, 3.0}, x[] = {1.0};
    const struct {
        const char *name;
        double value; /* k at u = 1/2 plus k at u = 1, h = 2 */
    } cases[] = {{"gaussian", 0.88249690258459540 + 0.60653065971263342}, {"matern12", 0.60653065971263342 + 0.36787944117144233},
                 {"epanechnikov", 0.75}, {"biweight", 0.5625}, {"triweight", 0.421875}, {"tricube", 0.669921875},
                 {"cosine", 0.70710678118654752}, {"box", 1.0}, {"triangle", 0.5}, {"cauchy", 0.8 + 0.5}, {"energy", -1.5},
                 {"sobolev", 2.0 - M_PI * M_PI / 6.0 + M_PI * M_PI / 3.0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const double h = 2.0;
        double out;
        const lki_pair_factor factor = {.kernel = (lki_kernel_id)lki_kernel_find(cases[i].name), .bandwidth = &h};
        const lki_pair_term term = {1.0, &factor, 1};
        lki_pair *pair = NULL;
        const lki_pair_request r = {.x = x, .rows = 1, .out = &out};
        check_ok(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair));
        check_ok(ctx, lki_pair_run(ctx, pair, &r));
        lki_pair_free(&memory, pair);
        assert_true(fabs(out - cases[i].value) < 1e-15);
    }
    assert_int_equal(lki_kernel_find("gauss"), -1);
    lk_context_free(ctx);
}

/* What does not go together is refused by name. */
static void test_refusals(void **state)
{
    (void)state;
    lk_context *ctx = check_context(1);
    const lki_memory memory = lki_memory_of(ctx);
    const double y[] = {0.0, 3.0}, h = 0.0, good = 1.0;
    double out[2];
    lki_pair *pair = NULL;
    lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian, .bandwidth = &h};
    const lki_pair_term term = {1.0, &factor, 1};
    check_refused(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair), LK_ERROR_ARGUMENT, "bandwidth 1 is 0");
    factor = (lki_pair_factor){.kernel = LKI_KERNEL_polynomial, .parameter = 2.5};
    check_refused(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair), LK_ERROR_ARGUMENT, "degree is 2.5");
    factor = (lki_pair_factor){.kernel = LKI_KERNEL_cosine_similarity, .bandwidth = &good};
    check_refused(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair), LK_ERROR_ARGUMENT, "takes no bandwidth");
    factor = (lki_pair_factor){.kernel = LKI_KERNEL_energy};
    check_ok(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair));
    lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .x = y, .rows = 2, .out = out};
    check_refused(ctx, lki_pair_run(ctx, pair, &r), LK_ERROR_ARGUMENT, "energy has no logarithm");
    r = (lki_pair_request){.reduction = LKI_PAIR_NEAREST, .x = y, .rows = 2, .out = out, .nearest = 3};
    check_refused(ctx, lki_pair_run(ctx, pair, &r), LK_ERROR_ARGUMENT, "3 nearest of 2 points");
    lki_pair_free(&memory, pair);
    factor = (lki_pair_factor){.kernel = LKI_KERNEL_polynomial};
    check_ok(ctx, lki_pair_new(ctx, &term, 1, y, 2, 1, &pair));
    check_refused(ctx, lki_pair_sum_single(ctx, pair, y, 2, NULL, out), LK_ERROR_ARGUMENT, "one kernel of squares");
    lki_pair_free(&memory, pair);
    lk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instruction_sets), cmocka_unit_test(test_every_kernel),
        cmocka_unit_test(test_sums_and_products), cmocka_unit_test(test_derivatives_by_differences),
        cmocka_unit_test(test_closed_forms),     cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests_name("pair", tests, NULL, NULL);
}

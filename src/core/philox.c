/* Random streams from Random123's Philox4x64-10, and the laws that are drawn from them. */
#include "philox.h"

/* Random123 leaves Philox4x64 out where it knows no 64 x 64 bit product of the processor: say that there is one. */
#if defined(__SIZEOF_INT128__)
#define R123_USE_GNU_UINT128 1
#else
#define R123_USE_MULHILO64_C99 1
#endif
#include <Random123/philox.h>
#include <math.h>
#include <string.h>

lki_stream lki_stream_new(uint64_t seed, uint64_t stream, uint64_t row)
{
    lki_stream s = {.key = {seed, stream}, .counter = {0, row, 0, 0}};
    return s;
}

uint64_t lki_random_bits(lki_stream *s)
{
    if (s->left == 0) {
        philox4x64_ctr_t counter;
        philox4x64_key_t key;
        memcpy(counter.v, s->counter, sizeof counter.v);
        memcpy(key.v, s->key, sizeof key.v);
        counter = philox4x64_R(10, counter, key);
        memcpy(s->block, counter.v, sizeof s->block);
        s->counter[0]++;
        s->left = 4;
    }
    return s->block[4 - s->left--];
}

double lki_random_uniform(lki_stream *s)
{
    uint64_t bits;
    do {
        bits = lki_random_bits(s) >> 11;
    } while (bits == 0);
    return (double)bits * 0x1p-53;
}

/* Marsaglia's polar method (Marsaglia and Bray 1964): nothing but a logarithm and a root besides exact arithmetic. */
double lki_random_normal(lki_stream *s)
{
    if (s->has_spare) {
        s->has_spare = 0;
        return s->spare;
    }
    double u, v, r;
    do {
        u = 2 * lki_random_uniform(s) - 1;
        v = 2 * lki_random_uniform(s) - 1;
        r = u * u + v * v;
    } while (r >= 1 || r == 0);
    double scale = sqrt(-2 * log(r) / r);
    s->spare = v * scale;
    s->has_spare = 1;
    return u * scale;
}

/* Gamma(shape >= 1) by squeeze and rejection: Marsaglia and Tsang 2000, "A simple method for generating gamma
 * variables". */
static double gamma_at_least_one(lki_stream *s, double shape)
{
    double d = shape - 1.0 / 3;
    double c = 1 / sqrt(9 * d);
    for (;;) {
        double x, v;
        do {
            x = lki_random_normal(s);
            v = 1 + c * x;
        } while (v <= 0);
        v = v * v * v;
        double u = lki_random_uniform(s);
        if (u < 1 - 0.0331 * (x * x) * (x * x) || log(u) < 0.5 * x * x + d * (1 - v + log(v))) {
            return d * v;
        }
    }
}

/* The logarithm of a gamma variable: for a small shape the variable itself may be below the smallest double.
 * G(a) = G(a + 1) U^(1/a), Marsaglia and Tsang 2000, section 6. */
static double log_gamma_variable(lki_stream *s, double shape)
{
    if (shape >= 1) {
        return log(gamma_at_least_one(s, shape));
    }
    double boosted = gamma_at_least_one(s, shape + 1);
    return log(boosted) + log(lki_random_uniform(s)) / shape;
}

double lki_random_gamma(lki_stream *s, double shape)
{
    return shape >= 1 ? gamma_at_least_one(s, shape) : exp(log_gamma_variable(s, shape));
}

/* X / (X + Y) of two gamma variables, from their logarithms so that two tiny shapes do not give 0 / 0. */
double lki_random_beta(lki_stream *s, double a, double b)
{
    if (a >= 1 && b >= 1) {
        double x = gamma_at_least_one(s, a);
        return x / (x + gamma_at_least_one(s, b));
    }
    double x = log_gamma_variable(s, a);
    double y = log_gamma_variable(s, b);
    return 1 / (1 + exp(y - x));
}

/* Words below 2^64 mod n are drawn again, so that each remainder has the same number of words. */
int64_t lki_random_below(lki_stream *s, int64_t n)
{
    uint64_t m = (uint64_t)n;
    uint64_t least = (0 - m) % m;
    uint64_t bits;
    do {
        bits = lki_random_bits(s);
    } while (bits < least);
    return (int64_t)(bits % m);
}

int64_t lki_random_categorical(lki_stream *s, const double *cumulative, int64_t n)
{
    double target = lki_random_uniform(s) * cumulative[n - 1];
    int64_t low = 0;
    int64_t high = n - 1;
    while (low < high) { /* the first whose cumulative weight exceeds the target: never one of weight zero */
        int64_t middle = low + (high - low) / 2;
        if (cumulative[middle] > target) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    while (low > 0 && !(cumulative[low] > cumulative[low - 1])) { /* only where rounding took the target to the total */
        low--;
    }
    return low;
}

/* Durstenfeld's shuffle, built up from the left. */
void lki_random_permutation(lki_stream *s, int64_t *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t j = lki_random_below(s, i + 1);
        if (j != i) {
            out[i] = out[j];
        }
        out[j] = i;
    }
}

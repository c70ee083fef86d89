/* The discrete Gaussian distribution by exact integer arithmetic, and zero-concentrated differential privacy. */
#include "private_noise.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 wide;

static const int64_t SIGMA_MOST = INT64_C(1) << 28;

void lki_noise_open(lki_noise *noise, bool insecure, uint64_t seed)
{
    memset(noise, 0, sizeof *noise);
    noise->insecure = insecure;
    if (insecure) {
        noise->stream = lki_stream_new(seed, LKI_STREAM_NOISE, 0);
    }
}

static lk_status refill(lk_context *ctx, lki_noise *noise)
{
    unsigned char *at = (unsigned char *)noise->words;
    size_t left = sizeof noise->words;
    while (left > 0) {
        const ssize_t got = getrandom(at, left, 0);
        if (got < 0 && errno != EINTR) {
            return lki_fail(ctx, LK_ERROR_IO, "the system gives no random bytes: %s", strerror(errno));
        }
        at += got > 0 ? got : 0;
        left -= got > 0 ? (size_t)got : 0;
    }
    noise->left = (int)(sizeof noise->words / sizeof noise->words[0]);
    return LK_OK;
}

static lk_status word(lk_context *ctx, lki_noise *noise, uint64_t *out)
{
    if (noise->insecure) {
        *out = lki_random_bits(&noise->stream);
        return LK_OK;
    }
    if (noise->left == 0) {
        LKI_TRY(refill(ctx, noise));
    }
    *out = noise->words[--noise->left];
    noise->words[noise->left] = 0; /* used once, and not left lying about */
    return LK_OK;
}

/* 0..n-1, all alike: words beyond the greatest multiple of n are thrown away. */
static lk_status below(lk_context *ctx, lki_noise *noise, uint64_t n, uint64_t *out)
{
    const uint64_t most = UINT64_MAX - UINT64_MAX % n;
    do {
        LKI_TRY(word(ctx, noise, out));
    } while (*out >= most);
    *out %= n;
    return LK_OK;
}

/* True with probability exp(-num / den), num <= den: the length of a run of trials of num / (den k), k = 1, 2, ... is odd that often. */
static lk_status bernoulli_part(lk_context *ctx, lki_noise *noise, uint64_t num, uint64_t den, bool *out)
{
    uint64_t k = 1;
    for (;; k++) {
        uint64_t a, b;
        LKI_TRY(below(ctx, noise, den, &a));
        LKI_TRY(below(ctx, noise, k, &b));
        if (!(a < num && b == 0)) {
            break;
        }
    }
    *out = k % 2 == 1;
    return LK_OK;
}

static lk_status bernoulli_exp(lk_context *ctx, lki_noise *noise, wide num, uint64_t den, bool *out)
{
    for (; num > den; num -= den) {
        LKI_TRY(bernoulli_part(ctx, noise, 1, 1, out));
        if (!*out) {
            return LK_OK;
        }
    }
    return bernoulli_part(ctx, noise, (uint64_t)num, den, out);
}

/* An integer with probability proportional to exp(-|z| / t). */
static lk_status laplace(lk_context *ctx, lki_noise *noise, uint64_t t, int64_t *out)
{
    for (;;) {
        uint64_t u, side, v = 0;
        bool go;
        LKI_TRY(below(ctx, noise, t, &u));
        LKI_TRY(bernoulli_exp(ctx, noise, u, t, &go));
        if (!go) {
            continue;
        }
        do {
            LKI_TRY(bernoulli_exp(ctx, noise, 1, 1, &go));
            v += go ? 1 : 0;
        } while (go);
        LKI_TRY(below(ctx, noise, 2, &side));
        const int64_t size = (int64_t)(u + t * v);
        if (side == 1 && size == 0) {
            continue;
        }
        *out = side == 1 ? -size : size;
        return LK_OK;
    }
}

/* A Laplace draw of scale sigma, accepted with probability exp(-(|z| - sigma)^2 / (2 sigma^2)). */
lk_status lki_noise_normal(lk_context *ctx, lki_noise *noise, int64_t sigma, int64_t *out)
{
    for (;;) {
        bool good;
        LKI_TRY(laplace(ctx, noise, (uint64_t)sigma, out));
        const uint64_t off = (uint64_t)llabs(llabs(*out) - sigma);
        LKI_TRY(bernoulli_exp(ctx, noise, (wide)off * off, 2 * (uint64_t)sigma * (uint64_t)sigma, &good));
        if (good) {
            return LK_OK;
        }
    }
}

double lki_privacy_rho(double epsilon, double delta)
{
    const double l = log(1.0 / delta), root = sqrt(l + epsilon) - sqrt(l);
    return root * root;
}

double lki_privacy_epsilon(double rho, double delta)
{
    return rho + 2.0 * sqrt(rho * log(1.0 / delta));
}

int64_t lki_privacy_sigma(double sensitivity, double rho)
{
    const double sigma = ceil(sensitivity / sqrt(2.0 * rho) * (1.0 + 1e-12));
    return sigma <= (double)SIGMA_MOST ? (int64_t)fmax(sigma, 1.0) : 0;
}

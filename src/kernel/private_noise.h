/* Noise for differential privacy: exact integer draws from the kernel's random source, and the accountant. */
#ifndef LIKELY_PRIVATE_NOISE_H
#define LIKELY_PRIVATE_NOISE_H

#include "core/core.h"
#include "core/philox.h"

/* A source of random words: getrandom(), or, for tests alone, a seeded stream whose noise anyone can take away again. */
typedef struct lki_noise {
    bool insecure;
    lki_stream stream;
    uint64_t words[64];
    int left;
} lki_noise;
void lki_noise_open(lki_noise *noise, bool insecure, uint64_t seed);

/* An integer z with probability proportional to exp(-z^2 / (2 sigma^2)), 1 <= sigma <= 2^28: exact, without floating point (Canonne, Kamath
 * and Steinke 2020, algorithms 1 to 3). Errors: LK_ERROR_IO where the system gives no random bytes. */
lk_status lki_noise_normal(lk_context *ctx, lki_noise *noise, int64_t sigma, int64_t *out) LK_NODISCARD;

/* The greatest rho with rho + 2 sqrt(rho log(1 / delta)) <= epsilon: rho-concentrated privacy is then (epsilon, delta)-privacy (Bun and Steinke 2016,
 * proposition 1.3). */
double lki_privacy_rho(double epsilon, double delta);
double lki_privacy_epsilon(double rho, double delta);

/* The least whole sigma for which noise on whole numbers that one row changes by at most `sensitivity` (Euclidean) costs at most rho =
 * sensitivity^2 / (2 sigma^2). 0 where it is above 2^28. */
int64_t lki_privacy_sigma(double sensitivity, double rho);

#endif

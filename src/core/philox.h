/* Counter-based random streams (Philox4x64-10, Salmon et al. 2011): a draw depends on (seed, stream, row) and
 * nothing else. */
#ifndef LIKELY_PHILOX_H
#define LIKELY_PHILOX_H

#include "core.h"

/* A position in a stream. Cheap to make (no heap); one for each row or task. */
typedef struct lki_stream {
    uint64_t key[2];     /* seed, stream */
    uint64_t counter[4]; /* draw number, row, 0, 0 */
    uint64_t block[4];
    int left;     /* unused words of block */
    double spare; /* the second normal of a pair */
    int has_spare;
} lki_stream;

/* Names of streams, so that two uses of one seed never share draws. */
enum { LKI_STREAM_START = 1, LKI_STREAM_SAMPLE = 2, LKI_STREAM_HOLDOUT = 3, LKI_STREAM_TEST = 4, LKI_STREAM_IMPUTE = 8,
       LKI_STREAM_BOOTSTRAP = 20, LKI_STREAM_FLOW = 30, LKI_STREAM_LANGEVIN = 31, LKI_STREAM_PILOT = 32, LKI_STREAM_REFERENCE = 40,
       LKI_STREAM_COMPARE = 41, LKI_STREAM_NOISE = 45, LKI_STREAM_CLASS = 50, LKI_STREAM_IMPUTE_CLASS = 51, LKI_STREAM_REPORT = 60 };

lki_stream lki_stream_new(uint64_t seed, uint64_t stream, uint64_t row);
uint64_t lki_random_bits(lki_stream *s);
double lki_random_uniform(lki_stream *s);             /* within (0, 1), 53 bits, never 0 or 1 */
double lki_random_normal(lki_stream *s);              /* mean 0, sd 1 */
double lki_random_gamma(lki_stream *s, double shape); /* scale 1; shape > 0, exact for shape < 1 too */
double lki_random_beta(lki_stream *s, double a, double b);
int64_t lki_random_below(lki_stream *s, int64_t n);                                 /* 0..n-1 without bias */
int64_t lki_random_categorical(lki_stream *s, const double *cumulative, int64_t n); /* cumulative[n-1] = total > 0 */
void lki_random_permutation(lki_stream *s, int64_t *out, int64_t n);

/* Those of the room score. */
enum { LKI_STREAM_TRANSLATE = 80, LKI_STREAM_TILT = 81, LKI_STREAM_DIAGNOSE = 83, LKI_STREAM_ENERGY = 84 };

#endif

/* Writes doubles as the shortest decimals that read back (Giulietti, "The Schubfach way to render doubles", 2020). */
#include "number.h"

#include <stdbool.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
    "4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798"
    "99";

/* The decimal c * 10^k. */
typedef struct shortest {
    uint64_t c;
    int k;
} shortest;

/* floor(log2(10^e)) for |e| <= 1233. */
static int floor_log2_power10(int e)
{
    return (e * 1741647) >> 19;
}

/* Rounds g * cp / 2^128 to odd (section 9.3 of the paper): the last bit says whether anything was cut off. */
static uint64_t round_to_odd(uint64_t high, uint64_t low, uint64_t cp)
{
    wide x = (wide)low * cp;
    wide y = (wide)high * cp + (uint64_t)(x >> 64);
    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* Figure 7 of the paper for the positive finite double of this fraction and biased exponent. */
static shortest shortest_decimal(uint64_t fraction, int biased)
{
    uint64_t c = biased == 0 ? fraction : fraction | (uint64_t)1 << 52;
    int q = (biased == 0 ? 1 : biased) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) {
        return (shortest){c >> -q, 0}; /* a whole number below 2^53 */
    }
    bool closer = fraction == 0 && biased > 1; /* the lower neighbour is at half the distance */
    uint64_t odd = c & 1;
    int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22; /* floor(log10(2^q)), of 3/4 2^q if closer */
    int h = q + floor_log2_power10(-k) + 1;
    /* g is 10^-k with 128 bits, rounded up. The table is truncated where 5^-k neither fits nor was rounded up. */
    const uint64_t *power = lki_powers_of_five[-k - LKI_POWER_LOW];
    uint64_t low = power[1] + (-k > 55 || -k < -27);
    uint64_t high = power[0] + (low < power[1]);
    uint64_t vbl = round_to_odd(high, low, (4 * c - 2 + closer) << h);
    uint64_t vb = round_to_odd(high, low, (4 * c) << h);
    uint64_t vbr = round_to_odd(high, low, (4 * c + 2) << h);
    uint64_t lower = vbl + odd, upper = vbr - odd; /* an even double owns the ends of its rounding interval */
    uint64_t s = vb / 4;
    if (s >= 10) {
        uint64_t tens = s / 10;
        bool under = lower <= 40 * tens, over = 40 * tens + 40 <= upper;
        if (under != over) {
            return (shortest){tens + over, k + 1};
        }
    }
    bool under = lower <= 4 * s, over = 4 * s + 4 <= upper;
    if (under != over) {
        return (shortest){s + over, k};
    }
    uint64_t middle = 4 * s + 2;
    bool up = vb > middle || (vb == middle && (s & 1) != 0);
    return (shortest){s + up, k};
}

static void write_pair(char *p, uint32_t v)
{
    memcpy(p, pairs + (size_t)v * 2, 2);
}

static void write_eight(char *p, uint32_t v)
{
    uint32_t high = v / 10000, low = v % 10000;
    write_pair(p, high / 100);
    write_pair(p + 2, high % 100);
    write_pair(p + 4, low / 100);
    write_pair(p + 6, low % 100);
}

static int digit_count(uint64_t v)
{
    static const uint64_t powers[] = {0,
                                      10,
                                      100,
                                      1000,
                                      10000,
                                      100000,
                                      1000000,
                                      10000000,
                                      100000000,
                                      1000000000,
                                      10000000000u,
                                      100000000000u,
                                      1000000000000u,
                                      10000000000000u,
                                      100000000000000u,
                                      1000000000000000u,
                                      10000000000000000u,
                                      100000000000000000u,
                                      1000000000000000000u,
                                      10000000000000000000u};
    int bits = 64 - __builtin_clzll(v | 1);
    int guess = (bits * 1233) >> 12;
    return guess + (v >= powers[guess]);
}

/* The digits of v, `count` of them, at p. */
static void write_digits(char *p, uint64_t v, int count)
{
    char *at = p + count;
    while (v >= 100000000) {
        at -= 8;
        write_eight(at, (uint32_t)(v % 100000000));
        v /= 100000000;
    }
    uint32_t rest = (uint32_t)v;
    while (rest >= 100) {
        at -= 2;
        write_pair(at, rest % 100);
        rest /= 100;
    }
    if (rest >= 10) {
        write_pair(at - 2, rest);
    } else if (at > p) {
        at[-1] = (char)('0' + rest);
    }
}

/* Drops the zeros at the end of c. */
static void strip(shortest *v)
{
    while (v->c % 100000000 == 0) {
        v->c /= 100000000;
        v->k += 8;
    }
    while (v->c % 10 == 0) {
        v->c /= 10;
        v->k++;
    }
}

static char *write_exponent(char *p, int e)
{
    *p++ = 'e';
    if (e < 0) {
        *p++ = '-';
        e = -e;
    }
    if (e >= 100) {
        *p++ = (char)('0' + e / 100);
        e %= 100;
        write_pair(p, (uint32_t)e);
        return p + 2;
    }
    if (e >= 10) {
        write_pair(p, (uint32_t)e);
        return p + 2;
    }
    *p++ = (char)('0' + e);
    return p;
}

/* Lays out the digits of v.c, without zeros at the end, for the exponent v.k. */
static char *layout(char *p, shortest v)
{
    int n = digit_count(v.c);
    int e = n - 1 + v.k; /* of the leading digit */
    if (e < -5 || e > 16) {
        write_digits(p + 1, v.c, n);
        p[0] = p[1];
        if (n == 1) {
            return write_exponent(p + 1, e);
        }
        p[1] = '.';
        return write_exponent(p + n + 1, e);
    }
    if (v.k >= 0) {
        write_digits(p, v.c, n);
        memset(p + n, '0', (size_t)v.k);
        return p + n + v.k;
    }
    if (e < 0) {
        memcpy(p, "0.00000", 7);
        write_digits(p + 1 - e, v.c, n);
        return p + 1 - e + n;
    }
    write_digits(p + 1, v.c, n);
    memmove(p, p + 1, (size_t)(e + 1));
    p[e + 1] = '.';
    return p + n + 1;
}

int lki_format_double(double v, char out[LKI_NUMBER_BYTES])
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52) & 0x7ff;
    char *p = out;
    if (biased == 0x7ff && fraction != 0) {
        memcpy(out, "nan", 4);
        return 3;
    }
    if (bits >> 63 != 0) {
        *p++ = '-';
    }
    if (biased == 0x7ff) {
        memcpy(p, "inf", 3);
        p += 3;
    } else if (biased == 0 && fraction == 0) {
        *p++ = '0';
    } else {
        shortest s = shortest_decimal(fraction, biased);
        strip(&s);
        p = layout(p, s);
    }
    *p = '\0';
    return (int)(p - out);
}

int lki_format_integer(int64_t v, char out[LKI_NUMBER_BYTES])
{
    char *p = out;
    uint64_t magnitude = (uint64_t)v;
    if (v < 0) {
        *p++ = '-';
        magnitude = 0 - magnitude;
    }
    int n = digit_count(magnitude);
    write_digits(p, magnitude, n);
    p[n] = '\0';
    return (int)(p - out) + n;
}

/* Reads decimal numbers into doubles, correctly rounded (Lemire, "Number Parsing at a Gigabyte per Second", 2021). */
#include "number.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* A midpoint between two doubles has at most 767 significant digits: what lies beyond only matters as "more than". */
enum { DIGITS_KEPT = 800, LIMBS = 96 };

/* A decimal as it was scanned. */
typedef struct decimal {
    uint64_t w;         /* the first 19 significant digits */
    int64_t exponent;   /* value = w * 10^exponent, up to what was cut */
    bool cut;           /* others follow that are not all zero */
    const char *digits; /* first digit or point */
    const char *stop;   /* end of digits */
    int64_t point;      /* digits after the point */
    int64_t explicit_exponent;
} decimal;

/* ---- Eisel-Lemire ---------------------------------------------------------------------------------------------- */

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The bits of the double nearest to w * 10^q, w > 0. Algorithm 1 of the paper; that 128 bits of 5^q always decide is
 * shown by Mushtak and Lemire, "Fast Number Parsing Without Fallback", 2022. */
uint64_t lki_decimal_bits(uint64_t w, int64_t q)
{
    if (q < LKI_POWER_LOW) {
        return 0;
    }
    if (q > 308) {
        return 0x7ffull << 52;
    }
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    const uint64_t *power = lki_powers_of_five[q - LKI_POWER_LOW];
    wide product = (wide)w * power[0];
    if (((uint64_t)(product >> 64) & 0x1ff) == 0x1ff) {
        product += ((wide)w * power[1]) >> 64;
    }
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    int top = (int)(high >> 63);
    int shift = top + 9;
    uint64_t mantissa = high >> shift;
    /* floor(log2(10^q)) + 63 by a rational that is exact over the table. */
    int64_t exponent = ((217706 * q) >> 16) + 63 + top - zeros + 1023;
    if (exponent <= 0) {
        /* Subnormal: no tie can occur here, since 5^-q does not divide w. */
        if (exponent <= -63) {
            return 0;
        }
        mantissa >>= 1 - exponent;
        return (mantissa + (mantissa & 1)) >> 1; /* a carry into bit 52 is the smallest normal number */
    }
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high) {
        mantissa &= ~(uint64_t)1; /* an exact tie goes to the even neighbour */
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= (uint64_t)1 << 53) {
        mantissa = (uint64_t)1 << 52;
        exponent++;
    }
    if (exponent >= 0x7ff) {
        return 0x7ffull << 52;
    }
    return (mantissa & ~((uint64_t)1 << 52)) | (uint64_t)exponent << 52;
}

/* ---- exact comparison ------------------------------------------------------------------------------------------ */

typedef struct natural {
    int size;
    uint64_t limb[LIMBS]; /* least significant first */
} natural;

static void natural_multiply_add(natural *a, uint64_t factor, uint64_t addend)
{
    wide carry = addend;
    for (int i = 0; i < a->size; i++) {
        carry += (wide)a->limb[i] * factor;
        a->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    if (carry != 0) {
        a->limb[a->size++] = (uint64_t)carry;
    }
}

static void natural_multiply_power_of_five(natural *a, int64_t n)
{
    for (; n >= 27; n -= 27) {
        natural_multiply_add(a, 7450580596923828125u, 0);
    }
    uint64_t rest = 1;
    for (; n > 0; n--) {
        rest *= 5;
    }
    natural_multiply_add(a, rest, 0);
}

static void natural_shift(natural *a, int64_t bits)
{
    int words = (int)(bits / 64), rest = (int)(bits % 64);
    if (rest > 0) {
        natural_multiply_add(a, (uint64_t)1 << rest, 0);
    }
    if (words > 0 && a->size > 0) {
        memmove(a->limb + words, a->limb, (size_t)a->size * sizeof a->limb[0]);
        memset(a->limb, 0, (size_t)words * sizeof a->limb[0]);
        a->size += words;
    }
}

static int natural_compare(const natural *a, const natural *b)
{
    if (a->size != b->size) {
        return a->size < b->size ? -1 : 1;
    }
    for (int i = a->size - 1; i >= 0; i--) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

/* All significant digits into `out` (at most DIGITS_KEPT; more is shown by a last 1), value = out * 10^(returned). */
static int64_t natural_from_decimal(const decimal *number, natural *out)
{
    int64_t kept = 0, dropped = 0;
    bool more = false;
    out->size = 0;
    for (const char *p = number->digits; p < number->stop; p++) {
        if (*p == '.' || (kept == 0 && *p == '0')) {
            continue;
        }
        if (kept < DIGITS_KEPT) {
            natural_multiply_add(out, 10, (uint64_t)(*p - '0'));
            kept++;
        } else {
            dropped++;
            more = more || *p != '0';
        }
    }
    int64_t exponent = number->explicit_exponent - number->point + dropped;
    if (more) {
        natural_multiply_add(out, 10, 1);
        exponent--;
    }
    return exponent;
}

/* Which of two neighbouring doubles (bits low and low + 1) is nearest to the decimal. */
static uint64_t nearer_bits(const decimal *number, uint64_t low)
{
    natural left, right;
    int64_t ten = natural_from_decimal(number, &left);
    uint64_t biased = low >> 52, fraction = low & (((uint64_t)1 << 52) - 1);
    uint64_t mantissa = biased == 0 ? fraction : fraction | (uint64_t)1 << 52;
    int64_t two = (biased == 0 ? 1 : (int64_t)biased) - 1075 - 1; /* of the midpoint (2 mantissa + 1) 2^two */
    right.size = 0;
    natural_multiply_add(&right, 1, 2 * mantissa + 1);
    /* left * 10^ten against right * 2^two, with all negative powers moved to the other side. */
    if (ten >= 0) {
        natural_multiply_power_of_five(&left, ten);
    } else {
        natural_multiply_power_of_five(&right, -ten);
    }
    if (ten >= two) {
        natural_shift(&left, ten - two);
    } else {
        natural_shift(&right, two - ten);
    }
    int order = natural_compare(&left, &right);
    return order > 0 || (order == 0 && (low & 1) != 0) ? low + 1 : low;
}

/* ---- scanning -------------------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static uint64_t load8(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Whether eight bytes are digits, and their value: three multiplications for eight digits (section 3 of the paper). */
static bool eight_digits(uint64_t v)
{
    return (((v + 0x4646464646464646u) | (v - 0x3030303030303030u)) & 0x8080808080808080u) == 0;
}

static uint64_t eight_value(uint64_t v)
{
    v -= 0x3030303030303030u;
    v = v * 10 + (v >> 8);
    uint64_t pairs = 0x000000ff000000ffu;
    return ((v & pairs) * 0x000f424000000064u + ((v >> 16) & pairs) * 0x0000271000000001u) >> 32;
}

static inline const char *scan_digits(const char *p, const char *end, uint64_t *w)
{
    uint64_t sum = *w;
    while (end - p >= 8) {
        uint64_t v = load8(p);
        if (!eight_digits(v)) {
            break;
        }
        sum = sum * 100000000u + eight_value(v);
        p += 8;
    }
    while (p < end && is_digit(*p)) {
        sum = sum * 10 + (uint64_t)(*p - '0');
        p++;
    }
    *w = sum;
    return p;
}

/* The first 19 significant digits again, where a long number has overflown w. */
static void scan_long(decimal *number)
{
    const char *p = number->digits;
    int64_t after = 0; /* digits after the point that entered w */
    bool fraction = false;
    uint64_t w = 0;
    int taken = 0;
    for (; p < number->stop && taken < 19; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        w = w * 10 + (uint64_t)(*p - '0');
        taken += w != 0;
        after += fraction;
    }
    const char *rest = p;
    int64_t before = 0; /* digits before the point that did not */
    for (; p < number->stop && !fraction; p++) {
        fraction = *p == '.';
        before += !fraction;
    }
    for (p = rest; p < number->stop && !number->cut; p++) {
        number->cut = *p != '.' && *p != '0';
    }
    number->w = w;
    number->exponent = number->explicit_exponent + before - after;
}

static const char *scan_exponent(const char *p, const char *end, int64_t *out)
{
    const char *start = p;
    p++;
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    if (p >= end || !is_digit(*p)) {
        return start; /* "3e" is the number 3 before an e */
    }
    int64_t e = 0;
    for (; p < end && is_digit(*p); p++) {
        if (e < INT64_C(100000000000000000)) {
            e = e * 10 + (*p - '0');
        }
    }
    *out = negative ? -e : e;
    return p;
}

static bool matches(const char *p, const char *end, const char *word)
{
    for (; *word != '\0'; word++, p++) {
        if (p >= end || (*p | 0x20) != *word) {
            return false;
        }
    }
    return true;
}

static const char *parse_word(const char *p, const char *end, bool negative, double *out)
{
    if (matches(p, end, "nan")) {
        *out = (double)NAN;
        return p + 3;
    }
    if (matches(p, end, "inf")) {
        *out = negative ? -(double)INFINITY : (double)INFINITY;
        return p + (matches(p + 3, end, "inity") ? 8 : 3);
    }
    return NULL;
}

/* Value of a scanned decimal with more than 19 significant digits. */
static uint64_t long_bits(decimal *number)
{
    scan_long(number);
    if (number->w == 0) {
        return 0;
    }
    uint64_t low = lki_decimal_bits(number->w, number->exponent);
    if (!number->cut) {
        return low;
    }
    uint64_t high = lki_decimal_bits(number->w + 1, number->exponent);
    return low == high ? low : nearer_bits(number, low);
}

const char *lki_parse_double(const char *p, const char *end, double *out)
{
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    if (p >= end) {
        return NULL;
    }
    decimal number = {.digits = p};
    const char *q = scan_digits(p, end, &number.w);
    int64_t digits = q - p;
    if (q < end && *q == '.') {
        const char *fraction = q + 1;
        q = scan_digits(fraction, end, &number.w);
        number.point = q - fraction;
        digits += number.point;
    }
    if (digits == 0) {
        return parse_word(p, end, negative, out);
    }
    number.stop = q;
    if (q < end && (*q | 0x20) == 'e') {
        q = scan_exponent(q, end, &number.explicit_exponent);
    }
    uint64_t bits;
    if (digits > 19) {
        bits = long_bits(&number);
    } else {
        bits = number.w == 0 ? 0 : lki_decimal_bits(number.w, number.explicit_exponent - number.point);
    }
    *out = double_of(bits | (uint64_t)negative << 63);
    return q;
}

const char *lki_parse_integer(const char *p, const char *end, int64_t *out)
{
    bool negative = false;
    if (p < end && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
    }
    if (p >= end || !is_digit(*p)) {
        return NULL;
    }
    int64_t value = 0; /* kept negative, whose range is the wider one */
    for (; p < end && is_digit(*p); p++) {
        if (__builtin_mul_overflow(value, (int64_t)10, &value) ||
            __builtin_sub_overflow(value, (int64_t)(*p - '0'), &value)) {
            return NULL;
        }
    }
    if (!negative && value == INT64_MIN) {
        return NULL;
    }
    *out = negative ? value : -value;
    return p;
}

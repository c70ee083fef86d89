/* Decimal numbers to doubles and back: correctly rounded, shortest, and the same whatever the locale. */
#ifndef LIKELY_NUMBER_H
#define LIKELY_NUMBER_H

#include <stdint.h>

/* Bytes that lki_format_double and lki_format_integer may write, the ending NUL included. */
enum { LKI_NUMBER_BYTES = 32 };

/* Reads the longest number at the start of [p, end): sign, digits with an optional point, exponent; or nan, inf,
 * infinity in any case (a NaN's sign is dropped). No blank is skipped and no NUL is needed. The value is the double
 * nearest to the decimal, ties to even; beyond the range it is an infinity or zero. Returns what follows the number,
 * or NULL (out untouched) if there is none. Eisel-Lemire, with exact integers where more than 19 digits leave two
 * candidates. */
const char *lki_parse_double(const char *p, const char *end, double *out);
/* The same for a whole number: sign and digits alone. NULL too where it does not fit into 64 bits. */
const char *lki_parse_integer(const char *p, const char *end, int64_t *out);

/* The bits of the double nearest to w * 10^q, w > 0: for a caller that has scanned the digits itself. */
uint64_t lki_decimal_bits(uint64_t w, int64_t q);

/* Writes the shortest decimal that reads back to v, the nearest to v among those, with an ending NUL; returns its
 * length. Plain for 1e-5 <= |v| < 1e17 ("79", "-0.25"), else with an exponent ("1.5e-7", "1e300"); "nan", "inf",
 * "-inf". */
int lki_format_double(double v, char out[LKI_NUMBER_BYTES]);
int lki_format_integer(int64_t v, char out[LKI_NUMBER_BYTES]);

/* The top 128 bits of 5^q at index q - LKI_POWER_LOW, truncated, but rounded up for -27 <= q < 0. */
enum { LKI_POWER_LOW = -342, LKI_POWER_HIGH = 324 };
extern const uint64_t lki_powers_of_five[LKI_POWER_HIGH - LKI_POWER_LOW + 1][2];

#endif

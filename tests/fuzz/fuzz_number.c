/* Any bytes as a number: what is read agrees with strtod on the same characters, and reads back from its shortest form. */
#include "fuzz_text.h"
#include "data/number.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* not ended by a 0: nothing may be read beyond */
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    double v = 0.0;
    int64_t whole = 0;
    const char *stop = lki_parse_double(text, text + size, &v);
    require(stop == NULL || (stop > text && stop <= text + size));
    const char *last = lki_parse_integer(text, text + size, &whole);
    require(last == NULL || (last > text && last <= text + size));
    if (stop != NULL) {
        char shortest[LKI_NUMBER_BYTES];
        double back = 0.0;
        text[stop - text] = '\0';
        double wanted = strtod(text, NULL);
        require(isnan(v) ? isnan(wanted) : v == wanted && !signbit(v) == !signbit(wanted));
        int length = lki_format_double(v, shortest);
        require(length > 0 && length < LKI_NUMBER_BYTES);
        require(lki_parse_double(shortest, shortest + length, &back) == shortest + length);
        require(isnan(v) ? isnan(back) : v == back);
    }
    free(text);
    return 0;
}

/* Reads the ends of features. */
#include "feature_bounds.h"
#include "data/number.h"

#include <math.h>
#include <string.h>

static lk_status wrong(lk_context *ctx, const char *text, const char *why)
{
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "bounds \"%.200s\": %s; it must be NAME=LOW:HIGH, comma-separated, where LOW or HIGH may be left out, or LOW:HIGH for "
                    "every feature", text, why);
}

/* One end in text[0..end); an empty text is no end. */
static bool read_end(const char *text, const char *end, double none, double *out)
{
    *out = none;
    return text == end || (lki_parse_double(text, end, out) == end && isfinite(*out));
}

lk_status lki_bounds_parse(lk_context *ctx, const char *text, const char *const *names, int64_t d, double *low, double *high)
{
    for (int64_t j = 0; j < d; j++) {
        low[j] = -(double)INFINITY;
        high[j] = (double)INFINITY;
    }
    for (const char *at = text; at != NULL && *at != '\0';) {
        const char *end = at + strcspn(at, ","), *colon = memchr(at, ':', (size_t)(end - at)), *equals = NULL;
        for (const char *p = at; colon != NULL && p < colon; p++) { /* a name may hold an equals sign: the last one counts */
            equals = *p == '=' ? p : equals;
        }
        double ends[2];
        int64_t j = 0;
        if (colon == NULL || !read_end(equals != NULL ? equals + 1 : at, colon, -(double)INFINITY, &ends[0]) ||
            !read_end(colon + 1, end, (double)INFINITY, &ends[1])) {
            return wrong(ctx, text, "an end is no number, or the colon is missing");
        }
        if (!(ends[0] < ends[1])) {
            return wrong(ctx, text, "the lower end is not below the upper one");
        }
        while (equals != NULL && j < d && !(strlen(names[j]) == (size_t)(equals - at) && memcmp(names[j], at, (size_t)(equals - at)) == 0)) {
            j++;
        }
        if (equals != NULL && j == d) {
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "bounds \"%.200s\" names %.*s, which is no feature", text, (int)(equals - at > 100 ? 100 : equals - at), at);
        }
        for (int64_t i = equals != NULL ? j : 0; i < (equals != NULL ? j + 1 : d); i++) {
            low[i] = ends[0];
            high[i] = ends[1];
        }
        if (*end == ',' && end[1] == '\0') {
            return wrong(ctx, text, "it ends with a comma");
        }
        at = *end == ',' ? end + 1 : end;
    }
    return LK_OK;
}

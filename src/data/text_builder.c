/* A text that grows piece by piece, and the small words about words that error messages need. */
#include "text_builder.h"

#include <string.h>

lk_status lki_builder_reserve(lk_context *ctx, lki_builder *t, size_t more)
{
    if (more > SIZE_MAX / 2 || t->length > SIZE_MAX / 2 - more - 1) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "a text of more than %zu bytes", t->length);
    }
    return lki_grow(ctx, &t->text, &t->capacity, t->length + more + 1, 1);
}

lk_status lki_builder_add_bytes(lk_context *ctx, lki_builder *t, const char *piece, size_t length)
{
    LKI_TRY(lki_builder_reserve(ctx, t, length));
    memcpy(t->text + t->length, piece, length);
    t->length += length;
    t->text[t->length] = '\0';
    return LK_OK;
}

lk_status lki_builder_add(lk_context *ctx, lki_builder *t, const char *piece)
{
    return lki_builder_add_bytes(ctx, t, piece, strlen(piece));
}

lk_status lki_builder_add_item(lk_context *ctx, lki_builder *t, const char *piece)
{
    if (t->length > 0) {
        LKI_TRY(lki_builder_add(ctx, t, ", "));
    }
    return lki_builder_add(ctx, t, piece);
}

const char *lki_builder_next(const char **position, size_t *length)
{
    const char *start = *position;
    if (start == NULL || *start == '\0') {
        return NULL;
    }
    const char *end = strchrnul(start, ',');
    const char *after = *end == ',' ? end + 1 : end;
    while (start < end && (*start == ' ' || *start == '\t')) {
        start++;
    }
    while (end > start && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    *length = (size_t)(end - start);
    *position = after;
    return start;
}

static char plain(char c)
{
    return c == '-' ? '_' : (c >= 'A' && c <= 'Z') ? (char)(c - 'A' + 'a') : c;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment distance by three rows of the dynamic programme. */
int lki_builder_distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    size_t m = strnlen(a, MOST), n = strnlen(b, MOST);
    int rows[3][MOST + 1];
    int *before = rows[0], *previous = rows[1], *now = rows[2];
    for (size_t j = 0; j <= n; j++) {
        before[j] = 0;
        previous[j] = (int)j;
    }
    for (size_t i = 1; i <= m; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= n; j++) {
            int change = plain(a[i - 1]) != plain(b[j - 1]);
            now[j] = least(least(previous[j] + 1, now[j - 1] + 1), previous[j - 1] + change);
            if (i > 1 && j > 1 && plain(a[i - 1]) == plain(b[j - 2]) && plain(a[i - 2]) == plain(b[j - 1])) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        int *oldest = before;
        before = previous;
        previous = now;
        now = oldest;
    }
    return previous[n];
}

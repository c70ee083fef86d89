/* The name that a mistyped one was probably meant to be. */
#include "cli/cli.h"

#include <string.h>

enum { NAME_MAX_LENGTH = 63 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours (optimal string alignment), - and _ alike. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_LENGTH + 1];
    size_t la = strlen(a), lb = strlen(b);
    if (la > NAME_MAX_LENGTH || lb > NAME_MAX_LENGTH) {
        return SIZE_MAX;
    }
    size_t *before = rows[0], *previous = rows[1], *current = rows[2];
    for (size_t j = 0; j <= lb; j++) {
        previous[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        current[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            char ca = a[i - 1] == '_' ? '-' : a[i - 1], cb = b[j - 1] == '_' ? '-' : b[j - 1];
            current[j] = smaller(smaller(previous[j], current[j - 1]) + 1, previous[j - 1] + (ca == cb ? 0 : 1));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                current[j] = smaller(current[j], before[j - 2] + 1);
            }
        }
        size_t *unused = before;
        before = previous;
        previous = current;
        current = unused;
    }
    return previous[lb];
}

void cli_nearest_try(cli_nearest *nearest, const char *name)
{
    size_t distance = edit_distance(nearest->typed, name);
    size_t typed = strlen(nearest->typed);
    /* What was typed may be the beginning of the name: "comp" for "components". */
    if (typed >= 2 && strncmp(nearest->typed, name, typed) == 0) {
        distance = 1;
    }
    if (nearest->best == NULL || distance < nearest->distance) {
        nearest->best = name;
        nearest->distance = distance;
    }
}

const char *cli_nearest_name(const cli_nearest *nearest)
{
    if (nearest->best == NULL) {
        return NULL;
    }
    size_t limit = strlen(nearest->typed) / 3 + 1;
    return nearest->distance <= limit ? nearest->best : NULL;
}

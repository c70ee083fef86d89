/* Text files as a whole: parameters in JSON, formulas. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *cli_read_file(const char *path)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char *text = NULL;
    size_t length = 0, capacity = 0;
    if (in == NULL) {
        cli_error("%s: cannot read: %s", path, strerror(errno));
        return NULL;
    }
    for (size_t got = 1; got > 0;) {
        if (length + 65537 > capacity) {
            capacity = capacity * 2 + 131072;
            char *grown = realloc(text, capacity);
            if (grown == NULL) {
                cli_error("%s: %s", path, lk_status_text(LK_ERROR_MEMORY));
                free(text);
                text = NULL;
                break;
            }
            text = grown;
        }
        got = fread(text + length, 1, 65536, in);
        length += got;
        text[length] = '\0';
    }
    if (text != NULL && ferror(in)) {
        cli_error("%s: cannot read: %s", path, strerror(errno));
        free(text);
        text = NULL;
    } else if (text != NULL && strlen(text) != length) {
        cli_error("%s: byte %zu is zero: this is no text", path, strlen(text) + 1);
        free(text);
        text = NULL;
    }
    if (in != stdin) {
        fclose(in);
    }
    return text;
}

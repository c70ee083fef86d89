/* Numbers, wrapped paragraphs and aligned tables for people to read. */
#include "cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *cli_number(double value, char *buffer, size_t size)
{
    if (isnan(value)) {
        snprintf(buffer, size, "-");
    } else {
        snprintf(buffer, size, "%.6g", value);
    }
    return buffer;
}

const char *cli_count(double value, char *buffer, size_t size)
{
    if (floor(value) == value && fabs(value) < 1e15) {
        snprintf(buffer, size, "%.0f", value);
    } else {
        cli_number(value, buffer, size);
    }
    return buffer;
}

void cli_print_clean(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        fputc((*c < 0x20 && *c != '\n') || *c == 0x7f ? '?' : *c, out);
    }
}

/* Columns on the screen: bytes that do not continue a UTF-8 character. */
static int screen_width(const char *text)
{
    int width = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        width += (*c & 0xc0u) != 0x80u ? 1 : 0;
    }
    return width;
}

void cli_print_wrapped(FILE *out, const char *text, int indent, int width)
{
    int column = indent;
    bool first = true;
    for (const char *at = text; *at != '\0';) {
        if (at[0] == '\n') { /* an empty line between paragraphs */
            fprintf(out, "\n\n%*s", indent, "");
            at += strspn(at, "\n");
            column = indent;
            first = true;
            continue;
        }
        int length = (int)strcspn(at, " \n");
        if (!first && column + 1 + length > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", length, at);
        column += length + (first ? 0 : 1);
        first = false;
        at += length;
        at += strspn(at, " ");
    }
    fputc('\n', out);
}

struct cli_grid {
    int columns;
    size_t count, capacity;
    char **cells;
    bool failed;
};

cli_grid *cli_grid_new(int columns)
{
    cli_grid *grid = calloc(1, sizeof *grid);
    if (grid != NULL) {
        grid->columns = columns;
    }
    return grid;
}

void cli_grid_add(cli_grid *grid, const char *format, ...)
{
    if (grid == NULL || grid->failed) {
        return;
    }
    if (grid->count == grid->capacity) {
        size_t capacity = grid->capacity * 2 + 32;
        char **cells = realloc(grid->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            grid->failed = true;
            return;
        }
        grid->cells = cells;
        grid->capacity = capacity;
    }
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        grid->failed = true;
        return;
    }
    for (char *c = text; *c != '\0'; c++) {
        *c = ((unsigned char)*c < 0x20 || *c == 0x7f) ? '?' : *c;
    }
    grid->cells[grid->count++] = text;
}

void cli_grid_number(cli_grid *grid, double value)
{
    char buffer[48];
    cli_grid_add(grid, "%s", cli_number(value, buffer, sizeof buffer));
}

void cli_grid_print(cli_grid *grid, FILE *out, const char *indent, const char *alignment)
{
    if (grid == NULL) {
        fputs("(not enough memory to show this table)\n", out);
        return;
    }
    size_t columns = (size_t)grid->columns, alignments = strlen(alignment);
    int spaces = 0;
    for (size_t i = 0; i < grid->count; i++) {
        size_t column = i % columns;
        int width = 0;
        for (size_t j = column; j < grid->count; j += columns) {
            int w = screen_width(grid->cells[j]);
            width = w > width ? w : width;
        }
        int padding = width - screen_width(grid->cells[i]);
        bool right = alignment[column < alignments ? column : alignments - 1] == 'r';
        if (column == 0) {
            fputs(indent, out);
            spaces = 0;
        } else {
            spaces += 2;
        }
        spaces += right ? padding : 0;
        if (grid->cells[i][0] != '\0') { /* a line ends without spaces */
            fprintf(out, "%*s%s", spaces, "", grid->cells[i]);
            spaces = 0;
        }
        spaces += right ? 0 : padding;
        if (column + 1 == columns) {
            fputc('\n', out);
        }
    }
    for (size_t i = 0; i < grid->count; i++) {
        free(grid->cells[i]);
    }
    free(grid->cells);
    free(grid);
}

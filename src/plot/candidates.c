/* The criterion of every candidate of a fit against its number of components, a line for each covariance family. */
#include "plot/plot.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

static const char *family(const json_t *candidate)
{
    const char *name = json_string_value(json_object_get(candidate, "covariance"));
    return name == NULL ? "" : name;
}

/* Whether no candidate before this one is of its family. */
static bool opens_family(const json_t *table, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (strcmp(family(json_array_get(table, i)), family(json_array_get(table, j))) == 0) {
            return false;
        }
    }
    return true;
}

/* The value of a candidate that can be relied on; NaN for others. */
static double value_of(const json_t *candidate, const char *criterion)
{
    const json_t *value = json_object_get(candidate, criterion);
    return json_is_number(value) && !json_is_true(json_object_get(candidate, "degenerate")) ? json_number_value(value) : (double)NAN;
}

int64_t plot_candidates(const json_t *info, const char *criterion)
{
    const json_t *table = json_object_get(info, "selection");
    int64_t count = 0;
    for (size_t i = 0; i < json_array_size(table); i++) {
        count += !isnan(value_of(json_array_get(table, i), criterion));
    }
    return count;
}

/* A block of lines "K value" for each family; the best candidate in a block of its own. */
static int write_families(const json_t *table, const char *criterion, FILE *out, const char **names, int most)
{
    int families = 0;
    size_t best = 0;
    long long least = 0, highest = 0;
    fputs("$candidates << EOD\n", out);
    for (size_t i = 0; i < json_array_size(table) && families < most; i++) {
        if (!opens_family(table, i)) {
            continue;
        }
        names[families++] = family(json_array_get(table, i));
        for (size_t j = i; j < json_array_size(table); j++) {
            const json_t *candidate = json_array_get(table, j);
            const double value = value_of(candidate, criterion);
            if (strcmp(family(candidate), names[families - 1]) != 0) {
                continue;
            }
            if (isnan(value)) { /* a gap in the line */
                fputs("\n", out);
                continue;
            }
            const long long K = (long long)json_integer_value(json_object_get(candidate, "components"));
            fprintf(out, "%lld %.15g\n", K, value);
            least = least == 0 || K < least ? K : least;
            highest = K > highest ? K : highest;
            const double top = value_of(json_array_get(table, best), criterion);
            best = isnan(top) || value > top ? j : best;
        }
        fputs("\n\n", out);
    }
    fprintf(out, "%lld %.15g\nEOD\n", (long long)json_integer_value(json_object_get(json_array_get(table, best), "components")),
            value_of(json_array_get(table, best), criterion));
    fprintf(out, "set xrange [%g:%g]\n", (double)least - 0.4, (double)highest + 0.4);
    return families;
}

void plot_candidates_program(const plot_request *request, const json_t *info, const char *criterion, FILE *out)
{
    enum { MOST = 32 };
    const char *names[MOST];
    const bool text = request->medium == PLOT_TEXT;
    char words[32];
    for (size_t i = 0; i < sizeof words; i++) { /* BIC, ICL, AIC */
        words[i] = (char)(i + 1 < sizeof words && i < strlen(criterion) ? toupper((unsigned char)criterion[i]) : 0);
    }
    plot_begin(request, out);
    const int families = write_families(json_object_get(info, "selection"), criterion, out, names, MOST);
    if (request->title != NULL) {
        fputs("set title ", out);
        plot_quote(out, request->title);
        fputs(" noenhanced\n", out);
    }
    fprintf(out, "set xlabel 'number of components' noenhanced\nset ylabel '%s (larger is better)' noenhanced\nset xtics 1\n"
                 "set offsets 0, 0, graph 0.05, graph 0.02\n", words);
    fputs(text ? "set key outside right top\n"
               : "set key outside right top Left reverse samplen 2 spacing 1.2 textcolor rgb '#404040'\n", out);
    fputs("plot ", out);
    for (int k = 0; k < families; k++) {
        if (text) {
            fprintf(out, "$candidates index %d using 1:2 with points title ", k);
        } else { /* a colour and a mark each: eight colours, then other marks */
            static const int marks[] = {7, 5, 9, 11};
            fprintf(out, "$candidates index %d using 1:2 with linespoints lc rgb '%s' pt %d ps 0.8 lw 1.6%s title ", k, plot_group_colour(k),
                    marks[k / PLOT_COLOURS % 4], k / PLOT_COLOURS % 2 == 1 ? " dt 2" : "");
        }
        plot_quote(out, names[k][0] == '\0' ? "candidates" : names[k]);
        fputs(", \\\n     ", out);
    }
    fprintf(out, text ? "$candidates index %d using 1:2 with points pt 'X' title 'best'\n"
                      : "$candidates index %d using 1:2 with points pt 6 ps 2.4 lw 2 lc rgb '#202020' title 'best'\n", families);
}

/* Help texts, made from the descriptors of verbs and methods. */
#include "cli/cli.h"

#include <string.h>

enum { HELP_WIDTH = 100 };

void cli_print_overview(FILE *out)
{
    fprintf(out, "likely %s: learn a probability distribution from data, then ask it anything.\n\n"
                 "  likely fit flowers.csv            learn it; writes flowers.lk\n"
                 "  likely info flowers.lk            what was learned, and how far to trust it\n"
                 "  likely plot flowers.lk flowers.csv -o flowers.png\n"
                 "  likely sample flowers.lk -n 1000  new rows like the old ones\n\n"
                 "Usage: likely VERB [options] MODEL_OR_DATA [DATA]\n\n",
            lk_version());
    cli_grid *grid = cli_grid_new(2);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        cli_grid_add(grid, "%s", cli_verbs[i]->name);
        cli_grid_add(grid, "%s", cli_verbs[i]->summary);
    }
    cli_grid_print(grid, out, "  ", "ll");
    fprintf(out, "\n'likely help VERB' tells all about one verb. DATA is CSV, TSV, NPY, NPZ or IDX,\n"
                 "also gzip or zstd; - is standard input. Exit: 0 done, 1 failed, 2 wrong usage,\n"
                 "3 done but not to be trusted.\n");
}

/* "default 0.001; from 0 to 1; one of a, b" */
static void describe_values(const lk_parameter *p, char *out, size_t size)
{
    char limits[96];
    size_t used = 0;
    out[0] = '\0';
    if (p->type != LK_PARAMETER_FLAG && p->value != NULL) {
        used += (size_t)snprintf(out, size, "default %s", p->value);
    }
    if (p->choices != NULL && used < size) {
        used += (size_t)snprintf(out + used, size - used, "%s%s ", used == 0 ? "" : "; ",
                                 p->type == LK_PARAMETER_CHOICES ? "any of" : "one of");
        for (const char *c = p->choices; *c != '\0' && used + 3 < size; c++) {
            used += (size_t)snprintf(out + used, size - used, *c == ',' ? ", " : "%c", *c);
        }
    }
    bool number = p->type == LK_PARAMETER_INTEGER || p->type == LK_PARAMETER_REAL || p->type == LK_PARAMETER_RANGE;
    if (number && used < size) {
        cli_limits(p, limits, sizeof limits);
        snprintf(out + used, size - used, "%s%s", used == 0 ? "" : "; ", limits);
    }
}

typedef struct help_state {
    FILE *out;
    char title[128];
} help_state;

static void print_option(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    help_state *help = state;
    char spelling[80], values[512], text[1024], head[160];
    const char *placeholder = cli_option_placeholder(p);
    char letter = cli_option_letter(p->name);
    (void)of_method;
    if (strcmp(help->title, title) != 0) {
        fprintf(help->out, "\n%s:\n", title);
        snprintf(help->title, sizeof help->title, "%s", title);
    }
    cli_option_spelling(p, spelling, sizeof spelling);
    if (letter != 0) {
        snprintf(head, sizeof head, "-%c, %s%s%s", letter, spelling, placeholder == NULL ? "" : " ",
                 placeholder == NULL ? "" : placeholder);
    } else {
        snprintf(head, sizeof head, "    %s%s%s", spelling, placeholder == NULL ? "" : " ",
                 placeholder == NULL ? "" : placeholder);
    }
    describe_values(p, values, sizeof values);
    snprintf(text, sizeof text, "%s%s%s%s", p->summary, values[0] == '\0' ? "" : " (", values,
             values[0] == '\0' ? "" : ")");
    fprintf(help->out, "  %-27s%s", head, strlen(head) >= 27 ? "\n                             " : "");
    cli_print_wrapped(help->out, text, 29, HELP_WIDTH);
}

static void print_listings(FILE *out, const cli_listing *listing)
{
    const char *name, *summary;
    for (; listing != NULL && listing->title != NULL; listing++) {
        fprintf(out, "\n%s:\n", listing->title);
        for (int i = 0; listing->at(i, &name, &summary); i++) {
            fprintf(out, "  %-27s", name);
            cli_print_wrapped(out, summary, 29, HELP_WIDTH);
        }
    }
}

void cli_print_help(FILE *out, const cli_verb *verb, const lk_method *method)
{
    help_state state = {out, ""};
    fprintf(out, "likely %s: %s\n\nUsage: likely %s [options] %s\n\n", verb->name, verb->summary, verb->name,
            verb->operands);
    cli_print_wrapped(out, verb->description, 0, HELP_WIDTH);
    cli_options_each(verb, verb->takes_method && method == NULL ? lk_method_at(0) : method, print_option, &state);
    print_listings(out, verb->listings);
    if (verb->examples != NULL && verb->examples[0].command != NULL) {
        fputs("\nExamples:\n", out);
        for (const cli_example *e = verb->examples; e->command != NULL; e++) {
            fprintf(out, "  %s\n      %s\n", e->command, e->summary);
        }
    }
}

void cli_print_method(FILE *out, const lk_method *method)
{
    help_state state = {out, ""};
    fprintf(out, "%s: %s\n\n", method->name, method->summary);
    if (method->citation != NULL) {
        fputs("Source: ", out);
        cli_print_wrapped(out, method->citation, 8, HELP_WIDTH);
    }
    fprintf(out, "Roles: %s\nOffers:", method->roles == NULL ? "features" : method->roles);
    for (unsigned bit = 1; bit != 0; bit <<= 1) {
        if ((method->operations & bit) != 0 && lk_operation_name(bit) != NULL) {
            fprintf(out, " %s", lk_operation_name(bit));
        }
    }
    fputc('\n', out);
    for (int64_t i = 0; i < method->parameter_count; i++) {
        print_option(&state, "Parameters", &method->parameters[i], true);
    }
}

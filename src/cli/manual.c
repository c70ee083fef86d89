/* Manual pages in roff, made from the descriptors: one a verb, one for the command. */
#include "cli/cli.h"

#include <ctype.h>
#include <string.h>

/* Text with what roff would read as its own made plain. */
static void escape(FILE *out, const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (line_start && (*c == '.' || *c == '\'')) {
            fputs("\\&", out);
        }
        if (*c == '\\') {
            fputs("\\e", out);
        } else if (*c == '-') {
            fputs("\\-", out);
        } else if (*c == '\'') {
            fputs("\\(aq", out);
        } else if (c[0] == '\n') {
            fputs("\n.PP\n", out);
            while (c[1] == '\n') {
                c++;
            }
        } else {
            fputc(*c, out);
        }
        line_start = *c == '\n';
    }
}

static void head(FILE *out, const char *name, const char *summary)
{
    fputs(".TH \"", out);
    for (const char *c = name; *c != '\0'; c++) {
        fputc(toupper((unsigned char)*c), out);
    }
    fprintf(out, "\" 1 \"\" \"likely %s\" \"User Commands\"\n.SH NAME\n", lk_version());
    escape(out, name);
    fputs(" \\- ", out);
    escape(out, summary);
    fputc('\n', out);
}

typedef struct manual_state {
    FILE *out;
    char title[128];
} manual_state;

static void print_option(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    manual_state *manual = state;
    FILE *out = manual->out;
    char spelling[80];
    char letter = cli_option_letter(p->name);
    const char *placeholder = cli_option_placeholder(p);
    (void)of_method;
    if (strcmp(manual->title, title) != 0) {
        fputs(".SS ", out);
        escape(out, title);
        fputc('\n', out);
        snprintf(manual->title, sizeof manual->title, "%s", title);
    }
    cli_option_spelling(p, spelling, sizeof spelling);
    fputs(".TP\n", out);
    if (letter != 0) {
        fprintf(out, "\\fB\\-%c\\fR, ", letter);
    }
    fputs("\\fB", out);
    escape(out, spelling);
    fputs("\\fR", out);
    if (placeholder != NULL) {
        fputs(" \\fI", out);
        escape(out, placeholder);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    escape(out, p->summary);
    if (p->choices != NULL) {
        fputs(" (", out);
        for (const char *c = p->choices; *c != '\0'; c++) {
            char text[2] = {*c, '\0'};
            escape(out, *c == ',' ? ", " : text);
        }
        fputc(')', out);
    }
    if (p->type != LK_PARAMETER_FLAG && p->value != NULL) {
        fputs("; default ", out);
        escape(out, p->value);
    }
    size_t length = strlen(p->summary);
    bool ended = p->choices == NULL && (p->type == LK_PARAMETER_FLAG || p->value == NULL) && p->summary[length - 1] == '.';
    fputs(ended ? "\n" : ".\n", out);
}

static void print_listings(FILE *out, const cli_listing *listing)
{
    const char *name, *summary;
    for (; listing != NULL && listing->title != NULL; listing++) {
        fputs(".SS ", out);
        escape(out, listing->title);
        fputc('\n', out);
        for (int i = 0; listing->at(i, &name, &summary); i++) {
            fputs(".TP\n\\fB", out);
            escape(out, name);
            fputs("\\fR\n", out);
            escape(out, summary);
            fputs(".\n", out);
        }
    }
}

static const char exit_text[] = "0 done; 1 failed; 2 wrong usage; 3 done but not to be trusted (not converged, "
                                "degenerate), the result still written and the reason on standard error; 130 "
                                "interrupted, nothing written.";

static void print_verb(FILE *out, const cli_verb *verb)
{
    manual_state state = {out, ""};
    char name[80];
    snprintf(name, sizeof name, "likely-%s", verb->name);
    head(out, name, verb->summary);
    fprintf(out, ".SH SYNOPSIS\n.B likely %s\n[\\fIoptions\\fR] ", verb->name);
    escape(out, verb->operands);
    fputs("\n.SH DESCRIPTION\n", out);
    escape(out, verb->description);
    fputs("\n.SH OPTIONS\n", out);
    cli_options_each(verb, verb->takes_method ? lk_method_at(0) : NULL, print_option, &state);
    print_listings(out, verb->listings);
    if (verb->examples != NULL && verb->examples[0].command != NULL) {
        fputs(".SH EXAMPLES\n", out);
        for (const cli_example *e = verb->examples; e->command != NULL; e++) {
            fputs(".TP\n\\fB", out);
            escape(out, e->command);
            fputs("\\fR\n", out);
            escape(out, e->summary);
            fputc('\n', out);
        }
    }
    fputs(".SH EXIT STATUS\n", out);
    escape(out, exit_text);
    fputs("\n.SH SEE ALSO\n.BR likely (1)\n", out);
}

static void print_command(FILE *out)
{
    head(out, "likely", "learn a probability distribution from data, then ask it anything");
    fputs(".SH SYNOPSIS\n.B likely\n\\fIVERB\\fR [\\fIoptions\\fR] \\fIMODEL_OR_DATA\\fR [\\fIDATA\\fR]\n"
          ".SH DESCRIPTION\n",
          out);
    escape(out, "A model is fitted to a table by 'likely fit', kept in a file, and asked by the other verbs. Data are "
                "CSV, TSV, NPY, NPZ or IDX files, also compressed by gzip or zstd; FILE.npz:NAME is one array of an "
                "NPZ; - is standard input or output. Results go to standard output or to --output, remarks and progress "
                "to standard error. Densities are in nats and in the units of the data. Numbers have a decimal point "
                "whatever the locale.");
    fputs("\n.SH VERBS\n", out);
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        fprintf(out, ".TP\n.BR likely\\-%s (1)\n", cli_verbs[i]->name);
        escape(out, cli_verbs[i]->summary);
        fputc('\n', out);
    }
    fputs(".SH EXIT STATUS\n", out);
    escape(out, exit_text);
    fputc('\n', out);
}

void cli_print_manual(FILE *out, const cli_verb *verb)
{
    if (verb == NULL) {
        print_command(out);
    } else {
        print_verb(out, verb);
    }
}

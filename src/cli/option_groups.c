/* The options that verbs share, each declared once, and how options are spelled. */
#include "cli/cli.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#define FLAG(name, summary) {name, LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL, summary}
#define TEXT(name, value, placeholder, summary) {name, LK_PARAMETER_TEXT, value, 0, 0, NULL, placeholder, summary}

static const lk_parameter common_options[] = {
    {"seed", LK_PARAMETER_INTEGER, "1", 0, 9007199254740991.0, NULL, NULL,
     "seed of every random choice: the same seed gives the same bits"},
    {"threads", LK_PARAMETER_INTEGER, NULL, 1, 1024, NULL, NULL,
     "worker threads; all processors if not given; results never depend on it"},
    TEXT("memory", NULL, "SIZE", "what data may occupy before they are streamed: bytes, or 64M, 2G; half of what is free "
                                 "if not given; results never depend on it"),
    FLAG("quiet", "no remarks, no progress, no summary: only results, errors and doubts"),
    FLAG("help", "print this help"),
};
static const lk_parameter output_options[] = {
    TEXT("output", NULL, "FILE", "write here instead of the default place; - is standard output; a file appears whole or "
                                 "not at all"),
};
static const lk_parameter format_options[] = {
    {"format", LK_PARAMETER_CHOICE, NULL, 0, 0, "csv,tsv,jsonl,npy", NULL,
     "format of the rows; by the extension of the output if not given, csv on standard output"},
};
static const lk_parameter json_options[] = {
    FLAG("json", "answer in JSON, for machines (rows: one JSON object a line)"),
};
static const lk_parameter reading_options[] = {
    {"input_format", LK_PARAMETER_CHOICE, NULL, 0, 0, "csv,tsv,npy,npz,idx", NULL,
     "format of the input; found by its first bytes if not given"},
    TEXT("delimiter", NULL, "CHAR", "what separates fields: one character, or comma, tab, semicolon, pipe, space "
                                    "(runs of blanks); found if not given"),
    FLAG("header", "the first line names the columns; found out if not given"),
    FLAG("no_header", "the first line is data; columns are called x1, x2, ..."),
    TEXT("na", NULL, "TOKENS", "comma-separated tokens that mean missing; an empty field always does; NA, N/A, NaN, nan, "
                               "null, NULL, None, ? and . if not given"),
    TEXT("types", NULL, "LIST", "column types that override what is found, as in height=real,3=text: real, integer, "
                                "category, text"),
};
static const lk_parameter features_options[] = {
    TEXT("features", NULL, "COLUMNS", "what the model is over: comma-separated names, or positions from 1; every numeric "
                                      "column without another role if not given"),
};
static const lk_parameter label_options[] = {
    TEXT("label", NULL, "COLUMN", "the column of a known class, never a feature: the model then has a distribution for each class"),
};
static const lk_parameter weight_options[] = {
    TEXT("weight", NULL, "COLUMN", "weights of the rows: 2 counts a row twice, 0 leaves it out"),
};
static const lk_parameter id_options[] = {
    TEXT("id", NULL, "COLUMNS", "row names: never features, repeated in front of row results"),
};
static const lk_parameter ignore_options[] = {
    TEXT("ignore", NULL, "COLUMNS", "columns to leave out"),
};
static const lk_parameter keep_options[] = {
    FLAG("keep", "repeat all input columns in front of the results"),
};

#define GROUP(title, array) {title, array, sizeof(array) / sizeof((array)[0])}
const cli_group cli_groups[CLI_GROUP_COUNT] = {
    GROUP("Common options", common_options), GROUP("Output", output_options),  GROUP("Output", format_options),
    GROUP("Output", json_options),           GROUP("Input", reading_options),  GROUP("Roles of columns", features_options),
    GROUP("Roles of columns", label_options), GROUP("Roles of columns", weight_options),
    GROUP("Roles of columns", id_options),   GROUP("Roles of columns", ignore_options), GROUP("Output", keep_options),
};

/* Groups in the order of the help. */
static const unsigned help_order[] = {CLI_FEATURES, CLI_LABEL, CLI_WEIGHT, CLI_ID,   CLI_IGNORE, CLI_READING,
                                      CLI_OUTPUT,   CLI_FORMAT, CLI_JSON,  CLI_KEEP, CLI_COMMON};

static const struct {
    char letter;
    const char *name;
} letters[] = {{'o', "output"}, {'n', "rows"}, {'q', "quiet"}, {'h', "help"}, {'k', "components"}, {'m', "model"}};

char cli_option_letter(const char *name)
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (cli_name_equal(letters[i].name, name)) {
            return letters[i].letter;
        }
    }
    return 0;
}

const char *cli_option_of_letter(char letter)
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].letter == letter) {
            return letters[i].name;
        }
    }
    return NULL;
}

bool cli_name_equal(const char *a, const char *b)
{
    for (; *a != '\0' && *b != '\0'; a++, b++) {
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) {
            return false;
        }
    }
    return *a == *b;
}

void cli_option_spelling(const lk_parameter *p, char *out, size_t size)
{
    snprintf(out, size, "--%s", p->name);
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '_') {
            *c = '-';
        }
    }
}

void cli_limits(const lk_parameter *p, char *out, size_t size)
{
    char low[40], high[40];
    cli_count(p->low, low, sizeof low);
    cli_count(p->high, high, sizeof high);
    if (p->high < 9e15) {
        snprintf(out, size, "from %s to %s", low, high);
    } else {
        snprintf(out, size, "at least %s", low);
    }
}

const char *cli_option_placeholder(const lk_parameter *p)
{
    if (p->type == LK_PARAMETER_FLAG) {
        return NULL;
    }
    if (p->placeholder != NULL) {
        return p->placeholder;
    }
    switch (p->type) {
    case LK_PARAMETER_INTEGER:
        return "INTEGER";
    case LK_PARAMETER_REAL:
        return "NUMBER";
    case LK_PARAMETER_RANGE:
        return "RANGE";
    case LK_PARAMETER_CHOICE:
        return "WORD";
    case LK_PARAMETER_CHOICES:
        return "WORDS";
    case LK_PARAMETER_FLAG:
    case LK_PARAMETER_TEXT:
        break;
    }
    return "TEXT";
}

static bool is_shared(const cli_verb *verb, const char *name)
{
    for (unsigned g = 0; g < CLI_GROUP_COUNT; g++) {
        for (size_t i = 0; ((verb->groups | CLI_COMMON) >> g & 1u) != 0 && i < cli_groups[g].count; i++) {
            if (cli_name_equal(cli_groups[g].options[i].name, name)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < verb->option_count; i++) {
        if (cli_name_equal(verb->options[i].name, name)) {
            return true;
        }
    }
    return false;
}

void cli_options_each(const cli_verb *verb, const lk_method *method, cli_option_visit visit, void *state)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        visit(state, "Options", &verb->options[i], false);
    }
    if (verb->takes_method && method != NULL) {
        char title[128];
        snprintf(title, sizeof title, "Parameters of the method %s", method->name);
        for (int64_t i = 0; i < method->parameter_count; i++) {
            /* The seed of a method is the command's own. */
            if (!is_shared(verb, method->parameters[i].name)) {
                visit(state, title, &method->parameters[i], true);
            }
        }
    }
    for (size_t o = 0; o < sizeof help_order / sizeof help_order[0]; o++) {
        for (unsigned g = 0; g < CLI_GROUP_COUNT; g++) {
            if ((1u << g) != help_order[o] || ((verb->groups | CLI_COMMON) & (1u << g)) == 0) {
                continue;
            }
            for (size_t i = 0; i < cli_groups[g].count; i++) {
                visit(state, cli_groups[g].title, &cli_groups[g].options[i], false);
            }
        }
    }
}

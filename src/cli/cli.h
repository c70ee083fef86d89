/* The command: one descriptor a verb, from which parsing, help, manual pages and shell completion are all made. */
#ifndef LIKELY_CLI_H
#define LIKELY_CLI_H

#include <likely/likely.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_t;

/* Exit codes; the contract is docs/command-line.md. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_DOUBTFUL = 3, CLI_INTERRUPTED = 130 };

/* Groups of options that verbs share; each is declared once, in option_groups.c. */
enum {
    CLI_COMMON = 1u << 0, /* seed, threads, memory, quiet, help: every verb has them */
    CLI_OUTPUT = 1u << 1,
    CLI_FORMAT = 1u << 2,
    CLI_JSON = 1u << 3,
    CLI_READING = 1u << 4,
    CLI_FEATURES = 1u << 5,
    CLI_LABEL = 1u << 6,
    CLI_WEIGHT = 1u << 7,
    CLI_ID = 1u << 8,
    CLI_IGNORE = 1u << 9,
    CLI_KEEP = 1u << 10
};
#define CLI_ROWS (CLI_OUTPUT | CLI_FORMAT | CLI_JSON)
#define CLI_GROUP_COUNT 11

typedef struct cli_group {
    const char *title; /* heading in the help */
    const lk_parameter *options;
    size_t count;
} cli_group;

typedef struct cli_example {
    const char *command;
    const char *summary;
} cli_example;

typedef struct cli_command cli_command;

/* Names that an option takes, with a line about each, told by the library: index 0, 1, ... until it returns false. */
typedef struct cli_listing {
    const char *title; /* NULL ends an array of them */
    bool (*at)(int index, const char **name, const char **summary);
} cli_listing;

/* One verb. All texts are static; `description` is paragraphs separated by an empty line. */
typedef struct cli_verb {
    const char *name;
    const char *summary;
    const char *operands; /* as in the usage line: "MODEL [DATA]" */
    const char *description;
    int operands_min, operands_max;
    unsigned groups;
    bool takes_method;           /* the parameters of the method that --model names are options too */
    const lk_parameter *options; /* its own */
    size_t option_count;
    const cli_example *examples; /* ended by a NULL command */
    const cli_listing *listings; /* NULL = none; ended by a NULL title */
    int (*run)(cli_command *command);
} cli_verb;

/* A typed command line. */
enum { CLI_OPTIONS_MAX = 96, CLI_OPERANDS_MAX = 4 };
typedef struct cli_value {
    const lk_parameter *parameter;
    const char *text; /* as typed, else the default; NULL = none */
    bool given;
    bool of_method;
} cli_value;
struct cli_command {
    const cli_verb *verb;
    const lk_method *method; /* where the verb takes one */
    cli_value values[CLI_OPTIONS_MAX];
    size_t value_count;
    const char *operands[CLI_OPERANDS_MAX];
    int operand_count;
    lk_context *context;
    void *state; /* the verb's own */
};

/* Verbs, in the order of the help; main.c holds the list. */
extern const cli_verb *const cli_verbs[];
const cli_verb *cli_verb_find(const char *name);

/* option_groups.c */
extern const cli_group cli_groups[CLI_GROUP_COUNT]; /* bit i of cli_verb.groups is group i */
char cli_option_letter(const char *name);           /* 0 = it has no short form */
const char *cli_option_of_letter(char letter);
bool cli_name_equal(const char *a, const char *b);  /* - and _ are the same */
void cli_option_spelling(const lk_parameter *p, char *out, size_t size);    /* "--max-iter" */
const char *cli_option_placeholder(const lk_parameter *p);                 /* "INTEGER"; NULL for a flag */
void cli_limits(const lk_parameter *p, char *out, size_t size);            /* "from 1 to 9", "at least 0" */
/* Calls `visit` for each option of a verb: its own, the method's, the shared ones, in the order of the help. */
typedef void (*cli_option_visit)(void *state, const char *title, const lk_parameter *p, bool of_method);
void cli_options_each(const cli_verb *verb, const lk_method *method, cli_option_visit visit, void *state);

/* command_line.c: parses and checks; prints what is wrong and returns CLI_USAGE, or CLI_DONE. */
int cli_parse(cli_command *command, int argc, char **argv);
int cli_usage_error(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *cli_text(const cli_command *command, const char *name); /* NULL = not given and no default */
bool cli_given(const cli_command *command, const char *name);
bool cli_flag(const cli_command *command, const char *name);
int64_t cli_integer(const cli_command *command, const char *name);
double cli_real(const cli_command *command, const char *name);
bool cli_parse_size(const char *text, int64_t *out); /* "64M" */
/* The method's parameters that were given, ended by a NULL name; `settings` has room for CLI_OPTIONS_MAX + 1. */
void cli_settings(const cli_command *command, lk_setting *settings);

/* suggest.c: the nearest of some names, NULL if none is near. */
typedef struct cli_nearest {
    const char *typed;
    const char *best;
    size_t distance;
} cli_nearest;
void cli_nearest_try(cli_nearest *nearest, const char *name);
const char *cli_nearest_name(const cli_nearest *nearest);

/* session.c: the context of a run with its progress line, remarks and signals. */
int cli_session_begin(cli_command *command);
void cli_session_end(cli_command *command);
bool cli_interrupted(void);
void cli_progress_show(const char *stage, double done, double total, const char *detail);
void cli_progress_clear(void);
void cli_remark(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_warning(const char *format, ...) __attribute__((format(printf, 1, 2))); /* said even under --quiet */
int cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));    /* returns CLI_FAILED */
int cli_fail(const cli_command *command, lk_status status);                      /* the context's message; exit code */
lk_read_options cli_read_options(const cli_command *command, int *code);         /* *code: CLI_DONE or CLI_USAGE */

/* text.c: words for people. */
typedef struct cli_grid cli_grid; /* cells of text in aligned columns */
cli_grid *cli_grid_new(int columns);
void cli_grid_add(cli_grid *grid, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_grid_number(cli_grid *grid, double value);
void cli_grid_print(cli_grid *grid, FILE *out, const char *indent, const char *alignment); /* 'l' or 'r' a column; frees */
void cli_print_clean(FILE *out, const char *text);                 /* control characters become ? */
void cli_print_wrapped(FILE *out, const char *text, int indent, int width);
const char *cli_number(double value, char *buffer, size_t size);   /* six significant digits */
const char *cli_count(double value, char *buffer, size_t size);    /* whole numbers in full */

/* A report that is written whole before any of it is delivered. */
typedef struct cli_report {
    char *text;
    size_t size;
    FILE *out;
} cli_report;

/* deliver.c: a text to standard output or, whole or not at all, to a file. */
FILE *cli_report_open(cli_report *report); /* NULL if memory is short */
int cli_report_close(cli_command *command, cli_report *report); /* delivers it */
int cli_deliver(cli_command *command, const char *text);
int cli_deliver_file(const char *path, const char *text); /* written beside its place, synced and renamed */
bool cli_same_file(const char *a, const char *b);
int cli_check_model_output(const cli_command *command); /* CLI_USAGE where a model and --json both want standard output */
int cli_deliver_model(cli_command *command, const lk_model *model, const char *output); /* saves it and tells about it */

/* given.c: features of a model as they are named on the command line, by name or position. */
typedef struct cli_features {
    int64_t *positions; /* 0-based, distinct */
    double *values;     /* of "name=value"; NULL for plain names */
    int64_t count;
} cli_features;
int cli_features_parse(const cli_command *command, const lk_model *model, const char *option, bool values, cli_features *out);
/* The same of a text that is part of the option's. */
int cli_features_parse_list(const cli_command *command, const lk_model *model, const char *option, const char *text, bool values,
                            cli_features *out);
void cli_features_free(cli_features *features);
/* --sigma: one number for every feature, or NAME=VALUE, ...; d values, the caller's. *out = NULL where it is not given. */
#define CLI_SIGMA_HELP "for all features, or for each its own, as in x=.5,y=2 (others: 0); in the units of the data, or of the transformed " \
                       "features where the model was fitted through --transform"
int cli_sigma_parse(const cli_command *command, const lk_model *model, double **out);
/* Where --sigma is given, replaces the model by its smoothed version. */
int cli_smooth(const cli_command *command, lk_model **model);

/* text_file.c: a whole file (- is standard input) as text, the caller's; NULL after saying why not. */
char *cli_read_file(const char *path);

/* two_tables.c: the features of two tables as columns of one, of those of `source` first, each row with one half of them missing. */
int cli_stack_tables(const cli_command *command, const lk_table *source, const char *target, lk_table **out);

/* rows.c: streams rows through a model. `apply` fills rows x extra values from rows x d features. With `partial`, features that the
 * data lack are NaN. */
typedef lk_status (*cli_apply)(cli_command *command, const lk_model *model, const double *x, int64_t rows,
                               double *out);
typedef struct cli_row_stream {
    const lk_model *model;
    const char *data;
    const lk_column *extra;
    int64_t extra_count;
    cli_apply apply;
    const bool *partial; /* d flags: which features the data may lack; NULL = none. That one is lacking is said */
    const bool *unused;  /* d flags: which features are never looked at; NULL = none */
} cli_row_stream;
int cli_stream(cli_command *command, const cli_row_stream *stream);
/* The columns of a model's features, -1 where there is none and `partial` allows it. */
int cli_find_columns(const cli_command *command, const lk_model *model, const lk_table *head, const bool *partial,
                     const bool *unused, int64_t *out);
const char *cli_output_format(const cli_command *command);

/* summary.c: what a fit tells, from the JSON of lk_model_info(). */
void cli_print_summary(FILE *out, const struct json_t *info, bool details);
void cli_print_doubts(const struct json_t *info);

/* help.c, manual.c, completion.c: made from the descriptors. */
void cli_print_overview(FILE *out);
void cli_print_help(FILE *out, const cli_verb *verb, const lk_method *method);
void cli_print_method(FILE *out, const lk_method *method);
void cli_print_manual(FILE *out, const cli_verb *verb); /* NULL = the page of the command itself */
int cli_print_completion(FILE *out, const char *shell);

#endif

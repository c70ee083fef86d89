/* likely report: one page about a model and its data, that opens in any browser. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"held_out", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "judge the model by these rows, which it was not fitted to"},
    {"features", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMNS",
     "the features to draw, at most twelve: comma-separated names, or positions from 1; the first ten if not given"},
    {"weight", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMN", "weights of the rows, as they were given to fit: 2 counts a row twice, 0 leaves it out"},
    {"title", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "TEXT", "heading of the page; the name of DATA if not given"},
    {"name_column", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMN", "what the strangest rows are called; their numbers if not given"},
    {"points", LK_PARAMETER_INTEGER, "1500", 1, 10000, NULL, NULL, "rows drawn as points, chosen at random"},
    {"strange", LK_PARAMETER_INTEGER, "12", 1, 100, NULL, NULL, "strangest rows to list"},
};

static const cli_example examples[] = {
    {"likely report faithful.lk faithful.csv -o faithful.html", "a page to open in a browser"},
    {"likely report iris.lk train.csv --held-out test.csv -o iris.html", "judged by rows that the fit did not see"},
    {"likely report iris.lk iris.csv --json | jq .trust", "the numbers behind the page"},
    {NULL, NULL},
};

/* ---- the command that makes the page again ---- */

typedef struct words {
    char *text;
    size_t length;
} words;

static void say(FILE *out, const char *word)
{
    const char *plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=.,:/@%";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        fputs(word, out);
        return;
    }
    fputc('\'', out);
    for (const char *c = word; *c != '\0'; c++) {
        fputs(*c == '\'' ? "'\\''" : (char[2]){*c, '\0'}, out);
    }
    fputc('\'', out);
}

/* What was typed, in the order of the help and quoted for a shell; what changes nothing of the page is left out. */
static bool repeat(const cli_command *command, words *out)
{
    static const char *const silent[] = {"threads", "memory", "quiet", "json"};
    FILE *stream = open_memstream(&out->text, &out->length);
    if (stream == NULL) {
        return false;
    }
    fputs("likely report", stream);
    for (int i = 0; i < command->operand_count; i++) {
        fputc(' ', stream);
        say(stream, command->operands[i]);
    }
    for (size_t i = 0; i < command->value_count; i++) {
        const cli_value *value = &command->values[i];
        char spelling[80];
        bool told = value->given;
        for (size_t k = 0; k < sizeof silent / sizeof silent[0]; k++) {
            told = told && strcmp(value->parameter->name, silent[k]) != 0;
        }
        if (!told) {
            continue;
        }
        cli_option_spelling(value->parameter, spelling, sizeof spelling);
        fprintf(stream, " %s", spelling);
        if (value->parameter->type != LK_PARAMETER_FLAG) {
            fputc(' ', stream);
            say(stream, value->text);
        }
    }
    return fclose(stream) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strcmp(path, "-") == 0 ? "standard input" : slash != NULL ? slash + 1 : path;
}

static int deliver(cli_command *command, const lk_model *model, const lk_table *table, const lk_report_options *report)
{
    char *text = NULL;
    lk_status status;
    if (!cli_flag(command, "json")) {
        const char *output = cli_text(command, "output");
        status = lk_report_write(command->context, model, table, report, output != NULL ? output : "-");
        return status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    status = lk_report_json(command->context, model, table, report, &text);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    size_t length = strlen(text);
    char *line = malloc(length + 2);
    int code = CLI_DONE;
    if (line == NULL) {
        code = cli_fail(command, LK_ERROR_MEMORY);
    } else {
        memcpy(line, text, length);
        memcpy(line + length, "\n", 2);
        code = cli_deliver(command, line);
    }
    free(line);
    lk_free(command->context, text);
    return code;
}

static int check(const cli_command *command)
{
    const char *data = command->operands[1], *held_out = cli_text(command, "held_out");
    if (held_out != NULL && strcmp(held_out, "-") == 0 && strcmp(data, "-") == 0) {
        return cli_usage_error(command, "DATA and --held-out cannot both be standard input");
    }
    return CLI_DONE;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_table *table = NULL, *held_out = NULL;
    words again = {0};
    int code = check(command);
    lk_read_options reading = {0};
    if (code == CLI_DONE) {
        reading = cli_read_options(command, &code);
    }
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    status = status == LK_OK ? lk_table_read(command->context, command->operands[1], &reading, &table) : status;
    if (status == LK_OK && cli_given(command, "held_out")) {
        status = lk_table_read(command->context, cli_text(command, "held_out"), &reading, &held_out);
    }
    status = status == LK_OK && !repeat(command, &again) ? LK_ERROR_MEMORY : status;
    if (status != LK_OK) {
        code = cli_fail(command, status);
    } else {
        lk_report_options report = {.size = sizeof report, .title = cli_text(command, "title"), .data = base_name(command->operands[1]),
                                    .command = again.text, .features = cli_text(command, "features"), .id = cli_text(command, "name_column"),
                                    .held_out = held_out, .points = cli_integer(command, "points"), .strange = cli_integer(command, "strange"),
                                    .seed = cli_integer(command, "seed"), .weight = cli_text(command, "weight")};
        code = deliver(command, model, table, &report);
    }
    free(again.text);
    lk_table_free(held_out);
    lk_table_free(table);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_report;
const cli_verb cli_verb_report = {
    .name = "report",
    .summary = "a page about a model and its data, for the browser",
    .operands = "MODEL DATA",
    .description =
        "Writes one HTML page that needs nothing else and opens without a network: the density, to look at and to move by giving values of some "
        "columns; the components; how far to trust the fit (convergence, standard errors, held-out likelihood, probability integral transform, "
        "quantiles, calibration of predictions); the strangest rows, and why; what the data are, and what is missing; the command that makes it "
        "again. What does not apply to a model is left out, with the reason.\n\n"
        "Rows are sampled and binned, so that the page stays below 3 MB for any data. --json gives the numbers behind it. Without --output it goes to "
        "standard output.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

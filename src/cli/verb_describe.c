/* likely describe: what the columns of a file hold. */
#include "cli/cli.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<likely/describe.h>)
#include <likely/describe.h>
#else
lk_status lk_table_describe(lk_context *context, const lk_table *table, char **out);
lk_status lk_table_describe(lk_context *context, const lk_table *table, char **out)
{
    (void)context;
    (void)table;
    (void)out;
    return LK_ERROR_UNSUPPORTED;
}
#endif

static const cli_example examples[] = {
    {"likely describe iris.csv", "columns, types, ranges, what is missing"},
    {"likely describe iris.csv --json", "the same for machines"},
    {NULL, NULL},
};

static int run(cli_command *command)
{
    int code;
    char *json = NULL;
    lk_table *table = NULL;
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_table_read(command->context, command->operands[0], &reading, &table);
    if (status == LK_OK) {
        status = lk_table_describe(command->context, table, &json);
    }
    code = status == LK_OK ? cli_deliver(command, json) : cli_fail(command, status);
    lk_free(command->context, json);
    lk_table_free(table);
    return code;
}

extern const cli_verb cli_verb_describe;
const cli_verb cli_verb_describe = {
    .name = "describe",
    .summary = "what the columns of a file hold",
    .operands = "DATA",
    .description = "Prints each column's name, type, missing values, range and levels, and how many rows are duplicates.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING,
    .examples = examples,
    .run = run,
};

/* What the files of likely compare share. */
#ifndef LIKELY_CLI_COMPARE_H
#define LIKELY_CLI_COMPARE_H

#include "cli/cli.h"

/* compare_tables.c */
lk_test_options cli_test_options(const cli_command *command);
/* Operands as they are called in what is printed and in JSON (lower case); a second that is NULL is left out. */
typedef struct cli_compared {
    const char *name[2], *path[2];
} cli_compared;
int cli_tell_test(cli_command *command, const lk_test *test, cli_compared compared);
int cli_compare_columns(cli_command *command); /* --independence */
int cli_compare_model(cli_command *command, const lk_model *model, const lk_table *table); /* --test ksd */
int cli_compare_tables(cli_command *command, const lk_table *a, const lk_table *b);

#endif

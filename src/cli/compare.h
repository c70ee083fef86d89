/* What the files of likely compare share. */
#ifndef LIKELY_CLI_COMPARE_H
#define LIKELY_CLI_COMPARE_H

#include "cli/cli.h"

/* compare_tables.c */
lk_test_options cli_test_options(const cli_command *command);
int cli_tell_test(cli_command *command, const lk_test *test, const char *first, const char *second); /* second: NULL = none */
int cli_compare_columns(cli_command *command); /* --independence */
int cli_compare_model(cli_command *command, const lk_model *model, const lk_table *table); /* --test ksd */
int cli_compare_tables(cli_command *command, const lk_table *a, const lk_table *b);

#endif

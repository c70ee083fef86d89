/* likely similarity: how similar each row is to the data of a model, also under differential privacy. */
#include "cli/cli.h"

static const cli_example examples[] = {
    {"likely similarity faithful.lk new.csv", "the mean kernel between each row and the rows of a kernel density"},
    {"likely fit visits.csv --model private --of l2 --bounds age=0:120,cost=0:5000 --epsilon 1 -o visits.lk", "noisy sums of private data ..."},
    {"likely similarity visits.lk new.csv", "... which tell mean distances, as often as you like"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return lk_model_similarity(command->context, model, x, rows, out);
}

static int run(cli_command *command)
{
    static const lk_column columns[] = {{.name = "similarity", .type = LK_TYPE_REAL}, {.name = "similarity_se", .type = LK_TYPE_REAL}};
    lk_model *model = NULL;
    const lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    const int code = cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns, .extra_count = 2, .apply = apply});
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_similarity;
const cli_verb cli_verb_similarity = {
    .name = "similarity",
    .summary = "mean kernel or distance between each row and the data of a model",
    .operands = "MODEL DATA",
    .description = "Writes two columns: similarity, the mean over the rows that MODEL was fitted to of the kernel (1 where it is greatest) or, of a private model "
                   "--of l1 or l2, of the distance between them and the row; and similarity_se, its standard error: 0 for a kernel density, else that of the noise "
                   "which keeps the data private and of the random projections.\n\n"
                   "A private model holds noisy sums alone: whatever is asked of it costs no further privacy. DATA are streamed. A row with missing values gets "
                   "empty results.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .examples = examples,
    .run = run,
};

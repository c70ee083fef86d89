/* likely schedule: how noise falls over the steps of a sampler, and what the path costs. */
#include "cli/cli.h"

#include <stdlib.h>

static const lk_parameter options[] = {
    {"schedule", LK_PARAMETER_TEXT, "kinetic", 0, 0, NULL, "NAME", "one of those below"},
    {"steps", LK_PARAMETER_INTEGER, "20", 2, 1000000, NULL, NULL, "nodes from noise to data"},
    {"sigma_max", LK_PARAMETER_REAL, "50", 1e-6, 1e6, NULL, NULL, "noise of the first, in standard deviations of each feature"},
    {"sigma_min", LK_PARAMETER_REAL, "0.002", 1e-9, 1e6, NULL, NULL, "noise of the last"},
};

static const cli_example examples[] = {
    {"likely schedule faithful.lk", "the path on which rows of this model move least"},
    {"likely schedule faithful.lk --schedule vp --steps 100 -o vp.csv", "another one, to compare its energy"},
    {NULL, NULL},
};

static bool schedule_at(int index, const char **name, const char **summary)
{
    const lk_schedule_kind *kind = lk_schedule_kind_at(index);
    if (kind != NULL) {
        *name = kind->name;
        *summary = kind->summary;
    }
    return kind != NULL;
}

static const cli_listing listings[] = {{"Schedules", schedule_at}, {NULL, NULL}};

static lk_status write_nodes(cli_command *command, const lk_schedule_node *nodes, int64_t steps)
{
    static const lk_column columns[] = {{.name = "time", .type = LK_TYPE_REAL}, {.name = "alpha", .type = LK_TYPE_REAL},
                                        {.name = "sigma", .type = LK_TYPE_REAL}, {.name = "ratio", .type = LK_TYPE_REAL},
                                        {.name = "separation", .type = LK_TYPE_REAL}};
    lk_writer *writer = NULL;
    lk_status status = lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), columns,
                                      sizeof columns / sizeof columns[0], &writer);
    for (int64_t i = 0; status == LK_OK && i < steps; i++) {
        const double row[] = {nodes[i].time, nodes[i].alpha, nodes[i].sigma, nodes[i].ratio, nodes[i].separation};
        status = lk_writer_rows(command->context, writer, row, 1);
    }
    if (status != LK_OK) {
        lk_writer_free(writer);
        return status;
    }
    return lk_writer_close(command->context, writer);
}

static int run(cli_command *command)
{
    const int64_t steps = cli_integer(command, "steps");
    lk_model *model = NULL;
    double energy = 0;
    lk_schedule_node *nodes = malloc((size_t)steps * sizeof *nodes);
    lk_status status = nodes == NULL ? LK_ERROR_MEMORY : lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_model_schedule(command->context, model, cli_text(command, "schedule"), cli_real(command, "sigma_max"),
                                   cli_real(command, "sigma_min"), steps, nodes, &energy);
    }
    status = status == LK_OK ? write_nodes(command, nodes, steps) : status;
    if (status == LK_OK) {
        fflush(stdout);
        cli_remark(command, "kinetic energy of the path: %.4f a feature", energy);
    }
    free(nodes);
    lk_model_free(model);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

extern const cli_verb cli_verb_schedule;
const cli_verb cli_verb_schedule = {
    .name = "schedule",
    .summary = "how noise falls over a sampler's steps",
    .operands = "MODEL",
    .description = "Writes the nodes of a noise schedule, one a row: time from 1 (noise) to 0 (data), alpha and sigma of x = alpha x0 + sigma n in units of "
                   "the features' spreads, their ratio, and the data separation: the share of x0's variance that x tells. Standard error says the "
                   "kinetic energy of the path, of which kinetic, made from the model, has the least that there is: on its path rows move "
                   "least, and few steps go far. 'likely sample --schedule NAME' draws on it.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .listings = listings,
    .run = run,
};

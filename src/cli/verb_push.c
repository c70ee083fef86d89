/* likely push: a model's density carried along known dynamics. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static const lk_parameter options[] = {
    {"dynamics", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "lines NAME' = EXPRESSION, one a feature; NAME = NUMBER defines a constant, # begins a remark"},
    {"time", LK_PARAMETER_REAL, "1", -1e300, 1e300, NULL, NULL, "how long to follow them; below 0 backwards"},
    {"tol", LK_PARAMETER_REAL, "1e-8", 1e-13, 0.1, NULL, NULL, "error of a step, relative to 1 + |x|"},
    {"rows", LK_PARAMETER_INTEGER, "1000", 0, 1000000000.0, NULL, NULL, "how many rows to draw, where no DATA is given"},
    {"event", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "EXPRESSION", "tell the probability that this holds at the end, as in 'x > 2 and y < 0'"},
};

static const cli_example examples[] = {
    {"likely push start.lk --dynamics pendulum.txt --time 2 -n 10000", "where the system is after 2 units of time, with log densities"},
    {"likely push start.lk --dynamics pendulum.txt --time 2 --event 'abs(x) > 3' -n 100000 -o ends.csv", "how probable an event is, with its error"},
    {"likely push start.lk places.csv --dynamics pendulum.txt --time 2", "the log density of given places then"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    (void)model;
    return lk_push_log_density(command->context, command->state, x, rows, out);
}

static int places(cli_command *command, const lk_model *model)
{
    const lk_column column = {.name = "log_density", .type = LK_TYPE_REAL};
    return cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = &column, .extra_count = 1, .apply = apply});
}

static lk_status write_rows(cli_command *command, lk_push *push, lk_writer *writer, int64_t columns)
{
    enum { PIECE = 1 << 14 };
    const int64_t rows = cli_integer(command, "rows");
    double *x = malloc((size_t)(PIECE * columns) * sizeof *x);
    lk_status status = x == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t first = 0; first < rows && status == LK_OK; first += PIECE) {
        const int64_t n = rows - first < PIECE ? rows - first : PIECE;
        status = cli_interrupted() ? LK_ERROR_CANCELLED : lk_push_rows(command->context, push, first, n, x);
        status = status == LK_OK ? lk_writer_rows(command->context, writer, x, n) : status;
        cli_progress_show("push", (double)(first + n), (double)rows, "");
    }
    free(x);
    return status;
}

static int draws(cli_command *command, const lk_model *model, lk_push *push)
{
    const int64_t d = lk_model_dimension(model);
    lk_writer *writer = NULL;
    lk_column *columns = calloc((size_t)d + 1, sizeof *columns);
    for (int64_t j = 0; columns != NULL && j <= d; j++) {
        columns[j] = (lk_column){.name = j < d ? lk_model_feature(model, j) : "log_density", .type = LK_TYPE_REAL};
    }
    lk_status status = columns == NULL ? LK_ERROR_MEMORY
                                       : lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), columns, d + 1, &writer);
    if (status == LK_OK) {
        status = write_rows(command, push, writer, d + 1);
        if (status == LK_OK) {
            status = lk_writer_close(command->context, writer);
        } else {
            lk_writer_free(writer);
        }
    }
    free(columns);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    lk_event e;
    char share[48], low[48], high[48];
    lk_push_event(push, &e);
    if (cli_given(command, "event")) {
        cli_remark(command, "probability of the event: %s, within %s to %s at 95%%, of %lld draws", cli_number(e.probability, share, sizeof share),
                   cli_number(e.low, low, sizeof low), cli_number(e.high, high, sizeof high), (long long)e.draws);
    }
    return CLI_DONE;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_push *push = NULL;
    if (!cli_given(command, "dynamics")) {
        return cli_usage_error(command, "'push' wants --dynamics FILE");
    }
    if (command->operand_count == 2 && (cli_given(command, "event") || cli_given(command, "rows"))) {
        return cli_usage_error(command, "--event and --rows are about draws: leave out '%s'", command->operands[1]);
    }
    char *text = cli_read_file(cli_text(command, "dynamics"));
    if (text == NULL) {
        return CLI_FAILED;
    }
    lk_push_options wanted = {.size = sizeof wanted, .dynamics = text, .time = cli_real(command, "time"), .tolerance = cli_real(command, "tol"),
                              .event = cli_text(command, "event"), .seed = cli_integer(command, "seed")};
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    status = status == LK_OK ? lk_push_new(command->context, model, &wanted, &push) : status;
    command->state = push;
    int code = status != LK_OK ? cli_fail(command, status) : command->operand_count == 2 ? places(command, model) : draws(command, model, push);
    free(text);
    lk_push_free(push);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_push;
const cli_verb cli_verb_push = {
    .name = "push",
    .summary = "a model's density carried along known dynamics",
    .operands = "MODEL [DATA]",
    .description =
        "Starts are rows of MODEL; each follows dx/dt = f(x, t) for --time, and its log density changes by minus the divergence of f on the way. Writes the rows at the "
        "end with column log_density, or, given DATA, the log density of its rows at the end.\n\n"
        "--event tells on standard error how probable it is that the end lies where the expression holds, with Wilson's interval of 95%.",
    .operands_min = 1,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

/* likely translate: rows of one distribution as rows of another. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"method", LK_PARAMETER_CHOICE, NULL, 0, 0, "latent,interpolant", NULL,
     "between two models: by the noises of a sampler, or along a stochastic interpolant; interpolant between mixtures of normal distributions, "
     "else latent, if not given"},
    {"steps", LK_PARAMETER_INTEGER, NULL, 0, 1000000, NULL, NULL,
     "steps between two models (100 if not given); of a bridge, Euler steps along its drift instead of draws of its plan"},
    {"noise", LK_PARAMETER_REAL, "0", 0, 1e6, NULL, NULL,
     "interpolant: noise of its stochastic differential equation, in squared standard deviations of the source; 0 is the ordinary one"},
    {"sigma_max", LK_PARAMETER_REAL, NULL, 0.01, 10000, NULL, NULL,
     "latent: the noise that rows are encoded to, in standard deviations of the source (20 if not given)"},
    {"density", LK_PARAMETER_FLAG, "false", 0, 0, NULL, NULL, "interpolant without noise: also the log density of each translated row"},
};

static const cli_example examples[] = {
    {"likely translate change.lk before.csv", "a draw of what each row became, by a bridge of 'likely fit --target-table'"},
    {"likely translate change.lk before.csv --steps 200", "the same by the drift of its stochastic differential equation"},
    {"likely translate spring.lk autumn.lk spring.csv --method latent", "each row by its code in the noise of the first model, decoded by the second"},
    {"likely translate spring.lk autumn.lk spring.csv --density", "along an interpolant, with log densities"},
    {NULL, NULL},
};

typedef struct translation {
    lk_translator *translator;
    int64_t d, columns, next; /* next: the number of the first row of the next piece */
    int64_t features;         /* of the model whose columns are looked for */
} translation;

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    translation *t = command->state;
    (void)model;
    double *source = malloc((size_t)(rows * t->d) * sizeof *source + 1);
    if (source == NULL) {
        return LK_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < rows * t->d; i++) {
        source[i] = x[i / t->d * t->features + i % t->d];
    }
    lk_status status = lk_translator_rows(command->context, t->translator, source, t->next, rows, out);
    t->next += rows;
    free(source);
    return status;
}

static int tell(const cli_command *command, const lk_translator *translator)
{
    lk_translate_report r = {.size = sizeof r};
    lk_translator_tell(translator, &r);
    cli_remark(command, "%s: %lld rows moved by %.6g on average (root mean square)", r.method, (long long)r.rows, sqrt(r.cost));
    return CLI_DONE;
}

/* Columns of a bridge are those of its target; between two models NAME_to. */
static int stream(cli_command *command, const lk_model *model, bool bridge)
{
    translation *t = command->state;
    lk_column *columns = calloc((size_t)t->columns, sizeof *columns);
    char **names = calloc((size_t)t->columns, sizeof *names);
    bool *late = calloc((size_t)t->features, sizeof *late);
    int64_t made = 0;
    for (; columns != NULL && names != NULL && made < t->columns; made++) {
        const char *name = made == t->d ? "log_density" : lk_model_feature(model, bridge ? t->d + made : made);
        if (asprintf(&names[made], bridge || made == t->d ? "%s" : "%s_to", name) < 0) {
            names[made] = NULL;
            break;
        }
        columns[made] = (lk_column){.name = names[made], .type = LK_TYPE_REAL};
    }
    for (int64_t j = t->d; late != NULL && j < t->features; j++) {
        late[j] = true; /* the target's features are never looked at */
    }
    int code = made == t->columns && late != NULL
                   ? cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[command->operand_count - 1], .extra = columns,
                                                           .extra_count = t->columns, .apply = apply, .partial = late, .unused = late})
                   : cli_fail(command, LK_ERROR_MEMORY);
    for (int64_t j = 0; names != NULL && j < made; j++) {
        free(names[j]);
    }
    free(names);
    free(columns);
    free(late);
    return code;
}

static int run(cli_command *command)
{
    lk_model *from = NULL, *to = NULL;
    const bool bridge = command->operand_count == 2;
    translation t = {0};
    static const char *const of_two[] = {"method", "noise", "sigma_max", "density"};
    for (size_t i = 0; bridge && i < sizeof of_two / sizeof of_two[0]; i++) {
        if (cli_given(command, of_two[i])) {
            return cli_usage_error(command, "--%s goes with two models: 'likely translate FROM TO DATA'", i == 2 ? "sigma-max" : of_two[i]);
        }
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &from);
    if (status == LK_OK && !bridge) {
        status = lk_model_load(command->context, command->operands[1], &to);
    }
    lk_translate_options wanted = {.size = sizeof wanted, .method = cli_text(command, "method"), .noise = cli_real(command, "noise"),
                                   .seed = cli_integer(command, "seed"), .density = cli_flag(command, "density")};
    wanted.steps = cli_given(command, "steps") ? cli_integer(command, "steps") : 0;
    wanted.sigma_max = cli_given(command, "sigma_max") ? cli_real(command, "sigma_max") : 0;
    if (status == LK_OK) {
        status = lk_translator_new(command->context, from, to, &wanted, &t.translator);
    }
    int code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    if (code == CLI_DONE) {
        t.d = lk_translator_dimension(t.translator);
        t.columns = t.d + wanted.density;
        t.features = lk_model_dimension(from);
        command->state = &t;
        code = stream(command, from, bridge);
    }
    if (code == CLI_DONE) {
        code = tell(command, t.translator);
    }
    lk_translator_free(t.translator);
    lk_model_free(from);
    lk_model_free(to);
    return code;
}

extern const cli_verb cli_verb_translate;
const cli_verb cli_verb_translate = {
    .name = "translate",
    .summary = "rows of one distribution as rows of another",
    .operands = "FROM [TO] DATA",
    .description =
        "Carries each row of DATA, which comes from the distribution FROM, to one of the distribution TO.\n\n"
        "FROM alone is a bridge (fit --model bridge --target-table): the answer is a draw of the target given the row, so that more draws "
        "are other --seed; with --steps it is the end of a path of the bridge's stochastic differential equation.\n\n"
        "Between two models, latent encodes a row as the noises that a sampler of FROM would need to draw it and decodes them by TO: what is alike stays; "
        "two equal models give each row back. It wants smoothed scores of both. interpolant follows the velocity of x_t = (1 - t) x0 + t x1 + "
        "noise in closed form, between mixtures of normal distributions: the same row always ends in the same place, or with --noise in a random "
        "one. Both keep the target's distribution up to the error of their steps. Standard error says how far rows moved.",
    .operands_min = 2,
    .operands_max = 3,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

/* likely compare: how far apart two models are, or two tables. */
#include "cli/cli.h"
#include "cli/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEST_NAME(id, name, summary) "," name
#define TEST_LINE(id, name, summary) name ": " summary ".\n\n"

static const lk_parameter options[] = {
    {"draws", LK_PARAMETER_INTEGER, "100000", 2, 1000000000, NULL, NULL, "of two models: draws of each, for the Monte Carlo estimates"},
    {"test", LK_PARAMETER_CHOICE, "auto", 0, 0, "auto" LK_TWO_SAMPLE_TEST_LIST(TEST_NAME) LK_INDEPENDENCE_TEST_LIST(TEST_NAME) LK_MODEL_TEST_LIST(TEST_NAME), NULL,
     "of two tables: auto = mmd-agg up to 10000 rows together, sliced-energy beyond; with --independence: auto = hsic; of a model and a table: ksd"},
    {"independence", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "X|Y", "of one table: are the columns left of the bar independent of those right of it, as in 'x,y|z'"},
    {"kernel", LK_PARAMETER_CHOICE, "gaussian", 0, 0,
     "gaussian,laplace,matern12,matern32,matern52,inverse_multiquadric,cauchy,rational_quadratic", NULL, "of mmd, mmd-agg, cross-mmd and hsic; of ksd gaussian or inverse_multiquadric"},
    {"refit", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL, "of a model and a table: the model was fitted to these rows; p by fits to rows that it draws"},
    {"boundary", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "of a model and a table: points of the boundary beyond which there are no rows; the model is cut off there"},
    {"bandwidth", LK_PARAMETER_TEXT, "median", 0, 0, NULL, "LIST",
     "numbers in the units of the features, one for all or one for each; median = sd times the median distance in units of sd; mmd-agg takes ten "
     "around them"},
    {"unscaled", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL, "distances in the units of the features; else each is divided by its sd first"},
    {"permutations", LK_PARAMETER_INTEGER, "199", 1, 1000000, NULL, NULL, "for p-values: none is below 1 / (this + 1)"},
    {"slices", LK_PARAMETER_INTEGER, "100", 1, 1000000, NULL, NULL, "directions of sliced-energy"},
    {"blocks", LK_PARAMETER_INTEGER, "10", 2, 1000000, NULL, NULL, "of kid, for its standard error"},
};

static const cli_example examples[] = {
    {"likely compare spring.csv autumn.csv", "the same distribution? where do they differ?"},
    {"likely compare a.npy b.npy --test sliced-energy --permutations 999 --json", "many rows, by sorting"},
    {"likely compare flowers.csv --independence 'Petal.Length|Sepal.Length,Sepal.Width'", "is the one independent of the others?"},
    {"likely compare flowers.lk held_out.csv", "do new rows come from the model?"},
    {"likely compare spring.lk autumn.lk", "divergences with bounds, distances, and which components belong together"},
    {"likely compare a.lk b.lk --draws 1000000 --json", "a tenth of the variance, for machines"},
    {NULL, NULL},
};

/* Matched pairs of components that carry less are not shown to people. */
#define SHOWN_MASS 0.0005
enum { SHOWN_PAIRS = 40 };

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *divergence_json(const lk_divergence *d)
{
    json_t *object = json_object();
    json_object_set_new(object, "estimate", number(d->estimate));
    json_object_set_new(object, "standard_error", number(d->error));
    json_object_set_new(object, "lower", number(d->lower));
    json_object_set_new(object, "upper", number(d->upper));
    return object;
}

static json_t *plan_json(const lk_comparison *c)
{
    json_t *plan = json_array();
    for (int64_t e = 0; e < c->components_a * c->components_b; e++) {
        if (c->plan[e] > 0) {
            json_t *pair = json_object();
            json_object_set_new(pair, "a", json_integer((json_int_t)(e / c->components_b)));
            json_object_set_new(pair, "b", json_integer((json_int_t)(e % c->components_b)));
            json_object_set_new(pair, "mass", number(c->plan[e]));
            json_object_set_new(pair, "distance", number(c->distances[e]));
            json_array_append_new(plan, pair);
        }
    }
    return plan;
}

static void print_json(const cli_command *command, FILE *out, const lk_model *a, const lk_comparison *c)
{
    json_t *answer = json_object(), *features = json_array();
    for (int64_t j = 0; j < lk_model_dimension(a); j++) {
        json_array_append_new(features, json_string(lk_model_feature(a, j)));
    }
    json_object_set_new(answer, "a", json_string(command->operands[0]));
    json_object_set_new(answer, "b", json_string(command->operands[1]));
    json_object_set_new(answer, "features", features);
    json_object_set_new(answer, "draws", json_integer((json_int_t)c->draws));
    json_object_set_new(answer, "kl", divergence_json(&c->kl));
    json_object_set_new(answer, "kl_reverse", divergence_json(&c->kl_reverse));
    json_object_set_new(answer, "jensen_shannon", divergence_json(&c->js));
    json_object_set_new(answer, "l2", number(c->l2));
    json_object_set_new(answer, "l2_relative", number(c->l2_relative));
    json_object_set_new(answer, "wasserstein", number(c->wasserstein));
    json_object_set_new(answer, "plan", c->plan == NULL ? json_null() : plan_json(c));
    json_object_set_new(answer, "unavailable", c->unavailable == NULL ? json_null() : json_string(c->unavailable));
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static void add_divergence(cli_grid *grid, const char *name, const lk_divergence *d, bool bounded)
{
    cli_grid_add(grid, "%s", name);
    cli_grid_number(grid, d->estimate);
    cli_grid_number(grid, d->error);
    if (bounded && d->lower == d->upper) {
        cli_grid_number(grid, d->lower);
        cli_grid_add(grid, "(exact)");
    } else if (bounded) {
        cli_grid_number(grid, d->lower);
        cli_grid_number(grid, d->upper);
    }
}

static void print_divergences(FILE *out, const lk_comparison *c)
{
    bool bounded = c->unavailable == NULL;
    cli_grid *grid = cli_grid_new(bounded ? 5 : 3);
    cli_grid_add(grid, "divergence, nats");
    cli_grid_add(grid, "estimate");
    cli_grid_add(grid, "standard error");
    if (bounded) {
        cli_grid_add(grid, "at least");
        cli_grid_add(grid, "at most");
    }
    add_divergence(grid, "KL(A || B), Kullback-Leibler", &c->kl, bounded);
    add_divergence(grid, "KL(B || A)", &c->kl_reverse, bounded);
    add_divergence(grid, "Jensen-Shannon (at most .6931)", &c->js, bounded);
    cli_grid_print(grid, out, "", bounded ? "lrrrr" : "lrr");
}

/* Which components belong together, heaviest first within A's order. */
static void print_plan(FILE *out, const lk_comparison *c)
{
    int64_t shown = 0, left = 0;
    cli_grid *grid = cli_grid_new(4);
    cli_grid_add(grid, "component of A");
    cli_grid_add(grid, "of B");
    cli_grid_add(grid, "mass");
    cli_grid_add(grid, "distance");
    for (int64_t e = 0; e < c->components_a * c->components_b; e++) {
        if (c->plan[e] < SHOWN_MASS || shown == SHOWN_PAIRS) {
            left += c->plan[e] > 0 ? 1 : 0;
            continue;
        }
        shown++;
        cli_grid_add(grid, "%lld", (long long)(e / c->components_b));
        cli_grid_add(grid, "%lld", (long long)(e % c->components_b));
        cli_grid_add(grid, "%.4f", c->plan[e]);
        cli_grid_number(grid, c->distances[e]);
    }
    fputs("\nwhat the optimal coupling moves where\n", out);
    cli_grid_print(grid, out, "  ", "rrrr");
    if (left > 0) {
        fprintf(out, "  and %lld lighter or later pairs: --json shows all\n", (long long)left);
    }
}

static void print_table(const cli_command *command, FILE *out, const lk_comparison *c)
{
    char buffer[48];
    fputs("A  ", out);
    cli_print_clean(out, command->operands[0]);
    fputs("\nB  ", out);
    cli_print_clean(out, command->operands[1]);
    fprintf(out, "\n\n");
    print_divergences(out, c);
    if (c->unavailable != NULL) {
        fprintf(out, "\nno bounds and distances: %s\n", c->unavailable);
        return;
    }
    fprintf(out, "\nL2 distance           %s", cli_number(c->l2, buffer, sizeof buffer));
    fprintf(out, "   (%s of the most there can be)\n", cli_number(c->l2_relative, buffer, sizeof buffer));
    fprintf(out, "Wasserstein distance  %s   (%s)\n", cli_number(c->wasserstein, buffer, sizeof buffer),
            c->components_a == 1 && c->components_b == 1 ? "exact" : "over couplings of components");
    if (c->components_a > 1 || c->components_b > 1) {
        print_plan(out, c);
    }
}

static int print(cli_command *command, const lk_model *a, const lk_comparison *c)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(command, out, a, c);
    } else {
        print_table(command, out, c);
    }
    int code = cli_report_close(command, &report);
    return code;
}

/* Two models. */
static int compare_models(cli_command *command, const lk_model *a, const lk_model *b)
{
    lk_comparison comparison = {.size = sizeof comparison};
    lk_compare_options compare = {.size = sizeof compare, .draws = cli_integer(command, "draws"), .seed = cli_integer(command, "seed")};
    const lk_status status = lk_model_compare(command->context, a, b, &compare, &comparison);
    const int code = status == LK_OK ? print(command, a, &comparison) : cli_fail(command, status);
    lk_free(command->context, comparison.plan);
    lk_free(command->context, comparison.distances);
    return code;
}

/* One operand: a model, or a table. */
typedef struct side {
    lk_model *model;
    lk_table *table;
} side;

/* Standard input is a model, unless an option speaks of tables. */
static int load(cli_command *command, const char *path, side *out)
{
    static const char *const of_tables[] = {"test", "kernel", "bandwidth", "unscaled", "permutations", "slices", "blocks", "features", "ignore", "refit", "boundary"};
    bool tables = false;
    int code;
    for (size_t i = 0; i < sizeof of_tables / sizeof *of_tables; i++) {
        tables = tables || cli_given(command, of_tables[i]);
    }
    const bool input = strcmp(path, "-") == 0;
    const lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = input && tables ? LK_ERROR_FORMAT : lk_model_load(command->context, path, &out->model);
    if (status == LK_ERROR_FORMAT && (!input || tables)) {
        status = lk_table_read(command->context, path, &reading, &out->table);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int run(cli_command *command)
{
    side a = {0}, b = {0};
    if ((command->operand_count == 1) != cli_given(command, "independence")) {
        return cli_usage_error(command, command->operand_count == 1 ? "compare takes two models, two tables, or a model and a table; one table with --independence 'X|Y'"
                                                                    : "--independence is of one table, and there are two operands");
    }
    if (command->operand_count == 1) {
        return cli_compare_columns(command);
    }
    if (strcmp(command->operands[0], "-") == 0 && strcmp(command->operands[1], "-") == 0) {
        return cli_usage_error(command, "only one of the two can be standard input");
    }
    int code = load(command, command->operands[0], &a);
    code = code == CLI_DONE ? load(command, command->operands[1], &b) : code;
    const bool fit = a.model != NULL && b.table != NULL;
    if (code == CLI_DONE && !fit && (cli_given(command, "refit") || cli_given(command, "boundary"))) {
        code = cli_usage_error(command, "--refit and --boundary are of a model and a table, in this order");
    }
    if (code == CLI_DONE && a.model != NULL && b.model != NULL) {
        code = compare_models(command, a.model, b.model);
    } else if (code == CLI_DONE && a.table != NULL && b.table != NULL) {
        code = cli_compare_tables(command, a.table, b.table);
    } else if (code == CLI_DONE && a.model != NULL) {
        code = cli_compare_model(command, a.model, b.table);
    } else if (code == CLI_DONE) {
        code = cli_error("%s is a model and %s is not: to compare a model with a table, name the model first", command->operands[1],
                         command->operands[0]);
    }
    lk_model_free(a.model);
    lk_model_free(b.model);
    lk_table_free(a.table);
    lk_table_free(b.table);
    return code;
}

extern const cli_verb cli_verb_compare;
const cli_verb cli_verb_compare = {
    .name = "compare",
    .summary = "are two tables the same, does a model fit a table, how far apart are two models",
    .operands = "A [B]",
    .description =
        "Two tables: do they have the same distribution? A test with its p-value, the size of the difference, and where it is: feature by "
        "feature, and the rows where one table has most more than the other (the witness). Columns are found by name; rows with a missing "
        "value are left out. The tests:\n\n" LK_TWO_SAMPLE_TEST_LIST(TEST_LINE)
        "One table and --independence: are columns independent of others? By:\n\n" LK_INDEPENDENCE_TEST_LIST(TEST_LINE)
        "A model and a table: do its rows come from the model? By:\n\n" LK_MODEL_TEST_LIST(TEST_LINE)
        "Two models over the same features, found by name in any order: Kullback-Leibler divergences KL(A || B), the mean of log a(x) - "
        "log b(x) over x of A, and KL(B || A), and Jensen-Shannon divergence, each in nats by Monte Carlo with its standard error. For mixtures of normal distributions also "
        "bounds that hold for certain, the L2 distance, and the 2-Wasserstein distance over couplings of components with what it moves "
        "where (in the units of the data: with unlike units, standardize them first). Models of any method can be compared; where a closed form does not exist, it is said why.",
    .operands_min = 1,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_FEATURES | CLI_IGNORE,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

/* likely stability: whether the groups of a model are found again in resampled rows. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A share of fits that cannot be used or did not converge beyond which the answer is not to be trusted. */
static const double share_most = 0.1;

static const lk_parameter options[] = {
    {"method", LK_PARAMETER_CHOICE, "bootstrap", 0, 0, "bootstrap,subsample", NULL, "rows drawn with replacement, or a share of them without"},
    {"share", LK_PARAMETER_REAL, "0.5", 0, 1, NULL, "P", "share of the rows of a subsample, above 0 and below 1"},
    {"draws", LK_PARAMETER_INTEGER, "100", 1, 10000000, NULL, NULL, "fits to resampled rows"},
};

static const cli_example examples[] = {
    {"likely stability faithful.lk faithful.csv", "100 fits to rows drawn with replacement"},
    {"likely stability iris.lk iris.csv --method subsample --share 0.8 --json", "to 80% of the rows, for machines"},
    {NULL, NULL},
};

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(cli_command *command, FILE *out, const lk_stability *s)
{
    json_t *answer = json_object(), *groups = json_array(), *rand = json_object();
    json_object_set_new(answer, "method", json_string(cli_text(command, "method")));
    json_object_set_new(answer, "draws", json_integer(cli_integer(command, "draws")));
    json_object_set_new(answer, "used", json_integer(s->used));
    json_object_set_new(answer, "left_out", json_integer(s->left_out));
    json_object_set_new(answer, "unconverged", json_integer(s->unconverged));
    json_object_set_new(rand, "mean", number(s->rand_mean));
    json_object_set_new(rand, "low", number(s->rand_low));
    json_object_set_new(rand, "median", number(s->rand_median));
    json_object_set_new(rand, "high", number(s->rand_high));
    json_object_set_new(answer, "adjusted_rand", rand);
    for (int64_t k = 0; k < s->count; k++) {
        const lk_group_stability *g = &s->groups[k];
        json_t *group = json_object();
        json_object_set_new(group, "size", number(g->size));
        json_object_set_new(group, "jaccard", number(g->jaccard));
        json_object_set_new(group, "recovered", json_integer(g->recovered));
        json_object_set_new(group, "dissolved", json_integer(g->dissolved));
        json_object_set_new(group, "draws", json_integer(g->draws));
        json_array_append_new(groups, group);
    }
    json_object_set_new(answer, "groups", groups);
    json_dumpf(answer, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    fputc('\n', out);
    json_decref(answer);
}

static void print_table(cli_command *command, FILE *out, const lk_stability *s, int64_t noise)
{
    const bool part = strcmp(cli_text(command, "method"), "subsample") == 0;
    char a[48];
    fprintf(out, "fits                    %lld to %s; %lld degenerate ones left out, %lld not converged\n", (long long)s->used,
            part ? "a share of the rows" : "rows drawn with replacement", (long long)s->left_out, (long long)s->unconverged);
    fprintf(out, "adjusted Rand index     mean %.4f, 5%% %.4f, median %.4f, 95%% %.4f\n\n", s->rand_mean, s->rand_low, s->rand_median, s->rand_high);
    cli_grid *grid = cli_grid_new(6);
    cli_grid_add(grid, "group");
    cli_grid_add(grid, "size");
    cli_grid_add(grid, "mean Jaccard");
    cli_grid_add(grid, "recovered");
    cli_grid_add(grid, "dissolved");
    cli_grid_add(grid, "of draws");
    for (int64_t k = 0; k < s->count; k++) {
        const lk_group_stability *g = &s->groups[k];
        cli_grid_add(grid, "%lld", (long long)(k == noise ? -1 : k)); /* as in cluster */
        cli_grid_add(grid, "%s", cli_count(g->size, a, sizeof a));
        cli_grid_add(grid, "%s", isnan(g->jaccard) ? "-" : cli_number(g->jaccard, a, sizeof a)); /* - where no row is in the group */
        cli_grid_add(grid, "%lld", (long long)g->recovered);
        cli_grid_add(grid, "%lld", (long long)g->dissolved);
        cli_grid_add(grid, "%lld", (long long)g->draws);
    }
    cli_grid_print(grid, out, "", "r");
}

static int print(cli_command *command, const lk_stability *s, int64_t noise)
{
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        print_json(command, out, s);
    } else {
        print_table(command, out, s, noise);
    }
    int code = cli_report_close(command, &report);
    if (code == CLI_DONE && (double)(s->left_out + s->unconverged) > share_most * (double)(s->used + s->left_out)) {
        fflush(stdout);
        cli_warning("not to be trusted: of %lld fits %lld are degenerate and %lld did not converge: the rows do not hold this model",
                    (long long)(s->used + s->left_out), (long long)s->left_out, (long long)s->unconverged);
        code = CLI_DOUBTFUL;
    }
    return code;
}

static int run(cli_command *command)
{
    int code;
    lk_model *model = NULL;
    lk_table *table = NULL;
    lk_stability stability = {.size = sizeof stability};
    const bool part = strcmp(cli_text(command, "method"), "subsample") == 0;
    const double share = cli_real(command, "share");
    if (!part && cli_given(command, "share")) {
        return cli_usage_error(command, "--share is of --method subsample; the bootstrap draws as many rows as there are");
    }
    if (!(share > 0 && share < 1)) {
        return cli_usage_error(command, "--share wants a share above 0 and below 1; got '%s'", cli_text(command, "share"));
    }
    const lk_stability_options o = {.size = sizeof o, .weight = cli_text(command, "weight"), .share = part ? share : 0,
                                    .draws = cli_integer(command, "draws"), .seed = cli_integer(command, "seed")};
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_table_read(command->context, command->operands[1], &reading, &table);
    }
    if (status == LK_OK) {
        status = lk_model_stability(command->context, model, table, &o, &stability);
    }
    code = status == LK_OK ? print(command, &stability, lk_model_noise_group(model)) : cli_fail(command, status);
    lk_free(command->context, stability.groups);
    lk_table_free(table);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_stability;
const cli_verb cli_verb_stability = {
    .name = "stability",
    .summary = "whether the groups of a model are found again in resampled rows",
    .operands = "MODEL DATA",
    .description = "Fits the shape of MODEL (number of groups, covariance family) anew, by its method's own search, to resampled rows of DATA, and "
                   "compares the most probable groups of those rows under both. Prints the adjusted Rand index of the two partitions (1 the "
                   "same, 0 as by chance), and for each group of MODEL the mean over the fits of its largest Jaccard coefficient with a group of "
                   "the fit (Hennig 2007): how often it is recovered (at least .75) and dissolved (below .5). A group whose mean is below .5 is "
                   "none that the data hold; one of .75 and more is stable.\n\n"
                   "Where over 10% of the fits are degenerate or did not converge, the exit code is 3.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING | CLI_WEIGHT,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

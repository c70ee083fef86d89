/* likely detect: how strange each row is, with a p-value by its rank among reference rows, and flags at a chosen rate. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const lk_parameter options[] = {
    {"calibrate", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "rank among these rows, which the model was not fitted to; - is standard input"},
    {"draws", LK_PARAMETER_INTEGER, NULL, 1, 100000000, NULL, NULL,
     "rank among so many draws of the model; 100000 where neither --calibrate nor the model gives reference rows"},
    {"rate", LK_PARAMETER_REAL, NULL, 0, 1, NULL, NULL, "add the column flag: 1 where p is at most this, else 0"},
    {"fdr", LK_PARAMETER_REAL, NULL, 0, 1, NULL, "RATE",
     "add the column flag, so that the expected share of false ones among the flagged rows is at most this (Benjamini and "
     "Hochberg 1995); reads DATA twice"},
};

static const cli_example examples[] = {
    {"likely detect faithful.lk new.csv --rate 0.05", "flags at most 1 normal row in 20, after 'likely fit --calibrate 0.2'"},
    {"likely detect normal.lk new.csv --calibrate held_out.csv --keep", "ranked among rows that the model has not seen"},
    {"likely detect normal.lk new.csv --calibrate held_out.csv --fdr 0.1", "at most 1 flag in 10 is false"},
    {NULL, NULL},
};

/* What one run of the verb knows. */
typedef struct detection {
    lk_detector *detector;
    double threshold; /* of p; NaN = no flags */
    double *score, *p;
    int64_t capacity;
    int64_t rows, flagged, unranked; /* rows with a p-value, those flagged, and those with a score alone */
    double *all;                     /* the p-values of a first pass */
    size_t all_capacity;
} detection;

static bool reserve(detection *s, int64_t rows)
{
    if (rows > s->capacity) {
        double *grown = realloc(s->score, (size_t)rows * 2 * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        s->score = grown;
        s->capacity = rows;
    }
    s->p = s->score + s->capacity;
    return true;
}

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    detection *s = command->state;
    int64_t width = isnan(s->threshold) ? 2 : 3;
    (void)model;
    if (!reserve(s, rows)) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_detector_rows(command->context, s->detector, x, rows, s->score, s->p);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        double *row = out + i * width;
        bool ranked = !isnan(s->p[i]), flag = s->p[i] <= s->threshold;
        row[0] = s->score[i];
        row[1] = s->p[i];
        if (width == 3) {
            row[2] = ranked ? (double)flag : (double)NAN;
        }
        s->rows += ranked ? 1 : 0;
        s->flagged += flag ? 1 : 0;
        s->unranked += !ranked && !isnan(s->score[i]) ? 1 : 0;
    }
    return status;
}

/* ---- --fdr: all p-values are needed before the first flag ---- */

/* Appends the p-values of a block. */
static lk_status collect(cli_command *command, detection *s, const double *x, int64_t rows)
{
    size_t wanted = (size_t)(s->rows + rows);
    if (wanted > s->all_capacity) {
        size_t capacity = wanted * 2;
        double *grown = realloc(s->all, capacity * sizeof *grown);
        if (grown == NULL) {
            return LK_ERROR_MEMORY;
        }
        s->all = grown;
        s->all_capacity = capacity;
    }
    if (!reserve(s, rows)) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_detector_rows(command->context, s->detector, x, rows, s->score, s->all + s->rows);
    s->rows += rows;
    return status;
}

static lk_status read_blocks(cli_command *command, detection *s, lk_reader *reader, const int64_t *columns, int64_t d)
{
    const lk_table *block = NULL;
    double *x = NULL;
    int64_t capacity = 0;
    lk_status status;
    while ((status = lk_reader_next(command->context, reader, &block)) == LK_OK && block != NULL) {
        int64_t rows = lk_table_rows(block);
        if (rows > capacity) {
            double *grown = realloc(x, (size_t)rows * (size_t)d * sizeof *x);
            if (grown == NULL) {
                status = LK_ERROR_MEMORY;
                break;
            }
            x = grown;
            capacity = rows;
        }
        status = lk_table_gather(command->context, block, 0, rows, columns, d, x);
        status = status == LK_OK ? collect(command, s, x, rows) : status;
        status = status == LK_OK && cli_interrupted() ? LK_ERROR_CANCELLED : status;
        if (status != LK_OK) {
            break;
        }
    }
    free(x);
    return status;
}

/* The first pass over DATA: the threshold that the rate of false discoveries asks for. */
static int find_threshold(cli_command *command, detection *s, const lk_model *model, const char *data)
{
    int code;
    int64_t d = lk_model_dimension(model), *columns = calloc((size_t)d, sizeof *columns);
    lk_reader *reader = NULL;
    lk_read_options reading = cli_read_options(command, &code);
    lk_status status = columns == NULL ? LK_ERROR_MEMORY : lk_reader_open(command->context, data, &reading, &reader);
    status = status == LK_OK ? lk_model_columns(command->context, model, lk_reader_columns(reader), columns) : status;
    status = status == LK_OK ? read_blocks(command, s, reader, columns, d) : status;
    status = status == LK_OK ? lk_false_discovery_threshold(command->context, s->all, s->rows, cli_real(command, "fdr"), &s->threshold)
                             : status;
    s->rows = 0;
    lk_reader_free(reader);
    free(columns);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* ---- what is said beside the rows ---- */

static void tell_reference(const cli_command *command, const detection *s, int64_t m)
{
    const char *file = cli_text(command, "calibrate");
    switch (lk_detector_reference(s->detector, NULL)) {
    case LK_REFERENCE_ROWS:
        cli_remark(command, "p by rank among %lld row%s of %s: exact where normal rows of DATA are exchangeable with these, and the model "
                            "was not fitted to them", (long long)m, m == 1 ? "" : "s", strcmp(file, "-") == 0 ? "standard input" : file);
        break;
    case LK_REFERENCE_KEPT:
        cli_remark(command, "p by rank among the %lld row%s held out at the fit: exact where normal rows of DATA are exchangeable with "
                            "these", (long long)m, m == 1 ? "" : "s");
        break;
    case LK_REFERENCE_DRAWS:
        cli_remark(command, "p by rank among %lld draws of the model: valid only if the model is right; --calibrate FILE ranks among rows "
                            "it was not fitted to", (long long)m);
        break;
    }
}

static void tell(const cli_command *command, const detection *s)
{
    int64_t m = 0;
    char a[48], b[48];
    bool fdr = cli_given(command, "fdr");
    lk_detector_reference(s->detector, &m);
    tell_reference(command, s, m);
    if (s->unranked > 0) {
        cli_remark(command, "%lld row%s with a missing value: p is left empty, because the model keeps log densities of complete rows alone; "
                            "--calibrate or --draws rank%s too", (long long)s->unranked, s->unranked == 1 ? "" : "s",
                   s->unranked == 1 ? " it" : " them");
    }
    if (fdr && s->flagged == 0) {
        cli_remark(command, "0 of %lld rows flagged", (long long)s->rows);
    } else if (fdr) {
        cli_remark(command, "%lld of %lld rows flagged: the expected share of false ones is at most %s (p at most %s)", (long long)s->flagged,
                   (long long)s->rows, cli_number(cli_real(command, "fdr"), a, sizeof a), cli_number(s->threshold, b, sizeof b));
    } else if (!isnan(s->threshold)) {
        cli_remark(command, "%lld of %lld rows flagged: p at most %s", (long long)s->flagged, (long long)s->rows,
                   cli_number(s->threshold, a, sizeof a));
    }
    double rate = cli_real(command, fdr ? "fdr" : "rate");
    if (s->flagged == 0 && !isnan(s->threshold) && rate * (double)(m + 1) < 1) {
        cli_remark(command, "no p can be below 1 / %lld: more reference rows are needed for this rate", (long long)m + 1);
    }
}

static int check_rate(const cli_command *command, const char *name)
{
    double rate = cli_real(command, name);
    if (cli_given(command, name) && !(rate > 0 && rate < 1)) {
        return cli_usage_error(command, "--%s wants a rate above 0 and below 1; got '%s'", name, cli_text(command, name));
    }
    return CLI_DONE;
}

static int check(const cli_command *command)
{
    const char *data = command->operands[1], *file = cli_text(command, "calibrate");
    struct stat place;
    int code = check_rate(command, "rate");
    code = code == CLI_DONE ? check_rate(command, "fdr") : code;
    if (code != CLI_DONE) {
        return code;
    }
    if (cli_given(command, "calibrate") && cli_given(command, "draws")) {
        return cli_usage_error(command, "--calibrate and --draws are two references: give one");
    }
    if (cli_given(command, "rate") && cli_given(command, "fdr")) {
        return cli_usage_error(command, "--rate and --fdr are two ways to flag: give one");
    }
    if (file != NULL && strcmp(file, "-") == 0 && strcmp(data, "-") == 0) {
        return cli_usage_error(command, "DATA and --calibrate cannot both be standard input");
    }
    if (cli_given(command, "fdr") && (strcmp(data, "-") == 0 || (stat(data, &place) == 0 && !S_ISREG(place.st_mode)))) {
        return cli_usage_error(command, "--fdr reads DATA twice: '%s' must be a file", data);
    }
    return CLI_DONE;
}

/* The detector, with the rows to calibrate by where a file of them is given. */
static int open_detector(cli_command *command, const lk_model *model, lk_table **table, lk_detector **out)
{
    int code;
    const char *file = cli_text(command, "calibrate");
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    reading.id = NULL; /* of DATA alone */
    lk_status status = file != NULL ? lk_table_read(command->context, file, &reading, table) : LK_OK;
    if (status == LK_OK) {
        lk_detect_options detect = {.size = sizeof detect, .calibrate = *table, .draws = cli_integer(command, "draws"),
                                    .seed = cli_integer(command, "seed")};
        status = lk_detector_new(command->context, model, &detect, out);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int run(cli_command *command)
{
    static const lk_column columns[] = {
        {.name = "score", .type = LK_TYPE_REAL}, {.name = "p", .type = LK_TYPE_REAL}, {.name = "flag", .type = LK_TYPE_INTEGER}};
    lk_model *model = NULL;
    lk_table *table = NULL;
    detection s = {.threshold = cli_given(command, "rate") ? cli_real(command, "rate") : (double)NAN};
    int code = check(command);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    code = status == LK_OK ? open_detector(command, model, &table, &s.detector) : cli_fail(command, status);
    command->state = &s;
    if (code == CLI_DONE && cli_given(command, "fdr")) {
        code = find_threshold(command, &s, model, command->operands[1]);
    }
    if (code == CLI_DONE) {
        code = cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns,
                                                     .extra_count = isnan(s.threshold) ? 2 : 3, .apply = apply});
    }
    if (code == CLI_DONE) {
        tell(command, &s);
    }
    lk_detector_free(command->context, s.detector);
    lk_table_free(table);
    lk_model_free(model);
    free(s.score);
    free(s.all);
    return code;
}

extern const cli_verb cli_verb_detect;
const cli_verb cli_verb_detect = {
    .name = "detect",
    .summary = "anomaly score of each row, with a p-value",
    .operands = "MODEL DATA",
    .description =
        "Writes two columns: score, -log p(x) in nats, and p = (1 + the number of reference rows whose log density is at most the "
        "row's) / (m + 1) for m reference rows. Small p: stranger than nearly all of the reference.\n\n"
        "The reference is the rows of --calibrate, else the rows that 'likely fit --calibrate' held out, else draws of the model. "
        "Against rows that the model was not fitted to, a normal row has p at most a with probability at most a, whatever the model; "
        "against its own draws only if the model is right.\n\n"
        "A row with missing values is compared by the values that are there, with the reference rows that have all of these. DATA is "
        "streamed: memory does not grow with it, but for 8 bytes a row with --fdr.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};

/* Features of a model as they are named on the command line: lists of names or positions, with values where some are given. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int unknown(const cli_command *command, const lk_model *model, const char *option, const char *name)
{
    char list[300] = "";
    size_t used = 0;
    int64_t d = lk_model_dimension(model), j = 0;
    cli_nearest nearest = {name, NULL, 0};
    for (; j < d; j++) {
        cli_nearest_try(&nearest, lk_model_feature(model, j));
    }
    for (j = 0; j < d && used < 220; j++) {
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.60s", j == 0 ? "" : ", ", lk_model_feature(model, j));
    }
    const char *best = cli_nearest_name(&nearest);
    return cli_usage_error(command, "--%s: '%s' is not among the features %s%s%s%s%s", option, name, list, j < d ? ", ..." : "",
                           best == NULL ? "" : "; did you mean ", best == NULL ? "" : best, best == NULL ? "" : "?");
}

/* By exact name, else by 1-based position in digits. */
static int64_t find(const lk_model *model, const char *name)
{
    int64_t d = lk_model_dimension(model);
    for (int64_t j = 0; j < d; j++) {
        if (strcmp(lk_model_feature(model, j), name) == 0) {
            return j;
        }
    }
    if (name[0] != '\0' && strspn(name, "0123456789") == strlen(name) && strlen(name) < 16) {
        long long position = strtoll(name, NULL, 10);
        return position >= 1 && position <= d ? position - 1 : -1;
    }
    return -1;
}

static char *trim(char *text)
{
    text += strspn(text, " ");
    for (size_t length = strlen(text); length > 0 && text[length - 1] == ' '; length--) {
        text[length - 1] = '\0';
    }
    return text;
}

/* Cuts "name=value" at its last =, because names may hold one. */
static int cut_value(const cli_command *command, const char *option, char *item, double *value)
{
    char *equals = strrchr(item, '=');
    if (equals == NULL) {
        return cli_usage_error(command, "--%s wants NAME=VALUE, comma-separated; got '%s'", option, item);
    }
    char *text = trim(equals + 1), *end;
    *value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(*value) || strpbrk(text, "xXnN") != NULL) {
        return cli_usage_error(command, "--%s: '%s' is not a finite number", option, item);
    }
    *equals = '\0';
    return CLI_DONE;
}

static int add(const cli_command *command, const lk_model *model, const char *option, char *item, cli_features *out)
{
    int code = CLI_DONE;
    double value = 0;
    item = trim(item);
    if (out->values != NULL) {
        code = cut_value(command, option, item, &value);
    }
    if (code != CLI_DONE) {
        return code;
    }
    item = trim(item);
    int64_t position = find(model, item);
    if (position < 0) {
        return unknown(command, model, option, item);
    }
    for (int64_t i = 0; i < out->count; i++) {
        if (out->positions[i] == position) {
            return cli_usage_error(command, "--%s names %s twice", option, lk_model_feature(model, position));
        }
    }
    if (out->values != NULL) {
        out->values[out->count] = value;
    }
    out->positions[out->count++] = position;
    return CLI_DONE;
}

int cli_features_parse(const cli_command *command, const lk_model *model, const char *option, bool values, cli_features *out)
{
    return cli_features_parse_list(command, model, option, cli_text(command, option), values, out);
}

int cli_features_parse_list(const cli_command *command, const lk_model *model, const char *option, const char *text, bool values,
                            cli_features *out)
{
    size_t d = (size_t)lk_model_dimension(model);
    char *list = strdup(text), *at = list;
    *out = (cli_features){.positions = calloc(d, sizeof *out->positions)};
    out->values = values ? calloc(d, sizeof *out->values) : NULL;
    int code = CLI_DONE;
    if (list == NULL || out->positions == NULL || (values && out->values == NULL)) {
        code = cli_fail(command, LK_ERROR_MEMORY);
    }
    while (code == CLI_DONE && at != NULL) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        code = add(command, model, option, at, out);
        at = comma == NULL ? NULL : comma + 1;
    }
    free(list);
    if (code != CLI_DONE) {
        cli_features_free(out);
    }
    return code;
}

void cli_features_free(cli_features *features)
{
    free(features->positions);
    free(features->values);
    *features = (cli_features){0};
}

static int sigma_of_all(const cli_command *command, int64_t d, double *out)
{
    const char *text = cli_text(command, "sigma");
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || strpbrk(text, "xXnN") != NULL) {
        return cli_usage_error(command, "--sigma wants a number of at least 0, or NAME=VALUE, comma-separated; got '%s'", text);
    }
    for (int64_t j = 0; j < d; j++) {
        out[j] = value;
    }
    return CLI_DONE;
}

int cli_sigma_parse(const cli_command *command, const lk_model *model, double **out)
{
    int64_t d = lk_model_dimension(model);
    const char *text = cli_text(command, "sigma");
    cli_features named = {0};
    *out = NULL;
    if (text == NULL) {
        return CLI_DONE;
    }
    double *sigma = calloc((size_t)d, sizeof *sigma);
    int code = sigma == NULL ? cli_fail(command, LK_ERROR_MEMORY) : CLI_DONE;
    if (code == CLI_DONE && strchr(text, '=') == NULL) {
        code = sigma_of_all(command, d, sigma);
    } else if (code == CLI_DONE) {
        code = cli_features_parse(command, model, "sigma", true, &named);
        for (int64_t i = 0; code == CLI_DONE && i < named.count; i++) {
            sigma[named.positions[i]] = named.values[i];
        }
        cli_features_free(&named);
    }
    for (int64_t j = 0; code == CLI_DONE && j < d; j++) {
        if (!(sigma[j] >= 0 && sigma[j] <= 1e150)) {
            code = cli_usage_error(command, "--sigma: the noise of %s is %g; it must be from 0 to 1e150", lk_model_feature(model, j),
                                   sigma[j]);
        }
    }
    if (code != CLI_DONE) {
        free(sigma);
        return code;
    }
    *out = sigma;
    return CLI_DONE;
}

int cli_smooth(const cli_command *command, lk_model **model)
{
    double *sigma = NULL;
    lk_model *noisy = NULL;
    int code = cli_sigma_parse(command, *model, &sigma);
    if (code == CLI_DONE && sigma != NULL) {
        lk_status status = lk_model_smooth(command->context, *model, sigma, &noisy);
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    if (noisy != NULL) {
        lk_model_free(*model);
        *model = noisy;
    }
    free(sigma);
    return code;
}

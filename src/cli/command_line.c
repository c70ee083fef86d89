/* Parses a command line against the verb's table of options and checks every value before any work begins. */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int cli_usage_error(const cli_command *command, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_error("%s", text);
    if (command != NULL && command->verb != NULL) {
        cli_warning("see 'likely help %s'", command->verb->name);
    } else {
        cli_warning("see 'likely help'");
    }
    return CLI_USAGE;
}

static void collect(void *state, const char *title, const lk_parameter *p, bool of_method)
{
    cli_command *command = state;
    (void)title;
    assert(command->value_count < CLI_OPTIONS_MAX);
    command->values[command->value_count++] = (cli_value){p, p->value, false, of_method};
}

static cli_value *find_value(cli_command *command, const char *name)
{
    for (size_t i = 0; i < command->value_count; i++) {
        if (cli_name_equal(command->values[i].parameter->name, name)) {
            return &command->values[i];
        }
    }
    return NULL;
}

static const cli_value *get_value(const cli_command *command, const char *name)
{
    for (size_t i = 0; i < command->value_count; i++) {
        if (cli_name_equal(command->values[i].parameter->name, name)) {
            return &command->values[i];
        }
    }
    assert(false && "a verb asks for an option that its table does not have");
    return NULL;
}

const char *cli_text(const cli_command *command, const char *name)
{
    const cli_value *value = get_value(command, name);
    return value == NULL ? NULL : value->text;
}

bool cli_given(const cli_command *command, const char *name)
{
    const cli_value *value = get_value(command, name);
    return value != NULL && value->given;
}

bool cli_flag(const cli_command *command, const char *name)
{
    const char *text = cli_text(command, name);
    return text != NULL && strcmp(text, "true") == 0;
}

int64_t cli_integer(const cli_command *command, const char *name)
{
    const char *text = cli_text(command, name);
    return text == NULL ? 0 : (int64_t)strtoll(text, NULL, 10);
}

double cli_real(const cli_command *command, const char *name)
{
    const char *text = cli_text(command, name);
    return text == NULL ? 0 : strtod(text, NULL); /* the command never leaves the C locale */
}

bool cli_parse_size(const char *text, int64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    double value = strtod(text, &end);
    static const char units[] = "KMGT";
    if (*end != '\0') {
        char letter = *end >= 'a' && *end <= 'z' ? (char)(*end - 'a' + 'A') : *end;
        const char *unit = strchr(units, letter);
        if (letter == 'B' && end[1] == '\0') {
            unit = NULL;
        } else if (unit == NULL) {
            return false;
        }
        if (unit != NULL) {
            for (const char *u = units; u <= unit; u++) {
                value *= 1024;
            }
            end++;
            end += *end == 'i' ? 1 : 0;
            end += *end == 'B' ? 1 : 0;
            if (*end != '\0') {
                return false;
            }
        }
    }
    if (!(value >= 1 && value < 9e18)) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

/* A whole number within [low, high] at the start of text; the end is stored. */
static bool parse_integer(const char *text, const lk_parameter *p, const char **end)
{
    char *stop;
    errno = 0;
    long long value = strtoll(text, &stop, 10);
    if (stop == text || text[0] == ' ' || errno != 0 || (double)value < p->low || (double)value > p->high) {
        return false;
    }
    *end = stop;
    return true;
}

static bool check_range(const char *text, const lk_parameter *p)
{
    const char *end = text;
    if (!parse_integer(text, p, &end)) {
        return false;
    }
    if (strncmp(end, "..", 2) == 0) {
        long long low = strtoll(text, NULL, 10);
        const char *second = end + 2;
        return parse_integer(second, p, &end) && *end == '\0' && strtoll(second, NULL, 10) >= low;
    }
    while (*end == ',') {
        if (!parse_integer(end + 1, p, &end)) {
            return false;
        }
    }
    return *end == '\0';
}

static bool in_list(const char *list, const char *word, size_t length)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        size_t n = strcspn(at, ",");
        if (n == length && strncmp(at, word, n) == 0) {
            return true;
        }
        at += n;
        at += *at == ',' ? 1 : 0;
    }
    return false;
}

static bool check_choices(const char *text, const lk_parameter *p)
{
    for (const char *at = text;;) {
        size_t n = strcspn(at, ",");
        if (!in_list(p->choices, at, n)) {
            return false;
        }
        at += n;
        if (*at == '\0') {
            return true;
        }
        at++;
    }
}

static bool check_real(const char *text, const lk_parameter *p)
{
    char *end;
    double value = strtod(text, &end);
    return end != text && *end == '\0' && text[0] != ' ' && value >= p->low && value <= p->high;
}

/* A near choice for a mistyped one, as " (did you mean full?)". */
static void suggest_choice(const lk_parameter *p, const char *text, char *out, size_t size)
{
    char words[16][64];
    cli_nearest nearest = {text, NULL, 0};
    size_t count = 0;
    for (const char *at = p->choices; at != NULL && *at != '\0' && count < 16; count++) {
        size_t n = strcspn(at, ",");
        snprintf(words[count], sizeof words[count], "%.*s", (int)(n < 63 ? n : 63), at);
        cli_nearest_try(&nearest, words[count]);
        at += n;
        at += *at == ',' ? 1 : 0;
    }
    const char *best = cli_nearest_name(&nearest);
    out[0] = '\0';
    if (best != NULL) {
        snprintf(out, size, " (did you mean %s?)", best);
    }
}

static int check_value(const cli_command *command, const lk_parameter *p, const char *text)
{
    char option[80], limits[96], hint[96];
    const char *end = text;
    cli_option_spelling(p, option, sizeof option);
    cli_limits(p, limits, sizeof limits);
    switch (p->type) {
    case LK_PARAMETER_FLAG:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
            return cli_usage_error(command, "%s takes no value, or true or false; got '%s'", option, text);
        }
        break;
    case LK_PARAMETER_INTEGER:
        if (!parse_integer(text, p, &end) || *end != '\0') {
            return cli_usage_error(command, "%s wants a whole number, %s; got '%s'", option, limits, text);
        }
        break;
    case LK_PARAMETER_REAL:
        if (!check_real(text, p)) {
            return cli_usage_error(command, "%s wants a number, %s; got '%s'", option, limits, text);
        }
        break;
    case LK_PARAMETER_RANGE:
        if (!check_range(text, p)) {
            return cli_usage_error(command, "%s wants a whole number, a range 1..9 or a list 1,2,5, each %s; got "
                                            "'%s'", option, limits, text);
        }
        break;
    case LK_PARAMETER_CHOICE:
    case LK_PARAMETER_CHOICES:
        if (p->type == LK_PARAMETER_CHOICE ? !in_list(p->choices, text, strlen(text)) : !check_choices(text, p)) {
            suggest_choice(p, text, hint, sizeof hint);
            return cli_usage_error(command, "%s wants %s of %s; got '%s'%s", option,
                                   p->type == LK_PARAMETER_CHOICE ? "one" : "a comma-separated list", p->choices, text,
                                   hint);
        }
        break;
    case LK_PARAMETER_TEXT:
        if (text[0] == '\0' && !cli_name_equal(p->name, "na")) {
            return cli_usage_error(command, "%s wants %s; got an empty text", option, cli_option_placeholder(p));
        }
        break;
    }
    return CLI_DONE;
}

static int unknown_option(const cli_command *command, const char *typed)
{
    cli_nearest nearest = {typed, NULL, 0};
    for (size_t i = 0; i < command->value_count; i++) {
        cli_nearest_try(&nearest, command->values[i].parameter->name);
    }
    const char *best = cli_nearest_name(&nearest);
    char spelling[80] = "";
    if (best != NULL) {
        lk_parameter p = {.name = best};
        cli_option_spelling(&p, spelling, sizeof spelling);
        return cli_usage_error(command, "unknown option --%s of '%s': did you mean %s?", typed, command->verb->name,
                               spelling);
    }
    return cli_usage_error(command, "unknown option --%s of '%s'", typed, command->verb->name);
}

/* Handles argv[*at], an option; *at moves over a value that stands by itself. */
static int parse_option(cli_command *command, int argc, char **argv, int *at)
{
    const char *argument = argv[*at];
    char name[80];
    const char *text = NULL;
    if (argument[1] == '-') {
        size_t length = strcspn(argument + 2, "=");
        snprintf(name, sizeof name, "%.*s", (int)(length < 79 ? length : 79), argument + 2);
        text = argument[2 + length] == '=' ? argument + 3 + length : NULL;
    } else {
        const char *known = cli_option_of_letter(argument[1]);
        if (known == NULL || find_value(command, known) == NULL) {
            return cli_usage_error(command, "unknown option -%c of '%s'", argument[1], command->verb->name);
        }
        snprintf(name, sizeof name, "%s", known);
        text = argument[2] != '\0' ? argument + 2 : NULL; /* -n100 */
        text = text != NULL && text[0] == '=' ? text + 1 : text;
    }
    cli_value *value = find_value(command, name);
    if (value == NULL) {
        return unknown_option(command, name);
    }
    if (text == NULL) {
        if (value->parameter->type == LK_PARAMETER_FLAG) {
            text = "true";
        } else if (*at + 1 < argc) {
            text = argv[++*at];
        } else {
            cli_option_spelling(value->parameter, name, sizeof name);
            return cli_usage_error(command, "%s wants a value: %s %s", name, name,
                                   cli_option_placeholder(value->parameter));
        }
    }
    int code = check_value(command, value->parameter, text);
    if (code == CLI_DONE) {
        value->text = text;
        value->given = true;
    }
    return code;
}

/* The method decides which options there are, so --model is looked for first. */
static int choose_method(cli_command *command, int argc, char **argv)
{
    const char *name = NULL;
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--model=", 8) == 0) {
            name = argv[i] + 8;
        } else if ((strcmp(argv[i], "--model") == 0 || strcmp(argv[i], "-m") == 0) && i + 1 < argc) {
            name = argv[++i];
        } else if (strncmp(argv[i], "-m", 2) == 0 && argv[i][2] != '\0') {
            name = argv[i] + 2;
        }
    }
    command->method = name == NULL ? lk_method_at(0) : lk_method_find(name);
    if (command->method == NULL && name != NULL) {
        cli_nearest nearest = {name, NULL, 0};
        for (int64_t i = 0; i < lk_method_count(); i++) {
            cli_nearest_try(&nearest, lk_method_at(i)->name);
        }
        const char *best = cli_nearest_name(&nearest);
        return cli_usage_error(command, "unknown method '%s'%s%s; 'likely models' lists them", name,
                               best == NULL ? "" : ": did you mean ", best == NULL ? "" : best);
    }
    return CLI_DONE;
}

static int check_operands(const cli_command *command)
{
    const cli_verb *verb = command->verb;
    if (command->operand_count < verb->operands_min) {
        return cli_usage_error(command, "'%s' wants %s; got %d of %d", verb->name, verb->operands,
                               command->operand_count, verb->operands_min);
    }
    return CLI_DONE;
}

int cli_parse(cli_command *command, int argc, char **argv)
{
    int code = command->verb->takes_method ? choose_method(command, argc, argv) : CLI_DONE;
    if (code != CLI_DONE) {
        return code;
    }
    cli_options_each(command->verb, command->method, collect, command);
    bool options_ended = false;
    for (int i = 0; i < argc; i++) {
        const char *argument = argv[i];
        if (!options_ended && strcmp(argument, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && argument[0] == '-' && argument[1] != '\0') {
            code = parse_option(command, argc, argv, &i);
            if (code != CLI_DONE) {
                return code;
            }
        } else if (command->operand_count >= command->verb->operands_max) {
            return cli_usage_error(command, "'%s' takes %s%s; '%s' is one too many", command->verb->name,
                                   command->verb->operands_max == 0 ? "no operand" : "only ", command->verb->operands,
                                   argument);
        } else {
            command->operands[command->operand_count++] = argument;
        }
    }
    /* --help must answer whatever else is missing. */
    return cli_flag(command, "help") ? CLI_DONE : check_operands(command);
}

void cli_settings(const cli_command *command, lk_setting *settings)
{
    size_t count = 0;
    for (size_t i = 0; i < command->value_count; i++) {
        const cli_value *value = &command->values[i];
        if (value->of_method && value->given) {
            settings[count++] = (lk_setting){value->parameter->name, value->text};
        }
    }
    settings[count] = (lk_setting){NULL, NULL};
}

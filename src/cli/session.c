/* The context of one run: its options, the progress line on a terminal, remarks, and what signals do. */
#include "cli/cli.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signal_seen;

/* The progress line: process-wide because the terminal is. */
static struct {
    bool enabled;
    bool shown;
    double started; /* seconds */
    double last;    /* units done when it was last shown */
    char stage[64];
} progress;

static void on_signal(int number)
{
    signal_seen = number;
}

bool cli_interrupted(void)
{
    return signal_seen != 0;
}

static int poll_cancel(void *state)
{
    (void)state;
    return signal_seen != 0;
}

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_progress_clear(void)
{
    if (progress.shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress.shown = false;
    }
}

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 10) {
        return size.ws_col;
    }
    return 80;
}

static void format_rate(double rate, char *out, size_t size)
{
    static const char *const units[] = {"", "k", "M", "G"};
    size_t unit = 0;
    while (rate >= 1000 && unit < 3) {
        rate /= 1000;
        unit++;
    }
    snprintf(out, size, rate < 10 ? "%.1f%s/s" : "%.0f%s/s", rate, units[unit]);
}

void cli_progress_show(const char *stage, double done, double total, const char *detail)
{
    if (!progress.enabled) {
        return;
    }
    double now = now_seconds();
    /* A stage that begins anew (the next restart of a fit) is timed anew. */
    if (strncmp(progress.stage, stage, sizeof progress.stage - 1) != 0 || done < progress.last) {
        snprintf(progress.stage, sizeof progress.stage, "%s", stage);
        progress.started = now;
    }
    progress.last = done;
    char line[512], part[64];
    double elapsed = now - progress.started;
    size_t used = (size_t)snprintf(line, sizeof line, "%.60s", stage);
    if (total > 0) {
        used += (size_t)snprintf(line + used, sizeof line - used, "  %3.0f%%", 100 * fmin(done / total, 1));
    }
    if (elapsed > 0.2 && done > 0) {
        format_rate(done / elapsed, part, sizeof part);
        used += (size_t)snprintf(line + used, sizeof line - used, "  %s", part);
        if (total > 0 && done <= total) {
            double left = fmin((total - done) * elapsed / done, 359999);
            used += (size_t)snprintf(line + used, sizeof line - used, "  %d:%02d left", (int)(left / 60),
                                     (int)left % 60);
        }
    }
    if (detail != NULL && detail[0] != '\0') {
        snprintf(line + used, sizeof line - used, "  %.200s", detail);
    }
    /* One line, whatever its length: a longer one would scroll. */
    int width = terminal_width() - 1;
    fprintf(stderr, "\r\033[K%.*s", width, line);
    fflush(stderr);
    progress.shown = true;
}

static void on_progress(void *state, const char *stage, double done, double total, const char *detail)
{
    (void)state;
    cli_progress_show(stage, done, total, detail);
}

static void on_message(void *state, const char *text)
{
    cli_remark(state, "%s", text);
}

static void print_line(const char *prefix, const char *format, va_list arguments)
{
    char text[4096];
    vsnprintf(text, sizeof text, format, arguments);
    cli_progress_clear();
    fputs(prefix, stderr);
    cli_print_clean(stderr, text);
    fputc('\n', stderr);
}

void cli_remark(const cli_command *command, const char *format, ...)
{
    if (cli_flag(command, "quiet")) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    print_line("likely: ", format, arguments);
    va_end(arguments);
}

void cli_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("likely: ", format, arguments);
    va_end(arguments);
}

int cli_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("likely: error: ", format, arguments);
    va_end(arguments);
    return CLI_FAILED;
}

/* Whether an error is about the operand that should be a model: most often data stand in its place. */
static bool blames_model(const cli_command *command, const char *text)
{
    return command->operand_count > 0 && strncmp(command->verb->operands, "MODEL", 5) == 0 &&
           strncmp(text, command->operands[0], strlen(command->operands[0])) == 0;
}

int cli_fail(const cli_command *command, lk_status status)
{
    cli_progress_clear();
    if (status == LK_ERROR_CANCELLED || cli_interrupted()) {
        cli_warning("interrupted: no output file was made or changed; to go on, type the same command again");
        return signal_seen == SIGTERM ? 128 + SIGTERM : CLI_INTERRUPTED;
    }
    const char *text = command->context == NULL ? "" : lk_error_message(command->context);
    cli_error("%s", text[0] == '\0' ? lk_status_text(status) : text);
    if (status == LK_ERROR_FORMAT && blames_model(command, text)) {
        cli_warning("usage: likely %s [options] %s; 'likely fit' makes a model of data", command->verb->name,
                    command->verb->operands);
    }
    return status == LK_ERROR_ARGUMENT ? CLI_USAGE : CLI_FAILED;
}

int cli_session_begin(cli_command *command)
{
    /* The first signal asks for a clean end; a second one of the kind ends the process at once. */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    const char *terminal = getenv("TERM");
    progress.enabled = !cli_flag(command, "quiet") && isatty(STDERR_FILENO) &&
                       !(terminal != NULL && strcmp(terminal, "dumb") == 0);
    lk_context_options options = {.size = sizeof options};
    options.threads = (int)cli_integer(command, "threads");
    const char *memory = cli_text(command, "memory");
    if (memory != NULL && !cli_parse_size(memory, &options.memory)) {
        return cli_usage_error(command, "--memory wants a size such as 64M, 2G or 1000000; got '%s'", memory);
    }
    options.progress = progress.enabled ? on_progress : NULL;
    options.cancel = poll_cancel;
    options.message = on_message;
    options.message_state = command;
    lk_status status = lk_context_new(&command->context, &options);
    if (status != LK_OK) {
        return cli_error("%s", lk_status_text(status));
    }
    return CLI_DONE;
}

void cli_session_end(cli_command *command)
{
    cli_progress_clear();
    lk_context_free(command->context);
    command->context = NULL;
}

static bool parse_delimiter(const char *text, char *out)
{
    static const struct {
        const char *word;
        char value;
    } words[] = {{"comma", ','}, {"tab", '\t'}, {"\\t", '\t'}, {"semicolon", ';'}, {"pipe", '|'}, {"space", ' '}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    if (text[0] == '\0' || text[1] != '\0' || text[0] == '"' || text[0] == '\n' || text[0] == '\r') {
        return false;
    }
    *out = text[0];
    return true;
}

lk_read_options cli_read_options(const cli_command *command, int *code)
{
    lk_read_options options = {.size = sizeof options};
    *code = CLI_DONE;
    options.format = cli_text(command, "input_format");
    const char *delimiter = cli_text(command, "delimiter");
    if (delimiter != NULL && !parse_delimiter(delimiter, &options.delimiter)) {
        *code = cli_usage_error(command, "--delimiter wants one character, or comma, tab, semicolon, pipe, space; got "
                                         "'%s'", delimiter);
    }
    if (cli_flag(command, "header") && cli_flag(command, "no_header")) {
        *code = cli_usage_error(command, "--header and --no-header contradict each other");
    }
    options.header = cli_flag(command, "header") ? 1 : cli_flag(command, "no_header") ? -1 : 0;
    options.na = cli_text(command, "na");
    options.types = cli_text(command, "types");
    options.id = (command->verb->groups & CLI_ID) != 0 ? cli_text(command, "id") : NULL;
    return options;
}

/* Hands a finished text or model to standard output or, whole or not at all, to a file. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool cli_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return strcmp(a, "-") != 0 && strcmp(b, "-") != 0 && stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
           sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static bool write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, text, length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            text += written;
            length -= (size_t)written;
        }
    }
    return true;
}

int cli_deliver_file(const char *path, const char *text)
{
    struct stat place;
    size_t length = strlen(text);
    if (stat(path, &place) == 0 && !S_ISREG(place.st_mode)) { /* /dev/null, a pipe: nothing to replace */
        int file = open(path, O_WRONLY | O_CLOEXEC);
        bool good = file >= 0 && write_all(file, text, length);
        int reason = errno;
        if (file >= 0 && close(file) != 0 && good) {
            reason = errno;
            good = false;
        }
        return good ? CLI_DONE : cli_error("%s: cannot write: %s", path, strerror(reason));
    }
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        return cli_error("%s", lk_status_text(LK_ERROR_MEMORY));
    }
    int file = mkostemp(temporary, O_CLOEXEC);
    if (file < 0) {
        int code = cli_error("%s: cannot write there: %s", path, strerror(errno));
        free(temporary);
        return code;
    }
    mode_t mask = umask(0);
    umask(mask);
    bool good = write_all(file, text, length) && fchmod(file, 0666 & ~mask) == 0 && fsync(file) == 0;
    int reason = errno;
    if (close(file) != 0 && good) {
        reason = errno;
        good = false;
    }
    if (good && rename(temporary, path) != 0) {
        reason = errno;
        good = false;
    }
    if (!good) {
        unlink(temporary);
    }
    free(temporary);
    return good ? CLI_DONE : cli_error("%s: cannot write %zu bytes: %s", path, length, strerror(reason));
}

int cli_deliver(cli_command *command, const char *text)
{
    const char *path = cli_text(command, "output");
    if (path == NULL || strcmp(path, "-") == 0) {
        fputs(text, stdout); /* errors show when main flushes */
        return CLI_DONE;
    }
    return cli_deliver_file(path, text);
}

FILE *cli_report_open(cli_report *report)
{
    *report = (cli_report){0};
    return report->out = open_memstream(&report->text, &report->size);
}

int cli_report_close(cli_command *command, cli_report *report)
{
    int code = fclose(report->out) == 0 ? cli_deliver(command, report->text) : cli_fail(command, LK_ERROR_MEMORY);
    free(report->text);
    return code;
}

int cli_check_model_output(const cli_command *command)
{
    if (cli_given(command, "output") && strcmp(cli_text(command, "output"), "-") == 0 && cli_flag(command, "json")) {
        return cli_usage_error(command, "--json and the model cannot both go to standard output: give --output FILE");
    }
    return CLI_DONE;
}

/* The model is in its file: tell about it. Standard output may be taken by the model itself. */
static int tell(cli_command *command, const lk_model *model, const char *output)
{
    char *text = NULL;
    lk_status status = lk_model_info(command->context, model, &text);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    json_t *info = json_loads(text, 0, NULL);
    bool to_stdout = strcmp(output, "-") == 0;
    if (cli_flag(command, "json")) {
        printf("%s\n", text);
    } else if (!cli_flag(command, "quiet")) {
        cli_progress_clear();
        cli_print_summary(to_stdout ? stderr : stdout, info, false);
        if (!to_stdout) {
            fputs("written to ", stdout);
            cli_print_clean(stdout, output);
            fputc('\n', stdout);
        }
    }
    int code = CLI_DONE;
    if (!lk_model_trusted(model)) {
        fflush(stdout);
        cli_print_doubts(info);
        code = CLI_DOUBTFUL;
    }
    json_decref(info);
    lk_free(command->context, text);
    return code;
}

int cli_deliver_model(cli_command *command, const lk_model *model, const char *output)
{
    lk_status status = cli_interrupted() ? LK_ERROR_CANCELLED : lk_model_save(command->context, model, output);
    return status == LK_OK ? tell(command, model, output) : cli_fail(command, status);
}

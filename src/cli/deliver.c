/* Hands a finished text to standard output or, whole or not at all, to a file. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
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

/* Written beside its place, synced and renamed. */
static int deliver_file(const char *path, const char *text)
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
    return deliver_file(path, text);
}

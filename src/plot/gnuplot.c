/* gnuplot as a subprocess: program, figure and complaints go through files, so that nobody waits for anybody. */
#include "plot/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool plot_medium_of(const char *word, plot_medium *out)
{
    static const struct {
        const char *word;
        plot_medium medium;
    } media[] = {{"png", PLOT_PNG}, {"svg", PLOT_SVG}, {"pdf", PLOT_PDF}, {"text", PLOT_TEXT}, {"txt", PLOT_TEXT}};
    for (size_t i = 0; i < sizeof media / sizeof media[0]; i++) {
        if (strcasecmp(word, media[i].word) == 0) {
            *out = media[i].medium;
            return true;
        }
    }
    return false;
}

static bool say(char *error, size_t size, const char *what, const char *why)
{
    snprintf(error, size, "%s: %s", what, why);
    return false;
}

static bool write_all(int file, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return true;
}

/* The first line of gnuplot's complaint that says something. */
static void read_complaint(int file, char *out, size_t size)
{
    char text[4096];
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    text[got < 0 ? 0 : got] = '\0';
    char *rest = NULL, *last = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t");
        if (line[0] != '\0' && line[0] != '^' && strncmp(line, "gnuplot>", 8) != 0 &&
            strstr(line, "warning:") == NULL) {
            last = line;
        }
    }
    snprintf(out, size, "%s", last == NULL ? "it ended without a word" : last);
}

/* The environment with a locale of UTF-8 and decimal points, whatever the user's; the texts are borrowed. */
static char **plain_environment(void)
{
    static char locale[] = "LC_ALL=C.UTF-8";
    size_t count = 0, kept = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **copy = malloc((count + 2) * sizeof *copy);
    for (size_t i = 0; copy != NULL && i < count; i++) {
        if (strncmp(environ[i], "LC_ALL=", 7) != 0) {
            copy[kept++] = environ[i];
        }
    }
    if (copy != NULL) {
        copy[kept] = locale;
        copy[kept + 1] = NULL;
    }
    return copy;
}

/* Runs gnuplot with these files; -d: no start-up file of the user changes the figure. */
static bool spawn(int input, int output, int complaints, char *error, size_t error_size)
{
    char *arguments[] = {"gnuplot", "-d", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t child = 0;
    int wait_status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, complaints, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    char **environment = plain_environment();
    int failure = environment == NULL ? ENOMEM
                                      : posix_spawnp(&child, "gnuplot", &actions, &attributes, arguments, environment);
    free(environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failure == ENOENT) {
        return say(error, error_size, "figures are drawn by gnuplot, which is not installed",
                   "install the package gnuplot-nox (or gnuplot), or print the program by --script");
    }
    if (failure != 0) {
        return say(error, error_size, "gnuplot cannot be started", strerror(failure));
    }
    while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0) {
        char complaint[512];
        read_complaint(complaints, complaint, sizeof complaint);
        return say(error, error_size, "gnuplot failed", complaint);
    }
    return true;
}

/* Makes what gnuplot wrote to the file appear under its name. */
static bool publish(int file, const char *temporary, const char *path, char *error, size_t error_size)
{
    struct stat made;
    mode_t mask = umask(0);
    umask(mask);
    if (fstat(file, &made) != 0 || made.st_size == 0) {
        return say(error, error_size, path, "gnuplot wrote nothing: is the disk full?");
    }
    if (fchmod(file, 0666 & ~mask) != 0 || fsync(file) != 0 || rename(temporary, path) != 0) {
        return say(error, error_size, path, strerror(errno));
    }
    return true;
}

bool plot_run(const char *program, size_t length, const char *path, char *error, size_t error_size)
{
    char *temporary = NULL;
    int output = STDOUT_FILENO;
    bool good = false;
    int input = memfd_create("likely-plot", MFD_CLOEXEC), complaints = memfd_create("likely-plot-errors", MFD_CLOEXEC);
    if (input < 0 || complaints < 0 || !write_all(input, program, length) || lseek(input, 0, SEEK_SET) != 0) {
        say(error, error_size, "the figure's program cannot be held", strerror(errno));
        goto done;
    }
    if (path != NULL) {
        if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
            temporary = NULL;
            say(error, error_size, path, lk_status_text(LK_ERROR_MEMORY));
            goto done;
        }
        output = mkostemp(temporary, O_CLOEXEC);
        if (output < 0) {
            say(error, error_size, path, strerror(errno));
            goto done;
        }
    }
    good = spawn(input, output, complaints, error, error_size);
    if (good && path != NULL) {
        good = publish(output, temporary, path, error, error_size);
    }
    if (!good && path != NULL) {
        unlink(temporary);
    }
done:
    if (path != NULL && output >= 0 && output != STDOUT_FILENO) {
        close(output);
    }
    if (input >= 0) {
        close(input);
    }
    if (complaints >= 0) {
        close(complaints);
    }
    free(temporary);
    return good;
}

/* Writes output files beside their place and renames them into it, so that no half-written file is ever seen. */
#include "output.h"

#include "array_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, NAME_TRIES = 100 };

struct lki_output {
    lki_memory memory;
    int fd;
    bool owned;      /* the descriptor is ours to close */
    bool regular;    /* takes its name at the commit */
    bool spool;      /* never takes a name */
    bool exists;     /* a file of that name stood there at the opening */
    mode_t mode;     /* and had this mode */
    char *shown;     /* for messages */
    char *path;      /* with links followed; NULL where no name is to be taken */
    char *temporary; /* name of the file being written; NULL while it has none */
    char *buffer;
    size_t used;
    int64_t flushed; /* bytes that left the buffer */
    bool failed;     /* a write failed: what there is must not take the name */
};

static const char *reason(int code, char *buffer, size_t size)
{
    return strerror_r(code, buffer, size);
}

static lk_status fail_path(lk_context *ctx, const char *what, const char *path, int code)
{
    char text[128];
    return lki_fail(ctx, LK_ERROR_IO, "cannot %s '%s': %s", what, path, reason(code, text, sizeof text));
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static void output_free(lki_output *o)
{
    lki_memory memory = o->memory;
    if (o->owned && o->fd >= 0) {
        close(o->fd);
    }
    if (o->temporary != NULL) {
        unlink(o->temporary);
    }
    lki_memory_release(&memory, o->shown);
    lki_memory_release(&memory, o->path);
    lki_memory_release(&memory, o->temporary);
    lki_memory_release(&memory, o->buffer);
    lki_memory_release(&memory, o);
}

static lk_status output_new(lk_context *ctx, const char *shown, lki_output **out)
{
    lki_output *o = NULL;
    lk_status status;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *o, &o));
    o->memory = lki_memory_of(ctx);
    o->fd = -1;
    LKI_GOTO(status, fail, lki_copy_text(ctx, shown, &o->shown));
    LKI_GOTO(status, fail, lki_allocate(ctx, BUFFER_BYTES, 1, &o->buffer));
    *out = o;
    return LK_OK;
fail:
    output_free(o);
    return status;
}

/* The directory part of a path, "." if it has none. */
static void directory_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        strcpy(out, ".");
    } else {
        snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
}

/* A name beside `path` that says whose it is; number makes it another one. */
static lk_status temporary_name(lk_context *ctx, const char *path, unsigned number, char **out)
{
    const char *slash = strrchr(path, '/');
    int directory = slash == NULL ? 0 : (int)(slash - path) + 1;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    unsigned mix = ((unsigned)getpid() * 2654435761u) ^ ((unsigned)now.tv_nsec * 40503u) ^ (number * 97531u);
    /* A file name may have 255 bytes: a long one is cut to leave room for the ending. */
    return lki_format_text(ctx, out, "%.*s.%.200s.likely-%08x", directory, path, path + directory, mix);
}

/* Whether a file without a name can be given one later, which goes through /proc. */
static bool can_be_linked(int fd)
{
    char proc[64];
    struct stat info;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    return lstat(proc, &info) == 0;
}

/* Opens the file that will take the place of o->path: without a name if possible, else under a temporary one. */
static lk_status open_beside(lk_context *ctx, lki_output *o)
{
    char directory[PATH_MAX];
    directory_of(o->path, directory);
#ifdef O_TMPFILE
    o->fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    if (o->fd >= 0 && !can_be_linked(o->fd)) {
        close(o->fd);
        o->fd = -1;
    }
#endif
    for (unsigned number = 0; o->fd < 0; number++) {
        char *name = NULL;
        LKI_TRY(temporary_name(ctx, o->path, number, &name));
        o->fd = open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0666);
        if (o->fd >= 0) {
            o->temporary = name;
            break;
        }
        int code = errno;
        lki_release(ctx, name);
        if (code != EEXIST || number >= NAME_TRIES) {
            return fail_path(ctx, "create", o->shown, code);
        }
    }
    o->owned = true;
    if (o->exists && fchmod(o->fd, o->mode) != 0) {
        return fail_path(ctx, "set the mode of", o->shown, errno);
    }
    return LK_OK;
}

static lk_status open_regular(lk_context *ctx, const char *path, lki_output *o)
{
    char followed[PATH_MAX];
    struct stat info;
    o->regular = true;
    o->exists = stat(path, &info) == 0;
    if (o->exists) {
        /* Renaming needs no right to the old file itself: one that is read-only was meant to stay. */
        if (access(path, W_OK) != 0) {
            return fail_path(ctx, "overwrite", path, errno);
        }
        o->mode = info.st_mode & 07777;
        if (realpath(path, followed) == NULL) {
            return fail_path(ctx, "open", path, errno);
        }
        path = followed;
    }
    LKI_TRY(lki_copy_text(ctx, path, &o->path));
    return open_beside(ctx, o);
}

lk_status lki_output_open(lk_context *ctx, const char *path, lki_output **out)
{
    lki_output *o = NULL;
    lk_status status = LK_OK;
    struct stat info;
    bool standard = path == NULL || strcmp(path, "-") == 0;
    if (!standard && path[0] == '\0') {
        return lki_fail(ctx, LK_ERROR_IO, "cannot create a file with an empty name");
    }
    LKI_TRY(output_new(ctx, standard ? "standard output" : path, &o));
    if (standard) {
        fflush(stdout); /* what the program printed before comes before */
        o->fd = STDOUT_FILENO;
        *out = o;
        return LK_OK;
    }
    int found = stat(path, &info);
    if (found != 0 && errno != ENOENT) {
        status = fail_path(ctx, "create", path, errno);
    } else if (found == 0 && S_ISDIR(info.st_mode)) {
        status = fail_path(ctx, "write", path, EISDIR);
    } else if (found == 0 && !S_ISREG(info.st_mode)) {
        o->fd = open(path, O_WRONLY | O_CLOEXEC);
        o->owned = true;
        status = o->fd < 0 ? fail_path(ctx, "open", path, errno) : LK_OK;
    } else {
        status = open_regular(ctx, path, o);
    }
    if (status != LK_OK) {
        output_free(o);
        return status;
    }
    *out = o;
    return LK_OK;
}

lk_status lki_output_spool(lk_context *ctx, lki_output **out)
{
    lki_output *o = NULL;
    LKI_TRY(output_new(ctx, "a temporary file", &o));
    o->spool = true;
    lk_status status = lki_spool_open(ctx, &o->fd);
    o->owned = status == LK_OK;
    if (status != LK_OK) {
        output_free(o);
        return status;
    }
    *out = o;
    return LK_OK;
}

bool lki_output_patchable(const lki_output *o)
{
    return o->regular || o->spool;
}

const char *lki_output_name(const lki_output *o)
{
    return o->shown;
}

int64_t lki_output_offset(const lki_output *o)
{
    return o->flushed + (int64_t)o->used;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* write(2) that turns a closed pipe into EPIPE without the signal, whatever the program does with SIGPIPE. */
static ssize_t write_quietly(int fd, const void *bytes, size_t count)
{
    sigset_t pipe_set, old, pending;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigpending(&pending);
    bool was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    ssize_t written = write(fd, bytes, count);
    int code = errno;
    if (written < 0 && code == EPIPE && !was_pending) {
        struct timespec none = {0, 0};
        while (sigtimedwait(&pipe_set, NULL, &none) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    return written;
}

static lk_status write_whole(lk_context *ctx, lki_output *o, const char *bytes, size_t count)
{
    while (count > 0) {
        size_t piece = count < ((size_t)1 << 30) ? count : (size_t)1 << 30;
        ssize_t written = lki_output_patchable(o) ? write(o->fd, bytes, piece) : write_quietly(o->fd, bytes, piece);
        if (written < 0 && errno == EINTR) {
            lk_status status = lki_cancelled(ctx);
            if (status != LK_OK) {
                o->failed = true;
                return status;
            }
            continue;
        }
        if (written <= 0) {
            char text[128];
            int code = written < 0 ? errno : ENOSPC;
            o->failed = true;
            return lki_fail(ctx, LK_ERROR_IO, "cannot write %zu bytes at offset %lld of '%s': %s", count,
                            (long long)o->flushed, o->shown, reason(code, text, sizeof text));
        }
        bytes += written;
        count -= (size_t)written;
        o->flushed += written;
    }
    return LK_OK;
}

static lk_status flush_buffer(lk_context *ctx, lki_output *o)
{
    size_t used = o->used;
    o->used = 0;
    return write_whole(ctx, o, o->buffer, used);
}

lk_status lki_output_write(lk_context *ctx, lki_output *o, const void *bytes, size_t count)
{
    if (count == 0) {
        return LK_OK;
    }
    if (count > BUFFER_BYTES - o->used) {
        LKI_TRY(flush_buffer(ctx, o));
        if (count >= BUFFER_BYTES) {
            return write_whole(ctx, o, bytes, count);
        }
    }
    memcpy(o->buffer + o->used, bytes, count);
    o->used += count;
    return LK_OK;
}

lk_status lki_output_patch(lk_context *ctx, lki_output *o, int64_t offset, const void *bytes, size_t count)
{
    LKI_TRY(flush_buffer(ctx, o));
    const char *from = bytes;
    while (count > 0) {
        ssize_t written = pwrite(o->fd, from, count, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            char text[128];
            int code = written < 0 ? errno : ENOSPC;
            o->failed = true;
            return lki_fail(ctx, LK_ERROR_IO, "cannot write %zu bytes at offset %lld of '%s': %s", count,
                            (long long)offset, o->shown, reason(code, text, sizeof text));
        }
        from += written;
        offset += written;
        count -= (size_t)written;
    }
    return LK_OK;
}

lk_status lki_output_append(lk_context *ctx, lki_output *o, lki_output *spool)
{
    LKI_TRY(flush_buffer(ctx, spool));
    LKI_TRY(flush_buffer(ctx, o));
    for (int64_t at = 0; at < spool->flushed;) {
        ssize_t got = pread(spool->fd, o->buffer, BUFFER_BYTES, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return fail_path(ctx, "read back", spool->shown, got < 0 ? errno : EIO);
        }
        LKI_TRY(write_whole(ctx, o, o->buffer, (size_t)got));
        at += got;
        LKI_TRY(lki_cancelled(ctx));
    }
    return LK_OK;
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

/* Gives the file without a name one: its own if that is free, else a temporary one to be renamed. */
static lk_status link_name(lk_context *ctx, lki_output *o, bool *done)
{
    char proc[64];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", o->fd);
    if (linkat(AT_FDCWD, proc, AT_FDCWD, o->path, AT_SYMLINK_FOLLOW) == 0) {
        *done = true;
        return LK_OK;
    }
    for (unsigned number = 0;; number++) {
        char *name = NULL;
        LKI_TRY(temporary_name(ctx, o->path, number, &name));
        if (linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            o->temporary = name;
            return LK_OK;
        }
        int code = errno;
        lki_release(ctx, name);
        if (code != EEXIST || number >= NAME_TRIES) {
            return fail_path(ctx, "create", o->shown, code);
        }
    }
}

/* Makes the new name last through a power cut. Some file systems cannot; the file is in its place either way. */
static void sync_directory(const char *path)
{
    char directory[PATH_MAX];
    directory_of(path, directory);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

static lk_status take_name(lk_context *ctx, lki_output *o)
{
    if (fsync(o->fd) != 0) {
        return fail_path(ctx, "sync", o->shown, errno);
    }
    bool done = false;
    if (o->temporary == NULL) {
        LKI_TRY(link_name(ctx, o, &done));
    }
    if (!done) {
        if (rename(o->temporary, o->path) != 0) {
            return fail_path(ctx, "rename the finished file to", o->shown, errno);
        }
        lki_memory_release(&o->memory, o->temporary);
        o->temporary = NULL;
    }
    return LK_OK;
}

lk_status lki_output_commit(lk_context *ctx, lki_output *o)
{
    lk_status status = o->failed
                           ? lki_fail(ctx, LK_ERROR_IO, "an earlier write to '%s' failed: nothing is kept", o->shown)
                           : flush_buffer(ctx, o);
    if (status == LK_OK && o->regular) {
        status = take_name(ctx, o);
        if (status == LK_OK) {
            sync_directory(o->path);
        }
    } else if (status == LK_OK && o->owned && !o->spool) {
        int closed = close(o->fd);
        o->fd = -1;
        status = closed != 0 ? fail_path(ctx, "finish", o->shown, errno) : LK_OK;
    }
    output_free(o);
    return status;
}

void lki_output_abort(lki_output *output)
{
    if (output != NULL) {
        output_free(output);
    }
}

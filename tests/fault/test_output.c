/* Output under faults: a full disk, no right to write, a reader gone, a kill in the middle, memory that runs out. */
#include "../check.h"
#include "data/output.h"
#include "likely/table.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static char directory[] = "/tmp/likely-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][300];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", directory, name);
    return path[turn];
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void check_file(const char *path, const char *wanted)
{
    char text[4096] = "";
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(text, 1, sizeof text - 1, f);
    text[size] = '\0';
    fclose(f);
    assert_string_equal(text, wanted);
}

/* The number of files in the directory. */
static int count_files(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    int count = 0;
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(d);
    return count;
}

static void write_text(lk_context *ctx, const char *path, const char *text)
{
    lki_output *o = NULL;
    check_ok(ctx, lki_output_open(ctx, path, &o));
    check_ok(ctx, lki_output_write(ctx, o, text, strlen(text)));
    check_ok(ctx, lki_output_commit(ctx, o));
}

static void test_new_old_and_thrown_away(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    const char *path = path_of("file");
    struct stat info;
    lki_output *o = NULL;
    mode_t mask = umask(027);
    check_ok(ctx, lki_output_open(ctx, path, &o));
    assert_int_equal(access(path, F_OK), -1);
    check_ok(ctx, lki_output_write(ctx, o, "one", 3));
    check_ok(ctx, lki_output_commit(ctx, o));
    umask(mask);
    check_file(path, "one");
    stat(path, &info);
    assert_int_equal(info.st_mode & 07777, 0640); /* 0666 without the umask */
    assert_int_equal(chmod(path, 0604), 0);
    check_ok(ctx, lki_output_open(ctx, path, &o));
    check_ok(ctx, lki_output_write(ctx, o, "lost", 4));
    lki_output_abort(o);
    check_file(path, "one");
    write_text(ctx, path, "second");
    check_file(path, "second");
    stat(path, &info);
    assert_int_equal(info.st_mode & 07777, 0604); /* the old file's */
    lki_output_abort(NULL);
    assert_int_equal(count_files(directory), 1);
    unlink(path);
}

static void test_links_and_relative_paths(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    char old[1024];
    put_file(path_of("real"), "old");
    assert_int_equal(symlink("real", path_of("link")), 0);
    write_text(ctx, path_of("link"), "new");
    struct stat info;
    assert_int_equal(lstat(path_of("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    check_file(path_of("real"), "new");
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(directory), 0);
    write_text(ctx, "bare", "bare");
    assert_int_equal(chdir(old), 0);
    check_file(path_of("bare"), "bare");
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = '\0';
    write_text(ctx, path_of(longest), "1"); /* as long as a name can be: the temporary one is cut */
    write_text(ctx, path_of(longest), "2");
    check_file(path_of(longest), "2");
    unlink(path_of(longest));
    unlink(path_of("bare"));
    unlink(path_of("link"));
    unlink(path_of("real"));
    assert_int_equal(count_files(directory), 0);
}

static void test_patch_and_large_writes(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    lki_output *o = NULL;
    enum { N = 1000003 };
    char *bytes = malloc(N), *back = malloc(3 * N);
    for (int i = 0; i < N; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    check_ok(ctx, lki_output_open(ctx, path_of("large"), &o));
    assert_true(lki_output_patchable(o));
    check_ok(ctx, lki_output_write(ctx, o, bytes, N));
    for (int i = 0; i < N; i += 1000) {
        check_ok(ctx, lki_output_write(ctx, o, bytes + i, (size_t)(N - i < 1000 ? N - i : 1000)));
    }
    assert_int_equal(lki_output_offset(o), 2 * N);
    check_ok(ctx, lki_output_patch(ctx, o, 5, "patched", 7));
    check_ok(ctx, lki_output_write(ctx, o, "end", 3));
    check_ok(ctx, lki_output_commit(ctx, o));
    FILE *f = fopen(path_of("large"), "rb");
    assert_int_equal(fread(back, 1, 3 * N, f), 2 * N + 3);
    fclose(f);
    assert_memory_equal(back + N, bytes, N);
    assert_memory_equal(back + 12, bytes + 12, N - 12);
    assert_memory_equal(back + 5, "patched", 7);
    assert_memory_equal(back + 2 * N, "end", 3);
    free(bytes);
    free(back);
    unlink(path_of("large"));
}

static void test_places_that_cannot_be_written(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    lki_output *o = NULL;
    check_status(ctx, LK_ERROR_IO, lki_output_open(ctx, path_of("none/file"), &o));
    check_contains(lk_error_message(ctx), "none/file': No such file or directory");
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_IO, lki_output_open(ctx, directory, &o));
    check_contains(lk_error_message(ctx), "Is a directory");
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_IO, lki_output_open(ctx, "", &o));
    assert_null(o);
    lki_begin(ctx);
    put_file(path_of("locked"), "old");
    mkdir(path_of("closed"), 0500);
    chmod(path_of("locked"), 0400);
    chmod(directory, 0755);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) { /* as somebody whom permissions bind */
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(77);
        }
        lk_context *own = check_context(1);
        bool closed = lki_output_open(own, path_of("closed/file"), &o) == LK_ERROR_IO &&
                      strstr(lk_error_message(own), "closed/file': Permission denied") != NULL;
        lki_begin(own);
        bool locked = lki_output_open(own, path_of("locked"), &o) == LK_ERROR_IO &&
                      strstr(lk_error_message(own), "cannot overwrite") != NULL;
        _exit(closed && locked ? 0 : 1 + !closed + 2 * !locked);
    }
    int status = -1;
    waitpid(child, &status, 0);
    check_file(path_of("locked"), "old");
    rmdir(path_of("closed"));
    unlink(path_of("locked"));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: no other user to become\n");
        skip();
    }
    assert_int_equal(status, 0);
}

static void test_devices_and_pipes(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    lki_output *o = NULL;
    write_text(ctx, "/dev/null", "gone");
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    check_ok(ctx, lki_output_open(ctx, "/dev/full", &o));
    assert_false(lki_output_patchable(o));
    check_ok(ctx, lki_output_write(ctx, o, "0123456789", 10));
    check_status(ctx, LK_ERROR_IO, lki_output_commit(ctx, o));
    assert_string_equal(lk_error_message(ctx),
                        "cannot write 10 bytes at offset 0 of '/dev/full': No space left on device");
    lki_begin(ctx);
    assert_int_equal(mkfifo(path_of("fifo"), 0600), 0);
    int reader = open(path_of("fifo"), O_RDONLY | O_NONBLOCK);
    check_ok(ctx, lki_output_open(ctx, path_of("fifo"), &o));
    check_ok(ctx, lki_output_write(ctx, o, "abc", 3));
    check_ok(ctx, lki_output_commit(ctx, o));
    char got[8] = "";
    assert_int_equal(read(reader, got, sizeof got), 3);
    assert_string_equal(got, "abc");
    /* The reader goes away: an error, and no signal, though SIGPIPE has its deadly default. */
    signal(SIGPIPE, SIG_DFL);
    check_ok(ctx, lki_output_open(ctx, path_of("fifo"), &o));
    close(reader);
    check_ok(ctx, lki_output_write(ctx, o, "abc", 3));
    check_status(ctx, LK_ERROR_IO, lki_output_commit(ctx, o));
    check_contains(lk_error_message(ctx), "Broken pipe");
    sigset_t pending;
    sigpending(&pending);
    assert_int_equal(sigismember(&pending, SIGPIPE), 0);
    unlink(path_of("fifo"));
}

/* A file system of 128 kB: 300 kB do not fit; the old file stands, nothing is left behind. */
static void test_full_disk(void **state)
{
    lk_context *ctx = *state;
    lki_begin(ctx);
    const char *place = path_of("small");
    mkdir(place, 0755);
    if (mount("none", place, "tmpfs", 0, "size=128k") != 0) {
        rmdir(place);
        print_message("skipped: a file system may not be mounted here: %s\n", strerror(errno));
        skip();
    }
    put_file(path_of("small/file.csv"), "old");
    char bytes[50000];
    memset(bytes, 'x', sizeof bytes);
    lki_output *o = NULL;
    lk_status status = LK_OK;
    check_ok(ctx, lki_output_open(ctx, path_of("small/file.csv"), &o));
    for (int i = 0; i < 6; i++) {
        lk_status one = lki_output_write(ctx, o, bytes, sizeof bytes);
        status = status == LK_OK ? one : status;
    }
    assert_int_equal(status, LK_ERROR_IO);
    check_contains(lk_error_message(ctx), "bytes at offset ");
    check_contains(lk_error_message(ctx), "small/file.csv': No space left on device");
    lki_begin(ctx);
    check_status(ctx, LK_ERROR_IO, lki_output_commit(ctx, o)); /* a failed write is never committed */
    check_file(path_of("small/file.csv"), "old");
    assert_int_equal(count_files(path_of("small")), 1);
    lk_column column = {"a", LK_TYPE_REAL, NULL, 0};
    static double values[100000];
    static const char *const names[] = {"small/file.csv", "small/new.csv", "small/new.npy", "small/new.jsonl"};
    for (size_t i = 0; i < 4; i++) {
        lk_writer *w = NULL;
        check_ok(ctx, lk_writer_open(ctx, path_of(names[i]), NULL, &column, 1, &w));
        status = lk_writer_rows(ctx, w, values, 100000);
        status = status == LK_OK ? lk_writer_rows(ctx, w, values, 100000) : status;
        lk_status closed = lk_writer_close(ctx, w);
        assert_true(status == LK_ERROR_IO || closed == LK_ERROR_IO);
        check_file(path_of("small/file.csv"), "old");
        assert_int_equal(count_files(path_of("small")), 1);
    }
    assert_int_equal(umount(place), 0);
    rmdir(place);
}

/* Children that are killed at some moment of writing a second version: what stands there is always one version,
 * whole. */
static void test_killed(void **state)
{
    (void)state;
    int64_t kills = check_scaled(60, 10);
    int old = 0, new = 0;
    enum { SIZE = 2000000 };
    static char bytes[SIZE + 1];
    memset(bytes, 'b', SIZE);
    put_file(path_of("victim"), "old");
    for (int64_t i = 0; i < kills; i++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            lk_context *ctx = check_context(1);
            for (;;) {
                lki_output *o = NULL;
                if (lki_output_open(ctx, path_of("victim"), &o) != LK_OK ||
                    lki_output_write(ctx, o, bytes, SIZE) != LK_OK || lki_output_commit(ctx, o) != LK_OK) {
                    _exit(1);
                }
            }
        }
        struct timespec pause = {0, (long)(i * i % 97) * 200000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct stat info;
        assert_int_equal(stat(path_of("victim"), &info), 0);
        assert_true(info.st_size == 3 || info.st_size == SIZE);
        old += info.st_size == 3;
        new += info.st_size == SIZE;
    }
    assert_int_equal(old + new, kills);
    DIR *d = opendir(directory);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        bool known = e->d_name[0] == '.' &&
                     (e->d_name[1] == '\0' || e->d_name[1] == '.' || strstr(e->d_name, ".likely-") != NULL);
        assert_true(known || strcmp(e->d_name, "victim") == 0);
        if (strstr(e->d_name, ".likely-") != NULL) {
            unlink(path_of(e->d_name));
        }
    }
    closedir(d);
    unlink(path_of("victim"));
}

/* Each allocation fails once in turn: an error of memory, the old file whole, nothing leaked. */
static void test_no_memory(void **state)
{
    (void)state;
    static const char *const names[] = {"m.csv", "m.jsonl", "m.npy"};
    static double values[9000];
    for (size_t f = 0; f < 3; f++) {
        put_file(path_of(names[f]), "old");
        bool done = false;
        int failures = 0;
        for (long at = 1; !done; at++) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
            lk_context *ctx = NULL;
            lk_writer *w = NULL;
            lk_column columns[] = {
                {"a,b", LK_TYPE_REAL, NULL, 0}, {"c", LK_TYPE_INTEGER, NULL, 0}, {"d", LK_TYPE_REAL, NULL, 0}};
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            memory.calls = 0;
            memory.fail_at = at;
            lk_status status = lk_writer_open(ctx, path_of(names[f]), NULL, columns, 3, &w);
            if (status == LK_OK) {
                status = lk_writer_rows(ctx, w, values, 3000);
                lk_status closed = lk_writer_close(ctx, w);
                status = status == LK_OK ? closed : status;
            }
            done = memory.calls < at;
            /* A buffer whose doubling failed may still grow by what is needed: then all is well. */
            assert_true(status == LK_OK || (!done && status == LK_ERROR_MEMORY));
            failures += status != LK_OK;
            if (status != LK_OK) {
                check_file(path_of(names[f]), "old");
            } else {
                put_file(path_of(names[f]), "old");
            }
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
        }
        assert_true(failures > 5);
        unlink(path_of(names[f]));
    }
    assert_int_equal(count_files(directory), 0);
}

static int make_directory(void **state)
{
    return mkdtemp(directory) == NULL ? -1 : check_setup(state);
}

static int remove_directory(void **state)
{
    rmdir(directory);
    return check_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_old_and_thrown_away),
        cmocka_unit_test(test_links_and_relative_paths),
        cmocka_unit_test(test_patch_and_large_writes),
        cmocka_unit_test(test_places_that_cannot_be_written),
        cmocka_unit_test(test_devices_and_pipes),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("output", tests, make_directory, remove_directory);
}

/* Finds the processors and the free memory of this process in the affinity mask, /proc and the control groups. */
#include "machine.h"
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, LINE_BYTES = 1024, PROCESSORS_MAX = 1 << 16 };
static const int64_t MEMORY_LEAST = INT64_C(16) << 20;
static const int64_t MEMORY_UNKNOWN = INT64_C(1) << 30;

int lki_machine_threads(void)
{
    /* The kernel refuses masks that are shorter than its own, so longer ones are tried. */
    for (int n = CPU_SETSIZE; n <= PROCESSORS_MAX; n *= 4) {
        cpu_set_t *set = CPU_ALLOC((size_t)n);
        if (set == NULL) {
            break;
        }
        size_t bytes = CPU_ALLOC_SIZE((size_t)n);
        int count = sched_getaffinity(0, bytes, set) == 0 ? CPU_COUNT_S(bytes, set) : 0;
        CPU_FREE(set);
        if (count > 0) {
            return count;
        }
    }
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 && online < INT_MAX ? (int)online : 1;
}

/* The number behind `key` at the start of a line of root/path ("" = the first line); -1 if there is none. */
static int64_t file_number(const char *root, const char *path, const char *key)
{
    char name[2 * PATH_BYTES];
    char line[LINE_BYTES];
    int64_t value = -1;
    int length = snprintf(name, sizeof name, "%s%s", root, path);
    FILE *file = length > 0 && (size_t)length < sizeof name ? fopen(name, "re") : NULL;
    if (file == NULL) {
        return -1;
    }
    while (value < 0 && fgets(line, sizeof line, file) != NULL) {
        int64_t number;
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%" SCNd64, &number) == 1) {
            value = number;
        }
        if (key[0] == '\0') {
            break;
        }
    }
    fclose(file);
    return value;
}

/* Free bytes of one group directory: limit - usage + page cache that can be dropped; INT64_MAX if it sets no limit. */
static int64_t group_free(const char *root, const char *directory, int version)
{
    static const char *const names[3][3] = {
        {NULL, NULL, NULL},
        {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
        {"memory.max", "memory.current", "inactive_file "},
    };
    char path[2 * PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", directory, names[version][0]);
    int64_t limit = file_number(root, path, "");
    if (limit < 0) {
        return INT64_MAX;
    }
    snprintf(path, sizeof path, "%s/%s", directory, names[version][1]);
    int64_t usage = file_number(root, path, "");
    snprintf(path, sizeof path, "%s/memory.stat", directory);
    int64_t cache = file_number(root, path, names[version][2]);
    usage = usage > 0 ? usage : 0;
    usage = cache > 0 && cache < usage ? usage - cache : usage;
    return limit > usage ? limit - usage : 0;
}

/* The least free memory of the group `name` and of all groups above it. In a container the path may name directories
 * that are not mounted; those are skipped and the mount's own root still counts. */
static int64_t groups_free(const char *root, const char *mount, const char *name, int version)
{
    char directory[PATH_BYTES];
    int length = snprintf(directory, sizeof directory, "%s%s", mount, name);
    int64_t least = INT64_MAX;
    if (length < 0 || (size_t)length >= sizeof directory) {
        return least;
    }
    for (;;) {
        int64_t bytes = group_free(root, directory, version);
        least = bytes < least ? bytes : least;
        char *slash = strrchr(directory, '/');
        if (slash == NULL || strlen(directory) <= strlen(mount)) {
            return least;
        }
        *slash = '\0';
    }
}

/* The controllers of a line of /proc/self/cgroup "7:cpu,memory:/path" hold memory. */
static int has_memory(const char *controllers, size_t length)
{
    while (length > 0) {
        const char *comma = memchr(controllers, ',', length);
        size_t word = comma != NULL ? (size_t)(comma - controllers) : length;
        if (word == strlen("memory") && memcmp(controllers, "memory", word) == 0) {
            return 1;
        }
        size_t step = comma != NULL ? word + 1 : word;
        controllers += step;
        length -= step;
    }
    return 0;
}

static int64_t all_groups_free(const char *root)
{
    char name[PATH_BYTES];
    char line[LINE_BYTES];
    int64_t least = INT64_MAX;
    int length = snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    FILE *file = length > 0 && (size_t)length < sizeof name ? fopen(name, "re") : NULL;
    if (file == NULL) {
        return least;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) {
            continue;
        }
        int64_t bytes = INT64_MAX;
        if (path == controllers + 1) {
            bytes = groups_free(root, "/sys/fs/cgroup", path + 1, 2);
        } else if (has_memory(controllers + 1, (size_t)(path - controllers - 1))) {
            bytes = groups_free(root, "/sys/fs/cgroup/memory", path + 1, 1);
        }
        least = bytes < least ? bytes : least;
    }
    fclose(file);
    return least;
}

int64_t lki_machine_memory(const char *root)
{
    int64_t kilobytes = file_number(root, "/proc/meminfo", "MemAvailable:");
    int64_t bytes = kilobytes >= 0 && kilobytes < INT64_MAX / 1024 ? kilobytes * 1024 : MEMORY_UNKNOWN;
    int64_t granted = all_groups_free(root);
    bytes = granted < bytes ? granted : bytes;
    return bytes > MEMORY_LEAST ? bytes : MEMORY_LEAST;
}

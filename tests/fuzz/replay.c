/* Runs a fuzzer's one function on every file of a folder, so that its seeds are a test where there is no libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Feeds one file whole; returns 0, or 1 if it could not be read. */
static int replay(const char *path)
{
    int failed = 1;
    uint8_t *data = NULL;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        goto done;
    }
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) {
        goto done;
    }
    /* Exactly the size, so that a read beyond the end is seen by valgrind and the address sanitizer. */
    data = malloc(size > 0 ? (size_t)size : 1);
    if (data == NULL || fread(data, 1, (size_t)size, file) != (size_t)size) {
        goto done;
    }
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    failed = 0;
done:
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return failed;
}

int main(int count, char **arguments)
{
    int passed = 0;
    int failed = 0;
    DIR *folder = count > 1 ? opendir(arguments[1]) : NULL;
    if (folder == NULL) {
        (void)fprintf(stderr, "usage: %s FOLDER of seeds\n", arguments[0]);
        return 1;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int length = snprintf(path, sizeof path, "%s/%s", arguments[1], entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || replay(path) != 0) {
            (void)fprintf(stderr, "%s/%s cannot be read\n", arguments[1], entry->d_name);
            failed++;
        } else {
            passed++;
        }
    }
    (void)closedir(folder);
    printf("%d passed, %d failed\n", passed, passed == 0 ? 1 : failed);
    return failed != 0 || passed == 0;
}

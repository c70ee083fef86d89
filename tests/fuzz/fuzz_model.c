/* Model files of any bytes are refused or load to a model that answers; one that loads is written and read back to the same bytes. */
#include "fuzz_text.h"
#include "model/model_file.h"
#include "model/safetensors.h"
#include <likely/likely.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Saves into memory; the caller releases the bytes. */
static char *save(lk_context *ctx, const lk_model *model, size_t *size)
{
    char path[64], *bytes = NULL;
    int fd = memfd_create("model", 0);
    require(fd >= 0);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    int standard = dup(STDOUT_FILENO);
    require(dup2(fd, STDOUT_FILENO) >= 0);
    lk_status status = lk_model_save(ctx, model, "-");
    dup2(standard, STDOUT_FILENO);
    close(standard);
    require(status == LK_OK);
    require(lseek(fd, 0, SEEK_SET) == 0);
    status = lki_safetensors_slurp(ctx, path, &bytes, size);
    close(fd);
    require(status == LK_OK);
    return bytes;
}

static void ask(lk_context *ctx, const lk_model *model)
{
    int64_t d = lk_model_dimension(model), k = lk_model_groups(model);
    char *info = NULL;
    require(lk_model_info(ctx, model, &info) == LK_OK && info[0] == '{');
    lk_free(ctx, info);
    if (d > 64 || k > 64) {
        return;
    }
    double *x = malloc(3 * (size_t)d * sizeof *x), *out = malloc(3 * (size_t)(d + k) * sizeof *out);
    require(x != NULL && out != NULL);
    for (int64_t i = 0; i < 3 * d; i++) {
        x[i] = (double)i - 1.5;
    }
    const unsigned offers = lk_model_operations(model);
    require(!(offers & LK_OPERATION_LOG_DENSITY) || lk_model_log_density(ctx, model, x, 3, out) == LK_OK);
    require(!(offers & LK_OPERATION_SAMPLE) || lk_model_sample(ctx, model, 1, 0, 3, out) == LK_OK);
    require(!(offers & LK_OPERATION_SCORE) || lk_model_score(ctx, model, x, 3, out) == LK_OK);
    int64_t drawn[3];
    require(lk_model_classes(model) == NULL || lk_table_levels(lk_model_classes(model), 0) == k);
    require(lk_model_classes(model) == NULL || !(offers & LK_OPERATION_SAMPLE) || lk_model_sample_classes(ctx, model, 1, 0, 3, drawn) == LK_OK);
    require(k == 0 || lk_model_responsibilities(ctx, model, x, 3, out) == LK_OK);
    free(x);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lk_context_options options = {.size = sizeof options, .threads = 1};
    lk_context *ctx = NULL;
    lk_model *model = NULL, *again = NULL;
    require(lk_context_new(&ctx, &options) == LK_OK);
    lk_status status = lki_model_parse(ctx, "input", (const char *)data, size, &model);
    if (status == LK_OK) {
        size_t first_size, second_size;
        ask(ctx, model);
        char *first = save(ctx, model, &first_size);
        require(lki_model_parse(ctx, "again", first, first_size, &again) == LK_OK);
        char *second = save(ctx, again, &second_size);
        require(first_size == second_size && memcmp(first, second, first_size) == 0);
        lki_release(ctx, first);
        lki_release(ctx, second);
        lk_model_free(again);
        lk_model_free(model);
    } else {
        require(lk_error_message(ctx)[0] != '\0' && model == NULL);
    }
    lk_context_free(ctx);
    return 0;
}

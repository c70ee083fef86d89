/* What the fuzzers of texts share: the entry, a statement that must hold, any bytes as a text that ends. */
#ifndef LIKELY_FUZZ_TEXT_H
#define LIKELY_FUZZ_TEXT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(int truth)
{
    if (!truth) {
        abort();
    }
}

/* The bytes and a 0 behind them, to be freed; NULL = no memory. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text != NULL) {
        if (size > 0) {
            memcpy(text, data, size);
        }
        text[size] = '\0';
    }
    return text;
}

#endif

/* Any bytes as an NPZ, as a file in memory, as a file on disk and as a stream of blocks. So that checksums do not keep all but
 * chance out, they are made right first: bytes that are changed in a member get the checksum that they have. */
#include "fuzz/fuzz_arrays.h"

#include "data/crc32.h"

static size_t number(const uint8_t *bytes, int count)
{
    size_t value = 0;
    for (int i = count; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* Puts the checksum of every stored member into its local header and its directory entry. */
static void mend(uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 46 <= size; i++) {
        if (memcmp(data + i, "PK\1\2", 4) != 0) {
            continue;
        }
        size_t local = number(data + i + 42, 4), length = number(data + i + 20, 4);
        if (local > size || size - local < 30 || memcmp(data + local, "PK\3\4", 4) != 0) {
            continue;
        }
        size_t begin = local + 30 + number(data + local + 26, 2) + number(data + local + 28, 2);
        if (number(data + i + 10, 2) != 0 || begin > size || length > size - begin) {
            continue;
        }
        uint32_t crc = lki_crc32(0, data + begin, length);
        for (int k = 0; k < 4; k++) {
            data[i + 16 + (size_t)k] = data[local + 14 + (size_t)k] = (uint8_t)(crc >> (8 * k) & 0xff);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    fuzz_as_file("npz", data, size);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    mend(copy, size);
    fuzz_as_file("npz", copy, size);
    free(copy);
    return 0;
}

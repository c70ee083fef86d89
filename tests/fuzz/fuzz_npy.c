/* Any bytes as an NPY, as a file in memory, as a file on disk, as a stream of blocks and through a pipe. */
#include "fuzz/fuzz_arrays.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_as_file("npy", data, size);
    fuzz_through_pipe(data, size);
    return 0;
}

/* NPY files as bytes, for the tests. */
#ifndef LIKELY_NPY_FILE_H
#define LIKELY_NPY_FILE_H

#include "read_check.h"

/* A header of version `major` around a dictionary's text, padded so that the data starts at a multiple of 64. */
CHECK_UNUSED static void npy_header(read_text *t, int major, const char *dictionary)
{
    size_t width = major == 1 ? 2 : 4, length = strlen(dictionary) + 1;
    length += 63 - (8 + width + length + 63) % 64;
    char start[12] = "\x93NUMPY";
    start[6] = (char)major;
    for (size_t i = 0; i < width; i++) {
        start[8 + i] = (char)(length >> (8 * i) & 0xff);
    }
    read_put(t, start, 8 + width);
    read_put_text(t, dictionary);
    for (size_t i = strlen(dictionary); i + 1 < length; i++) {
        read_put(t, " ", 1);
    }
    read_put(t, "\n", 1);
}

CHECK_UNUSED static void npy_matrix_header(read_text *t, const char *descr, bool fortran, int64_t rows, int64_t columns)
{
    char dictionary[200];
    snprintf(dictionary, sizeof dictionary, "{'descr': '%s', 'fortran_order': %s, 'shape': (%lld, %lld), }", descr,
             fortran ? "True" : "False", (long long)rows, (long long)columns);
    npy_header(t, 1, dictionary);
}

#endif

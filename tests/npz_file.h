/* Zip archives and IDX files as bytes, for the tests. */
#ifndef LIKELY_NPZ_FILE_H
#define LIKELY_NPZ_FILE_H

#include "data/crc32.h"
#include "npy_file.h"

#if LIKELY_ZLIB
#include <zlib.h>
#endif

/* How members are written. */
typedef enum npz_form {
    NPZ_STORED = 0,
    NPZ_DEFLATED = 1, /* where there is no zlib: stored */
    NPZ_WIDE = 2,     /* sizes in zip64 fields, as numpy writes the local headers; the end as zip64 */
    NPZ_BEHIND = 4    /* sizes behind the data, as a writer to a pipe does */
} npz_form;

typedef struct npz_file {
    read_text bytes, directory;
    int count;
    int form;
} npz_file;

CHECK_UNUSED static void npz_number(read_text *t, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        char byte = (char)(i < 8 ? value >> (8 * i) & 0xff : 0);
        read_put(t, &byte, 1);
    }
}

/* Raw deflate, to be freed; NULL where there is no zlib. */
CHECK_UNUSED static char *npz_deflate(const void *bytes, size_t count, size_t *packed)
{
#if LIKELY_ZLIB
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, count);
    char *out = malloc(bound);
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)count;
    z.next_out = (unsigned char *)out;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *packed = z.total_out;
    deflateEnd(&z);
    return out;
#else
    (void)bytes;
    (void)count;
    (void)packed;
    return NULL;
#endif
}

CHECK_UNUSED static void npz_add(npz_file *f, const char *name, const void *bytes, size_t count)
{
    size_t packed = count;
    char *deflated = (f->form & NPZ_DEFLATED) != 0 ? npz_deflate(bytes, count, &packed) : NULL;
    unsigned method = deflated != NULL ? 8 : 0, flags = (f->form & NPZ_BEHIND) != 0 ? 8 : 0;
    uint32_t crc = lki_crc32(0, bytes, count);
    bool wide = (f->form & NPZ_WIDE) != 0;
    uint64_t offset = f->bytes.used, ones = 0xffffffff;
    read_put_text(&f->bytes, "PK\3\4");
    npz_number(&f->bytes, 45, 2);
    npz_number(&f->bytes, flags, 2);
    npz_number(&f->bytes, method, 2);
    npz_number(&f->bytes, 0x00210000, 4);
    npz_number(&f->bytes, flags != 0 ? 0 : crc, 4);
    npz_number(&f->bytes, flags != 0 ? 0 : wide ? ones : packed, 4);
    npz_number(&f->bytes, flags != 0 ? 0 : wide ? ones : count, 4);
    npz_number(&f->bytes, strlen(name), 2);
    npz_number(&f->bytes, wide && flags == 0 ? 20 : 0, 2);
    read_put_text(&f->bytes, name);
    if (wide && flags == 0) {
        npz_number(&f->bytes, 1, 2);
        npz_number(&f->bytes, 16, 2);
        npz_number(&f->bytes, count, 8);
        npz_number(&f->bytes, packed, 8);
    }
    read_put(&f->bytes, deflated != NULL ? deflated : bytes, packed);
    if (flags != 0) {
        read_put_text(&f->bytes, "PK\7\b");
        npz_number(&f->bytes, crc, 4);
        npz_number(&f->bytes, packed, 4);
        npz_number(&f->bytes, count, 4);
    }
    read_put_text(&f->directory, "PK\1\2");
    npz_number(&f->directory, 0x002d032d, 4);
    npz_number(&f->directory, flags, 2);
    npz_number(&f->directory, method, 2);
    npz_number(&f->directory, 0x00210000, 4);
    npz_number(&f->directory, crc, 4);
    npz_number(&f->directory, wide ? ones : packed, 4);
    npz_number(&f->directory, wide ? ones : count, 4);
    npz_number(&f->directory, strlen(name), 2);
    npz_number(&f->directory, wide ? 28 : 0, 2);
    npz_number(&f->directory, 0, 10); /* comment, volume, attributes */
    npz_number(&f->directory, wide ? ones : offset, 4);
    read_put_text(&f->directory, name);
    if (wide) {
        npz_number(&f->directory, 1, 2);
        npz_number(&f->directory, 24, 2);
        npz_number(&f->directory, count, 8);
        npz_number(&f->directory, packed, 8);
        npz_number(&f->directory, offset, 8);
    }
    f->count++;
    free(deflated);
}

/* The directory and the end; the bytes are then the archive. */
CHECK_UNUSED static void npz_end(npz_file *f, const char *comment)
{
    bool wide = (f->form & NPZ_WIDE) != 0;
    uint64_t offset = f->bytes.used, size = f->directory.used, count = (uint64_t)f->count;
    read_put(&f->bytes, f->directory.bytes, f->directory.used);
    if (wide) {
        uint64_t at = f->bytes.used;
        read_put_text(&f->bytes, "PK\6\6");
        npz_number(&f->bytes, 44, 8);
        npz_number(&f->bytes, 0x002d002d, 4);
        npz_number(&f->bytes, 0, 8);
        npz_number(&f->bytes, count, 8);
        npz_number(&f->bytes, count, 8);
        npz_number(&f->bytes, size, 8);
        npz_number(&f->bytes, offset, 8);
        read_put_text(&f->bytes, "PK\6\7");
        npz_number(&f->bytes, 0, 4);
        npz_number(&f->bytes, at, 8);
        npz_number(&f->bytes, 1, 4);
    }
    read_put_text(&f->bytes, "PK\5\6");
    npz_number(&f->bytes, 0, 4);
    npz_number(&f->bytes, wide ? 0xffff : count, 2);
    npz_number(&f->bytes, wide ? 0xffff : count, 2);
    npz_number(&f->bytes, wide ? 0xffffffff : size, 4);
    npz_number(&f->bytes, wide ? 0xffffffff : offset, 4);
    npz_number(&f->bytes, strlen(comment), 2);
    read_put_text(&f->bytes, comment);
}

CHECK_UNUSED static void npz_free(npz_file *f)
{
    free(f->bytes.bytes);
    free(f->directory.bytes);
    *f = (npz_file){.form = f->form};
}

/* An array of int32 that counts on from `first`: a vector where columns is 0. */
CHECK_UNUSED static void npz_add_counting(npz_file *f, const char *name, int64_t rows, int64_t columns, bool fortran, int first)
{
    read_text t = {0};
    char dictionary[200], shape[60];
    snprintf(shape, sizeof shape, columns > 0 ? "(%lld, %lld)" : "(%lld,)", (long long)rows, (long long)columns);
    snprintf(dictionary, sizeof dictionary, "{'descr': '<i4', 'fortran_order': %s, 'shape': %s, }", fortran ? "True" : "False", shape);
    npy_header(&t, 1, dictionary);
    int64_t wide = columns > 0 ? columns : 1;
    for (int64_t i = 0; i < rows * wide; i++) {
        int64_t at = fortran ? i % rows * wide + i / rows : i;
        npz_number(&t, (uint64_t)(first + at), 4);
    }
    npz_add(f, name, t.bytes, t.used);
    free(t.bytes);
}

/* The header of an IDX. */
CHECK_UNUSED static void idx_header(read_text *t, unsigned type, const int64_t *lengths, int rank)
{
    unsigned char magic[4] = {0, 0, (unsigned char)type, (unsigned char)rank};
    read_put(t, magic, 4);
    for (int i = 0; i < rank; i++) {
        unsigned char b[4] = {(unsigned char)(lengths[i] >> 24 & 0xff), (unsigned char)(lengths[i] >> 16 & 0xff),
                              (unsigned char)(lengths[i] >> 8 & 0xff), (unsigned char)(lengths[i] & 0xff)};
        read_put(t, b, 4);
    }
}

#endif

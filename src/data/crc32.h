/* The checksum of zip archives: CRC-32 of ISO 3309, as RFC 1952, 8 defines it. */
#ifndef LIKELY_CRC32_H
#define LIKELY_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what came before (0 at first) followed by these bytes. */
uint32_t lki_crc32(uint32_t crc, const void *bytes, size_t count);
/* The same without zlib's table lookups over many bytes: the reference, and what a build without zlib uses. */
uint32_t lki_crc32_plain(uint32_t crc, const void *bytes, size_t count);

#endif

/* CRC-32, four bits at a time, or by zlib where there is one. */
#include "data/crc32.h"

#if LIKELY_ZLIB
#include <zlib.h>
#endif

uint32_t lki_crc32_plain(uint32_t crc, const void *bytes, size_t count)
{
    /* Remainders of x^32 times four bits, least significant bit first, by the polynomial 0xedb88320. */
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
                                       0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                       0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    const unsigned char *b = bytes;
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= b[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

uint32_t lki_crc32(uint32_t crc, const void *bytes, size_t count)
{
#if LIKELY_ZLIB
    const unsigned char *b = bytes;
    for (size_t done = 0; done < count;) {
        size_t some = count - done < (1u << 30) ? count - done : (1u << 30);
        crc = (uint32_t)crc32(crc, b + done, (uInt)some);
        done += some;
    }
    return crc;
#else
    return lki_crc32_plain(crc, bytes, count);
#endif
}

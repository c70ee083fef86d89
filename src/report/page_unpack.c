/* The page that the build put into the library, in full length. */
#include "report/page.h"

#include <string.h>
#if LIKELY_ZLIB
#include <zlib.h>
#endif

bool lki_page_unpack(const lki_page_template *made, unsigned char *out)
{
    if (made->packed == 0) {
        memcpy(out, made->bytes, made->size);
        return true;
    }
#if LIKELY_ZLIB
    uLongf size = made->size;
    return uncompress(out, &size, made->bytes, made->packed) == Z_OK && size == made->size;
#else
    return false;
#endif
}

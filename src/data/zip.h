/* Zip archives: the directory, read strictly, and the members' bytes (PKWARE APPNOTE 6.3.10: 4.3.6 to 4.3.16 and 4.5.3). */
#ifndef LIKELY_ZIP_H
#define LIKELY_ZIP_H

#include "data/stream.h"

typedef struct lki_zip_member {
    char *name;
    size_t length; /* of the name */
    unsigned flags, method;
    int64_t header; /* where its local header begins, */
    int64_t data;   /* and what comes behind that */
    int64_t packed, unpacked;
    uint32_t crc;
} lki_zip_member;

typedef struct lki_zip {
    lki_memory memory;
    lki_source *source; /* owned */
    const char *name;   /* of the file */
    int descriptor;     /* the source's, or a temporary file where that cannot be read by position */
    bool spooled;
    int64_t directory; /* where the directory begins: members lie before it */
    lki_zip_member *members;
    int64_t count;
} lki_zip;

/* Reads the directory, with which every member's local header must agree; takes the source, whatever is returned. What is no regular
 * file goes to a temporary one first. */
lk_status lki_zip_open(lk_context *ctx, lki_source *source, lki_zip **out) LK_NODISCARD;
void lki_zip_free(lki_zip *zip);
/* Where a member's bytes lie, if they can be read. `name` is for error texts. */
lk_status lki_zip_part(lk_context *ctx, const lki_zip_member *member, const char *name, lki_part *out) LK_NODISCARD;

#endif

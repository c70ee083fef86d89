/* Names and short texts of the status codes, and the library's version. */
#include "core.h"

const char *lk_version(void)
{
    return LK_VERSION;
}

const char *lk_status_name(lk_status status)
{
    switch (status) {
#define STATUS_NAME(name, value, text) \
    case name:                         \
        return #name;
        LK_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "LK_ERROR_UNKNOWN";
}

const char *lk_status_text(lk_status status)
{
    switch (status) {
#define STATUS_TEXT(name, value, text) \
    case name:                         \
        return text;
        LK_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "an unknown status";
}

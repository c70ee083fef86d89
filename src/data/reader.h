/* The readers with the cutting of their input open to choice, for tests. */
#ifndef LIKELY_READER_H
#define LIKELY_READER_H

#include "data/csv.h"

lk_status lki_reader_open(lk_context *ctx, const char *path, const lk_read_options *options, const lki_csv_cut *cut,
                          lk_reader **out) LK_NODISCARD;
lk_status lki_table_read(lk_context *ctx, const char *path, const lk_read_options *options, const lki_csv_cut *cut,
                         lk_table **out) LK_NODISCARD;

#endif

/* Pieces of C99 source as text: templates, and tables of constants. */
#ifndef LIKELY_C_SOURCE_H
#define LIKELY_C_SOURCE_H

#include "data/text_builder.h"

/* Appends a template with every @ replaced by the prefix. */
lk_status lki_c_paste(lk_context *ctx, lki_builder *text, const char *template, const char *prefix) LK_NODISCARD;
/* Appends a number as a constant of type double that reads back to the same one. */
lk_status lki_c_number(lk_context *ctx, lki_builder *text, double v) LK_NODISCARD;
/* Appends "static const double PREFIX_NAME[rows][columns] = {...};", or [columns] alone for rows = 0. */
lk_status lki_c_table(lk_context *ctx, lki_builder *text, const char *prefix, const char *name, int64_t rows, int64_t columns,
                      const double *values) LK_NODISCARD;
/* Appends "static const TYPE PREFIX_NAME[count] = {...};" of whole numbers. */
lk_status lki_c_integers(lk_context *ctx, lki_builder *text, const char *prefix, const char *type, const char *name, int64_t count,
                         const int64_t *values) LK_NODISCARD;
/* Appends text that may stand inside of a comment: control characters become ?, and what would open or close one is parted. */
lk_status lki_c_remark(lk_context *ctx, lki_builder *text, const char *remark) LK_NODISCARD;

/* Texts of the files export_*.c.in. */
extern const char lki_export_identity[], lki_export_transform[], lki_export_model[];

#endif

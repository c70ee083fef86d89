/* What the parts of a report share: the model, the table, rows chosen from it, and the JSON that grows. */
#ifndef LIKELY_PAGE_H
#define LIKELY_PAGE_H

#include "core/core.h"

#include <jansson.h>
#include <likely/report.h>

/* Most features that are drawn, rows that statistics are taken from, rows that are predicted, draws of the model, and rows of one piece of a
 * pass over a table. */
enum { LKI_PAGE_FEATURES = 12, LKI_PAGE_SAMPLE = 20000, LKI_PAGE_PREDICTED = 2000, LKI_PAGE_DRAWS = 20000, LKI_PAGE_PIECE = 16384 };
/* Up to so many features questions of each given all others are asked. */
enum { LKI_PAGE_CONDITIONED = 64 };
/* Above so many pairs of a row and a kernel point, sampled rows stand for all. */
#define LKI_PAGE_PAIRS 2e9

/* Rows of a table, chosen at random one from each of equal runs, so that they stand in order; all where there are few. */
typedef struct lki_page_rows {
    const lk_table *table;
    int64_t *columns; /* d: of the model's features */
    int64_t weight;   /* column of weights; -1 = none */
    int64_t all;      /* rows of the table */
    int64_t count;
    int64_t *row;     /* count: their numbers */
    double *x;        /* count x d */
    double *classes;  /* count: number of the model's class, NaN = none; NULL = no classes, or no such column */
} lki_page_rows;

typedef struct lki_page {
    const lk_model *model;
    lk_report_options options;
    int64_t d, target; /* features of the model; -1 or the one that it predicts */
    unsigned operations;
    int64_t shown_count, shown[LKI_PAGE_FEATURES];
    double low[LKI_PAGE_FEATURES], high[LKI_PAGE_FEATURES]; /* what is drawn of each */
    lki_page_rows rows;     /* of the data */
    lki_page_rows held_out; /* of the rows to judge by; count 0 = none */
    const lki_page_rows *judged;
    double points;  /* kernel points behind the model; 0 = it is none of kernels */
    bool sampled;   /* all questions are asked of the sampled rows, because the model takes long over each */
    bool same_rows; /* the data are the rows that the model was fitted to */
    json_t *root, *info, *absent;
} lki_page;

/* page_rows.c */
lk_status lki_page_rows_choose(lk_context *ctx, const lki_page *page, const lk_table *table, lki_page_rows *out) LK_NODISCARD;
void lki_page_rows_free(lk_context *ctx, lki_page_rows *rows);
/* The finite values of one feature among the rows, ascending; returns their number. `out` has room for rows->count. */
int64_t lki_page_sorted(const lki_page_rows *rows, int64_t d, int64_t feature, double *out);
/* The range of each shown feature that is drawn: the middle 99% of the rows and a third of that width on both sides, as far as there are rows. */
lk_status lki_page_ranges(lk_context *ctx, lki_page *page) LK_NODISCARD;
lk_status lki_page_points(lk_context *ctx, const lki_page *page) LK_NODISCARD;

/* page_table.c, page_density.c, page_trust.c, page_predictions.c, page_strange.c: each sets its part of page->root. */
lk_status lki_page_table(lk_context *ctx, const lki_page *page) LK_NODISCARD;
lk_status lki_page_density(lk_context *ctx, lki_page *page) LK_NODISCARD;
/* page_kernels.c: density["kernels"] of a kernel density over the shown features, and the transforms of these; nothing for any other model. */
lk_status lki_page_kernels(lk_context *ctx, const lk_model *part, const json_t *info, json_t *density) LK_NODISCARD;
lk_status lki_page_trust(lk_context *ctx, lki_page *page) LK_NODISCARD;
lk_status lki_page_predictions(lk_context *ctx, const lki_page *page, json_t *trust) LK_NODISCARD;
lk_status lki_page_strange(lk_context *ctx, const lki_page *page) LK_NODISCARD;

/* Passes on what must end the report (memory, a file, the user), else notes the context's text as the reason why `part` is absent. */
lk_status lki_page_refused(lk_context *ctx, const lki_page *page, const char *part, lk_status status) LK_NODISCARD;
lk_status lki_page_leave_out(lk_context *ctx, const lki_page *page, const char *part, const char *reason) LK_NODISCARD;
/* A number of six significant digits, for what is drawn; null where it is not finite. */
json_t *lki_page_rounded(double v);
json_t *lki_page_rounded_list(const double *v, int64_t count, int64_t stride);
/* A text whose bytes that are no UTF-8 are replaced by U+FFFD. */
json_t *lki_page_text(lk_context *ctx, const char *text);

/* The page that the build made, with two places where something is put in. */
typedef struct lki_page_template {
    const unsigned char *bytes;
    size_t packed;      /* bytes, deflated; 0 = they stand as they are */
    size_t size;        /* in full length; 0 = there is no page */
    size_t title, data; /* the two places: offsets in full length */
    const char *reason; /* why there is no page */
} lki_page_template;
extern const lki_page_template lki_page_made;
/* Its `size` bytes; false where they cannot be read. */
bool lki_page_unpack(const lki_page_template *made, unsigned char *out);

#endif

/* Reports: one page about a model and its data, as numbers in JSON or as a self-contained HTML page. */
#ifndef LIKELY_REPORT_H
#define LIKELY_REPORT_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** What a report shows. Set `size` to sizeof(lk_report_options); zero elsewhere means the default. */
typedef struct lk_report_options {
    size_t size;              /**< sizeof(lk_report_options) */
    const char *title;        /**< heading of the page; NULL = the method and the name of the data */
    const char *data;         /**< what the data are called, such as their file; NULL = "data" */
    const char *command;      /**< the command that makes this page again; NULL = none is shown */
    const char *features;     /**< comma-separated names or positions of the features to draw, at most 12; NULL = the first 10 */
    const char *id;           /**< name of the column that names rows in the list of the strangest; NULL = their numbers */
    const lk_table *held_out; /**< rows that the model was not fitted to, by which it is judged instead; borrowed; NULL = none */
    int64_t points;           /**< rows drawn as points, at most 10 000; 0 = 1500 */
    int64_t strange;          /**< strangest rows to list, at most 100; 0 = 12 */
    int64_t seed;             /**< non-negative seed of the rows and draws that are taken */
    const char *weight;       /**< name of a weight column: a weight of 2 counts a row twice; also of held_out where that has it; NULL = none */
} lk_report_options;

/** All that a report shows, as JSON: table (what the data are), model (what was fitted), density (parameters or grids that draw it),
 * points, trust (likelihood, probability integral transform, quantiles, coverage of predictions, standard errors), strange (rows), and absent, a
 * reason for each part that does not apply to this model or these data. The same bits on any number of threads, streamed or in memory.
 * @param context a context.
 * @param model a model of any method.
 * @param table rows with the model's features.
 * @param options NULL for all defaults.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_ARGUMENT (an option out of its range, an unknown column), LK_ERROR_DATA (a feature that the table lacks),
 * LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: some passes over the table; log densities of all rows and 20 000 draws, and predictions of at most 2000 rows a feature. At
 * most about 2 MB of text, whatever the number of rows. */
LK_API LK_NODISCARD lk_status lk_report_json(lk_context *context, const lk_model *model, const lk_table *table,
                                             const lk_report_options *options, char **out);

/** The report as one HTML page that needs nothing else: style, program and numbers inside, below 3 MB.
 * @param context a context.
 * @param model a model of any method.
 * @param table rows with the model's features.
 * @param options NULL for all defaults.
 * @param out receives the text, UTF-8; give it back by lk_free().
 * Errors: as lk_report_json(); LK_ERROR_UNAVAILABLE where this build holds no page (it was made without Node.js).
 * Cost: that of lk_report_json(). */
LK_API LK_NODISCARD lk_status lk_report_html(lk_context *context, const lk_model *model, const lk_table *table,
                                             const lk_report_options *options, char **out);

/** Writes the report's page to a file that appears whole or not at all.
 * @param context a context.
 * @param model a model of any method.
 * @param table rows with the model's features.
 * @param options NULL for all defaults.
 * @param path a file; "-" is standard output.
 * Errors: as lk_report_html(), LK_ERROR_IO.
 * Cost: that of lk_report_json(); one sync. */
LK_API LK_NODISCARD lk_status lk_report_write(lk_context *context, const lk_model *model, const lk_table *table,
                                              const lk_report_options *options, const char *path);

#ifdef __cplusplus
}
#endif
#endif

/* Figures of a model, and of data beside it: a gnuplot program, and gnuplot run on it. */
#ifndef LIKELY_PLOT_H
#define LIKELY_PLOT_H

#include "plot/components.h"

#include <likely/likely.h>

#include <stdbool.h>
#include <stdio.h>

enum { PLOT_FEATURES_MAX = 10, PLOT_LEVELS = 5 };

/* Where a figure goes. PLOT_BARE is a program that leaves the choice to its reader. */
typedef enum plot_medium { PLOT_PNG, PLOT_SVG, PLOT_PDF, PLOT_TEXT, PLOT_BARE } plot_medium;

/* What a figure of rows shows: the density; the components as ellipses under rows coloured by group; or rows coloured by group and drawn
 * the larger, the less sure their group is. */
typedef enum plot_kind { PLOT_DENSITY, PLOT_ELLIPSES, PLOT_UNCERTAINTY } plot_kind;

/* What is drawn, and how. */
typedef struct plot_request {
    const lk_model *model;
    const lk_table *data;     /* NULL = the model alone */
    int64_t weight;           /* position of a weight column of the data for the histograms, -1 = none */
    const int64_t *features;  /* 0-based features of the model to draw */
    int64_t count;            /* 1..PLOT_FEATURES_MAX */
    plot_kind kind;
    plot_components components; /* of the model */
    int64_t points;           /* draw at most so many rows */
    int64_t bins;             /* of a histogram, 0 = by the Freedman-Diaconis rule */
    int64_t seed;             /* of the draws behind the highest-density regions */
    const char *title;        /* NULL = none */
    plot_medium medium;
    int width, height;        /* pixels, or characters of a terminal */
    bool colour;              /* of a terminal */
    const char *output;       /* named in a program that is printed; NULL = standard output */
} plot_request;

/* What the reader of a figure should know. */
typedef struct plot_notes {
    int64_t rows;    /* of the data */
    int64_t missing; /* rows with a missing value in a drawn feature: not drawn */
    int64_t stride;  /* every so many rows one point is drawn */
} plot_notes;

/* figure.c: writes the gnuplot program of a figure, with its data inline. */
lk_status plot_program(lk_context *context, const plot_request *request, FILE *out, plot_notes *notes);

/* The head of every program: terminal, output, border and grid. */
void plot_begin(const plot_request *request, FILE *out);
/* A user's text as a gnuplot string. */
void plot_quote(FILE *out, const char *text);
/* The colour of group k, as #rrggbb; they repeat after PLOT_COLOURS. */
enum { PLOT_COLOURS = 8 };
const char *plot_group_colour(int64_t k);

/* candidates.c: how many candidates of a fit have a value of this criterion, from lk_model_info(); and the program of their figure. */
int64_t plot_candidates(const struct json_t *info, const char *criterion);
void plot_candidates_program(const plot_request *request, const struct json_t *info, const char *criterion, FILE *out);

/* arrows.c: the program of a figure of vector fields, a column of panels for each noise: arrows of the field at points, coloured by the antisymmetric share of
 * its Jacobian; below, the points by local dimension. One feature: the field against it. */
typedef struct plot_field {
    double sigma;       /* in standard deviations of the features */
    const double *each; /* points x (2 d + 2), as lk_diagnose_options.each */
    int64_t points, d;
    double asymmetry;   /* of all points */
} plot_field;
enum { PLOT_ARROWS_MAX = 400 }; /* points drawn of each noise */
void plot_field_program(const plot_request *request, const plot_field *fields, int count, FILE *out);

/* gnuplot.c: the medium that a word names, png, svg, pdf, text or txt; false = none. */
bool plot_medium_of(const char *word, plot_medium *out);
/* Runs gnuplot on a program; the figure goes to a file whole or not at all, or to standard output
 * (path NULL). Returns false with the reason in `error`. */
bool plot_run(const char *program, size_t length, const char *path, char *error, size_t error_size);

/* sheet.c: what of the data and the model is needed to draw. */
typedef struct plot_sheet {
    int64_t count;            /* features drawn */
    double *points;           /* point_count x count */
    int64_t point_count;
    double *rows;             /* point_count x d: the same rows whole, where groups are asked for */
    double *shares;           /* point_count x groups: their responsibilities */
    int64_t groups;
    double low[PLOT_FEATURES_MAX], high[PLOT_FEATURES_MAX];           /* of the axes */
    double data_low[PLOT_FEATURES_MAX], data_high[PLOT_FEATURES_MAX]; /* of the rows */
    int64_t bins[PLOT_FEATURES_MAX];
    double *bars[PLOT_FEATURES_MAX]; /* density of each bin, from data_low to data_high */
    plot_notes notes;
} plot_sheet;
lk_status plot_sheet_make(lk_context *context, const plot_request *request, plot_sheet *sheet);
void plot_sheet_free(plot_sheet *sheet);

/* region.c: highest-density regions of a two-dimensional model as closed polygons. */
typedef struct plot_polygon {
    int level;     /* 0 = the largest region */
    int64_t first; /* into plot_regions.xy, in points */
    int64_t count;
    double area;   /* negative for a hole */
} plot_polygon;
typedef struct plot_regions {
    double *xy;
    int64_t point_count, point_capacity;
    plot_polygon *polygons; /* by decreasing |area|: painted in this order, each covers what it lies upon */
    int64_t polygon_count, polygon_capacity;
} plot_regions;
extern const double plot_masses[PLOT_LEVELS]; /* probability within each region, largest first */
lk_status plot_regions_make(lk_context *context, const lk_model *model, int64_t seed, const double low[2],
                            const double high[2], int64_t cells, plot_regions *out);
void plot_regions_free(plot_regions *regions);

/* contour.c: polygons of {value >= level} on a grid of (nx + 1) x (ny + 1) nodes, closed at its border. */
lk_status plot_contour(const double *values, int64_t nx, int64_t ny, const double low[2], const double high[2],
                       double threshold, int level, plot_regions *out);

#endif

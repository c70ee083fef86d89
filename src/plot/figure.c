/* The gnuplot program of a figure: a curve over a histogram, regions under points, or a grid of pairs. */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_POINTS = 400, CELLS_SINGLE = 160, CELLS_PAIR = 72 };

static const char *const region_fill[PLOT_LEVELS] = {"#edf3f9", "#d5e4f1", "#b4cfe6", "#84b1d5", "#5590c2"};
static const char *const region_line[PLOT_LEVELS] = {"#b9cfe3", "#9bbbd8", "#7aa5cc", "#4f86b8", "#2c669d"};
static const char curve_colour[] = "#1f5a8f", part_colour[] = "#d0782c", mark_colour[] = "#c8501e";

typedef struct figure {
    lk_context *context;
    const plot_request *request;
    FILE *out;
    plot_sheet sheet;
    int64_t groups;   /* curves of the components in one dimension, 0 = none */
    bool text;        /* for a terminal of characters */
    int64_t block;    /* number of the next data block */
} figure;

/* A user's text as a gnuplot string. In double quotes a backquote would run a command and a backslash be read, and in
 * single quotes a doubled quote is not always one: every character but harmless ones is written by its octal code, which
 * gnuplot reads as a character and nothing else, and so is an octal digit behind such a code, which gnuplot would take for
 * a part of it. Control characters become spaces, broken UTF-8 question marks. */
void plot_quote(FILE *out, const char *text)
{
    static const char harmless[] = " .,:;_-+=/()[]<>*!?&|~^";
    bool coded = false; /* whether the character before stands there as its code */
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0';) {
        int more = *c < 0x80 ? 0 : *c >= 0xc2 && *c < 0xe0 ? 1 : *c >= 0xe0 && *c < 0xf0 ? 2 : *c >= 0xf0 && *c < 0xf5 ? 3 : -1;
        for (int i = 1; i <= more; i++) {
            more = (c[i] & 0xc0u) == 0x80u ? more : -1;
        }
        bool code = false, letter = (*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z');
        if (more < 0) {
            fputc('?', out);
        } else if (more > 0) {
            fwrite(c, 1, (size_t)more + 1, out);
        } else if (*c < 0x20 || *c == 0x7f) {
            fputc(' ', out);
        } else if ((letter && !(coded && *c <= '7')) || strchr(harmless, *c) != NULL) {
            fputc(*c, out);
        } else {
            fprintf(out, "\\%03o", *c);
            code = true;
        }
        coded = code;
        c += more < 0 ? 1 : more + 1;
    }
    fputc('"', out);
}

static const char *feature_name(const figure *f, int64_t j)
{
    return lk_model_feature(f->request->model, f->request->features[j]);
}

const char *plot_group_colour(int64_t k)
{
    static const char *const colours[PLOT_COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#e69f00", "#56b4e9", "#7f3c8d", "#7a7a00"}; /* told apart by all eyes: Okabe and Ito */
    return colours[k % PLOT_COLOURS];
}

void plot_begin(const plot_request *r, FILE *out)
{
    fprintf(out, "# A figure by likely %s. Run it: gnuplot FILE\nset encoding utf8\n", lk_version());
    switch (r->medium) {
    case PLOT_PNG:
        fprintf(out, "set term pngcairo noenhanced size %d,%d font 'sans,%d' background rgb 'white'\n", r->width,
                r->height, r->width >= 1000 ? 14 : 11);
        break;
    case PLOT_SVG:
        fprintf(out, "set term svg noenhanced size %d,%d font 'sans-serif,%d' background rgb 'white'\n", r->width,
                r->height, r->width >= 1000 ? 18 : 14);
        break;
    case PLOT_PDF:
        fprintf(out, "set term pdfcairo noenhanced size %.3fin,%.3fin font 'sans,11'\n", r->width / 160.0,
                r->height / 160.0);
        break;
    case PLOT_TEXT:
        fprintf(out, "set term dumb noenhanced %s size %d,%d\n", r->colour ? "ansi" : "mono", r->width, r->height);
        break;
    case PLOT_BARE:
        break;
    }
    if (r->output != NULL) {
        /* A name that begins with | would be a command to gnuplot. */
        char *name = NULL;
        if (asprintf(&name, "%s%s", r->output[0] == '|' ? "./" : "", r->output) >= 0) {
            fputs("set output ", out);
            plot_quote(out, name);
            fputc('\n', out);
            free(name);
        }
    }
    if (r->medium == PLOT_TEXT) {
        fputs("set border 3\nset tics nomirror\n", out);
    } else {
        fputs("set border 3 lc rgb '#707070' lw 1\nset tics nomirror out scale 0.6 textcolor rgb '#404040'\n"
              "set grid xtics ytics lc rgb '#e4e4e4' lw 0.7 lt 1\n",
              out);
    }
}

/* Three more columns of a row: its most probable group, that group's colour, and 1 - its probability. */
static void write_group(figure *f, const double *shares)
{
    int64_t group = 0;
    for (int64_t k = 1; k < f->sheet.groups; k++) {
        group = shares[k] > shares[group] ? k : group;
    }
    fprintf(f->out, " %lld %ld %.4g", (long long)group, strtol(plot_group_colour(group) + 1, NULL, 16),
            isnan(shares[group]) ? 0 : 1 - shares[group]);
}

static void write_points(figure *f)
{
    const plot_sheet *s = &f->sheet;
    if (s->point_count == 0) {
        return;
    }
    fputs("$points << EOD\n", f->out);
    for (int64_t i = 0; i < s->point_count; i++) {
        for (int64_t j = 0; j < s->count; j++) {
            fprintf(f->out, j == 0 ? "%.15g" : " %.15g", s->points[i * s->count + j]);
        }
        if (s->shares != NULL) {
            write_group(f, s->shares + i * s->groups);
        }
        fputc('\n', f->out);
    }
    fputs("EOD\n", f->out);
}

static int64_t marks(const figure *f)
{
    return plot_components_count(&f->request->components);
}

static void write_marks(figure *f)
{
    const plot_request *r = f->request;
    if (marks(f) == 0) {
        return;
    }
    fputs("$means << EOD\n", f->out);
    for (int64_t k = 0; k < marks(f); k++) {
        for (int64_t j = 0; j < r->count; j++) {
            fprintf(f->out, j == 0 ? "%.15g" : " %.15g", plot_components_mean(&r->components, k, r->features[j]));
        }
        fputc('\n', f->out);
    }
    fputs("EOD\n", f->out);
}

static void write_bars(figure *f, int64_t j)
{
    const plot_sheet *s = &f->sheet;
    if (s->bars[j] == NULL) {
        return;
    }
    double width = (s->data_high[j] - s->data_low[j]) / (double)s->bins[j];
    fprintf(f->out, "$bars%lld << EOD\n", (long long)j);
    for (int64_t b = 0; b < s->bins[j]; b++) {
        fprintf(f->out, "%.15g %.7g %.15g\n", s->data_low[j] + width * ((double)b + 0.5), s->bars[j][b], width);
    }
    fputs("EOD\n", f->out);
}

/* Rows "x p(x) p(x) r_1(x) ... p(x) r_K(x)" of a one-dimensional model along the axis of feature j. */
static lk_status write_curve(figure *f, const lk_model *model, int64_t j, int64_t groups)
{
    double x[CURVE_POINTS], density[CURVE_POINTS];
    double *shares = groups > 0 ? malloc((size_t)groups * sizeof *shares * CURVE_POINTS) : NULL;
    lk_status status = groups > 0 && shares == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int i = 0; i < CURVE_POINTS; i++) {
        x[i] = f->sheet.low[j] + (f->sheet.high[j] - f->sheet.low[j]) * i / (CURVE_POINTS - 1);
    }
    if (status == LK_OK) {
        status = lk_model_log_density(f->context, model, x, CURVE_POINTS, density);
    }
    if (status == LK_OK && groups > 0) {
        status = lk_model_responsibilities(f->context, model, x, CURVE_POINTS, shares);
    }
    if (status == LK_OK) {
        double peak = 0;
        for (int i = 0; i < CURVE_POINTS; i++) { /* outside a transform's domain there is no density */
            density[i] = isnan(density[i]) ? 0 : exp(density[i]);
            peak = fmax(peak, density[i]);
        }
        fprintf(f->out, "$curve%lld << EOD\n", (long long)j);
        for (int i = 0; i < CURVE_POINTS; i++) {
            fprintf(f->out, "%.15g %.7g", x[i], density[i]);
            for (int64_t k = 0; k < groups; k++) { /* a component is not drawn where it is next to nothing */
                double part = density[i] * shares[i * groups + k];
                fprintf(f->out, part > 2e-3 * peak ? " %.5g" : " NaN", part);
            }
            fputc('\n', f->out);
        }
        fputs("EOD\n", f->out);
    }
    free(shares);
    return status;
}

static void plot_density(figure *f, int64_t j, int64_t groups, bool key)
{
    FILE *out = f->out;
    long long n = (long long)j;
    fprintf(out, "set xrange [%.15g:%.15g]\nset yrange [0:*]\n", f->sheet.low[j], f->sheet.high[j]);
    fputs("plot ", out);
    if (f->sheet.bars[j] != NULL) {
        fprintf(out, f->text ? "$bars%lld using 1:2:3 with boxes title '%s', \\\n     "
                             : "$bars%lld using 1:2:3 with boxes fs solid 1 border rgb '#ffffff' lc rgb '#d3dae1' title "
                               "'%s', \\\n     ",
                n, key ? "data" : "");
    }
    fprintf(out, "$curve%lld using 1:2 with lines ", n);
    if (!f->text) {
        fprintf(out, "lc rgb '%s' lw 3 ", curve_colour);
    }
    fprintf(out, "title '%s'", key ? "density" : "");
    for (int64_t k = 0; !f->text && k < groups; k++) {
        fprintf(out, ", \\\n     $curve%lld using 1:%lld with lines lc rgb '%s' lw 1.6 dt 2 title '%s'", n,
                (long long)(3 + k), part_colour, key && k == 0 ? "components" : "");
    }
    fputc('\n', out);
}

static lk_status write_regions(figure *f, const lk_model *model, int64_t a, int64_t b, int64_t cells,
                               plot_regions *regions)
{
    double low[2] = {f->sheet.low[a], f->sheet.low[b]}, high[2] = {f->sheet.high[a], f->sheet.high[b]};
    lk_status status = plot_regions_make(f->context, model, f->request->seed, low, high, cells, regions);
    if (status != LK_OK || regions->polygon_count == 0) {
        return status;
    }
    fprintf(f->out, "$regions%lld << EOD\n", (long long)f->block);
    for (int64_t p = 0; p < regions->polygon_count; p++) {
        const plot_polygon *polygon = &regions->polygons[p];
        for (int64_t i = 0; i <= polygon->count; i++) { /* closed: the first point again at the end */
            const double *xy = regions->xy + 2 * (polygon->first + i % polygon->count);
            fprintf(f->out, "%.15g %.15g\n", xy[0], xy[1]);
        }
        fputs("\n\n", f->out);
    }
    fputs("EOD\n", f->out);
    return LK_OK;
}

/* Fills from the largest polygon to the smallest: a hole takes the colour of the region around the one it is cut from. */
static void plot_fills(figure *f, const plot_regions *regions)
{
    for (int64_t p = 0; p < regions->polygon_count; p++) {
        const plot_polygon *polygon = &regions->polygons[p];
        int level = polygon->area < 0 ? polygon->level - 1 : polygon->level;
        fprintf(f->out, "$regions%lld index %lld with filledcurves closed fc rgb '%s' fs solid 1 noborder notitle, "
                        "\\\n     ",
                (long long)f->block, (long long)p, level < 0 ? "#ffffff" : region_fill[level]);
    }
    for (int64_t p = 0; p < regions->polygon_count; p++) {
        const plot_polygon *polygon = &regions->polygons[p];
        fprintf(f->out, "$regions%lld index %lld with lines lc rgb '%s' lw 1 notitle, \\\n     ", (long long)f->block,
                (long long)p, region_line[polygon->level]);
    }
}

/* Entries of the key, as lines that are nowhere. */
static void plot_swatches(figure *f)
{
    for (int l = PLOT_LEVELS - 1; l >= 0; l--) {
        fprintf(f->out, "NaN with lines lw 8 lc rgb '%s' title '%.0f%% region', \\\n     ", region_fill[l],
                100 * plot_masses[l]);
    }
}

/* One panel of features a (across) and b (up). */
static void plot_panel(figure *f, int64_t a, int64_t b, const plot_regions *regions, bool key)
{
    FILE *out = f->out;
    long long x = (long long)a + 1, y = (long long)b + 1;
    fprintf(out, "set xrange [%.15g:%.15g]\nset yrange [%.15g:%.15g]\nplot ", f->sheet.low[a], f->sheet.high[a],
            f->sheet.low[b], f->sheet.high[b]);
    if (f->text) {
        if (f->sheet.point_count > 0) {
            fprintf(out, "$points using %lld:%lld with dots title '%s', \\\n     ", x, y, key ? "data" : "");
        }
        for (int64_t p = 0; p < regions->polygon_count; p++) {
            int level = regions->polygons[p].level;
            if (level == 1 || level == 4) { /* two lines are all that characters can tell apart */
                fprintf(out, "$regions%lld index %lld with lines lt %d notitle, \\\n     ", (long long)f->block,
                        (long long)p, level == 1 ? 3 : 1);
            }
        }
        fputs(key ? "NaN with lines lt 3 title '95%', \\\n     NaN with lines lt 1 title '50%'\n" : "NaN notitle\n", out);
        return;
    }
    plot_fills(f, regions);
    if (f->sheet.point_count > 0) {
        double size = f->sheet.point_count > 2000 ? 0.25 : f->sheet.point_count > 600 ? 0.35 : 0.5;
        const char *colour = f->sheet.point_count > 2000 ? "#a8202830" : "#70202830"; /* alpha first */
        fprintf(out, "$points using %lld:%lld with points pt 7 ps %.2f lc rgb '%s' title '%s', \\\n     ", x, y,
                f->request->count > 2 ? size * 0.6 : size, colour, key ? "data" : "");
    }
    if (marks(f) > 0) {
        double size = f->request->count > 2 ? 0.6 : 1.1;
        fprintf(out, "$means using %lld:%lld with points pt 7 ps %.2f lc rgb '#ffffff' notitle, \\\n     ", x, y,
                size * 1.35);
        fprintf(out, "$means using %lld:%lld with points pt 7 ps %.2f lc rgb '%s' title '%s', \\\n     ", x, y, size,
                mark_colour, key ? "component means" : "");
    }
    if (key) {
        plot_swatches(f);
    }
    fputs("NaN notitle\n", out);
}

/* ---- groups ---- */

static const double ellipse_shares[] = {0.5, 0.95};
enum { ELLIPSES = 2 };

/* Blocks of lines, two ellipses for each component, over features a and b of the figure. */
static void write_ellipses(figure *f, int64_t a, int64_t b)
{
    const plot_request *r = f->request;
    double xy[2 * PLOT_ELLIPSE_POINTS];
    if (r->kind != PLOT_ELLIPSES) {
        return;
    }
    fprintf(f->out, "$ellipses%lld << EOD\n", (long long)f->block);
    for (int64_t k = 0; k < marks(f) * ELLIPSES; k++) {
        const bool drawn = plot_components_ellipse(&r->components, k / ELLIPSES, r->features[a], r->features[b], ellipse_shares[k % ELLIPSES], xy);
        for (int i = 0; i < PLOT_ELLIPSE_POINTS; i++) {
            if (drawn && isfinite(xy[2 * i]) && isfinite(xy[2 * i + 1])) {
                fprintf(f->out, "%.15g %.15g\n", xy[2 * i], xy[2 * i + 1]);
            } else {
                fputs("NaN NaN\n", f->out);
            }
        }
        fputs("\n\n", f->out);
    }
    fputs("EOD\n", f->out);
}

/* Rows of each group; those of an uncertain group larger, or as # among characters. */
static void plot_rows(figure *f, int64_t x, int64_t y)
{
    const long long group = (long long)f->request->count + 1;
    const bool uncertain = f->request->kind == PLOT_UNCERTAINTY;
    if (f->sheet.point_count == 0) {
        return;
    }
    if (f->text && uncertain) {
        fprintf(f->out, "$points using %lld:(column(%lld) < 0.1 ? column(%lld) : NaN) with points pt '.' notitle, \\\n     "
                        "$points using %lld:(column(%lld) >= 0.1 ? column(%lld) : NaN) with points pt '#' notitle, \\\n     ",
                (long long)x, group + 2, (long long)y, (long long)x, group + 2, (long long)y);
        return;
    }
    for (int64_t k = 0; f->text && k < f->sheet.groups; k++) {
        fprintf(f->out, "$points using %lld:(column(%lld) == %lld ? column(%lld) : NaN) with points pt '%c' notitle, \\\n     ", (long long)x,
                group, (long long)k, (long long)y, (int)('0' + k % 10));
    }
    if (!f->text) {
        const double size = (f->sheet.point_count > 2000 ? 0.3 : f->sheet.point_count > 600 ? 0.45 : 0.7) * (f->request->count > 2 ? 0.6 : 1);
        fprintf(f->out, "$points using %lld:%lld:(%.3g + %.3g * column(%lld)):%lld with points pt 7 ps variable lc rgb variable notitle, \\\n     ",
                (long long)x, (long long)y, uncertain ? 0.5 * size : size, uncertain ? 4.5 * size : 0.0, group + 2, group + 1);
    }
}

/* Entries of the key: a colour for each group, then what size or line means. */
static void plot_group_key(figure *f)
{
    const int64_t groups = f->sheet.shares != NULL ? f->sheet.groups : marks(f);
    for (int64_t k = 0; k < groups && k < 20; k++) {
        char name[40] = "noise"; /* as cluster calls it, which gives it no number */
        if (k < marks(f)) {
            snprintf(name, sizeof name, "component %lld", (long long)k);
        }
        if (f->text) {
            fprintf(f->out, "NaN with points pt '%c' title '%s', \\\n     ", (int)('0' + k % 10), name);
        } else {
            fprintf(f->out, "NaN with points pt 7 ps 1.2 lc rgb '%s' title '%s', \\\n     ", plot_group_colour(k), name);
        }
    }
    if (f->text) {
        fputs(f->request->kind == PLOT_UNCERTAINTY ? "NaN with points pt '#' title 'uncertain (> 0.1)', \\\n     " : "", f->out);
    } else if (f->request->kind == PLOT_ELLIPSES) {
        fputs("NaN with lines lw 2.5 lc rgb '#606060' title '50% ellipse', \\\n     "
              "NaN with lines lw 1.2 lc rgb '#606060' title '95% ellipse', \\\n     ", f->out);
    } else {
        const double size = f->sheet.point_count > 2000 ? 0.3 : f->sheet.point_count > 600 ? 0.45 : 0.7;
        for (int i = 0; i < 3; i++) {
            const double u = i == 0 ? 0 : i == 1 ? 0.25 : 0.5;
            fprintf(f->out, "NaN with points pt 7 ps %.3g lc rgb '#606060' title 'uncertainty %g', \\\n     ",
                    (0.5 + 4.5 * u) * size * (f->request->count > 2 ? 0.6 : 1), u);
        }
    }
}

/* One panel of rows by groups. */
static void plot_groups(figure *f, int64_t a, int64_t b, bool key)
{
    const long long x = (long long)a + 1, y = (long long)b + 1;
    fprintf(f->out, "set xrange [%.15g:%.15g]\nset yrange [%.15g:%.15g]\nplot ", f->sheet.low[a], f->sheet.high[a], f->sheet.low[b],
            f->sheet.high[b]);
    plot_rows(f, x, y);
    for (int64_t k = 0; f->request->kind == PLOT_ELLIPSES && k < marks(f) * ELLIPSES; k++) {
        if (f->text && k % ELLIPSES == 1) {
            fprintf(f->out, "$ellipses%lld index %lld with dots notitle, \\\n     ", (long long)f->block, (long long)k);
        } else if (!f->text) {
            fprintf(f->out, "$ellipses%lld index %lld with lines lw %.2g lc rgb '%s' notitle, \\\n     ", (long long)f->block, (long long)k,
                    k % ELLIPSES == 0 ? 2.5 : 1.2, plot_group_colour(k / ELLIPSES));
        }
    }
    if (f->request->kind == PLOT_ELLIPSES && marks(f) > 0 && !f->text) {
        const double size = f->request->count > 2 ? 0.8 : 1.4;
        fprintf(f->out, "$means using %lld:%lld with points pt 1 lw 4 ps %.2f lc rgb '#ffffff' notitle, \\\n     ", x, y, size * 1.15);
        fprintf(f->out, "$means using %lld:%lld with points pt 1 lw 2 ps %.2f lc rgb '#202020' title '%s', \\\n     ", x, y, size,
                key ? "means" : "");
    }
    if (key) {
        plot_group_key(f);
    }
    fputs("NaN notitle\n", f->out);
}

static void write_title(figure *f)
{
    if (f->request->title != NULL) {
        fputs("set title ", f->out);
        plot_quote(f->out, f->request->title);
        fputs(" noenhanced\n", f->out);
    }
}

static void write_label(figure *f, const char *axis, int64_t j)
{
    fprintf(f->out, "set %slabel ", axis);
    plot_quote(f->out, feature_name(f, j));
    fputs(" noenhanced\n", f->out);
}

/* A marginal, or the model itself where that is what it would be. */
static lk_status marginal(figure *f, int64_t a, int64_t b, lk_model **out)
{
    int64_t features[2] = {f->request->features[a], b >= 0 ? f->request->features[b] : 0};
    return lk_model_marginal(f->context, f->request->model, features, b >= 0 ? 2 : 1, out);
}

static lk_status draw_curve(figure *f)
{
    lk_model *model = NULL;
    lk_status status = marginal(f, 0, -1, &model);
    int64_t groups = status == LK_OK ? lk_model_groups(model) : 0;
    groups = groups > 1 && groups <= 12 ? groups : 0;
    if (status == LK_OK) {
        write_bars(f, 0);
        status = write_curve(f, model, 0, groups);
    }
    if (status == LK_OK) {
        write_title(f);
        write_label(f, "x", 0);
        fputs(f->text ? "set ylabel 'density' noenhanced\nset key top right\n"
                      : "set ylabel 'density' noenhanced\nset key top right Left reverse samplen 1.5 textcolor rgb '#404040'\n",
              f->out);
        plot_density(f, 0, groups, true);
    }
    lk_model_free(model);
    return status;
}

static lk_status draw_pair(figure *f)
{
    lk_model *model = NULL;
    plot_regions regions = {0};
    lk_status status = marginal(f, 0, 1, &model);
    if (status == LK_OK) {
        write_points(f);
        write_marks(f);
        write_ellipses(f, 0, 1);
        status = f->request->kind == PLOT_DENSITY ? write_regions(f, model, 0, 1, CELLS_SINGLE, &regions) : LK_OK;
    }
    if (status == LK_OK) {
        write_title(f);
        write_label(f, "x", 0);
        write_label(f, "y", 1);
        fputs(f->text ? "set key outside top right horizontal\n"
                      : "set key outside right top Left reverse samplen 1 spacing 1.3 textcolor rgb '#404040'\n",
              f->out);
        if (f->request->kind == PLOT_DENSITY) {
            plot_panel(f, 0, 1, &regions, true);
        } else {
            plot_groups(f, 0, 1, true);
        }
    }
    plot_regions_free(&regions);
    lk_model_free(model);
    return status;
}

/* Margins of the panel in row i, column j of a lower triangle of n x n, in shares of the page. */
static void place_panel(figure *f, int64_t i, int64_t j, int64_t n)
{
    double left = f->text ? 0.2 : 0.085, right = 0.985, bottom = f->text ? 0.14 : 0.085, top = 0.955, gap = 0.012;
    double width = (right - left) / (double)n, height = (top - bottom) / (double)n;
    fprintf(f->out, "set lmargin at screen %.4f\nset rmargin at screen %.4f\nset bmargin at screen %.4f\n"
                    "set tmargin at screen %.4f\n",
            left + width * (double)j + gap / 2, left + width * (double)(j + 1) - gap / 2,
            top - height * (double)(i + 1) + gap / 2, top - height * (double)i - gap / 2);
}

/* A step of 1, 2 or 5 times a power of ten that gives three to five numbers along an axis. */
static double tic_step(const plot_sheet *s, int64_t j, double most)
{
    double rough = (s->high[j] - s->low[j]) / most, power = pow(10, floor(log10(rough)));
    double scaled = rough / power;
    return power * (scaled <= 1.2 ? 1 : scaled <= 2.4 ? 2 : scaled <= 6 ? 5 : 10);
}

/* Labels and numbers stand at the outer edges only. */
static void label_panel(figure *f, int64_t i, int64_t j, int64_t n)
{
    double most = f->text ? 2 : n > 5 ? 3 : 4;
    fprintf(f->out, "set xtics %.9g\n", tic_step(&f->sheet, j, most));
    if (i != j) {
        fprintf(f->out, "set ytics %.9g\n", tic_step(&f->sheet, i, f->text ? 2 : 4));
    }
    if (i == n - 1) {
        write_label(f, "x", j);
        fputs("set format x '%g'\n", f->out);
    } else {
        fputs("unset xlabel\nset format x ''\n", f->out);
    }
    if (j == 0 && i > 0) {
        write_label(f, "y", i);
        fputs("set format y '%g'\n", f->out);
    } else {
        fputs("unset ylabel\nset format y ''\n", f->out);
    }
}

static lk_status draw_cell(figure *f, int64_t i, int64_t j)
{
    lk_model *model = NULL;
    plot_regions regions = {0};
    int64_t n = f->request->count;
    lk_status status = i == j ? marginal(f, j, -1, &model) : marginal(f, j, i, &model);
    if (status == LK_OK && i == j) {
        write_bars(f, j);
        status = write_curve(f, model, j, 0);
    } else if (status == LK_OK && f->request->kind == PLOT_DENSITY) {
        status = write_regions(f, model, j, i, CELLS_PAIR, &regions);
    } else if (status == LK_OK) {
        write_ellipses(f, j, i);
    }
    if (status == LK_OK) {
        place_panel(f, i, j, n);
        label_panel(f, i, j, n);
        if (i == j) {
            fputs("unset ytics\n", f->out);
            plot_density(f, j, 0, false);
            fputs(f->text ? "set ytics nomirror\n" : "set ytics nomirror out scale 0.6 textcolor rgb '#404040' autofreq\n",
                  f->out);
        } else if (f->request->kind == PLOT_DENSITY) {
            plot_panel(f, j, i, &regions, false);
        } else {
            plot_groups(f, j, i, false);
        }
    }
    f->block++;
    plot_regions_free(&regions);
    lk_model_free(model);
    return status;
}

/* The key stands in the empty upper corner of the grid. */
static void draw_key(figure *f)
{
    fputs("set lmargin at screen 0.7\nset rmargin at screen 0.97\nset bmargin at screen 0.7\nset tmargin at screen 0.93\n"
          "unset border\nunset tics\nunset grid\nunset xlabel\nunset ylabel\nset xrange [0:1]\nset yrange [0:1]\n"
          "set key at screen 0.97,0.93 right top Left reverse samplen 1 spacing 1.3 textcolor rgb '#404040'\nplot ",
          f->out);
    if (f->request->kind != PLOT_DENSITY) {
        plot_group_key(f);
    } else {
        if (f->sheet.point_count > 0) {
            fputs("NaN with points pt 7 ps 0.5 lc rgb '#70202830' title 'data', \\\n     ", f->out);
        }
        if (marks(f) > 0) {
            fprintf(f->out, "NaN with points pt 7 ps 0.8 lc rgb '%s' title 'component means', \\\n     ", mark_colour);
        }
        plot_swatches(f);
    }
    fprintf(f->out, "NaN with lines lw 3 lc rgb '%s' title 'marginal density'\n", curve_colour);
}

static lk_status draw_grid(figure *f)
{
    int64_t n = f->request->count;
    lk_status status = LK_OK;
    write_points(f);
    write_marks(f);
    fputs("set multiplot", f->out);
    if (f->request->title != NULL) {
        fputs(" title ", f->out);
        plot_quote(f->out, f->request->title);
        fputs(" noenhanced", f->out);
    }
    fputs("\nunset key\n", f->out);
    for (int64_t i = 0; i < n && status == LK_OK; i++) {
        for (int64_t j = 0; j <= i && status == LK_OK; j++) {
            status = draw_cell(f, i, j);
        }
    }
    if (status == LK_OK && !f->text) {
        draw_key(f);
    }
    fputs("unset multiplot\n", f->out);
    return status;
}

lk_status plot_program(lk_context *context, const plot_request *request, FILE *out, plot_notes *notes)
{
    figure f = {.context = context, .request = request, .out = out, .text = request->medium == PLOT_TEXT};
    lk_status status = plot_sheet_make(context, request, &f.sheet);
    if (status == LK_OK) {
        plot_begin(request, out);
        status = request->count == 1 ? draw_curve(&f) : request->count == 2 ? draw_pair(&f) : draw_grid(&f);
    }
    *notes = f.sheet.notes;
    plot_sheet_free(&f.sheet);
    return status;
}

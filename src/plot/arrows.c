/* Vector fields as arrows, coloured by their curl, and local dimensions as points. */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>

/* Of an arrow that nine in ten are shorter than, in standard deviations of the points drawn. */
#define ARROW 0.45

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int64_t drawn(const plot_field *f)
{
    return f->points < PLOT_ARROWS_MAX ? f->points : PLOT_ARROWS_MAX;
}

/* Of a coordinate over the points drawn. */
static double spread(const plot_field *f, int64_t j)
{
    double mean = 0.0, square = 0.0;
    const int64_t n = drawn(f), width = 2 * f->d + 2;
    for (int64_t i = 0; i < n; i++) {
        const double step = f->each[i * width + j] - mean;
        mean += step / (double)(i + 1);
        square += step * (f->each[i * width + j] - mean);
    }
    return square > 0.0 ? sqrt(square / (double)n) : 1.0;
}

/* What arrows are scaled by: the field is by standard deviations along each feature, so that a turn of it is a turn of the arrows. */
static double arrow_scale(const plot_field *f, const double sd[2])
{
    double lengths[PLOT_ARROWS_MAX];
    const int64_t n = drawn(f), width = 2 * f->d + 2;
    for (int64_t i = 0; i < n; i++) {
        const double *v = f->each + i * width + f->d;
        lengths[i] = hypot(sd[0] * v[0], sd[1] * v[1]);
    }
    qsort(lengths, (size_t)n, sizeof lengths[0], by_size);
    const double long_one = lengths[n * 9 / 10];
    return long_one > 0.0 ? ARROW / long_one : 0.0;
}

/* A line a point: x y dx dy share dimension; of one feature x and the field. */
static void write_points(const plot_field *f, int index, FILE *out)
{
    const int64_t n = drawn(f), d = f->d, width = 2 * d + 2;
    const double sd[2] = {spread(f, 0), d > 1 ? spread(f, 1) : 1.0}, scale = d > 1 ? arrow_scale(f, sd) : 0.0;
    fprintf(out, "$field%d << EOD\n", index);
    for (int64_t i = 0; i < n; i++) {
        const double *x = f->each + i * width, *v = x + d;
        if (d == 1) {
            fprintf(out, "%.9g %.9g\n", x[0], v[0]);
        } else {
            fprintf(out, "%.9g %.9g %.9g %.9g %.4g %.4g\n", x[0], x[1], scale * sd[0] * sd[0] * v[0], scale * sd[1] * sd[1] * v[1], x[2 * d],
                    x[2 * d + 1]);
        }
    }
    fputs("EOD\n", out);
}

static void write_title(const plot_field *f, const char *what, FILE *out)
{
    if (f->sigma > 0.0) {
        fprintf(out, "set title 'noise %g: %s'\n", f->sigma, what);
    } else {
        fprintf(out, "set title 'no noise: %s'\n", what);
    }
}

static void write_arrows(const plot_field *f, int index, FILE *out)
{
    char what[80];
    snprintf(what, sizeof what, f->d > 1 ? "antisymmetric share %.2g" : "the field", f->asymmetry < 5e-7 ? 0.0 : f->asymmetry);
    write_title(f, what, out);
    if (f->d == 1) {
        fprintf(out, "plot $field%d using 1:2 with points pt 7 ps 0.4 lc rgb '%s' notitle\n", index, plot_group_colour(0));
    } else {
        fprintf(out,
                "set palette defined (0 '#a9b2ba', 0.3 '#d98c4a', 1 '#c0392b')\nset cbrange [0:1]\n"
                "plot $field%d using 1:2:3:4:5 with vectors filled head size graph 0.018,22 lw 1.4 lc palette notitle\n",
                index);
    }
}

static void write_dimensions(const plot_field *f, int index, FILE *out)
{
    if (!(f->sigma > 0.0)) { /* nothing to see without noise */
        fputs("set multiplot next\n", out);
        return;
    }
    write_title(f, "local dimension", out);
    fprintf(out,
            "set palette defined (0 '#e8c547', 0.5 '#3d9a8b', 1 '#24407a')\nset cbrange [0:%lld]\nset cbtics %lld\n"
            "plot $field%d using 1:2:6 with points pt 7 ps 0.6 lc palette notitle\n",
            (long long)f->d, (long long)(f->d + 3) / 4, index);
}

void plot_field_program(const plot_request *request, const plot_field *fields, int count, FILE *out)
{
    const bool plane = fields[0].d > 1;
    bool noisy = false;
    plot_begin(request, out);
    for (int i = 0; i < count; i++) {
        write_points(&fields[i], i, out);
        noisy = noisy || fields[i].sigma > 0.0;
    }
    fputs("set xlabel ", out);
    plot_quote(out, lk_model_feature(request->model, 0));
    fputs(plane ? "\nset ylabel " : "\nset ylabel 'field'", out);
    if (plane) {
        plot_quote(out, lk_model_feature(request->model, 1));
    }
    fprintf(out, "\nset offsets graph 0.02, graph 0.02, graph 0.02, graph 0.02\nset multiplot layout %d,%d", plane && noisy ? 2 : 1, count);
    if (request->title != NULL) {
        fputs(" title ", out);
        plot_quote(out, request->title);
    }
    fputs("\n", out);
    for (int i = 0; i < count; i++) {
        write_arrows(&fields[i], i, out);
    }
    for (int i = 0; i < count && plane && noisy; i++) {
        write_dimensions(&fields[i], i, out);
    }
    fputs("unset multiplot\n", out);
}

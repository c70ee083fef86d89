/* Marching squares: the closed polygons that bound where a function on a grid is at least a threshold. */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The grid with a ring of nodes outside every threshold around it, so that every polygon closes. */
typedef struct padded_grid {
    const double *values;
    int64_t nx, ny;  /* nodes of the grid itself */
    const double *low, *high;
    double threshold;
    int64_t *next;   /* edge -> the edge where the segment that starts there ends, -1 = none */
} padded_grid;

static double node_value(const padded_grid *g, int64_t i, int64_t j)
{
    if (i < 1 || j < 1 || i > g->nx || j > g->ny) {
        return (double)-INFINITY;
    }
    return g->values[(j - 1) * g->nx + (i - 1)];
}

static double node_place(const padded_grid *g, int axis, int64_t i)
{
    int64_t n = axis == 0 ? g->nx : g->ny;
    int64_t inner = i < 1 ? 0 : i > n ? n - 1 : i - 1; /* the ring lies upon the border */
    return g->low[axis] + (g->high[axis] - g->low[axis]) * (double)inner / (double)(n - 1);
}

/* Edges: 2 a node, to the right (even) and upward (odd). */
static int64_t edge_number(const padded_grid *g, int64_t i, int64_t j, int upward)
{
    return 2 * (j * (g->nx + 2) + i) + upward;
}

static void edge_point(const padded_grid *g, int64_t edge, double *xy)
{
    int64_t node = edge / 2, i = node % (g->nx + 2), j = node / (g->nx + 2);
    int64_t i2 = edge % 2 == 0 ? i + 1 : i, j2 = edge % 2 == 0 ? j : j + 1;
    double a = node_value(g, i, j), b = node_value(g, i2, j2), t = 0.5;
    /* Values fall steeply where the density vanishes: nothing below threshold - 30 pulls the line. */
    a = fmax(a, g->threshold - 30);
    b = fmax(b, g->threshold - 30);
    if (a != b) {
        t = fmin(fmax((g->threshold - a) / (b - a), 0), 1);
    }
    xy[0] = node_place(g, 0, i) + t * (node_place(g, 0, i2) - node_place(g, 0, i));
    xy[1] = node_place(g, 1, j) + t * (node_place(g, 1, j2) - node_place(g, 1, j));
}

/* Segments of one cell, directed so that the inside is on their left: walking around the cell counter-clockwise, each
 * leads from an edge that leaves the inside to one that enters it. */
static void link_cell(padded_grid *g, int64_t i, int64_t j)
{
    double v[4] = {node_value(g, i, j), node_value(g, i + 1, j), node_value(g, i + 1, j + 1), node_value(g, i, j + 1)};
    int64_t edges[4] = {edge_number(g, i, j, 0), edge_number(g, i + 1, j, 1), edge_number(g, i, j + 1, 0),
                        edge_number(g, i, j, 1)};
    bool inside[4];
    int count = 0;
    for (int c = 0; c < 4; c++) {
        inside[c] = v[c] >= g->threshold;
        count += inside[c] ? 1 : 0;
    }
    if (count == 0 || count == 4) {
        return;
    }
    bool saddle = count == 2 && inside[0] == inside[2];
    bool joined = saddle && (v[0] + v[1] + v[2] + v[3]) / 4 >= g->threshold;
    for (int c = 0; c < 4; c++) {
        if (!inside[c] || inside[(c + 1) % 4]) {
            continue; /* edge c runs from corner c to corner c + 1 */
        }
        /* Forward around the outside corners where the inside is joined or single; backward around the inside corner. */
        int end = c;
        if (saddle) {
            end = joined ? (c + 1) % 4 : (c + 3) % 4;
        } else {
            for (end = (c + 1) % 4; inside[end] || !inside[(end + 1) % 4]; end = (end + 1) % 4) {
            }
        }
        g->next[edges[c]] = edges[end];
    }
}

static bool push_point(plot_regions *out, const double xy[2])
{
    if (out->point_count == out->point_capacity) {
        int64_t capacity = out->point_capacity * 2 + 1024;
        double *grown = realloc(out->xy, (size_t)capacity * 2 * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        out->xy = grown;
        out->point_capacity = capacity;
    }
    out->xy[2 * out->point_count] = xy[0];
    out->xy[2 * out->point_count + 1] = xy[1];
    out->point_count++;
    return true;
}

static bool push_polygon(plot_regions *out, int level, int64_t first)
{
    int64_t count = out->point_count - first;
    double area = 0;
    for (int64_t p = 0; p < count; p++) {
        const double *a = out->xy + 2 * (first + p), *b = out->xy + 2 * (first + (p + 1) % count);
        area += (a[0] * b[1] - b[0] * a[1]) / 2;
    }
    if (count < 3 || area == 0) {
        out->point_count = first;
        return true;
    }
    if (out->polygon_count == out->polygon_capacity) {
        int64_t capacity = out->polygon_capacity * 2 + 32;
        plot_polygon *grown = realloc(out->polygons, (size_t)capacity * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        out->polygons = grown;
        out->polygon_capacity = capacity;
    }
    out->polygons[out->polygon_count++] = (plot_polygon){level, first, count, area};
    return true;
}

lk_status plot_contour(const double *values, int64_t nx, int64_t ny, const double low[2], const double high[2],
                       double threshold, int level, plot_regions *out)
{
    padded_grid g = {values, nx + 1, ny + 1, low, high, threshold, NULL};
    int64_t edges = 2 * (g.nx + 2) * (g.ny + 2);
    lk_status status = LK_OK;
    g.next = malloc((size_t)edges * sizeof *g.next);
    if (g.next == NULL) {
        return LK_ERROR_MEMORY;
    }
    for (int64_t e = 0; e < edges; e++) {
        g.next[e] = -1;
    }
    for (int64_t j = 0; j <= g.ny; j++) {
        for (int64_t i = 0; i <= g.nx; i++) {
            link_cell(&g, i, j);
        }
    }
    for (int64_t e = 0; e < edges && status == LK_OK; e++) {
        int64_t first = out->point_count;
        for (int64_t at = e; at >= 0 && g.next[at] >= 0 && status == LK_OK;) {
            double xy[2];
            int64_t following = g.next[at];
            edge_point(&g, at, xy);
            status = push_point(out, xy) ? LK_OK : LK_ERROR_MEMORY;
            g.next[at] = -1; /* every segment belongs to one polygon */
            at = following;
        }
        if (status == LK_OK && out->point_count > first) {
            status = push_polygon(out, level, first) ? LK_OK : LK_ERROR_MEMORY;
        }
    }
    free(g.next);
    return status;
}

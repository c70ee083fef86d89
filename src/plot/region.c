/* Highest-density regions: the level of each is a quantile of the log density of draws from the model itself
 * (R. J. Hyndman, Computing and graphing highest density regions, The American Statistician 50, 1996). */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>

enum { DRAWS = 20000 };

const double plot_masses[PLOT_LEVELS] = {0.99, 0.95, 0.90, 0.75, 0.50};

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_polygons(const void *a, const void *b)
{
    const plot_polygon *p = a, *q = b;
    double x = fabs(p->area), y = fabs(q->area);
    if (x != y) {
        return x < y ? 1 : -1;
    }
    return p->level != q->level ? p->level - q->level : (p->first > q->first) - (p->first < q->first);
}

static lk_status find_levels(lk_context *context, const lk_model *model, int64_t seed, double levels[PLOT_LEVELS])
{
    double *draws = malloc(sizeof *draws * 2 * DRAWS), *density = malloc(sizeof *density * DRAWS);
    lk_status status = draws == NULL || density == NULL ? LK_ERROR_MEMORY : LK_OK;
    if (status == LK_OK) {
        status = lk_model_sample(context, model, seed, 0, DRAWS, draws);
    }
    if (status == LK_OK) {
        status = lk_model_log_density(context, model, draws, DRAWS, density);
    }
    if (status == LK_OK) {
        qsort(density, DRAWS, sizeof *density, compare_numbers);
        for (int l = 0; l < PLOT_LEVELS; l++) {
            levels[l] = density[(int64_t)((1 - plot_masses[l]) * DRAWS)];
        }
    }
    free(draws);
    free(density);
    return status;
}

lk_status plot_regions_make(lk_context *context, const lk_model *model, int64_t seed, const double low[2],
                            const double high[2], int64_t cells, plot_regions *out)
{
    int64_t side = cells + 1, nodes = side * side;
    double levels[PLOT_LEVELS];
    double *grid = malloc((size_t)nodes * 2 * sizeof *grid), *values = malloc((size_t)nodes * sizeof *values);
    lk_status status = grid == NULL || values == NULL ? LK_ERROR_MEMORY : find_levels(context, model, seed, levels);
    for (int64_t p = 0; status == LK_OK && p < nodes; p++) {
        grid[2 * p] = low[0] + (high[0] - low[0]) * (double)(p % side) / (double)cells;
        grid[2 * p + 1] = low[1] + (high[1] - low[1]) * (double)(p / side) / (double)cells;
    }
    if (status == LK_OK) {
        status = lk_model_log_density(context, model, grid, nodes, values);
    }
    for (int64_t p = 0; status == LK_OK && p < nodes; p++) {
        values[p] = isnan(values[p]) ? (double)-INFINITY : values[p]; /* outside a transform's domain */
    }
    for (int l = 0; status == LK_OK && l < PLOT_LEVELS; l++) {
        status = plot_contour(values, cells, cells, low, high, levels[l], l, out);
    }
    if (status == LK_OK && out->polygon_count > 1) {
        qsort(out->polygons, (size_t)out->polygon_count, sizeof *out->polygons, compare_polygons);
    }
    free(grid);
    free(values);
    return status;
}

void plot_regions_free(plot_regions *regions)
{
    free(regions->xy);
    free(regions->polygons);
    *regions = (plot_regions){0};
}

/* Components of a mixture, read from what a model tells of itself. */
#ifndef LIKELY_PLOT_COMPONENTS_H
#define LIKELY_PLOT_COMPONENTS_H

#include <stdbool.h>
#include <stdint.h>

struct json_t;
enum { PLOT_ELLIPSE_POINTS = 73 };

typedef struct plot_components {
    const struct json_t *info; /* of lk_model_info(); borrowed */
} plot_components;

/* How many components with a mean there are; 0 where the method has none. */
int64_t plot_components_count(const plot_components *c);
/* The centre of component k along feature j of the model, in the units of the data. */
double plot_components_mean(const plot_components *c, int64_t k, int64_t j);
/* The closed line around the share of component k that lies nearest to its centre, over features a and b: PLOT_ELLIPSE_POINTS x 2.
 * Returns false where the component has no covariance. */
bool plot_components_ellipse(const plot_components *c, int64_t k, int64_t a, int64_t b, double share, double *xy);

#endif

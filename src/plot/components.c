/* Components of a mixture as a figure shows them: centres, and ellipses that hold a share of a component, in the units of the data. */
#include "plot/components.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The value whose image under a feature's chain of transforms is z. */
static double invert(const json_t *chain, double z)
{
    for (size_t i = json_array_size(chain); i-- > 0;) {
        const json_t *step = json_array_get(chain, i);
        const char *name = json_string_value(json_is_array(step) ? json_array_get(step, 0) : step);
        if (name == NULL) {
            return (double)NAN;
        }
        if (strcmp(name, "standardize") == 0) {
            z = json_number_value(json_array_get(step, 1)) + z * json_number_value(json_array_get(step, 2));
        } else if (strcmp(name, "log") == 0) {
            z = exp(z);
        } else if (strcmp(name, "logit") == 0) {
            z = 1 / (1 + exp(-z));
        } else if (strcmp(name, "sqrt") == 0) {
            z = z * fabs(z);
        } else if (strcmp(name, "asinh") == 0) {
            z = sinh(z);
        } else if (strcmp(name, "identity") != 0) {
            return (double)NAN;
        }
    }
    return z;
}

static const json_t *component(const plot_components *c, int64_t k)
{
    return json_array_get(json_object_get(c->info, "components"), (size_t)k);
}

int64_t plot_components_count(const plot_components *c)
{
    int64_t count = (int64_t)json_array_size(json_object_get(c->info, "components"));
    for (int64_t k = 0; k < count; k++) {
        if (!json_is_array(json_object_get(component(c, k), "mean"))) {
            return 0;
        }
    }
    return count;
}

/* Entry (i, j) of a component's covariance in transformed units; NaN where it has none. */
static double covariance(const plot_components *c, int64_t k, int64_t i, int64_t j)
{
    const json_t *value = json_array_get(json_array_get(json_object_get(component(c, k), "covariance"), (size_t)i), (size_t)j);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static double centre(const plot_components *c, int64_t k, int64_t j)
{
    return json_number_value(json_array_get(json_object_get(component(c, k), "mean"), (size_t)j));
}

static double in_units(const plot_components *c, int64_t j, double z)
{
    const json_t *chains = json_object_get(c->info, "transform");
    return json_is_array(chains) ? invert(json_array_get(chains, (size_t)j), z) : z;
}

double plot_components_mean(const plot_components *c, int64_t k, int64_t j)
{
    return in_units(c, j, centre(c, k, j));
}

/* L (cos t, sin t) r with L the Cholesky factor of the 2 x 2 covariance; r^2 = -2 log(1 - share), the chi-squared quantile with two
 * degrees of freedom. Through a transform the ellipse is mapped point by point. */
bool plot_components_ellipse(const plot_components *c, int64_t k, int64_t a, int64_t b, double share, double *xy)
{
    const double v = covariance(c, k, a, a), w = covariance(c, k, a, b), u = covariance(c, k, b, b);
    const double r = sqrt(-2 * log1p(-share)), l = sqrt(v), m = w / l, n = sqrt(fmax(u - m * m, 0));
    if (!(v > 0 && u > 0)) {
        return false;
    }
    for (int i = 0; i < PLOT_ELLIPSE_POINTS; i++) {
        const double t = 2 * 3.14159265358979323846 * i / (PLOT_ELLIPSE_POINTS - 1);
        xy[2 * i] = in_units(c, a, centre(c, k, a) + r * l * cos(t));
        xy[2 * i + 1] = in_units(c, b, centre(c, k, b) + r * (m * cos(t) + n * sin(t)));
    }
    return true;
}

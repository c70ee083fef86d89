/* The schedules in use, each by its two functions of time. */
#include "score/kinetic.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rates of the variance preserving schedule, beta(t) = 0.1 + 19.9 t (Song et al. 2021, arXiv:2011.13456, appendix C). */
#define BETA_LOW 0.1
#define BETA_HIGH 20.0
/* The exponent of Karras et al. 2022, arXiv:2206.00364, equation 5. */
#define RHO 7.0

static double half_integral(double t)
{
    return 0.5 * (BETA_LOW * t + 0.5 * (BETA_HIGH - BETA_LOW) * t * t);
}

/* t with half_integral(t) = h: the root above 0 of a quadratic, without cancellation. */
static double half_integral_inverse(double h)
{
    const double slope = BETA_HIGH - BETA_LOW;
    return 4.0 * h / (BETA_LOW + sqrt(BETA_LOW * BETA_LOW + 4.0 * slope * h));
}

static lki_path_point vp_at(const lki_schedule *s, double t)
{
    const double h = half_integral(t), rate = 0.5 * (BETA_LOW + (BETA_HIGH - BETA_LOW) * t);
    const double alpha = exp(-h), variance = -expm1(-2.0 * h), sigma = sqrt(variance);
    (void)s;
    return (lki_path_point){alpha, sigma, -rate * alpha, sigma > 0.0 ? rate * (1.0 - variance) / sigma : (double)INFINITY};
}

static double vp_time(const lki_schedule *s, double ratio)
{
    (void)s;
    return half_integral_inverse(0.5 * log1p(ratio * ratio));
}

static lki_path_point sub_vp_at(const lki_schedule *s, double t)
{
    const double h = half_integral(t), rate = 0.5 * (BETA_LOW + (BETA_HIGH - BETA_LOW) * t), alpha = exp(-h);
    (void)s;
    return (lki_path_point){alpha, -expm1(-2.0 * h), -rate * alpha, 2.0 * rate * alpha * alpha};
}

/* ratio = (1 - a^2) / a: a = 1 / (ratio/2 + sqrt(1 + ratio^2/4)) = exp(-asinh(ratio / 2)). */
static double sub_vp_time(const lki_schedule *s, double ratio)
{
    (void)s;
    return half_integral_inverse(asinh(0.5 * ratio));
}

static lki_path_point cosine_at(const lki_schedule *s, double t)
{
    const double half_pi = 0.5 * M_PI, c = cos(half_pi * t), n = sin(half_pi * t);
    (void)s;
    return (lki_path_point){c, n, -half_pi * n, half_pi * c};
}

static double cosine_time(const lki_schedule *s, double ratio)
{
    (void)s;
    return atan(ratio) / (0.5 * M_PI);
}

static lki_path_point flow_at(const lki_schedule *s, double t)
{
    (void)s;
    return (lki_path_point){1.0 - t, t, -1.0, 1.0};
}

static double flow_time(const lki_schedule *s, double ratio)
{
    (void)s;
    return ratio / (1.0 + ratio);
}

static lki_path_point ve_at(const lki_schedule *s, double t)
{
    const double growth = log(s->sigma_max / s->sigma_min), sigma = s->sigma_min * exp(growth * t);
    return (lki_path_point){1.0, sigma, 0.0, growth * sigma};
}

static double ve_time(const lki_schedule *s, double ratio)
{
    return log(ratio / s->sigma_min) / log(s->sigma_max / s->sigma_min);
}

static lki_path_point edm_at(const lki_schedule *s, double t)
{
    const double low = pow(s->sigma_min, 1.0 / RHO), high = pow(s->sigma_max, 1.0 / RHO), root = low + t * (high - low);
    return (lki_path_point){1.0, pow(root, RHO), 0.0, RHO * (high - low) * pow(root, RHO - 1.0)};
}

static double edm_time(const lki_schedule *s, double ratio)
{
    const double low = pow(s->sigma_min, 1.0 / RHO), high = pow(s->sigma_max, 1.0 / RHO);
    return (pow(ratio, 1.0 / RHO) - low) / (high - low);
}

static lki_path_point kinetic_at(const lki_schedule *s, double t)
{
    return lki_kinetic_at(s->kinetic, t);
}

static double kinetic_time(const lki_schedule *s, double ratio)
{
    return lki_kinetic_time(s->kinetic, ratio);
}

static const lki_schedule_kind kinds[] = {
    {{"edm", "noise levels dense where they are small: sigma^(1/7) in even steps",
      "Karras et al. 2022, arXiv:2206.00364, equation 5"}, edm_at, edm_time, false},
    {{"ve", "variance exploding: noise grows in even ratios, data stay",
      "Song et al. 2021, arXiv:2011.13456, section 3.4"}, ve_at, ve_time, false},
    {{"vp", "variance preserving: data fade as noise grows, rates from 0.1 to 20",
      "Song et al. 2021, arXiv:2011.13456, section 3.4"}, vp_at, vp_time, false},
    {{"sub-vp", "as vp with less noise on the way: sigma = 1 - alpha^2",
      "Song et al. 2021, arXiv:2011.13456, section 3.4"}, sub_vp_at, sub_vp_time, false},
    {{"cosine", "a quarter of a circle: cos and sin of t pi/2",
      "Albergo and Vanden-Eijnden 2023, arXiv:2209.15571, section 2"}, cosine_at, cosine_time, false},
    {{"flow", "a straight line from noise to data (conditional optimal transport)",
      "Lipman et al. 2023, arXiv:2210.02747, section 4"}, flow_at, flow_time, false},
    {{"kinetic", "the path on which the model's rows move least, found from the model",
      "Shaul et al. 2023, arXiv:2306.06626"}, kinetic_at, kinetic_time, true},
};

const lki_schedule_kind *lki_schedule_kind_at(int index)
{
    return index >= 0 && index < (int)(sizeof kinds / sizeof kinds[0]) ? &kinds[index] : NULL;
}

const lk_schedule_kind *lk_schedule_kind_at(int index)
{
    const lki_schedule_kind *kind = lki_schedule_kind_at(index);
    return kind != NULL ? &kind->public : NULL;
}

lk_status lki_schedule_find(lk_context *ctx, const char *name, const lki_schedule_kind **out)
{
    char names[256] = "";
    for (int i = 0; lki_schedule_kind_at(i) != NULL; i++) {
        const lki_schedule_kind *kind = lki_schedule_kind_at(i);
        if (name == NULL || strcmp(kind->public.name, name) == 0) {
            *out = kind;
            return LK_OK;
        }
        const size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", kind->public.name);
    }
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no schedule \"%.100s\"; there are: %s", name, names);
}

lki_path_point lki_schedule_at(const lki_schedule *s, double t)
{
    return s->kind->at(s, t);
}

double lki_schedule_time(const lki_schedule *s, double ratio)
{
    return s->kind->time(s, ratio);
}

lki_node lki_schedule_node(const lki_schedule *s, double t)
{
    const lki_path_point p = lki_schedule_at(s, t);
    return (lki_node){t, p.sigma / p.alpha, p};
}

void lki_schedule_grid(const lki_schedule *s, int64_t steps, lki_node *nodes)
{
    const double first = lki_schedule_time(s, s->sigma_max), last = lki_schedule_time(s, s->sigma_min);
    for (int64_t i = 0; i < steps; i++) {
        nodes[i] = lki_schedule_node(s, first + (last - first) * (double)i / (double)(steps - 1));
    }
    nodes[steps] = (lki_node){(double)NAN, 0.0, {1.0, 0.0, 0.0, 0.0}};
}

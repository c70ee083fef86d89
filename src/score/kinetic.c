/* The schedule of least kinetic energy (Shaul et al. 2023, On Kinetic Optimal Probability Paths for Generative Models,
 * arXiv:2306.06626). On a path x_t = alpha x0 + sigma n the energy int E |E[dx/dt | x]|^2 dt / d depends on the data only through
 * lambda = E |E[x0 | x]|^2 / d, which depends on alpha / sigma alone. With alpha = r sin(theta), sigma = r cos(theta) and data of mean
 * 0 and E |x0|^2 = d the integrand is
 *   r'^2 + r^2 G(theta) theta'^2,  G = (lambda - sin^2 theta) / cos^2 theta.
 * With dphi = sqrt(G) dtheta that is the length of a curve in polar coordinates (r, phi) of a plane, so that the optimal path is the
 * chord from (1, 0), noise, to (1, Phi), data: r and phi along it are known, and theta follows from the one equation dtheta/dphi =
 * 1 / sqrt(G). The energy is the chord's square, 2 - 2 cos Phi. Where lambda = 1 the chord is the straight line x_t = (1 - t) x0 + t n. */
#include "score/kinetic.h"

#include "core/philox.h"

#include <math.h>
#include <string.h>

enum { ANGLES = 96, ROWS = 2048 };
/* Where nothing of the path costs anything (normal data), theta still moves: G is at least this. */
#define LEAST_G 1e-4

struct lki_kinetic {
    double step;                /* between angles: pi / 2 / ANGLES */
    double lambda[ANGLES + 1];  /* data separation at each angle */
    double root[ANGLES + 1];    /* sqrt(G) */
    double phi[ANGLES + 1];     /* its integral by the trapezoid rule */
};

/* E |E[x0 | x] - c x|^2 / d at noise sigma and its share of G, where c x is the best linear guess: lambda - sin^2 without a difference of
 * near numbers. */
static lk_status separate(lk_context *ctx, const lki_field *f, double theta, const double *u, const double *n, int64_t rows, double *work,
                          double *excess)
{
    const int64_t d = f->d;
    const double sigma = cos(theta) / sin(theta), v = sigma * sigma, c = 1.0 / (1.0 + v);
    double *y = work, *data = work + rows * d, sum = 0.0;
    lki_level level = {0};
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_level_open(ctx, f, sigma, &level));
    for (int64_t i = 0; i < rows * d; i++) {
        y[i] = u[i] + sigma * n[i];
    }
    lk_status status = LK_OK;
    for (int64_t first = 0; status == LK_OK && first < rows; first += LKI_BLOCK_ROWS) {
        const int64_t count = rows - first < LKI_BLOCK_ROWS ? rows - first : LKI_BLOCK_ROWS;
        status = lki_level_denoise(ctx, &level, y + first * d, count, data + first * d);
    }
    for (int64_t i = 0; status == LK_OK && i < rows * d; i++) {
        const double beyond = data[i] - c * y[i];
        sum += beyond * beyond;
    }
    lki_level_close(ctx, &level);
    *excess = sum / (double)(rows * d);
    return status;
}

static void integrate(lki_kinetic *k)
{
    k->phi[0] = 0.0;
    for (int i = 0; i < ANGLES; i++) {
        k->phi[i + 1] = k->phi[i] + 0.5 * k->step * (k->root[i] + k->root[i + 1]);
    }
}

static void set(lki_kinetic *k, int i, double excess)
{
    const double theta = k->step * i, c = cos(theta);
    k->lambda[i] = fmin(1.0, excess + sin(theta) * sin(theta));
    k->root[i] = sqrt(fmin(1.0, fmax(LEAST_G, excess / (c * c))));
}

lk_status lki_kinetic_new(lk_context *ctx, const lki_field *field, const double *draws, int64_t rows, lki_kinetic **out)
{
    const int64_t d = field->d;
    lki_kinetic *k = NULL;
    double *work = NULL, *u, *n, excess;
    lk_status status = LK_OK;
    rows = rows < ROWS ? rows : ROWS;
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *k, &k));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)rows, (size_t)d), 4 * sizeof *work, &work));
    u = work + 2 * rows * d;
    n = u + rows * d;
    memcpy(u, draws, (size_t)(rows * d) * sizeof *u);
    for (int64_t i = 0; i < rows; i++) {
        lki_stream s = lki_stream_new(0x6b696e, LKI_STREAM_PILOT, (uint64_t)i);
        for (int64_t j = 0; j < d; j++) {
            n[i * d + j] = lki_random_normal(&s);
        }
    }
    k->step = 0.5 * M_PI / ANGLES;
    for (int i = 1; i < ANGLES; i++) {
        LKI_GOTO(status, done, separate(ctx, field, k->step * i, u, n, rows, work, &excess));
        set(k, i, excess);
    }
    k->root[0] = k->root[1]; /* the ends lie beyond any noise that is used */
    k->root[ANGLES] = k->root[ANGLES - 1];
    k->lambda[ANGLES] = 1.0;
    integrate(k);
    *out = k;
    k = NULL;
done:
    lki_release(ctx, work);
    lki_release(ctx, k);
    return status;
}

lk_status lki_kinetic_of(lk_context *ctx, double (*lambda)(void *state, double theta), void *state, lki_kinetic **out)
{
    lki_kinetic *k;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *k, &k));
    k->step = 0.5 * M_PI / ANGLES;
    for (int i = 1; i < ANGLES; i++) {
        const double s = sin(k->step * i);
        set(k, i, fmax(lambda(state, k->step * i) - s * s, 0.0));
    }
    k->root[0] = k->root[1];
    k->root[ANGLES] = k->root[ANGLES - 1];
    k->lambda[ANGLES] = 1.0;
    integrate(k);
    *out = k;
    return LK_OK;
}

lk_status lki_kinetic_of_model(lk_context *ctx, const lk_model *model, const lki_field *field, lki_kinetic **out)
{
    const int64_t d = field->d;
    double *draws;
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SAMPLE));
    LKI_TRY(lki_allocate(ctx, ROWS, lki_product((size_t)d, sizeof *draws), &draws));
    lk_status status = lki_model_draw(ctx, model, 0x6b696e, 0, ROWS, draws);
    for (int64_t i = 0; status == LK_OK && i < ROWS * d; i++) {
        draws[i] = (draws[i] - field->centre[i % d]) / field->scale[i % d];
    }
    status = status == LK_OK ? lki_kinetic_new(ctx, field, draws, ROWS, out) : status;
    lki_release(ctx, draws);
    return status;
}

void lki_kinetic_free(const lki_memory *memory, lki_kinetic *k)
{
    lki_memory_release(memory, k);
}

/* phi at an angle, and the angle at a phi: pieces of parabolas. */
static double phi_at(const lki_kinetic *k, double theta)
{
    const int i = (int)fmin(ANGLES - 1, fmax(0.0, floor(theta / k->step)));
    const double x = theta - k->step * i;
    return k->phi[i] + x * (k->root[i] + 0.5 * x * (k->root[i + 1] - k->root[i]) / k->step);
}

static double theta_at(const lki_kinetic *k, double phi, double *root)
{
    int low = 0, high = ANGLES - 1;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (k->phi[middle] <= phi) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    const double a = k->root[low], bend = (k->root[low + 1] - a) / k->step, y = phi - k->phi[low];
    *root = sqrt(fmax(a * a + 2.0 * bend * y, LEAST_G)); /* a + bend x */
    return k->step * low + 2.0 * y / (a + *root);
}

lki_path_point lki_kinetic_at(const lki_kinetic *k, double t)
{
    const double Phi = k->phi[ANGLES], s = 1.0 - t; /* s runs from noise to data */
    const double x = (1.0 - s) + s * cos(Phi), y = s * sin(Phi), r = hypot(x, y);
    const double r_rate = (x * (cos(Phi) - 1.0) + y * sin(Phi)) / r, phi_rate = sin(Phi) / (r * r);
    double root;
    const double theta = theta_at(k, atan2(y, x), &root), theta_rate = phi_rate / root;
    const double c = cos(theta), n = sin(theta);
    return (lki_path_point){r * n, r * c, -(r_rate * n + r * c * theta_rate), -(r_rate * c - r * n * theta_rate)};
}

/* The angle phi of the chord is met at s = sin(phi) / (sin(phi) + sin(Phi - phi)). */
double lki_kinetic_time(const lki_kinetic *k, double ratio)
{
    const double Phi = k->phi[ANGLES], phi = phi_at(k, atan2(1.0, ratio));
    return 1.0 - sin(phi) / (sin(phi) + sin(Phi - phi));
}

double lki_kinetic_separation(const lki_kinetic *k, double ratio)
{
    const double at = atan2(1.0, ratio) / k->step;
    const int i = (int)fmin(ANGLES - 1, floor(at));
    return k->lambda[i] + (at - i) * (k->lambda[i + 1] - k->lambda[i]);
}

double lki_kinetic_energy(const lki_kinetic *k)
{
    return 2.0 - 2.0 * cos(k->phi[ANGLES]);
}

/* The integrand by the path's own rates: (alpha' ^2 + sigma'^2) - (1 - lambda) (alpha' - alpha sigma' / sigma)^2. */
double lki_kinetic_energy_of(const lki_kinetic *k, const lki_schedule *s)
{
    enum { PIECES = 20000 };
    const double first = lki_schedule_time(s, s->sigma_max), last = lki_schedule_time(s, s->sigma_min), h = (first - last) / PIECES;
    double sum = 0.0;
    for (int i = 0; i < PIECES; i++) {
        const lki_node at = lki_schedule_node(s, last + h * (i + 0.5));
        const lki_path_point p = at.point;
        const double turn = p.alpha_rate - p.sigma_rate / at.ratio;
        sum += h * (p.alpha_rate * p.alpha_rate + p.sigma_rate * p.sigma_rate - (1.0 - lki_kinetic_separation(k, at.ratio)) * turn * turn);
    }
    return sum * fabs(first - last); /* in time that runs from 0 to 1 over these */
}

/* Discrete optimal transport by successive shortest paths. */
#include "math/transport.h"

#include <math.h>
#include <string.h>

#define MASS_UNIT 0x1p-50

/* Rows bring, columns take. Reduced costs cost_ij - u_i - v_j are at least 0, and 0 where mass flows. */
typedef struct transport {
    int64_t n, m;
    const double *cost;
    int64_t *supply, *demand; /* what is left, in units */
    int64_t *flow;            /* n x m units */
    double *u, *v;
    double *row_distance, *column_distance;
    int64_t *row_parent, *column_parent; /* the column (row) that a row (column) was reached from; -1 = none */
    bool *row_in, *column_in;
} transport;

/* Masses in units; what rounding leaves goes to the greatest. */
static void to_units(const double *mass, int64_t count, int64_t *units)
{
    double sum = 0.0;
    int64_t left = INT64_C(1) << 50, greatest = 0;
    for (int64_t i = 0; i < count; i++) {
        sum += mass[i];
        greatest = mass[i] > mass[greatest] ? i : greatest;
    }
    for (int64_t i = 0; i < count; i++) {
        units[i] = (int64_t)(mass[i] / sum / MASS_UNIT);
        left -= units[i];
    }
    units[greatest] += left;
}

/* A row joins the tree of shortest paths: columns may be nearer through it. */
static void row_join(transport *t, int64_t i, double distance, int64_t parent)
{
    t->row_in[i] = true;
    t->row_distance[i] = distance;
    t->row_parent[i] = parent;
    for (int64_t j = 0; j < t->m; j++) {
        double through = distance + fmax(t->cost[i * t->m + j] - t->u[i] - t->v[j], 0.0);
        if (!t->column_in[j] && through < t->column_distance[j]) {
            t->column_distance[j] = through;
            t->column_parent[j] = i;
        }
    }
}

/* Shortest paths from row `source` (Dijkstra 1959) to the nearest column that still takes; returns it. */
static int64_t nearest_demand(transport *t, int64_t source)
{
    memset(t->row_in, 0, (size_t)t->n * sizeof *t->row_in);
    memset(t->column_in, 0, (size_t)t->m * sizeof *t->column_in);
    for (int64_t j = 0; j < t->m; j++) {
        t->column_distance[j] = (double)INFINITY;
    }
    row_join(t, source, 0.0, -1);
    for (;;) {
        int64_t best = -1;
        for (int64_t j = 0; j < t->m; j++) {
            if (!t->column_in[j] && (best < 0 || t->column_distance[j] < t->column_distance[best])) {
                best = j;
            }
        }
        if (t->demand[best] > 0) { /* some column does, as long as a row brings */
            return best;
        }
        t->column_in[best] = true;
        for (int64_t i = 0; i < t->n; i++) {
            if (!t->row_in[i] && t->flow[i * t->m + best] > 0) {
                row_join(t, i, t->column_distance[best], best);
            }
        }
    }
}

static void potentials_update(transport *t, int64_t last)
{
    double length = t->column_distance[last];
    for (int64_t i = 0; i < t->n; i++) {
        t->u[i] += t->row_in[i] ? length - t->row_distance[i] : 0.0;
    }
    for (int64_t j = 0; j < t->m; j++) {
        t->v[j] -= t->column_in[j] ? length - t->column_distance[j] : 0.0;
    }
}

/* Sends as much as the path allows. */
static void augment(transport *t, int64_t source, int64_t last)
{
    int64_t amount = t->supply[source] < t->demand[last] ? t->supply[source] : t->demand[last];
    for (int64_t j = last, i = t->column_parent[last]; i != source; i = t->column_parent[j]) {
        j = t->row_parent[i];
        amount = t->flow[i * t->m + j] < amount ? t->flow[i * t->m + j] : amount;
    }
    for (int64_t j = last, i = t->column_parent[last];; i = t->column_parent[j]) {
        t->flow[i * t->m + j] += amount;
        if (i == source) {
            break;
        }
        j = t->row_parent[i];
        t->flow[i * t->m + j] -= amount;
    }
    t->supply[source] -= amount;
    t->demand[last] -= amount;
}

static void result(const transport *t, const double *supply, const double *demand, double *plan, double *total, double *dual)
{
    double sum = 0.0, other = 0.0, rows = 0.0, columns = 0.0;
    for (int64_t i = 0; i < t->n * t->m; i++) {
        plan[i] = (double)t->flow[i] * MASS_UNIT;
        sum += plan[i] * t->cost[i];
    }
    for (int64_t i = 0; i < t->n; i++) {
        rows += supply[i];
    }
    for (int64_t j = 0; j < t->m; j++) {
        columns += demand[j];
    }
    for (int64_t i = 0; i < t->n; i++) {
        other += t->u[i] * (supply[i] / rows);
    }
    for (int64_t j = 0; j < t->m; j++) {
        other += t->v[j] * (demand[j] / columns);
    }
    *total = sum;
    *dual = other;
}

static lk_status make(lk_context *ctx, transport *t)
{
    size_t n = (size_t)t->n, m = (size_t)t->m;
    LKI_TRY(lki_zeros(ctx, lki_product(n, m), sizeof *t->flow, &t->flow));
    LKI_TRY(lki_zeros(ctx, 2 * (n + m), sizeof *t->u, &t->u));
    LKI_TRY(lki_zeros(ctx, 2 * (n + m), sizeof *t->supply, &t->supply));
    LKI_TRY(lki_zeros(ctx, n + m, sizeof *t->row_in, &t->row_in));
    t->v = t->u + n;
    t->row_distance = t->v + m;
    t->column_distance = t->row_distance + n;
    t->demand = t->supply + n;
    t->row_parent = t->demand + m;
    t->column_parent = t->row_parent + n;
    t->column_in = t->row_in + n;
    return LK_OK;
}

lk_status lki_transport(lk_context *ctx, int64_t n, int64_t m, const double *supply, const double *demand, const double *cost,
                        double *plan, double *total, double *dual)
{
    transport t = {.n = n, .m = m, .cost = cost};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, make(ctx, &t));
    to_units(supply, n, t.supply);
    to_units(demand, m, t.demand);
    for (int64_t i = 0; i < n; i++) { /* any start with reduced costs of at least 0 */
        t.u[i] = cost[i * m];
        for (int64_t j = 1; j < m; j++) {
            t.u[i] = fmin(t.u[i], cost[i * m + j]);
        }
    }
    for (int64_t i = 0; i < n; i++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        while (t.supply[i] > 0) {
            int64_t last = nearest_demand(&t, i);
            potentials_update(&t, last);
            augment(&t, i, last);
        }
    }
    result(&t, supply, demand, plan, total, dual);
done:
    lki_release(ctx, t.flow);
    lki_release(ctx, t.u);
    lki_release(ctx, t.supply);
    lki_release(ctx, t.row_in);
    return status;
}

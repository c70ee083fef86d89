/* The assignment problem by shortest augmenting paths. */
#include "assignment.h"

#include <math.h>

/* Column 0 is a helper that holds the row to be placed; rows and columns count from 1. */
void lki_assign(int64_t n, const double *cost, int64_t *column, double *values, int64_t *places)
{
    double *row_price = values, *column_price = values + n + 1, *least = values + 2 * (n + 1);
    int64_t *row_of = places, *before = places + n + 1, *done = places + 2 * (n + 1);
    for (int64_t j = 0; j <= n; j++) {
        row_price[j] = column_price[j] = 0.0;
        row_of[j] = 0;
    }
    for (int64_t row = 1; row <= n; row++) {
        int64_t at = 0;
        row_of[0] = row;
        for (int64_t j = 0; j <= n; j++) {
            least[j] = (double)INFINITY;
            done[j] = 0;
        }
        while (row_of[at] != 0) { /* grow the tree of shortest paths until a free column is reached */
            const int64_t i = row_of[at];
            int64_t next = 0;
            double step = (double)INFINITY;
            done[at] = 1;
            for (int64_t j = 1; j <= n; j++) {
                if (done[j]) {
                    continue;
                }
                const double reduced = cost[(i - 1) * n + j - 1] - row_price[i] - column_price[j];
                if (reduced < least[j]) {
                    least[j] = reduced;
                    before[j] = at;
                }
                if (next == 0 || least[j] < step) {
                    step = least[j];
                    next = j;
                }
            }
            for (int64_t j = 0; j <= n; j++) {
                if (done[j]) {
                    row_price[row_of[j]] += step;
                    column_price[j] -= step;
                } else {
                    least[j] -= step;
                }
            }
            at = next;
        }
        while (at != 0) { /* turn the path over */
            row_of[at] = row_of[before[at]];
            at = before[at];
        }
    }
    for (int64_t j = 1; j <= n; j++) {
        column[row_of[j] - 1] = j - 1;
    }
}

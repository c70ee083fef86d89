/* The assignment problem: which column for which row, each used once, at the least total cost. */
#ifndef LIKELY_ASSIGNMENT_H
#define LIKELY_ASSIGNMENT_H

#include <stdint.h>

/* column[i] = the column of row i of the n x n cost (finite, row-major) in an assignment of least total. Shortest augmenting paths with
 * potentials (Jonker and Volgenant 1987, Computing 38:325-340). values: 3 (n + 1) doubles, places: 3 (n + 1) integers of scratch.
 * Cost: n^3. */
void lki_assign(int64_t n, const double *cost, int64_t *column, double *values, int64_t *places);

#endif

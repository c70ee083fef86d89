/* Eigenvalues of symmetric matrices, by LAPACK. */
#include "cholesky.h"

/* Fortran's interface: every argument by reference, the lengths of the texts at the end. */
extern void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
                   const int *lwork, int *info, size_t jobz_length, size_t uplo_length);

int64_t lki_symmetric_eigen(int64_t d, double *A, double *values, int vectors)
{
    double work[3 * LKI_EIGEN_MAX]; /* the unblocked reduction needs 3 d - 1; no allocation, so no failure of one */
    if (d < 0 || d > LKI_EIGEN_MAX) {
        return -3;
    }
    int n = (int)d;
    int leading = n > 0 ? n : 1;
    int length = 3 * leading;
    int info = 0;
    /* By columns the vectors stand one a column: by rows, one a row. */
    dsyev_(vectors ? "V" : "N", "U", &n, A, &leading, values, work, &length, &info, 1, 1);
    return info;
}

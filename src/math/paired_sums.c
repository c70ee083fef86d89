/* Sums over two rows side by side: the choice of the instruction set. */
#include "paired_sums.h"
#include "elementary.h"

static const lki_paired_kernel *kernel(void)
{
#if defined(__x86_64__)
    static const lki_paired_kernel *const tables[] = {&lki_paired_kernel_portable, &lki_paired_kernel_avx2, &lki_paired_kernel_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_paired_kernel_portable;
#endif
}

void lki_paired_sums(const double *k, const double *l, int64_t n, double *sums)
{
    kernel()->sums(k, l, n, sums);
}

double lki_gathered_product(const float *k, const float *l, const int32_t *order, int64_t n)
{
    return kernel()->gathered(k, l, order, n);
}

/* Sums over two rows side by side; compiled once for each instruction set. */
#include "paired_sums.h"
#include "vector.h"

enum { LANES = 2 * LKI_VL, VECTORS = 4, STEP = VECTORS * LANES, RUN = 64 * STEP };
typedef float vf __attribute__((vector_size(4 * LANES)));

/* l at LANES places. */
LKI_INLINE vf gather(const float *l, const int32_t *order)
{
#if LKI_ISA == 2
    return (vf)_mm512_i32gather_ps(_mm512_loadu_si512((const void *)order), l, 4);
#elif LKI_ISA == 1
    return (vf)_mm256_i32gather_ps(l, _mm256_loadu_si256((const __m256i *)(const void *)order), 4);
#else
    return (vf){l[order[0]], l[order[1]], l[order[2]], l[order[3]]};
#endif
}

static double gathered(const float *k, const float *l, const int32_t *order, int64_t n)
{
    double total = 0.0;
    int64_t j = 0;
    while (j + STEP <= n) {
        const int64_t end = j + RUN <= n ? j + RUN : n - (n - j) % STEP;
        vf sums[VECTORS] = {{0}};
        for (; j < end; j += STEP) {
            for (int v = 0; v < VECTORS; v++) {
                vf row;
                memcpy(&row, k + j + v * LANES, sizeof row);
                sums[v] += row * gather(l, order + j + v * LANES);
            }
        }
        for (int v = 0; v < VECTORS; v++) {
            for (int lane = 0; lane < LANES; lane++) {
                total += (double)sums[v][lane];
            }
        }
    }
    for (; j < n; j++) {
        total += (double)k[j] * (double)l[order[j]];
    }
    return total;
}

static void paired(const double *k, const double *l, int64_t n, double *sums)
{
    lki_vd kl[2], kk[2], ll[2], ks[2], ls[2];
    int64_t j = 0;
    for (int v = 0; v < 2; v++) {
        kl[v] = kk[v] = ll[v] = ks[v] = ls[v] = lki_vset1(0.0);
    }
    for (; j + 2 * LKI_VL <= n; j += 2 * LKI_VL) {
        for (int v = 0; v < 2; v++) {
            const lki_vd a = lki_vload(k + j + v * LKI_VL), b = lki_vload(l + j + v * LKI_VL);
            kl[v] += a * b;
            kk[v] += a * a;
            ll[v] += b * b;
            ks[v] += a;
            ls[v] += b;
        }
    }
    const lki_vd *const all[LKI_PAIRED_SUMS] = {kl, kk, ll, ks, ls};
    for (int i = 0; i < LKI_PAIRED_SUMS; i++) {
        sums[i] = lki_vsum(all[i][0] + all[i][1]);
    }
    for (; j < n; j++) {
        sums[0] += k[j] * l[j];
        sums[1] += k[j] * k[j];
        sums[2] += l[j] * l[j];
        sums[3] += k[j];
        sums[4] += l[j];
    }
}

const lki_paired_kernel LKI_ISA_NAME(lki_paired_kernel) = {.sums = paired, .gathered = gathered};

/* The score of a normal mixture over a tile of rows, a lane a row; compiled for each instruction set.
 *
 * With g_k = P_k (x - mean_k) and shares r_k, score = -sum_k r_k g_k, and the divergence, the trace of the second
 * derivatives, is sum_k r_k (|g_k|^2 - tr P_k) - |score|^2. Components pass once: shares are kept relative to one of
 * them, and what was summed is scaled down when one comes that is larger by e^200. */
#include "normal_score.h"
#include "vector.h"

/* BAND x SIDE sums stay in registers; with AVX-512 a row of 8 features does too. */
enum { VL = LKI_VL, SIDE = 2, TILE = SIDE * VL, BAND = 4 };

/* Shares below e^-50 of the one that they are relative to are none; the largest that is summed without scaling. */
#define LEAST_LOG_SHARE (-50.0)
#define MOST_LOG_SHARE 200.0

/* out_o = sum_i B[o out_step + i in_step] in_i for each row; in and out are tiles, TILE doubles a column. BAND outputs at a time. */
LKI_INLINE void product(const double *B, int64_t outs, int64_t out_step, int64_t ins, int64_t in_step, const double *in,
                        double *out)
{
    int64_t o = 0;
    for (; o + BAND <= outs; o += BAND) {
        const double *b = B + o * out_step;
        lki_vd s[BAND][SIDE];
        for (int a = 0; a < BAND; a++) {
            s[a][0] = s[a][1] = lki_vset1(0.0);
        }
        for (int64_t i = 0; i < ins; i++) {
            const lki_vd left = lki_vload(in + i * TILE), right = lki_vload(in + i * TILE + VL);
            for (int a = 0; a < BAND; a++) {
                const lki_vd c = lki_vset1(b[a * out_step + i * in_step]);
                s[a][0] = lki_vfma(c, left, s[a][0]);
                s[a][1] = lki_vfma(c, right, s[a][1]);
            }
        }
        for (int a = 0; a < BAND; a++) {
            lki_vstore(out + (o + a) * TILE, s[a][0]);
            lki_vstore(out + (o + a) * TILE + VL, s[a][1]);
        }
    }
    for (; o < outs; o++) {
        lki_vd s0 = lki_vset1(0.0), s1 = s0;
        for (int64_t i = 0; i < ins; i++) {
            const lki_vd c = lki_vset1(B[o * out_step + i * in_step]);
            s0 = lki_vfma(c, lki_vload(in + i * TILE), s0);
            s1 = lki_vfma(c, lki_vload(in + i * TILE + VL), s1);
        }
        lki_vstore(out + o * TILE, s0);
        lki_vstore(out + o * TILE + VL, s1);
    }
}

/* What a tile holds while components pass: one vector a side, sums over the components so far. */
typedef struct running {
    lki_vd base[SIDE], sum[SIDE], excess[SIDE]; /* base: the log term that shares are relative to */
    double *x, *t, *y, *pull, *total;           /* d, d, rank, d, d columns of TILE */
} running;

/* t = x - mean_k and y = along B_k t; the result is the squares t' P_k t. */
LKI_INLINE void squares_of(const lki_normal_terms *n, int64_t k, const running *r, int64_t d, int64_t rank, lki_vd *square)
{
    square[0] = square[1] = lki_vset1(0.0);
    for (int64_t i = 0; i < d; i++) {
        const lki_vd mean = lki_vset1(n->means[k * d + i]);
        for (int s = 0; s < SIDE; s++) {
            const lki_vd t = lki_vload(r->x + i * TILE + s * VL) - mean;
            lki_vstore(r->t + i * TILE + s * VL, t);
            if (n->across != NULL) {
                square[s] = lki_vfma(t * lki_vset1(n->across[k * d + i]), t, square[s]);
            }
        }
    }
    if (rank > 0) {
        product(n->axes + k * rank * d, rank, d, d, 1, r->t, r->y);
    }
    for (int64_t j = 0; j < rank; j++) {
        const lki_vd along = lki_vset1(n->along[k * rank + j]);
        for (int s = 0; s < SIDE; s++) {
            const lki_vd y = lki_vload(r->y + j * TILE + s * VL), z = along * y;
            square[s] = lki_vfma(y, z, square[s]);
            lki_vstore(r->y + j * TILE + s * VL, z);
        }
    }
}

/* pull = P_k t from the precision itself, and the squares t' P_k t. */
LKI_INLINE void pull_of(const lki_normal_terms *n, int64_t k, const running *r, int64_t d, lki_vd *square)
{
    square[0] = square[1] = lki_vset1(0.0);
    for (int64_t i = 0; i < d; i++) {
        const lki_vd mean = lki_vset1(n->means[k * d + i]);
        for (int s = 0; s < SIDE; s++) {
            lki_vstore(r->t + i * TILE + s * VL, lki_vload(r->x + i * TILE + s * VL) - mean);
        }
    }
    product(n->precision + k * d * d, d, d, d, 1, r->t, r->pull);
    for (int64_t i = 0; i < d; i++) {
        for (int s = 0; s < SIDE; s++) {
            square[s] = lki_vfma(lki_vload(r->t + i * TILE + s * VL), lki_vload(r->pull + i * TILE + s * VL), square[s]);
        }
    }
}

/* The same from B_k t, which squares_of() left in y. */
LKI_INLINE void pull_back(const lki_normal_terms *n, int64_t k, const running *r, int64_t d, int64_t rank)
{
    if (rank > 0) {
        product(n->axes + k * rank * d, d, 1, rank, d, r->y, r->pull);
    }
    for (int64_t i = 0; n->across != NULL && i < d; i++) {
        const lki_vd across = lki_vset1(n->across[k * d + i]);
        for (int s = 0; s < SIDE; s++) {
            const lki_vd pull = rank > 0 ? lki_vload(r->pull + i * TILE + s * VL) : lki_vset1(0.0);
            lki_vstore(r->pull + i * TILE + s * VL, lki_vfma(across, lki_vload(r->t + i * TILE + s * VL), pull));
        }
    }
}

/* total += share pull. */
LKI_INLINE void add_pull(const running *r, int64_t d, const lki_vd *share)
{
    for (int64_t i = 0; i < d; i++) {
        for (int s = 0; s < SIDE; s++) {
            const lki_vd pull = lki_vload(r->pull + i * TILE + s * VL);
            lki_vstore(r->total + i * TILE + s * VL, lki_vfma(share[s], pull, lki_vload(r->total + i * TILE + s * VL)));
        }
    }
}

/* excess += share (|pull|^2 - tr P_k). */
LKI_INLINE void add_excess(const lki_normal_terms *n, int64_t k, running *r, int64_t d, const lki_vd *share)
{
    for (int s = 0; s < SIDE; s++) {
        lki_vd square = lki_vset1(0.0);
        for (int64_t i = 0; i < d; i++) {
            const lki_vd pull = lki_vload(r->pull + i * TILE + s * VL);
            square = lki_vfma(pull, pull, square);
        }
        r->excess[s] = lki_vfma(share[s], square - lki_vset1(n->trace[k]), r->excess[s]);
    }
}

/* The share of component k relative to the base; where it is far larger it becomes the base, to which the sums so far are scaled. Returns
 * whether any row has a share at all. */
LKI_INLINE int take_share(const lki_normal_terms *n, int64_t k, running *r, int64_t d, const lki_vd *square, lki_vd *share)
{
    int any = 0;
    for (int s = 0; s < SIDE; s++) {
        const lki_vd term = lki_vset1(n->log_c[k]) - lki_vset1(0.5) * square[s];
        lki_vd above = term - r->base[s];
        const lki_vm larger = lki_vgt(above, lki_vset1(MOST_LOG_SHARE));
        if (lki_vany(larger)) {
            const lki_vd base = lki_vselect(larger, term, r->base[s]);
            const lki_vd scale = lki_vexp_lanes(r->base[s] - base); /* 1 where nothing changed; 0 at first */
            r->sum[s] *= scale;
            r->excess[s] *= scale;
            for (int64_t i = 0; i < d; i++) {
                lki_vstore(r->total + i * TILE + s * VL, scale * lki_vload(r->total + i * TILE + s * VL));
            }
            r->base[s] = base;
            above = term - base;
        }
        share[s] = lki_vset1(0.0);
        if (lki_vany(lki_vlt(lki_vset1(LEAST_LOG_SHARE), above))) {
            share[s] = lki_vselect(lki_vlt(above, lki_vset1(LEAST_LOG_SHARE)), lki_vset1(0.0), lki_vexp_lanes(above));
            any = 1;
        }
        r->sum[s] += share[s];
    }
    return any;
}

/* Sums over the components to answers of one tile. */
LKI_INLINE void finish(const running *r, int64_t d, int64_t rows, double *log_density, double *score, double *divergence)
{
    double lanes[TILE];
    lki_vd inverse[SIDE], squares[SIDE];
    for (int s = 0; s < SIDE; s++) {
        inverse[s] = lki_vset1(1.0) / r->sum[s];
        squares[s] = lki_vset1(0.0);
        lki_vstore(lanes + s * VL, r->base[s] + lki_vlog_lanes(r->sum[s]));
    }
    for (int64_t i = 0; log_density != NULL && i < rows; i++) {
        log_density[i] = lanes[i];
    }
    for (int64_t j = 0; j < d; j++) {
        for (int s = 0; s < SIDE; s++) {
            const lki_vd mean = lki_vload(r->total + j * TILE + s * VL) * inverse[s];
            squares[s] = lki_vfma(mean, mean, squares[s]);
            lki_vstore(lanes + s * VL, -mean);
        }
        for (int64_t i = 0; score != NULL && i < rows; i++) {
            score[i * d + j] = lanes[i];
        }
    }
    for (int s = 0; s < SIDE; s++) {
        lki_vstore(lanes + s * VL, r->excess[s] * inverse[s] - squares[s]);
    }
    for (int64_t i = 0; divergence != NULL && i < rows; i++) {
        divergence[i] = lanes[i];
    }
}

LKI_INLINE void tile(const lki_normal_terms *n, int64_t d, int64_t rank, const double *x, int64_t rows, double *scratch,
                     double *log_density, double *score, double *divergence)
{
    running r = {.x = scratch, .t = scratch + d * TILE, .pull = scratch + 2 * d * TILE, .total = scratch + 3 * d * TILE,
                 .y = scratch + 4 * d * TILE};
    const int slopes = score != NULL || divergence != NULL;
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < TILE; i++) { /* lanes without a row repeat the last */
            r.x[j * TILE + i] = x[(i < rows ? i : rows - 1) * d + j];
            r.total[j * TILE + i] = 0.0;
        }
    }
    for (int s = 0; s < SIDE; s++) {
        r.base[s] = lki_vset1(-1e300);
        r.sum[s] = r.excess[s] = lki_vset1(0.0);
    }
    for (int64_t k = 0; k < n->K; k++) {
        lki_vd square[SIDE], share[SIDE];
        if (n->precision != NULL) {
            pull_of(n, k, &r, d, square);
        } else {
            squares_of(n, k, &r, d, rank, square);
        }
        if (!take_share(n, k, &r, d, square, share) || !slopes) {
            continue;
        }
        if (n->precision == NULL) {
            pull_back(n, k, &r, d, rank);
        }
        add_pull(&r, d, share);
        if (divergence != NULL) {
            add_excess(n, k, &r, d, share);
        }
    }
    finish(&r, d, rows, log_density, score, divergence);
}

/* Frequent shapes get loops of fixed length. */
LKI_INLINE void tiles(const lki_normal_terms *n, int64_t d, int64_t rank, const double *x, int64_t rows, double *scratch,
                      double *log_density, double *score, double *divergence)
{
    for (int64_t first = 0; first < rows; first += TILE) {
        tile(n, d, rank, x + first * d, rows - first < TILE ? rows - first : TILE, scratch,
             log_density != NULL ? log_density + first : NULL, score != NULL ? score + first * d : NULL,
             divergence != NULL ? divergence + first : NULL);
    }
}

static void normal_score(const lki_normal_terms *n, const double *x, int64_t rows, double *scratch, double *log_density,
                         double *score, double *divergence)
{
    if (n->d == 2 && n->rank == 2) {
        tiles(n, 2, 2, x, rows, scratch, log_density, score, divergence);
    } else if (n->d == 8 && n->rank == 8) {
        tiles(n, 8, 8, x, rows, scratch, log_density, score, divergence);
    } else {
        tiles(n, n->d, n->rank, x, rows, scratch, log_density, score, divergence);
    }
}

const lki_normal_kernel LKI_ISA_NAME(lki_normal_kernel) = {TILE, normal_score};

/* What the pair engine's files share: prepared points, strips of rows, and the kernels of an instruction set. */
#ifndef LIKELY_PAIR_IMPL_H
#define LIKELY_PAIR_IMPL_H

#include "pair.h"

/* y of a tile: a row's terms are added up within a tile first. */
enum { LKI_PAIR_TILE = 64 };

/* One factor, prepared. Points stand in blocks of `columns` (lki_pair_isa): [block][column][point]. */
typedef struct lki_pair_part {
    lki_kernel_id kernel;
    double p, offset, slope;
    int64_t width, first;   /* columns, and where they start among the columns of all parts */
    int64_t *columns;       /* width */
    double *bandwidth;      /* width; NULL = metric */
    double *inverse;        /* width: 1 / bandwidth */
    double *centre;         /* width */
    double *metric;         /* width x width, or NULL */
    bool uniform;           /* all bandwidths are one */
    double scale;           /* of the sum over columns, where they are */
    double *points;         /* as given; or centred and times the metric; or of length 1 */
    double *products;       /* centred and scaled, NULL = differences only */
    double *squares;        /* |y|^2 of these */
    double greatest;        /* the largest |y| of these */
} lki_pair_part;

struct lki_pair {
    lki_memory memory;
    int64_t d, m, padded;   /* padded to whole blocks */
    int64_t terms, parts, width; /* width: columns of all parts */
    int64_t factors_most;   /* of a term */
    double *coefficients;   /* terms */
    int64_t *starts;        /* terms + 1: first part of each term */
    lki_pair_part *part;
};

/* A request with its weights and right-hand sides laid out: padded, zeros (-inf for logarithms) behind the last point. */
typedef struct lki_pair_job {
    const lki_pair *pair;
    const lki_pair_request *request;
    const double *v;          /* sides x padded */
    const double *log_weight; /* padded */
    int64_t sides;
} lki_pair_job;

/* Rows side by side, one a lane. All arrays have `lanes` columns. */
typedef struct lki_pair_strip {
    int vectors;           /* 1 or 3 */
    int64_t lanes, rows, first_row;
    double *x;             /* width: as the parts' points */
    double *scaled;        /* width: as the parts' products */
    double *squares;       /* parts: |x|^2 of these */
    double *direct;        /* parts: 1 = differences, 0 = products */
    int64_t *direct_count; /* parts */
    double *t;             /* width: the direction, scaled as derivatives by the part's argument */
    double *largest, *sum; /* 1: of LOG_SUM and MEAN; the largest value of MAX */
    double *values;        /* sides */
    double *slope, *curve; /* width: sums over pairs of first derivatives and of the curvature along t */
    double *first_sum;     /* parts: sums of first derivatives by s alone */
    double *threshold;     /* 1: of NEAREST, the greatest of the kept ones */
    double *best;          /* lanes x nearest */
    int64_t *best_index;   /* lanes x nearest, or lanes */
} lki_pair_strip;

/* Tiles of one task: LKI_PAIR_TILE x lanes each. */
typedef struct lki_pair_tiles {
    double *total, *argument, *other, *along, *weight, *first, *second, *ahead; /* first, second, ahead: one a factor */
} lki_pair_tiles;

typedef struct lki_pair_isa {
    int lanes;   /* doubles of a vector */
    int columns; /* points of a block */
    void (*tile)(const lki_pair_job *job, lki_pair_strip *strip, const lki_pair_tiles *tiles, int64_t first);
} lki_pair_isa;
extern const lki_pair_isa lki_pair_portable;
#if defined(__x86_64__)
extern const lki_pair_isa lki_pair_avx2;
extern const lki_pair_isa lki_pair_avx512;
#endif
/* Sums in single precision: x is [column][row of a strip], centred and scaled, as are the points [group][column][point]; v has a float for
 * each point; sums has one double for each row of the strip. */
typedef struct lki_pair_single_isa {
    int rows;  /* of a strip */
    int group; /* points of a group */
    void (*tile)(const lki_pair_part *part, const float *x, const float *points, const float *v, int64_t groups, double *sums);
} lki_pair_single_isa;
extern const lki_pair_single_isa lki_pair_single_portable;
#if defined(__x86_64__)
extern const lki_pair_single_isa lki_pair_single_avx2;
extern const lki_pair_single_isa lki_pair_single_avx512;
#endif

const lki_pair_isa *lki_pair_best(void);
/* A row as a part's points stand, and as its products do (NULL = not asked for), with a stride. */
void lki_pair_row(const lki_pair_part *part, const double *row, double *as_points, double *scaled, int64_t stride);
/* Whether a request goes together with the kernels. */
lk_status lki_pair_check(lk_context *ctx, const lki_pair *pair, const lki_pair_request *request) LK_NODISCARD;

#endif

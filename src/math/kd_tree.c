/* Building a kd-tree: median splits by quickselect, level by level at the top and subtree by subtree below, over threads. */
#include "core/reduce.h"
#include "kd_tree.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A node to be split. */
typedef struct range {
    int64_t node, first, end; /* leaves */
} range;

typedef struct entry {
    double key;
    int64_t row;
} entry;

typedef struct build {
    lki_kd_tree *tree;
    const double *x, *scale;
    entry *entries; /* n */
    range *ranges;
    bool whole; /* split below as well */
} build;

static bool before(entry a, entry b)
{
    return a.key < b.key || (a.key == b.key && a.row < b.row);
}

/* Puts the `count` least entries in front, by quickselect with the median of three. */
static void part(entry *e, int64_t n, int64_t count)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const entry a = e[low], b = e[low + (high - low) / 2], c = e[high];
        const entry pivot = before(a, b) ? (before(b, c) ? b : before(a, c) ? c : a) : before(a, c) ? a : before(b, c) ? c : b;
        int64_t i = low, j = high;
        while (i <= j) {
            while (before(e[i], pivot)) {
                i++;
            }
            while (before(pivot, e[j])) {
                j--;
            }
            if (i <= j) {
                const entry swap = e[i];
                e[i++] = e[j];
                e[j--] = swap;
            }
        }
        if (count - 1 <= j) {
            high = j;
        } else if (count - 1 >= i) {
            low = i;
        } else {
            return;
        }
    }
}

static int64_t place_of(const lki_kd_tree *t, int64_t leaf)
{
    const int64_t place = leaf * LKI_KD_LEAF;
    return place < t->n ? place : t->n;
}

static void find_box(const build *b, const range *r)
{
    const int64_t d = b->tree->d, end = place_of(b->tree, r->end);
    double *box = b->tree->boxes + r->node * d * 2;
    for (int64_t j = 0; j < d; j++) {
        box[2 * j] = (double)INFINITY;
        box[2 * j + 1] = -(double)INFINITY;
    }
    for (int64_t i = place_of(b->tree, r->first); i < end; i++) {
        const double *row = b->x + b->tree->order[i] * d;
        for (int64_t j = 0; j < d; j++) {
            box[2 * j] = row[j] < box[2 * j] ? row[j] : box[2 * j];
            box[2 * j + 1] = row[j] > box[2 * j + 1] ? row[j] : box[2 * j + 1];
        }
    }
}

static int by_row(const void *a, const void *b)
{
    const int64_t i = *(const int64_t *)a, j = *(const int64_t *)b;
    return (i > j) - (i < j);
}

static void fill_leaf(const build *b, int64_t leaf)
{
    lki_kd_tree *t = b->tree;
    const int64_t first = place_of(t, leaf), count = place_of(t, leaf + 1) - first;
    double *points = t->points + leaf * t->d * LKI_KD_LEAF;
    qsort(t->order + first, (size_t)count, sizeof t->order[0], by_row);
    for (int64_t i = 0; i < LKI_KD_LEAF; i++) {
        const double *row = b->x + t->order[first + (i < count ? i : count - 1)] * t->d;
        for (int64_t j = 0; j < t->d; j++) {
            points[j * LKI_KD_LEAF + i] = row[j];
        }
    }
}

/* The box of a node, and its places parted among its children. */
static void split(const build *b, const range *r)
{
    lki_kd_tree *t = b->tree;
    find_box(b, r);
    if (r->end - r->first == 1) {
        fill_leaf(b, r->first);
        return;
    }
    const double *box = t->boxes + r->node * t->d * 2;
    int64_t widest = 0;
    double width = -1.0;
    for (int64_t j = 0; j < t->d; j++) {
        const double w = (box[2 * j + 1] - box[2 * j]) / (b->scale != NULL ? b->scale[j] : 1.0);
        if (w > width) {
            width = w;
            widest = j;
        }
    }
    const int64_t first = place_of(t, r->first), n = place_of(t, r->end) - first;
    entry *e = b->entries + first;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = t->order[first + i];
        e[i] = (entry){b->x[row * t->d + widest], row};
    }
    part(e, n, place_of(t, lki_kd_middle(r->first, r->end)) - first);
    for (int64_t i = 0; i < n; i++) {
        t->order[first + i] = e[i].row;
    }
}

static int children(const range *r, range out[2])
{
    if (r->end - r->first == 1) {
        return 0;
    }
    const int64_t middle = lki_kd_middle(r->first, r->end);
    out[0] = (range){r->node + 1, r->first, middle};
    out[1] = (range){lki_kd_right(r->node, r->first, r->end), middle, r->end};
    return 2;
}

static lk_status build_task(lk_context *ctx, void *state, int thread, int64_t index)
{
    const build *b = state;
    range stack[LKI_KD_DEPTH + 2], r;
    int count = 0;
    (void)thread;
    stack[count++] = b->ranges[index];
    while (count > 0) {
        r = stack[--count];
        split(b, &r);
        if (b->whole) {
            if (r.end - r.first > 64) {
                LKI_TRY(lki_cancelled(ctx));
            }
            count += children(&r, stack + count);
        }
    }
    return LK_OK;
}

/* So many levels are split one after the other, each over threads; then the subtrees over threads. */
enum { LEVELS = 6 };

static lk_status build_all(lk_context *ctx, build *b)
{
    range list[2 << LEVELS] = {{0, 0, b->tree->leaves}}, next[2 << LEVELS];
    int64_t count = 1;
    b->ranges = list;
    for (int level = 0; level < LEVELS && count > 0; level++) {
        LKI_TRY(lki_parallel(ctx, count, build_task, b));
        int64_t grown = 0;
        for (int64_t i = 0; i < count; i++) {
            grown += children(&list[i], next + grown);
        }
        memcpy(list, next, (size_t)grown * sizeof list[0]);
        count = grown;
    }
    b->whole = true;
    return lki_parallel(ctx, count, build_task, b);
}

lk_status lki_kd_tree_new(lk_context *ctx, const double *x, int64_t n, int64_t d, const double *scale, lki_kd_tree **out)
{
    const lki_memory memory = lki_memory_of(ctx);
    lki_kd_tree *t = NULL;
    build b = {.x = x, .scale = scale};
    lk_status status = LK_OK;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *t, &t));
    t->memory = memory;
    t->n = n;
    t->d = d;
    t->leaves = (n + LKI_KD_LEAF - 1) / LKI_KD_LEAF;
    t->nodes = 2 * t->leaves - 1;
    b.tree = t;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)n, sizeof(int64_t), &t->order));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)t->leaves * LKI_KD_LEAF, (size_t)d), sizeof(double), &t->points));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)t->nodes * 2, (size_t)d), sizeof(double), &t->boxes));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)n, sizeof(entry), &b.entries));
    for (int64_t i = 0; i < n; i++) {
        t->order[i] = i;
    }
    LKI_GOTO(status, done, build_all(ctx, &b));
    *out = t;
    t = NULL;
done:
    lki_release(ctx, b.entries);
    lki_kd_tree_free(&memory, t);
    return status;
}

void lki_kd_tree_free(const lki_memory *memory, lki_kd_tree *t)
{
    if (t != NULL) {
        lki_memory_release(memory, t->order);
        lki_memory_release(memory, t->points);
        lki_memory_release(memory, t->boxes);
        lki_memory_release(memory, t);
    }
}

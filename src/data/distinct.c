/* Counts what differs: hashes of values and rows, an exact set of them, and the HyperLogLog estimate. */
#include "distinct.h"

#include <math.h>
#include <string.h>

/* The finalizer of SplitMix64 (Steele et al. 2014, variant 13 of Stafford). */
uint64_t lki_hash_mix(uint64_t word)
{
    word ^= word >> 30;
    word *= 0xbf58476d1ce4e5b9u;
    word ^= word >> 27;
    word *= 0x94d049bb133111ebu;
    return word ^ word >> 31;
}

uint64_t lki_hash_number(double v)
{
    uint64_t bits;
    if (isnan(v)) {
        return 0x7ff8000000000001u;
    }
    v += 0.0;
    memcpy(&bits, &v, sizeof bits);
    return lki_hash_mix(bits + 0x9e3779b97f4a7c15u);
}

uint64_t lki_hash_text(const char *text)
{
    uint64_t h = 0x2545f4914f6cdd1du;
    size_t length = strlen(text);
    for (size_t at = 0; at < length; at += 8) {
        uint64_t word = 0;
        memcpy(&word, text + at, length - at < 8 ? length - at : 8);
        h = lki_hash_mix(h + word) * 0x9e3779b97f4a7c15u;
    }
    return lki_hash_mix(h ^ length);
}

/* Two lanes with different constants; the order of the words matters. */
void lki_hash_add(lki_hash *hash, uint64_t word)
{
    hash->a = lki_hash_mix((hash->a ^ word) + 0x9e3779b97f4a7c15u);
    hash->b = lki_hash_mix((hash->b + word) * 0xd1342543de82ef95u + 0xc2b2ae3d27d4eb4fu);
}

static bool is_free(const lki_hash *slot)
{
    return slot->a == 0 && slot->b == 0;
}

lk_status lki_hash_set_reserve(lk_context *ctx, lki_hash_set *set, size_t count)
{
    size_t capacity = 64;
    while (capacity / 4 * 3 < count) {
        if (capacity > SIZE_MAX / 4) {
            return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a set of %zu hashes", count);
        }
        capacity *= 2;
    }
    if (capacity <= set->capacity) {
        return LK_OK;
    }
    lki_hash *slots = NULL;
    LKI_TRY(lki_zeros(ctx, capacity, sizeof *slots, &slots));
    for (size_t i = 0; i < set->capacity; i++) {
        if (!is_free(&set->slots[i])) {
            size_t at = (size_t)set->slots[i].b & (capacity - 1);
            while (!is_free(&slots[at])) {
                at = (at + 1) & (capacity - 1);
            }
            slots[at] = set->slots[i];
        }
    }
    lki_release(ctx, set->slots);
    set->slots = slots;
    set->capacity = capacity;
    return LK_OK;
}

lk_status lki_hash_set_add(lk_context *ctx, lki_hash_set *set, lki_hash hash, bool *is_new)
{
    hash.b += is_free(&hash); /* that value marks a free slot */
    if (set->count >= set->capacity / 4 * 3) {
        LKI_TRY(lki_hash_set_reserve(ctx, set, set->count + 1));
    }
    size_t at = (size_t)hash.b & (set->capacity - 1);
    while (!is_free(&set->slots[at])) {
        if (set->slots[at].a == hash.a && set->slots[at].b == hash.b) {
            *is_new = false;
            return LK_OK;
        }
        at = (at + 1) & (set->capacity - 1);
    }
    set->slots[at] = hash;
    set->count++;
    *is_new = true;
    return LK_OK;
}

void lki_sketch_add(unsigned char *sketch, uint64_t hash)
{
    uint64_t h = lki_hash_mix(hash ^ 0xd6e8feb86659fd93u);
    uint64_t rest = h << 14 | (uint64_t)1 << 13;
    unsigned char zeros = (unsigned char)(__builtin_clzll(rest) + 1);
    unsigned char *cell = &sketch[h >> 50];
    *cell = *cell < zeros ? zeros : *cell;
}

double lki_sketch_estimate(const unsigned char *sketch)
{
    double m = LKI_SKETCH_BYTES, sum = 0.0, empty = 0.0;
    for (int i = 0; i < LKI_SKETCH_BYTES; i++) {
        sum += ldexp(1.0, -sketch[i]);
        empty += sketch[i] == 0;
    }
    double estimate = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    /* Linear counting while many cells are empty (section 4 of the paper). */
    return estimate <= 2.5 * m && empty > 0.0 ? m * log(m / empty) : estimate;
}

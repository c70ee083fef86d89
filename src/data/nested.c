/* Finds shape and elements of nested JSON lists. */
#include "data/nested.h"

lki_nested lki_nested_shape(const json_t *value)
{
    lki_nested n = {.rank = 0, .size = 1};
    for (; json_is_array(value) && n.rank < LKI_NESTED_MAX; value = json_array_get(value, 0)) {
        n.shape[n.rank] = (int64_t)json_array_size(value);
        n.size *= n.shape[n.rank++];
    }
    return n;
}

const json_t *lki_nested_at(const json_t *value, const lki_nested *shape, int64_t position, int first_fastest)
{
    int64_t index[LKI_NESTED_MAX] = {0};
    for (int i = 0; i < shape->rank; i++) {
        const int axis = first_fastest ? i : shape->rank - 1 - i;
        index[axis] = position % shape->shape[axis];
        position /= shape->shape[axis];
    }
    for (int i = 0; i < shape->rank; i++) {
        value = json_array_get(value, (size_t)index[i]);
    }
    return value;
}

/* The BLAS guard: one thread inside, the host's count afterwards, nested and from many threads. */
#include "check.h"
#include "math/blas.h"
#include <pthread.h>

extern void openblas_set_num_threads(int threads);
extern int openblas_get_num_threads(void);

static void test_nesting(void **state)
{
    (void)state;
    openblas_set_num_threads(2);
    lki_blas_enter();
    assert_int_equal(openblas_get_num_threads(), 1);
    lki_blas_enter();
    assert_int_equal(openblas_get_num_threads(), 1);
    lki_blas_leave();
    assert_int_equal(openblas_get_num_threads(), 1);
    lki_blas_leave();
    assert_int_equal(openblas_get_num_threads(), 2);
    openblas_set_num_threads(1);
    lki_blas_enter();
    assert_int_equal(openblas_get_num_threads(), 1);
    lki_blas_leave();
    assert_int_equal(openblas_get_num_threads(), 1);
}

typedef struct visit {
    int64_t rounds;
    int wrong;
} visit;

static void *visit_main(void *argument)
{
    visit *v = argument;
    for (int64_t i = 0; i < v->rounds; i++) {
        lki_blas_enter();
        v->wrong += openblas_get_num_threads() != 1;
        lki_blas_leave();
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    openblas_set_num_threads(2);
    visit visits[2] = {{.rounds = check_scaled(2000, 200)}, {.rounds = check_scaled(2000, 200)}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, visit_main, &visits[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(visits[i].wrong, 0);
    }
    assert_int_equal(openblas_get_num_threads(), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests_name("blas guard", tests, NULL, NULL);
}

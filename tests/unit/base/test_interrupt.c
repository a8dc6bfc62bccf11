#include "base/interrupt.h"

#include <pthread.h>

#include "unit.h"

static int
answer(void *arg)
{
    return *(int *)arg;
}

static void
without_a_function_a_wait_goes_on(void **state)
{
    (void)state;
    assert_false(kith__interrupted());
}

static void *
ask_in_another_thread(void *arg)
{
    *(bool *)arg = kith__interrupted();
    return NULL;
}

static void
each_thread_answers_for_itself(void **state)
{
    pthread_t thread;
    int end = 1;
    bool other = true;

    (void)state;
    kith_on_interrupt(answer, &end);
    assert_true(kith__interrupted());
    end = 0;
    assert_false(kith__interrupted());
    end = 1;
    assert_int_equal(0, pthread_create(&thread, NULL, ask_in_another_thread, &other));
    assert_int_equal(0, pthread_join(thread, NULL));
    assert_false(other);
    kith_on_interrupt(NULL, NULL);
    assert_false(kith__interrupted());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_function_a_wait_goes_on),
        cmocka_unit_test(each_thread_answers_for_itself),
    };

    return cmocka_run_group_tests_name("interrupt", tests, NULL, NULL);
}

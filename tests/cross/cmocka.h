/* As much of CMocka as the tests use that scripts/cross builds for another processor, for which the library itself is seldom installed. */
#ifndef REPAQ_TESTS_CROSS_CMOCKA_H
#define REPAQ_TESTS_CROSS_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
};

#define cmocka_unit_test(function) \
    { \
#function, function \
    }

#define fail_msg(...) \
    do { \
        fprintf(stderr, __VA_ARGS__); \
        fprintf(stderr, "\n"); \
        exit(1); \
    } while (0)
#define assert_true(condition) \
    do { \
        if (!(condition)) \
            fail_msg("%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
    } while (0)
#define assert_false(condition) assert_true(!(condition))
#define assert_null(pointer) assert_true((pointer) == NULL)
#define assert_non_null(pointer) assert_true((pointer) != NULL)
#define assert_int_equal(a, b) assert_true((unsigned long long)(a) == (unsigned long long)(b))
#define assert_memory_equal(a, b, size) assert_true(memcmp(a, b, size) == 0)

static inline int cmocka_run_tests(const struct CMUnitTest *tests, size_t count, int (*setup)(void **state), int (*teardown)(void **state))
{
    void *state = NULL;
    if (setup != NULL && setup(&state) != 0)
        return 1;
    for (size_t t = 0; t < count; t++) {
        tests[t].test(&state);
        printf("ok %s\n", tests[t].name);
    }
    return teardown != NULL ? teardown(&state) : 0;
}
#define cmocka_run_group_tests(tests, setup, teardown) cmocka_run_tests(tests, sizeof(tests) / sizeof(tests)[0], setup, teardown)

#endif

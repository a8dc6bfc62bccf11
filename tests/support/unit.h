/*
 * unit.h - what every unit test includes: cmocka, and a few words more.
 */
#ifndef KITH_TEST_UNIT_H
#define KITH_TEST_UNIT_H

#include <kith.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

/* Fails the test, showing both results by number and the library's last sentence. */
#define EXPECT_RC(expected, call) test_expect_rc((expected), (call), #call, __FILE__, __LINE__)
#define EXPECT_OK(call) EXPECT_RC(KITH_OK, call)

static inline void
test_expect_rc(kith_err expected, kith_err rc, const char *call, const char *file, int line)
{
    if (rc == expected)
        return;
    print_error("%s\n  gave %d (%s), not %d (%s); last error: %s\n", call, (int)rc,
                kith_strerror(rc), (int)expected, kith_strerror(expected), kith_last_error());
    _fail(file, line);
}

#endif /* KITH_TEST_UNIT_H */

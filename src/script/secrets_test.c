/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"
#include "core/exit_codes.h"
#include "script/secrets.h"

static void mock_sources(void **state)
{
    const char *specs[] = {"mock=a=1,b=x=y", "mock=a=2,name=other,default"};
    struct error err = {0};
    struct secrets *secrets = secrets_new(specs, 2, &err);
    assert_non_null(secrets);
    assert_string_equal(secret_get(secrets_find(secrets, NULL, &err), "a"), "2");
    const struct secret_source *first = secrets_find(secrets, "default", &err);
    assert_string_equal(secret_get(first, "a"), "1");
    assert_string_equal(secret_get(first, "b"), "x=y");
    assert_null(secret_get(first, "c"));
    assert_null(secrets_find(secrets, "third", &err));
    assert_non_null(strstr(err.text, "third"));
    error_clear(&err);
    secrets_free(secrets);
}

static void none(void **state)
{
    struct error err = {0};
    struct secrets *secrets = secrets_new(NULL, 0, &err);
    assert_null(secrets_find(secrets, NULL, &err));
    assert_non_null(strstr(err.text, "--secret-source"));
    error_clear(&err);
    secrets_free(secrets);
}

static void refused(void **state)
{
    static const struct {
        const char *specs[2];
        size_t count;
        int code;
    } rows[] = {
        {{"vault=x"}, 1, EXIT_INVALID_CONFIG},       {{"file"}, 1, EXIT_INVALID_CONFIG},         {{"file=/no/such/file"}, 1, EXIT_GENERIC},
        {{"file=a,filename=b"}, 1, EXIT_INVALID_CONFIG}, {{"mock=a"}, 1, EXIT_INVALID_CONFIG},   {{"mock=a=1", "mock=b=2"}, 2, EXIT_INVALID_CONFIG},
        {{"mock=a=1,default", "mock=b=2,name=n,default"}, 2, EXIT_INVALID_CONFIG},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        assert_null(secrets_new(rows[i].specs, rows[i].count, &err));
        assert_int_equal(err.code, rows[i].code);
        error_clear(&err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mock_sources), cmocka_unit_test(none), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

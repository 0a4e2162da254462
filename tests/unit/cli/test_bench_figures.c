/* SPDX-License-Identifier: MIT */
#include "cli/bench/figures.h"

#include "test.h"

#include <stdlib.h>

static void test_numbers_are_written_for_people(void **state)
{
    static const struct {
        double value;
        int decimals;
        const char *text;
    } rows[] = {
        { 0, 0, "0" },
        { 7.126, 2, "7.13" },
        { 999, 0, "999" },
        { 1000, 0, "1,000" },
        { 1234567.891, 2, "1,234,567.89" },
        { -1234, 0, "-1,234" },
        { -123, 1, "-123.0" },
    };
    char text[FIGURE_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct figure f = { "key", "words", "", rows[i].decimals, rows[i].value };
        assert_string_equal(figure_text(&f, text), rows[i].text);
    }
}

static void test_times_are_milliseconds(void **state)
{
    struct histogram *h = calloc(1, sizeof *h);
    struct figures *f = calloc(1, sizeof *f);

    (void)state;
    assert_non_null(h);
    assert_non_null(f);
    figures_add_times(f, "latency", h);
    assert_int_equal(f->count, 0); /* nothing was measured: nothing is said */
    for (int i = 0; i < 10; i++)
        histogram_record(h, 2000000);
    figures_add_times(f, "latency", h);
    figures_add_times(f, "login", h);
    assert_true(figures_find(f, "latency_p50_ms")->value == 2);
    assert_true(figures_find(f, "latency_max_ms")->value == 2);
    assert_true(figures_find(f, "login_mean_ms")->value == 2);
    assert_null(figures_find(f, "latency"));
    free(f);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_written_for_people),
        cmocka_unit_test(test_times_are_milliseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

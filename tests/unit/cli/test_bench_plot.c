/* SPDX-License-Identifier: MIT */
#include "cli/bench/plot.h"

#include "test.h"

#include <math.h>
#include <stdlib.h>

static void test_ticks_are_round_and_few(void **state)
{
    static const struct {
        double most, step;
    } rows[] = { { 8, 1 },     { 9, 2 },        { 16, 2 },        { 17, 5 }, { 40, 5 }, { 41, 10 },
                 { 0.8, 0.1 }, { 0.03, 0.005 }, { 70000, 10000 }, { 0, 1 },  { -1, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (fabs(plot_step(rows[i].most) - rows[i].step) > rows[i].step * 1e-9)
            fail_msg("step of %g is %g", rows[i].most, plot_step(rows[i].most));
    for (double most = 1e-6; most < 1e12; most *= 1.37) {
        double ticks = most / plot_step(most);
        assert_true(ticks > 3 && ticks <= 8.0000001);
    }
}

static char *drawn(const struct plot *plot)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);

    assert_non_null(to);
    plot_write(to, plot);
    fclose(to);
    return text;
}

static void test_a_line_has_all_points(void **state)
{
    const struct plot_point points[] = { { 0, 0 }, { 1, 10 }, { 2, 5 } };
    char *text = drawn(&(struct plot){
        .title = "T", .x_words = "X", .y_words = "Y", .points = points, .count = 3 });

    (void)state;
    assert_non_null(strstr(text, "<svg"));
    assert_non_null(strstr(text, "points='70.0,214.0 378.0,12.0 686.0,113.0 '"));
    assert_null(strstr(text, "nan"));
    free(text);
}

static void test_a_percentile_axis_is_stretched(void **state)
{
    const struct plot_point points[] = { { 0, 1 }, { 0.9, 2 }, { 0.99, 4 } };
    char *text = drawn(&(struct plot){
        .title = "T", .x_words = "X", .y_words = "Y", .points = points, .count = 3, .tail = true });

    (void)state;
    assert_non_null(strstr(text, " 224.0,113.0 378.0,12.0 '")); /* a nine is a quarter */
    assert_non_null(strstr(text, "99.99 %"));
    free(text);
}

static void test_flat_and_empty_ones_do_no_harm(void **state)
{
    const struct plot_point flat[] = { { 0, 0 }, { 5, 0 } };
    char *text = drawn(
        &(struct plot){ .title = "T", .x_words = "X", .y_words = "Y", .points = flat, .count = 2 });

    (void)state;
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    text = drawn(&(struct plot){ .title = "T", .x_words = "X", .y_words = "Y" });
    assert_non_null(strstr(text, "Too little"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ticks_are_round_and_few),
        cmocka_unit_test(test_a_line_has_all_points),
        cmocka_unit_test(test_a_percentile_axis_is_stretched),
        cmocka_unit_test(test_flat_and_empty_ones_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

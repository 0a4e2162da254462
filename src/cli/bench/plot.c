/* SPDX-License-Identifier: MIT */
#include "cli/bench/plot.h"

#include <math.h>

enum {
    WIDTH = 720,
    HEIGHT = 260,
    LEFT = 70,
    RIGHT = 34,
    TOP = 12,
    BOTTOM = 46,
    TAIL_NINES = 4, /* the stretched axis goes to 99.99 % */
};

struct frame {
    const struct plot *plot;
    double x_most, y_most; /* of the axes */
    double x_step, y_step;
};

double plot_step(double most)
{
    if (!(most > 0))
        return 1;
    for (int digits = (int)floor(log10(most / 8));; digits++) {
        static const double steps[] = { 1, 2, 5 };
        for (int i = 0; i < 3; i++)
            if (most / (pow(10, digits) * steps[i]) <= 8)
                return pow(10, digits) * steps[i];
    }
}

static double x_value(const struct frame *f, double x)
{
    return f->plot->tail ? -log10(1 - x) : x;
}

static double x_at(const struct frame *f, double value)
{
    return LEFT + value / f->x_most * (WIDTH - LEFT - RIGHT);
}

static double y_at(const struct frame *f, double value)
{
    return HEIGHT - BOTTOM - value / f->y_most * (HEIGHT - TOP - BOTTOM);
}

static struct frame make_frame(const struct plot *plot)
{
    struct frame f = { .plot = plot };

    for (unsigned i = 0; i < plot->count; i++) {
        double x = x_value(&f, plot->points[i].x);
        f.x_most = x > f.x_most ? x : f.x_most;
        f.y_most = plot->points[i].y > f.y_most ? plot->points[i].y : f.y_most;
    }
    f.x_step = plot_step(f.x_most);
    f.y_step = plot_step(f.y_most);
    f.y_most = f.y_most > 0 ? ceil(f.y_most / f.y_step) * f.y_step : 1;
    if (plot->tail)
        f.x_most = TAIL_NINES;
    return f;
}

/* As few digits as tell the ticks apart. */
static void print_number(FILE *to, double value, double step)
{
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);

    fprintf(to, "%.*f", decimals, value);
}

static void write_y_axis(FILE *to, const struct frame *f)
{
    for (int i = 0; i * f->y_step <= f->y_most * 1.0001; i++) {
        double y = y_at(f, i * f->y_step);
        fprintf(to, "<line class='grid' x1='%d' y1='%.1f' x2='%d' y2='%.1f'/>", LEFT, y,
                WIDTH - RIGHT, y);
        fprintf(to, "<text x='%d' y='%.1f' text-anchor='end'>", LEFT - 8, y + 4);
        print_number(to, i * f->y_step, f->y_step);
        fputs("</text>\n", to);
    }
    fprintf(to, "<text transform='translate(14 %d) rotate(-90)' text-anchor='middle'>%s</text>\n",
            (HEIGHT - BOTTOM + TOP) / 2, f->plot->y_words);
}

static void write_x_axis(FILE *to, const struct frame *f)
{
    static const char *const nines[TAIL_NINES + 1] = { "0", "90 %", "99 %", "99.9 %", "99.99 %" };
    double step = f->plot->tail ? 1 : f->x_step;

    for (int i = 0; i * step <= f->x_most * 1.0001; i++) {
        fprintf(to, "<text x='%.1f' y='%d' text-anchor='middle'>", x_at(f, i * step),
                HEIGHT - BOTTOM + 18);
        if (f->plot->tail)
            fputs(nines[i], to);
        else
            print_number(to, i * step, step);
        fputs("</text>\n", to);
    }
    fprintf(to, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n", (WIDTH + LEFT - RIGHT) / 2,
            HEIGHT - 8, f->plot->x_words);
}

void plot_write(FILE *to, const struct plot *plot)
{
    fprintf(to, "<figure><figcaption>%s</figcaption>\n", plot->title);
    if (plot->count < 2) {
        fputs("<p>Too little was measured to draw it.</p></figure>\n", to);
        return;
    }
    struct frame f = make_frame(plot);
    fprintf(to, "<svg viewBox='0 0 %d %d' role='img' aria-label='%s'>\n", WIDTH, HEIGHT,
            plot->title);
    write_y_axis(to, &f);
    write_x_axis(to, &f);
    fputs("<polyline points='", to);
    for (unsigned i = 0; i < plot->count; i++) {
        double x = x_value(&f, plot->points[i].x);
        fprintf(to, "%.1f,%.1f ", x_at(&f, x < f.x_most ? x : f.x_most),
                y_at(&f, plot->points[i].y));
    }
    fputs("'/>\n</svg></figure>\n", to);
}

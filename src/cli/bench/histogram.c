/* SPDX-License-Identifier: MIT */
#include "cli/bench/histogram.h"

/* Below 2^BITS a slot is one value.  Above, a value's highest bit names the octave and the BITS
 * bits behind it the step: slot = octave * 2^BITS + step. */
static unsigned slot_of(uint64_t value)
{
    const uint64_t most = ((uint64_t)1 << HISTOGRAM_OCTAVES) - 1;

    if (value > most)
        value = most;
    if (value < (uint64_t)1 << HISTOGRAM_BITS)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
    unsigned step = (unsigned)(value >> shift) & ((1u << HISTOGRAM_BITS) - 1);
    return ((shift + 1) << HISTOGRAM_BITS) + step;
}

uint64_t histogram_slot_most(unsigned slot)
{
    unsigned octave = slot >> HISTOGRAM_BITS;
    uint64_t step = slot & ((1u << HISTOGRAM_BITS) - 1);

    if (octave == 0)
        return step;
    return ((step + 1 + (1u << HISTOGRAM_BITS)) << (octave - 1)) - 1;
}

void histogram_record(struct histogram *h, uint64_t value)
{
    if (h->count == 0 || value < h->least)
        h->least = value;
    if (h->count == 0 || value > h->most)
        h->most = value;
    h->count++;
    h->sum += (double)value;
    h->slots[slot_of(value)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return;
    if (into->count == 0 || from->least < into->least)
        into->least = from->least;
    if (into->count == 0 || from->most > into->most)
        into->most = from->most;
    into->count += from->count;
    into->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++)
        into->slots[i] += from->slots[i];
}

uint64_t histogram_percentile(const struct histogram *h, double part)
{
    double exact = part * (double)h->count;
    uint64_t rank = (uint64_t)exact, seen = 0;

    if (h->count == 0)
        return 0;
    if ((double)rank < exact)
        rank++;
    if (rank < 1)
        rank = 1;
    if (rank >= h->count)
        return h->most;
    for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
        seen += h->slots[i];
        if (seen < rank)
            continue;
        uint64_t value = histogram_slot_most(i);
        return value > h->most ? h->most : value < h->least ? h->least : value;
    }
    return h->most;
}

double histogram_mean(const struct histogram *h)
{
    return h->count ? h->sum / (double)h->count : 0;
}

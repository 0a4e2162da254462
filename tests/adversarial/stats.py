# SPDX-License-Identifier: MIT
"""Can two kinds of request be told apart by their timing?

Samples of both kinds are taken in random order, so that drift hits both alike. They differ when
both hold: the Mann-Whitney statistic, which looks at ranks and so is indifferent to the outliers
that a shared machine produces, is beyond 4.5 standard deviations; and the medians are further apart
than what can be told from the noise of a network (50 us). One run in 150,000 fails by chance.
"""

import random
import statistics

Z_LIMIT = 4.5
LEAST_DIFFERENCE_S = 50e-6


def mann_whitney_z(a, b):
    """The rank-sum statistic in standard deviations; timings have no ties worth correcting for."""
    ranked = sorted([(t, 0) for t in a] + [(t, 1) for t in b])
    rank_sum = sum(rank for rank, (_, kind) in enumerate(ranked, 1) if kind == 0)
    n, m = len(a), len(b)
    u = rank_sum - n * (n + 1) / 2
    return (u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5


def sample(kinds, count, seed=1):
    """Calls each of two functions `count` times in random order; each returns a time in seconds."""
    order = [0, 1] * count
    random.Random(seed).shuffle(order)
    times = ([], [])
    for kind in order:
        times[kind].append(kinds[kind]())
    return times


def distinguishable(a, b):
    """None when not; otherwise a sentence with the figures."""
    z = mann_whitney_z(a, b)
    apart = abs(statistics.median(a) - statistics.median(b))
    if abs(z) > Z_LIMIT and apart > LEAST_DIFFERENCE_S:
        return "z = %.1f, medians %.0f and %.0f us, n = %d + %d" % (
            z, statistics.median(a) * 1e6, statistics.median(b) * 1e6, len(a), len(b))
    return None

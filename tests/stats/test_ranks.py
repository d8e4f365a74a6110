"""Counts of orderings against all orderings."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, permutations

import pytest

from resprof.stats.intervals import inversion_counts, mann_whitney_counts


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (5, 1), (3, 4), (5, 5), (6, 4)])
def test_inverted_pairs_of_two_sides_are_counted(n: int, m: int) -> None:
    seen = Counter(
        sum(place > other for place in places for other in set(range(n + m)) - set(places))
        for places in combinations(range(n + m), n)
    )
    counts = mann_whitney_counts(n, m)
    assert counts == tuple(seen[inverted] for inverted in range(n * m // 2 + 1))


@pytest.mark.parametrize("n", range(1, 8))
def test_inversions_of_one_series_are_counted(n: int) -> None:
    seen = Counter(
        sum(a > b for a, b in combinations(order, 2)) for order in permutations(range(n))
    )
    assert inversion_counts(n) == tuple(seen[inverted] for inverted in range(n * (n - 1) // 4 + 1))


def test_the_lower_half_of_large_counts_is_half_of_all_orders() -> None:
    # 9 * 7 is odd: no count stands in the middle.
    assert 2 * sum(mann_whitney_counts(9, 7)) == math.comb(16, 7)
    assert 2 * sum(inversion_counts(14)) == math.factorial(14)

"""What ranks do by chance: exact counts of orderings, for tests that assume no distribution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from operator import sub

# Both counts are coefficients of a product of (1 - q^a) / (1 - q^b). They are symmetric, so the
# lower half of them is enough, and no coefficient depends on a higher one.


@lru_cache(maxsize=64)
def mann_whitney_counts(n: int, m: int) -> tuple[int, ...]:
    """In how many orders of n and m values just u of the n * m pairs are inverted.

    One count for each u from 0 to half the pairs; all orders are ``math.comb(n + m, m)``.
    Source: Mann and Whitney 1947; the counts are the coefficients of the Gaussian binomial.
    """
    counts = [1] + [0] * (n * m // 2)
    for step in range(1, m + 1):
        counts = _divided(_multiplied(counts, n + step), step)
    return tuple(counts)


@lru_cache(maxsize=64)
def inversion_counts(n: int) -> tuple[int, ...]:
    """In how many orders of n values just k of their pairs are inverted.

    One count for each k from 0 to half the pairs; all orders are ``math.factorial(n)``.
    Source: Kendall 1938; the Mahonian numbers.
    """
    counts = [1] + [0] * (n * (n - 1) // 4)
    for step in range(1, n + 1):
        counts = _divided(_multiplied(counts, step), 1)
    return tuple(counts)


def _multiplied(counts: Sequence[int], step: int) -> list[int]:
    """The series times 1 - q^step, cut to its length."""
    return [*counts[:step], *map(sub, counts[step:], counts)]


def _divided(counts: Sequence[int], step: int) -> list[int]:
    """The series over 1 - q^step, cut to its length."""
    quotient = list(counts)
    for start in range(min(step, len(counts))):
        quotient[start::step] = accumulate(quotient[start::step])
    return quotient

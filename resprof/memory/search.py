"""The largest batch that fits, where fitting need not be monotone in the batch."""

from __future__ import annotations

from collections.abc import Callable

from resprof.records.memory import CheckedWindow

WINDOW = 8
"""How many batch sizes are tried on either side of an answer; the next multiple of 8 is one."""


def largest_batch(
    fits: Callable[[int], bool], upper: int, *, window: int = WINDOW
) -> tuple[int, CheckedWindow]:
    """The largest batch that fits together with every smaller one that was tried; 0 if none.

    ``upper`` is a batch above which nothing fits. Halving finds a candidate; then every batch
    around it is tried, and around what becomes of it, until nothing changes.
    """
    tried: dict[int, bool] = {}

    def try_out(batch: int) -> bool:
        if batch not in tried:
            tried[batch] = batch <= upper and fits(batch)
        return tried[batch]

    low, high = 0, upper + 1
    if not try_out(1):
        high = 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if try_out(middle) else (low, middle)
    answer = low
    while True:
        first, last = max(1, answer - window), answer + window
        for batch in range(first, last + 1):
            try_out(batch)
        failing = min(batch for batch, fitted in tried.items() if not fitted)
        if failing == answer + 1:
            break
        answer = failing - 1
    above = tuple(sorted(batch for batch, fitted in tried.items() if fitted and batch > answer))
    return answer, CheckedWindow(first=first, last=last, fits_above=above)

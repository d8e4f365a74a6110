"""Many values on both sides are compared as few are, without every pair being written down."""

from __future__ import annotations

import random

import pytest

from resprof.stats import comparison
from resprof.stats.comparison import compare


@pytest.mark.parametrize("ties", [False, True])
def test_ranks_that_are_searched_for_are_those_that_are_listed(
    ties: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(0)
    for n, m in ((6, 7), (30, 40), (150, 151)):
        before = [rng.lognormvariate(0, 0.1) for _ in range(n)]
        after = [rng.lognormvariate(0.02, 0.1) for _ in range(m)]
        if ties:
            before, after = ([round(each, 2) for each in side] for side in (before, after))
        listed = compare(before, after, higher_is_faster=False)
        monkeypatch.setattr(comparison, "_LISTED_PAIRS", 0)
        searched = compare(before, after, higher_is_faster=False)
        monkeypatch.undo()
        assert searched.verdict is listed.verdict
        assert searched.coverage == listed.coverage
        for name in ("ratio", "low", "high"):
            assert getattr(searched, name) == pytest.approx(getattr(listed, name), abs=1e-11)

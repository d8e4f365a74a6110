"""Percentiles and the samples that support them."""

from __future__ import annotations

import pytest

from resprof.stats.intervals import PERCENTILE_MINIMA, percentile, percentile_minimum


@pytest.mark.parametrize(("percent", "published"), [(90, 64), (95, 130), (99, 662)])
def test_the_early_stopping_rule_gives_loadgens_published_minima(
    percent: int, published: int
) -> None:
    """MLPerf inference rules: p90, p95 and p99 need at least 64, 130 and 662 queries."""
    assert percentile_minimum(percent) == published == PERCENTILE_MINIMA[percent]
    over = 1 - percent / 100

    def at_most_one_above(n: int) -> float:
        return (1 - over) ** n + n * over * (1 - over) ** (n - 1)

    assert at_most_one_above(published) <= 0.01 < at_most_one_above(published - 1)


def test_a_percentile_is_unknown_below_its_minimum() -> None:
    assert percentile([1.0] * 63, 90) is None
    assert percentile([1.0] * 64, 90) == 1.0


def test_a_percentile_is_the_sample_of_the_nearest_rank() -> None:
    hundred = [float(value) for value in range(100, 0, -1)]
    assert percentile(hundred, 90) == 90.0
    assert percentile(hundred, 95) is None
    assert percentile([*hundred, 101.0], 90) == 91.0

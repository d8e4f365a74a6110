"""How often `resprof compare --fail-on slower:2%` fails on scripted runs, by true change and noise.

First from one process a side whose calls scatter, then from processes that differ as well.
Run: python -m tests.bench.regression_rates
"""

from __future__ import annotations

import random

from resprof.answers.compare.comparison import compare_runs
from resprof.answers.compare.fail_on import failures
from resprof.measure.run_file import Record
from tests.factories import WORKLOAD, Launched, as_read, run_of
from tests.stats.simulation import durations, simulate

SEEDS = 500
LIMIT = 0.02
CHANGES = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05)
NOISES = (0.005, 0.01, 0.02)
BETWEEN_PROCESSES = 0.005
"""By how much processes of one configuration are taken to differ."""
LAUNCHES = (1, 4, 6)


def noisy(seed: int, *, mean_s: float, noise: float, between: float = 0.0) -> Launched:
    """A launch taken by the measuring loop on a scripted clock, its mean off by ``between``."""
    mean_s *= 1 + between * random.Random(f"between {seed}").gauss()
    found = simulate(durations(seed, noise=noise, mean_s=mean_s))
    return Launched(
        latencies_s=found.medians_s, throughputs_s=tuple(1 / rate for rate in found.rates)
    )


def caught(
    change: float, noise: float, *, launches: int = 1, between: float = 0.0, seeds: int = SEEDS
) -> float:
    """The share of pairs of runs in which the candidate is called slower."""

    def side(number: int, mean_s: float) -> tuple[Record, ...]:
        first = number * launches
        return run_of(
            (
                WORKLOAD,
                [
                    noisy(seed, mean_s=mean_s, noise=noise, between=between)
                    for seed in range(first, first + launches)
                ],
            )
        )

    count = 0
    for seed in range(seeds):
        before, after = side(seed, 1.0), side(seed + seeds, 1 + change)
        results = compare_runs(as_read(before, "a"), [as_read(after, "b")], margin=LIMIT)
        found = failures(results, {"slower": LIMIT}, strict=False)
        count += any(each.reason == "slower" for each in found)
    return count / seeds


def main() -> None:
    """Prints both tables."""
    print(f"caught by --fail-on slower:{LIMIT:.0%}, of {SEEDS} pairs of runs")
    print("noise of a call  " + "  ".join(f"{change:>6.1%}" for change in CHANGES))
    for noise in NOISES:
        rates = (f"{caught(change, noise):>6.1%}" for change in CHANGES)
        print(f"{noise:>15.1%}  " + "  ".join(rates), flush=True)
    print(f"\nthe same where processes differ by {BETWEEN_PROCESSES:.1%}, calls by {NOISES[0]:.1%}")
    print("launches a side  " + "  ".join(f"{change:>6.1%}" for change in CHANGES))
    for launches in LAUNCHES:
        rates = (
            f"{caught(change, NOISES[0], launches=launches, between=BETWEEN_PROCESSES):>6.1%}"
            for change in CHANGES
        )
        print(f"{launches:>15}  " + "  ".join(rates), flush=True)
    print("(0.3%: at most 5%; 3%: at least 95%, which takes four launches where processes differ)")


if __name__ == "__main__":
    main()

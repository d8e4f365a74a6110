"""How often `resprof compare --fail-on slower:2%` fails on scripted runs, by true change and noise.

Run: python -m tests.bench.regression_rates
"""

from __future__ import annotations

from resprof.analysis.gate import failures
from resprof.jobs.compare import compare_runs
from resprof.records.gate import Limits, Reason
from tests.analysis.runs import WORKLOAD
from tests.analysis.scripted_runs import as_read, noisy, run_of

SEEDS = 500
LIMIT = 0.02
CHANGES = (0.0, 0.003, 0.01, 0.02, 0.03, 0.05)
NOISES = (0.005, 0.01, 0.02)


def caught(change: float, noise: float, seeds: int = SEEDS) -> float:
    """The share of pairs of runs in which the candidate is called slower."""
    count = 0
    for seed in range(seeds):
        before = run_of((WORKLOAD, [noisy(seed, mean_s=1.0, noise=noise)]))
        after = run_of((WORKLOAD, [noisy(seed + seeds, mean_s=1 + change, noise=noise)]))
        results = compare_runs(as_read(before, "a"), [as_read(after, "b")], margin=LIMIT)
        found = failures(results, Limits(slower=LIMIT), strict=False)
        count += any(each.reason is Reason.SLOWER for each in found)
    return count / seeds


def main() -> None:
    """Prints the table."""
    print(f"caught by --fail-on slower:{LIMIT:.0%}, of {SEEDS} pairs of runs")
    print("noise of a call  " + "  ".join(f"{change:>6.1%}" for change in CHANGES))
    for noise in NOISES:
        rates = (f"{caught(change, noise):>6.1%}" for change in CHANGES)
        print(f"{noise:>15.1%}  " + "  ".join(rates), flush=True)


if __name__ == "__main__":
    main()

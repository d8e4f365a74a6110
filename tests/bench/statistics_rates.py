"""How often what is said of a measurement is right: simulated on a scripted clock, 500 seeds each.

Prints shares of seeds beside what is asked of them. A call takes 1 s, a round ten calls; its noise
resembles that of the call before by the correlation. Run: python tests/bench/statistics_rates.py
"""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from resprof.measure.run import Metric, Stop
from resprof.stats.comparison import Comparison, SpeedVerdict, compare
from resprof.stats.intervals import order_interval
from resprof.stats.series import drift
from tests.stats.simulation import (
    PLAN,
    SEEDS,
    comparisons,
    coverage,
    durations,
    share_of,
    simulate,
)

NOISES = (0.01, 0.02, 0.05)
CORRELATIONS = (0.0, 0.5, 0.8)
BETWEEN_PROCESSES = 0.005
"""By how much launches of one configuration are taken to differ."""


def intervals() -> None:
    print("The interval over rounds holds the truth (at least 93%)")
    print("noise  correlation  latency  throughput  target met  rounds")
    for noise in NOISES:
        for correlation in CORRELATIONS:
            found = coverage(noise=noise, correlation=correlation)
            print(
                f"{noise:5.0%}  {correlation:11.1f}  {found.latency:7.1%}  {found.throughput:10.1%}"
                f"  {found.target_met:10.1%}  {found.mean_rounds:6.1f}"
            )


def intervals_of_latency_alone() -> None:
    """Rounds that follow each other without a pause share the noise at their ends."""
    print("\nThe same of latency alone, by calls a round")
    print("calls  noise  correlation  latency  target met  rounds")
    for calls in (10, 40):
        plan = replace(PLAN, metrics=(Metric.LATENCY,), round_s=calls + 0.5)
        for correlation in CORRELATIONS:
            held = met = rounds = 0
            for seed in range(SEEDS):
                run = simulate(durations(seed, noise=0.01, correlation=correlation), plan)
                interval = order_interval(run.medians_s)
                held += interval is not None and interval.low <= 1 <= interval.high
                met += run.stop is Stop.TARGET_MET
                rounds += len(run.medians_s)
            print(
                f"{calls:5}  {0.01:5.0%}  {correlation:11.1f}  {held / SEEDS:7.1%}"
                f"  {met / SEEDS:10.1%}  {rounds / SEEDS:6.1f}"
            )


def verdicts() -> None:
    print("\nVerdicts on two runs, margin 1%")
    print("slower  noise  correlation  faster  slower    same  inconclusive")
    for slower, noises in ((0.0, (0.005, *NOISES)), (0.02, (0.005, 0.01, 0.02))):
        for noise in noises:
            for correlation in (0.0, 0.8):
                found = comparisons(slower=slower, noise=noise, correlation=correlation)
                print(f"{slower:6.0%}  {noise:5.1%}  {correlation:11.1f}{shares(found)}")
    print("(0%: same and inconclusive at least 95%; 2% at noise 0.5%: slower at least 90%)")


def shares(found: list[Comparison]) -> str:
    faster, slower, same, open_ = (
        share_of(found, verdict)
        for verdict in (
            SpeedVerdict.FASTER,
            SpeedVerdict.SLOWER,
            SpeedVerdict.SAME,
            SpeedVerdict.INCONCLUSIVE,
        )
    )
    return f"  {faster:6.1%}  {slower:6.1%}  {same:6.1%}  {open_:12.1%}"


def verdicts_over_processes() -> None:
    """Rounds of one process know nothing of the next: only launches are independent."""
    print(f"\nThe same configuration twice, launches {BETWEEN_PROCESSES:.1%} apart, noise 0.5%")
    print(f"{'values':24}  faster  slower    same  inconclusive")
    single = [
        compare(launch(2 * seed), launch(2 * seed + 1), higher_is_faster=False)
        for seed in range(SEEDS)
    ]
    print(f"{'rounds of one launch':24}{shares(single)}")
    for launches in (4, 6):
        several = [
            compare(
                [median(launch(2 * (seed * launches + turn))) for turn in range(launches)],
                [median(launch(2 * (seed * launches + turn) + 1)) for turn in range(launches)],
                higher_is_faster=False,
            )
            for seed in range(SEEDS)
        ]
        print(f"{f'medians of {launches} launches':24}{shares(several)}")


def launch(seed: int) -> tuple[float, ...]:
    mean_s = 1 + BETWEEN_PROCESSES * random.Random(f"launch {seed}").gauss()
    return simulate(durations(seed, noise=0.005, mean_s=mean_s)).medians_s


def drifts() -> None:
    print("\nRounds flagged as drifting, noise 1% (without a drift: at most 3%)")
    print("drift an index  correlation  flagged")
    for per_call in (0.0, 2.5e-5, 1e-4, 4e-4):
        for correlation in (0.0, 0.8):
            flagged = 0
            for seed in range(SEEDS):
                script = durations(seed, noise=0.01, correlation=correlation, drift=per_call)
                found = drift(simulate(script).medians_s)
                flagged += found is not None and found.significant
            # An index is ten calls of latency and ten of throughput.
            print(f"{20 * per_call:14.2%}  {correlation:11.1f}  {flagged / SEEDS:7.1%}")


def main() -> None:
    intervals()
    intervals_of_latency_alone()
    verdicts()
    verdicts_over_processes()
    drifts()


if __name__ == "__main__":
    main()

"""What each flag means to a reader, and the option that helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resprof.records.bench import BenchResult, Flag

MEANING = {
    Flag.ONE_PROCESS: "the interval is over rounds within one process and another launch may lie "
    "outside; --launches 6 gives one over launches.",
    Flag.FEW_LAUNCHES: "fewer than six launches cannot give an interval of 95%; what it does cover "
    "stands beside it. --launches 6 --resume adds the missing ones.",
    Flag.FEW_ROUNDS: "fewer than six rounds cannot give an interval of 95%; raise --time-limit.",
    Flag.WIDE: "the interval is wider than --target-ci asks for; raise --time-limit, or see "
    "resprof doctor for what disturbs this machine.",
    Flag.NOT_STEADY: "call times had not settled when a quarter of the time was up; raise "
    "--time-limit.",
    Flag.DRIFT: "the rounds rise or fall steadily by 1% or more: something warms up, throttles or "
    "leaks.",
    Flag.LAUNCH_BOUND: "the host takes about as long to issue a call as the device to run it, so "
    "the device waits; try --engine graph.",
    Flag.THROTTLED: "the driver lowered the clocks for 1% of the time or more; the reasons are in "
    "--json.",
    Flag.SHARED_GPU: "other processes computed on the device.",
    Flag.PERTURBED: "instrumented calls differ from clean ones by more than 1%: take the stages' "
    "shares, not their times.",
    Flag.NOT_FINITE: "the network's output holds NaN or infinity, and times depend on values.",
    Flag.HALVED: "the batch that was asked for ran out of memory; this is a half of it, or a half "
    "of that.",
    Flag.CUT_SHORT: "the process did not end well; what it measured before counts.",
}


def flags_of(result: BenchResult) -> tuple[Flag, ...]:
    """The flags of all rows, each once."""
    return tuple(dict.fromkeys(flag for row in result.rows for flag in row.flags))


def common_flags(results: Iterable[BenchResult]) -> tuple[Flag, ...]:
    """Those that every configuration has, which say nothing in a row."""
    sets = [flags_of(result) for result in results if any(row.rounds for row in result.rows)]
    return tuple(flag for flag in sets[0] if all(flag in each for each in sets)) if sets else ()


def flag_notes(results: Sequence[BenchResult]) -> tuple[str, ...]:
    """A sentence for each flag that occurs, in the flags' order."""
    seen = {flag for result in results for flag in flags_of(result)}
    common = common_flags(results)
    every = " (every row)" if len(results) > 1 else ""
    return tuple(
        f"{flag}{every if flag in common else ''}: {MEANING[flag]}" for flag in Flag if flag in seen
    )

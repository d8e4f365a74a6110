"""The run file: JSON lines of what was measured, each complete in itself, in the order it happened.

Every line is ``{"schema": 1, "record": "environment" | "round" | "result", ...}``. Rounds and
results belong to the environment above them, so a run that is continued on another day, or with
another driver, says so. A line counts once its line feed is written: what a kill cuts off is the
record in flight and nothing else. Fields that are added later get a default, so older files of the
same schema can be read.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Self

from resprof.errors import UsageError
from resprof.records.codec import SCHEMA, to_plain
from resprof.records.decode import from_plain
from resprof.records.environment import DeviceKind, Environment
from resprof.records.recipe import Workload


class Metric(StrEnum):
    """One batch in flight, or calls back to back; the two are never mixed."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"


class Stop(StrEnum):
    """Why no further round was measured."""

    ROUNDS_DONE = "rounds done"
    TIME_LIMIT = "time limit"


class Outcome(StrEnum):
    """What became of a configuration. Out of memory is an answer, not a failure."""

    MEASURED = "measured"
    OUT_OF_MEMORY = "out of memory"
    FAILED = "failed"
    HUNG = "hung"
    """Ended from outside because it did not end by itself."""


class Flag(StrEnum):
    """What a reader of a figure has to know."""

    NOT_STEADY = "warm-up capped"
    """Call times had not settled when the warm-up's cap was reached."""
    FEW_ROUNDS = "few rounds"
    """Too few rounds for an interval of the confidence asked for."""
    NOT_FINITE = "not finite"
    """The network's output holds NaN or infinity."""
    ONE_PROCESS = "one process"
    """The interval is over rounds within one process, not over launches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Raw samples of one round, none dropped.

    A sample is the time of ``calls`` calls in seconds: one call each for latency; all calls of the
    round, back to back, for throughput. ``samples_s`` are by the device's clock, ``wall_s`` by the
    host's beside it; None where the device's clock is the host's. ``index`` counts from 0.
    """

    key: str
    device: DeviceKind
    metric: Metric
    index: int
    calls: int
    samples_s: tuple[float, ...]
    wall_s: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What ran before the first round; ``steady`` says whether call times had settled."""

    samples_s: tuple[float, ...]
    steady: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMemory:
    """Activation memory of a row of Table 1, or of the ``loss``."""

    stage: str
    activation_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """Memory of one call; None is unknown.

    ``peak_allocated_bytes`` are live tensors at their most, parameters included, and
    ``peak_reserved_bytes`` what the CUDA allocator held for them. ``process_peak_bytes`` is the
    process's peak resident size above what it had before the network was built.
    ``activation_bytes`` are those kept for backward, live at the end of forward, without
    parameters and input; in inference the largest live set. In training the stages add up to it,
    each storage counted in the stage that first kept it; in inference each stage has its own
    largest live set.
    """

    peak_allocated_bytes: int | None = None
    peak_reserved_bytes: int | None = None
    process_peak_bytes: int | None = None
    activation_bytes: int | None = None
    stages: tuple[StageMemory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a child process says of its configuration when the rounds are done."""

    device: DeviceKind
    first_call_s: float
    warm_up: WarmUp
    stop: Stop
    outputs_finite: bool
    memory: MemoryUse


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A distribution-free interval for the median over rounds and the coverage it achieves."""

    low: float
    high: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds per call. ``median_s`` is the median of the rounds' medians, as is its interval.

    A percentile is None where ``samples`` do not support it.
    """

    rounds: int
    samples: int
    median_s: float
    interval_s: Interval | None
    p90_s: float | None
    p95_s: float | None
    p99_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """All images over all time; the interval is over the rounds' rates."""

    rounds: int
    calls: int
    images_per_s: float
    interval_images_per_s: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A configuration's figures, or why there are none.

    Rounds that were measured before a child ended badly count; ``observed`` is then None.
    ``message`` is the child's last word, None where it ended well.
    """

    key: str
    workload: Workload
    device: DeviceKind | None
    outcome: Outcome
    message: str | None
    latency: Latency | None
    throughput: Throughput | None
    observed: Observation | None
    flags: tuple[Flag, ...]


Record = Environment | Round | Result

_KINDS: dict[str, type[Environment] | type[Round] | type[Result]] = {
    "environment": Environment,
    "round": Round,
    "result": Result,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_line(record: Record) -> str:
    """The record as one line with its line feed."""
    head = {"schema": SCHEMA, "record": _NAMES[type(record)]}
    plain = head | to_plain(record)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


def from_line(line: str) -> Record:
    """The record of a line; ``UsageError`` for a schema or a kind that this version lacks."""
    try:
        plain = json.loads(line)
        schema, name = plain["schema"], plain["record"]
    except (ValueError, TypeError, KeyError):
        raise UsageError(
            "a line of the run file is not a record", hint="choose another file with --run"
        ) from None
    if schema != SCHEMA or name not in _KINDS:
        raise UsageError(
            f"the run file holds a record {name!r} of schema {schema!r}, this resprof reads "
            f"schema {SCHEMA}",
            hint="choose another file with --run, or read it with the resprof that wrote it",
        )
    try:
        return from_plain(_KINDS[name], plain)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"a {name} record of the run file cannot be read: {error}",
            hint="choose another file with --run",
        ) from None


def read_run(path: Path) -> tuple[Record, ...]:
    """The records of a run file without a last line that was cut off."""
    whole, _ = _split(path.read_bytes())
    return tuple(from_line(line) for line in whole.decode().split("\n")[:-1])


class RunFile:
    """A run file open for appending; what is in it is checked and repaired first.

    Every record is flushed to the operating system, every result to the disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.kept: tuple[Record, ...] = ()

    def __enter__(self) -> Self:
        if self._path.exists():
            self.kept = read_run(self._path)
            whole, cut = _split(self._path.read_bytes())
            if cut:
                os.truncate(self._path, len(whole))
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, record: Record) -> None:
        """Writes one line; returns when a kill of this process can no longer lose it."""
        if self._file is None:
            raise ValueError("the run file is not open")
        self._file.write(to_line(record).encode())
        self._file.flush()
        if isinstance(record, Result):
            os.fsync(self._file.fileno())


def _split(content: bytes) -> tuple[bytes, bytes]:
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]

"""Makes records of rounds, with the device's state before and after each."""

from __future__ import annotations

from collections.abc import Callable

from resprof.measure.nvml import between
from resprof.measure.rounds import Taken, TakenTiles
from resprof.measure.tiles import Tiled
from resprof.records.environment import DeviceKind
from resprof.records.plan import Metric, Order
from resprof.records.run import Round, TiledRound
from resprof.records.run_file import Record
from resprof.records.telemetry import GpuReading

Emit = Callable[[Record], None]


class RoundSink:
    """Takes rounds and emits records.

    ``call_s`` is how long a call took in the last round of calls back to back, as those are over
    which energy is read.
    """

    def __init__(
        self,
        order: Order,
        kind: DeviceKind,
        tiled: Tiled | None,
        read: Callable[[], GpuReading | None],
        emit: Emit,
    ) -> None:
        self.call_s = 0.0
        self._order = order
        self._kind = kind
        self._tiled = tiled
        self._read = read
        self._emit = emit
        self._before: GpuReading | None = None

    def begin(self) -> None:
        """A round is about to be timed."""
        self._before = self._read()

    def keep(self, taken: Taken | TakenTiles, /) -> None:
        """A round has been timed; the device is read first, before it goes idle."""
        telemetry = between(self._before, self._read())
        key, launch = self._order.workload.text, self._order.launch
        if isinstance(taken, Taken):
            if taken.metric is Metric.THROUGHPUT:
                self.call_s = sum(taken.samples_s) / (taken.calls * len(taken.samples_s))
            self._emit(
                Round(
                    key=key,
                    launch=launch,
                    device=self._kind,
                    metric=taken.metric,
                    index=taken.index,
                    calls=taken.calls,
                    samples_s=taken.samples_s,
                    wall_s=taken.wall_s,
                    issue_s=taken.issue_s,
                    telemetry=telemetry,
                )
            )
        elif self._tiled is not None:
            self._emit(
                TiledRound(
                    key=key,
                    launch=launch,
                    device=self._kind,
                    index=taken.index,
                    tiles=self._tiled.tiles,
                    samples_s=taken.samples_s,
                    telemetry=telemetry,
                )
            )
